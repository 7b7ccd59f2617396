"""Array functions: a model and rows in, arrays out."""

from __future__ import annotations

from fastexplain.engine.linear_shap import LinearShapResult, linear_shap
from fastexplain.engine.tree_shap import TreeShapResult, tree_shap

__all__ = ["LinearShapResult", "TreeShapResult", "linear_shap", "tree_shap"]
