"""Do the links of a library's trees make trees? Asked before the library predicts: it follows them unchecked.

A model file can be cut short, edited, or have a flipped bit, and the libraries read most of it as it is: a child number
out of range is then a read outside of their memory, and a circle never ends. What is refused here names its tree and
its node, as the library numbers them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import ModelConversionError

__all__ = ["MAX_FEATURES", "MAX_OUTPUTS", "NodeTable", "check_sizes"]

# Beyond these a model is taken to be damaged: one row of values would already take gigabytes.
MAX_FEATURES = 20_000_000
MAX_OUTPUTS = 1_000_000

Bad = NDArray[np.bool_]


def check_sizes(library: str, n_features: int, n_outputs: int, n_trees: int) -> None:
    """Raise ModelConversionError where a model says that it has more features or outputs than it can have.

    Parameters
    ----------
    library : str
    n_features, n_outputs, n_trees : int
        As the model states them. Every output has a tree, unless there are no trees at all.
    """
    if not 0 <= n_features <= MAX_FEATURES:
        raise ModelConversionError(f"The {library} model is damaged: it says that it has {n_features} features.")
    if not 1 <= n_outputs <= (n_trees or MAX_OUTPUTS):
        raise ModelConversionError(
            f"The {library} model is damaged: it says that it has {n_outputs} outputs, and has {n_trees} trees."
        )


@dataclass(frozen=True)
class NodeTable:
    """The nodes of all trees in a row, by the numbers that the library gives them.

    Attributes
    ----------
    library : str
    offsets : int64 array of shape (n_trees + 1,)
        Nodes ``offsets[i]:offsets[i + 1]`` belong to tree i.
    name : callable
        (tree, node counted within it) -> the node as messages give it.
    """

    library: str
    offsets: NDArray[np.int64]
    name: Callable[[int, int], str] = lambda tree, node: f"node {node}"

    def refuse(self, bad: Bad, problem: str, values: NDArray[Any] | None = None) -> None:
        """Raise ModelConversionError if any node is bad, for the first of them.

        Parameters
        ----------
        bad : bool array of shape (n_nodes,)
        problem : str
            What is wrong, to follow "tree 3, node 5"; ``{}`` in it is replaced by the node's entry of `values`.
        values : array of shape (n_nodes,), optional
        """
        if bad.any():
            node = int(bad.argmax())
            self.refuse_node(node, problem if values is None else problem.format(values[node]))

    def refuse_node(self, node: int, problem: str) -> NoReturn:
        """Raise ModelConversionError for a node, counted over all trees."""
        tree = int(np.searchsorted(self.offsets, node, side="right")) - 1
        name = self.name(tree, node - int(self.offsets[tree]))
        raise ModelConversionError(f"The {self.library} model is damaged: tree {tree}, {name} {problem}.")

    def per_node(self, per_tree: NDArray[Any]) -> NDArray[Any]:
        """A number of each tree, repeated for its nodes."""
        return np.repeat(per_tree, np.diff(self.offsets))

    def check_links(self, left: NDArray[np.int64], right: NDArray[np.int64], leaf: Bad) -> NDArray[np.int64]:
        """Refuse children out of range, with two parents, or in a circle.

        Parameters
        ----------
        left, right : int64 array of shape (n_nodes,)
            Children, counted within the tree; ignored at leaves.
        leaf : bool array of shape (n_nodes,)

        Returns
        -------
        int64 array of shape (n_nodes,)
            Each node's parent, counted within the tree; -1 at roots, and at leaves that hang nowhere.

        Raises
        ------
        ModelConversionError
        """
        inner = np.flatnonzero(~leaf)
        size, root = self.per_node(np.diff(self.offsets)), self.per_node(self.offsets[:-1])
        for side, children in (("left", left), ("right", right)):
            outside = ~leaf & ((children < 1) | (children >= size))
            self.refuse(outside, f"has the {side} child {{}}, which is no other node of the tree", children)
        parent = np.full(len(left), -1, dtype=np.int64)
        for children in (left, right):
            at = (root + children)[inner]
            taken = parent[at] >= 0
            parent[at] = inner - root[inner]
            if taken.any() or not np.array_equal(parent[at], inner - root[inner]):
                twice = int(np.flatnonzero(np.bincount(np.r_[(root + left)[inner], (root + right)[inner]]) > 1)[0])
                self.refuse_node(twice, "is the child of two nodes")
        is_root = np.zeros(len(left), dtype=bool)
        is_root[self.offsets[:-1]] = True
        self.refuse((parent < 0) & ~leaf & ~is_root, "is the child of no node")
        if (
            parent >= np.arange(len(left)) - root
        ).any():  # children mostly follow their parents: then no circle is left
            self._refuse_circles(root, left, right, leaf)
        return parent

    def _refuse_circles(
        self, root: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64], leaf: Bad
    ) -> None:
        """Every node has one parent at most, so that what the roots do not reach is circles, and what hangs on them."""
        reached = np.zeros(len(leaf), dtype=bool)
        level = self.offsets[:-1]
        while len(level):
            reached[level] = True
            level = level[~leaf[level]]
            level = np.concatenate([root[level] + left[level], root[level] + right[level]])
        self.refuse(~reached & ~leaf, "is its own descendant, or hangs below such a node")
