"""What the Numba kernels of Tree SHAP share: a forest's node arrays, its columns, and what sends a value left."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from fastexplain.models.trees.forest import ZERO_THRESHOLD, Forest

__all__ = ["Nodes", "columns_of", "goes_left", "inlined", "is_member", "make_nodes", "n_levels_of"]

F = TypeVar("F", bound=Callable[..., object])


class Nodes(NamedTuple):
    """Node arrays of the forest, as `Forest` has them but for `slot`: the feature's place among those used."""

    children_left: NDArray[np.int32]
    children_right: NDArray[np.int32]
    slot: NDArray[np.int32]
    threshold: NDArray[np.float64]
    default_left: NDArray[np.bool_]
    zero_is_missing: NDArray[np.bool_]
    category_set: NDArray[np.int32]
    category_set_offsets: NDArray[np.int64]
    category_set_members: NDArray[np.int32]  # ascending within each set
    values: NDArray[np.float64]


def make_nodes(forest: Forest) -> tuple[Nodes, NDArray[np.int64]]:
    """Node arrays of a forest, and the features that it splits on: slot i is the i-th of them."""
    used, slot = np.unique(forest.feature[forest.children_left >= 0], return_inverse=True)
    slots = np.full(forest.n_nodes, -1, dtype=np.int32)
    slots[forest.children_left >= 0] = slot
    sets, offsets, members = forest.category_set, forest.category_set_offsets, forest.category_set_members
    if sets is None or offsets is None or members is None:
        sets, offsets = np.full(forest.n_nodes, -1, dtype=np.int32), np.zeros(1, dtype=np.int64)
        members = np.empty(0, dtype=np.int32)
    set_of_member = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    zero_is_missing = forest.zero_is_missing
    nodes = Nodes(
        children_left=forest.children_left,
        children_right=forest.children_right,
        slot=slots,
        threshold=forest.threshold,
        default_left=forest.default_left,
        zero_is_missing=np.zeros(forest.n_nodes, dtype=bool) if zero_is_missing is None else zero_is_missing,
        category_set=sets,
        category_set_offsets=offsets,
        category_set_members=members[np.lexsort((members, set_of_member))],
        values=forest.values,
    )
    return nodes, used.astype(np.int64)


def n_levels_of(forest: Forest) -> int:
    """Most inner nodes on a path."""
    root = node = forest.tree_offsets[:-1]
    levels = 0
    while True:
        inner = forest.children_left[node] >= 0
        if not inner.any():
            return levels
        levels += 1
        node, root = node[inner], root[inner]
        node = np.concatenate([root + forest.children_left[node], root + forest.children_right[node]])
        root = np.concatenate([root, root])


def columns_of(forest: Forest, X: NDArray[np.floating], used: NDArray[np.int64]) -> NDArray[np.float64]:
    """Columns that are split on, (n_used, n_rows) float64, rounded as the library does; NaN wherever missing."""
    picked = X.T[used]
    if forest.float32_input:
        with np.errstate(over="ignore"):  # beyond float32's range it becomes infinite, as in the library
            picked = picked.astype(np.float32)
    columns: NDArray[np.float64] = np.array(picked, dtype=np.float64, order="C")
    columns[columns == forest.missing_value] = np.nan
    return columns


def inlined(function: F) -> F:
    """Compile into its callers: passing or slicing an array costs an atomic reference count."""
    return cast(F, numba.njit(inline="always", error_model="numpy")(function))


@inlined
def is_member(x: float, members: NDArray[np.int32], first: int, last: int) -> bool:
    """Binary search in ``members[first:last]``."""
    if not (-1.0 < x < 2147483648.0):  # truncates to no int32 category
        return False
    category, end = np.int32(x), last
    while first < last:
        middle = (first + last) // 2
        if members[middle] < category:
            first = middle + 1
        else:
            last = middle
    return first < end and members[first] == category


@inlined
def goes_left(node: int, nodes: Nodes, x: float) -> bool:
    """Whether a value of `columns_of` goes left at an inner node."""
    missing = np.isnan(x) or (nodes.zero_is_missing[node] and abs(x) <= ZERO_THRESHOLD)
    if missing:
        return bool(nodes.default_left[node])
    category_set = nodes.category_set[node]
    if category_set < 0:
        return bool(x <= nodes.threshold[node])
    first, last = nodes.category_set_offsets[category_set], nodes.category_set_offsets[category_set + 1]
    return is_member(x, nodes.category_set_members, first, last)
