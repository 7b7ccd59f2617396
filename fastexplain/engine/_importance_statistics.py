"""How sure an importance is: error of the permutations drawn, and of the rows that happen to be in the sample.

With h(i, d) row i's term of the score when its columns come from donor d, an importance is a mean of h over rows and
donors less the mean of the rows' own terms. Its error has two parts. Permutations: donors are drawn, each row meets each band of
the feature once, so that only the spread within bands counts (estimated from neighbouring bands, as in systematic
sampling; Wolter 2007, chapter 8). Sampling: a row enters as receiver and as donor, so both projections of h count
(Hoeffding 1948), less the noise that the permutations add to them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["RowEffects", "permutation_error", "sampling_error"]

Floats = NDArray[np.float64]


class RowEffects(NamedTuple):
    """What each row does to one importance.

    Attributes
    ----------
    drops : (n_draws, n_rows)
        Terms of the drop in score as receiver.
    donated : (n_rows,)
        Deviation of the importance that the row causes as donor, in units of one row of mean weight.
    bands : (n_draws, n_rows) or None
        Band of the donor; None for an exact expectation.
    """

    drops: Floats
    donated: Floats | None
    bands: NDArray[np.int32] | None


def permutation_error(effects: RowEffects, weights: Floats, importances: Floats, blocks: NDArray[np.int64] | None) -> float:
    """Standard error of the mean importance over the permutations that might have been drawn."""
    if effects.bands is None:
        return 0.0
    n_draws = len(importances)
    if n_draws < 2:
        return float("nan")
    plain = float(np.std(importances, ddof=1) / np.sqrt(n_draws))
    if blocks is not None:
        return plain
    drops, bands = effects.drops, effects.bands
    counts = np.bincount(bands.ravel(), minlength=n_draws)
    band_means = np.bincount(bands.ravel(), drops.ravel(), minlength=n_draws) / np.maximum(counts, 1)
    rest = drops - band_means[bands]
    step = (rest[1:] - rest[:-1]) ** 2
    neighbours = bands[1:] > bands[:-1]  # not from the last band to the first
    square = weights**2
    pairs = float((neighbours @ square).sum())
    if pairs == 0.0:
        return plain
    spread = float(((step * neighbours) @ square).sum()) / (2 * pairs)
    return float(np.sqrt(square.sum() / weights.sum() ** 2 * spread / n_draws))


def sampling_error(
    effects: RowEffects, weights: Floats, blocks: NDArray[np.int64] | None, of_permutations: float
) -> float:
    """Standard error of the importance over the rows that might have been sampled."""
    mean_drop = effects.drops.mean(axis=0)
    if blocks is not None:
        n_blocks = int(blocks.max()) + 1
        first = np.empty(n_blocks, dtype=np.int64)
        first[blocks[::-1]] = np.arange(len(blocks))[::-1]
        return float(np.std(mean_drop[first], ddof=1) / np.sqrt(n_blocks))
    n, total = len(weights), weights.sum()
    influence = weights * (mean_drop - weights @ mean_drop / total)
    if effects.donated is not None:
        influence = influence + effects.donated * (total / n)
    variance = float(influence @ influence) / total**2 * n / (n - 1)
    noise = 0.0 if np.isnan(of_permutations) else of_permutations**2
    return float(np.sqrt(max(variance - 2 * noise, variance / 4)))
