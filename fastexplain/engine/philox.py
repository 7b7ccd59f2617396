"""Philox4x32-10 over whole arrays: the numbers of ``cpp/include/fastexplain/random.h``, for code that runs in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["words"]

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLY = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))


def words(seed: int, stream: int, indices: NDArray[np.int64], n_words: int) -> NDArray[np.uint32]:
    """The first `n_words` numbers of the streams (seed, stream, index).

    Parameters
    ----------
    seed, stream : int
        64 and 32 bits.
    indices : int64 array of shape (n_streams,)
    n_words : int

    Returns
    -------
    uint32 array of shape (n_streams, n_words)
    """
    n_blocks = -(-n_words // 4)
    shape = (len(indices), n_blocks)
    index = indices.astype(np.uint64)[:, None]
    c0 = np.broadcast_to(np.arange(n_blocks, dtype=np.uint64), shape)
    c1 = np.broadcast_to(np.uint64(stream) & _MASK, shape)
    c2, c3 = np.broadcast_to(index & _MASK, shape), np.broadcast_to(index >> _SHIFT, shape)
    k0, k1 = np.uint64(seed) & _MASK, np.uint64(seed) >> _SHIFT
    for _ in range(10):
        p0, p1 = _MULTIPLY[0] * c0, _MULTIPLY[1] * c2
        c0, c1, c2, c3 = (p1 >> _SHIFT) ^ c1 ^ k0, p1 & _MASK, (p0 >> _SHIFT) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    found = np.stack([c0, c1, c2, c3], axis=-1).reshape(len(indices), 4 * n_blocks)
    return found[:, :n_words].astype(np.uint32)
