"""Exact Shapley values from the values of all coalitions."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_ENUMERATED_PLAYERS", "interaction_values", "shapley_values"]

# 2^20 coalitions: eight megabytes per output, a second of arithmetic.
MAX_ENUMERATED_PLAYERS = 20


def shapley_values(game: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shapley values of games given by the values of all their coalitions.

    Parameters
    ----------
    game : float64 array of shape (2^n, ...)
        Value of coalition s in row s, which holds player i if s has bit i. Further axes are games of their own.

    Returns
    -------
    float64 array of shape (n, ...)

    Notes
    -----
    Shapley 1953: the mean over coalitions S without i of v(S + i) - v(S), weighted |S|! (n - |S| - 1)! / n!. O(n 2^n).
    """
    n = len(game).bit_length() - 1
    flat = game.reshape(2**n, -1)
    phi = np.empty((n, flat.shape[1]))
    for i in range(n):
        halves = flat.reshape(2 ** (n - 1 - i), 2, 2**i, -1)
        gain = halves[:, 1] - halves[:, 0]
        phi[i] = _weights(n) @ gain.reshape(2 ** (n - 1), -1)
    return phi.reshape(n, *game.shape[1:])


@functools.lru_cache(maxsize=32)
def _weights(n: int) -> NDArray[np.float64]:
    """Weight of each coalition without some player; without that player's bit they count from 0 to 2^(n - 1) - 1."""
    size = np.zeros(1, dtype=np.int64)
    for _ in range(n - 1):
        size = np.concatenate([size, size + 1])
    return np.array([1.0 / (n * math.comb(n - 1, k)) for k in range(n)])[size]


def interaction_values(game: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shapley-Taylor interactions of order two, of games given by the values of all their coalitions.

    Parameters
    ----------
    game : float64 array of shape (2^n, n_outputs)
        Value of coalition s in row s, which holds player i if s has bit i.

    Returns
    -------
    float64 array of shape (n, n, n_outputs)
        ``[i, i]`` is v({i}) - v({}); ``[i, j]`` and ``[j, i]`` are half the index of the pair each. All of it adds up
        to v(all) - v({}).

    Notes
    -----
    Sundararajan, Dhamdhere and Agarwal 2020: the index of a pair is the sum, over coalitions S of others, of
    v(S + ij) - v(S + i) - v(S + j) + v(S), weighted 2 |S|! (n - |S| - 1)! / n!. O(n^2 2^n).
    """
    n = len(game).bit_length() - 1
    values = np.zeros((n, n, game.shape[1]))
    size = np.array([bin(s).count("1") for s in range(2 ** max(0, n - 2))])
    weights = np.array([1.0 / (n * math.comb(n - 1, k)) for k in range(n)])[size] if n else np.empty(0)
    for j in range(n):
        values[j, j] = game[1 << j] - game[0]
        for i in range(j):
            # bits above j, j, between, i, below i
            box = game.reshape(2 ** (n - 1 - j), 2, 2 ** (j - 1 - i), 2, 2**i, -1)
            gain = box[:, 1, :, 1] - box[:, 1, :, 0] - box[:, 0, :, 1] + box[:, 0, :, 0]
            values[i, j] = values[j, i] = weights @ gain.reshape(len(weights), -1)
    return values
