"""Kernels of permutation importance compiled by Numba: the twins of those in ``cpp/src/permutation/``.

Same signatures as in ``fastexplain._core``, same random numbers, same order of additions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.numba.random import open_stream, shuffle
from fastexplain.engine.numba.tools import compiled, for_each
from fastexplain.models.trees.forest import ZERO_THRESHOLD, Forest

__all__ = ["ReplacementPredictor", "latin_permutations", "row_effects"]

_BLOCK_ROWS = 256
_REPEATS_TOGETHER = 8  # as in permutations.cpp: the order of additions


def _in_threads(n: int, size: int, n_threads: int, work: Callable[[int, int], None]) -> None:
    """Call ``work(begin, end)`` on blocks of `size` of 0 .. n in threads."""
    blocks = [slice(begin, min(n, begin + size)) for begin in range(0, n, size)]
    for_each(lambda block: work(block.start, block.stop), blocks, n_threads)


# ------------------------------------------------------------------------------------------------------ permutations


def latin_permutations(
    player: NDArray[np.int32],
    rank: NDArray[np.int32],
    stratum_rows: NDArray[np.int32],
    stratum_offsets: NDArray[np.int64],
    player_strata: NDArray[np.int64],
    seed: int,
    donors: NDArray[np.int32],
    bands: NDArray[np.int32],
    n_threads: int,
) -> None:
    """Fill donors and bands, (n_players, n_repeats, n_rows); see ``permutations.h``."""

    def work(begin: int, end: int) -> None:
        for p in range(begin, end):
            strata = stratum_offsets[player_strata[p] : player_strata[p + 1] + 1] - p * rank.shape[1]
            _permute(int(player[p]), rank[p], stratum_rows[p], strata, np.uint64(seed), donors[p], bands[p])

    _in_threads(len(rank), 1, n_threads, work)


@compiled
def _permute(
    stream: int,
    rank: NDArray[np.int32],
    rows: NDArray[np.int32],
    strata: NDArray[np.int64],
    seed: Any,
    donors: NDArray[np.int32],
    bands: NDArray[np.int32],
) -> None:
    n_repeats = len(donors)
    for s in range(len(strata) - 1):
        members = rows[strata[s] : strata[s + 1]]
        n = len(members)
        first = s << 32
        order = open_stream(seed, stream, first)
        receivers = members.astype(np.int64)
        shuffle(order, receivers)
        donor_rows = members.astype(np.int64)
        shuffle(order, donor_rows)
        donor_rows = donor_rows[np.argsort(rank[donor_rows], kind="mergesort")]
        for k in range(n_repeats):
            random = open_stream(seed, stream, first + 1 + k)
            shuffled = donor_rows.copy()
            shift = k * n // n_repeats
            for b in range(n_repeats):
                begin, end = b * n // n_repeats, (b + 1) * n // n_repeats
                shuffle(random, shuffled[begin:end])
                for q in range(begin, end):
                    receiver = receivers[q - shift if q >= shift else q - shift + n]
                    donors[k, receiver] = shuffled[q]
                    bands[k, receiver] = b


# ----------------------------------------------------------------------------------------------------------- effects


def row_effects(
    terms: NDArray[np.float64],
    scores: NDArray[np.float64],
    baseline: NDArray[np.float64],
    weights: NDArray[np.float64],
    donors: NDArray[np.int32],
    bands: NDArray[np.int32],
    sign: float,
    drops: NDArray[np.float64],
    spread: NDArray[np.float64],
    influence: NDArray[np.float64],
    n_threads: int,
) -> None:
    """Fill drops (n_players, n_rows), spread and influence (n_players,); see ``permutations.h``."""

    def work(begin: int, end: int) -> None:
        for p in range(begin, end):
            influence[p] = _effects(terms[p], scores[p], baseline, weights, donors[p], sign, drops[p])
            spread[p] = _spread(terms[p], bands[p], weights)

    _in_threads(len(donors), 1, n_threads, work)


@compiled
def _effects(
    terms: NDArray[np.float64],
    scores: NDArray[np.float64],
    baseline: NDArray[np.float64],
    weights: NDArray[np.float64],
    donors: NDArray[np.int32],
    sign: float,
    drop: NDArray[np.float64],
) -> float:
    n_repeats, n = terms.shape
    donated, total, mean = np.zeros(n), 0.0, 0.0
    drop[:] = 0.0
    for first in range(0, n_repeats, _REPEATS_TOGETHER):
        for i in range(n):
            for k in range(first, min(first + _REPEATS_TOGETHER, n_repeats)):
                drop[i] += terms[k, i]
                donated[donors[k, i]] += (terms[k, i] - scores[k]) * weights[i]
    for i in range(n):
        total += weights[i]
        drop[i] = sign * (drop[i] / n_repeats - baseline[i])
        mean += weights[i] * drop[i]
    mean /= total
    squares = 0.0
    for i in range(n):
        both = weights[i] * (drop[i] - mean) + sign * donated[i] / n_repeats
        squares += both * both
    return squares


@compiled
def _spread(terms: NDArray[np.float64], bands: NDArray[np.int32], weights: NDArray[np.float64]) -> float:
    n_repeats, n = terms.shape
    band_mean, band_count = np.zeros(n_repeats), np.zeros(n_repeats)
    for first in range(0, n_repeats, _REPEATS_TOGETHER):
        for i in range(n):
            for k in range(first, min(first + _REPEATS_TOGETHER, n_repeats)):
                band_mean[bands[k, i]] += terms[k, i]
                band_count[bands[k, i]] += 1.0
    band_mean /= np.maximum(band_count, 1.0)
    squares, pairs = np.zeros(4), np.zeros(4)
    for first in range(0, n_repeats - 1, _REPEATS_TOGETHER):
        for i in range(n):
            row_squares, row_pairs = 0.0, 0.0
            for k in range(first + 1, min(first + _REPEATS_TOGETHER, n_repeats - 1) + 1):
                after, before = bands[k, i], bands[k - 1, i]
                if after <= before:
                    continue
                step = (terms[k, i] - band_mean[after]) - (terms[k - 1, i] - band_mean[before])
                square = weights[i] * weights[i]
                row_squares += square * (step * step)
                row_pairs += square
            squares[i % 4] += row_squares
            pairs[i % 4] += row_pairs
    n_pairs = (pairs[0] + pairs[1]) + (pairs[2] + pairs[3])
    return ((squares[0] + squares[1]) + (squares[2] + squares[3])) / n_pairs if n_pairs > 0.0 else np.nan


# ------------------------------------------------------------------------------------------------------------- trees


class _Nodes(NamedTuple):
    tree_offsets: NDArray[np.int64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    default_left: NDArray[np.bool_]
    zero_is_missing: NDArray[np.bool_]
    category_set: NDArray[np.int32]
    category_set_offsets: NDArray[np.int64]
    category_set_members: NDArray[np.int32]
    values: NDArray[np.float64]
    tree_output: NDArray[np.int32]


class ReplacementPredictor:
    """Predicts rows of which some columns were replaced; see ``replacement_predictor.h``.

    Parameters
    ----------
    forest : Forest
    values : (n_nodes, n_leaf_outputs)
        Leaf values that add up without rounding.
    grid : float
        Outputs are rounded to multiples of it.
    """

    def __init__(self, forest: Forest, values: NDArray[np.float64], grid: float) -> None:
        self._rounder = 1.5 * 2.0**52 * grid
        root = np.repeat(forest.tree_offsets[:-1], np.diff(forest.tree_offsets)).astype(np.int32)
        n = forest.n_nodes
        none = np.zeros(n, dtype=np.bool_)
        has_sets = forest.category_set is not None
        self._n_outputs = forest.n_outputs
        self._nodes = _Nodes(
            forest.tree_offsets,
            forest.children_left + root,
            forest.children_right + root,
            np.where(forest.children_left < 0, np.int32(-1), forest.feature),
            forest.threshold,
            forest.default_left,
            none if forest.zero_is_missing is None else forest.zero_is_missing,
            np.asarray(forest.category_set if has_sets else np.full(n, -1, dtype=np.int32)),
            np.asarray(forest.category_set_offsets if has_sets else np.zeros(1, dtype=np.int64)),
            np.asarray(forest.category_set_members if has_sets else np.zeros(0, dtype=np.int32)),
            values,
            forest.tree_output,
        )

    def predict(
        self, X: NDArray[np.float64], base_offset: NDArray[np.float64], out: NDArray[np.float64], n_threads: int
    ) -> None:
        """Fill out (n_rows, n_outputs) with raw outputs."""

        def work(begin: int, end: int) -> None:
            _predict(self._nodes, X[begin:end], base_offset, out[begin:end])

        _in_threads(len(X), _BLOCK_ROWS, n_threads, work)

    def replace(
        self,
        X: NDArray[np.float64],
        feature_player: NDArray[np.int32],
        job_offsets: NDArray[np.int64],
        donors: NDArray[np.int32],
        base: NDArray[np.float64],
        out: NDArray[np.float64],
        n_threads: int,
    ) -> None:
        """Fill out (n_jobs, n_rows, n_outputs) with raw outputs after replacement."""
        used = np.zeros(len(self._nodes.tree_offsets) - 1, dtype=np.bool_)
        inner = self._nodes.feature >= 0
        tree = np.repeat(np.arange(len(used)), np.diff(self._nodes.tree_offsets))
        columns = np.ascontiguousarray(X.T)
        used[tree[inner][feature_player[self._nodes.feature[inner]] >= 0]] = True

        def work(begin: int, end: int) -> None:
            _replace(
                self._nodes,
                used,
                X,
                columns,
                feature_player,
                job_offsets,
                donors,
                base,
                out,
                begin,
                end,
                self._rounder,
            )

        _in_threads(len(X), _BLOCK_ROWS, n_threads, work)


@compiled
def _goes_left(nodes: Any, at: int, x: float) -> bool:
    zero = nodes.zero_is_missing[at] and abs(x) <= ZERO_THRESHOLD
    if zero or np.isnan(x):
        return bool(nodes.default_left[at])
    which = nodes.category_set[at]
    if which < 0:
        return bool(x <= nodes.threshold[at])
    if not (x > -1.0 and x < 2147483648.0):
        return False
    category = np.int32(x)
    for q in range(nodes.category_set_offsets[which], nodes.category_set_offsets[which + 1]):
        if nodes.category_set_members[q] == category:
            return True
    return False


@compiled
def _predict(nodes: Any, X: NDArray[np.float64], base_offset: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    width = nodes.values.shape[1]
    for i in range(len(X)):
        out[i] = base_offset
        for t in range(len(nodes.tree_offsets) - 1):
            at = nodes.tree_offsets[t]
            while nodes.feature[at] >= 0:
                at = np.int64(nodes.left[at] if _goes_left(nodes, at, X[i, nodes.feature[at]]) else nodes.right[at])
            if width == 1:
                out[i, nodes.tree_output[t]] += nodes.values[at, 0]
            else:
                for k in range(width):
                    out[i, k] += nodes.values[at, k]


@compiled
def _replace(
    nodes: Any,
    used: NDArray[np.bool_],
    X: NDArray[np.float64],
    columns: NDArray[np.float64],
    feature_player: NDArray[np.int32],
    job_offsets: NDArray[np.int64],
    donors: NDArray[np.int32],
    base: NDArray[np.float64],
    out: NDArray[np.float64],
    begin: int,
    end: int,
    rounder: float,
) -> None:
    n_jobs, n_outputs, width = len(donors), out.shape[2], nodes.values.shape[1]
    difference = np.zeros((n_jobs, n_outputs))
    leaf_of = np.full(n_jobs, -1, dtype=np.int64)  # where the job ends after it left the row's own path, else -1
    touched = np.empty(n_jobs, dtype=np.int64)
    for i in range(begin, end):
        difference[:] = 0.0
        for t in range(len(used)):
            if not used[t]:
                continue
            n_touched = 0
            at = nodes.tree_offsets[t]
            while nodes.feature[at] >= 0:
                feature = nodes.feature[at]
                left = _goes_left(nodes, at, X[i, feature])
                player = feature_player[feature]
                if player >= 0:
                    for job in range(job_offsets[player], job_offsets[player + 1]):
                        if leaf_of[job] >= 0:
                            continue
                        value = columns[feature, donors[job, i]]
                        if _goes_left(nodes, at, value) != left:
                            other = np.int64(nodes.right[at] if left else nodes.left[at])
                            leaf_of[job] = _walk_replaced(
                                nodes, other, X, columns, feature_player, player, i, donors[job, i]
                            )
                            touched[n_touched] = job
                            n_touched += 1
                at = np.int64(nodes.left[at] if left else nodes.right[at])
            for q in range(n_touched):
                job = touched[q]
                leaf = leaf_of[job]
                leaf_of[job] = -1
                if width == 1:
                    difference[job, nodes.tree_output[t]] += nodes.values[leaf, 0] - nodes.values[at, 0]
                else:
                    for k in range(n_outputs):
                        difference[job, k] += nodes.values[leaf, k] - nodes.values[at, k]
        for job in range(n_jobs):
            for k in range(n_outputs):
                out[job, i, k] = (base[i, k] + difference[job, k] + rounder) - rounder


@compiled
def _walk_replaced(
    nodes: Any,
    at: Any,
    X: NDArray[np.float64],
    columns: NDArray[np.float64],
    feature_player: NDArray[np.int32],
    player: int,
    row: int,
    donor: int,
) -> Any:
    """The leaf below `at` of a row whose player's features come from the donor."""
    while nodes.feature[at] >= 0:
        feature = nodes.feature[at]
        value = columns[feature, donor] if feature_player[feature] == player else X[row, feature]
        at = np.int64(nodes.left[at] if _goes_left(nodes, at, value) else nodes.right[at])
    return at
