"""Array functions: a model and rows in, arrays out. Each is loaded when used."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fastexplain._lazy import lazy

if TYPE_CHECKING:
    from fastexplain.engine.background import Background, summarize_background
    from fastexplain.engine.deep.deep_lift import DeepLiftResult, deep_lift
    from fastexplain.engine.deep.expected_gradients import ExpectedGradientsResult, expected_gradients
    from fastexplain.engine.kernel.kernel_shap import KernelShapResult, kernel_shap
    from fastexplain.engine.linear.linear_shap import LinearShapResult, linear_shap
    from fastexplain.engine.permutation.permutation_importance import (
        PermutationImportanceResult,
        permutation_importance,
    )
    from fastexplain.engine.tree.interventional import InterventionalTreeShap
    from fastexplain.engine.tree.tree_shap import TreeShapResult, tree_shap

__all__ = [
    "Background",
    "DeepLiftResult",
    "ExpectedGradientsResult",
    "InterventionalTreeShap",
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

_EXPORTS = {
    "Background": "fastexplain.engine.background",
    "DeepLiftResult": "fastexplain.engine.deep.deep_lift",
    "ExpectedGradientsResult": "fastexplain.engine.deep.expected_gradients",
    "InterventionalTreeShap": "fastexplain.engine.tree.interventional",
    "KernelShapResult": "fastexplain.engine.kernel.kernel_shap",
    "LinearShapResult": "fastexplain.engine.linear.linear_shap",
    "PermutationImportanceResult": "fastexplain.engine.permutation.permutation_importance",
    "TreeShapResult": "fastexplain.engine.tree.tree_shap",
    "deep_lift": "fastexplain.engine.deep.deep_lift",
    "expected_gradients": "fastexplain.engine.deep.expected_gradients",
    "kernel_shap": "fastexplain.engine.kernel.kernel_shap",
    "linear_shap": "fastexplain.engine.linear.linear_shap",
    "permutation_importance": "fastexplain.engine.permutation.permutation_importance",
    "summarize_background": "fastexplain.engine.background",
    "tree_shap": "fastexplain.engine.tree.tree_shap",
}
__getattr__, __dir__ = lazy(__name__, _EXPORTS, __all__)


class _Engine(ModuleType):
    """The package itself: ``engine.tree_shap`` is the function, also once the module of that name is loaded."""

    def __setattr__(self, name: str, value: Any) -> None:
        # what the import system binds after it has loaded a sub-module
        super().__setattr__(name, getattr(value, name) if isinstance(value, ModuleType) and name in _EXPORTS else value)


sys.modules[__name__].__class__ = _Engine
