"""Finds the loader of a fitted model by the dotted names of its classes, importing no library until one is needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.models.trees.base import TreeModel
from fastexplain.models.trees.check import check_conversion

__all__ = ["EXPLAINED_BY", "load_model", "register"]

# dotted class name (or a prefix of it that ends with a dot) -> "module:function" that turns the model into a TreeModel
_LOADERS: dict[str, str] = {}

# Kinds of model that are no trees, or not loaded yet, for the message of UnsupportedModelError: name prefix -> what
# explains them.
EXPLAINED_BY: dict[str, str] = {
    "catboost.": "KernelExplainer, as a black box, until CatBoost's trees can be loaded",
    "keras.": "DeepExplainer (DeepLIFT)",
    "sklearn.linear_model.": "LinearExplainer (linear SHAP)",
    "torch.nn.": "DeepExplainer (DeepLIFT)",
}

# What to explain in place of models that wrap one.
_WRAPPED: dict[str, str] = {
    "sklearn.model_selection.": " Explain the model inside: best_estimator_.",
    "sklearn.pipeline.": " Explain its last step, model[-1], on the rows that it sees: model[:-1].transform(X).",
}


def register(name: str, loader: str) -> None:
    """Say which function loads a class: ``register("xgboost.", "fastexplain.models.trees.xgboost:load")``."""
    _LOADERS[name] = loader


register("lightgbm.basic.", "fastexplain.models.trees.lightgbm:load")
register("lightgbm.sklearn.", "fastexplain.models.trees.lightgbm:load")
register("sklearn.ensemble._bagging.", "fastexplain.models.trees.sklearn_trees:load")  # refused there, with the reason
register("sklearn.ensemble._forest.", "fastexplain.models.trees.sklearn_trees:load")
register("sklearn.ensemble._gb.", "fastexplain.models.trees.sklearn_trees:load")
register("sklearn.ensemble._hist_gradient_boosting.", "fastexplain.models.trees.sklearn_hist:load")
register("sklearn.ensemble._iforest.", "fastexplain.models.trees.sklearn_trees:load")  # refused, as the next three
register("sklearn.ensemble._stacking.", "fastexplain.models.trees.sklearn_trees:load")
register("sklearn.ensemble._voting.", "fastexplain.models.trees.sklearn_trees:load")
register("sklearn.ensemble._weight_boosting.", "fastexplain.models.trees.sklearn_trees:load")
register("sklearn.tree._classes.", "fastexplain.models.trees.sklearn_trees:load")
register("xgboost.core.", "fastexplain.models.trees.xgboost:load")
register("xgboost.sklearn.", "fastexplain.models.trees.xgboost:load")


def load_model(model: Any, *, check: bool = True) -> TreeModel:
    """Convert a fitted model and check the result against the library's own raw prediction.

    The result is a snapshot: a model that is fitted again, or otherwise changed, must be loaded again.

    Parameters
    ----------
    model : object
        A fitted scikit-learn, LightGBM or XGBoost tree model, or a `TreeModel` (returned as it is).
    check : bool, default True
        Compare with the library's own prediction on probe rows built from the model's own thresholds.

    Returns
    -------
    TreeModel

    Raises
    ------
    UnsupportedModelError
        No loader knows the class, or the model uses an option that is not supported; the message says which.
    ModelConversionError
        The converted model and the library disagree.
    """
    if isinstance(model, TreeModel):
        return model
    loader = _find(model)
    tree_model: TreeModel = loader(model)
    if check:
        check_conversion(tree_model)
    return tree_model


def _find(model: Any) -> Callable[[Any], TreeModel]:
    names = [f"{cls.__module__}.{cls.__qualname__}" for cls in type(model).__mro__]
    for name in names:  # most derived first: a user's subclass loads as the class that it extends
        for known, target in _LOADERS.items():
            if name == known or (known.endswith(".") and name.startswith(known)):
                module, function = target.split(":")
                loaded: Callable[[Any], TreeModel] = getattr(importlib.import_module(module), function)
                return loaded
    raise UnsupportedModelError(_unsupported(names))


def _unsupported(names: list[str]) -> str:
    instead = next((hint for prefix, hint in _WRAPPED.items() if names[0].startswith(prefix)), "")
    for name in names:
        for prefix, method in EXPLAINED_BY.items():
            if name.startswith(prefix):
                return f"{names[0]} is not a supported tree model. It is explained by {method}.{instead}"
    return (
        f"{names[0]} is not a supported tree model. Supported: scikit-learn decision trees, forests and gradient "
        f"boosting, LightGBM, XGBoost. Any other model with predict is explained by KernelExplainer (Kernel SHAP)."
        f"{instead}"
    )
