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

from fastexplain.engine.numba_tools import compiled, for_each_part

__all__ = ["argmax", "average_precision", "call_compiled", "class_losses", "confusion", "discounted_gain"]
__all__ += ["roc_auc", "row_losses"]

_EPSILON = float(np.finfo(np.float64).eps)
_ROW_LOSSES = ("squared", "absolute", "squared_log", "absolute_percentage", "pinball", "poisson", "gamma")
_CLASS_LOSSES = ("log", "brier")
F = TypeVar("F", bound=Callable[..., object])


def _compiled_anew(function: F) -> F:
    """As `compiled`, for functions that take a user's function: nothing of those is kept on disk."""
    return cast(F, numba.njit(nogil=True)(function))


def _share(n: int, n_threads: int, work: Callable[[int, int], None]) -> None:
    """Call ``work(begin, end)`` on parts of 0 .. n in threads."""
    for_each_part(lambda part: work(part.start, part.stop), n, n_threads)


def row_losses(
    loss: str, y: NDArray[np.float64], predictions: NDArray[np.float64], alpha: float, out: NDArray[Any], n_threads: int
) -> None:
    """Loss of every row and target, (m, n, c)."""
    which, m = _ROW_LOSSES.index(loss), len(predictions)
    stack, flat = predictions.reshape(m, -1), out.reshape(m, -1)
    _share(m, n_threads, lambda a, b: _row_losses(which, y.ravel(), stack[a:b], alpha, flat[a:b]))


def class_losses(
    loss: str, codes: NDArray[np.int32], predictions: NDArray[np.float64], out: NDArray[np.float64], n_threads: int
) -> None:
    """Loss of every row's class probabilities, (m, n)."""
    which = _CLASS_LOSSES.index(loss)
    _share(len(predictions), n_threads, lambda a, b: _class_losses(which, codes, predictions[a:b], out[a:b]))


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


def average_precision(
    positive: NDArray[np.uint8],
    scores: NDArray[np.float64],
    weights: NDArray[np.float64],
    out: NDArray[np.float64],
    n_threads: int,
) -> None:
    """Average precision (m,)."""
    _share(len(scores), n_threads, lambda a, b: _average_precision(positive, scores[a:b], weights, out[a:b]))


def discounted_gain(
    gains: NDArray[np.float64],
    scores: NDArray[np.float64],
    n_best: int,
    ignore_ties: bool,
    log_base: float,
    out: NDArray[np.float64],
    n_threads: int,
) -> None:
    """Discounted gain of each row's items, (m, n)."""

    def work(a: int, b: int) -> None:
        _discounted_gain(gains, scores[a:b], n_best, ignore_ties, math.log(log_base), out[a:b])

    _share(len(scores), n_threads, work)


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
    loss: int, y: NDArray[np.float64], predictions: NDArray[np.float64], alpha: float, out: NDArray[np.float64]
) -> None:
    for v in range(len(predictions)):
        for i in range(len(y)):
            t, f = y[i], predictions[v, i]
            if loss == 0:
                out[v, i] = (t - f) * (t - f)
            elif loss == 1:
                out[v, i] = abs(t - f)
            elif loss == 2:
                d = math.log1p(t) - math.log1p(f)
                out[v, i] = d * d
            elif loss == 3:
                out[v, i] = abs(t - f) / max(abs(t), _EPSILON)
            elif loss == 4:
                out[v, i] = alpha * (t - f) if t >= f else (1 - alpha) * (f - t)
            elif loss == 5:
                out[v, i] = 2 * ((t * math.log(t / f) if t > 0 else 0.0) - t + f)
            else:
                out[v, i] = 2 * (math.log(f / t) + t / f - 1)


@compiled
def _clipped(p: float) -> float:
    return min(max(p, _EPSILON), 1 - _EPSILON)


@compiled
def _class_losses(
    loss: int, codes: NDArray[np.int32], predictions: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    n_classes = predictions.shape[2]
    for v in range(len(predictions)):
        for i in range(len(codes)):
            value = 0.0
            if loss == 0:
                value = -math.log(_clipped(predictions[v, i, codes[i]]))
            else:
                for k in range(n_classes):
                    d = predictions[v, i, k] - (1.0 if k == codes[i] else 0.0)
                    value += d * d
            out[v, i] = value


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


@compiled
def _average_precision(
    positive: NDArray[np.uint8], scores: NDArray[np.float64], weights: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    n = len(positive)
    all_positive = 0.0
    for i in range(n):
        all_positive += weights[i] if positive[i] else 0.0
    for v in range(len(scores)):
        order = np.argsort(scores[v], kind="mergesort")
        hits, taken, area, end = 0.0, 0.0, 0.0, n
        while end > 0:
            score, more = scores[v, order[end - 1]], 0.0
            while end > 0 and scores[v, order[end - 1]] == score:
                i = order[end - 1]
                more += weights[i] if positive[i] else 0.0
                taken += weights[i]
                end -= 1
            hits += more
            if taken > 0:
                area += more * hits / taken
        out[v] = area / all_positive


@compiled
def _discounted_gain(
    gains: NDArray[np.float64],
    scores: NDArray[np.float64],
    n_best: int,
    ignore_ties: bool,
    log_base: float,
    out: NDArray[np.float64],
) -> None:
    n_items = scores.shape[2]
    summed = np.zeros(n_items + 1)
    for k in range(n_items):
        step = 0.0 if n_best > 0 and k >= n_best else log_base / math.log(k + 2.0)
        summed[k + 1] = summed[k] + step
    for v in range(scores.shape[0]):
        for i in range(scores.shape[1]):
            order = np.argsort(scores[v, i], kind="mergesort")[::-1]  # among equals the later item first
            total, begin = 0.0, 0
            while begin < n_items:
                tied, end = 0.0, begin
                while end < n_items and (
                    end == begin or (not ignore_ties and scores[v, i, order[end]] == scores[v, i, order[begin]])
                ):
                    tied += gains[i, order[end]]
                    end += 1
                total += tied / (end - begin) * (summed[end] - summed[begin])
                begin = end
            out[v, i] = total
