"""`Scores`: predictions of rows and the values that they are made of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.scoring.method import Attributed, Floats

__all__ = ["ORDERS", "Scores", "check_top", "strongest"]

# What the strongest values are: the largest in size, the largest, or the smallest.
ORDERS = ("absolute", "positive", "negative")


class Scores(NamedTuple):
    """Predictions of rows and what they are made of, as arrays; see `ScoringExplainer.score`.

    Attributes
    ----------
    predictions : array of shape (n_rows,), or (n_rows, n_outputs) of a regression of several targets
        Labels of a classifier.
    probabilities : float64 array of shape (n_rows, n_classes), or None
    values : float64 array of shape (n_explained, n_features, n_outputs)
        With `top_k`, of the strongest features of each row and output: (n_explained, k, n_outputs).
    base_values : float64 array of shape (n_outputs,)
    standard_errors : float64 array of the values' shape, or None where they are exact
    top : int64 array of the values' shape, or None
        With `top_k`: which feature each value belongs to.
    rows : int64 array of shape (n_explained,), or None
        With `where`: which rows are explained.
    """

    predictions: NDArray[Any]
    probabilities: Floats | None
    values: Floats
    base_values: Floats
    standard_errors: Floats | None = None
    top: NDArray[np.int64] | None = None
    rows: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, result: Attributed, rows: NDArray[np.int64] | None = None) -> Scores:
        """Of what a method returned, with the rows that are explained, where those are some."""
        return cls(
            result.predictions,
            result.probabilities,
            result.values,
            result.base_values,
            result.standard_errors,
            None,
            rows,
        )


def check_top(top_k: Any, by: str) -> None:
    """Raise ValueError unless `top_k` is None or a whole number from 1 on, and `by` one of `ORDERS`."""
    if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, (int, np.integer)) or top_k < 1):
        raise ValueError(f"top_k (or k) must be a whole number from 1 on; got {top_k!r}.")
    if by not in ORDERS:
        raise ValueError(f"by must be one of {', '.join(map(repr, ORDERS))}; got {by!r}.")


def strongest(scores: Scores, top_k: int, by: str) -> Scores:
    """The strongest values of each row and output, in order; of equal ones, that of the first feature first."""
    values = scores.values
    strength = np.abs(values) if by == "absolute" else values if by == "positive" else -values
    top = np.argsort(-strength, axis=1, kind="stable")[:, :top_k]
    errors = scores.standard_errors
    return scores._replace(
        values=np.take_along_axis(values, top, axis=1),
        standard_errors=None if errors is None else np.take_along_axis(errors, top, axis=1),
        top=top,
    )
