"""Metrics of predictions: the table of their names, their arithmetic, and its compiled twins."""
