"""XGBoost's routing, and its kinds of forest."""

from __future__ import annotations

import json
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

xgboost = pytest.importorskip("xgboost")
import xgboost_cases  # noqa: E402
from xgboost_cases import (  # noqa: E402
    N_ROWS,
    VERSION,
    assert_forest_predicts,
    assert_same_leaves,
    margin,
    numeric_thresholds,
    rows,
    since_3_2,
    target,
    train,
)

from fastexplain.exceptions import UnsupportedModelError  # noqa: E402
from fastexplain.models import load_model  # noqa: E402

_quiet_library = xgboost_cases._quiet_library  # a fixture
plain = xgboost_cases.plain  # a fixture


def test_rows_on_thresholds_and_next_to_them(plain: Any) -> None:
    model = load_model(plain)
    X = np.repeat(rows(7), 4, axis=0).astype(np.float32)
    rng = np.random.default_rng(3)
    for feature in range(X.shape[1]):
        at = rng.choice(numeric_thresholds(model, feature), len(X))
        X[:, feature] = np.nextafter(at, at + rng.choice([-1, 0, 1], len(X)).astype(np.float32))
    assert_same_leaves(model, plain, X)
    assert_forest_predicts(model, X, margin(plain, X))


def test_float64_rows_that_only_round_to_a_threshold(plain: Any) -> None:
    model = load_model(plain)
    rng = np.random.default_rng(4)
    X = np.empty((400, 4))
    for feature in range(4):
        at = rng.choice(numeric_thresholds(model, feature), len(X))
        quarter = (np.nextafter(at, np.float32(np.inf)).astype(np.float64) - at) / 4
        X[:, feature] = at + rng.choice([-1, 1], len(X)) * quarter
    assert (X.astype(np.float32) != X).all()
    assert_same_leaves(model, plain, X)


def test_split_at_zero() -> None:
    X = np.repeat([[-1.0], [0.0], [-0.0], [1.0]], 10, axis=0)
    booster = train(X[:, 0], 2, X=X, tree_method="exact", min_child_weight=0)
    X = np.array([[-1e-45], [0.0], [-0.0], [1e-45], [-1.0], [1.0], [-1e-60], [1e-60]])
    assert_same_leaves(load_model(booster), booster, X)


def test_nan_takes_the_default_branch() -> None:
    X = rows()
    X[np.random.default_rng(2).random(X.shape) < 0.3] = np.nan
    booster = train(np.where(np.isnan(X[:, 0]), 3.0, np.nan_to_num(X[:, 1])), X=X)
    model = load_model(booster)
    inner = model.forest.children_left >= 0
    assert 0 < model.forest.default_left[inner].mean() < 1
    assert_same_leaves(model, booster, X)
    assert_same_leaves(model, booster, np.full((1, 4), np.nan))


@pytest.mark.parametrize("missing", [-999.0, 0.1, -1.0, np.inf, -np.inf, np.nan])
def test_missing_of_the_scikit_learn_class(missing: float) -> None:
    X = rows()
    hole = np.random.default_rng(2).random(X.shape) < 0.3
    X[hole] = missing
    X[0, 0] = np.nan
    y = np.where(hole[:, 0], 3.0, np.where(hole[:, 1], 0, X[:, 1]))
    fitted = xgboost.XGBRegressor(n_estimators=6, max_depth=4, missing=missing, n_jobs=1).fit(X, y)
    model = load_model(fitted)
    theirs = fitted.predict(X, output_margin=True)[:, None]
    assert_forest_predicts(model, X, theirs)
    assert np.abs(model.forest.predict(np.where(hole, 5.0, X)) - theirs).max() > 0.5  # the holes do matter


def test_booster_of_a_model_with_missing_knows_nan_only() -> None:
    X = rows()
    X[np.random.default_rng(2).random(X.shape) < 0.3] = -999.0
    fitted = xgboost.XGBRegressor(n_estimators=4, missing=-999.0, n_jobs=1).fit(X, target(X))
    booster = fitted.get_booster()
    assert_same_leaves(load_model(booster), booster, X)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_infinite_and_too_large_values_are_refused(plain: Any, value: float) -> None:
    X = rows()[:3]
    X[1, 2] = value
    with pytest.raises(ValueError, match="row 1, column 2"):
        load_model(plain).prepare(X)
    with pytest.raises(xgboost.core.XGBoostError):  # which is what the library does
        xgboost.DMatrix(X)


