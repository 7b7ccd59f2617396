"""Shapley values by antithetic permutations: each order of arrival is walked forwards and backwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.kernel.wls import Estimate, t_inflation

__all__ = ["antithetic_estimate", "draw_permutations", "prefix_masks"]


def draw_permutations(n_players: int, n_permutations: int, seed: int) -> NDArray[np.int64]:
    """Uniform permutations (n_permutations, n_players); a prefix does not depend on how many follow."""
    generator = np.random.Generator(np.random.Philox(key=seed & (2**64 - 1)))
    return np.stack([generator.permutation(n_players) for _ in range(n_permutations)])


def prefix_masks(permutations: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Coalitions of the first 1, ..., n - 1 players of each permutation: (n_permutations * (n - 1), n)."""
    n_permutations, n = permutations.shape
    place = np.argsort(permutations, axis=1)  # when each player arrives
    masks = place[:, None, :] <= np.arange(n - 1)[None, :, None]
    return masks.reshape(n_permutations * (n - 1), n)


def antithetic_estimate(
    permutations: NDArray[np.int64], y: NDArray[np.float64], total: NDArray[np.float64]
) -> Estimate:
    """Mean marginal contribution over permutations and their reversals.

    Parameters
    ----------
    permutations : array of shape (n_permutations, n_players)
    y : array of shape (n_permutations * (n_players - 1), n_games)
        (v(S) - v(complement)) / 2 of `prefix_masks`: the reversal's coalitions are the complements.
    total : array of shape (n_games,)
        v(all) - v(none).

    Returns
    -------
    Estimate
        Values sum to the total exactly. With one permutation there is nothing to judge the error by: it is infinite.

    Notes
    -----
    Castro et al. 2009; Mitchell et al. 2022, "Sampling permutations for Shapley value estimation", section 4.3.
    """
    n_permutations, n = permutations.shape
    games = y.shape[1]
    walk = np.empty((n_permutations, n + 1, games))
    walk[:, 0], walk[:, -1] = -total / 2, total / 2
    walk[:, 1:-1] = y.reshape(n_permutations, n - 1, games)
    by_player = np.empty((n_permutations, n, games))
    np.put_along_axis(by_player, permutations[:, :, None], np.diff(walk, axis=1), axis=1)
    if n_permutations == 1:
        return Estimate(by_player[0], np.full((n, games), np.inf))
    variance = by_player.var(axis=0, ddof=1)
    # A player whose few gains happen to be equal is no surer than the others: as if one gain were as spread as theirs.
    variance = ((n_permutations - 1) * variance + variance.mean(axis=0)) / n_permutations
    error = np.sqrt(variance / n_permutations) * t_inflation(n_permutations - 1)
    return Estimate(by_player.mean(axis=0), error)
