"""Mean outputs of trees where some features come from a row and the others from background rows, compiled by Numba."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.numba.tools import compiled, for_each_part
from fastexplain.engine.tree.numba_forest import Nodes, columns_of, goes_left, make_nodes
from fastexplain.models import Forest

__all__ = ["mean_outputs"]


def mean_outputs(
    forest: Forest,
    row: NDArray[np.floating],
    background: NDArray[np.floating],
    weights: NDArray[np.float64],
    kept: NDArray[np.bool_],
    *,
    n_threads: int,
) -> NDArray[np.float64]:
    """Weighted mean outputs over the background.

    Parameters
    ----------
    forest : Forest
    row, background : arrays of shape (1, n_features) and (n_background, n_features)
        In the model's own numeric encoding.
    weights : float64 array of shape (n_background,)
    kept : bool array of shape (n_masks, n_features)
        True: the feature comes from the row.
    n_threads : int

    Returns
    -------
    array of shape (n_masks, n_outputs)
    """
    nodes, used = make_nodes(forest)
    whole = forest.n_leaf_outputs == forest.n_outputs
    first_output = np.zeros_like(forest.tree_output) if whole else forest.tree_output
    out = np.tile(forest.base_offset * weights.sum(), (len(kept), 1))
    of_row, of_background = columns_of(forest, row, used)[:, 0], columns_of(forest, background, used)
    picked = np.ascontiguousarray(kept[:, used])

    def predict(masks: slice) -> None:
        trees = nodes, forest.tree_offsets, first_output
        _add_outputs(picked[masks], of_row, of_background, weights, *trees, out[masks])

    for_each_part(predict, len(kept), n_threads)
    return out


@compiled
def _add_outputs(
    kept: NDArray[np.bool_],
    row: NDArray[np.float64],
    background: NDArray[np.float64],
    weights: NDArray[np.float64],
    nodes: Nodes,
    tree_offsets: NDArray[np.int64],
    first_output: NDArray[np.int32],
    out: NDArray[np.float64],
) -> None:
    for mask in range(len(kept)):
        for tree in range(len(first_output)):
            root = tree_offsets[tree]
            for b in range(len(weights)):
                node = root
                while nodes.children_left[node] >= 0:
                    slot = nodes.slot[node]
                    x = row[slot] if kept[mask, slot] else background[slot, b]
                    left = goes_left(node, nodes, x)
                    node = root + (nodes.children_left[node] if left else nodes.children_right[node])
                for k in range(nodes.values.shape[1]):
                    out[mask, first_output[tree] + k] += weights[b] * nodes.values[node, k]
