"""shap's explainers by their own names, arguments and shapes (shap >= 0.45), computed by our engine.

>>> from fastexplain.compat import shap                                   # doctest: +SKIP
>>> explainer = shap.KernelExplainer(model.predict_proba, shap.kmeans(X_train, 10))   # doctest: +SKIP
>>> explainer.shap_values(X_test).shape                                   # doctest: +SKIP
(114, 30, 2)

One default differs: ``l1_reg`` is False, so no feature's value is set to zero; pass ``l1_reg="num_features(10)"`` for
shap's.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastexplain.compat.shap import links, maskers
    from fastexplain.compat.shap._deep import DeepExplainer
    from fastexplain.compat.shap._explanation import Explanation
    from fastexplain.compat.shap._linear import LinearExplainer
    from fastexplain.compat.shap._model_agnostic import (
        ExactExplainer,
        KernelExplainer,
        PermutationExplainer,
        SamplingExplainer,
    )
    from fastexplain.compat.shap._utils import kmeans, sample

# public name -> module that defines it, or that it is; loaded on first use
_EXPORTS = {
    "DeepExplainer": "_deep",
    "ExactExplainer": "_model_agnostic",
    "Explanation": "_explanation",
    "KernelExplainer": "_model_agnostic",
    "LinearExplainer": "_linear",
    "PermutationExplainer": "_model_agnostic",
    "SamplingExplainer": "_model_agnostic",
    "kmeans": "_utils",
    "links": "links",
    "maskers": "maskers",
    "sample": "_utils",
}

__all__ = [
    "DeepExplainer",
    "ExactExplainer",
    "Explanation",
    "KernelExplainer",
    "LinearExplainer",
    "PermutationExplainer",
    "SamplingExplainer",
    "kmeans",
    "links",
    "maskers",
    "sample",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'fastexplain.compat.shap' has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_EXPORTS[name]}")
    return module if name == _EXPORTS[name] else getattr(module, name)
