"""Masked rows compiled by Numba: the twin of ``cpp/src/kernel/masking.cpp``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.numba.tools import compiled, for_each_part

__all__ = ["distinct_masked_rows", "fill_masked_rows"]


def fill_masked_rows(
    X: NDArray[Any],
    background: NDArray[Any],
    masks: NDArray[np.uint8],
    row: NDArray[np.int32],
    mask: NDArray[np.int32],
    background_row: NDArray[np.int32],
    *,
    out: NDArray[Any],
    n_threads: int,
) -> None:
    """Row i of `out` takes columns ``masks[mask[i]]`` from X[row[i]], the others from background[background_row[i]]."""

    def fill(part: slice) -> None:
        _fill(X, background, masks, row[part], mask[part], background_row[part], out[part])

    for_each_part(fill, len(row), n_threads)


@compiled
def _fill(
    X: NDArray[Any],
    background: NDArray[Any],
    masks: NDArray[np.uint8],
    row: NDArray[np.int32],
    mask: NDArray[np.int32],
    background_row: NDArray[np.int32],
    out: NDArray[Any],
) -> None:
    for i in range(len(row)):
        x, b, taken = X[row[i]], background[background_row[i]], masks[mask[i]]
        for j in range(out.shape[1]):
            out[i, j] = x[j] if taken[j] else b[j]


def distinct_masked_rows(
    masks: NDArray[np.uint8], differs: NDArray[np.uint8]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Slots of the masked rows and the distinct ones among them; the same as the C++ kernel's.

    Returns
    -------
    slot : int32 array of shape (n_masks, n_background)
    unique_mask, unique_background : int32 arrays
    """
    n_masks, n_background = len(masks), len(differs)
    slot = np.empty((n_masks, n_background), dtype=np.int32)
    unique_mask = np.empty(n_masks * n_background, dtype=np.int32)
    unique_background = np.empty(n_masks * n_background, dtype=np.int32)
    # Coalitions that agree on the players of one background row, found by sorting: one row at a time.
    kind = np.empty((n_masks, n_background), dtype=np.int64)
    for b in range(n_background):
        players = np.flatnonzero(differs[b])
        kept = np.ascontiguousarray(masks[:, players])
        inside = kept.sum(axis=1, dtype=np.int64)
        keys = np.packbits(kept, axis=1)
        _, group = np.unique(keys, axis=0, return_inverse=True) if len(players) else (None, np.zeros(n_masks, np.int64))
        kind[:, b] = np.where(inside == 0, -2, np.where(inside == len(players), -1, group.reshape(-1)))
    n_unique = _number(kind, slot, unique_mask, unique_background)
    return slot, unique_mask[:n_unique], unique_background[:n_unique]


@compiled
def _number(
    kind: NDArray[np.int64],
    slot: NDArray[np.int32],
    unique_mask: NDArray[np.int32],
    unique_background: NDArray[np.int32],
) -> int:
    """Number the distinct rows in order of first use, background rows innermost."""
    n_masks, n_background = kind.shape
    seen = np.full((n_background, n_masks), -1, dtype=np.int64)
    n_unique = 0
    for m in range(n_masks):
        for b in range(n_background):
            group = kind[m, b]
            if group == -2:
                slot[m, b] = b
            elif group == -1:
                slot[m, b] = n_background
            else:
                if seen[b, group] < 0:
                    seen[b, group] = n_unique
                    unique_mask[n_unique] = m
                    unique_background[n_unique] = b
                    n_unique += 1
                slot[m, b] = n_background + 1 + seen[b, group]
    return n_unique
