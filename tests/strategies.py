"""Trees and rows drawn at random, with every oddity that a `Forest` may hold.

`random_forest` and `random_rows` are plain functions of a generator, for big deterministic cases; `forests` and
`rows_for` are Hypothesis strategies over them. A failing example prints as the `random_forest` call that rebuilds it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import DTypeLike, NDArray

from fastexplain.models.trees.forest import Forest

__all__ = ["SHAPES", "forests", "random_forest", "random_rows", "rows_for"]

SHAPES = ("leaf", "stump", "bushy", "chain")
# Trees that say much come often; drawn by name one in two would be a leaf or a stump.
_SHAPE_MIXES = (("leaf",), ("stump",), ("bushy",), ("chain",), ("bushy", "chain"), ("bushy", "chain", "stump"), SHAPES)
ZERO = float(np.float32(1e-35))  # LightGBM's kZeroThreshold
# Few values, so that rows meet them exactly and splits on one feature repeat or contradict each other. 0.1 is not a
# float32; 1e-36, ZERO and the next value lie inside, on and outside what LightGBM calls zero.
THRESHOLDS = (0.0, 0.5, 1.0, -1.0, 0.1, -0.0, 2.0, 1e-36, -1e-36, ZERO, float(np.nextafter(ZERO, 1)), 1e30, -1e300)
INFINITE_THRESHOLDS = (math.inf, -math.inf)
SMALL_CATEGORIES, LARGE_CATEGORIES = 6, 300
RARE_CATEGORY = 70_003  # more than 16 bits hold
ODD_VALUES = (0.0, math.nan, -0.0, math.inf, -math.inf, 1e-36, -1e-36, 1e-35, -1e-35, 0.3, -0.7, 1.5, 3.0, 1e300)
ODD_CATEGORIES = (-1.0, -0.5, 0.5, 2.5, 31.0, 32.0, 63.0, 64.0, 1e5, 2.0**31, 2.0**32 + 1, 1e19)


class _Tree(NamedTuple):
    """Node arrays of one tree, named as in `Forest`."""

    children_left: NDArray[np.int32]
    children_right: NDArray[np.int32]
    feature: NDArray[np.int32]
    cover: NDArray[np.float64]


def random_forest(
    rng: np.random.Generator,
    *,
    n_trees: int = 1,
    n_features: int = 4,
    n_outputs: int = 1,
    vector_leaves: bool = False,
    shapes: tuple[str, ...] = ("bushy",),
    n_leaves: int = 16,
    max_depth: int = 8,
    p_zero_cover: float = 0.0,
    inexact_cover: bool = False,
    p_categorical: float = 0.0,
    p_zero_is_missing: float = 0.0,
    p_infinite_threshold: float = 0.0,
    shuffle_nodes: bool = False,
    orphan_nodes: bool = False,
    float32_input: bool = False,
    float32_model: bool = False,
    missing_value: float = math.nan,
    thresholds: tuple[float, ...] | None = THRESHOLDS,
) -> Forest:
    """Random trees from a seeded generator.

    Parameters
    ----------
    shapes : tuple of names in SHAPES
        Each tree takes one: a single leaf, a stump, up to `n_leaves` leaves within `max_depth`, or a chain of
        `max_depth` splits.
    p_zero_cover : float
        Probability that a split's children get zero cover (one of them, or both).
    inexact_cover : bool
        Children's covers do not sum to the parent's.
    shuffle_nodes : bool
        Nodes come in any order (the root stays first) instead of parents before children.
    orphan_nodes : bool
        Adds nodes that no path reaches, as XGBoost's deleted ones.
    thresholds : tuple of float, optional
        Drawn from these; None draws from the normal distribution.
    """
    trees = []
    for _ in range(n_trees):
        left, right = _grow(rng, str(rng.choice(shapes)), n_leaves, max_depth)
        if orphan_nodes:
            left, right = _with_orphans(left, right)
        if shuffle_nodes:
            left, right = _shuffled(rng, left, right)
        feature = np.where(left >= 0, rng.integers(n_features, size=len(left)), -1).astype(np.int32)
        trees.append(_Tree(left, right, feature, _covers(rng, left, right, p_zero_cover, inexact_cover)))
    sizes = [len(tree.feature) for tree in trees]
    n_nodes = sum(sizes)
    feature = _joined([tree.feature for tree in trees], np.int32)
    values = rng.normal(size=(n_nodes, n_outputs if vector_leaves else 1))
    tree_output = np.zeros(n_trees) if vector_leaves else rng.integers(n_outputs, size=n_trees)
    return Forest(
        n_features=n_features,
        n_outputs=n_outputs,
        tree_offsets=np.cumsum([0, *sizes]),
        children_left=_joined([tree.children_left for tree in trees], np.int32),
        children_right=_joined([tree.children_right for tree in trees], np.int32),
        feature=feature,
        threshold=_thresholds(rng, n_nodes, thresholds, p_infinite_threshold),
        default_left=rng.random(n_nodes) < 0.5,
        cover=_joined([tree.cover for tree in trees], np.float64),
        values=values,
        tree_output=tree_output.astype(np.int32),
        base_offset=rng.normal(size=n_outputs),
        zero_is_missing=rng.random(n_nodes) < p_zero_is_missing if p_zero_is_missing else None,
        float32_input=float32_input,
        float32_model=float32_model,
        missing_value=missing_value,
        **(_category_sets(rng, (feature >= 0) & (rng.random(n_nodes) < p_categorical)) if p_categorical else {}),
    )


def random_rows(rng: np.random.Generator, forest: Forest, n_rows: int) -> NDArray[np.float64]:
    """Rows (n_rows, n_features), half ordinary normal values and half the awkward ones of `rows_for`."""
    X = rng.normal(size=(n_rows, forest.n_features))
    for feature in range(forest.n_features):
        awkward = rng.random(n_rows) < 0.5
        X[awkward, feature] = rng.choice(_awkward_values(forest, feature), size=int(awkward.sum()))
    return X


def forests(**fixed: Any) -> st.SearchStrategy[Forest]:
    """Forests of up to three trees, with at most 8 features and paths of up to 60 splits.

    Parameters
    ----------
    **fixed
        Arguments of `random_forest` that are strategies or plain values here, in place of what would be drawn.
    """
    arguments: dict[str, Any] = {
        "rng": st.builds(np.random.default_rng, st.integers(0, 2**32 - 1)),
        "n_trees": st.sampled_from((1, 2, 3, 1, 2, 3, 0)),
        "n_features": st.sampled_from((1, 2, 3, 5, 8)),
        "n_outputs": st.integers(1, 3),
        "vector_leaves": st.booleans(),
        "shapes": st.sampled_from(_SHAPE_MIXES),
        "n_leaves": st.sampled_from((2, 5, 12, 24)),
        "max_depth": st.sampled_from((3, 6, 12, 60)),
        "p_zero_cover": st.sampled_from((0.0, 0.2)),
        "inexact_cover": st.booleans(),
        "p_categorical": st.sampled_from((0.0, 0.4)),
        "p_zero_is_missing": st.sampled_from((0.0, 0.5)),
        "p_infinite_threshold": st.sampled_from((0.0, 0.1)),
        "shuffle_nodes": st.booleans(),
        "orphan_nodes": st.booleans(),
        "float32_input": st.booleans(),
        "missing_value": st.sampled_from((math.nan, 0.5, -1.0)),
    }
    arguments |= {name: a if isinstance(a, st.SearchStrategy) else st.just(a) for name, a in fixed.items()}
    return st.builds(random_forest, **arguments)


@st.composite
def rows_for(
    draw: st.DrawFn, forest: Forest, max_rows: int = 6, dtype: DTypeLike = np.float64
) -> NDArray[np.floating[Any]]:
    """Rows on the forest's thresholds and beside them, with values or a whole column missing, and odd categories."""
    shape = (draw(st.integers(1, max_rows)), forest.n_features)
    choice = draw(arrays(np.int64, shape, elements=st.integers(0, 2**16), fill=st.nothing()))
    X = np.empty(shape)
    for feature in range(forest.n_features):
        pool = _awkward_values(forest, feature)
        X[:, feature] = pool[choice[:, feature] % len(pool)]
    if draw(st.booleans()):
        X[:, draw(st.integers(0, forest.n_features - 1))] = math.nan
    with np.errstate(over="ignore"):
        return X.astype(dtype)


