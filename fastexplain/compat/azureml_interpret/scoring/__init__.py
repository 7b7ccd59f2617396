"""Scoring explainers, where azureml-interpret has them."""
