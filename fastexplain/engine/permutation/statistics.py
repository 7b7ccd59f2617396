"""How sure an importance is: error of the permutations drawn, and of the rows that happen to be in the sample.

With h(i, d) row i's term of the score when its columns come from donor d, an importance is a mean of h over rows and
donors less the mean of the rows' own terms. Its error has two parts. Permutations: donors are drawn, each row meets
each band of the feature once, so that only the spread within bands counts (estimated from neighbouring bands, as in
systematic sampling; Wolter 2007, chapter 8). Sampling: a row enters as receiver and as donor, so both projections of h
count (Hoeffding 1948), less the noise that the permutations add to them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.metrics.functions import Evaluation, Floats

__all__ = ["Effects", "block_effects", "exact_effects", "permuted_effects"]


class Effects(NamedTuple):
    """Errors of some players' importances.

    Attributes
    ----------
    drops : (n_players, n_rows)
        Each row's part of the importance.
    permutation_errors, sampling_errors : (n_players,)
    """

    drops: Floats
    permutation_errors: Floats
    sampling_errors: Floats


def permuted_effects(
    found: Evaluation,
    baseline: Floats,
    weights: Floats,
    donors: NDArray[np.int32],
    bands: NDArray[np.int32],
    *,
    sign: float,
    kernels: Any,
    n_threads: int,
) -> Effects:
    """Effects of permutations that were drawn.

    Parameters
    ----------
    found : Evaluation
        Of the permuted rows, n_players x n_repeats of them.
    baseline : (n_rows,)
        Terms of the rows as they are.
    donors, bands : (n_players, n_repeats, n_rows)
    sign : float
        +1 where a rise in the score is a loss for the model, else -1.
    """
    n_players, n_repeats, n = donors.shape
    assert found.terms is not None
    terms = np.ascontiguousarray(found.terms).reshape(donors.shape)
    drops, spread, influence = np.empty((n_players, n)), np.empty(n_players), np.empty(n_players)
    scores = np.ascontiguousarray(found.scores).reshape(n_players, n_repeats)
    kernels.row_effects(
        terms, scores, np.ascontiguousarray(baseline), weights, donors, bands, sign, drops, spread, influence, n_threads
    )
    total = weights.sum()
    plain = _plain_errors(scores)
    # half the squared difference of two draws is the variance of one
    within = np.sqrt((weights @ weights) / total**2 * spread / 2 / n_repeats)
    errors = np.where(np.isnan(spread), plain, within)
    return Effects(drops, errors, _sampling_errors(influence, total, n, errors))


def exact_effects(drop: Floats, donated: Floats, weights: Floats) -> Effects:
    """Effects of one exact expectation.

    Parameters
    ----------
    drop : (n_rows,)
    donated : (n_rows,)
        Deviation of the importance that giving everyone the row's value would cause.
    """
    n, total = len(weights), weights.sum()
    influence = weights * (drop - weights @ drop / total) + donated * (total / n)
    return Effects(drop[None], np.zeros(1), _sampling_errors(np.array([influence @ influence]), total, n, np.zeros(1)))


def block_effects(
    found: Evaluation, baseline: Floats, n_players: int, blocks: NDArray[np.int64], *, sign: float, exact: bool
) -> Effects:
    """Effects from terms of blocks of rows left out together."""
    assert found.terms is not None
    n = len(blocks)
    drops = sign * (found.terms.reshape(n_players, -1, n).mean(axis=1) - baseline)
    n_blocks = int(blocks.max()) + 1
    first = np.empty(n_blocks, dtype=np.int64)
    first[blocks[::-1]] = np.arange(n)[::-1]
    sampling = np.std(drops[:, first], axis=1, ddof=1) / np.sqrt(n_blocks)
    errors = np.zeros(n_players) if exact else _plain_errors(found.scores.reshape(n_players, -1))
    return Effects(drops, errors, np.asarray(sampling))


def _plain_errors(scores: Floats) -> Floats:
    """Standard error of the mean of independent repeats; more than enough for stratified ones. NaN for one repeat."""
    if scores.shape[1] < 2:
        return np.full(len(scores), np.nan)
    return np.asarray(np.std(scores, axis=1, ddof=1) / np.sqrt(scores.shape[1]))


def _sampling_errors(influence: Floats, total: float, n: int, of_permutations: Floats) -> Floats:
    """From sums of squared influences, less the noise of the permutations: it is in both projections of a row."""
    variance = influence / total**2 * n / (n - 1)
    noise = np.nan_to_num(of_permutations) ** 2
    return np.asarray(np.sqrt(np.maximum(variance - 2 * noise, variance / 4)))
