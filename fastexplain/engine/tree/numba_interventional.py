"""Interventional Tree SHAP compiled by Numba: the twin of the C++ walk against a background.

A leaf of value v has conditions on the distinct features of its path. Let the explained row violate q of them and a
background row p, none of them both (else no coalition of the two reaches the leaf). Mixtures of the two rows reach the
leaf if each feature comes from the row that does not violate it, so that of v each feature that the background row
violates gains ``(p - 1)! q! / (p + q)!`` and each that the explained row violates loses ``p! (q - 1)! / (p + q)!``.

The explained row walks through each tree together with 128 background rows, the lanes of the innermost loops. At every
split it takes both sides; a lane dies where both rows violate the path's conditions on one feature, and a side without
live lanes is not entered. Cost per row, tree and 128 background rows: the nodes entered, and at the leaves the distinct
features of their paths. Each row's arithmetic is its own, in one order: threads do not change its bits.

Outputs that follow from a margin, as a probability, are explained pair by pair, as shap does: the values of a row and a
background row are multiplied by how much the output changes between their two margins, by the distance between these.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.numba.tools import compiled, for_each_part
from fastexplain.engine.tree.numba_forest import Nodes, columns_of, goes_left, inlined, make_nodes, n_levels_of
from fastexplain.models.trees.forest import Forest

__all__ = ["InterventionalShap", "TransformedShap"]

# Background rows that walk together.
LANES = 128
# What becomes of a margin.
RAW, PROBABILITY, LOG_LOSS, SQUARED_LOSS = range(4)
TRANSFORMS = {"probability": PROBABILITY, "log_loss": LOG_LOSS, "squared_loss": SQUARED_LOSS}
# Margins closer than this have the slope between them: the quotient would be one of roundings.
CLOSE = 1e-5
# Columns of rows are made for so many values at once per thread.
PART_VALUES = 2**19


class _Trees(NamedTuple):
    nodes: Nodes
    tree_offsets: NDArray[np.int64]
    first_output: NDArray[np.int32]  # per tree: where its leaf outputs go
    owner: NDArray[np.int64]  # by slot of a feature: place of its player in `players`
    players: NDArray[np.int64]  # players of the features that the forest splits on


class _Background(NamedTuple):
    """Blocks of `LANES` rows; lanes beyond the last row, and rows of no weight, have weight 0 and are never live."""

    columns: NDArray[np.float64]  # (n_blocks, n_used, LANES)
    weights: NDArray[np.float64]  # (n_blocks, LANES)
    outputs: NDArray[np.float64]  # (n_blocks, n_outputs, LANES): sums of the trees


class _Transform(NamedTuple):
    """What becomes of the trees' sum: `kind` of slope * (sum + offset)."""

    kind: int
    slope: float
    offset: float


class _Scratch(NamedTuple):
    """Working memory of a walk. A level is an inner node on the path; the last axis is the lane."""

    node: NDArray[np.int64]  # (n_levels + 1,)
    sides_taken: NDArray[np.int64]  # (n_levels + 1,)
    live: NDArray[np.uint8]  # (n_levels + 1, LANES): 1 or 0
    violated: NDArray[np.uint8]  # (n_levels, LANES): path's conditions on the node's player, by the background rows
    row_violates: NDArray[np.bool_]  # (n_levels,): the same by the explained row
    earlier: NDArray[np.int64]  # (n_levels,): nearest level above of the same player, -1 if none
    latest: NDArray[np.int64]  # (n_players,): lowest level on the path by player, -1 if none
    on_path: NDArray[np.int64]  # (n_levels,): the path's distinct players
    went_left: NDArray[np.uint8]  # (n_levels, LANES)
    n_violated: NDArray[np.uint32]  # (LANES,): p
    gains: NDArray[np.float64]  # (n_levels + 1,): by p
    losses: NDArray[np.float64]  # (n_levels + 1,)
    gain: NDArray[np.float64]  # (LANES,)
    loss: NDArray[np.float64]  # (LANES,)
    values: NDArray[np.float64]  # (n_players, n_outputs, LANES): of each pair of the row and a background row
    share: NDArray[np.float64]  # (n_outputs, LANES): weight of each pair, times what its values are multiplied by
    row_outputs: NDArray[np.float64]  # (n_outputs,): sums of the trees