def test_float_arrays_pass_through_without_a_copy(plain: Any) -> None:
    for dtype in (np.float32, np.float64):
        X = rows().astype(dtype)
        assert load_model(plain).prepare(X) is X


@pytest.mark.filterwarnings("ignore::FutureWarning")  # 3.4 announces the end of the class
def test_random_forest_class() -> None:
    X = rows()
    fitted = xgboost.XGBRFRegressor(n_estimators=10, max_depth=4, n_jobs=1, random_state=0).fit(X, target(X))
    model = load_model(fitted)
    assert model.forest.n_trees == 10
    assert_forest_predicts(model, X, fitted.predict(X)[:, None])


def test_parallel_trees_with_several_classes() -> None:
    booster = train(
        np.digitize(target(rows()), [-0.5, 0.8]),
        3,
        objective="multi:softprob",
        num_class=3,
        num_parallel_tree=4,
        subsample=0.6,
    )
    model = load_model(booster)
    assert model.forest.n_trees == 36
    assert_same_leaves(model, booster, rows(5))
    assert_forest_predicts(model, rows(5), margin(booster, rows(5)))


@pytest.mark.parametrize("n_classes", [1, 3])
def test_dart(n_classes: int) -> None:
    params: dict[str, Any] = {"booster": "dart", "rate_drop": 0.6, "seed": 3}
    if n_classes > 1:
        params |= {"objective": "multi:softprob", "num_class": 3}
    y = target(rows()) if n_classes == 1 else np.digitize(target(rows()), [-0.5, 0.8])
    booster = train(y, 12, **params)
    model = load_model(booster)
    leaves = booster.predict(xgboost.DMatrix(rows(5)), pred_leaf=True).reshape(N_ROWS, -1).astype(int)
    assert leaves.shape[1] == model.forest.n_trees
    assert_forest_predicts(model, rows(5), margin(booster, rows(5)))


def dart_weights(booster: Any) -> np.ndarray:
    """The weights by both of the places where XGBoost has kept them."""
    ensemble = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]
    return np.asarray(ensemble.get("weight_drop") or ensemble["model"]["weight_drop"])


def test_dart_trees_carry_their_weights() -> None:
    booster = train(n_rounds=12, booster="dart", rate_drop=0.6, seed=3)
    assert dart_weights(booster).min() < 0.9  # otherwise test_dart says nothing


def early_stopped() -> Any:
    X, X_valid = rows(0), rows(11)
    noisy = np.random.default_rng(8).normal(size=N_ROWS)
    model = xgboost.XGBRegressor(n_estimators=60, max_depth=6, learning_rate=0.8, early_stopping_rounds=10, n_jobs=1)
    return model.fit(X, target(X) + noisy, eval_set=[(X_valid, target(X_valid))], verbose=False)


def test_early_stopping_counts_for_the_class_and_not_for_its_booster() -> None:
    fitted = early_stopped()
    booster = fitted.get_booster()
    of_class, of_booster = load_model(fitted), load_model(booster)
    assert of_class.forest.n_trees == fitted.best_iteration + 1 < of_booster.forest.n_trees
    assert_forest_predicts(of_class, rows(5), fitted.predict(rows(5), output_margin=True)[:, None])
    assert_forest_predicts(of_booster, rows(5), margin(booster, rows(5)))


def test_early_stopping_with_parallel_trees_and_classes() -> None:
    X, X_valid = rows(0), rows(11)
    y = np.digitize(target(X, 5) + np.random.default_rng(8).normal(size=N_ROWS), [-0.5, 0.8])
    fitted = xgboost.XGBClassifier(
        n_estimators=40, num_parallel_tree=2, learning_rate=0.8, early_stopping_rounds=5, n_jobs=1, subsample=0.7
    ).fit(X, y, eval_set=[(X_valid, np.digitize(target(X_valid), [-0.5, 0.8]))], verbose=False)
    model = load_model(fitted)
    assert model.forest.n_trees == 6 * (fitted.best_iteration + 1) < len(fitted.get_booster().get_dump())
    assert_forest_predicts(model, rows(5), fitted.predict(rows(5), output_margin=True))


