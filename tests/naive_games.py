"""Shapley values of coalition games straight from the definition: slow, short, and the judge of every estimator."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["naive_kernel_shap", "naive_shapley"]


def naive_shapley(v: Callable[[frozenset[int]], Any], n_players: int) -> NDArray[np.float64]:
    """Shapley 1953, one coalition at a time.

    Parameters
    ----------
    v : callable
        Value of a coalition: a number, or an array of outputs.
    n_players : int

    Returns
    -------
    array of shape (n_players, ...)
    """
    players = range(n_players)
    value = {
        frozenset(s): np.asarray(v(frozenset(s)), dtype=np.float64)
        for size in range(n_players + 1)
        for s in itertools.combinations(players, size)
    }
    phi = []
    for i in players:
        total = np.zeros_like(value[frozenset()])
        for s, worth in value.items():
            if i in s:
                continue
            weight = math.factorial(len(s)) * math.factorial(n_players - len(s) - 1) / math.factorial(n_players)
            total = total + weight * (value[s | {i}] - worth)
        phi.append(total)
    return np.array(phi)


def naive_kernel_shap(
    predict: Callable[[NDArray[Any]], NDArray[Any]],
    X: NDArray[Any],
    background: NDArray[Any],
    weights: NDArray[np.float64] | None = None,
    groups: Sequence[Sequence[int]] | None = None,
    link: Callable[[NDArray[np.float64]], NDArray[np.float64]] = lambda mean: mean,
) -> NDArray[np.float64]:
    """Values (n_rows, n_players, n_outputs) of v(S) = link(weighted mean over the background of predict)."""
    columns = [[j] for j in range(X.shape[1])] if groups is None else [list(group) for group in groups]
    w = np.full(len(background), 1 / len(background)) if weights is None else weights / weights.sum()

    def values_of(x: NDArray[Any]) -> NDArray[np.float64]:
        def v(coalition: frozenset[int]) -> NDArray[np.float64]:
            rows = background.copy()
            for player in coalition:
                rows[:, columns[player]] = x[columns[player]]
            return link(w @ np.asarray(predict(rows), dtype=np.float64).reshape(len(rows), -1))

        return naive_shapley(v, len(columns))

    return np.array([values_of(x) for x in X])
