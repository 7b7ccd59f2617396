"""Array functions: a model and rows in, arrays out."""

from __future__ import annotations

from fastexplain.engine.tree_shap import TreeShapResult, tree_shap

__all__ = ["TreeShapResult", "tree_shap"]
