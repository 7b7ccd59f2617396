"""The design of Kernel SHAP: which pairs of complementary coalitions are evaluated, in what order and weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.kernel.wls import WeightedLeastSquares

__all__ = ["Design", "all_coalitions", "make_design", "n_pairs_in_all"]

_COUNTLESS = 2**62  # as in coalitions.h
# Designs of so many signs are kept: drawing one takes as long as a small game. At most 16 of half a MB.
_KEPT_SIGNS = 2**14


@dataclass(frozen=True, eq=False)
class Design:
    """Pairs of complementary coalitions; a prefix of a design is the design of fewer pairs, but for the weights.

    Calls of single rows share small designs, and what is computed of them: nothing here may be written to.

    Attributes
    ----------
    masks : bool array of shape (n_pairs, n_players)
        The smaller side of each pair (half-size coalitions: the side of player 0).
    weights : float64 array of shape (n_pairs,)
        Weight of each pair in the Shapley kernel's least squares, corrected for how many of its size were drawn.
    drawn_share, signs, least_squares
        Computed when they are first asked for.
    """

    masks: NDArray[np.bool_]
    weights: NDArray[np.float64]

    @cached_property
    def drawn_share(self) -> NDArray[np.float64]:
        """Share of the pairs of its size that the design holds, for each pair: 1 where no sampling error is left.

        0 where other sizes are missing altogether: nothing then tells what they would add.
        """
        n_players = self.masks.shape[1]
        sizes = self.masks.sum(axis=1)
        counts = np.bincount(sizes, minlength=n_players // 2 + 1)
        if not counts[1:].all():
            return np.zeros(len(sizes))
        share = [count / pairs_of_size(n_players, size) if count else 0.0 for size, count in enumerate(counts.tolist())]
        drawn: NDArray[np.float64] = np.array(share)[sizes]
        return drawn

    @cached_property
    def signs(self) -> NDArray[np.float64]:
        """+1 for players in the coalition, -1 for the others."""
        return np.where(self.masks, 1.0, -1.0)

    @cached_property
    def least_squares(self) -> WeightedLeastSquares:
        """Kernel SHAP's regression on these pairs."""
        return WeightedLeastSquares(self.signs, self.weights, self.drawn_share)


def n_pairs_in_all(n_players: int) -> int:
    """Pairs of complementary coalitions, empty and full one excepted: 2^(n - 1) - 1."""
    return (1 << (n_players - 1)) - 1


def make_design(n_players: int, n_pairs: int, *, seed: int, n_threads: int, backend: str) -> Design:
    """Paired leverage sampling without replacement: every size as often as any other, until it is used up.

    All singletons come first (n_players pairs); then sizes 2, 3, ... n / 2 take turns, in an order drawn anew for each
    round. Within a size, coalitions come in a random order without repeats, so small sizes are enumerated completely.

    Parameters
    ----------
    n_players : int, at least 2
    n_pairs : int
        Cut to the number of pairs there are.
    seed, n_threads, backend
        The result depends on the seed alone.

    Notes
    -----
    Musco and Witter 2025, "Provably accurate Shapley value estimation via leverage score sampling": the leverage score
    of a coalition depends on its size s alone, as 1 / C(n, s), so that sizes are equally likely. Complements are drawn
    together, as Covert and Lee 2021 have it.
    """
    n_pairs = min(n_pairs, n_pairs_in_all(n_players))
    if n_pairs * n_players <= _KEPT_SIGNS:
        return _kept_design(n_players, n_pairs, seed, backend)
    return _made_design(n_players, n_pairs, seed, n_threads, backend)


@lru_cache(maxsize=16)
def _kept_design(n_players: int, n_pairs: int, seed: int, backend: str) -> Design:
    design = _made_design(n_players, n_pairs, seed, 1, backend)
    design.masks.flags.writeable = design.weights.flags.writeable = False
    return design


def _made_design(n_players: int, n_pairs: int, seed: int, n_threads: int, backend: str) -> Design:
    size, index = _schedule(n_players, n_pairs, seed)
    masks = np.empty((n_pairs, n_players), dtype=np.uint8)
    if backend == "native":
        from fastexplain._core import fill_coalitions

        fill_coalitions(size, index, seed=seed & (2**64 - 1), masks=masks, n_threads=n_threads)
    else:
        from fastexplain.engine.kernel import numba_coalitions

        numba_coalitions.fill_coalitions(size, index, seed, masks, n_threads)
    return Design(masks.view(np.bool_), _weights(n_players, size))


def all_coalitions(n_players: int) -> NDArray[np.bool_]:
    """All 2^n coalitions (2^n, n_players): number s holds player i if s has bit i."""
    s = np.arange(2**n_players, dtype=np.int64)
    return (s[:, None] >> np.arange(n_players) & 1).astype(np.bool_)


def pairs_of_size(n_players: int, size: int) -> int:
    """Pairs whose smaller side has `size` players."""
    count = math.comb(n_players, size)
    return count // 2 if 2 * size == n_players else count


def _schedule(n_players: int, n_pairs: int, seed: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Size of each pair, and its number among the pairs of that size."""
    n_singletons = min(n_pairs, pairs_of_size(n_players, 1))
    sizes = [np.ones(n_singletons, dtype=np.int32)]
    indices = [np.arange(n_singletons, dtype=np.int64)]
    left = n_pairs - n_singletons
    capacity = np.array(
        [min(pairs_of_size(n_players, s), _COUNTLESS) for s in range(2, n_players // 2 + 1)], dtype=np.int64
    )
    order = np.random.Generator(np.random.Philox(key=seed & (2**64 - 1)))  # a generator of our own, whatever the state
    drawn = 0
    while left > 0:
        turn = np.flatnonzero(capacity > drawn)
        turn = order.permutation(turn)[:left]
        sizes.append((turn + 2).astype(np.int32))
        indices.append(np.full(len(turn), drawn, dtype=np.int64))
        left -= len(turn)
        drawn += 1
    return np.concatenate(sizes), np.concatenate(indices)


def _weights(n_players: int, size: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Shapley kernel mass of each size, shared by its pairs; the mean weight is 1."""
    counts = np.bincount(size, minlength=n_players // 2 + 1)
    s = size.astype(np.float64)
    mass = np.where(2 * size == n_players, 1.0, 2.0) / (s * (n_players - s))
    weights = mass / counts[size]
    scaled: NDArray[np.float64] = weights * (len(size) / weights.sum())
    return scaled
