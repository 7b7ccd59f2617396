"""The model that a surrogate learns from: what it answers, one output per row or one probability per class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import PredictionError
from fastexplain.explainers.shared.black_box import Target, find_target
from fastexplain.explainers.shared.checks import check_classes, check_task
from fastexplain.explainers.shared.model_facts import model_facts
from fastexplain.explainers.shared.predictions import estimator_predictions
from fastexplain.explanation.explanation import Predictions
from fastexplain.models.trees.registry import rows_for_library

__all__ = ["Teacher", "find_teacher", "known_teacher"]

Float = NDArray[np.float64]

# How far a probability may be outside of 0 and 1, or a row's sum from 1.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Teacher:
    """A model or function, by its answers.

    Attributes
    ----------
    target : Target
        What is called.
    task : {"classification", "regression"}
    n_classes : int or None
    classes : list or None
        Labels: those given, else those that the model knows.
    labels_only : bool
        A classifier without probabilities: the class that it chooses counts as certain.
    """

    target: Target
    task: str
    n_classes: int | None
    classes: list[Any] | None
    labels_only: bool

    @property
    def name(self) -> str:
        """As messages give it."""
        return self.target.name

    def outputs(self, rows: Any) -> Float:
        """Regression: (n_rows,). Classification: probabilities (n_rows, n_classes).

        Raises
        ------
        PredictionError
            An answer is not finite, or the number of classes is another than before.
        """
        if self.labels_only:
            return _one_hot(self.target.owner, rows)
        outputs = _checked(self.target, rows, self.task)
        if self.n_classes is not None and outputs.shape[1] != self.n_classes:
            raise PredictionError(f"{self.name} returned {outputs.shape[1]} classes after {self.n_classes} before.")
        return outputs

    def outputs_from(self, predictions: Predictions) -> Float:
        """What `outputs` returns, from what `predictions` did, without another call."""
        labels, probabilities = predictions
        if self.task == "regression":
            return np.asarray(labels, dtype=np.float64)
        if probabilities is not None:
            return np.asarray(probabilities, dtype=np.float64)
        return _indicators(self.target.owner, labels)

    def predictions(self, rows: Any) -> Predictions:
        """The model's own (predictions, probabilities or None) of rows."""
        if self.target.knows_task:
            return estimator_predictions(self.target.owner, self.task, rows)
        outputs = self.outputs(rows)
        return (outputs, None) if self.task == "regression" else (outputs.argmax(axis=1), outputs)


def find_teacher(
    model: Any, is_function: bool, model_task: Any, classes: list[Any] | None, rows: Any
) -> tuple[Teacher, Float]:
    """The teacher, and its outputs of rows, for which it is called once.

    Raises
    ------
    UnsupportedModelError
        There is nothing to call.
    ValueError
        `model_task` or `classes` contradict the model, a classifier's outputs are no probabilities, or a regression
        has several outputs.
    PredictionError
        An output is not finite.
    """
    target = _target(model, is_function, model_task, classes)
    known = target.facts.classes
    labels_only = target.task == "classification" and target.units == "margin"
    if labels_only:
        outputs, task = _one_hot(target.owner, rows), target.task
    else:
        outputs = _checked(target, rows, target.task)
        task = "classification" if outputs.ndim == 2 else "regression"
    n_classes = outputs.shape[1] if task == "classification" else None
    known = known if task == "classification" and known is not None and len(known) == n_classes else None
    shown = check_classes(classes, known, task, n_classes, target.name)
    return Teacher(target, task, n_classes, shown, labels_only), outputs


def known_teacher(
    model: Any, is_function: bool, task: str, n_classes: int | None, classes: list[Any] | None
) -> Teacher:
    """The teacher of a loaded explainer, whose kind of answers is known: it is not called."""
    target = _target(model, is_function, task, None)
    return Teacher(target, task, n_classes, classes, task == "classification" and target.units == "margin")


def _target(model: Any, is_function: bool, model_task: Any, classes: Any) -> Target:
    target = find_target(model_facts(model, is_function), model_task, classes)
    if target.units is not None:
        check_task(model_task, target.task, target.name)
    return target


def _checked(target: Target, rows: Any, task: str) -> Float:
    """Outputs as probabilities (n_rows, n_classes) or (n_rows,), finite."""
    columns = target.outputs(rows)
    if task == "unknown":
        task = "classification" if columns.shape[1] > 1 else "regression"
    if task == "regression":
        if columns.shape[1] > 1:
            raise ValueError(
                f"Invalid shape for prediction: Regression function cannot output 2D array with multiple columns; "
                f"{target.name} returned shape {columns.shape}. Explain one output at a time, the first by passing "
                "lambda rows: model.predict(rows)[:, 0] as the model."
            )
        return columns[:, 0]
    low, high = float(columns.min(initial=0.0)), float(columns.max(initial=0.0))
    if low < -_TOLERANCE or high > 1.0 + _TOLERANCE:
        raise ValueError(
            f"Probability values outside of valid range: {low:.4g} to {high:.4g} from {target.name}. Pass a function "
            "that returns probabilities, or model_task='regression'."
        )
    return np.column_stack([1.0 - columns, columns]) if columns.shape[1] == 1 else columns


def _one_hot(owner: Any, rows: Any) -> Float:
    """1 for the class that a classifier without probabilities chooses, 0 for the others."""
    return _indicators(owner, owner.predict(rows_for_library(owner, rows)))


def _indicators(owner: Any, labels: Any) -> Float:
    known, chosen = np.asarray(owner.classes_), np.asarray(labels)
    return np.asarray(np.equal(chosen[:, None], known[None, :]), dtype=np.float64)
