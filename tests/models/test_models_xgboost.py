"""The XGBoost loader against the library's own margins and leaf numbers, in every format from 2.0 to 3.4."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

xgboost = pytest.importorskip("xgboost")

from fastexplain.exceptions import UnsupportedModelError  # noqa: E402
from fastexplain.models import load_model  # noqa: E402
from fastexplain.models.trees import ubjson as _ubjson  # noqa: E402
from fastexplain.models.trees.xgboost import XGBoostModel, _base_offset  # noqa: E402

# XGBoost adds float32 leaves in float32; a model here has at most 60 trees with leaves of about the margin's size.
FLOAT32_SUM = 4e-6
# pred_contribs works in float32 throughout; XGBoost 3.3 and newer by a quadrature with float32 weights.
FLOAT32_SHAP = 2e-5

VERSION = tuple(int(part) for part in xgboost.__version__.split(".")[:2])
since_3_1 = pytest.mark.skipif(VERSION < (3, 1), reason="base scores per output and category labels came with 3.1")
since_3_2 = pytest.mark.skipif(VERSION < (3, 2), reason="vector leaves have covers from 3.2 on")
since_3_4 = pytest.mark.skipif(VERSION < (3, 4), reason="reg:expectileerror came with 3.4")

N_ROWS = 160


@pytest.fixture(autouse=True)
def _quiet_library() -> Iterator[None]:
    """XGBoost's own deprecation notes in training; the loader's silence is tested apart."""
    with xgboost.config_context(verbosity=0):
        yield


def rows(seed: int = 0, n: int = N_ROWS, n_features: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, n_features)).astype(np.float32).astype(np.float64)


def target(X: np.ndarray, seed: int = 1) -> np.ndarray:
    return X[:, 0] + np.sin(2 * X[:, 1]) * X[:, 2] + 0.1 * np.random.default_rng(seed).normal(size=len(X))


def train(y: np.ndarray | None = None, n_rounds: int = 8, X: np.ndarray | None = None, **params: Any) -> Any:
    X = rows() if X is None else X
    y = target(X) if y is None else y
    return xgboost.train({"max_depth": 4, "nthread": 1, **params}, xgboost.DMatrix(X, y), n_rounds)


def margin(booster: Any, X: Any, **kwargs: Any) -> np.ndarray:
    raw = booster.predict(xgboost.DMatrix(X, enable_categorical=True, **kwargs), output_margin=True)
    return raw.reshape(len(X), -1)


def assert_same_margins(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=FLOAT32_SUM * max(1.0, np.abs(theirs).max(initial=0.0)))


def assert_forest_predicts(model: XGBoostModel, X: Any, theirs: np.ndarray) -> None:
    assert_same_margins(model.forest.predict(model.prepare(X)), theirs)
    assert_same_margins(model.raw_predict(X), theirs)
    assert_same_margins(model.raw_predict_prepared(model.prepare(X)), theirs)


def assert_same_leaves(model: XGBoostModel, booster: Any, X: Any, **kwargs: Any) -> None:
    data = xgboost.DMatrix(X, enable_categorical=True, **kwargs)
    theirs = booster.predict(data, pred_leaf=True).reshape(len(X), -1).astype(int)
    ours = model.forest.leaf_indices(model.prepare(X)) - model.forest.tree_offsets[:-1, None]
    np.testing.assert_array_equal(ours.T, theirs)


def numeric_thresholds(model: XGBoostModel, feature: int) -> np.ndarray:
    """XGBoost's own split conditions of a feature (the forest keeps the float32 below each)."""
    nodes = model.forest.feature == feature
    return np.nextafter(model.forest.threshold[nodes].astype(np.float32), np.float32(np.inf))


# ------------------------------------------------------------------------------------------------- base score, link


def labels_for(objective: str, X: np.ndarray) -> np.ndarray:
    y = target(X)
    if objective.startswith(("binary:", "reg:logistic", "rank:map")):
        return (y > 0.5).astype(float)
    if objective.startswith(("multi:", "rank:")):
        return np.digitize(y, [-0.5, 0.8]).astype(float)
    if objective == "survival:cox":
        return np.exp(y) * np.where(X[:, 3] > 0, 1, -1)
    return np.exp(0.5 * y)


