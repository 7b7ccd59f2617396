"""scikit-learn's trees predict the same, on their thresholds too."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn_cases
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
)
from sklearn.tree import DecisionTreeRegressor
from sklearn_cases import (
    ACCEPTS_MISSING,
    KINDS,
    TASKS,
    VARIANTS,
    assert_same_prediction,
    estimator,
    fitted,
    rows,
    rows_on_thresholds,
    target,
)

from fastexplain import load_model

_one_openmp_thread = sklearn_cases._one_openmp_thread  # a fixture


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_predicts_as_the_library(kind: str, task: str, variant: str) -> None:
    assert_same_prediction(load_model(fitted(kind, task, variant)), rows(False, seed=4))


@pytest.mark.parametrize("variant", ["plain", "stump", "weighted"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", ACCEPTS_MISSING)
def test_missing_values_go_the_library_way(kind: str, task: str, variant: str) -> None:
    assert_same_prediction(load_model(fitted(kind, task, variant, missing=True)), rows(True, seed=4))


@pytest.mark.parametrize("kind", ACCEPTS_MISSING)
def test_missing_value_in_a_column_without_any_in_training(kind: str) -> None:
    # scikit-learn accepts them, and sends them to the child that more training rows reached.
    assert_same_prediction(load_model(fitted(kind, "regression")), rows(True, seed=4))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_on_thresholds_go_the_library_way(kind: str, missing: bool, dtype: type) -> None:
    model = fitted(kind, "regression", missing=missing and kind in ACCEPTS_MISSING)
    assert_same_prediction(load_model(model), rows_on_thresholds(model).astype(dtype))


@pytest.mark.parametrize("kind", ["DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees"])
def test_several_regression_targets_are_several_outputs(kind: str) -> None:
    X = rows(False)
    y = np.column_stack([target(X, "regression"), X[:, 0], X[:, 2] ** 2])
    model = load_model(estimator(kind, "regression").fit(X, y))
    assert model.forest.n_outputs == 3
    assert_same_prediction(model, rows(False, seed=4))


def test_leaf_variant_has_single_leaf_trees() -> None:
    for kind in KINDS:
        forest = load_model(fitted(kind, "regression", "leaf")).forest
        assert forest.n_nodes == forest.n_trees, kind


def test_threshold_is_the_largest_float32_that_does_not_exceed_it() -> None:
    # Midpoint of two neighbouring float32 values; rounding to nearest (ties to even) would give the upper one.
    lower = np.float32(1024.0) + np.float32(2.0**-13)
    upper = np.nextafter(lower, np.float32(2048.0))
    X = np.array([[lower], [upper]], dtype=np.float32)
    model = load_model(DecisionTreeRegressor().fit(X, [0.0, 1.0]))
    assert np.float32(model.model.tree_.threshold[0]) == upper
    assert model.forest.threshold[0] == lower
    assert model.forest.predict(X).ravel().tolist() == [0.0, 1.0]


def test_float64_row_is_rounded_before_the_comparison() -> None:
    X = np.array([[0.0], [1.0]])
    row = np.array([[0.5 + 1e-9]])  # above the threshold 0.5, but not as float32
    tree = load_model(DecisionTreeRegressor().fit(X, [0.0, 1.0]))
    assert tree.forest.predict(tree.prepare(row)).item() == tree.raw_predict(row).item() == 0.0


def test_hist_compares_in_float64() -> None:
    X = np.array([[0.0], [1.0]] * 20)
    model = load_model(HistGradientBoostingRegressor(max_iter=1, learning_rate=1.0).fit(X, X[:, 0]))
    near = np.array([[0.5], [0.5 + 1e-9]])
    assert np.diff(model.forest.predict(model.prepare(near)).ravel()).item() == pytest.approx(1.0)
    assert_same_prediction(model, near)


def test_split_on_missing_alone() -> None:
    X = np.array([[1.0], [2.0], [3.0], [np.nan]] * 5)
    model = load_model(DecisionTreeRegressor().fit(X, np.isnan(X[:, 0]) * 1.0))
    assert np.isinf(model.model.tree_.threshold[0])
    assert_same_prediction(model, X)


def test_features_near_the_float32_limit_load() -> None:
    X = np.array([[3.4e38], [-3.4e38], [3.3e38], [0.0]] * 3, dtype=np.float32)
    assert_same_prediction(load_model(DecisionTreeRegressor().fit(X, np.arange(12) % 4)), X)
