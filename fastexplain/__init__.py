"""Exact, fast explanations of tabular models.

An explanation costs about as much as the prediction it explains, and it is right.

>>> import fastexplain
>>> explainer = fastexplain.TabularExplainer(model, X_train)          # doctest: +SKIP
>>> explanation = explainer.explain_global(X_test)                    # doctest: +SKIP
>>> explanation.get_feature_importance_dict(top_k=5)                  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastexplain._threads import get_num_threads, set_num_threads
    from fastexplain.compat.install import install_as
    from fastexplain.engine import (
        Background,
        DeepLiftResult,
        ExpectedGradientsResult,
        KernelShapResult,
        LinearShapResult,
        PermutationImportanceResult,
        TreeShapResult,
        deep_lift,
        expected_gradients,
        kernel_shap,
        linear_shap,
        permutation_importance,
        summarize_background,
        tree_shap,
    )
    from fastexplain.exceptions import (
        FastExplainError,
        MissingDependencyError,
        ModelConversionError,
        PredictionError,
        UnsupportedModelError,
    )
    from fastexplain.explainers import DeepExplainer, KernelExplainer, LinearExplainer, TabularExplainer, TreeExplainer
    from fastexplain.explanation import Explanation
    from fastexplain.models import load_model
    from fastexplain.models.wrapped import wrap_model

# public name -> module that defines it; loaded on first use, so that `import fastexplain` costs no more than NumPy
_EXPORTS = {
    "Background": "fastexplain.engine",
    "DeepExplainer": "fastexplain.explainers",
    "DeepLiftResult": "fastexplain.engine",
    "ExpectedGradientsResult": "fastexplain.engine",
    "Explanation": "fastexplain.explanation",
    "FastExplainError": "fastexplain.exceptions",
    "KernelExplainer": "fastexplain.explainers",
    "KernelShapResult": "fastexplain.engine",
    "LinearExplainer": "fastexplain.explainers",
    "LinearShapResult": "fastexplain.engine",
    "MissingDependencyError": "fastexplain.exceptions",
    "ModelConversionError": "fastexplain.exceptions",
    "PredictionError": "fastexplain.exceptions",
    "PermutationImportanceResult": "fastexplain.engine",
    "TabularExplainer": "fastexplain.explainers",
    "TreeExplainer": "fastexplain.explainers",
    "TreeShapResult": "fastexplain.engine",
    "UnsupportedModelError": "fastexplain.exceptions",
    "deep_lift": "fastexplain.engine",
    "expected_gradients": "fastexplain.engine",
    "get_num_threads": "fastexplain._threads",
    "install_as": "fastexplain.compat.install",
    "kernel_shap": "fastexplain.engine",
    "linear_shap": "fastexplain.engine",
    "load_model": "fastexplain.models",
    "permutation_importance": "fastexplain.engine",
    "set_num_threads": "fastexplain._threads",
    "summarize_background": "fastexplain.engine",
    "tree_shap": "fastexplain.engine",
    "wrap_model": "fastexplain.models.wrapped",
}

__all__ = [
    "Background",
    "DeepExplainer",
    "DeepLiftResult",
    "ExpectedGradientsResult",
    "Explanation",
    "FastExplainError",
    "KernelExplainer",
    "KernelShapResult",
    "LinearExplainer",
    "LinearShapResult",
    "MissingDependencyError",
    "ModelConversionError",
    "PermutationImportanceResult",
    "PredictionError",
    "TabularExplainer",
    "TreeExplainer",
    "TreeShapResult",
    "UnsupportedModelError",
    "__version__",
    "deep_lift",
    "expected_gradients",
    "get_num_threads",
    "install_as",
    "kernel_shap",
    "linear_shap",
    "load_model",
    "permutation_importance",
    "set_num_threads",
    "summarize_background",
    "tree_shap",
    "wrap_model",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("fastexplain")
    if name in _EXPORTS:
        value = getattr(importlib.import_module(_EXPORTS[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'fastexplain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
