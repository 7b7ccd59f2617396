"""What `PFIExplainer` scores: the model or function, its task, classes and features, as far as it says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.predict import PredictFunction
from fastexplain.exceptions import UnsupportedModelError
from fastexplain.explainers.shared.checks import check_task, list_of_names, plain_task
from fastexplain.explainers.shared.dispatch import (
    EXPECTED,
    check_callable,
    check_fitted,
    class_names,
    is_plain_function,
    unwrapped,
)
from fastexplain.explainers.shared.networks import is_network, network_outputs
from fastexplain.explainers.shared.predictions import (
    estimator_predictions,
    model_predictions,
    output_predictions,
    output_units,
)
from fastexplain.explanation.explanation import Predictions
from fastexplain.models.networks.forward import is_torch
from fastexplain.models.trees.registry import is_bare
from fastexplain.rows.arrays import plain_array
from fastexplain.rows.tables import count_rows, slice_rows

__all__ = ["ScoredTarget", "scored_target"]


class ScoredTarget(NamedTuple):
    """A model or function, and what is known of it without rows.

    Attributes
    ----------
    scored : object
        What `permutation_importance` gets.
    predictions : callable
        (task, rows) -> (predictions, class probabilities or None).
    task : {"unknown", "classification", "regression"}
        Unknown for functions that no one says anything of.
    gives_probabilities : bool
        Classes can be told apart: the model has predict_proba, or is a network.
    is_function : bool
    name : str
        As messages give it.
    classes, feature_names : list or None
    n_features : int or None
    is_network : bool
    """

    scored: Any
    predictions: Callable[[str, Any], Predictions]
    task: str
    gives_probabilities: bool
    is_function: bool
    name: str
    classes: list[Any] | None = None
    feature_names: list[str] | None = None
    n_features: int | None = None
    is_network: bool = False

    def scored_for(self, task: str, rows: Any) -> Any:
        """What `permutation_importance` gets for these rows: a network that classifies becomes a classifier."""
        if self.is_network and task == "classification":
            return _NetworkClassifier(self.scored, slice_rows(rows, 0, 2))
        return self.scored

    def task_for(self, rows: Any, labels: NDArray[Any]) -> str:
        """The task; of a function that does not say, from its labels and the outputs of two rows."""
        if self.task != "unknown":
            return self.task
        if labels.dtype.kind in "OUSb":
            return "classification"
        outputs = plain_array(PredictFunction.named(self.scored, self.name).returned(slice_rows(rows, 0, 2)))
        several = labels.ndim == 1 and outputs.ndim == 2 and outputs.shape[1] > 1
        return "classification" if several else "regression"


def scored_target(model: Any, is_function: bool, model_task: Any) -> ScoredTarget:
    """Find what to score.

    Raises
    ------
    UnsupportedModelError
        There is nothing to call.
    ValueError
        `model_task` contradicts the model.
    """
    check_callable(model, is_function)
    task, owner = plain_task(model_task), unwrapped(model)
    if (is_function and not is_torch(model)) or (is_plain_function(model) and not is_network(model)):
        return _function(model.__call__ if hasattr(model, "predict") else model, task)
    if is_network(owner):
        call, name = partial(network_outputs, owner), type(owner).__name__
        predictions = partial(_from_outputs, PredictFunction.named(call, name))
        return ScoredTarget(call, predictions, task, True, False, name, is_network=True)
    if is_bare(owner):
        return _booster(owner, task)
    if not callable(getattr(owner, "predict", None)):
        check_fitted(owner)
        raise UnsupportedModelError(f"{class_names(owner)[0]} cannot be explained; expected {EXPECTED}.")
    return _estimator(owner, task)


class _NetworkClassifier:
    """A network with a classifier's methods; classes are the numbers of its outputs."""

    def __init__(self, call: Callable[[Any], Any], some_rows: Any) -> None:
        self._call = call
        columns = self._columns(some_rows)
        self.classes_ = np.arange(max(2, columns.shape[1]))
        if output_units(columns, "classification") == "probability":
            self.predict_proba = self._probabilities

    def predict(self, rows: Any) -> NDArray[np.int64]:
        columns = self._columns(rows)
        if columns.shape[1] > 1:
            return np.asarray(columns.argmax(axis=1))
        return (columns[:, 0] > (0.5 if hasattr(self, "predict_proba") else 0.0)).astype(np.int64)

    def _columns(self, rows: Any) -> NDArray[np.float64]:
        outputs = np.asarray(self._call(rows), dtype=np.float64)
        return outputs.reshape(len(outputs), -1)

    def _probabilities(self, rows: Any) -> NDArray[np.float64]:
        columns = self._columns(rows)
        return np.hstack([1.0 - columns, columns]) if columns.shape[1] == 1 else columns


def _function(function: Any, task: str) -> ScoredTarget:
    bound_to = getattr(function, "__self__", None)
    classes = None
    if task == "unknown" and hasattr(bound_to, "predict"):  # a model's own method
        task = "classification" if hasattr(bound_to, "classes_") else "regression"
    if task == "classification":
        classes = _labels(bound_to)
    name = str(getattr(function, "__name__", type(function).__name__))
    predictions = partial(_from_outputs, PredictFunction.named(function, name, finite=False))
    return ScoredTarget(function, predictions, task, False, True, name, classes)


def _booster(owner: Any, task: str) -> ScoredTarget:
    from fastexplain.models import load_model

    loaded = load_model(owner)
    check_task(task, loaded.task, loaded.library)
    names = None if loaded.feature_names is None else list(loaded.feature_names)
    return ScoredTarget(
        loaded,
        partial(_booster_predictions, loaded),
        loaded.task,
        False,
        False,
        loaded.library,
        loaded.classes,
        names,
        loaded.forest.n_features,
    )


def _estimator(owner: Any, task: str) -> ScoredTarget:
    has_proba = hasattr(owner, "predict_proba")
    labels = _labels(owner)
    says_regression = not has_proba and labels is None and _is_regressor(owner)
    if task == "classification" and says_regression:
        check_task(task, "regression", type(owner).__name__)
    if task == "unknown":
        task = "classification" if has_proba or labels is not None else "regression"
    names = getattr(owner, "feature_names_in_", None)
    n_features = getattr(owner, "n_features_in_", None)
    return ScoredTarget(
        owner,
        partial(estimator_predictions, owner),
        task,
        has_proba,
        False,
        type(owner).__name__,
        labels if task == "classification" else None,
        None if names is None else [str(name) for name in names],
        None if n_features is None else int(n_features),
    )


def _labels(owner: Any) -> list[Any] | None:
    known = getattr(owner, "classes_", None)
    return None if known is None or isinstance(known, list) else list_of_names(known, "classes_")


def _is_regressor(owner: Any) -> bool:
    if "sklearn.base.BaseEstimator" not in class_names(owner):
        return getattr(owner, "_estimator_type", None) == "regressor"
    from sklearn.base import is_regressor

    return bool(is_regressor(owner))


def _booster_predictions(loaded: Any, task: str, rows: Any) -> Predictions:
    return model_predictions(loaded, rows)


def _from_outputs(call: PredictFunction, task: str, rows: Any) -> Predictions:
    """Predictions of a function: what it returns, or the class of its largest output."""
    returned = call.returned(rows)
    outputs = plain_array(returned)
    if outputs.dtype.kind in "OUS" or (outputs.ndim == 1 and task == "classification"):
        return outputs, None
    columns = call.checked(returned, count_rows(rows))
    return output_predictions(lambda _: columns, task, output_units(columns, task), rows)
