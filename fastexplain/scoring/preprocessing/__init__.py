"""Preprocessing as data: fitted transformers of scikit-learn become operations that NumPy alone carries out."""
