"""Arithmetic of explanations: means over rows, rankings, raw features, fidelity."""
