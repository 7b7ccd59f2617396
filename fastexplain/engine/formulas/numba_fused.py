"""Users' functions compiled by Numba, fused into the loop over coalitions: no masked matrix, no Python call per row."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from fastexplain.engine.numba.tools import for_each_part

__all__ = ["coalition_means", "predict_rows"]

Float = NDArray[np.float64]

# Rows that a function of matrices is given at a time, or one per background row if those are more.
MATRIX_ROWS = 1024
_CACHED_FUNCTIONS = 64


def coalition_means(
    function: Any,
    by_matrix: bool,
    x: Float,
    background: Float,
    weights: Float,
    masks: NDArray[np.bool_],
    n_outputs: int,
    n_threads: int,
) -> Float:
    """Weighted mean of a compiled function over the background, for every coalition.

    Parameters
    ----------
    function : Numba dispatcher
        Of one row (float64, 1-D) to a number, a 1-D array or a tuple of numbers; or of a matrix, `by_matrix`, to one
        number or row of numbers for each of its rows.
    x, background, weights : float64 arrays of shape (n_features,), (n_background, n_features) and (n_background,)
    masks : bool array of shape (n_masks, n_features)
        Of columns; True takes x's value.
    n_outputs, n_threads : int

    Returns
    -------
    float64 array of shape (n_masks, n_outputs)
    """
    out = np.zeros((len(masks), n_outputs))
    kernel = _matrix_kernel(function) if by_matrix else _row_kernel(function)
    for_each_part(lambda part: kernel(x, background, weights, masks[part], out[part]), len(masks), n_threads)
    return out


def predict_rows(function: Any, X: Float, n_outputs: int) -> Float:
    """A compiled function of one row, for every row of X: (n_rows, n_outputs)."""
    out = np.zeros((len(X), n_outputs))
    nothing = np.zeros((1, X.shape[1]), dtype=np.bool_)
    kernel = _row_kernel(function)
    for row, values in zip(X, out, strict=True):
        kernel(row, row[None], np.ones(1), nothing, values[None])
    return out


# Compiled anew in every process: Numba cannot cache what calls a function that it does not know.
@functools.lru_cache(maxsize=_CACHED_FUNCTIONS)
def _row_kernel(function: Any) -> Callable[..., None]:
    add = _adder()

    def kernel(x: Float, background: Float, weights: Float, masks: NDArray[np.bool_], out: Float) -> None:
        row = np.empty(len(x))
        for m in range(len(masks)):
            for b in range(len(background)):
                for j in range(len(x)):  # all of it: the function may have written to its row
                    row[j] = x[j] if masks[m, j] else background[b, j]
                add(out[m], weights[b], function(row))

    return _compiled(kernel)


@functools.lru_cache(maxsize=_CACHED_FUNCTIONS)
def _matrix_kernel(function: Any) -> Callable[..., None]:
    add = _adder()

    def kernel(x: Float, background: Float, weights: Float, masks: NDArray[np.bool_], out: Float) -> None:
        n_background = len(background)
        step = max(1, MATRIX_ROWS // n_background)
        for first in range(0, len(masks), step):
            last = min(first + step, len(masks))
            rows = np.empty(((last - first) * n_background, len(x)))
            for m in range(first, last):
                for b in range(n_background):
                    row = rows[(m - first) * n_background + b]
                    for j in range(len(x)):
                        row[j] = x[j] if masks[m, j] else background[b, j]
            predictions = function(rows)
            for m in range(first, last):
                for b in range(n_background):
                    add(out[m], weights[b], predictions[(m - first) * n_background + b])

    return _compiled(kernel)


def _compiled(kernel: Callable[..., None]) -> Callable[..., None]:
    compiled: Callable[..., None] = numba.njit(nogil=True, error_model="numpy")(kernel)
    return compiled


@functools.cache
def _adder() -> Any:
    """``out += weight * value``, whether the value is one number or several."""

    def add(out: Float, weight: float, value: Any) -> None:
        raise TypeError("add is compiled, never called")

    # Numba wants the same parameters and annotations in what it returns
    def of_type(out: Any, weight: Any, value: Any) -> Callable[..., None]:
        if isinstance(value, numba.types.Number | numba.types.Boolean):

            def add_number(out: Any, weight: Any, value: Any) -> None:
                out[0] += weight * value

            return add_number

        def add_several(out: Any, weight: Any, value: Any) -> None:
            for k in range(len(out)):
                out[k] += weight * value[k]

        return add_several

    overload(add)(of_type)
    return add
