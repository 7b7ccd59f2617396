"""Tree ensembles of every library as one `Forest`; one loader file per library."""
