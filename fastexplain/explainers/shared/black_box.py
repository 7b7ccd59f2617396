"""Any model or function, by what it predicts: which method is called, and what kind of output comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.background import Background
from fastexplain.engine.kernel.masking import copied
from fastexplain.engine.links import resolve_link
from fastexplain.engine.predict import PredictFunction, estimator_kind, without_scale
from fastexplain.exceptions import UnsupportedModelError
from fastexplain.explainers.shared.base import ExplainedModel
from fastexplain.explainers.shared.checks import check_task, plain_task
from fastexplain.explainers.shared.dispatch import check_fitted, nothing_that_predicts
from fastexplain.explainers.shared.model_facts import ModelFacts, model_facts
from fastexplain.explainers.shared.predictions import (
    estimator_predictions,
    output_predictions,
    output_units,
    tree_outputs,
)
from fastexplain.explanation.explanation import Predictions
from fastexplain.rows.tables import count_rows

__all__ = ["BlackBox", "Target", "black_box", "find_target"]


class Target(NamedTuple):
    """What to call of a model, before it has been called.

    Attributes
    ----------
    facts : ModelFacts
    method : callable or network
        The model's bound method, the function, or a network that is called itself.
    call : PredictFunction
        Rows -> outputs, checked.
    task : {"unknown", "classification", "regression"}
    units : str or None
        Of the outputs, where the model's kind decides them.
    knows_task : bool
        The model says itself what it does, and predicts with scikit-learn's methods.
    """

    facts: ModelFacts
    method: Any
    call: PredictFunction
    task: str
    units: str | None
    knows_task: bool

    @property
    def owner(self) -> Any:
        """The model whose method is called; None for functions, and what is called itself."""
        return self.facts.owner

    @property
    def name(self) -> str:
        """As messages give it."""
        return self.facts.name

    def outputs(self, rows: Any) -> NDArray[np.float64]:
        """Outputs of a copy of the rows, (n_rows, n_outputs); UnsupportedModelError for other shapes."""
        return self.call(copied(rows), count_rows(rows))


def find_target(facts: ModelFacts, model_task: Any, classes: Any) -> Target:
    """Find what to call of a model, without calling it.

    Raises
    ------
    UnsupportedModelError
        There is nothing to call.
    ValueError
        `model_task` contradicts the model.
    """
    if facts.trees is not None:
        call = PredictFunction.named(partial(tree_outputs, facts.trees), facts.name)
        tree_units = "model output" if facts.trees.task == "regression" else "probability"
        return Target(facts, call, call, facts.trees.task, tree_units, False)
    task = plain_task(model_task)
    if task == "unknown" and classes is not None:
        task = "classification"
    if facts.called:
        method = facts.model if facts.is_network else facts.function
        return Target(facts, method, PredictFunction.named(facts.function, facts.name), task, None, False)
    method, units, own_task = _method_of(facts.model, task)
    if own_task is not None:
        check_task(model_task, own_task, facts.name)
    call = PredictFunction.named(method, facts.name)
    return Target(facts, method, call, own_task or task, units, own_task is not None)


@dataclass(frozen=True)
class BlackBox:
    """What is called, and what comes back.

    Attributes
    ----------
    target : callable or network
        What `kernel_shap` gets: a model's bound method, so that its formula may be known, or the function.
    outputs : callable
        Rows -> the explained outputs, (n_rows, n_outputs).
    predictions : callable
        Rows -> (predictions, class probabilities or None).
    n_columns : int
        Columns of the output.
    doubles : bool
        The only column is the probability of class 1.
    """

    target: Any
    outputs: Callable[[Any], Any]
    predictions: Callable[[Any], Predictions]
    name: str
    task: str
    units: str
    n_columns: int
    doubles: bool
    classes: list[Any] | None
    feature_names: list[str] | None

    def explained(self, n_features: int, link: str) -> ExplainedModel:
        single_margin = self.task == "classification" and self.n_columns == 1
        return ExplainedModel(
            name=self.name,
            n_features=n_features,
            n_outputs=2 if self.doubles and link == "identity" else self.n_columns,
            task=self.task,
            n_classes=(2 if single_margin else self.n_columns) if self.task == "classification" else None,
            units=self.units if link == "identity" else "margin",
            predict=self.predictions,
            outputs=partial(self._explained_outputs, link),
            classes=self.classes,
            feature_names=self.feature_names,
        )

    def _explained_outputs(self, link: str, rows: Any, predictions: Predictions) -> NDArray[Any]:
        """What values add up to, from predictions where these are it, else by another call."""
        predicted, probabilities = predictions
        if self.units == "probability" and self.task == "classification" and probabilities is not None:
            outputs = np.asarray(probabilities, dtype=np.float64)
            if self.doubles and link != "identity":
                outputs = outputs[:, 1:]
        elif self.task == "regression" and getattr(self.target, "__name__", "") == "predict":
            outputs = np.asarray(predicted, dtype=np.float64)
        else:
            outputs = np.asarray(self.outputs(copied(rows)), dtype=np.float64)
        return np.asarray(resolve_link(link)(outputs))

    def after(self, transform: Callable[[Any], Any]) -> BlackBox:
        """The same of rows before a transformation."""
        outputs = partial(_composed, self.outputs, transform)
        return replace(
            self, target=outputs, outputs=outputs, predictions=partial(_composed, self.predictions, transform)
        )

    def base_values(self, background: Background, link: str) -> NDArray[np.float64]:
        return resolve_link(link)(background.weights @ self.outputs(background.data))


def black_box(
    model: Any, is_function: bool, model_task: Any, classes: Any, probe: Any
) -> tuple[BlackBox, NDArray[np.float64]]:
    """Find what to call, and what kind of output it has, by its outputs of some rows, which are returned too.

    Raises
    ------
    UnsupportedModelError
        There is nothing to call, or it returns something else than one row of outputs per row.
    ValueError
        `model_task` contradicts the model.
    """
    target = find_target(model_facts(model, is_function, by_trees=False), model_task, classes)
    outputs = target.outputs(probe)
    n_columns = outputs.shape[1]
    task = target.task
    if task == "unknown":
        task = "classification" if n_columns > 1 else "regression"
    units = target.units or output_units(outputs, task)
    if target.knows_task:
        predictions: Callable[[Any], Predictions] = partial(estimator_predictions, target.owner, task)
    else:
        predictions = partial(output_predictions, target.call, task, units)
    box = BlackBox(
        target=target.method,
        outputs=target.call,
        predictions=predictions,
        name=target.name,
        task=task,
        units=units,
        n_columns=n_columns,
        doubles=n_columns == 1 and units == "probability",
        classes=_own_classes(target.facts, task, n_columns),
        feature_names=target.facts.feature_names,
    )
    return box, outputs


def _composed(function: Callable[[Any], Any], transform: Callable[[Any], Any], rows: Any) -> Any:
    return function(transform(rows))


def _method_of(model: Any, task: str) -> tuple[Callable[[Any], Any], str | None, str | None]:
    """The method to explain, its units and its task, where the model's kind decides them."""
    if not hasattr(model, "predict"):  # an ensemble or pipeline has it once it is fitted
        check_fitted(model)
    kind = estimator_kind(model)
    if kind == "clusterer":
        raise UnsupportedModelError(without_scale(model, kind))
    if kind == "outlier_detector":
        return model.decision_function, "model output", "regression"
    if kind == "regressor" or (kind is None and task == "regression" and hasattr(model, "predict")):
        return model.predict, "model output", "regression"
    if hasattr(model, "predict_proba"):
        return model.predict_proba, "probability", "classification"
    if kind == "classifier":
        if not hasattr(model, "decision_function"):
            raise UnsupportedModelError(without_scale(model, kind))
        return model.decision_function, "margin", "classification"
    if callable(getattr(model, "predict", None)):
        return model.predict, None, None
    raise nothing_that_predicts(model)


def _own_classes(facts: ModelFacts, task: str, n_columns: int) -> list[Any] | None:
    """Labels that a classifier was fitted on; an error if its outputs are not one per class."""
    labels = facts.classes if task == "classification" else None
    if labels is None:
        return None
    if n_columns not in ((1, 2) if len(labels) == 2 else (len(labels),)):
        raise UnsupportedModelError(
            f"{facts.name} has {len(labels)} classes, but {n_columns} columns of output. Explain a function that "
            "returns one per class; a SVC has them with decision_function_shape='ovr'."
        )
    return labels
