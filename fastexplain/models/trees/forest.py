"""The one representation of a tree ensemble that every loader produces and every kernel reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["ZERO_THRESHOLD", "Forest"]

# LightGBM's kZeroThreshold: with zero_as_missing, values this close to zero are missing.
# Its constant is a float32 literal, so that the double it is compared as is a little more than 1e-35.
ZERO_THRESHOLD = float(np.float32(1e-35))
# Nodes whose checks and weights are worked out together.
_BLOCK_NODES = 200_000


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees as flat node arrays, in one routing rule that covers every library.

    A row's value ``x`` at a node goes left when

    * ``x`` is missing and ``default_left``; missing means NaN, or also ``|x| <= float32(1e-35)``
      where ``zero_is_missing`` (LightGBM's ``zero_as_missing``);
    * else, at a numerical node, ``x <= threshold``, compared in float64 after rounding ``x`` to float32
      if `float32_input`;
    * else, at a categorical node, ``trunc(x)`` is in the node's set of categories (a negative or absent category goes
      right).

    Loaders fold what differs between libraries into these arrays: ``x < t`` becomes
    ``x <= nextafter(float32(t), -inf)``, sets that go right swap the children, learning rates and tree weights are
    multiplied into `values`.

    Parameters
    ----------
    n_features, n_outputs : int
        Width of the rows, and number of raw outputs.
    tree_offsets : int64 array of shape (n_trees + 1,)
        Nodes ``tree_offsets[i]:tree_offsets[i + 1]`` belong to tree i; the first of them is its root.
    children_left, children_right : int32 arrays of shape (n_nodes,)
        Children, counted within the tree (the root is 0); -1 at a leaf.
    feature : int32 array of shape (n_nodes,)
        Column that the node splits on; -1 at a leaf.
    threshold : float64 array of shape (n_nodes,)
        Largest value that goes left; ignored at leaves and at categorical nodes.
    default_left : bool array of shape (n_nodes,)
        Where a missing value goes.
    cover : float64 array of shape (n_nodes,)
        Training weight that reached the node, by the library's own convention.
    values : float64 array of shape (n_nodes, n_leaf_outputs)
        Leaf values with every scale folded in (rows of inner nodes are ignored). ``n_leaf_outputs`` is `n_outputs`, or
        1 if each tree serves the single output named in `tree_output`.
    tree_output : int32 array of shape (n_trees,)
        Output that the tree adds to when ``n_leaf_outputs`` is 1; all zero otherwise.
    base_offset : float64 array of shape (n_outputs,)
        Added to the sum of the trees (initial prediction, base score).
    zero_is_missing : bool array of shape (n_nodes,), optional
    category_set : int32 array of shape (n_nodes,), optional
        -1 at numerical nodes, else the index of the node's set.
    category_set_offsets : int64 array of shape (n_sets + 1,), optional
        Set i holds ``category_set_members[category_set_offsets[i]:category_set_offsets[i + 1]]``.
    category_set_members : int32 array, optional
        Categories (non-negative) that go left.
    float32_input : bool
        The library rounds rows to float32 before comparing.
    float32_model : bool
        The library itself sums in float32 (XGBoost), so float32 lanes lose nothing that it has.
    missing_value : float
        A value besides NaN that means missing (XGBoost's ``missing=``), compared after rounding to float32 where
        `float32_input`; NaN when there is none.
    allow_nan, allow_inf : bool
        Whether the library accepts such values when predicting.
    """

    n_features: int
    n_outputs: int
    tree_offsets: NDArray[np.int64]
    children_left: NDArray[np.int32]
    children_right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    default_left: NDArray[np.bool_]
    cover: NDArray[np.float64]
    values: NDArray[np.float64]
    tree_output: NDArray[np.int32]
    base_offset: NDArray[np.float64]
    zero_is_missing: NDArray[np.bool_] | None = None
    category_set: NDArray[np.int32] | None = None
    category_set_offsets: NDArray[np.int64] | None = None
    category_set_members: NDArray[np.int32] | None = None
    float32_input: bool = False
    float32_model: bool = False
    missing_value: float = float("nan")
    allow_nan: bool = True
    allow_inf: bool = True
    _compiled: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    _DTYPES: ClassVar[dict[str, Any]] = {
        "tree_offsets": np.int64,
        "children_left": np.int32,
        "children_right": np.int32,
        "feature": np.int32,
        "threshold": np.float64,
        "default_left": np.bool_,
        "cover": np.float64,
        "values": np.float64,
        "tree_output": np.int32,
        "base_offset": np.float64,
        "zero_is_missing": np.bool_,
        "category_set": np.int32,
        "category_set_offsets": np.int64,
        "category_set_members": np.int32,
    }

    def __post_init__(self) -> None:
        for name, dtype in self._DTYPES.items():
            array = getattr(self, name)
            if array is not None:
                array = np.ascontiguousarray(array, dtype=dtype)
                object.__setattr__(self, name, array)
        if self.values.ndim == 1:
            object.__setattr__(self, "values", self.values[:, None])
        self._check()

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.tree_offsets) - 1

    @property
    def n_nodes(self) -> int:
        """Number of nodes of all trees, leaves included."""
        return len(self.feature)

    @property
    def n_leaf_outputs(self) -> int:
        """Width of `values`: `n_outputs`, or 1 where each tree serves one output."""
        return int(self.values.shape[1])

    @property
    def has_categories(self) -> bool:
        """Whether any node splits on categories."""
        return self.category_set is not None and bool((self.category_set >= 0).any())

    def predict(self, X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Raw outputs of a few rows, by walking all trees at once in NumPy.

        Meant for checks: its memory is n_trees x n_rows integers. Rows are in the model's own numeric encoding
        (what `TreeModel.prepare` returns).

        Parameters
        ----------
        X : array of shape (n_rows, n_features)

        Returns
        -------
        array of shape (n_rows, n_outputs)
        """
        node = self.leaf_indices(X)
        out = np.tile(self.base_offset, (len(X), 1))
        leaf = self.values[node]  # (n_trees, n_rows, n_leaf_outputs)
        if self.n_leaf_outputs == self.n_outputs:
            out += leaf.sum(axis=0)
            return out
        for tree, output in enumerate(self.tree_output):
            out[:, output] += leaf[tree, :, 0]
        return out

    def largest_value(self) -> float:
        """Largest absolute leaf value; 0 without leaves."""
        if "largest_value" not in self._compiled:
            leaf = self.children_left < 0
            self._compiled["largest_value"] = float(np.abs(self.values[leaf]).max(initial=0.0))
        largest: float = self._compiled["largest_value"]
        return largest

    def expected_values(self) -> NDArray[np.float64]:
        """Mean raw outputs when every split takes both children by cover: the base values, of shape (n_outputs,).

        A child's share is its cover over that of both children, and 1/2 where neither has any.
        """
        cached = self._compiled.get("expected_values")
        if cached is None:
            cached = self._compiled["expected_values"] = self._expected_values()
        expected: NDArray[np.float64] = cached.copy()
        return expected

    def _expected_values(self) -> NDArray[np.float64]:
        expected = self.base_offset.copy()
        for trees in self._tree_blocks():
            nodes = self._nodes_of(trees)
            leaf = self.children_left[nodes] < 0
            weight, values = self._node_weights(trees)[leaf], self.values[nodes][leaf]
            if self.n_leaf_outputs == self.n_outputs:
                expected += weight @ values
            else:
                sizes = np.diff(self.tree_offsets[trees.start : trees.stop + 1])
                outputs = np.repeat(self.tree_output[trees], sizes)[leaf]
                expected += np.bincount(outputs, weight * values[:, 0], minlength=self.n_outputs)
        return expected

    def _node_weights(self, trees: slice) -> NDArray[np.float64]:
        """Share of its tree's cover that reaches each node of some trees."""
        nodes = self._nodes_of(trees)
        roots = self.tree_offsets[trees] - nodes.start
        child_left, child_right, cover = self.children_left[nodes], self.children_right[nodes], self.cover[nodes]
        weight = np.zeros(len(cover))
        weight[roots] = 1.0
        node, root = roots, roots
        while len(node):  # one level of every tree at a time
            inner = child_left[node] >= 0
            node, root = node[inner], root[inner]
            left, right = root + child_left[node], root + child_right[node]
            share = _left_share(cover[left], cover[right])
            weight[left] = weight[node] * share
            weight[right] = weight[node] * (1.0 - share)
            node, root = np.concatenate([left, right]), np.concatenate([root, root])
        return weight

    def _tree_blocks(self) -> Iterator[slice]:
        """Consecutive trees of about _BLOCK_NODES nodes together, so that temporaries stay small beside the forest."""
        begin = 0
        while begin < self.n_trees:
            limit = self.tree_offsets[begin] + _BLOCK_NODES
            end = max(begin + 1, int(np.searchsorted(self.tree_offsets, limit, side="right")) - 1)
            yield slice(begin, min(end, self.n_trees))
            begin = end

    def _nodes_of(self, trees: slice) -> slice:
        return slice(int(self.tree_offsets[trees.start]), int(self.tree_offsets[trees.stop]))

    def leaf_indices(self, X: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Node (counted over the whole forest) in which each row ends, of shape (n_trees, n_rows)."""
        leaf = np.repeat(self.tree_offsets[:-1, None], len(X), axis=1)
        for tree, row, _, child in self.steps(X):
            leaf[tree, row] = child
        return leaf

    def steps(
        self, X: NDArray[np.floating[Any]]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """Every row's way through every tree, one level at a time: arrays (tree, row, node, the child it goes to).

        Nodes are counted over the whole forest. Meant for a few rows: memory is n_trees x n_rows integers.
        """
        rounded = np.asarray(X)
        if self.float32_input:
            with np.errstate(over="ignore"):
                rounded = rounded.astype(np.float32)
        values = rounded.astype(np.float64)
        roots = self.tree_offsets[:-1]
        tree = np.repeat(np.arange(self.n_trees), len(X))
        row = np.tile(np.arange(len(X)), self.n_trees)
        node = roots[tree]
        while True:
            inner = self.children_left[node] >= 0
            if not inner.any():
                return
            tree, row, node = tree[inner], row[inner], node[inner]
            left = self._goes_left(node, values[row, self.feature[node]])
            child = roots[tree] + np.where(left, self.children_left[node], self.children_right[node])
            yield tree, row, node, child
            node = child

    def first_trees(self, n_trees: int) -> Forest:
        """The forest of the first trees alone, all of them where there are no more; the base offset is the same."""
        n_trees = min(n_trees, self.n_trees)
        nodes = slice(0, int(self.tree_offsets[n_trees]))
        per_node = ("children_left", "children_right", "feature", "threshold", "default_left", "cover", "values")
        arrays = {name: getattr(self, name)[nodes] for name in per_node}
        for name in ("zero_is_missing", "category_set"):
            array = getattr(self, name)
            arrays[name] = None if array is None else array[nodes]
        offsets, outputs = self.tree_offsets[: n_trees + 1], self.tree_output[:n_trees]
        return replace(self, tree_offsets=offsets, tree_output=outputs, **arrays)

    def covered_by(self, X: NDArray[np.floating[Any]], weights: NDArray[np.float64] | None = None) -> Forest:
        """The same trees with other covers: the weight of the rows of `X` that reach each node.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)
            In the model's own numeric encoding.
        weights : array of shape (n_rows,), optional
            Default: 1 each.
        """
        weights = np.ones(len(X)) if weights is None else weights
        cover = np.zeros(self.n_nodes)
        cover[self.tree_offsets[:-1]] = weights.sum()
        n_rows = max(1, _BLOCK_NODES // max(1, self.n_trees))
        for begin in range(0, len(X), n_rows):
            for _, row, _, child in self.steps(X[begin : begin + n_rows]):
                cover += np.bincount(child, weights[begin + row], minlength=self.n_nodes)
        return replace(self, cover=cover)

    def left_shares(self) -> NDArray[np.float64]:
        """Left child's part of the cover of both children, of each node; 0 at a leaf."""
        inner = np.flatnonzero(self.children_left >= 0)
        root = np.repeat(self.tree_offsets[:-1], np.diff(self.tree_offsets))[inner]
        shares = np.zeros(self.n_nodes)
        left, right = root + self.children_left[inner], root + self.children_right[inner]
        shares[inner] = _left_share(self.cover[left], self.cover[right])
        return shares

    def node_means(self) -> NDArray[np.float64]:
        """Mean leaf values below each node, by cover: (n_nodes, n_leaf_outputs). At a leaf its own."""
        levels = []
        node = root = self.tree_offsets[:-1]
        while len(node):
            inner = self.children_left[node] >= 0
            node, root = node[inner], root[inner]
            left, right = root + self.children_left[node], root + self.children_right[node]
            levels.append((node, left, right))
            node, root = np.concatenate([left, right]), np.concatenate([root, root])
        means = self.values.copy()
        for node, left, right in reversed(levels):
            share = _left_share(self.cover[left], self.cover[right])[:, None]
            means[node] = share * means[left] + (1.0 - share) * means[right]
        return means

    def _goes_left(self, node: NDArray[np.int64], x: NDArray[np.float64]) -> NDArray[np.bool_]:
        missing = np.isnan(x)
        if not np.isnan(self.missing_value):
            missing |= x == self.missing_value
        if self.zero_is_missing is not None:
            missing |= self.zero_is_missing[node] & (np.abs(x) <= ZERO_THRESHOLD)
        left = x <= self.threshold[node]
        if self.category_set is not None:
            sets = self.category_set[node]
            for i in np.flatnonzero((sets >= 0) & ~missing):
                left[i] = int(x[i]) in self._members(sets[i]) if np.isfinite(x[i]) else False
        return np.where(missing, self.default_left[node], left)

    def _members(self, category_set: int) -> NDArray[np.int32]:
        assert self.category_set_offsets is not None
        assert self.category_set_members is not None
        begin, end = self.category_set_offsets[category_set : category_set + 2]
        return self.category_set_members[begin:end]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compiled": {}}

    def _check(self) -> None:
        """Refuse arrays that a kernel could not walk: it reads them without bounds checks."""
        n = self.n_nodes
        for name in ("children_left", "children_right", "threshold", "default_left", "cover", "values"):
            if len(getattr(self, name)) != n:
                raise ValueError(f"Forest.{name} has {len(getattr(self, name))} entries; feature has {n}.")
        offsets = self.tree_offsets
        if len(offsets) < 1 or offsets[0] != 0 or offsets[-1] != n or (np.diff(offsets) < 1).any():
            raise ValueError(f"Forest.tree_offsets must rise from 0 to {n}, the number of nodes, without empty trees.")
        if len(self.tree_output) != self.n_trees:
            raise ValueError(f"Forest.tree_output has {len(self.tree_output)} entries for {self.n_trees} trees.")
        if self.n_leaf_outputs not in (1, self.n_outputs):
            raise ValueError(f"Forest.values has {self.n_leaf_outputs} columns; expected 1 or {self.n_outputs}.")
        if self.n_trees and not (self.tree_output.min() >= 0 and self.tree_output.max() < self.n_outputs):
            raise ValueError(f"Forest.tree_output must lie in 0..{self.n_outputs - 1}.")
        if self.base_offset.shape != (self.n_outputs,):
            raise ValueError(f"Forest.base_offset has shape {self.base_offset.shape}; expected ({self.n_outputs},).")
        for trees in self._tree_blocks():
            self._check_nodes(trees)
        self._check_categories()

    def _check_nodes(self, trees: slice) -> None:
        nodes = self._nodes_of(trees)
        sizes = np.diff(self.tree_offsets[trees.start : trees.stop + 1])
        size = np.repeat(sizes, sizes)
        root = np.repeat(self.tree_offsets[trees] - nodes.start, sizes)
        inner = self.children_left[nodes] >= 0
        if (inner != (self.children_right[nodes] >= 0)).any():
            raise ValueError("Forest: a node has one child only.")
        feature = self.feature[nodes][inner]
        if len(feature) and not (feature.min() >= 0 and feature.max() < self.n_features):
            raise ValueError(f"Forest.feature must lie in 0..{self.n_features - 1} at inner nodes.")
        children = []
        for side in (self.children_left[nodes], self.children_right[nodes]):
            if (side[inner] >= size[inner]).any() or (side[inner] < 1).any():
                raise ValueError("Forest: a child lies outside its tree.")
            children.append(side[inner] + root[inner])
        if np.bincount(np.concatenate(children), minlength=1).max(initial=0) > 1:
            raise ValueError("Forest: a node has two parents.")
        numerical = inner if self.category_set is None else inner & (self.category_set[nodes] < 0)
        if np.isnan(self.threshold[nodes][numerical]).any():
            raise ValueError("Forest.threshold is NaN at an inner node.")
        cover = self.cover[nodes]
        if not np.isfinite(cover).all() or (cover < 0).any():
            raise ValueError("Forest.cover must be finite and not negative.")

    def _categorical_nodes(self) -> NDArray[np.bool_]:
        if self.category_set is None:
            return np.zeros(self.n_nodes, dtype=bool)
        return self.category_set >= 0

    def _check_categories(self) -> None:
        if self.zero_is_missing is not None and len(self.zero_is_missing) != self.n_nodes:
            raise ValueError(
                f"Forest.zero_is_missing has {len(self.zero_is_missing)} entries for {self.n_nodes} nodes."
            )
        if self.category_set is None:
            return
        offsets, members = self.category_set_offsets, self.category_set_members
        if offsets is None or members is None:
            raise ValueError("Forest.category_set needs category_set_offsets and category_set_members.")
        if len(self.category_set) != self.n_nodes or self.category_set.max(initial=-1) >= len(offsets) - 1:
            raise ValueError("Forest.category_set names a set that does not exist.")
        if offsets[0] != 0 or offsets[-1] != len(members) or (np.diff(offsets) < 0).any():
            raise ValueError("Forest.category_set_offsets must rise from 0 to the number of members.")
        if members.min(initial=0) < 0:
            raise ValueError(f"Forest.category_set_members holds {members.min()}; categories are not negative.")


def _left_share(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Left children's part of the cover of both: 1/2 where neither has any."""
    both = left + right
    share: NDArray[np.float64] = np.divide(left, both, out=np.full(len(both), 0.5), where=both > 0)
    return share
