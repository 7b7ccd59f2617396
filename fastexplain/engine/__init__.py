"""Array functions: a model and rows in, arrays out."""

from __future__ import annotations

from fastexplain.engine.background import Background, summarize_background
from fastexplain.engine.deep_lift import DeepLiftResult, deep_lift
from fastexplain.engine.expected_gradients import ExpectedGradientsResult, expected_gradients
from fastexplain.engine.kernel_shap import KernelShapResult, kernel_shap
from fastexplain.engine.linear_shap import LinearShapResult, linear_shap
from fastexplain.engine.permutation_importance import PermutationImportanceResult, permutation_importance
from fastexplain.engine.tree_shap import TreeShapResult, tree_shap

__all__ = [
    "Background",
    "DeepLiftResult",
    "ExpectedGradientsResult",
    "KernelShapResult",
    "LinearShapResult",
    "PermutationImportanceResult",
    "TreeShapResult",
    "deep_lift",
    "expected_gradients",
    "kernel_shap",
    "linear_shap",
    "permutation_importance",
    "summarize_background",
    "tree_shap",
]
