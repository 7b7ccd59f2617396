"""Additive models: a sum of one function per column, and a response of that sum.

Linear models, generalised linear models and naive Bayes are of this kind. With m = offset + sum_c f_c(x_c):

* response m itself: the Shapley value of column c is f_c(x_c) - sum_b w_b f_c(b_c);
* exp(m), a product game, and 1 / (1 + exp(-m)), a sum of sines of m, have closed forms too (`fastexplain.engine`);
* any other response is cheap to evaluate on coalitions, because m needs one matrix product per background row.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.known import (
    Columns,
    FormulaModel,
    Game,
    equal_weights,
    player_of_columns,
    sums_by_player,
)

__all__ = ["RESPONSES", "AdditiveGame", "AdditiveModel", "Response", "sigmoid"]

# Cells of the (mask, background row, margin) block that one step of coalition_values holds: 16 MiB.
BLOCK_CELLS = 2**21

Float = NDArray[np.float64]


def sigmoid(margins: Float) -> Float:
    """1 / (1 + exp(-m)), without overflow."""
    small = np.exp(-np.abs(margins))
    return np.where(margins >= 0, 1.0, small) / (1.0 + small)


def _both_classes(margins: Float) -> Float:
    return np.concatenate([sigmoid(-margins), sigmoid(margins)], axis=-1)


def _softmax(margins: Float) -> Float:
    exponentials = np.exp(margins - margins.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def _normalized_sigmoid(margins: Float) -> Float:
    """One-versus-rest probabilities, scaled to a sum of 1; equal where all underflow, as scikit-learn has it."""
    odds = sigmoid(margins)
    total = odds.sum(axis=-1, keepdims=True)
    return np.where(total > 0, odds / np.where(total > 0, total, 1.0), 1.0 / margins.shape[-1])


def _modified_huber(margins: Float) -> Float:
    return np.concatenate([0.5 - 0.5 * np.clip(margins, -1, 1), 0.5 + 0.5 * np.clip(margins, -1, 1)], axis=-1)


class Response(NamedTuple):
    """What becomes of the margins.

    Attributes
    ----------
    path : str
        Name of what runs.
    apply : callable
        Margins (..., n_margins) to outputs (..., n_outputs).
    closed_form : bool
    """

    path: str
    apply: Callable[[Float], Float]
    closed_form: bool


RESPONSES = {
    "identity": Response("linear", lambda margins: margins, True),
    "exp": Response("product_form", np.exp, True),
    "sigmoid": Response("sine_expansion", _both_classes, True),  # one margin, probabilities of both classes
    "softmax": Response("softmax", _softmax, False),
    "modified_huber": Response("modified_huber", _modified_huber, False),  # one margin, both classes
    "normalized_sigmoid": Response("one_versus_rest", _normalized_sigmoid, False),
}


class AdditiveModel(FormulaModel):
    """A response of sums of functions of single columns.

    Subclasses say what the columns contribute.

    Attributes
    ----------
    offset : float64 array of shape (n_margins,)
    response : str
        A key of `RESPONSES`.
    """

    def __init__(self, n_features: int, offset: Float, response: str = "identity") -> None:
        self.n_features = n_features
        self.offset = np.asarray(offset, dtype=np.float64)
        self.response_name = response
        self.response = RESPONSES[response]
        self.path = self.response.path
        self.n_outputs = 2 if response in ("sigmoid", "modified_huber") else len(self.offset)

    @abc.abstractmethod
    def contributions(self, X: Float) -> Float:
        """f_c(x_c) of every row, column and margin: (n_rows, n_features, n_margins)."""

    def margins(self, X: Float) -> Float:
        """(n_rows, n_margins)."""
        return np.asarray(self.contributions(X).sum(axis=1) + self.offset)

    def predict(self, X: Float) -> Float:
        return self.response.apply(self.margins(X))

    def bind(self, background: Float, weights: Float | None = None, groups: Columns | None = None) -> Game:
        return AdditiveGame(self, background, equal_weights(len(background), weights), groups)


class AdditiveGame(Game):
    """The game of an `AdditiveModel` on one background."""

    def __init__(self, model: AdditiveModel, background: Float, weights: Float, groups: Columns | None) -> None:
        self.closed_form = model.response.closed_form
        self._model = model
        self._weights = weights
        player_of_columns(groups, model.n_features)  # every column has one player
        self._groups = groups
        self._background = self._terms(background)  # (n_background, n_players, n_margins)
        self._mean = np.tensordot(weights, self._background, axes=1)

    def shap_values(self, X: Float, *, n_threads: int | None = None, backend: str | None = None) -> Float:
        rows = self._terms(X)
        path = self._model.response.path
        if path == "linear":
            return rows - self._mean
        if path == "product_form":
            from fastexplain.engine.formulas.product_game import exponential_shap_values as shap_values
        elif path == "sine_expansion":
            from fastexplain.engine.formulas.sine_expansion import sigmoid_shap_values as shap_values
        else:
            return super().shap_values(X)
        values = [
            shap_values(
                rows[:, :, k],
                self._background[:, :, k],
                float(self._model.offset[k]),
                self._weights,
                n_threads=n_threads,
                backend=backend,
            )
            for k in range(rows.shape[2])
        ]
        return np.stack([-values[0], values[0]] if path == "sine_expansion" else values, axis=2)

    def closed_form_rows(self, X: Float) -> NDArray[np.bool_]:
        if self._model.response.path != "sine_expansion":
            return super().closed_form_rows(X)
        from fastexplain.engine.formulas.sine_expansion import LARGEST_MARGIN, largest_margin

        reach = largest_margin(self._terms(X)[:, :, 0], self._background[:, :, 0], float(self._model.offset[0]))
        return reach <= LARGEST_MARGIN

    def coalition_values(
        self, x: Float, masks: NDArray[np.bool_], *, n_threads: int | None = None, backend: str | None = None
    ) -> Float:
        row = self._terms(x[None])[0]
        kept = masks.astype(np.float64)
        if self._model.response.path == "linear":
            return np.asarray(kept @ (row - self._mean) + (self._mean.sum(axis=0) + self._model.offset))
        n_background, n_players, n_margins = self._background.shape
        change = np.moveaxis(row - self._background, 1, 0).reshape(n_players, n_background * n_margins)
        base = (self._background.sum(axis=1) + self._model.offset).ravel()
        values = np.empty((len(masks), self._model.n_outputs))
        step = max(1, BLOCK_CELLS // (n_background * n_margins))
        for begin in range(0, len(masks), step):
            margins = (kept[begin : begin + step] @ change + base).reshape(-1, n_background, n_margins)
            values[begin : begin + step] = np.tensordot(self._model.response.apply(margins), self._weights, (1, 0))
        return values

    def _terms(self, X: Float) -> Float:
        """What each player contributes: (n_rows, n_players, n_margins)."""
        return sums_by_player(self._model.contributions(X), self._groups)
