"""Interaction values of trees, compiled by Numba.

The interaction of features i and j is an integral over t in [0, 1] of what both change together where each other
feature is known with probability t. Of a leaf of value v, with conditions on the distinct features k of its path, let
``o_k`` be 1 where the row meets those on k, else 0, and ``z_k`` the probability that they are met where k is hidden:
the product of the nodes' cover shares, or 1 or 0 as a background row meets them. Then::

    I_ij = sum over leaves of v (o_i - z_i) (o_j - z_j) integral of product over k of (t o_k + (1 - t) z_k)
                                                                  without i and j

which as many Gauss-Legendre points as half the path's features integrate exactly. Cost per row, leaf and point: the
square of the distinct features on the leaf's path.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.numba.tools import compiled, for_each_part
from fastexplain.engine.tree.numba_forest import Nodes, columns_of, goes_left, inlined, make_nodes, n_levels_of
from fastexplain.models.trees.forest import Forest

__all__ = ["pair_interactions"]


class _Trees(NamedTuple):
    nodes: Nodes
    tree_offsets: NDArray[np.int64]
    first_output: NDArray[np.int32]  # per tree: where its leaf outputs go
    left_share: NDArray[np.float64]  # of the cover of a node's children


class _Scratch(NamedTuple):
    """Working memory of a walk. A level is an inner node on the path."""

    node: NDArray[np.int64]  # (n_levels + 1,)
    sides_taken: NDArray[np.int64]  # (n_levels + 1,)
    met: NDArray[np.float64]  # (n_levels,): o of the node's feature
    share: NDArray[np.float64]  # (n_levels,): z
    earlier: NDArray[np.int64]  # (n_levels,): nearest level above on the same feature, -1 if none
    latest: NDArray[np.int64]  # (n_used,): lowest level on the path by feature, -1 if none
    on_path: NDArray[np.int64]  # (most,): the path's distinct features
    inverse: NDArray[np.float64]  # (most,): 1 / (t o + (1 - t) z) of each of them
    pairs: NDArray[np.float64]  # (most, most) of most distinct features on a path: the integrals


def pair_interactions(
    forest: Forest,
    X: NDArray[np.floating],
    *,
    background: NDArray[np.floating] | None,
    weights: NDArray[np.float64] | None,
    n_threads: int,
    out: NDArray[np.float64],
) -> None:
    """Write interactions of pairs of different features; the diagonal gets 0.

    Parameters
    ----------
    forest : Forest
    X : float32 or float64 array of shape (n_rows, n_features)
        In the model's own numeric encoding.
    background, weights : arrays of shape (n_background, n_features) and (n_background,), or None
        None: hidden features follow the cover.
    n_threads : int
        The result is the same to the bit for any number.
    out : float64 array of shape (n_rows, n_features, n_features, n_outputs)
        Where to; symmetric.
    """
    nodes, used = make_nodes(forest)
    whole = forest.n_leaf_outputs == forest.n_outputs
    first_output = np.zeros_like(forest.tree_output) if whole else forest.tree_output
    trees = _Trees(nodes, forest.tree_offsets, first_output, forest.left_shares())
    out[...] = 0.0
    n_levels = n_levels_of(forest)
    if n_levels < 2:
        return
    most = min(n_levels, _most_features(forest))
    points, point_weights = np.polynomial.legendre.leggauss(max(1, most // 2))
    t, w = 0.5 * (1.0 + points), 0.5 * point_weights
    hidden = np.empty((len(used), 0)) if background is None else columns_of(forest, background, used)
    hidden_weights = np.ones(1) if weights is None else weights

    def explain(rows: slice) -> None:
        columns = columns_of(forest, X[rows], used)
        _explain_rows(columns, hidden, hidden_weights, trees, used, t, w, n_levels, most, out[rows])

    for_each_part(explain, len(X), n_threads)


def _most_features(forest: Forest) -> int:
    """Most distinct features of a tree."""
    tree = np.repeat(np.arange(forest.n_trees), np.diff(forest.tree_offsets))
    inner = forest.children_left >= 0
    pairs = np.unique(tree[inner] * np.int64(forest.n_features) + forest.feature[inner])
    return int(np.bincount(pairs // forest.n_features).max(initial=0))


@compiled
def _explain_rows(
    columns: NDArray[np.float64],
    hidden: NDArray[np.float64],
    hidden_weights: NDArray[np.float64],
    trees: _Trees,
    used: NDArray[np.int64],
    t: NDArray[np.float64],
    w: NDArray[np.float64],
    n_levels: int,
    most: int,
    out: NDArray[np.float64],
) -> None:
    n_used, n_outputs = len(used), out.shape[3]
    scratch = _Scratch(
        node=np.empty(n_levels + 1, dtype=np.int64),
        sides_taken=np.empty(n_levels + 1, dtype=np.int64),
        met=np.empty(n_levels),
        share=np.empty(n_levels),
        earlier=np.empty(n_levels, dtype=np.int64),
        latest=np.full(n_used, -1, dtype=np.int64),
        on_path=np.empty(most, dtype=np.int64),
        inverse=np.empty(most),
        pairs=np.empty((most, most)),
    )
    for row in range(out.shape[0]):
        for b in range(len(hidden_weights)):
            if hidden_weights[b] > 0.0:
                for tree in range(len(trees.first_output)):
                    _walk(tree, row, b, columns, hidden, hidden_weights[b], trees, used, t, w, scratch, out)
        for i in range(n_used):  # each pair was met once
            for j in range(i):
                for k in range(n_outputs):
                    both = 0.5 * (out[row, used[i], used[j], k] + out[row, used[j], used[i], k])
                    out[row, used[i], used[j], k] = both
                    out[row, used[j], used[i], k] = both


@compiled
def _walk(
    tree: int,
    row: int,
    b: int,
    columns: NDArray[np.float64],
    hidden: NDArray[np.float64],
    weight: float,
    trees: _Trees,
    used: NDArray[np.int64],
    t: NDArray[np.float64],
    w: NDArray[np.float64],
    scratch: _Scratch,
    out: NDArray[np.float64],
) -> None:
    """Take a row through a tree, and a background row where there are any; add its pairs' interactions to `out`."""
    nodes, root = trees.nodes, trees.tree_offsets[tree]
    level, n_distinct = 0, 0
    scratch.node[0], scratch.sides_taken[0] = root, 0
    while level >= 0:
        node, side = scratch.node[level], scratch.sides_taken[level]
        if nodes.children_left[node] < 0:
            if n_distinct >= 2:
                _integrate(n_distinct, t, w, scratch)
                _deposit(n_distinct, row, node, trees.first_output[tree], weight, nodes, used, scratch, out)
            level -= 1
            continue
        slot = nodes.slot[node]
        if side == 0:
            scratch.earlier[level] = scratch.latest[slot]
            scratch.latest[slot] = level
            if scratch.earlier[level] < 0:
                scratch.on_path[n_distinct] = slot
                n_distinct += 1
        elif side == 2:
            scratch.latest[slot] = scratch.earlier[level]
            if scratch.earlier[level] < 0:
                n_distinct -= 1
            level -= 1
            continue
        scratch.sides_taken[level] += 1
        left, right = root + nodes.children_left[node], root + nodes.children_right[node]
        if hidden.shape[1]:
            left_share = 1.0 if goes_left(node, nodes, hidden[slot, b]) else 0.0
        else:
            left_share = trees.left_share[node]
        met = goes_left(node, nodes, columns[slot, row]) == (side == 0)
        earlier = scratch.earlier[level]
        scratch.met[level] = (scratch.met[earlier] if earlier >= 0 else 1.0) if met else 0.0
        share = left_share if side == 0 else 1.0 - left_share
        scratch.share[level] = share * (scratch.share[earlier] if earlier >= 0 else 1.0)
        if scratch.met[level] > 0.0 or scratch.share[level] > 0.0:  # else nothing reaches what is below
            level += 1
            scratch.node[level], scratch.sides_taken[level] = left if side == 0 else right, 0


