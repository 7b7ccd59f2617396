"""Kernel SHAP: games of coalitions, the designs by which they are sampled, and the estimators."""
