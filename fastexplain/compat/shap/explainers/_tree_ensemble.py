"""What ``explainer.model`` of shap's TreeExplainer tells of a model."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.models import TreeModel

__all__ = ["TreeEnsemble"]


class TreeEnsemble:
    """A tree model by the members of shap's TreeEnsemble that tell of it; every other member is the model's own.

    Attributes
    ----------
    original_model : object
        As it was given.
    model_output : str
    model_type : {"xgboost", "lightgbm", "internal"}
    num_outputs : int
    tree_limit : int or None
        Number of trees of XGBoost's models; None of others.
    base_offset : float64 array of shape (n_outputs,)
    num_nodes : int array of shape (n_trees,)
    children_left, children_right, children_default, features : int32 arrays of shape (n_trees, n_nodes)
        Of the largest tree's number of nodes; -1 at leaves and beyond the last node.
    thresholds, node_sample_weight : float64 arrays of that shape
        Categorical splits, which have no threshold, have NaN.
    values : float64 array of shape (n_trees, n_nodes, n_outputs)
        Mean outputs below each node.
    """

    def __init__(self, trees: TreeModel, original_model: Any, model_output: str) -> None:
        self.original_model, self.model_output = original_model, model_output
        self._trees = trees
        self.model_type = {"XGBoost": "xgboost", "LightGBM": "lightgbm"}.get(trees.library, "internal")
        self.num_outputs = trees.forest.n_outputs
        self.tree_limit = trees.forest.n_trees if trees.library == "XGBoost" else None
        self.base_offset = trees.forest.base_offset

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Raw outputs of rows: (n_rows,), or (n_rows, n_outputs) with several outputs."""
        outputs = self._trees.raw_predict(X)
        return outputs[:, 0] if self.num_outputs == 1 else outputs

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "original_model" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.original_model, name)

    @cached_property
    def num_nodes(self) -> NDArray[np.int64]:
        return np.diff(self._trees.forest.tree_offsets)

    @cached_property
    def children_left(self) -> NDArray[np.int32]:
        return self._by_tree(self._trees.forest.children_left, -1)

    @cached_property
    def children_right(self) -> NDArray[np.int32]:
        return self._by_tree(self._trees.forest.children_right, -1)

    @cached_property
    def children_default(self) -> NDArray[np.int32]:
        forest = self._trees.forest
        return self._by_tree(np.where(forest.default_left, forest.children_left, forest.children_right), -1)

    @cached_property
    def features(self) -> NDArray[np.int32]:
        return self._by_tree(self._trees.forest.feature, -1)

    @cached_property
    def thresholds(self) -> NDArray[np.float64]:
        forest = self._trees.forest
        sets = forest.category_set
        return self._by_tree(forest.threshold if sets is None else np.where(sets >= 0, np.nan, forest.threshold), 0.0)

    @cached_property
    def node_sample_weight(self) -> NDArray[np.float64]:
        return self._by_tree(self._trees.forest.cover, 0.0)

    @cached_property
    def values(self) -> NDArray[np.float64]:
        forest = self._trees.forest
        means = forest.node_means()
        if forest.n_leaf_outputs < forest.n_outputs:
            output = np.repeat(forest.tree_output, self.num_nodes)
            means = np.where(np.arange(forest.n_outputs) == output[:, None], means, 0.0)
        return self._by_tree(means, 0.0)

    def _by_tree(self, of_nodes: NDArray[Any], fill: float) -> NDArray[Any]:
        """Values of all nodes, one row per tree."""
        offsets = self._trees.forest.tree_offsets
        shape = (len(self.num_nodes), int(self.num_nodes.max(initial=0)), *of_nodes.shape[1:])
        table = np.full(shape, fill, dtype=of_nodes.dtype)
        for tree, n_nodes in enumerate(self.num_nodes):
            table[tree, :n_nodes] = of_nodes[offsets[tree] : offsets[tree + 1]]
        return table
