"""Attributions along a row's own path (Saabas 2014): cheap, and no Shapley values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.tree.result import TreeShapResult
from fastexplain.models import TreeModel, load_model

__all__ = ["path_attribution"]

# Steps of rows through trees that are worked on together.
_BLOCK_STEPS = 2**18


def path_attribution(model: Any, X: Any) -> TreeShapResult:
    """How the mean output changes at each split of the row's path, credited to the split's feature.

    Parameters
    ----------
    model : fitted model or TreeModel
        As of `tree_shap`.
    X : array-like or DataFrame of shape (n_rows, n_features)

    Returns
    -------
    TreeShapResult
        ``values`` (n_rows, n_features, n_outputs) and ``base_values`` (n_outputs,), which add up to the raw output.

    Notes
    -----
    One order of the features alone, that of the path: splits near the leaves get too much, and a model that depends
    more on a feature may credit it less. `tree_shap` is the mean over all orders, and hardly takes longer.
    """
    trees: TreeModel = load_model(model)
    forest, rows = trees.forest, trees.prepare(trees.dense(X))
    means = forest.node_means()
    whole = forest.n_leaf_outputs == forest.n_outputs
    values = np.zeros((len(rows), forest.n_features, forest.n_outputs))
    n_rows = max(1, _BLOCK_STEPS // max(1, forest.n_trees))
    for begin in range(0, len(rows), n_rows):
        block = values[begin : begin + n_rows]
        for tree, row, node, child in forest.steps(rows[begin : begin + n_rows]):
            change = means[child] - means[node]
            place: tuple[NDArray[Any], ...] = (row, forest.feature[node])
            np.add.at(block, place if whole else (*place, forest.tree_output[tree]), change if whole else change[:, 0])
    return TreeShapResult(values, forest.expected_values())
