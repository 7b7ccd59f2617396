"""Exact Shapley values on the probability scale of a logistic model, as array functions.

The margin of a coalition is c + s(S), where c lies half-way between the margins of the background row and the
explained row, and s(S) = sum_l +-t_l / 2 with t_l what player l changes. Only the odd part of s -> 1 / (1 + exp(-(c +
s))) matters, and a few sines reproduce it on |s| <= sum |t_l| / 2 to 1e-14. The sine of a sum is the imaginary part of
a product, whose Shapley values are known (`fastexplain.engine.formulas.product_game`).

Two sorts of sums: fitted ones by least squares on a period somewhat longer than needed (16 to 96 sines, up to a change
of 25 in the margin), and the midpoint rule for 1 / (1 + exp(-t)) - 1/2 = integral over w > 0 of sin(w t) / sinh(pi w),
whose number of sines grows with the range of the margins.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.backends import select_backend
from fastexplain.engine.formulas.product_game import native_rules, pair_rules

if TYPE_CHECKING:
    from fastexplain._core import SineRules

__all__ = ["LARGEST_MARGIN", "Fit", "Series", "largest_margin", "sigmoid_shap_values", "sine_rules"]

Float = NDArray[np.float64]

# Margins beyond this, either way, are refused: the number of sines grows with them (8,000 here).
LARGEST_MARGIN = 4096.0
# (number of sines, largest |s|, half period / largest |s|): worst error of the odd part 1e-14, whatever the centre.
FITS = ((16, 3.2, 2.0), (24, 5.5, 1.5), (32, 7.6, 1.4), (48, 12.5, 1.2), (64, 17.0, 1.15), (96, 25.5, 1.15))
CUT_OFF = 35.0  # exp(-35) = 6e-16: of the integral's tail, and of its periodic images
SMALLEST_SINGULAR_VALUE = 1e-14
FIRST_SERIES, SERIES_STEP = 40.0, 1.25


class Fit(NamedTuple):
    """Sines of frequencies (2k - 1) base, and how values at the points become their coefficients."""

    reach: float
    base: float
    sinh: Float  # (n_points,)
    cosh: Float
    first: Float  # (n_points, n_terms)
    second: Float  # (n_terms, n_terms)


class Series(NamedTuple):
    """Sines of frequencies (2k - 1) base, for |c| + |s| <= reach; coefficients for c = 0."""

    reach: float
    base: float
    coefficients: Float


def sigmoid_shap_values(
    row_terms: Float,
    background_terms: Float,
    offset: float,
    weights: Float,
    *,
    n_threads: int | None = None,
    backend: str | None = None,
) -> Float:
    """Shapley values of v(S) = sum_b w_b / (1 + exp(-m_b(S))).

    Parameters
    ----------
    row_terms : float64 array of shape (n_rows, n_players)
        What each player adds to the margin when present.
    background_terms : float64 array of shape (n_background, n_players)
        When absent: ``m_b(S) = offset + sum_{l in S} row_l + sum_{l not in S} background_bl``.
    offset : float
    weights : float64 array of shape (n_background,)
    n_threads, backend :
        As of `fastexplain.tree_shap`.

    Returns
    -------
    float64 array of shape (n_rows, n_players)
        Good to about 1e-13.

    Raises
    ------
    ValueError
        Margins of masked rows may exceed `LARGEST_MARGIN`; see `largest_margin`.
    """
    row_terms, background_terms = np.ascontiguousarray(row_terms), np.ascontiguousarray(background_terms)
    chosen, threads = select_backend(backend), resolve_num_threads(n_threads)
    n_players = row_terms.shape[1]
    margins = background_terms.sum(axis=1) + offset
    reach = float(largest_margin(row_terms, background_terms, offset).max(initial=0.0))
    if not reach <= LARGEST_MARGIN:
        raise ValueError(
            f"Margins of masked rows may reach {reach:.4g}; the closed form takes at most {LARGEST_MARGIN:g}. "
            "Use coalition values."
        )
    n_series = _series_needed(reach)
    values = np.empty(row_terms.shape)
    weights = np.ascontiguousarray(weights, dtype=np.float64)
    if chosen == "native":
        from fastexplain._core import sigmoid_game

        sigmoid_game(
            row_terms,
            background_terms,
            margins,
            weights,
            _native_sines(n_series),
            native_rules(n_players),
            values,
            n_threads=threads,
        )
    else:
        from fastexplain.engine.formulas import numba_product_game

        sines, rules = sine_rules(n_series), pair_rules(n_players)
        numba_product_game.sigmoid_game(row_terms, background_terms, margins, weights, sines, rules, values, threads)
    return values


def largest_margin(row_terms: Float, background_terms: Float, offset: float) -> Float:
    """A bound on the size of the margin of every masked row, for each explained row: shape (n_rows,)."""
    low, high = background_terms.min(axis=0), background_terms.max(axis=0)
    most = np.maximum(row_terms, high).sum(axis=1) + offset
    least = np.minimum(row_terms, low).sum(axis=1) + offset
    return np.asarray(np.maximum(np.abs(most), np.abs(least)))


@functools.lru_cache(maxsize=32)
def sine_rules(n_series: int) -> tuple[list[Fit], list[Series]]:
    """The fits, and the first `n_series` series."""
    return [_fit(*each) for each in FITS], [_series(FIRST_SERIES * SERIES_STEP**i) for i in range(n_series)]


def _series_needed(reach: float) -> int:
    return max(1, 1 + math.ceil(math.log(max(reach, FIRST_SERIES) / FIRST_SERIES) / math.log(SERIES_STEP) - 1e-9))


@functools.lru_cache(maxsize=32)
def _native_sines(n_series: int) -> SineRules:
    fits, series = sine_rules(n_series)
    from fastexplain._core import SineRules

    native = SineRules()
    for fit in fits:
        native.add_fit(*fit)
    for each in series:
        native.add_series(*each)
    return native


@functools.lru_cache(maxsize=8)
def _fit(n_terms: int, reach: float, periods: float) -> Fit:
    """Least squares on 2 n_terms Chebyshev points, by a truncated singular value decomposition A = U S V.T.

    Applied as V (S^-1 U.T f): the product of the two matrices would lose all digits.
    """
    base = math.pi / (2 * periods * reach)
    points = reach * np.sin((np.arange(2 * n_terms) + 0.5) * (math.pi / (4 * n_terms)))
    matrix = np.sin(np.outer(points, base * (2 * np.arange(n_terms) + 1)))
    left, singular, right = np.linalg.svd(matrix, full_matrices=False)
    inverse = np.where(singular > SMALLEST_SINGULAR_VALUE * singular[0], 1 / singular, 0.0)
    return Fit(reach, base, np.sinh(points), np.cosh(points), np.ascontiguousarray(left * inverse), right.copy())


@functools.lru_cache(maxsize=64)
def _series(reach: float) -> Series:
    half_period = reach + CUT_OFF  # of the smooth square wave that the midpoint rule stands for
    base = math.pi / half_period
    n_terms = math.ceil(CUT_OFF / (2 * math.pi * base))
    n_terms += -n_terms % 8
    frequencies = base * (2 * np.arange(n_terms) + 1)
    # 2 base / sinh(pi w)
    return Series(reach, base, 4 * base * np.exp(-math.pi * frequencies) / -np.expm1(-2 * math.pi * frequencies))
