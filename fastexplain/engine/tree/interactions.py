"""Interaction values of trees as an array function."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.background import as_background
from fastexplain.engine.tree.inputs import loaded, prepared
from fastexplain.engine.tree.result import TreeShapResult
from fastexplain.engine.tree.tree_shap import tree_shap

__all__ = ["tree_shap_interactions"]


def tree_shap_interactions(
    model: Any, X: Any, *, background: Any = None, weights: Any = None, n_threads: int | None = None
) -> TreeShapResult:
    """Interaction values of every pair of features, with what is left of each feature's value on the diagonal.

    Parameters
    ----------
    model : fitted model, TreeModel or Forest
        As of `tree_shap`.
    X : array-like or DataFrame of shape (n_rows, n_features)
    background, weights : optional
        Rows that hidden features are drawn from; None: they follow the cover of the nodes.
    n_threads : int, optional
        The result has the same bits for any number.

    Returns
    -------
    TreeShapResult
        ``values`` (n_rows, n_features, n_features, n_outputs), symmetric: half of the pair's Shapley interaction index
        each. A row of them adds up to the feature's value, all of them and ``base_values`` to the raw output.

    Notes
    -----
    Lundberg et al. 2020, "SHAP interaction values". O(leaves x d^3) per row and tree where a path has d distinct
    features; with background rows so much for each of them. Compiled by Numba, whatever the backend.
    """
    from fastexplain.engine.tree.numba_interactions import pair_interactions

    known, threads = loaded(model), resolve_num_threads(n_threads)
    forest, rows = prepared(known, X)
    hidden = shares = None
    if background is None:
        single = tree_shap(forest, rows, dtype=np.float64, n_threads=threads)
    else:
        given = as_background(background, weights)
        hidden, shares = prepared(known, given.data, "background")[1], given.weights
        single = tree_shap(forest, rows, background=hidden, weights=shares, n_threads=threads)
    values = np.empty((len(rows), forest.n_features, forest.n_features, forest.n_outputs))
    pair_interactions(forest, rows, background=hidden, weights=shares, n_threads=threads, out=values)
    diagonal = np.arange(forest.n_features)
    values[:, diagonal, diagonal] = single.values - values.sum(axis=2)
    return TreeShapResult(values, single.base_values)
