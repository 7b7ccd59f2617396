"""Saabas' attributions, and what a `Forest` tells of rows on their way: covers, means, the first trees alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import goes_left, naive_predict
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from strategies import forests, random_forest, rows_for

from fastexplain.engine.tree.path_attribution import path_attribution
from fastexplain.models import Forest

# Sums of a few hundred numbers of order 1 to 1e3.
RTOL = ATOL = 1e-9


def children(forest: Forest, tree: int, node: int) -> tuple[int, int]:
    root = int(forest.tree_offsets[tree])
    return root + int(forest.children_left[node]), root + int(forest.children_right[node])


def naive_mean(forest: Forest, tree: int, node: int) -> NDArray[np.float64]:
    """Mean of the leaves below a node, by definition."""
    if forest.children_left[node] < 0:
        return forest.values[node]
    left, right = children(forest, tree, node)
    both = forest.cover[left] + forest.cover[right]
    share = forest.cover[left] / both if both > 0 else 0.5
    return share * naive_mean(forest, tree, left) + (1 - share) * naive_mean(forest, tree, right)


def path(forest: Forest, tree: int, row: NDArray[np.float64]) -> list[int]:
    nodes = [int(forest.tree_offsets[tree])]
    while forest.children_left[nodes[-1]] >= 0:
        nodes.append(children(forest, tree, nodes[-1])[0 if goes_left(forest, nodes[-1], row) else 1])
    return nodes


@given(st.data(), forests())
def test_node_means(data: st.DataObject, forest: Forest) -> None:
    means = forest.node_means()
    for row in data.draw(rows_for(forest)):
        for tree in range(forest.n_trees):
            for node in path(forest, tree, row):
                assert_allclose(means[node], naive_mean(forest, tree, node), rtol=RTOL, atol=ATOL)


@given(st.data(), forests())
def test_covered_by_counts_the_rows(data: st.DataObject, forest: Forest) -> None:
    rows = data.draw(rows_for(forest))
    weights = np.arange(1.0, len(rows) + 1)
    expected = np.zeros(forest.n_nodes)
    for tree in range(forest.n_trees):
        expected[forest.tree_offsets[tree]] = weights.sum()
        for row, weight in zip(rows, weights, strict=True):
            expected[path(forest, tree, row)[1:]] += weight
    covered = forest.covered_by(rows, weights)
    assert_allclose(covered.cover, expected)
    assert_array_equal(forest.covered_by(rows).cover, forest.covered_by(rows, np.ones(len(rows))).cover)
    if len(rows):  # the mean over the rows
        mean = weights @ naive_predict(forest, rows) / weights.sum()
        assert_allclose(covered.expected_values(), mean, rtol=RTOL, atol=ATOL)


@given(st.data(), forests(n_trees=4))
def test_first_trees(data: st.DataObject, forest: Forest) -> None:
    rows = data.draw(rows_for(forest))
    first, rest = forest.first_trees(1).predict(rows), forest.first_trees(4).predict(rows)
    assert_allclose(rest, naive_predict(forest, rows), rtol=RTOL, atol=ATOL)
    assert forest.first_trees(9).n_trees == 4
    one = naive_predict(forest.first_trees(1), rows)
    assert_allclose(first, one, rtol=RTOL, atol=ATOL)
    assert_array_equal(forest.first_trees(0).predict(rows), np.tile(forest.base_offset, (len(rows), 1)))


def test_blocks_of_rows_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    forest = random_forest(rng, n_trees=3, n_leaves=20)
    rows = rng.normal(size=(50, forest.n_features))
    whole = forest.covered_by(rows).cover
    monkeypatch.setattr("fastexplain.models.trees.forest._BLOCK_NODES", 7)
    assert_array_equal(forest.covered_by(rows).cover, whole)


def test_path_attribution_adds_up_and_follows_the_path() -> None:
    X, y = load_iris(return_X_y=True)
    model = RandomForestClassifier(n_estimators=3, max_depth=3, random_state=0).fit(X, y)
    values, base_values = path_attribution(model, X)
    assert_allclose(values.sum(axis=1) + base_values, model.predict_proba(X), atol=1e-12)
    expected = np.zeros((4, 3))
    for estimator in model.estimators_:
        tree, node = estimator.tree_, 0
        while tree.children_left[node] >= 0:
            left = np.float32(X[70, tree.feature[node]]) <= tree.threshold[node]
            child = tree.children_left[node] if left else tree.children_right[node]
            expected[tree.feature[node]] += (tree.value[child] - tree.value[node])[0] / 3
            node = child
    assert_allclose(values[70], expected, atol=1e-12)
