"""The Numba twin of Tree SHAP against a background: equal to the definition and to the compiled core."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import naive_interventional, naive_predict
from numpy.testing import assert_allclose, assert_array_equal
from strategies import forests, random_forest, random_rows, rows_for

from fastexplain import InterventionalTreeShap, tree_shap
from fastexplain.engine.backends import core
from fastexplain.engine.tree.numba_interventional import LANES, InterventionalShap, TransformedShap
from fastexplain.models import Forest

# Leaf values of the drawn forests are about 1: errors are of roundings.
TOLERANCE = 1e-12


def forest_and_rows(seed: int, n_rows: int, n_background: int, **of_forest: Any) -> tuple[Forest, Any, Any]:
    rng = np.random.default_rng(seed)
    forest = random_forest(rng, **{"n_trees": 8, "n_features": 6, "n_leaves": 24, "max_depth": 8, **of_forest})
    return forest, random_rows(rng, forest, n_rows), random_rows(rng, forest, n_background)


@settings(max_examples=100, deadline=None)
@given(st.data(), forests())
def test_values_equal_the_definition(data: st.DataObject, forest: Forest) -> None:
    X, background = data.draw(rows_for(forest)), data.draw(rows_for(forest))
    if not len(background):
        return
    weights = np.arange(len(background)) % 3 + (len(background) == 1)
    values, base_values = tree_shap(forest, X, background=background, weights=weights, backend="numba")
    expected, expected_base = naive_interventional(forest, X, background, weights.astype(float))
    assert_allclose(values, expected, rtol=0, atol=TOLERANCE)
    assert_allclose(base_values, expected_base, rtol=0, atol=TOLERANCE)


@pytest.mark.skipif(core() is None, reason="this install has no compiled core")
@pytest.mark.parametrize("n_background", [1, LANES - 1, LANES, LANES + 1, 300])
def test_values_equal_the_core(n_background: int) -> None:
    forest, X, background = forest_and_rows(
        0, 20, n_background, n_outputs=3, p_categorical=0.3, p_zero_is_missing=0.2, max_depth=20, n_leaves=60
    )
    weights = np.random.default_rng(1).random(n_background)
    results = [tree_shap(forest, X, background=background, weights=weights, backend=b) for b in ("native", "numba")]
    assert_allclose(results[0].values, results[1].values, rtol=0, atol=TOLERANCE)
    assert_allclose(results[0].base_values, results[1].base_values, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("n_features", [1, 17, 300])
def test_long_paths(n_features: int) -> None:
    forest, X, background = forest_and_rows(
        4, 6, 90, n_trees=2, n_features=n_features, shapes=("chain",), max_depth=2 * n_features, thresholds=None
    )
    values, base_values = tree_shap(forest, X, background=background, backend="numba")
    assert_allclose(values.sum(axis=1) + base_values, naive_predict(forest, X), rtol=0, atol=1e-11)
    if core() is not None:
        native = tree_shap(forest, X, background=background, backend="native").values
        assert_allclose(values, native, rtol=0, atol=TOLERANCE)


def test_threads_and_other_rows_do_not_change_bits() -> None:
    forest, X, background = forest_and_rows(5, 150, 300, n_outputs=2, p_categorical=0.3)
    values = tree_shap(forest, X, background=background, n_threads=1, backend="numba").values
    for n_threads in (2, 3, 8):
        again = tree_shap(forest, X, background=background, n_threads=n_threads, backend="numba").values
        assert_array_equal(again, values)
    for row in (0, 149):
        alone = tree_shap(forest, X[row : row + 1], background=background, backend="numba").values
        assert_array_equal(alone, values[row : row + 1])


def test_float32_rows_and_other_strides() -> None:
    forest, X, background = forest_and_rows(6, 9, 40, float32_input=True)
    with np.errstate(over="ignore"):
        narrow, narrow_background = X.astype(np.float32), background.astype(np.float32)
    expected = tree_shap(forest, narrow, background=narrow_background, backend="numba").values
    turned = np.asfortranarray(narrow), np.asfortranarray(narrow_background)
    assert_array_equal(tree_shap(forest, turned[0], background=turned[1], backend="numba").values, expected)
    wide = narrow.astype(np.float64), narrow_background.astype(np.float64)
    assert_array_equal(tree_shap(forest, wide[0], background=wide[1], backend="numba").values, expected)


@pytest.mark.parametrize("kind", ["leaf", "one output per tree", "no rows"])
def test_edges(kind: str) -> None:
    of_forest: dict[str, Any] = {"shapes": ("leaf",)} if kind == "leaf" else {"n_outputs": 3}
    forest, X, background = forest_and_rows(7, 5, 4, **of_forest)
    X = X[:0] if kind == "no rows" else X
    values, base_values = tree_shap(forest, X, background=background, backend="numba")
    assert values.shape == (len(X), 6, forest.n_outputs)
    assert_allclose(values.sum(axis=1) + base_values, naive_predict(forest, X), rtol=0, atol=TOLERANCE)


def test_players_of_several_features_are_one() -> None:
    """A player is present or absent with all its features: the values are those of the merged game."""
    forest, X, background = forest_and_rows(8, 4, 30, n_outputs=2, n_features=5, p_categorical=0.2)
    player = np.array([1, 0, 1, 2, 0])
    kernel = InterventionalShap(forest, background, weights=np.full(30, 1 / 30), players=player)
    values = np.empty((4, 3, 2))
    kernel.explain(X, values, n_threads=1)
    for i, row in enumerate(X):
        game = {}
        for kept in range(8):
            rows = np.where((kept >> player & 1).astype(bool), row, background)
            game[kept] = naive_predict(forest, rows).mean(axis=0)
        for p in range(3):
            others = [q for q in range(3) if q != p]
            expected = np.zeros(2)
            for kept, weight in ((0, 1 / 3), (1 << others[0], 1 / 6), (1 << others[1], 1 / 6), (7 - (1 << p), 1 / 3)):
                expected += weight * (game[kept | 1 << p] - game[kept])
            assert_allclose(values[i, p], expected, rtol=0, atol=TOLERANCE)


def transformed(name: str, margin: Any, label: Any) -> Any:
    if name == "squared_loss":
        return (margin - label) ** 2
    return 1 / (1 + np.exp(-margin)) if name == "probability" else np.logaddexp(0, margin) - label * margin


def transformed_values(forest: Forest, X: Any, background: Any, weights: Any, labels: Any, **options: Any) -> Any:
    values = np.empty((len(X), forest.n_features, 1))
    kernel = TransformedShap(forest, background, weights=weights)
    kernel.explain(X, values=values, labels=labels, n_threads=2, **options)
    return values


@pytest.mark.parametrize("slope", [1.0, 2.5])
@pytest.mark.parametrize("name", ["probability", "log_loss", "squared_loss"])
def test_outputs_that_follow_from_a_margin(name: str, slope: float) -> None:
    """By definition: of each pair, the raw values times the change of the output by that of the sum of the trees."""
    forest, X, background = forest_and_rows(10, 6, 7, p_categorical=0.3, n_trees=3)
    weights, labels = np.arange(7.0) / 21, np.arange(6.0) % 2
    options = {"transform": name, "slope": slope, "offset": 0.3}
    values = transformed_values(forest, X, background, weights, labels, **options)
    factor = 1.0 if name == "squared_loss" else slope
    of_rows, of_background = (forest.predict(rows)[:, 0] - forest.base_offset for rows in (X, background))
    expected = np.zeros_like(values)
    for row, weight, of_other in zip(background, weights, of_background, strict=True):
        pair = tree_shap(forest, X, background=row[None], backend="numba").values
        ends = [transformed(name, factor * (output + 0.3), labels) for output in (of_rows, of_other)]
        distance = of_rows - of_other
        change = np.divide(ends[0] - ends[1], distance, out=np.zeros(6), where=np.abs(distance) > 1e-9)
        expected += weight * pair * change[:, None, None]
    assert_allclose(values, expected, rtol=0, atol=1e-9)
    kernel = TransformedShap(forest, background, weights=weights)
    assert_allclose(kernel.background_outputs, of_background[1:], rtol=0, atol=TOLERANCE)
    assert_array_equal(kernel.background_weights, weights[1:])


@pytest.mark.parametrize("name", ["probability", "log_loss"])
def test_margins_that_hardly_differ_have_the_slope_between_them(name: str) -> None:
    """The quotient of their differences would be one of roundings."""
    for distance in (1e-16, 1e-12, 1e-6, 1e-3):
        forest = Forest(
            n_features=1,
            n_outputs=1,
            tree_offsets=[0, 3],
            children_left=[1, -1, -1],
            children_right=[2, -1, -1],
            feature=[0, -1, -1],
            threshold=[0.0, 0.0, 0.0],
            default_left=np.zeros(3, dtype=bool),
            cover=np.ones(3),
            values=[0.0, 0.0, distance],
            tree_output=[0],
            base_offset=[0.0],
        )
        rows = np.array([[1.0]]), np.array([[-1.0]]), np.ones(1), np.ones(1)
        values = transformed_values(forest, *rows, transform=name, slope=1.0, offset=0.7)
        p = 1 / (1 + np.exp(-(0.7 + distance / 2)))
        slope = p * (1 - p) if name == "probability" else p - 1
        assert_allclose(values[0, 0, 0], slope * distance, rtol=1e-7)


def test_large_margins_do_not_overflow() -> None:
    forest, X, background = forest_and_rows(11, 4, 3)
    huge = dataclasses.replace(forest, values=forest.values * 1e4)
    for name in ("probability", "log_loss"):
        rows = X, background, np.full(3, 1 / 3), np.ones(4)
        assert np.isfinite(transformed_values(huge, *rows, transform=name, slope=1.0, offset=0.0)).all()


def test_a_prepared_object_and_its_pickle() -> None:
    forest, X, background = forest_and_rows(9, 6, 40)
    prepared = InterventionalTreeShap(forest, background, backend="numba")
    expected = tree_shap(forest, X, background=background, backend="numba").values
    assert_array_equal(prepared.explain(X).values, expected)
    assert_array_equal(pickle.loads(pickle.dumps(prepared)).explain(X).values, expected)
