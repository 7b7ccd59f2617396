"""How a model's predictions follow from its outputs: rules that are names in an artifact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.additive import AdditiveModel
from fastexplain.engine.formulas.kernel_machine import KernelMachine
from fastexplain.engine.formulas.support_vectors import SupportVectorModel
from fastexplain.engine.formulas.trees import TreesModel
from fastexplain.scoring.method import Method

__all__ = ["CLASS_RULES", "VALUE_RULES", "answers_of", "class_rules", "no_answers", "predicted_values"]

Floats = NDArray[np.float64]


def _by_margin(model: Any, rows: Floats, outputs: Floats) -> NDArray[np.int64]:
    """Of additive models: the largest margin, or the second class where the only margin is positive."""
    margins = model.margins(rows)
    return _positive(model, rows, margins) if margins.shape[1] == 1 else margins.argmax(axis=1)


def _by_votes(model: Any, rows: Floats, outputs: Floats) -> NDArray[np.int64]:
    """Of support vector machines: most pairs won; the first of several, as libsvm counts them."""
    is_sum = isinstance(model, KernelMachine)
    decisions = model.kernel_sum.evaluate(rows) if is_sum else model.decisions(rows)
    n_classes = next(k for k in range(2, decisions.shape[1] + 2) if k * (k - 1) // 2 == decisions.shape[1])
    votes = np.zeros((len(rows), n_classes), dtype=np.int64)
    pairs = [(i, j) for i in range(n_classes) for j in range(i + 1, n_classes)]
    for k, (i, j) in enumerate(pairs):
        votes[:, i] += decisions[:, k] > 0
        votes[:, j] += decisions[:, k] <= 0
    return np.asarray(votes.argmax(axis=1))


def _by_trees(model: Any, rows: Floats, outputs: Floats) -> NDArray[np.int64]:
    """Of tree ensembles, ties as their library settles them."""
    indices: NDArray[np.int64] = model.trees.class_indices(outputs, rows)
    return indices


def _largest(model: Any, rows: Floats, outputs: Floats) -> NDArray[np.int64]:
    return np.asarray(outputs.argmax(axis=1))


def _positive(model: Any, rows: Floats, outputs: Floats) -> NDArray[np.int64]:
    return (outputs[:, 0] > 0).astype(np.int64)


def _above_half(model: Any, rows: Floats, outputs: Floats) -> NDArray[np.int64]:
    return (outputs[:, 0] > 0.5).astype(np.int64)


# Rows and outputs of a classifier -> indices of classes.
CLASS_RULES: dict[str, Callable[[Any, Floats, Floats], NDArray[np.int64]]] = {
    "margins": _by_margin,
    "votes": _by_votes,
    "trees": _by_trees,
    "largest": _largest,
    "positive": _positive,
    "above_half": _above_half,
}
# Of anything else: the outputs themselves, or 1 and -1 for inliers and outliers.
VALUE_RULES = ("outputs", "sign", "sign_or_zero")


def class_rules(model: Any, n_outputs: int, probabilities: bool) -> list[str]:
    """Rules that a model, or None for a black box, may follow; the most exact one first."""
    rules = []
    if isinstance(model, AdditiveModel):
        rules.append("margins")
    pairs = isinstance(model, KernelMachine) and model.n_classes is not None
    if pairs or (isinstance(model, SupportVectorModel) and model.response in ("votes", "probabilities")):
        rules.append("votes")
    if isinstance(model, TreesModel) and model.trees.task == "classification":
        rules.append("trees")
    return [*rules, "largest" if n_outputs > 1 else "above_half" if probabilities else "positive"]


def answers_of(
    method: Method, model: Any, rows: Floats, outputs: Floats, rule: str, probabilities: bool
) -> tuple[NDArray[Any], Floats | None]:
    """Predictions, and probabilities where the outputs are those, of one class or of all."""
    if method.task == "regression":
        return predicted_values(rule, outputs), None
    predictions = method.labels(CLASS_RULES[rule](model, rows, outputs))
    if not probabilities:
        return predictions, None
    return predictions, np.hstack([1.0 - outputs, outputs]) if outputs.shape[1] == 1 else outputs


def no_answers(method: Method, n_outputs: int, probabilities: bool) -> tuple[NDArray[Any], Floats | None]:
    """Of no rows."""
    if method.task == "regression":
        return np.empty((0, n_outputs) if n_outputs > 1 else 0), None
    none = np.empty((0, max(2, n_outputs))) if probabilities else None
    return method.labels(np.empty(0, dtype=np.int64)), none


def predicted_values(rule: str, outputs: Floats) -> NDArray[Any]:
    """Predictions of a model that knows no classes."""
    if rule == "outputs":
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs
    inside = outputs[:, 0] >= 0 if rule == "sign_or_zero" else outputs[:, 0] > 0
    return np.where(inside, 1, -1)
