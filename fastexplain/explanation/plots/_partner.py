"""With which other feature a feature interacts most, judged from its values alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastexplain.explanation.plots._categories import categorise
from fastexplain.explanation.plots._style import rank_shade
from fastexplain.explanation.plots._values import Columns

__all__ = ["strongest_partner"]

_MAX_ROWS = 2000
_MAX_CANDIDATES = 100
_BIN_ROWS = 40


def strongest_partner(
    values: NDArray[np.float64],
    x: NDArray[np.float64],
    columns: Columns,
    rows: NDArray[np.intp],
    candidates: NDArray[np.intp],
) -> int | None:
    """The feature that best tells why rows with the same x have different values.

    Rows are binned by x, and in each bin a line in x is taken out of the values; what is left is compared with the
    other features' ranks, bin by bin, since an interaction may change its sign along x.

    Parameters
    ----------
    values, x : array of shape (n_rows,)
        Values of a feature and its numbers or codes, of `rows`.
    columns : Columns
    rows : int array
    candidates : int array
        The other features, most important first.

    Returns
    -------
    int or None
        None where no feature tells more than chance would.
    """
    step = -(-len(rows) // _MAX_ROWS)
    order = np.argsort(x[::step], kind="stable")
    order = order[~np.isnan(x[::step][order])]
    v, x, rows = values[::step][order], x[::step][order], rows[::step][order]
    n_bins = max(1, min(12, len(rows) // _BIN_ROWS))
    bins = np.array_split(np.arange(len(rows)), n_bins)
    if not len(rows) or len(candidates) == 0:
        return None
    left = np.concatenate([_residual(v[part], x[part]) for part in bins])
    total = float(left @ left)
    if total <= 1e-10 * float(v @ v):  # a function of x alone
        return None
    best, strongest = None, 3.0 * n_bins / len(rows)  # a bin's line through noise tells 1 / (rows of the bin) of it
    for candidate in candidates[:_MAX_CANDIDATES]:
        shade = _numbers(columns, int(candidate), rows)
        told = sum(_told(left[part], shade[part], x[part]) for part in bins) / total
        if told > strongest:
            best, strongest = int(candidate), told
    return best


def _residual(v: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a line in x leaves of v."""
    v, x = v - v.mean(), x - x.mean()
    square = float(x @ x)
    return v - x * (float(x @ v) / square) if square > 0 else v


def _told(left: NDArray[np.float64], z: NDArray[np.float64], x: NDArray[np.float64]) -> float:
    """Share of the squares of `left` that a line in z tells, beyond what x does."""
    z = _residual(z, x)
    square = float(z @ z)
    return float(z @ left) ** 2 / square if square > 1e-12 * len(z) else 0.0


def _numbers(columns: Columns, feature: int, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Ranks, or codes of categories; missing values in the middle."""
    shade = rank_shade(columns.numbers(feature, rows))
    if shade is None:
        codes = categorise(columns(feature)[rows], columns.categories(feature), 50).codes
        return codes.astype(np.float64)
    return np.nan_to_num(shade, nan=0.5)
