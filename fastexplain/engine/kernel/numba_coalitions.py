"""Coalitions of Kernel SHAP compiled by Numba.

The twin of ``cpp/src/kernel/coalitions.cpp``, which explains the method.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.numba.random import below, open_stream, philox_word
from fastexplain.engine.numba.tools import compiled, for_each_part

__all__ = ["fill_coalitions"]

_COUNTLESS = np.uint64(2**62)
_FEISTEL_ROUNDS = 6
_ONE = np.uint64(1)


def fill_coalitions(
    size: NDArray[np.int32], index: NDArray[np.int64], seed: int, masks: NDArray[np.uint8], n_threads: int
) -> None:
    """Write masks (n_pairs, n_players) of the coalitions `index` among those of `size`; as in C++."""
    if not len(size):
        return
    binomials = _binomials(masks.shape[1], int(size.max()))

    def fill(part: slice) -> None:
        _fill(size[part], index[part], np.uint64(seed), binomials, masks[part])

    for_each_part(fill, len(size), n_threads)


@compiled
def _binomials(n_max: int, k_max: int) -> NDArray[np.uint64]:
    """C(n, k), saturating."""
    table = np.zeros((n_max + 1, k_max + 1), dtype=np.uint64)
    for n in range(n_max + 1):
        table[n, 0] = _ONE
        for k in range(1, min(n, k_max) + 1):
            table[n, k] = min(_COUNTLESS, table[n - 1, k - 1] + (table[n - 1, k] if k < n else np.uint64(0)))
    return table


@compiled
def _permuted(index: np.uint64, count: np.uint64, seed: np.uint64, size: Any) -> np.uint64:
    half = np.uint64(1)
    while half < np.uint64(31) and (_ONE << (np.uint64(2) * half)) < count:
        half += _ONE
    mask = (_ONE << half) - _ONE
    while True:
        left, right = index >> half, index & mask
        for round_ in range(_FEISTEL_ROUNDS):
            mixed = philox_word(right, np.uint64(size), np.uint64(round_), np.uint64(0), seed) & mask
            left, right = right, left ^ mixed
        index = (left << half) | right
        if index < count:
            return index


@compiled
def _unrank(rank: np.uint64, n: Any, size: Any, binomials: NDArray[np.uint64], mask: NDArray[np.uint8]) -> None:
    member = n
    for k in range(size, 0, -1):
        member -= 1
        while binomials[member, k] > rank:
            member -= 1
        rank -= binomials[member, k]
        mask[member] = 1


@compiled
def _draw(seed: np.uint64, stream: Any, index: Any, n: Any, size: Any, mask: NDArray[np.uint8]) -> None:
    state = open_stream(seed, stream, index)
    for last in range(n - size, n):
        player = below(state, last + 1)
        if mask[player]:
            mask[last] = 1
        else:
            mask[player] = 1


@compiled
def _fill(
    size: NDArray[np.int32],
    index: NDArray[np.int64],
    seed: np.uint64,
    binomials: NDArray[np.uint64],
    masks: NDArray[np.uint8],
) -> None:
    n_players = masks.shape[1]
    for p in range(len(size)):
        mask = masks[p]
        mask[:] = 0
        n, k = n_players, np.int64(size[p])
        if 2 * k == n:  # then player 0 is in S
            mask[0] = 1
            mask = mask[1:]
            n -= 1
            k -= 1
        count = binomials[n, k]
        if count < _COUNTLESS:
            _unrank(_permuted(np.uint64(index[p]), count, seed, np.int64(size[p])), n, k, binomials, mask)
        else:
            _draw(seed, np.int64(size[p]), index[p], n, k, mask)
