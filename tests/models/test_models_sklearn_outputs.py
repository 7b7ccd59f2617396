"""Outputs, covers and starting points of scikit-learn's trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn_cases
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
)
from sklearn.tree import DecisionTreeClassifier
from sklearn_cases import KINDS, TASKS, assert_same_prediction, estimator, fitted, rows, target

from fastexplain import UnsupportedModelError, load_model

_one_openmp_thread = sklearn_cases._one_openmp_thread  # a fixture


@pytest.mark.parametrize("kind", KINDS)
def test_two_classes_have_one_margin_only_where_boosted(kind: str) -> None:
    model = load_model(fitted(kind, "binary"))
    boosted = "Boosting" in kind
    assert (model.single_margin, model.forest.n_outputs) == ((True, 1) if boosted else (False, 2))
    assert (model.task, model.n_classes, model.classes) == ("classification", 2, ["lo", "up"])


@pytest.mark.parametrize("kind", KINDS)
def test_each_class_has_an_output(kind: str) -> None:
    model = load_model(fitted(kind, "multiclass"))
    assert (model.n_classes, model.classes, model.forest.n_outputs) == (3, [3, 5, 7], 3)
    assert not model.single_margin


@pytest.mark.parametrize("kind", KINDS)
def test_regression_has_no_classes(kind: str) -> None:
    model = load_model(fitted(kind, "regression"))
    assert (model.task, model.n_classes, model.classes, model.single_margin) == ("regression", None, None, False)


@pytest.mark.parametrize("kind", ["DecisionTree", "RandomForest", "HistGradientBoosting"])
def test_single_class(kind: str) -> None:
    X = rows(False)
    model = load_model(estimator(kind, "binary").fit(X, np.full(len(X), 7)))
    assert (model.n_classes, model.classes, model.single_margin) == (1, [7], False)
    assert_same_prediction(model, X)


def test_cover_is_the_training_weight() -> None:
    model = fitted("RandomForest", "binary", "weighted")
    expected = np.concatenate([e.tree_.weighted_n_node_samples for e in model.estimators_])
    np.testing.assert_array_equal(load_model(model).forest.cover, expected)
    assert not np.array_equal(expected, np.concatenate([e.tree_.n_node_samples for e in model.estimators_]))


def test_hist_cover_is_the_count() -> None:
    model = fitted("HistGradientBoosting", "regression", "weighted")
    expected = np.concatenate([iteration[0].nodes["count"] for iteration in model._predictors])
    np.testing.assert_array_equal(load_model(model).forest.cover, expected)


def test_member_of_a_forest_loads() -> None:
    member = fitted("RandomForest", "multiclass").estimators_[0]
    assert_same_prediction(load_model(member), rows(False, seed=4))


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
def test_boosting_losses(loss: str) -> None:
    X = rows(False)
    model = GradientBoostingRegressor(loss=loss, n_estimators=4).fit(X, target(X, "regression") + 50)
    assert_same_prediction(load_model(model), X)


def test_exponential_loss_halves_the_log_odds() -> None:
    X = rows(False)
    model = GradientBoostingClassifier(loss="exponential", n_estimators=4).fit(X, target(X, "binary"))
    share = np.mean(target(X, "binary") == "up")
    loaded = load_model(model)
    assert loaded.forest.base_offset.item() == pytest.approx(0.5 * np.log(share / (1 - share)))
    assert_same_prediction(loaded, X)


@pytest.mark.parametrize("task", TASKS)
def test_boosting_from_zero(task: str) -> None:
    X = rows(False)
    loaded = load_model(estimator("GradientBoosting", task, init="zero").fit(X, target(X, task)))
    assert not loaded.forest.base_offset.any()
    assert_same_prediction(loaded, X)


@pytest.mark.parametrize("strategy", ["prior", "uniform", "most_frequent"])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_boosting_from_a_constant_classifier(task: str, strategy: str) -> None:
    X = rows(False)
    model = estimator("GradientBoosting", task, init=DummyClassifier(strategy=strategy, random_state=0))
    assert_same_prediction(load_model(model.fit(X, target(X, task))), X)


def test_boosting_from_a_constant() -> None:
    X = rows(False)
    start = DummyRegressor(strategy="constant", constant=3.0)
    loaded = load_model(GradientBoostingRegressor(n_estimators=4, init=start).fit(X, target(X, "regression")))
    assert loaded.forest.base_offset.item() == 3.0
    assert_same_prediction(loaded, X)


@pytest.mark.parametrize(
    "init", [DecisionTreeClassifier(), DummyClassifier(strategy="stratified")], ids=["tree", "draw"]
)
def test_boosting_from_a_prediction_that_varies_is_refused(init: Any) -> None:
    X = rows(False)
    model = GradientBoostingClassifier(n_estimators=2, init=init).fit(X, target(X, "binary"))
    with pytest.raises(UnsupportedModelError, match=r"init=.*not the same for every row"):
        load_model(model)


def test_early_stopped_boosting() -> None:
    X = rows(False)
    model = GradientBoostingRegressor(n_estimators=500, n_iter_no_change=2).fit(X, target(X, "regression"))
    assert load_model(model).forest.n_trees == model.n_estimators_ < 500
    assert_same_prediction(load_model(model), X)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "quantile"])
def test_hist_losses(loss: str) -> None:
    X = rows(True)
    model = HistGradientBoostingRegressor(loss=loss, quantile=0.2, max_iter=4).fit(X, target(X, "regression") + 50)
    np.testing.assert_allclose(load_model(model).raw_predict(X)[:, 0], model.predict(X))
    assert_same_prediction(load_model(model), X)


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_hist_raw_output_is_before_the_link(loss: str) -> None:
    X = rows(True)
    model = HistGradientBoostingRegressor(loss=loss, max_iter=4).fit(X, np.exp(target(X, "regression") / 9))
    np.testing.assert_allclose(np.exp(load_model(model).raw_predict(X)[:, 0]), model.predict(X))
    assert_same_prediction(load_model(model), X)


def test_hist_accepts_infinite_values() -> None:
    X = rows(True)
    X[::5, 0], X[::7, 2] = np.inf, -np.inf
    with np.errstate(invalid="ignore", over="ignore"):  # scikit-learn's own binning
        model = load_model(HistGradientBoostingRegressor(max_iter=4).fit(X, target(rows(True), "regression")))
    assert_same_prediction(model, X)
