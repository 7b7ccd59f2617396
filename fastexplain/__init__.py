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
    from fastexplain.engine import PermutationImportanceResult, TreeShapResult, permutation_importance, tree_shap
    from fastexplain.exceptions import (
        FastExplainError,
        MissingDependencyError,
        ModelConversionError,
        UnsupportedModelError,
    )
    from fastexplain.explainers import TabularExplainer
    from fastexplain.explanation import Explanation
    from fastexplain.models import load_model

# public name -> module that defines it; loaded on first use, so that `import fastexplain` costs no more than NumPy
_EXPORTS = {
    "Explanation": "fastexplain.explanation",
    "FastExplainError": "fastexplain.exceptions",
    "MissingDependencyError": "fastexplain.exceptions",
    "ModelConversionError": "fastexplain.exceptions",
    "PermutationImportanceResult": "fastexplain.engine",
    "TabularExplainer": "fastexplain.explainers",
    "TreeShapResult": "fastexplain.engine",
    "UnsupportedModelError": "fastexplain.exceptions",
    "get_num_threads": "fastexplain._threads",
    "load_model": "fastexplain.models",
    "permutation_importance": "fastexplain.engine",
    "set_num_threads": "fastexplain._threads",
    "tree_shap": "fastexplain.engine",
}

__all__ = [
    "Explanation",
    "FastExplainError",
    "MissingDependencyError",
    "ModelConversionError",
    "PermutationImportanceResult",
    "TabularExplainer",
    "TreeShapResult",
    "UnsupportedModelError",
    "__version__",
    "get_num_threads",
    "load_model",
    "permutation_importance",
    "set_num_threads",
    "tree_shap",
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
