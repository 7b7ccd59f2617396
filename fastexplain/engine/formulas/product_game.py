"""Exact Shapley values of product games, as array functions.

A term of a product game is v(S) = prod_{l in S} a_l prod_{l not in S} c_l, and its Shapley values are

    phi_i = (a_i - c_i) * integral over u in [0, 1] of prod_{l != i} (u a_l + (1 - u) c_l),

a polynomial in u that Gauss-Legendre points integrate exactly. RBF kernel machines are sums of such terms (one per
support vector and background row), models with a log link too (one per background row).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.backends import select_backend
from fastexplain.engine.formulas.rules import LANES, native_rules, pair_rules

__all__ = [
    "exponential_shap_values",
    "in_blocks",
    "product_shap_values",
    "shap_values_of_blocks",
]

# Factors of explained rows that are held at one time: 32 MiB.
ROW_CELLS = 2**22

Float = NDArray[np.float64]


def in_blocks(terms: Float, fill: float) -> Float:
    """(n_terms, ...) to (n_blocks, ..., 8): eight terms side by side in the last axis, the last block filled up."""
    n_terms = len(terms)
    n_blocks = -(-n_terms // LANES)
    padded = np.full((n_blocks * LANES, *terms.shape[1:]), fill)
    padded[:n_terms] = terms
    return np.ascontiguousarray(np.moveaxis(padded.reshape(n_blocks, LANES, *terms.shape[1:]), 1, -1))


def product_shap_values(
    row_factors: Float,
    background_factors: Float,
    coefficients: Float,
    weights: Float | None = None,
    *,
    n_threads: int | None = None,
    backend: str | None = None,
) -> Float:
    """Shapley values of v(S) = sum_b w_b sum_j coef_j prod_{l in S} a_jl prod_{l not in S} c_bjl.

    Parameters
    ----------
    row_factors : float64 array of shape (n_rows, n_terms, n_players)
        a: factor of each player who is present, for every explained row.
    background_factors : float64 array of shape (n_background, n_terms, n_players)
        c: factor of each player who is absent.
    coefficients : float64 array of shape (n_terms, n_outputs)
    weights : float64 array of shape (n_background,), optional
        None: 1 / n_background each.
    n_threads, backend :
        As of `fastexplain.tree_shap`.

    Returns
    -------
    float64 array of shape (n_rows, n_players, n_outputs)
        Exact up to rounding, relative to the largest product of each term.

    Raises
    ------
    ValueError
        The shapes do not fit.
    """
    row_factors, background_factors = np.asarray(row_factors, float), np.asarray(background_factors, float)
    coefficients = np.asarray(coefficients, float)
    if row_factors.ndim != 3 or row_factors.shape[1:] != background_factors.shape[1:]:
        raise ValueError(
            "row_factors and background_factors must be 3-D with the same (n_terms, n_players); "
            f"got shapes {row_factors.shape} and {background_factors.shape}."
        )
    if coefficients.ndim != 2 or len(coefficients) != row_factors.shape[1]:
        raise ValueError(f"coefficients has shape {coefficients.shape}; expected ({row_factors.shape[1]}, n_outputs).")
    n_background = len(background_factors)
    shares = np.full(n_background, 1 / n_background) if weights is None else np.ascontiguousarray(weights, float)
    return shap_values_of_blocks(
        np.ascontiguousarray(np.moveaxis(in_blocks(np.moveaxis(row_factors, 1, 0), 1.0), 1, 0)),
        in_blocks(np.moveaxis(background_factors, 1, 0), 1.0),
        in_blocks(coefficients, 0.0),
        shares,
        n_threads=n_threads,
        backend=backend,
    )


def shap_values_of_blocks(
    row_factors: Float,
    background_factors: Float,
    coefficients: Float,
    weights: Float,
    *,
    n_threads: int | None = None,
    backend: str | None = None,
) -> Float:
    """`product_shap_values` of arrays in blocks of eight terms (see `in_blocks`).

    Parameters
    ----------
    row_factors : float64 array of shape (n_rows, n_blocks, n_players, 8)
    background_factors : float64 array of shape (n_blocks, n_background, n_players, 8)
    coefficients : float64 array of shape (n_blocks, n_outputs, 8) or (n_rows, n_blocks, n_outputs, 8)
        0 for terms that fill up a block.
    weights : float64 array of shape (n_background,)
    n_threads, backend :
        As of `fastexplain.tree_shap`.

    Returns
    -------
    float64 array of shape (n_rows, n_players, n_outputs)
    """
    chosen, threads = select_backend(backend), resolve_num_threads(n_threads)
    n_rows, _, n_players, _ = row_factors.shape
    values = np.zeros((n_rows, n_players, coefficients.shape[-2]))
    if chosen == "native":
        from fastexplain._core import product_game

        rules = native_rules(n_players)
        product_game(row_factors, background_factors, coefficients, weights, rules, values, n_threads=threads)
    else:
        from fastexplain.engine.formulas import numba_product_game

        numba_product_game.product_game(
            row_factors, background_factors, coefficients, weights, pair_rules(n_players), values, threads
        )
    return values


def exponential_shap_values(
    row_terms: Float,
    background_terms: Float,
    offset: float,
    weights: Float,
    *,
    n_threads: int | None = None,
    backend: str | None = None,
) -> Float:
    """Shapley values of v(S) = sum_b w_b exp(offset + sum_{l in S} row_l + sum_{l not in S} background_bl).

    Parameters
    ----------
    row_terms : float64 array of shape (n_rows, n_players)
    background_terms : float64 array of shape (n_background, n_players)
    offset : float
    weights : float64 array of shape (n_background,)
    n_threads, backend :
        As of `fastexplain.tree_shap`.

    Returns
    -------
    float64 array of shape (n_rows, n_players)
    """
    n_players = row_terms.shape[1]
    margins = background_terms.sum(axis=1) + offset
    terms = in_blocks(background_terms, 0.0)  # (n_blocks, n_players, 8)
    coefficients = in_blocks((weights * np.exp(margins))[:, None], 0.0)
    absent = np.ones((len(terms), 1, n_players, LANES))
    one = np.ones(1)
    values = np.empty(row_terms.shape)
    step = max(1, ROW_CELLS // max(1, terms.size))
    for begin in range(0, len(row_terms), step):
        present = np.exp(row_terms[begin : begin + step, None, :, None] - terms)
        values[begin : begin + step] = shap_values_of_blocks(
            present, absent, coefficients, one, n_threads=n_threads, backend=backend
        )[:, :, 0]
    return values
