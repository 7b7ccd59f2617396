"""What `PFIExplainer` scores: the model or function, its task, classes and features, as far as it says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.predict import PredictFunction, estimator_kind
from fastexplain.explainers.shared.checks import check_task, plain_task
from fastexplain.explainers.shared.dispatch import check_callable, check_fitted, nothing_that_predicts
from fastexplain.explainers.shared.model_facts import ModelFacts, fitted_classes, model_facts
from fastexplain.explainers.shared.networks import network_outputs
from fastexplain.explainers.shared.predictions import (
    estimator_predictions,
    model_predictions,
    output_predictions,
    output_units,
)
from fastexplain.explanation.explanation import Predictions
from fastexplain.models import TreeModel
from fastexplain.rows.arrays import plain_array
from fastexplain.rows.tables import count_rows, slice_rows

__all__ = ["ScoredTarget", "scored_target"]


class ScoredTarget(NamedTuple):
    """A model or function, and what is known of it without rows.

    Attributes
    ----------
    facts : ModelFacts
    scored : object
        What `permutation_importance` gets.
    predictions : callable
        (task, rows) -> (predictions, class probabilities or None).
    task : {"unknown", "classification", "regression"}
        Unknown for functions that no one says anything of.
    gives_probabilities : bool
        Classes can be told apart: the model has predict_proba, or is a network.
    classes : list or None
    """

    facts: ModelFacts
    scored: Any
    predictions: Callable[[str, Any], Predictions]
    task: str
    gives_probabilities: bool = False
    classes: list[Any] | None = None

    @property
    def name(self) -> str:
        """As messages give it."""
        return self.facts.name

    @property
    def is_function(self) -> bool:
        """A plain function of rows."""
        return self.facts.is_function

    def scored_for(self, task: str, rows: Any) -> Any:
        """What `permutation_importance` gets for these rows: a network that classifies becomes a classifier."""
        if self.facts.is_network and task == "classification":
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
    task, facts = plain_task(model_task), model_facts(model, is_function)
    if facts.trees is not None:
        check_task(task, facts.trees.task, facts.name)
        predictions = partial(_tree_predictions, facts.trees)
        return ScoredTarget(facts, facts.trees, predictions, facts.trees.task, classes=facts.classes)
    if facts.is_network:
        call = partial(network_outputs, facts.model)
        predictions = partial(_from_outputs, PredictFunction.named(call, facts.name))
        return ScoredTarget(facts, call, predictions, task, gives_probabilities=True)
    return _function(facts, task) if facts.called else _estimator(facts, task)


class _NetworkClassifier:
    """A network with a classifier's methods; classes are the numbers of its outputs."""

    def __init__(self, call: Callable[[Any], Any], some_rows: Any) -> None:
        outputs = np.asarray(call(some_rows), dtype=np.float64)
        columns = outputs.reshape(len(outputs), -1)
        self.classes_ = np.arange(max(2, columns.shape[1]))
        units = output_units(columns, "classification")
        self._predictions = partial(output_predictions, call, "classification", units)
        if units == "probability":
            self.predict_proba = self._probabilities

    def predict(self, rows: Any) -> NDArray[Any]:
        return self._predictions(rows)[0]

    def _probabilities(self, rows: Any) -> NDArray[np.float64] | None:
        return self._predictions(rows)[1]


def _function(facts: ModelFacts, task: str) -> ScoredTarget:
    bound_to = getattr(facts.function, "__self__", None)
    if task == "unknown" and hasattr(bound_to, "predict"):  # a model's own method
        task = "classification" if hasattr(bound_to, "classes_") else "regression"
    classes = fitted_classes(bound_to) if task == "classification" else None
    predictions = partial(_from_outputs, PredictFunction.named(facts.function, facts.name, finite=False))
    return ScoredTarget(facts, facts.function, predictions, task, classes=classes)


def _estimator(facts: ModelFacts, task: str) -> ScoredTarget:
    model = facts.model
    if not callable(getattr(model, "predict", None)):
        check_fitted(model)
        raise nothing_that_predicts(model)
    labels, has_proba = facts.classes, hasattr(model, "predict_proba")
    if task == "classification" and not has_proba and labels is None and estimator_kind(model) == "regressor":
        check_task(task, "regression", facts.name)
    if task == "unknown":
        task = "classification" if has_proba or labels is not None else "regression"
    classes = labels if task == "classification" else None
    return ScoredTarget(facts, model, partial(estimator_predictions, model), task, has_proba, classes)


def _tree_predictions(trees: TreeModel, task: str, rows: Any) -> Predictions:
    return model_predictions(trees, rows)


def _from_outputs(call: PredictFunction, task: str, rows: Any) -> Predictions:
    """Predictions of a function: what it returns, or the class of its largest output."""
    returned = call.returned(rows)
    outputs = plain_array(returned)
    if outputs.dtype.kind in "OUS" or (outputs.ndim == 1 and task == "classification"):
        return outputs, None
    columns = call.checked(returned, count_rows(rows))
    return output_predictions(lambda _: columns, task, output_units(columns, task), rows)
