"""Feed-forward networks of every library as one `Network`; one reader file per library."""
