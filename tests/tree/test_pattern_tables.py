"""Tree SHAP by tables: equal to the definition, to the quadrature kernel, and to itself however it is called."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import naive_tree_shap
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from strategies import forests, random_forest, rows_for

import fastexplain
from fastexplain import tree_shap
from fastexplain.engine.backends import core
from fastexplain.models import Forest

pytestmark = pytest.mark.skipif(core() is None, reason="this install has no compiled core")

# As in test_tree_shap.py.
RTOL, ATOL = 1e-9, 1e-9
# Limits of the states of a table: none, a few leaves by tables, all that fit.
LIMITS = (0, 2, 8, 256)


def explained(forest: Forest, X: NDArray[Any], max_states: int, *, float32: bool = False, n_threads: int = 1) -> Any:
    values = np.full((len(X), forest.n_features, forest.n_outputs), np.nan)
    compiled = core().TreeShap(forest, float32_lanes=float32, n_threads=n_threads, max_states=max_states)
    compiled.explain(np.asarray(X), values, max_points=1000, n_threads=n_threads)
    return values


@settings(max_examples=150)
@given(st.data(), forests(), st.sampled_from(LIMITS))
def test_every_limit_of_states_equals_naive(data: st.DataObject, forest: Forest, max_states: int) -> None:
    X = data.draw(rows_for(forest))
    assert_allclose(explained(forest, X, max_states), naive_tree_shap(forest, X)[0], rtol=RTOL, atol=ATOL)


def models() -> list[tuple[str, Any, NDArray[Any]]]:
    """A model of each library, on rows with missing values, categories (few and many) and ties."""
    import lightgbm
    from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier

    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 12))
    X[:, 0], X[:, 1] = rng.integers(0, 5, 1500), rng.integers(0, 120, 1500)
    X[:, 3] = np.round(3 * X[:, 3])
    y = 2 * X[:, 4] + X[:, 3] + X[:, 1] % 7 + 3 * (X[:, 0] == 2) + rng.normal(size=1500)
    grades = np.digitize(y, [0, 4])
    holes = np.where(rng.random(X.shape) < 0.05, np.nan, X)
    quiet = {"verbose": -1, "n_jobs": 1}
    lightgbm_regressor = lightgbm.LGBMRegressor(n_estimators=20, cat_smooth=1, min_data_per_group=5, **quiet)
    return [
        ("lightgbm, categories", lightgbm_regressor.fit(holes, y + 1000, categorical_feature=[0, 1]), holes),
        ("lightgbm, classes", lightgbm.LGBMClassifier(n_estimators=10, **quiet).fit(holes, grades), holes),
        ("histogram boosting", HistGradientBoostingClassifier(max_iter=8, max_depth=4).fit(holes, grades), holes),
        ("forest", RandomForestClassifier(10, max_depth=5, random_state=0).fit(X, grades), X),
        ("exact splits", GradientBoostingRegressor(n_estimators=20, random_state=0).fit(X, y), X),
    ]


def test_tables_equal_the_quadrature_kernel_for_every_library() -> None:
    for name, model, X in models():
        loaded = fastexplain.load_model(model)
        rows = loaded.prepare(X)
        expected = explained(loaded.forest, rows, 0)
        scale = np.abs(expected).max()
        for max_states in LIMITS[1:]:
            for float32, tolerance in ((False, 1e-13), (True, 1e-5)):
                values = explained(loaded.forest, rows, max_states, float32=float32)
                error = np.abs(values - expected).max() / scale
                assert error < tolerance, (name, max_states, float32, error)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_alone_and_any_number_of_threads_have_the_same_bits(dtype: str) -> None:
    for name, model, X in models():
        loaded = fastexplain.load_model(model)
        values = tree_shap(loaded, X, dtype=dtype, n_threads=1).values
        for n_threads in (2, 3, 8):
            assert_array_equal(tree_shap(loaded, X, dtype=dtype, n_threads=n_threads).values, values, err_msg=name)
        for n_rows in (1, 2, 3, 63, 64, 65, 255, 257):
            for n_threads in (1, 3):
                part = tree_shap(loaded, X[7 : 7 + n_rows], dtype=dtype, n_threads=n_threads).values
                assert_array_equal(part, values[7 : 7 + n_rows], err_msg=f"{name}, {n_rows} rows")


def test_the_memory_of_tables_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    forest = random_forest(np.random.default_rng(0), n_trees=40, n_features=6, max_depth=4)
    X = np.random.default_rng(1).normal(size=(200, 6))
    expected, _ = tree_shap(forest, X)
    with_tables = forest._compiled["native", "d"].memory
    monkeypatch.setenv("FASTEXPLAIN_TABLE_MB", "0")
    bare = pickle.loads(pickle.dumps(forest))  # a pickle holds nothing that is compiled
    assert_allclose(tree_shap(bare, X).values, expected, rtol=RTOL, atol=ATOL)
    assert bare._compiled["native", "d"].memory < with_tables


@pytest.mark.parametrize("text", ["-1", "many", "1.5", "1e3"])
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("FASTEXPLAIN_TABLE_MB", text)
    forest = random_forest(np.random.default_rng(0), n_trees=1, n_features=3)
    with pytest.raises(ValueError, match=f"FASTEXPLAIN_TABLE_MB must be a whole number .*; got '{text}'"):
        tree_shap(forest, np.zeros((1, 3)))


def test_large_calls_fill_tables_that_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.ensemble import GradientBoostingRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 8))
    y = X[:, 0] * X[:, 1] + np.sin(X[:, 2]) + X[:, 3:].sum(axis=1)
    model = GradientBoostingRegressor(n_estimators=150, max_depth=4, random_state=0).fit(X[:500], y[:500])
    monkeypatch.setenv("FASTEXPLAIN_TABLE_MB", "1")
    loaded = fastexplain.load_model(model)
    many = tree_shap(loaded, X, n_threads=1, show_progress=False).values
    compiled = loaded.forest._compiled["native", "d"]
    assert compiled.turn(len(X)) > len(X)
    assert compiled.turn(100) == 0
    few = tree_shap(loaded, X[:100], show_progress=False).values
    assert (few != many[:100]).any()  # other tables, other rounding
    assert_allclose(few, many[:100], rtol=0, atol=1e-13 * np.abs(many).max())
    for n_threads in (2, 3, 8):
        assert_array_equal(tree_shap(loaded, X, n_threads=n_threads, show_progress=True).values, many)