def test_pruned_nodes() -> None:
    booster = train(target(rows()) + rows(9)[:, 0], 3, tree_method="exact", gamma=2.0, max_depth=6)
    trees = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]["trees"]
    assert int(trees[0]["tree_param"]["num_deleted"]) > 0
    assert_same_leaves(load_model(booster), booster, rows(5))
    assert_forest_predicts(load_model(booster), rows(5), margin(booster, rows(5)))


def test_single_leaf_trees_and_no_trees() -> None:
    for n_rounds, depth in [(3, 0), (0, 3)]:
        booster = train(n_rounds=n_rounds, max_depth=depth, min_child_weight=1e9, base_score=2.0)
        model = load_model(booster)
        assert model.forest.n_trees == n_rounds
        assert_forest_predicts(model, rows(5), margin(booster, rows(5)))


def test_refreshed_on_other_rows_leaves_zero_covers() -> None:
    booster = train(n_rounds=3, max_depth=6)
    few = xgboost.DMatrix(rows(6)[:5], target(rows(6)[:5]))
    params = {"process_type": "update", "updater": "refresh", "refresh_leaf": True, "nthread": 1}
    refreshed = xgboost.train(params, few, 3, xgb_model=booster)
    model = load_model(refreshed)
    assert (model.forest.cover == 0).any()
    assert_forest_predicts(model, rows(5), margin(refreshed, rows(5)))


def test_several_targets_with_one_tree_each() -> None:
    X = rows()
    fitted = xgboost.XGBRegressor(n_estimators=5, max_depth=4, n_jobs=1).fit(X, np.c_[target(X), X[:, 1] * 50, X[:, 2]])
    model = load_model(fitted)
    assert (model.task, model.forest.n_outputs) == ("regression", 3)
    assert_forest_predicts(model, rows(5), fitted.predict(rows(5)))


def vector_leaves(**params: Any) -> Any:
    X = rows()
    Y = np.c_[target(X), X[:, 1] * 50, X[:, 2]]
    return train(Y, 5, multi_strategy="multi_output_tree", tree_method="hist", **params)


@since_3_2
def test_vector_leaves() -> None:
    booster = vector_leaves()
    model = load_model(booster)
    assert model.forest.n_leaf_outputs == 3
    assert_same_leaves(model, booster, rows(5))
    assert_forest_predicts(model, rows(5), margin(booster, rows(5)))


@pytest.mark.skipif(VERSION >= (3, 2), reason="vector leaves have covers from 3.2 on")
def test_vector_leaves_without_covers_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="multi_output_tree"):
        load_model(vector_leaves())


@pytest.mark.parametrize("wrap", [False, True])
def test_linear_booster_is_refused(wrap: bool) -> None:
    X = rows()
    fitted = xgboost.XGBRegressor(booster="gblinear", n_estimators=2, n_jobs=1).fit(X, target(X))
    with pytest.raises(UnsupportedModelError, match="gblinear"):
        load_model(fitted if wrap else fitted.get_booster())


@pytest.mark.parametrize("extension", ["json", "ubj"])
def test_booster_from_a_file(plain: Any, extension: str, tmp_path: Any) -> None:
    path = tmp_path / f"model.{extension}"
    plain.save_model(path)
    loaded = xgboost.Booster(model_file=path)
    assert_forest_predicts(load_model(loaded), rows(5), margin(plain, rows(5)))


def test_covers_are_the_sums_of_hessians(plain: Any) -> None:
    trees = json.loads(bytes(plain.save_raw("json")))["learner"]["gradient_booster"]["model"]["trees"]
    expected = np.concatenate([np.float32(tree["sum_hessian"]) for tree in trees])
    np.testing.assert_array_equal(load_model(plain).forest.cover, expected)


def test_loading_and_predicting_print_nothing(plain: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings(), xgboost.config_context(verbosity=1):
        warnings.simplefilter("error")
        model = load_model(plain)
        model.raw_predict(rows())
        model.raw_predict_prepared(rows())
    assert capfd.readouterr() == ("", "")


def test_loaded_model_pickles(plain: Any) -> None:
    again = pickle.loads(pickle.dumps(load_model(plain)))
    assert_forest_predicts(again, rows(5), margin(plain, rows(5)))
