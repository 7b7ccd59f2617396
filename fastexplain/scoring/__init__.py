"""Explanations beside predictions: explainers for production, and the artifact that they are saved as.

Loading and scoring import NumPy, the standard library and the compiled core alone.
"""
