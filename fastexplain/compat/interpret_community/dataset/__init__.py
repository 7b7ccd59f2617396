"""Datasets in wrappers."""