def train_objective(objective: str, **params: Any) -> Any:
    X = rows()
    y = labels_for(objective, X)
    if objective == "survival:aft":
        data = xgboost.DMatrix(X, label_lower_bound=y, label_upper_bound=y * 2)
    else:
        data = xgboost.DMatrix(X, y)
    if objective.startswith("rank:"):
        data.set_group([40] * (N_ROWS // 40))
    if objective.startswith("multi:"):
        params["num_class"] = 3
    if objective == "reg:quantileerror":
        params.setdefault("quantile_alpha", 0.7)
    if objective == "reg:expectileerror":
        params.setdefault("expectile_alpha", 0.7)
    return xgboost.train({"objective": objective, "max_depth": 3, "nthread": 1, **params}, data, 4)


OBJECTIVES = [
    "binary:hinge",
    "binary:logistic",
    "binary:logitraw",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "rank:map",
    "rank:ndcg",
    "rank:pairwise",
    "reg:absoluteerror",
    pytest.param("reg:expectileerror", marks=since_3_4),
    "reg:gamma",
    "reg:logistic",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:tweedie",
    "survival:aft",
    "survival:cox",
]


@pytest.mark.parametrize("base_score", [None, 0.3, 0.9])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_margin_of_every_objective(objective: str, base_score: float | None) -> None:
    booster = train_objective(objective, **({} if base_score is None else {"base_score": base_score}))
    assert_forest_predicts(load_model(booster), rows(5), margin(booster, rows(5)))


@since_3_1
@pytest.mark.parametrize(
    ("objective", "params"),
    [
        ("multi:softprob", {}),
        ("reg:quantileerror", {"quantile_alpha": [0.1, 0.5, 0.9]}),
        pytest.param("reg:expectileerror", {"expectile_alpha": [0.1, 0.5, 0.9]}, marks=since_3_4),
    ],
)
def test_base_score_per_output(objective: str, params: dict[str, Any]) -> None:
    booster = train_objective(objective, base_score=[0.2, 0.3, 0.9], **params)
    model = load_model(booster)
    assert model.forest.n_outputs == 3
    assert_forest_predicts(model, rows(5), margin(booster, rows(5)))


@pytest.mark.parametrize("text", ["2E-1", "[2E-1]"], ids=["before-3.1", "since-3.1"])
def test_base_score_is_read_as_every_version_writes_it(text: str) -> None:
    learner = {"learner_model_param": {"base_score": text}, "objective": {"name": "binary:logistic"}}
    logit = np.log(0.2 / 0.8)
    np.testing.assert_allclose(_base_offset(learner, 1), [logit], rtol=FLOAT32_SUM)
    np.testing.assert_allclose(_base_offset(learner, 2), [logit, logit], rtol=FLOAT32_SUM)


@pytest.mark.parametrize("base_score", [None, [0.5, 0.5, 0.2], [0.1, 0.1001, 60.0]])
@since_3_4
def test_expectiles_estimated_crossing_and_far_apart(base_score: list[float] | None) -> None:
    params = {} if base_score is None else {"base_score": base_score}
    booster = train_objective("reg:expectileerror", expectile_alpha=[0.1, 0.5, 0.9], **params)
    assert_forest_predicts(load_model(booster), rows(5), margin(booster, rows(5)))


@pytest.mark.skipif((3, 0) <= VERSION < (3, 2), reason="XGBoost refuses such labels there")
@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("objective", ["binary:logistic", "reg:logistic"])
def test_base_score_clamped_where_all_labels_are_equal(objective: str, label: float) -> None:
    booster = train(np.full(N_ROWS, label), 2, objective=objective)
    assert_forest_predicts(load_model(booster), rows(5), margin(booster, rows(5)))


def test_base_score_without_finite_margin_is_refused() -> None:
    booster = train_objective("count:poisson", base_score=0.0)
    with pytest.raises(UnsupportedModelError, match=r"base_score=.*count:poisson"):
        load_model(booster)


def test_several_quantiles_are_several_outputs() -> None:
    booster = train_objective("reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9])
    model = load_model(booster)
    assert (model.forest.n_outputs, model.task) == (3, "regression")
    assert_forest_predicts(model, rows(5), margin(booster, rows(5)))


def test_custom_objective() -> None:
    X = rows()
    data = xgboost.DMatrix(X, target(X))

    def squared(margins: np.ndarray, data: Any) -> tuple[np.ndarray, np.ndarray]:
        return margins - data.get_label(), np.ones_like(margins)

    booster = xgboost.train({"max_depth": 3, "base_score": 0.7, "nthread": 1}, data, 4, obj=squared)
    assert_forest_predicts(load_model(booster), rows(5), margin(booster, rows(5)))


def with_root_cover(booster: Any, cover: float) -> Any:
    document = json.loads(bytes(booster.save_raw("json")))
    document["learner"]["gradient_booster"]["model"]["trees"][0]["sum_hessian"][0] = cover
    changed = xgboost.Booster()
    changed.load_model(bytearray(json.dumps(document), "utf-8"))
    return changed


@pytest.mark.parametrize("cover", [-5.0, float("nan")])
def test_negative_hessians_are_refused(plain: Any, cover: float) -> None:
    with pytest.raises(UnsupportedModelError, match="hessians"):
        load_model(with_root_cover(plain, cover))


def test_sum_of_hessians_a_rounding_below_zero_is_zero(plain: Any) -> None:
    assert load_model(with_root_cover(plain, -1e-6)).forest.cover[0] == 0


# ----------------------------------------------------------------------------------------------------------- routing


@pytest.fixture(scope="module")
def plain() -> Any:
    return train(n_rounds=12)


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


# --------------------------------------------------------------------------------------------------- kinds of forest


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


# ---------------------------------------------------------------------------------------------------- what it is for


def test_binary_classifier() -> None:
    X = rows()
    fitted = xgboost.XGBClassifier(n_estimators=4, n_jobs=1).fit(X, target(X) > 0)
    model = load_model(fitted)
    assert (model.task, model.n_classes, model.classes, model.single_margin) == ("classification", 2, [0, 1], True)
    assert_forest_predicts(model, X, fitted.predict(X, output_margin=True)[:, None])


@pytest.mark.parametrize("objective", ["multi:softprob", "multi:softmax"])
def test_multi_class_classifier(objective: str) -> None:
    X = rows()
    y = np.digitize(target(X), [-0.5, 0.8])
    fitted = xgboost.XGBClassifier(n_estimators=4, n_jobs=1, objective=objective).fit(X, y)
    model = load_model(fitted)
    assert (model.task, model.n_classes, model.classes) == ("classification", 3, [0, 1, 2])
    assert not model.single_margin
    assert_forest_predicts(model, X, fitted.predict(X, output_margin=True))


@pytest.mark.parametrize(
    ("objective", "task", "n_classes", "single"),
    [
        ("binary:logistic", "classification", 2, True),
        ("binary:hinge", "classification", 2, True),
        ("multi:softmax", "classification", 3, False),
        ("reg:logistic", "regression", None, False),
        ("rank:ndcg", "regression", None, False),
    ],
)
def test_task_of_a_booster(objective: str, task: str, n_classes: int | None, single: bool) -> None:
    model = load_model(train_objective(objective))
    assert (model.task, model.n_classes, model.single_margin) == (task, n_classes, single)
    assert model.classes is None


def test_labels_of_several_kinds_are_several_outputs() -> None:
    X = rows()
    fitted = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(X, np.c_[X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 0])
    model = load_model(fitted)
    assert (model.task, model.forest.n_outputs) == ("regression", 3)
    assert_forest_predicts(model, X, margin(fitted.get_booster(), X))


def test_ranker() -> None:
    X = rows()
    fitted = xgboost.XGBRanker(n_estimators=4, n_jobs=1).fit(
        X, np.digitize(target(X), [0]), qid=np.arange(N_ROWS) // 40
    )
    model = load_model(fitted)
    assert model.task == "regression"
    assert_forest_predicts(model, X, fitted.predict(X)[:, None])


# ------------------------------------------------------------------------------------------------------------- tables


def test_names_in_another_order_are_refused() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(rows(), columns=list("abcd"))
    fitted = xgboost.XGBRegressor(n_estimators=3, n_jobs=1).fit(frame, target(rows()))
    model = load_model(fitted)
    assert model.feature_names == ("a", "b", "c", "d")
    assert_forest_predicts(model, frame, fitted.predict(frame)[:, None])
    with pytest.raises(ValueError, match="another order"):
        model.prepare(frame[list("acbd")])


@pytest.mark.parametrize("width", [3, 5])
def test_wrong_width_names_both_widths(plain: Any, width: int) -> None:
    with pytest.raises(ValueError, match=rf"{width} columns.*4"):
        load_model(plain).prepare(rows(n_features=width))
    with pytest.raises(ValueError, match=rf"{width} columns.*4"):
        load_model(plain).raw_predict(rows(n_features=width))


def test_array_for_a_model_trained_with_names() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(rows(), columns=list("abcd"))
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(frame, target(rows())), 3)
    same = pd.DataFrame(rows(5), columns=list("abcd"))
    assert_forest_predicts(load_model(booster), rows(5), margin(booster, same))


def test_no_rows(plain: Any) -> None:
    model = load_model(plain)
    X = model.prepare(np.empty((0, 4)))
    assert model.forest.predict(X).shape == model.raw_predict_prepared(X).shape == (0, 1)


# -------------------------------------------------------------------------------------------------------- categories

COLOURS = ["red", "green", "blue", "ultraviolet"]
SIZES = [30, -5, 1000]


def coloured(seed: int = 0) -> tuple[Any, np.ndarray]:
    """A table with a numeric, a string-categorical and an integer-categorical column, some missing, and its target."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(seed)
    colour, size = rng.integers(-1, 4, N_ROWS), rng.integers(-1, 3, N_ROWS)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=N_ROWS),
            "colour": pd.Categorical.from_codes(colour, COLOURS),
            "size": pd.Categorical.from_codes(size, SIZES),
        }
    )
    y = np.array([3.0, -7.0, 5.0, 0.0, 11.0])[colour] * frame["x"].to_numpy() + np.array([1.0, 20.0, -9.0, 4.0])[size]
    return frame, y


@pytest.fixture(scope="module", params=[1, 100], ids=["partitions", "one-hot"])
def categorical(request: pytest.FixtureRequest) -> Any:
    frame, y = coloured()
    params = {"max_depth": 5, "max_cat_to_onehot": request.param, "nthread": 1, "min_child_weight": 0}
    return xgboost.train(params, xgboost.DMatrix(frame, y, enable_categorical=True), 10)


def codes_of(frame: Any) -> np.ndarray:
    codes = np.c_[frame["x"], frame["colour"].cat.codes, frame["size"].cat.codes].astype(float)
    codes[:, 1:][codes[:, 1:] < 0] = np.nan
    return codes


NAMED = {"feature_names": ["x", "colour", "size"], "feature_types": ["q", "c", "c"]}


def test_categories_in_a_table(categorical: Any) -> None:
    frame, _ = coloured(1)
    model = load_model(categorical)
    assert model.forest.has_categories
    assert_same_leaves(model, categorical, frame)
    assert_forest_predicts(model, frame, margin(categorical, frame))


def test_categories_as_codes_in_an_array(categorical: Any) -> None:
    codes = codes_of(coloured(1)[0])
    model = load_model(categorical)
    assert_same_leaves(model, categorical, codes, **NAMED)
    assert_forest_predicts(model, codes, margin(categorical, codes, **NAMED))


def test_odd_codes_in_an_array(categorical: Any) -> None:
    odd = [
        0,
        0.5,
        1,
        1.9,
        2,
        3,
        -0.0,
        -0.5,
        -0.999,
        -1,
        -7,
        4,
        31,
        32,
        100,
        1 - 1e-9,
        2**24 - 1,
        2**24,
        2**25 + 4,
        1e10,
    ]
    codes = np.array([[x, float(a), float(b)] for x in (-1.0, 1.0) for a in odd for b in (0, 1, -0.5, np.nan)])
    before = codes.copy()
    model = load_model(categorical)
    assert_same_leaves(model, categorical, codes, **NAMED)
    np.testing.assert_array_equal(codes, before)  # prepare corrected a copy
    assert np.nanmax(model.prepare(codes)[:, 1:]) < 2**24  # so that no kernel's integers overflow


def test_missing_value_of_minus_one_among_categories() -> None:
    codes = codes_of(coloured()[0])
    codes[np.isnan(codes)] = -1.0
    fitted = xgboost.XGBRegressor(
        missing=-1.0,
        enable_categorical=True,
        feature_types=["q", "c", "c"],
        n_estimators=6,
        max_cat_to_onehot=1,
        n_jobs=1,
    ).fit(codes, coloured()[1])
    odd = codes.copy()
    odd[::3, 1] = -0.5
    for X in (codes, odd):
        assert_forest_predicts(load_model(fitted), X, fitted.predict(X)[:, None])


@since_3_1
def test_reordered_categories_match_by_label(categorical: Any) -> None:
    frame, _ = coloured(1)
    other = frame.assign(
        colour=frame["colour"].cat.set_categories(["ultraviolet", "blue", "red", "green"]),
        size=frame["size"].cat.set_categories([1000, 30, -5]),
    )
    model = load_model(categorical)
    np.testing.assert_array_equal(model.prepare(other), codes_of(frame))
    assert_same_leaves(model, categorical, other)
    assert_forest_predicts(model, other, margin(categorical, frame))


def numpy_trained() -> Any:
    frame, y = coloured()
    data = xgboost.DMatrix(codes_of(frame), y, enable_categorical=True, **NAMED)
    return xgboost.train({"max_depth": 5, "max_cat_to_onehot": 1, "nthread": 1}, data, 10)


def test_model_without_labels_takes_codes_as_they_are() -> None:
    booster = numpy_trained()
    frame, _ = coloured(1)
    other = frame.assign(colour=frame["colour"].cat.set_categories(["ultraviolet", "blue", "red", "green"]))
    model = load_model(booster)
    for table in (frame, other):
        assert_same_leaves(model, booster, table)
        assert_forest_predicts(model, table, margin(booster, table))


@since_3_1
def test_unknown_category_is_refused_where_it_occurs(categorical: Any) -> None:
    frame, _ = coloured(1)
    frame["colour"] = frame["colour"].cat.add_categories(["infrared"])
    model = load_model(categorical)
    np.testing.assert_array_equal(model.prepare(frame), codes_of(frame))
    frame.loc[7, "colour"] = "infrared"
    with pytest.raises(ValueError, match=r"'colour'.*'infrared' in row 7"):
        model.prepare(frame)


@since_3_1
def test_numbers_where_labels_are_expected_are_refused(categorical: Any) -> None:
    frame, _ = coloured(1)
    with pytest.raises(ValueError, match=r"'size'.*numbers"):
        load_model(categorical).prepare(frame.assign(size=[30] * N_ROWS))


def test_categories_where_numbers_are_expected_are_refused(categorical: Any) -> None:
    frame, _ = coloured(1)
    with pytest.raises(ValueError, match=r"'x'.*categories"):
        load_model(categorical).prepare(frame.assign(x=frame["colour"]))


@since_3_1
def test_missing_that_is_also_a_code_refuses_reordered_categories() -> None:
    frame, y = coloured()
    fitted = xgboost.XGBRegressor(missing=0, enable_categorical=True, n_estimators=3, n_jobs=1).fit(frame, y)
    model = load_model(fitted)
    assert_forest_predicts(model, frame, fitted.predict(frame)[:, None])
    with pytest.raises(ValueError, match=r"missing=0"):
        model.prepare(frame.assign(colour=frame["colour"].cat.set_categories(COLOURS[::-1])))


@since_3_1
def test_polars_and_arrow_tables_match_by_label() -> None:
    pl = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    frame, y = coloured()
    frame = frame[["x", "colour"]]
    booster = xgboost.train(
        {"max_cat_to_onehot": 1, "nthread": 1}, xgboost.DMatrix(frame, y, enable_categorical=True), 5
    )
    model = load_model(booster)
    table = pl.DataFrame(
        {
            "x": frame["x"].to_numpy(),
            "colour": frame["colour"].astype(object).where(frame["colour"].notna(), None).tolist(),
        }
    )
    enum = table.with_columns(pl.col("colour").cast(pl.Enum(COLOURS[::-1])))
    for other in (table.with_columns(pl.col("colour").cast(pl.Categorical)), enum, enum.to_arrow()):
        assert_forest_predicts(model, other, margin(booster, frame))


def test_polars_categories_without_labels_are_refused() -> None:
    pl = pytest.importorskip("polars")
    table = pl.DataFrame({"x": [0.0], "colour": ["red"], "size": [1.0]})
    model = load_model(numpy_trained())
    with pytest.raises(ValueError, match=r"'colour'.*codes"):
        model.prepare(table.with_columns(pl.col("colour").cast(pl.Categorical)))


# -------------------------------------------------------------------------------------------------------- the reader


def test_ubjson_reads_what_json_reads(categorical: Any) -> None:
    def plain_python(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain_python(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain_python(item) for item in value]
        return value.tolist() if isinstance(value, np.ndarray) else value

    def rounded(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rounded(item) for key, item in value.items()}
        if isinstance(value, list):
            return [rounded(item) for item in value]
        # repr: a categorical node's split condition can be NaN, which equals nothing
        return repr(float(np.float32(value))) if isinstance(value, float) else value

    ubj = rounded(plain_python(_ubjson.decode(categorical.save_raw("ubj"))))
    assert ubj == rounded(json.loads(bytes(categorical.save_raw("json"))))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"[TFZ]", [True, False, None]),
        (b"{U\x01aD\x3f\xf8\0\0\0\0\0\0U\x01bSU\x02hi}", {"a": 1.5, "b": "hi"}),
        (b"[#U\x02I\x01\x00i\xff", [256, -1]),
        (b"[Cx]", ["x"]),
    ],
)
def test_ubjson_values(data: bytes, value: Any) -> None:
    assert _ubjson.decode(data) == value


@pytest.mark.parametrize(
    "data", [b"", b"[", b"{U\x01a", b"[$d#U\x09\0\0", b"SU\x09hi", b"I\0", b"TT", b"?", b"[$dU\x01\0"]
)
def test_broken_ubjson_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="Universal Binary JSON"):
        _ubjson.decode(data)


# -------------------------------------------------------------------------------------------------------------- SHAP


def with_three_classes() -> Any:
    return train(np.digitize(target(rows()), [-0.5, 0.8]), 2, objective="multi:softprob", num_class=3)


def with_categories() -> Any:
    frame, y = coloured()
    data = xgboost.DMatrix(frame, y, enable_categorical=True)
    return xgboost.train({"max_cat_to_onehot": 1, "nthread": 1}, data, 3)


SMALL_MODELS = {
    "regression": lambda: (train(n_rounds=3), rows(5)),
    "classes": lambda: (with_three_classes(), rows(5)),
    "dart": lambda: (train(n_rounds=6, booster="dart", rate_drop=0.6, seed=3), rows(5)),
    "categories": lambda: (with_categories(), coloured(1)[0]),
}


@pytest.mark.parametrize("kind", SMALL_MODELS)
def test_tree_shap_agrees_with_pred_contribs(kind: str) -> None:
    from fastexplain import tree_shap

    booster, X = SMALL_MODELS[kind]()
    result = tree_shap(load_model(booster), X)
    data = xgboost.DMatrix(X, enable_categorical=True)
    theirs = booster.predict(data, pred_contribs=True, strict_shape=True)  # (n_rows, n_outputs, n_features + 1)
    scale = np.abs(theirs).max()
    np.testing.assert_allclose(result.values, theirs[:, :, :-1].swapaxes(1, 2), rtol=0, atol=FLOAT32_SHAP * scale)
    np.testing.assert_allclose(result.base_values, theirs[0, :, -1], rtol=0, atol=FLOAT32_SHAP * scale)


@pytest.mark.parametrize("kind", SMALL_MODELS)
def test_tree_shap_agrees_with_all_coalitions(kind: str) -> None:
    from fastexplain import tree_shap
    from tests.naive import naive_tree_shap

    booster, X = SMALL_MODELS[kind]()
    model = load_model(booster)
    values, base_values = naive_tree_shap(model.forest, model.prepare(X[:8]))
    result = tree_shap(model, X[:8])
    scale = np.abs(values).max()
    np.testing.assert_allclose(result.values, values, rtol=0, atol=FLOAT32_SHAP * scale)
    np.testing.assert_allclose(result.base_values, base_values, rtol=0, atol=FLOAT32_SHAP * scale)
