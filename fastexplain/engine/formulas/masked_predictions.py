"""Predictions of masked rows computed from what each player contributes, without building the rows.

Array functions over the kernels of ``cpp/src/formulas/expansion.cpp`` and ``cpp/src/formulas/neighbors.cpp`` and
their Numba twins. All return the weighted mean over the background, (n_masks, n_outputs), and hold a bounded block of
the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.backends import core, select_backend

__all__ = ["KINDS", "TERM_PAD", "aligned", "average_neighbors", "averaged", "couple_probabilities", "expand", "padded"]

Float = NDArray[np.float64]
Masks = NDArray[np.bool_]

TERM_PAD = 64  # the kernels' tile: terms and training rows are padded to a multiple
ALIGNMENT = 64  # bytes
# Cells of the (background row, mask, output) block that is held at a time: 16 MiB.
BLOCK_CELLS = 2**21

# How numbers of the players become a term; see TermKind in cpp/include/fastexplain/formulas/expansion.h.
KINDS = {"product": 0, "rectified": 1, "power": 2, "tanh": 3}


def aligned(shape: tuple[int, ...], fill: float = 0.0) -> Float:
    """A float64 array at an address that vector loads like."""
    n = int(np.prod(shape))
    raw = np.empty(n + ALIGNMENT // 8)
    start = -(raw.ctypes.data // 8) % (ALIGNMENT // 8)
    array = raw[start : start + n].reshape(shape)
    array[...] = fill
    return array


def padded(values: Float, fill: float = 0.0) -> Float:
    """A copy with the last axis padded to a multiple of `TERM_PAD`, aligned."""
    n = values.shape[-1]
    out = aligned((*values.shape[:-1], -(-n // TERM_PAD) * TERM_PAD), fill)
    out[..., :n] = values
    return out


def averaged(
    score: Callable[[NDArray[np.uint8]], Float], masks: Masks, weights: Float, n_outputs: int, width: int
) -> Float:
    """Weighted mean over the background of what `score` gives for blocks of masks.

    Parameters
    ----------
    score : callable
        Masks (n, n_players) of 0 and 1 to (n_background, n, n_outputs).
    masks : bool array of shape (n_masks, n_players)
    weights : float64 array of shape (n_background,)
    n_outputs : int
    width : int
        Numbers that `score` holds per background row and mask.

    Returns
    -------
    float64 array of shape (n_masks, n_outputs)
    """
    values = np.empty((len(masks), n_outputs))
    bits = np.ascontiguousarray(masks).view(np.uint8)
    step = max(1, BLOCK_CELLS // (len(weights) * max(1, width)))
    for begin in range(0, len(bits), step):
        scores = score(bits[begin : begin + step])
        values[begin : begin + step] = np.tensordot(weights, scores, axes=1)
    return values


def expand(
    kind: str,
    row: Float,
    background: Float,
    coefficients: Float,
    masks: NDArray[np.uint8],
    *,
    degree: int = 1,
    n_threads: int | None = None,
    backend: str | None = None,
) -> Float:
    """f_k(S, b) = sum_j coefficients[k, j] * term(S, b, j) for every coalition and background row.

    Parameters
    ----------
    kind : {"product", "rectified", "power", "tanh"}
        How the players' numbers become a term: their product; the positive part, a power, or tanh of their sum.
    row : float64 array of shape (n_players, n_terms)
        The explained row's numbers; `n_terms` a multiple of `TERM_PAD`, the array from `aligned` or `padded`.
    background : float64 array of shape (n_background, n_players, n_terms)
    coefficients : float64 array of shape (n_outputs, n_terms)
    masks : uint8 array of shape (n_masks, n_players)
    degree : int
        Of ``"power"``.

    Returns
    -------
    float64 array of shape (n_background, n_masks, n_outputs)
    """
    out = np.empty((len(background), len(masks), len(coefficients)))
    arguments = KINDS[kind], degree, row, background, coefficients, masks, out, resolve_num_threads(n_threads)
    _kernels(backend).expand(*arguments)
    return out


def couple_probabilities(
    decisions: Float, slope: Float, shift: Float, n_classes: int, *, n_threads: int | None, backend: str | None
) -> Float:
    """Class probabilities of libsvm from one-versus-one decisions (..., n_pairs): (..., n_classes)."""
    out = np.empty((*decisions.shape[:-1], n_classes))
    flat = np.ascontiguousarray(decisions).reshape(-1, decisions.shape[-1])
    _kernels(backend).couple_probabilities(
        flat, slope, shift, out.reshape(-1, n_classes), resolve_num_threads(n_threads)
    )
    return out


def average_neighbors(
    row: Float,
    background: Float,
    targets: Float,
    masks: NDArray[np.uint8],
    *,
    n_neighbors: int,
    power: float,
    by_distance: bool,
    n_threads: int | None = None,
    backend: str | None = None,
) -> Float:
    """Mean target of the nearest training rows of every masked row.

    Parameters
    ----------
    row, background : float64 arrays of shape (n_players, n_train) and (n_background, n_players, n_train)
        Each player's share in the distance to each training row, to the `power`; padded with infinity.
    targets : float64 array of shape (n_train, n_outputs)
    masks : uint8 array of shape (n_masks, n_players)
    n_neighbors : int
    power : float
        p of the Minkowski distance.
    by_distance : bool
        Neighbours weigh 1 / distance.

    Returns
    -------
    float64 array of shape (n_background, n_masks, n_outputs)
    """
    out = np.empty((len(background), len(masks), targets.shape[1]))
    arguments = row, background, targets, masks, n_neighbors, power, by_distance, out, resolve_num_threads(n_threads)
    _kernels(backend).average_neighbors(*arguments)
    return out


def _kernels(backend: str | None) -> Any:
    """The module that holds the kernels: the same functions in both."""
    if select_backend(backend) == "native":
        return core()
    from fastexplain.engine.formulas import numba_masked_predictions

    return numba_masked_predictions
