"""LightGBM's kinds of model, and its scikit-learn classes."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastexplain import load_model

lgb = pytest.importorskip("lightgbm")
pd = pytest.importorskip("pandas")
from lightgbm_cases import CLASS_BOUNDS, KINDS, QUICK, ROUNDING, assert_predicts_like_lightgbm, rows, target, train  # noqa: E402


@pytest.mark.parametrize("kind", KINDS)
def test_regression_kinds_predict_like_lightgbm(kind: str) -> None:
    loaded = assert_predicts_like_lightgbm(train(rows(), target(rows()), **KINDS[kind]))
    assert (loaded.task, loaded.n_classes, loaded.single_margin) == ("regression", None, False)


@pytest.mark.parametrize("objective", ["poisson", "gamma", "tweedie", "mape", "cross_entropy", "cross_entropy_lambda"])
def test_objectives_with_a_link_give_margins(objective: str) -> None:
    y = 1 / (1 + np.exp(-target(rows())))
    loaded = assert_predicts_like_lightgbm(train(rows(), y, objective=objective))
    assert loaded.task == "regression"


@pytest.mark.parametrize("objective", ["lambdarank", "rank_xendcg"])
def test_rankers_are_regressions(objective: str) -> None:
    y = np.digitize(target(rows()), CLASS_BOUNDS)
    loaded = assert_predicts_like_lightgbm(train(rows(), y, objective=objective, group=[100] * 4))
    assert (loaded.task, loaded.forest.n_outputs) == ("regression", 1)


def test_binary_booster_has_one_margin() -> None:
    loaded = assert_predicts_like_lightgbm(train(rows(), (target(rows()) > 0) * 1, objective="binary"))
    assert (loaded.task, loaded.n_classes, loaded.single_margin, loaded.classes) == ("classification", 2, True, None)


@pytest.mark.parametrize("boosting", ["gbdt", "rf", "dart"])
@pytest.mark.parametrize("objective", ["multiclass", "multiclassova"])
def test_multiclass_boosters_predict_like_lightgbm(objective: str, boosting: str) -> None:
    y = np.digitize(target(rows()), CLASS_BOUNDS)
    params = {"bagging_fraction": 0.5, "bagging_freq": 1, "boosting": boosting}
    loaded = assert_predicts_like_lightgbm(train(rows(), y, objective=objective, num_class=3, **params))
    assert (loaded.task, loaded.n_classes, loaded.single_margin) == ("classification", 3, False)
    assert loaded.forest.n_outputs == 3


def test_class_without_rows_gets_single_leaf_trees() -> None:
    y = np.digitize(target(rows()), CLASS_BOUNDS)
    loaded = assert_predicts_like_lightgbm(train(rows(), y, objective="multiclass", num_class=4))
    assert (np.diff(loaded.forest.tree_offsets)[3::4] == 1).all()


def test_constant_target_is_one_leaf() -> None:
    loaded = assert_predicts_like_lightgbm(train(rows(), np.full(400, 7.5)))
    assert loaded.forest.n_nodes == 1


def test_model_without_trees_predicts_zero() -> None:
    booster = lgb.Booster(
        {"objective": "multiclass", "num_class": 3, "verbose": -1}, lgb.Dataset(rows(), np.zeros(400))
    )
    loaded = assert_predicts_like_lightgbm(booster, rows())
    assert (loaded.forest.n_trees, loaded.forest.n_outputs) == (0, 3)


def test_custom_objective_loads_as_regression() -> None:
    def squares(prediction: Any, data: Any) -> tuple[Any, Any]:
        return prediction - data.get_label(), np.ones_like(prediction)

    loaded = assert_predicts_like_lightgbm(train(rows(), target(rows()), objective=squares))
    assert loaded.task == "regression"


def test_custom_objective_of_several_classes_is_a_classification() -> None:
    def squares(prediction: Any, data: Any) -> tuple[Any, Any]:
        one_hot = np.eye(3)[data.get_label().astype(int)]
        return prediction - one_hot, np.ones_like(prediction)

    y = np.digitize(target(rows()), CLASS_BOUNDS)
    loaded = assert_predicts_like_lightgbm(train(rows(), y, objective=squares, num_class=3))
    assert (loaded.task, loaded.n_classes, loaded.forest.n_outputs) == ("classification", 3, 3)


def test_one_leaf_without_count_loads() -> None:
    text = train(rows(), np.full(400, 7.5)).model_to_string()
    lines = [line for line in text.split("\n") if not line.startswith(("tree_sizes=", "leaf_count="))]
    assert_predicts_like_lightgbm(lgb.Booster(model_str="\n".join(lines)))


def test_rf_margin_is_what_predict_returns() -> None:
    booster = train(rows(), target(rows()), 4, **KINDS["rf"])
    loaded = load_model(booster)
    np.testing.assert_allclose(loaded.forest.predict(rows())[:, 0], booster.predict(rows()), rtol=ROUNDING)
    np.testing.assert_allclose(loaded.raw_predict(rows())[:, 0], booster.predict(rows()), rtol=ROUNDING)


def test_rf_margin_is_the_logit_of_the_probability() -> None:
    booster = train(rows(), (target(rows()) > 0) * 1, 4, objective="binary", **KINDS["rf"])
    probability = 1 / (1 + np.exp(-load_model(booster).forest.predict(rows())[:, 0]))
    np.testing.assert_allclose(probability, booster.predict(rows()), rtol=ROUNDING)


def test_trees_count_to_the_best_iteration() -> None:
    booster = train(rows(), target(rows()), 6, keep_booster=True)
    assert load_model(booster).forest.n_trees == 6
    booster.best_iteration = 4
    assert assert_predicts_like_lightgbm(booster).forest.n_trees == 4


@pytest.mark.filterwarnings("ignore:The argument 'eval_set'")  # its successor does not exist in older versions
def test_early_stopped_classifier_predicts_like_lightgbm() -> None:
    y = np.digitize(target(rows()), CLASS_BOUNDS)
    model = lgb.LGBMClassifier(**{**QUICK, "n_estimators": 60, "learning_rate": 0.8})
    stop = lgb.early_stopping(3, verbose=False)
    model.fit(rows(), y, eval_set=[(rows(1), np.digitize(target(rows(1)), CLASS_BOUNDS))], callbacks=[stop])
    assert 0 < model.best_iteration_ < 60
    assert assert_predicts_like_lightgbm(model).forest.n_trees == 3 * model.best_iteration_


def test_cover_counts_rows_whatever_their_weights() -> None:
    booster = train(rows(), target(rows()), weight=np.random.default_rng(0).random(400))
    forest = assert_predicts_like_lightgbm(booster).forest
    assert (forest.cover[forest.tree_offsets[:-1]] == 400).all()
    for root, end in zip(forest.tree_offsets[:-1], forest.tree_offsets[1:], strict=True):
        inner = np.arange(root, end)[forest.children_left[root:end] >= 0]
        both = forest.cover[root + forest.children_left[inner]] + forest.cover[root + forest.children_right[inner]]
        np.testing.assert_array_equal(both, forest.cover[inner])


def test_booster_from_a_file_equals_the_one_saved(tmp_path: Path) -> None:
    booster = train(rows(), target(rows()), categorical_feature=[3])
    booster.save_model(tmp_path / "model.txt")
    again = assert_predicts_like_lightgbm(lgb.Booster(model_file=tmp_path / "model.txt")).forest
    np.testing.assert_array_equal(again.values, load_model(booster).forest.values)


def test_refitted_booster_predicts_like_lightgbm() -> None:
    booster = train(rows(), target(rows()))
    assert_predicts_like_lightgbm(booster.refit(rows(5), target(rows(5))))


def test_binary_classifier_keeps_its_labels() -> None:
    y = np.where(target(rows()) > 0, "yes", "no")
    loaded = assert_predicts_like_lightgbm(lgb.LGBMClassifier(**QUICK).fit(rows(), y))
    assert (loaded.task, loaded.classes, loaded.n_classes, loaded.single_margin) == (
        "classification",
        ["no", "yes"],
        2,
        True,
    )


def test_multiclass_classifier_keeps_its_labels() -> None:
    y = np.array([10, 20, 30])[np.digitize(target(rows()), CLASS_BOUNDS)]
    loaded = assert_predicts_like_lightgbm(lgb.LGBMClassifier(**QUICK).fit(rows(), y))
    assert (loaded.classes, loaded.forest.n_outputs, loaded.single_margin) == ([10, 20, 30], 3, False)


def test_classifier_of_one_class_has_one_margin() -> None:
    loaded = assert_predicts_like_lightgbm(lgb.LGBMClassifier(**QUICK).fit(rows(), np.ones(400)))
    assert (loaded.n_classes, loaded.classes, loaded.single_margin) == (2, None, True)


def test_classifier_with_custom_objective_is_a_classifier() -> None:
    def logistic(y: Any, margin: Any) -> tuple[Any, Any]:
        p = 1 / (1 + np.exp(-margin))
        return p - y, p * (1 - p)

    model = lgb.LGBMClassifier(objective=logistic, **QUICK).fit(rows(), (target(rows()) > 0) * 1)
    loaded = load_model(model)
    np.testing.assert_allclose(
        loaded.forest.predict(rows())[:, 0], model.booster_.predict(rows(), raw_score=True), rtol=ROUNDING
    )
    assert (loaded.task, loaded.single_margin) == ("classification", True)


def test_ranker_class_loads() -> None:
    y = np.digitize(target(rows()), CLASS_BOUNDS)
    loaded = assert_predicts_like_lightgbm(lgb.LGBMRanker(**QUICK).fit(rows(), y, group=[100] * 4))
    assert loaded.task == "regression"


def test_base_class_takes_its_task_from_the_objective() -> None:
    model = lgb.LGBMModel(objective="binary", **QUICK).fit(rows(), (target(rows()) > 0) * 1)
    assert assert_predicts_like_lightgbm(model).task == "classification"


def test_subclass_of_a_user_loads() -> None:
    class Mine(lgb.LGBMRegressor):
        pass

    assert_predicts_like_lightgbm(Mine(**QUICK).fit(rows(), target(rows())))


def test_unpickled_model_loads() -> None:
    model = lgb.LGBMClassifier(**QUICK).fit(rows(), (target(rows()) > 0) * 1)
    assert_predicts_like_lightgbm(pickle.loads(pickle.dumps(model)))


def test_loaded_model_pickles() -> None:
    loaded = load_model(train(rows(), target(rows()), categorical_feature=[3]))
    again = pickle.loads(pickle.dumps(loaded))
    np.testing.assert_array_equal(again.raw_predict(rows()), loaded.raw_predict(rows()))
    np.testing.assert_array_equal(again.forest.predict(rows()), loaded.forest.predict(rows()))