def _awkward_values(forest: Forest, feature: int) -> NDArray[np.float64]:
    """Values of one column at which routing could go wrong."""
    nodes = forest.feature == feature
    on = np.unique(forest.threshold[nodes])
    with np.errstate(over="ignore"):
        single = on.astype(np.float32)
    beside = [np.nextafter(on, side) for side in (-math.inf, math.inf)]
    beside += [np.nextafter(single, np.float32(side)).astype(float) for side in (-math.inf, math.inf)]
    pools = [np.array(ODD_VALUES), on, *beside, [forest.missing_value]]
    if forest.category_set is not None:
        assert forest.category_set_offsets is not None
        assert forest.category_set_members is not None
        for i in np.unique(forest.category_set[nodes & (forest.category_set >= 0)]):
            begin, end = forest.category_set_offsets[i : i + 2]
            pools.append(forest.category_set_members[begin:end][:8])
        pools.append(np.array([*ODD_CATEGORIES, RARE_CATEGORY, *range(SMALL_CATEGORIES)]))
    return np.concatenate(pools).astype(float)


def _grow(
    rng: np.random.Generator, shape: str, n_leaves: int, max_depth: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Children of each node; a chain always splits the node made last, the others any open one."""
    n_splits = {"leaf": 0, "stump": 1, "bushy": n_leaves - 1, "chain": max_depth}[shape]
    left, right, depth = [-1], [-1], [0]
    open_nodes = [0]
    for _ in range(n_splits):
        if not open_nodes:
            break
        node = open_nodes.pop(int(rng.integers(len(open_nodes))))
        left[node], right[node] = len(left), len(left) + 1
        left += [-1, -1]
        right += [-1, -1]
        depth += [depth[node] + 1] * 2
        children = [left[node], right[node]]
        if shape == "chain":
            open_nodes = [children[int(rng.integers(2))]]
        elif depth[node] + 1 < max_depth:
            open_nodes += children
    return np.array(left, dtype=np.int32), np.array(right, dtype=np.int32)


def _with_orphans(left: NDArray[np.int32], right: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Appends a lone leaf and a stump that no node points at."""
    n = len(left)
    return np.append(left, [-1, n + 2, -1, -1]).astype(np.int32), np.append(right, [-1, n + 3, -1, -1]).astype(np.int32)


def _shuffled(
    rng: np.random.Generator, left: NDArray[np.int32], right: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    order = np.append(0, 1 + rng.permutation(len(left) - 1))  # order[old] = new
    new_left, new_right = np.empty_like(left), np.empty_like(right)
    new_left[order] = np.where(left >= 0, order[left], -1)
    new_right[order] = np.where(right >= 0, order[right], -1)
    return new_left, new_right


def _covers(
    rng: np.random.Generator, left: NDArray[np.int32], right: NDArray[np.int32], p_zero: float, inexact: bool
) -> NDArray[np.float64]:
    cover = np.full(len(left), 1000.0)
    open_nodes = [0]
    while open_nodes:
        node = open_nodes.pop()
        if left[node] < 0:
            continue
        share = rng.uniform(0.05, 0.95)
        shares = np.array([share, 1 - share])
        if rng.random() < p_zero:
            shares *= [(0, 1), (1, 0), (0, 0)][int(rng.integers(3))]
        if inexact:
            shares *= rng.uniform(0.5, 2.0, size=2)
        cover[[left[node], right[node]]] = cover[node] * shares
        open_nodes += [int(left[node]), int(right[node])]
    return cover


def _thresholds(
    rng: np.random.Generator, n_nodes: int, grid: tuple[float, ...] | None, p_infinite: float
) -> NDArray[np.float64]:
    threshold = rng.normal(size=n_nodes) if grid is None else rng.choice(grid, size=n_nodes)
    infinite = rng.random(n_nodes) < p_infinite
    return np.where(infinite, rng.choice(INFINITE_THRESHOLDS, size=n_nodes), threshold)


def _category_sets(rng: np.random.Generator, categorical: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """One set for each categorical node: empty or full ones, small codes, or up to hundreds with one far off."""
    sets = []
    for _ in range(int(categorical.sum())):
        n = int(rng.choice([SMALL_CATEGORIES, LARGE_CATEGORIES]))
        members = np.flatnonzero(rng.random(n) < rng.choice([0.0, 0.1, 0.5, 1.0]))
        if n == LARGE_CATEGORIES and rng.random() < 0.5:
            members = np.append(members, RARE_CATEGORY)
        sets.append(members)
    return {
        "category_set": np.where(categorical, np.cumsum(categorical) - 1, -1),
        "category_set_offsets": np.cumsum([0, *map(len, sets)]),
        "category_set_members": _joined(sets, np.int32),
    }


def _joined(parts: list[NDArray[Any]], dtype: DTypeLike) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype=dtype), *parts]).astype(dtype)


def big_forest(seed: int = 0, **changes: object) -> Forest:
    """Every kind of node, several outputs, repeated features, more trees than chunks."""
    arguments: dict = {
        "n_trees": 40,
        "n_features": 9,
        "n_outputs": 3,
        "shapes": ("bushy", "bushy", "chain", "stump", "leaf"),
        "n_leaves": 40,
        "max_depth": 20,
        "p_zero_cover": 0.1,
        "p_categorical": 0.2,
        "p_zero_is_missing": 0.2,
    }
    return random_forest(np.random.default_rng(seed), **{**arguments, **changes})


def rows_of(forest: Forest, n_rows: int, seed: int = 1) -> np.ndarray:
    return random_rows(np.random.default_rng(seed), forest, n_rows)
