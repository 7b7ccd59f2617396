"""Kernel SHAP's weighted least squares on pairs of complementary coalitions."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "WeightedLeastSquares", "student_quantile", "t_inflation"]

# Part of the mean diagonal that is added to a singular system.
_RIDGE = 1e-8


class Estimate(NamedTuple):
    """Shapley values of several games, one per column, and their standard errors; (n_players, n_games) each."""

    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64]


class WeightedLeastSquares:
    """Least squares under the efficiency constraint, for any number of games that share one design.

    A pair {S, complement} has y = (v(S) - v(complement)) / 2, to be met by sum_i s_i phi_i / 2, s_i = +-1. This is the
    regression of Lundberg and Lee 2017 on both coalitions, without their even part, which the constraint
    sum phi = v(all) - v(none) would cancel (Covert and Lee 2021).

    Parameters
    ----------
    signs : array of shape (n_pairs, n_players)
    weights : array of shape (n_pairs,)
    drawn_share : array of shape (n_pairs,), optional
        Share of the pairs of its size that were drawn: where all were, no sampling error is left.
    """

    def __init__(
        self,
        signs: NDArray[np.float64],
        weights: NDArray[np.float64],
        drawn_share: NDArray[np.float64] | None = None,
    ) -> None:
        self._half = signs / 2
        self._weighted = self._half * weights[:, None]
        self._unsampled = np.ones(len(signs)) if drawn_share is None else 1.0 - drawn_share
        normal = self._half.T @ self._weighted
        n = len(normal)
        try:
            inverse = np.linalg.inv(normal) if len(signs) >= n else None
            if inverse is not None and np.abs(inverse).max() * np.abs(normal).max() > 1e12:
                inverse = None
        except np.linalg.LinAlgError:
            inverse = None
        if inverse is None:
            inverse = np.linalg.inv(normal + _RIDGE * np.trace(normal) / n * np.eye(n))
        self._inverse = inverse
        self._share = inverse.sum(axis=1) / inverse.sum()  # where what is missing from the total goes

    def solve(self, y: NDArray[np.float64], total: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values (n_players, n_games) of games with pair values y (n_pairs, n_games) and totals (n_games,)."""
        free: NDArray[np.float64] = self._inverse @ (self._weighted.T @ y)
        free += self._share[:, None] * (total - free.sum(axis=0))
        return free

    def influence(self) -> NDArray[np.float64]:
        """What a pair's value adds to each player's (n_pairs, n_players), the total being what it is."""
        projected = self._inverse - np.outer(self._share, self._inverse.sum(axis=0))
        influence: NDArray[np.float64] = self._weighted @ projected.T
        return influence

    def standard_errors(self, y: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sandwich standard errors of `values` as solutions for y; each residual as if its pair had been left out.

        Parameters
        ----------
        y : array of shape (n_pairs, n_games)
        values : array of shape (n_players, n_games)

        Notes
        -----
        MacKinnon and White 1985, HC3; widened by Student's quantile at few degrees of freedom.
        """
        n_pairs, n = self._half.shape
        influence = self.influence()
        leverage = np.einsum("pi,pi->p", influence, self._half)
        residual = (y - self._half @ values) / np.maximum(1.0 - leverage, 1.0 / n_pairs)[:, None]
        variance = (influence**2).T @ (residual**2 * self._unsampled[:, None])
        errors: NDArray[np.float64] = np.sqrt(variance) * t_inflation(n_pairs - n + 1)
        return errors


@functools.lru_cache(maxsize=4096)
def t_inflation(freedom: int) -> float:
    """Student's 97.5% quantile over the normal one: what intervals of +-1.96 errors lack at few degrees of freedom."""
    return student_quantile(max(freedom, 1)) / 1.959963984540054


def student_quantile(freedom: int) -> float:
    """The 97.5% quantile of Student's distribution with a whole number of degrees of freedom.

    Notes
    -----
    With t = sqrt(freedom) tan(angle), the central probability is a finite sum of sines and powers of cosines
    (Abramowitz and Stegun 1972, 26.7.3 and 26.7.4). Newton's steps from below on a function that is concave in t.
    """
    t = 1.96
    for _ in range(100):
        step = (0.95 - _central(t, freedom)) / _density(t, freedom) / 2
        t += step
        if abs(step) <= 1e-15 * t:
            break
    return t


def _central(t: float, freedom: int) -> float:
    """Probability of [-t, t]."""
    angle = math.atan2(t, math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    k = np.arange(odd + 1, freedom - 1, 2, dtype=np.float64)
    terms = np.cumprod(np.concatenate([[1.0], k / (k + 1) * square]))
    if not odd:
        return sine * math.fsum(terms)
    return 2 / math.pi * (angle + (sine * math.cos(angle) * math.fsum(terms) if freedom > 1 else 0.0))


def _density(t: float, freedom: int) -> float:
    log_constant = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    return math.exp(log_constant - (freedom + 1) / 2 * math.log1p(t * t / freedom))
