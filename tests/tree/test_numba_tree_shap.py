"""The Numba kernel: equal to the sum over all coalitions, and the same bits however it is called."""

from __future__ import annotations

import pickle
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive import naive_predict, naive_tree_shap
from strategies import forests, random_forest, random_rows, rows_for

from fastexplain.engine.numba import tools as numba_tools
from fastexplain.engine.tree import numba_tree_shap
from fastexplain.engine.tree.numba_tree_shap import tree_shap_path_dependent
from fastexplain.models.trees.forest import Forest

# Leaf values are near 1 in size. Up to 16 features on a path the rule is exact, which leaves rounding: seen to 1e-14.
RTOL, ATOL = 1e-9, 1e-11
# 8 points on paths of up to 30 features: a few parts in 1e9 of the leaf values.
CAPPED_TOLERANCE = 1e-8


@pytest.fixture
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tasks of few rows, so that threads share the work of a small test."""
    monkeypatch.setattr(numba_tree_shap, "TASK_VISITS", 1)
    monkeypatch.setattr(numba_tree_shap, "BLOCK_ROWS", 16)


def odd_forest(seed: int = 0) -> Forest:
    """Every kind of node, several outputs, more trees than rows in a block."""
    return random_forest(
        np.random.default_rng(seed),
        n_trees=20,
        n_features=7,
        n_outputs=3,
        shapes=("bushy", "chain", "stump", "leaf"),
        n_leaves=30,
        max_depth=20,
        p_zero_cover=0.1,
        p_categorical=0.2,
        p_zero_is_missing=0.2,
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), forests())
def test_tree_shap_equals_naive(data: st.DataObject, forest: Forest) -> None:
    X = data.draw(rows_for(forest))
    expected, _ = naive_tree_shap(forest, X)
    np.testing.assert_allclose(tree_shap_path_dependent(forest, X, n_threads=1), expected, rtol=RTOL, atol=ATOL)


@settings(max_examples=25, deadline=None)
@given(st.data(), forests(shapes=("chain",), max_depth=60, n_trees=1))
def test_depth_60_equals_naive(data: st.DataObject, forest: Forest) -> None:
    X = data.draw(rows_for(forest))
    expected, _ = naive_tree_shap(forest, X)
    np.testing.assert_allclose(tree_shap_path_dependent(forest, X, n_threads=1), expected, rtol=RTOL, atol=ATOL)


def test_zero_as_missing_ends_where_naive_says() -> None:
    edges = [0.0, -0.0, 1e-35, -1e-35, np.nextafter(1e-35, 1), -np.nextafter(1e-35, 1), np.nan]
    for seed in range(4):  # default_left either way
        rng = np.random.default_rng(seed)
        forest = random_forest(rng, n_features=1, p_zero_is_missing=1.0, thresholds=(-1.0, 0.0, 1.0))
        X = np.array(edges)[:, None]
        expected, _ = naive_tree_shap(forest, X)
        np.testing.assert_allclose(tree_shap_path_dependent(forest, X, n_threads=1), expected, rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("vector_leaves", [False, True])
def test_blocks_and_left_over_rows_equal_naive(vector_leaves: bool, small_tasks: None) -> None:
    rng = np.random.default_rng(5)
    forest = random_forest(rng, n_trees=3, n_features=5, n_outputs=3, vector_leaves=vector_leaves)
    X = random_rows(rng, forest, 53)
    expected, _ = naive_tree_shap(forest, X)
    np.testing.assert_allclose(tree_shap_path_dependent(forest, X, n_threads=2), expected, rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_thread_count_does_not_change_bits(n_threads: int, small_tasks: None) -> None:
    forest = odd_forest()
    X = random_rows(np.random.default_rng(1), forest, 150)
    one = tree_shap_path_dependent(forest, X, n_threads=1)
    np.testing.assert_array_equal(tree_shap_path_dependent(forest, X, n_threads=n_threads), one)


@pytest.mark.parametrize("block_rows", [1, 5, 64])
def test_width_of_a_block_does_not_change_bits(block_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    forest = odd_forest()
    X = random_rows(np.random.default_rng(2), forest, 70)
    expected = tree_shap_path_dependent(forest, X, n_threads=1)
    monkeypatch.setattr(numba_tree_shap, "_block_rows", lambda *_: block_rows)
    np.testing.assert_array_equal(tree_shap_path_dependent(forest, X, n_threads=1), expected)


def test_a_row_alone_has_the_bits_that_it_has_among_others() -> None:
    forest = odd_forest()
    X = random_rows(np.random.default_rng(3), forest, 40)
    together = tree_shap_path_dependent(forest, X, n_threads=1)
    for i in (0, 17, 39):
        np.testing.assert_array_equal(tree_shap_path_dependent(forest, X[i : i + 1], n_threads=1)[0], together[i])


@pytest.mark.parametrize(
    "arrange",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: np.ascontiguousarray(X[::-1])[::-1],
        lambda X: np.ascontiguousarray(X[:, ::-1])[:, ::-1],
    ],
    ids=["fortran", "strided", "rows reversed", "columns reversed"],
)
def test_layout_of_rows_does_not_change_bits(arrange: object) -> None:
    forest = odd_forest()
    X = random_rows(np.random.default_rng(4), forest, 30)
    expected = tree_shap_path_dependent(forest, X, n_threads=1)
    arranged = arrange(X)
    assert not arranged.flags.c_contiguous
    np.testing.assert_array_equal(tree_shap_path_dependent(forest, arranged, n_threads=1), expected)


def test_float32_rows_are_taken_at_their_value() -> None:
    forest = odd_forest()
    with np.errstate(over="ignore"):
        X = random_rows(np.random.default_rng(4), forest, 30).astype(np.float32)
    np.testing.assert_array_equal(
        tree_shap_path_dependent(forest, X, n_threads=1),
        tree_shap_path_dependent(forest, X.astype(np.float64), n_threads=1),
    )


def wide_chains() -> tuple[Forest, np.ndarray]:
    """Paths of 20 to 30 distinct features, more than 8 points are exact for."""
    rng = np.random.default_rng(6)
    forest = random_forest(rng, n_trees=10, n_features=30, shapes=("chain",), max_depth=60, thresholds=None)
    return forest, rng.normal(size=(20, 30))


def test_enough_points_make_long_paths_exact() -> None:
    forest, X = wide_chains()
    values = tree_shap_path_dependent(forest, X, n_points=1000, n_threads=1)
    gap = values.sum(axis=1) - naive_predict(forest, X)  # minus the base value: the same for every row
    np.testing.assert_allclose(gap, np.broadcast_to(gap[0], gap.shape), atol=ATOL)


def test_eight_points_are_close_on_long_paths() -> None:
    forest, X = wide_chains()
    exact = tree_shap_path_dependent(forest, X, n_points=1000, n_threads=1)
    capped = tree_shap_path_dependent(forest, X, n_threads=1)
    np.testing.assert_array_equal(capped, tree_shap_path_dependent(forest, X, n_points=8, n_threads=1))
    assert not np.array_equal(capped, exact)
    np.testing.assert_allclose(capped, exact, atol=CAPPED_TOLERANCE)


def test_a_tree_takes_points_for_its_longest_path_not_for_all_its_features() -> None:
    forest = random_forest(np.random.default_rng(9), n_trees=8, n_features=20, n_leaves=30, shuffle_nodes=True)

    def most_distinct(tree: int, node: int, seen: frozenset[int]) -> int:
        i = forest.tree_offsets[tree] + node
        if forest.children_left[i] < 0:
            return len(seen)
        seen |= {int(forest.feature[i])}
        return max(most_distinct(tree, int(side[i]), seen) for side in (forest.children_left, forest.children_right))

    expected = [most_distinct(tree, 0, frozenset()) for tree in range(8)]
    assert numba_tree_shap._plan_of(forest).n_distinct.tolist() == expected


def test_points_are_capped_as_asked() -> None:
    forest, X = wide_chains()
    exact = tree_shap_path_dependent(forest, X, n_points=1000, n_threads=1)
    one_point = tree_shap_path_dependent(forest, X, n_points=1, n_threads=1)
    assert np.abs(one_point - exact).max() > 1e-3


def test_thousands_of_levels_do_not_overflow_a_stack() -> None:
    rng = np.random.default_rng(7)
    forest = random_forest(rng, n_features=5, shapes=("chain",), max_depth=4000, shuffle_nodes=True)
    X = random_rows(rng, forest, 6)
    values = tree_shap_path_dependent(forest, X, n_threads=1)
    gap = values.sum(axis=1) - naive_predict(forest, X)
    np.testing.assert_allclose(gap, np.broadcast_to(gap[0], gap.shape), atol=ATOL)


@pytest.mark.parametrize("n_trees", [0, 3])
def test_trees_without_splits_give_zeros(n_trees: int) -> None:
    forest = random_forest(np.random.default_rng(0), n_trees=n_trees, n_outputs=2, shapes=("leaf",))
    values = tree_shap_path_dependent(forest, np.ones((5, 4)), n_threads=2)
    np.testing.assert_array_equal(values, np.zeros((5, 4, 2)))


def test_no_rows_give_no_values() -> None:
    assert tree_shap_path_dependent(odd_forest(), np.empty((0, 7)), n_threads=2).shape == (0, 7, 3)


def test_result_is_written_where_asked() -> None:
    forest = random_forest(np.random.default_rng(0), n_features=50)
    X = np.random.default_rng(1).normal(size=(4, 50))
    out = np.full((4, 50, 1), 7.0)
    assert tree_shap_path_dependent(forest, X, n_threads=1, out=out) is out
    np.testing.assert_array_equal(out, tree_shap_path_dependent(forest, X, n_threads=1))


def test_a_result_array_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 7, 3\).*\(2, 7, 1\)"):
        tree_shap_path_dependent(odd_forest(), np.zeros((2, 7)), n_threads=1, out=np.zeros((2, 7, 1)))


def test_wrong_width_names_both_widths() -> None:
    with pytest.raises(ValueError, match=r"\(2, 6\).*7"):
        tree_shap_path_dependent(odd_forest(), np.zeros((2, 6)), n_threads=1)


@pytest.mark.parametrize(("name", "arguments"), [("n_points", (0, 1)), ("n_threads", (8, 0))])
def test_counts_below_one_are_refused(name: str, arguments: tuple[int, int]) -> None:
    n_points, n_threads = arguments
    with pytest.raises(ValueError, match=f"{name} must be at least 1; got 0"):
        tree_shap_path_dependent(odd_forest(), np.zeros((2, 7)), n_points=n_points, n_threads=n_threads)


def test_an_explained_forest_pickles_without_its_plan() -> None:
    forest = odd_forest()
    X = random_rows(np.random.default_rng(8), forest, 9)
    expected = tree_shap_path_dependent(forest, X, n_threads=1)
    copy = pickle.loads(pickle.dumps(forest))
    assert not copy._compiled
    np.testing.assert_array_equal(tree_shap_path_dependent(copy, X, n_threads=1), expected)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_error_in_a_task_reaches_the_caller_and_ends_the_rest(n_threads: int, error: type[BaseException]) -> None:
    done = []

    def work(rows: slice) -> None:
        done.append(rows.start)
        if rows.start == 3:
            raise error("task 3")
        time.sleep(0.001)

    with pytest.raises(error, match="task 3"):
        numba_tools.for_each(work, [slice(i, i + 1) for i in range(1_000)], n_threads)
    assert len(done) < 1_000
