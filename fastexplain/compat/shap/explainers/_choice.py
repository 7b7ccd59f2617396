"""Which explainer suits a model and a masker: what a call of ``shap.Explainer`` gives."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from fastexplain.compat.shap import links
from fastexplain.compat.shap._inputs import clustering_of, masked_background
from fastexplain.compat.shap.explainers import MODULES
from fastexplain.compat.shap.explainers._additive import AdditiveExplainer
from fastexplain.compat.shap.explainers._explainer import Explainer
from fastexplain.compat.shap.explainers._linear import LinearExplainer
from fastexplain.compat.shap.explainers._tree import TreeExplainer

__all__ = ["choose"]

# Of so many features, all coalitions are enumerated by default, as in shap.
_ENUMERATED = 10


def choose(
    model: Any,
    masker: Any = None,
    link: Any = links.identity,
    algorithm: str = "auto",
    output_names: Any = None,
    feature_names: Any = None,
    linearize_link: bool = True,
    seed: int | None = None,
    **kwargs: Any,
) -> Explainer:
    """What `Explainer` makes; see there."""
    if algorithm == "auto":
        algorithm = _algorithm(model, masker)
    name = f"{algorithm.capitalize()}Explainer"
    if name not in MODULES:
        from fastexplain.compat.shap.utils._exceptions import InvalidAlgorithmError

        known = ", ".join(known.removesuffix("Explainer").lower() for known in MODULES if known != "GPUTreeExplainer")
        raise InvalidAlgorithmError(f"algorithm must be 'auto' or one of {known}; got {algorithm!r}.")
    chosen = getattr(importlib.import_module(f"{__package__}.{MODULES[name]}"), name)
    options = {"link": link, "linearize_link": linearize_link, "seed": seed, "feature_names": feature_names}
    taken = inspect.signature(chosen).parameters
    made: Explainer = chosen(model, masker, **{k: v for k, v in options.items() if k in taken}, **kwargs)
    made.output_names = made.output_names if output_names is None else output_names
    return made


def _algorithm(model: Any, masker: Any) -> str:
    """The algorithm that suits."""
    if LinearExplainer.supports_model_with_masker(model, masker):
        return "linear"
    if TreeExplainer.supports_model_with_masker(model, masker):
        return "tree"
    if AdditiveExplainer.supports_model_with_masker(model, masker):
        return "additive"
    if not callable(model) and not hasattr(model, "predict"):
        raise TypeError(f"The model is a {type(model).__qualname__}; expected a fitted model or a function of rows.")
    if masker is None:
        raise TypeError("This model needs background rows: pass an array, a DataFrame or a masker after it.")
    if clustering_of(masker) is not None:
        return "partition"
    n_features = masked_background(masker, None).data.shape[1]
    return "exact" if n_features <= _ENUMERATED else "permutation"
