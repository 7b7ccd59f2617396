"""Linear SHAP: exact values of linear models."""