@inlined
def _integrate(n_distinct: int, t: NDArray[np.float64], w: NDArray[np.float64], scratch: _Scratch) -> None:
    """Find the integrals of all pairs, below the diagonal of `pairs`."""
    inverse, pairs = scratch.inverse, scratch.pairs
    for i in range(n_distinct):
        for j in range(i):
            pairs[i, j] = 0.0
    for q in range(len(t)):
        product = w[q]
        for i in range(n_distinct):
            level = scratch.latest[scratch.on_path[i]]
            # not zero: t is neither 0 nor 1, and one of the two is positive
            known = t[q] * scratch.met[level] + (1.0 - t[q]) * scratch.share[level]
            product *= known
            inverse[i] = 1.0 / known
        for i in range(n_distinct):
            without = product * inverse[i]
            for j in range(i):
                pairs[i, j] += without * inverse[j]


@inlined
def _deposit(
    n_distinct: int,
    row: int,
    leaf: int,
    first_output: int,
    weight: float,
    nodes: Nodes,
    used: NDArray[np.int64],
    scratch: _Scratch,
    out: NDArray[np.float64],
) -> None:
    for i in range(n_distinct):
        level = scratch.latest[scratch.on_path[i]]
        first = used[scratch.on_path[i]]
        change = weight * (scratch.met[level] - scratch.share[level])
        for j in range(i):
            other = scratch.latest[scratch.on_path[j]]
            second = used[scratch.on_path[j]]
            together = change * (scratch.met[other] - scratch.share[other]) * scratch.pairs[i, j]
            for k in range(nodes.values.shape[1]):
                out[row, first, second, first_output + k] += nodes.values[leaf, k] * together
