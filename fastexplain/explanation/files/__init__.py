"""Explanations in files: interpret-community's JSON folder, Parquet and Arrow."""