class InterventionalShap:
    """A forest and background rows, compiled; what ``_core.InterventionalShap`` is, in Numba.

    Parameters
    ----------
    forest : Forest
    background : float32 or float64 array of shape (n_background, n_features)
        In the model's own numeric encoding.
    weights : float64 array of shape (n_background,)
        Sum to 1.
    n_threads : int
        Not used: preparing takes one.
    players : int array of shape (n_features,), optional
        Player of each feature, where several are present or absent as one; default: each its own.

    Attributes
    ----------
    mean_outputs : float64 array of shape (n_outputs,)
        Weighted mean of the trees' outputs over the background, without the forest's base offset.
    """

    def __init__(
        self,
        forest: Forest,
        background: NDArray[np.floating],
        *,
        weights: NDArray[np.float64],
        n_threads: int = 1,
        players: NDArray[np.intp] | None = None,
    ) -> None:
        nodes, used = make_nodes(forest)
        of_features, owner = np.unique(used if players is None else players[used], return_inverse=True)
        self._forest, self._used = forest, used
        whole = forest.n_leaf_outputs == forest.n_outputs
        first_output = np.zeros_like(forest.tree_output) if whole else forest.tree_output
        self._trees = _Trees(nodes, forest.tree_offsets, first_output, owner, of_features.astype(np.int64))
        self._n_levels = n_levels_of(forest)
        self._background = _in_blocks(columns_of(forest, background, used), weights, forest.n_outputs)
        _add_outputs(self._trees, self._background)
        self.mean_outputs: NDArray[np.float64] = np.einsum(
            "bkl,bl->k", self._background.outputs, self._background.weights
        )

    def explain(self, X: NDArray[np.floating], values: NDArray[np.float64], *, n_threads: int) -> None:
        """Write interventional values of rows.

        Parameters
        ----------
        X : float32 or float64 array of shape (n_rows, n_features)
            In the model's own numeric encoding.
        values : float64 array of shape (n_rows, n_players, n_outputs)
            Where to.
        n_threads : int
            Threads that share the rows. The result is the same to the bit for any number.
        """
        self._explain(X, _Transform(RAW, 1.0, 0.0), np.zeros(len(X)), values, n_threads)

    def _explain(
        self,
        X: NDArray[np.floating],
        transform: _Transform,
        labels: NDArray[np.float64],
        values: NDArray[np.float64],
        n_threads: int,
    ) -> None:
        values[...] = 0.0  # players of whom no tree asks are not written again
        if not len(self._used):
            return
        step = max(1, PART_VALUES // len(self._used))

        def explain(rows: slice) -> None:
            for begin in range(rows.start, rows.stop, step):
                part = slice(begin, min(begin + step, rows.stop))
                columns, explained = columns_of(self._forest, X[part], self._used), (transform, labels[part])
                _explain_rows(columns, *explained, self._trees, self._background, self._n_levels, values[part])

        for_each_part(explain, len(X), n_threads)


class TransformedShap:
    """A forest of one output and background rows, for outputs that follow from it; as ``_core.TransformedShap``.

    Parameters
    ----------
    forest, background, weights, n_threads
        As of `InterventionalShap`.
    """

    def __init__(
        self, forest: Forest, background: NDArray[np.floating], *, weights: NDArray[np.float64], n_threads: int = 1
    ) -> None:
        self._raw = InterventionalShap(forest, background, weights=weights)

    @property
    def background_outputs(self) -> NDArray[np.float64]:
        """Sum of the trees of each background row of weight above zero."""
        background = self._raw._background
        return background.outputs[:, 0][background.weights > 0.0]

    @property
    def background_weights(self) -> NDArray[np.float64]:
        """Weights of these rows."""
        weights = self._raw._background.weights
        return weights[weights > 0.0]

    def turn(self, n_rows_of_call: int) -> int:
        """No rows: there are no tables to fill."""
        return 0

    def explain(
        self,
        X: NDArray[np.floating],
        *,
        transform: str,
        slope: float,
        offset: float,
        labels: NDArray[np.float64],
        values: NDArray[np.float64],
        n_threads: int,
        n_rows_of_call: int = 0,
    ) -> None:
        """Write values that add up to the transformed output less its mean over the background.

        Parameters
        ----------
        X, n_threads
            As of `InterventionalShap.explain`.
        transform : {"probability", "log_loss", "squared_loss"}
        slope, offset : float
            The margin is slope * (trees + offset); slope is not used by the squared loss.
        labels : float64 array of shape (n_rows,)
            Used by the losses.
        values : float64 array of shape (n_rows, n_features, 1)
        n_rows_of_call : int
            Not used: a row's values do not depend on the others.
        """
        factor = 1.0 if transform == "squared_loss" else slope
        self._raw._explain(X, _Transform(TRANSFORMS[transform], factor, offset), labels, values, n_threads)


def _in_blocks(columns: NDArray[np.float64], weights: NDArray[np.float64], n_outputs: int) -> _Background:
    n_used, n_rows = columns.shape
    n_blocks = -(-n_rows // LANES)
    padded = np.zeros((n_used, n_blocks * LANES))
    padded[:, :n_rows] = columns
    padded_weights = np.zeros(n_blocks * LANES)
    padded_weights[:n_rows] = weights
    blocks = padded.reshape(n_used, n_blocks, LANES).transpose(1, 0, 2)
    outputs = np.zeros((n_blocks, n_outputs, LANES))
    return _Background(np.ascontiguousarray(blocks), padded_weights.reshape(n_blocks, LANES), outputs)


@compiled
def _add_outputs(trees: _Trees, background: _Background) -> None:
    """Add the trees' outputs of the background rows to `background.outputs`."""
    nodes = trees.nodes
    for block in range(len(background.weights)):
        for tree in range(len(trees.first_output)):
            root = trees.tree_offsets[tree]
            for lane in range(LANES):
                node = root
                while nodes.children_left[node] >= 0:
                    left = goes_left(node, nodes, background.columns[block, nodes.slot[node], lane])
                    node = root + (nodes.children_left[node] if left else nodes.children_right[node])
                for k in range(nodes.values.shape[1]):
                    background.outputs[block, trees.first_output[tree] + k, lane] += nodes.values[node, k]


@inlined
def _transformed(kind: int, margin: float, label: float) -> float:
    small = math.exp(-abs(margin))  # no overflow
    if kind == PROBABILITY:
        return 1.0 / (1.0 + small) if margin >= 0.0 else small / (1.0 + small)
    return max(margin, 0.0) + math.log1p(small) - label * margin


@inlined
def _steepness(transform: _Transform, of_row: float, of_background: float, label: float) -> float:
    """Change of the transformed output from one sum of the trees to another, by the distance between them."""
    a = transform.slope * (of_row + transform.offset)
    b = transform.slope * (of_background + transform.offset)
    if transform.kind == SQUARED_LOSS:
        return a + b - 2.0 * label
    if abs(a - b) > CLOSE:
        change = _transformed(transform.kind, a, label) - _transformed(transform.kind, b, label)
        return transform.slope * (change / (a - b))
    p = _transformed(PROBABILITY, 0.5 * (a + b), 0.0)
    return transform.slope * (p * (1.0 - p) if transform.kind == PROBABILITY else p - label)


@inlined
def _predict_row(row: int, columns: NDArray[np.float64], trees: _Trees, out: NDArray[np.float64]) -> None:
    """Add the trees' outputs of a row."""
    nodes = trees.nodes
    for tree in range(len(trees.first_output)):
        root = trees.tree_offsets[tree]
        node = root
        while nodes.children_left[node] >= 0:
            left = goes_left(node, nodes, columns[nodes.slot[node], row])
            node = root + (nodes.children_left[node] if left else nodes.children_right[node])
        for k in range(nodes.values.shape[1]):
            out[trees.first_output[tree] + k] += nodes.values[node, k]


@compiled
def _explain_rows(
    columns: NDArray[np.float64],
    transform: _Transform,
    labels: NDArray[np.float64],
    trees: _Trees,
    background: _Background,
    n_levels: int,
    out: NDArray[np.float64],
) -> None:
    """Add the values of rows to `out` (n_rows, n_players, n_outputs)."""
    n_players, n_outputs = len(trees.players), out.shape[2]
    scratch = _Scratch(
        node=np.empty(n_levels + 1, dtype=np.int64),
        sides_taken=np.empty(n_levels + 1, dtype=np.int64),
        live=np.empty((n_levels + 1, LANES), dtype=np.uint8),
        violated=np.empty((n_levels, LANES), dtype=np.uint8),
        row_violates=np.empty(n_levels, dtype=np.bool_),
        earlier=np.empty(n_levels, dtype=np.int64),
        latest=np.full(n_players, -1, dtype=np.int64),
        on_path=np.empty(n_levels, dtype=np.int64),
        went_left=np.empty((n_levels, LANES), dtype=np.uint8),
        n_violated=np.empty(LANES, dtype=np.uint32),
        gains=np.empty(n_levels + 1),
        losses=np.empty(n_levels + 1),
        gain=np.empty(LANES),
        loss=np.empty(LANES),
        values=np.empty((n_players, n_outputs, LANES)),
        share=np.empty((n_outputs, LANES)),
        row_outputs=np.empty(n_outputs),
    )
    for row in range(out.shape[0]):
        if transform.kind != RAW:
            scratch.row_outputs[:] = 0.0
            _predict_row(row, columns, trees, scratch.row_outputs)
        for block in range(len(background.weights)):
            scratch.values[:] = 0.0
            for lane in range(LANES):
                scratch.live[0, lane] = 1 if background.weights[block, lane] > 0.0 else 0
            for tree in range(len(trees.first_output)):
                _walk(tree, row, columns, block, trees, background.columns, scratch)
            for k in range(n_outputs):
                for lane in range(LANES):
                    scratch.share[k, lane] = background.weights[block, lane]
                    if transform.kind != RAW:
                        of_background = background.outputs[block, k, lane]
                        scratch.share[k, lane] *= _steepness(
                            transform, scratch.row_outputs[k], of_background, labels[row]
                        )
            for player in range(n_players):
                for k in range(n_outputs):
                    mean = 0.0
                    for lane in range(LANES):
                        mean += scratch.share[k, lane] * scratch.values[player, k, lane]
                    out[row, trees.players[player], k] += mean


@compiled
def _walk(
    tree: int,
    row: int,
    columns: NDArray[np.float64],
    block: int,
    trees: _Trees,
    background: NDArray[np.float64],
    scratch: _Scratch,
) -> None:
    """Take the row and a block of background rows through a tree; add to `scratch.values`."""
    nodes, root = trees.nodes, trees.tree_offsets[tree]
    level, n_distinct = 0, 0
    scratch.node[0], scratch.sides_taken[0] = root, 0
    while level >= 0:
        node, side = scratch.node[level], scratch.sides_taken[level]
        if nodes.children_left[node] < 0:
            _deposit(node, level, n_distinct, trees.first_output[tree], nodes, scratch)
            level -= 1
            continue
        slot = nodes.slot[node]
        player = trees.owner[slot]
        if side == 0:
            scratch.earlier[level] = scratch.latest[player]
            scratch.latest[player] = level
            if scratch.earlier[level] < 0:
                scratch.on_path[n_distinct] = player
                n_distinct += 1
            _route_block(node, slot, block, level, nodes, background, scratch.went_left)
        elif side == 2:
            scratch.latest[player] = scratch.earlier[level]
            if scratch.earlier[level] < 0:
                n_distinct -= 1
            level -= 1
            continue
        scratch.sides_taken[level] += 1
        row_went_left = goes_left(node, nodes, columns[slot, row])
        if _enter(level, side == 0, row_went_left, scratch):
            child = nodes.children_left[node] if side == 0 else nodes.children_right[node]
            level += 1
            scratch.node[level], scratch.sides_taken[level] = root + child, 0


@inlined
def _route_block(
    node: int,
    slot: int,
    block: int,
    level: int,
    nodes: Nodes,
    background: NDArray[np.float64],
    went_left: NDArray[np.uint8],
) -> None:
    threshold = nodes.threshold[node]
    if nodes.category_set[node] >= 0 or nodes.zero_is_missing[node]:
        for lane in range(LANES):
            went_left[level, lane] = 1 if goes_left(node, nodes, background[block, slot, lane]) else 0
    elif nodes.default_left[node]:
        for lane in range(LANES):
            went_left[level, lane] = 0 if background[block, slot, lane] > threshold else 1
    else:
        for lane in range(LANES):
            went_left[level, lane] = 1 if background[block, slot, lane] <= threshold else 0


@inlined
def _enter(level: int, to_left: bool, row_went_left: bool, scratch: _Scratch) -> bool:
    """Find who violates the path to a child, and who is live there; return whether any lane is."""
    live, violated, went_left = scratch.live, scratch.violated, scratch.went_left
    earlier = scratch.earlier[level]
    row_violates = row_went_left != to_left or (earlier >= 0 and scratch.row_violates[earlier])
    scratch.row_violates[level] = row_violates
    for lane in range(LANES):
        violated[level, lane] = went_left[level, lane] ^ (1 if to_left else 0)
    if earlier >= 0:
        for lane in range(LANES):
            violated[level, lane] |= violated[earlier, lane]
    n_live = 0
    for lane in range(LANES):
        live[level + 1, lane] = live[level, lane] & (1 ^ violated[level, lane]) if row_violates else live[level, lane]
        n_live += live[level + 1, lane]
    return n_live > 0


@inlined
def _deposit(leaf: int, leaf_level: int, n_distinct: int, first_output: int, nodes: Nodes, scratch: _Scratch) -> None:
    """Add what a leaf gives and takes to the values of the live lanes."""
    n_violated, live, gain, loss = scratch.n_violated, scratch.live, scratch.gain, scratch.loss
    for lane in range(LANES):
        n_violated[lane] = 0
    q = 0
    for i in range(n_distinct):
        level = scratch.latest[scratch.on_path[i]]
        if scratch.row_violates[level]:
            q += 1
        else:
            for lane in range(LANES):
                n_violated[lane] += scratch.violated[level, lane]
    _shares(q, n_distinct - q, scratch.gains, scratch.losses)
    for lane in range(LANES):
        gain[lane] = live[leaf_level, lane] * scratch.gains[n_violated[lane]]
        loss[lane] = live[leaf_level, lane] * scratch.losses[n_violated[lane]]
    for i in range(n_distinct):
        player = scratch.on_path[i]
        level = scratch.latest[player]
        for k in range(nodes.values.shape[1]):
            value = nodes.values[leaf, k]
            if scratch.row_violates[level]:
                for lane in range(LANES):
                    scratch.values[player, first_output + k, lane] -= value * loss[lane]
            else:
                for lane in range(LANES):
                    scratch.values[player, first_output + k, lane] += value * (
                        gain[lane] * scratch.violated[level, lane]
                    )


@inlined
def _shares(q: int, most: int, gains: NDArray[np.float64], losses: NDArray[np.float64]) -> None:
    """What a leaf of value 1 gives, (p - 1)! q! / (p + q)!, and takes, p! (q - 1)! / (p + q)!, for p up to `most`."""
    gains[0] = 0.0
    losses[0] = 1.0 / q if q > 0 else 0.0
    for p in range(1, most + 1):
        gains[p] = 1.0 / (q + 1) if p == 1 else gains[p - 1] * (p - 1) / (p + q)
        losses[p] = losses[p - 1] * p / (p + q)
