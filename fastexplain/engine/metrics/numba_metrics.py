"""Metrics of stacked predictions compiled by Numba: the twin of ``cpp/src/metrics/metrics.cpp``, function by function.

Each public function has the signature of the one in ``fastexplain._core`` and fills the same array. Threads share the
stacked predictions: each gets some of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.numba.tools import compiled, for_each_part

__all__ = ["argmax", "call_compiled", "confusion", "log_losses", "roc_auc", "row_losses"]

_EPSILON = float(np.finfo(np.float64).eps)
F = TypeVar("F", bound=Callable[..., object])


def _compiled_anew(function: F) -> F:
    """As `compiled`, for functions that take a user's function: nothing of those is kept on disk."""
    return cast(F, numba.njit(nogil=True)(function))


def _share(n: int, n_threads: int, work: Callable[[int, int], None]) -> None:
    """Call ``work(begin, end)`` on parts of 0 .. n in threads."""
    for_each_part(lambda part: work(part.start, part.stop), n, n_threads)


def row_losses(
    loss: str, y: NDArray[np.float64], predictions: NDArray[np.float64], out: NDArray[np.float64], n_threads: int
) -> None:
    """Loss of every row and target, (m, n, c)."""
    m, squared = len(predictions), loss == "squared"
    stack, flat = predictions.reshape(m, -1), out.reshape(m, -1)
    _share(m, n_threads, lambda a, b: _row_losses(squared, y.ravel(), stack[a:b], flat[a:b]))


def log_losses(
    codes: NDArray[np.int32], predictions: NDArray[np.float64], out: NDArray[np.float64], n_threads: int
) -> None:
    """Minus the logarithm of the probability of every row's class, (m, n)."""
    _share(len(predictions), n_threads, lambda a, b: _log_losses(codes, predictions[a:b], out[a:b]))


def argmax(predictions: NDArray[np.float64], out: NDArray[np.int32], n_threads: int) -> None:
    """Column of the largest entry, (m, n)."""
    _share(len(predictions), n_threads, lambda a, b: _argmax(predictions[a:b], out[a:b]))


def confusion(
    codes: NDArray[np.int32],
    predicted: NDArray[np.int32],
    weights: NDArray[np.float64],
    out: NDArray[np.float64],
    n_threads: int,
) -> None:
    """Weight of (true, predicted), (m, k, k)."""
    _share(len(predicted), n_threads, lambda a, b: _confusion(codes, predicted[a:b], weights, out[a:b]))


def roc_auc(
    positive: NDArray[np.uint8],
    scores: NDArray[np.float64],
    weights: NDArray[np.float64],
    area: NDArray[np.float64],
    placements: NDArray[np.float64],
    n_threads: int,
) -> None:
    """Area under the ROC curve (m,) and placements (m, n)."""
    _share(len(scores), n_threads, lambda a, b: _roc_auc(positive, scores[a:b], weights, area[a:b], placements[a:b]))


def call_compiled(
    function: Any,
    y: NDArray[Any],
    predictions: NDArray[Any],
    weights: NDArray[np.float64] | None,
    out: NDArray[np.float64],
) -> None:
    """Call a user's compiled metric on each prediction, from compiled code and without the GIL."""
    if weights is None:
        _call(function, y, predictions, out)
    else:
        _call_weighted(function, y, predictions, weights, out)


@_compiled_anew
def _call(function: Any, y: NDArray[Any], predictions: NDArray[Any], out: NDArray[np.float64]) -> None:
    for v in range(len(predictions)):
        out[v] = function(y, predictions[v])


@_compiled_anew
def _call_weighted(
    function: Any, y: NDArray[Any], predictions: NDArray[Any], weights: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    for v in range(len(predictions)):
        out[v] = function(y, predictions[v], weights)


@compiled
def _row_losses(
    squared: bool, y: NDArray[np.float64], predictions: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    for v in range(len(predictions)):
        for i in range(len(y)):
            d = y[i] - predictions[v, i]
            out[v, i] = d * d if squared else abs(d)


@compiled
def _log_losses(codes: NDArray[np.int32], predictions: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for v in range(len(predictions)):
        for i in range(len(codes)):
            p = min(max(predictions[v, i, codes[i]], _EPSILON), 1 - _EPSILON)
            out[v, i] = -math.log(p)


@compiled
def _argmax(predictions: NDArray[np.float64], out: NDArray[np.int32]) -> None:
    for v in range(predictions.shape[0]):
        for i in range(predictions.shape[1]):
            best = 0
            for k in range(1, predictions.shape[2]):
                if predictions[v, i, k] > predictions[v, i, best]:
                    best = k
            out[v, i] = best


@compiled
def _confusion(
    codes: NDArray[np.int32], predicted: NDArray[np.int32], weights: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    for v in range(len(predicted)):
        out[v] = 0.0
        for i in range(len(codes)):
            out[v, codes[i], predicted[v, i]] += weights[i]


@compiled
def _roc_auc(
    positive: NDArray[np.uint8],
    scores: NDArray[np.float64],
    weights: NDArray[np.float64],
    area: NDArray[np.float64],
    placements: NDArray[np.float64],
) -> None:
    n = len(positive)
    total = np.zeros(2)
    for i in range(n):
        total[positive[i]] += weights[i]
    for v in range(len(scores)):
        order = np.argsort(scores[v], kind="mergesort")
        below_0, below_1, area_sum, begin = 0.0, 0.0, 0.0, 0
        while begin < n:
            tied_0, tied_1, end = 0.0, 0.0, begin
            while end < n and scores[v, order[end]] == scores[v, order[begin]]:
                if positive[order[end]]:
                    tied_1 += weights[order[end]]
                else:
                    tied_0 += weights[order[end]]
                end += 1
            lower = below_0 + tied_0 / 2
            upper = total[1] - below_1 - tied_1 + tied_1 / 2
            area_sum += tied_1 * lower
            for q in range(begin, end):
                i = order[q]
                placements[v, i] = lower / total[0] if positive[i] else upper / total[1]
            below_0 += tied_0
            below_1 += tied_1
            begin = end
        area[v] = area_sum / (total[0] * total[1])
