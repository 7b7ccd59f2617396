"""Which explainer a model gets, by the dotted names of its classes; no library is imported, nothing is tried out."""

from __future__ import annotations

from typing import Any

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.models import TreeModel
from fastexplain.models.class_registry import ClassRegistry, class_names
from fastexplain.models.trees.registry import tree_match

__all__ = [
    "check_callable",
    "check_fitted",
    "class_names",
    "explainer_kind",
    "is_plain_function",
    "nothing_that_predicts",
    "unwrapped",
]

# What messages say may be passed as a model.
_EXPECTED = (
    "a fitted model with predict or predict_proba, a torch or Keras network, a (coef, intercept) tuple, or a function "
    "of rows"
)

# Kind of explainer of all models but trees, which `fastexplain.models.trees.registry` knows.
_OTHER_KINDS = {
    "catboost.": "tree",  # refused there, with what to do
    "keras.": "deep",
    "sklearn.base.BaseEstimator": "kernel",  # all others, also where predict appears with fit only
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis": "linear",
    "sklearn.linear_model.": "linear",
    "sklearn.linear_model._ransac.": "kernel",  # its member may be any regressor
    "sklearn.linear_model._stochastic_gradient.SGDOneClassSVM": "kernel",
    "sklearn.svm._classes.LinearSVC": "linear",
    "sklearn.svm._classes.LinearSVR": "linear",
    "tensorflow.python.keras.": "deep",
    "tf_keras.": "deep",
    "torch.nn.": "deep",
}
_KINDS: ClassRegistry[str] = ClassRegistry(_OTHER_KINDS)


def is_plain_function(model: Any) -> bool:
    """Whether a model is a function of rows, with no predict of its own."""
    return callable(model) and not isinstance(model, type) and not hasattr(model, "predict")


def check_callable(model: Any, is_function: bool) -> None:
    """Raise UnsupportedModelError if a model is a class, or is to be called and cannot be."""
    if isinstance(model, type):
        raise UnsupportedModelError(f"{model.__name__} is a class; expected a fitted instance of it.")
    if is_function and not callable(model):
        raise UnsupportedModelError(f"is_function=True, but {class_names(model)[0]} cannot be called.")


def check_fitted(model: Any) -> None:
    """Raise scikit-learn's NotFittedError if a model is an estimator of its kind, and not fitted."""
    if "sklearn.base.BaseEstimator" in class_names(model):
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(model)


def nothing_that_predicts(model: Any) -> UnsupportedModelError:
    """The error for what was passed as model and is none; it says what is expected."""
    return UnsupportedModelError(f"{class_names(model)[0]} cannot be explained; expected {_EXPECTED}.")


def unwrapped(model: Any) -> Any:
    """The best model of a fitted search (GridSearchCV and its kin), which predicts as the search does; else the model.

    Raises
    ------
    ValueError
        The search is not fitted, or was told not to refit.
    """
    if "sklearn.model_selection._search.BaseSearchCV" not in class_names(model):
        return model
    if not hasattr(model, "best_estimator_"):
        raise ValueError(f"This {type(model).__name__} has no best_estimator_: fit it, with refit=True, before.")
    return unwrapped(model.best_estimator_)


def explainer_kind(model: Any) -> str:
    """Kind of explainer for a model: "tree", "linear", "deep" or "kernel".

    Parameters
    ----------
    model : object
        As `unwrapped` returns it.

    Raises
    ------
    UnsupportedModelError
        It is nothing that predicts; the message says what is expected.
    """
    if isinstance(model, type):
        raise UnsupportedModelError(f"{model.__name__} is a class; expected a fitted instance of it.")
    if isinstance(model, TreeModel):
        return "tree"
    if isinstance(model, tuple) and len(model) == 2:
        return "linear"
    kind, trees = _KINDS.match(model), tree_match(model)
    if trees is not None and trees.goes_before(kind):
        return "tree"
    if kind is not None:
        return kind.value
    if callable(getattr(model, "predict", None)) or hasattr(model, "predict_proba") or callable(model):
        return "kernel"
    raise nothing_that_predicts(model)
