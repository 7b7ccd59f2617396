"""Counter-based random numbers for Numba kernels: the twin of ``cpp/include/fastexplain/random.h``.

A stream is a small array made by `open_stream`; the same (seed, stream, index) yields the same numbers as in C++.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.numba.tools import compiled

__all__ = ["below", "next_u32", "open_stream", "philox_word", "shuffle"]

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLY = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))

# Layout of a stream, all uint64: key (2), counter (4), block (4), position.
_SIZE = 11
_COUNTER, _BLOCK, _POSITION = 2, 6, 10


@compiled
def open_stream(seed: Any, stream: Any, index: Any) -> NDArray[np.uint64]:
    """A stream at its beginning."""
    state = np.zeros(_SIZE, dtype=np.uint64)
    state[0] = np.uint64(seed) & _MASK
    state[1] = np.uint64(seed) >> _SHIFT
    state[_COUNTER + 1] = np.uint64(stream) & _MASK
    state[_COUNTER + 2] = np.uint64(index) & _MASK
    state[_COUNTER + 3] = np.uint64(index) >> _SHIFT
    state[_POSITION] = np.uint64(4)
    return state


@compiled
def _rounds(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    for _ in range(10):
        p0 = _MULTIPLY[0] * c0
        p1 = _MULTIPLY[1] * c2
        c0, c1, c2, c3 = (p1 >> _SHIFT) ^ c1 ^ k0, p1 & _MASK, (p0 >> _SHIFT) ^ c3 ^ k1, p0 & _MASK
        k0 = (k0 + _WEYL[0]) & _MASK
        k1 = (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


@compiled
def philox_word(c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, seed: np.uint64) -> Any:
    """The first 32 bits of the block of one counter, in a uint64."""
    return _rounds(c0, c1, c2, c3, seed & _MASK, seed >> _SHIFT)[0]


@compiled
def _fill_block(state: NDArray[np.uint64]) -> None:
    c0, c1, c2, c3 = state[_COUNTER], state[_COUNTER + 1], state[_COUNTER + 2], state[_COUNTER + 3]
    c0, c1, c2, c3 = _rounds(c0, c1, c2, c3, state[0], state[1])
    state[_BLOCK], state[_BLOCK + 1], state[_BLOCK + 2], state[_BLOCK + 3] = c0, c1, c2, c3
    state[_COUNTER] = (state[_COUNTER] + np.uint64(1)) & _MASK
    state[_POSITION] = np.uint64(0)


@compiled
def next_u32(state: NDArray[np.uint64]) -> Any:
    """The next 32 random bits, in a uint64."""
    if state[_POSITION] == np.uint64(4):
        _fill_block(state)
    value = state[_BLOCK + np.int64(state[_POSITION])]
    state[_POSITION] += np.uint64(1)
    return value


@compiled
def below(state: NDArray[np.uint64], n: Any) -> Any:
    """Uniform on 0 .. n - 1 for 0 < n < 2^32, without bias (Lemire 2019)."""
    bound = np.uint64(n)
    product = next_u32(state) * bound
    if (product & _MASK) < bound:
        floor = ((_MASK + np.uint64(1)) - bound) % bound
        while (product & _MASK) < floor:
            product = next_u32(state) * bound
    return np.int64(product >> _SHIFT)


@compiled
def shuffle(state: NDArray[np.uint64], values: NDArray[np.int64]) -> None:
    """Fisher and Yates, from the end, in place."""
    for i in range(len(values), 1, -1):
        j = below(state, i)
        values[i - 1], values[j] = values[j], values[i - 1]
