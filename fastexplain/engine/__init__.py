"""Array functions: a model and rows in, arrays out."""

from __future__ import annotations

from fastexplain.engine.deep_lift import DeepLiftResult, deep_lift
from fastexplain.engine.expected_gradients import ExpectedGradientsResult, expected_gradients
from fastexplain.engine.tree_shap import TreeShapResult, tree_shap

__all__ = [
    "DeepLiftResult",
    "ExpectedGradientsResult",
    "TreeShapResult",
    "deep_lift",
    "expected_gradients",
    "tree_shap",
]
