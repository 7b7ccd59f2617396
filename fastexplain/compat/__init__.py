"""Other packages' module and class names over our engine: thin adapters without computation of their own."""
