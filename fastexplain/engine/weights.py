"""Weights of rows: checked, and made shares of their sum in one place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["checked_weights", "shares", "summable"]


def checked_weights(weights: Any, n_rows: int, what: str = "background") -> NDArray[np.float64]:
    """Weights as float64 that sum to 1; None means equal ones.

    Parameters
    ----------
    weights : array-like of shape (n_rows,) or None
    n_rows : int
    what : str
        How messages name the rows.

    Raises
    ------
    ValueError
        Their number is not that of the rows, one is negative or not finite, or all are zero.
    """
    if weights is None:
        return np.full(n_rows, 1.0 / n_rows)
    try:
        w: NDArray[np.float64] = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"weights must be {n_rows} numbers, one for each row of {what}; got {weights!r}.") from None
    if w.shape != (n_rows,):
        raise ValueError(f"weights has shape {w.shape}; {what} has {n_rows} rows, so ({n_rows},) is expected.")
    if not (np.isfinite(w) & (w >= 0)).all():
        bad = int(np.flatnonzero(~(np.isfinite(w) & (w >= 0)))[0])
        raise ValueError(f"weights holds {float(w[bad])!r} at position {bad}; weights must be finite and not negative.")
    if not w.any():
        raise ValueError(f"weights of {what} are all zero; at least one row must count.")
    return shares(w)


def shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Finite weights, not negative and not all zero, divided by their sum, which need not be a double itself."""
    total = weights.sum()
    if not np.finfo(np.float64).tiny <= total < np.inf:
        weights = weights / weights.max()
        total = weights.sum()
    return np.asarray(weights / total)


def summable(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights as they are, or scaled by a power of two where sums of their squares would be too large or small."""
    largest = float(weights.max())
    if 1e-140 < largest < 1e140:
        return weights
    return np.asarray(np.ldexp(weights, -int(np.frexp(largest)[1])))
