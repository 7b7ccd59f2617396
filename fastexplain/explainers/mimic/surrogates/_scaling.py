"""Local values of a margin, scaled so that they add up to probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.probability import scaled_to_probability

__all__ = ["scaled_to"]

Float = NDArray[np.float64]


def scaled_to(values: Float | list[Any], base_values: Float, target: Float) -> Float | list[Any]:
    """Values that add up to a target: what is missing is shared out in proportion to |value|.

    interpret-community's rule, an approximation because the logistic function is not linear. At most the sum of
    |values| is shared out so; the rest goes to all features in equal parts.

    Parameters
    ----------
    values : array of shape (n_rows, n_features, n_outputs), or list of csr (n_rows, n_features)
    base_values : array of shape (n_outputs,)
    target : array of shape (n_rows, n_outputs)
        ``values.sum(axis=1) + base_values`` afterwards.

    Returns
    -------
    The same kind as `values`; of sparse values, the equal parts go to the row's stored entries only, or to all features
    of a row that has none.
    """
    if isinstance(values, list):
        return [_scaled_sparse(values[k], base_values[k], target[:, k]) for k in range(len(values))]
    return scaled_to_probability(values, base_values, target)[0]


def _scaled_sparse(values: Any, base_value: float, target: Float) -> Any:
    scaled = values.copy()
    n_stored = np.diff(scaled.indptr)
    total = np.asarray(abs(scaled).sum(axis=1)).ravel()
    error = target - base_value - np.asarray(scaled.sum(axis=1)).ravel()
    shared = np.minimum(np.abs(error), total)
    rate = np.divide(shared, total, out=np.zeros_like(total), where=total > 0)
    rest = (np.abs(error) - shared) / np.maximum(n_stored, 1)
    sign = np.sign(error)
    rates, rests = np.repeat(sign * rate, n_stored), np.repeat(sign * rest, n_stored)
    scaled.data = scaled.data + np.abs(scaled.data) * rates + rests
    empty = n_stored == 0
    return scaled + _equal_parts(np.where(empty, error, 0.0), scaled.shape[1]) if empty.any() else scaled


def _equal_parts(totals: Float, n_features: int) -> Any:
    """Csr rows of equal values that add up to the totals; no entries for a total of 0."""
    import scipy.sparse

    sizes = np.where(totals != 0, n_features, 0)
    columns = np.tile(np.arange(n_features), np.count_nonzero(totals))
    data, starts = np.repeat(totals / n_features, sizes), np.concatenate([[0], np.cumsum(sizes)])
    return scipy.sparse.csr_matrix((data, columns, starts), shape=(len(totals), n_features))
