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

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.backends import select_backend
from fastexplain.engine.formulas.rules import (
    FIRST_SERIES,
    SERIES_STEP,
    native_rules,
    native_sines,
    pair_rules,
    sine_rules,
)

if TYPE_CHECKING:
    pass

__all__ = ["LARGEST_MARGIN", "largest_margin", "sigmoid_shap_values"]

Float = NDArray[np.float64]

# Margins beyond this, either way, are refused: the number of sines grows with them (8,000 here).
LARGEST_MARGIN = 4096.0


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
            native_sines(n_series),
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


def _series_needed(reach: float) -> int:
    return max(1, 1 + math.ceil(math.log(max(reach, FIRST_SERIES) / FIRST_SERIES) / math.log(SERIES_STEP) - 1e-9))
