"""Tree SHAP: exact values of tree ensembles, and the Numba twin of its kernel."""
