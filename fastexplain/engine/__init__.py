"""Array functions: a model and rows in, arrays out."""

from __future__ import annotations

from fastexplain.engine.permutation_importance import PermutationImportanceResult, permutation_importance
from fastexplain.engine.tree_shap import TreeShapResult, tree_shap

__all__ = ["PermutationImportanceResult", "TreeShapResult", "permutation_importance", "tree_shap"]
