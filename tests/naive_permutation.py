"""Permutation importance written out: every permutation enumerated, every row predicted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["expected_auc", "expected_score", "replaced"]


def replaced(X: NDArray[Any], columns: Sequence[int], donors: Sequence[int] | NDArray[Any]) -> NDArray[Any]:
    """Rows with some columns taken from other rows."""
    out = X.copy()
    out[:, columns] = X[np.asarray(donors)][:, columns]
    return out


def expected_score(
    predict: Callable[[NDArray[Any]], NDArray[Any]],
    X: NDArray[Any],
    columns: Sequence[int],
    score: Callable[[NDArray[Any]], float],
    strata: NDArray[Any] | None = None,
) -> float:
    """Mean score over all permutations of the rows (within strata, where given)."""
    allowed = [
        donors
        for donors in itertools.permutations(range(len(X)))
        if strata is None or (strata[list(donors)] == strata).all()
    ]
    return float(np.mean([score(predict(replaced(X, columns, donors))) for donors in allowed]))


def expected_auc(
    predict: Callable[[NDArray[Any]], NDArray[Any]], X: NDArray[Any], columns: Sequence[int], positive: NDArray[Any]
) -> float:
    """Mean AUC over all permutations: every pair of rows with every pair of different donors."""
    n = len(X)
    scores = np.stack([predict(replaced(X, columns, np.full(n, donor))) for donor in range(n)], axis=1)
    total, pairs = 0.0, 0
    for i in np.flatnonzero(positive):
        for j in np.flatnonzero(~positive):
            above = (scores[i][:, None] > scores[j]) + (scores[i][:, None] == scores[j]) / 2
            total += above.sum() - np.trace(above)
            pairs += n * (n - 1)
    return total / pairs
