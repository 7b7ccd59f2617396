"""The model's own predictions of the explained rows, for the explanation's ``eval_y_predicted``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.probability import expit
from fastexplain.exceptions import UnsupportedModelError
from fastexplain.models import TreeModel
from fastexplain.models.trees.registry import rows_for_library

__all__ = ["estimator_predictions", "model_predictions", "output_predictions", "output_units", "tree_outputs"]


def model_predictions(model: TreeModel, X: Any) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """Predictions, and class probabilities where the model gives them.

    Parameters
    ----------
    model : TreeModel
    X : array-like or table of shape (n_rows, n_features)

    Returns
    -------
    predictions : array of shape (n_rows,)
        What ``predict`` of a scikit-learn style model returns. A bare booster has no such method: there, the class
        with the largest raw output (its index, or its label if known), or the raw output of a regression.
    probabilities : float64 array of shape (n_rows, n_classes), or None
        ``predict_proba``; None for regressions and bare boosters.
    """
    if model.is_bare:
        return _from_raw(model, model.raw_predict(X)), None
    return estimator_predictions(model.model, model.task, X)


def tree_outputs(model: TreeModel, X: Any) -> NDArray[np.float64]:
    """Outputs of a bare booster: those of a regression, or probabilities made of its margins.

    Returns
    -------
    array of shape (n_rows, n_outputs)
        A single column of a classifier is the probability of class 1.

    Raises
    ------
    UnsupportedModelError
        Margins of several classes are not finite.
    """
    margins = model.raw_predict(X)
    if model.task == "regression":
        return margins
    if model.single_margin:
        return expit(margins)
    if not np.isfinite(margins).all():
        raise UnsupportedModelError("The booster's margins are not finite.")
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def estimator_predictions(model: Any, task: str, X: Any) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """``predict`` of a model with scikit-learn's methods, and ``predict_proba`` of a classifier that has it."""
    probabilities, rows = None, rows_for_library(model, X)
    if task == "classification" and hasattr(model, "predict_proba"):
        probabilities = np.asarray(model.predict_proba(rows), dtype=np.float64)
    return np.asarray(model.predict(rows)), probabilities


def output_predictions(
    outputs: Callable[[Any], Any], task: str, units: str, X: Any
) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """Predictions from outputs alone, of a function or a network.

    Parameters
    ----------
    outputs : callable
        Rows -> (n_rows,) or (n_rows, n_outputs).
    task : {"classification", "regression"}
    units : {"margin", "probability", "model output"}
        A classifier's only output is that of class 1, which is predicted above 0.5, or above 0 if it is a margin.
    X : array-like or table of shape (n_rows, n_features)

    Returns
    -------
    predictions : array of shape (n_rows,)
        The output of a regression, 2-D if there are several; the index of a classifier's largest output.
    probabilities : float64 array of shape (n_rows, n_classes), or None
        The outputs of a classifier, where they are probabilities.
    """
    given = np.asarray(outputs(X), dtype=np.float64)
    columns = given.reshape(len(given), -1)
    single = columns.shape[1] == 1
    if task == "regression":
        return (columns[:, 0] if single else columns), None
    if units != "probability":
        return (columns[:, 0] > 0).astype(np.int64) if single else columns.argmax(axis=1), None
    probabilities = np.hstack([1.0 - columns, columns]) if single else columns
    return probabilities.argmax(axis=1), probabilities


def output_units(columns: NDArray[Any], task: str) -> str:
    """Units of the outputs (n_rows, n_outputs) of a function or network that does not say: as they look."""
    if task == "regression":
        return "model output"
    in_range = bool(np.all((columns >= 0) & (columns <= 1)))
    sums_to_one = columns.shape[1] == 1 or bool(np.allclose(columns.sum(axis=1), 1.0, atol=1e-3))
    return "probability" if in_range and sums_to_one else "margin"


def _from_raw(model: TreeModel, raw: NDArray[np.float64]) -> NDArray[Any]:
    if model.task == "regression":
        return raw[:, 0] if raw.shape[1] == 1 else raw
    index = (raw[:, 0] > 0).astype(np.int64) if model.single_margin else raw.argmax(axis=1)
    return index if model.classes is None else np.asarray(model.classes)[index]
