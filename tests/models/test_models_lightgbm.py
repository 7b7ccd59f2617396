"""LightGBM models load as forests that route and add up exactly as LightGBM's own predict."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive import naive_tree_shap
from numpy.typing import NDArray

from fastexplain import UnsupportedModelError, load_model, tree_shap
from fastexplain.models.trees.base import TreeModel
from fastexplain.models.trees.forest import ZERO_THRESHOLD, Forest

lgb = pytest.importorskip("lightgbm")
pd = pytest.importorskip("pandas")

# Both sum the same float64 leaves, in another order at most; a row in a wrong leaf shows at 1e-3 or more.
ROUNDING = 1e-12
# LightGBM divides by covers along each path; its own sums of contributions miss the prediction by this much.
PRED_CONTRIB_ROUNDING = 1e-9

# Around every rule of the routing: missing, LightGBM's zero band and its edges, infinite.
EDGE = ZERO_THRESHOLD
SPECIAL = (
    *(np.nan, 0.0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, EDGE, -EDGE, np.nextafter(EDGE, 1), -np.nextafter(EDGE, 1)),
    *(1e-34, -1e-34, np.inf, -np.inf, 1e300, -1e300, np.nextafter(1e300, np.inf)),
)
ODD_CATEGORIES = (np.nan, -1.0, -0.5, 0.5, 2.9, 31.0, 32.0, 255.0, 256.0, 299.0, 1e5, 2.0**31, 2.0**32 + 3, 1e300)
INFINITE = (np.inf, -np.inf)

MISSING = {
    "nan": {},
    "zero": {"zero_as_missing": True},
    "none": {"use_missing": False},
    "none-though-zero": {"use_missing": False, "zero_as_missing": True},
}


def rows(seed: int = 0, n_rows: int = 400) -> NDArray[np.float64]:
    """Two columns of numbers with zeros and gaps, one without, and one of 300 categories."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 4))
    X[:, :2][rng.random((n_rows, 2)) < 0.3] = 0.0
    X[:, :2][rng.random((n_rows, 2)) < 0.15] = np.nan
    X[:, 3] = rng.integers(0, 300, n_rows)
    return X


def target(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Depends on every column, on gaps and on exact zeros, without a direction."""
    first = np.where(np.isnan(X[:, 0]), 2.0, np.where(X[:, 0] == 0, -3.0, X[:, 0]))
    second = np.where(np.isnan(X[:, 1]), -1.0, np.where(X[:, 1] == 0, 1.5, X[:, 1]))
    return first + second * np.sign(X[:, 2]) + 2 * np.sin(7.0 * X[:, 3])


def train(X: Any, y: NDArray[Any], n_rounds: int = 5, *, weight: Any = None, group: Any = None, **params: Any) -> Any:
    columns, keep = params.pop("categorical_feature", "auto"), params.pop("keep_booster", False)
    defaults = {"objective": "regression", "num_leaves": 12, "min_data_in_leaf": 5, "learning_rate": 0.3}
    always = {"verbose": -1, "num_threads": 1, "seed": 3, "min_data_per_group": 2, "cat_smooth": 1.0}
    data = lgb.Dataset(X, y, weight=weight, group=group, categorical_feature=columns)
    return lgb.train({**defaults, **always, **params}, data, n_rounds, keep_training_booster=keep)


def awkward_rows(forest: Forest, seed: int = 1) -> NDArray[np.float64]:
    """For each column: every threshold, its neighbours and every special value, all else random."""
    rng = np.random.default_rng(seed)
    blocks = [rows(seed)[:50, : forest.n_features]]
    for feature in range(forest.n_features):
        at = forest.threshold[forest.feature == feature]
        tries = np.concatenate([at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf), SPECIAL, ODD_CATEGORIES])
        block = rows(seed, 400)[rng.integers(0, 400, len(tries)), : forest.n_features]
        block[:, feature] = tries
        blocks.append(block)
    return np.concatenate(blocks)


def assert_predicts_like_lightgbm(model: Any, X: Any = None) -> TreeModel:
    """Our forest on prepared rows against LightGBM's own predict of the rows as they are."""
    loaded = load_model(model)
    X = awkward_rows(loaded.forest) if X is None else X
    ours = loaded.forest.predict(loaded.prepare(X))
    theirs = model.predict(X, raw_score=True).reshape(ours.shape)
    if "[boosting: rf]" in booster_text(model):
        theirs = theirs / (loaded.forest.n_trees / loaded.forest.n_outputs)  # raw_score=True is their sum
    np.testing.assert_allclose(ours, theirs, rtol=ROUNDING, atol=ROUNDING * max(1.0, np.abs(theirs).max()))
    np.testing.assert_array_equal(loaded.raw_predict(X), theirs)
    return loaded


def booster_text(model: Any) -> str:
    return str(getattr(model, "booster_", model).model_to_string())


def missing_types(booster: Any) -> set[int]:
    lines = [line for line in booster.model_to_string().split("\n") if line.startswith("decision_type=")]
    return {int(number) >> 2 for line in lines for number in line.removeprefix("decision_type=").split()}


# ------------------------------------------------------------------------------------------------ routing


@pytest.mark.parametrize(("name", "types"), [("nan", {2, 0}), ("zero", {1}), ("none", {0}), ("none-though-zero", {0})])
def test_missing_rule_follows_lightgbm(name: str, types: set[int]) -> None:
    booster = train(rows()[:, :3], target(rows()), **MISSING[name])
    assert missing_types(booster) == types  # the case exercises what it says
    assert_predicts_like_lightgbm(booster)


def test_zero_as_missing_sets_zero_is_missing() -> None:
    forest = load_model(train(rows()[:, :3], target(rows()), zero_as_missing=True)).forest
    assert forest.zero_is_missing is not None
    assert forest.zero_is_missing[forest.children_left >= 0].all()


def test_models_without_zero_as_missing_have_no_zero_rule() -> None:
    assert load_model(train(rows()[:, :3], target(rows()))).forest.zero_is_missing is None


@pytest.mark.parametrize("decision_type", [0, 2, 4, 6, 8, 10])
@pytest.mark.parametrize(
    "threshold", [np.inf, -np.inf, 0.0, 1e-36, -1e-36, EDGE, -EDGE, 2 * EDGE, -2 * EDGE, 0.25, -0.25]
)
def test_threshold_in_the_zero_band_follows_lightgbm(threshold: float, decision_type: int) -> None:
    # Training never puts a threshold inside the band; files written by other tools may.
    booster = lgb.Booster(model_str=stump_text(threshold, decision_type))
    assert_predicts_like_lightgbm(booster, np.array(SPECIAL)[:, None])


def stump_text(threshold: float, decision_type: int) -> str:
    x = np.linspace(-1, 1, 100)[:, None]
    text = train(x, (x[:, 0] > 0) * 1.0, 1, num_leaves=2).model_to_string()
    lines = [line for line in text.split("\n") if not line.startswith("tree_sizes=")]
    new = {"threshold": threshold, "decision_type": decision_type, "leaf_value": "1 2"}
    return "\n".join(next((f"{k}={v}" for k, v in new.items() if line.startswith(f"{k}=")), line) for line in lines)


def test_float32_rows_are_compared_in_float64() -> None:
    booster = train(rows()[:, :3], target(rows()))
    X = np.clip(awkward_rows(load_model(booster).forest), -1e30, 1e30).astype(np.float32)
    assert load_model(booster).prepare(X) is X
    assert_predicts_like_lightgbm(booster, X)


def large_integers(seed: int) -> NDArray[np.int64]:
    """Next to each other, above the last integer that float32 tells from its neighbour."""
    return 2**24 + np.random.default_rng(seed).integers(0, 40, (300, 2))


@pytest.mark.parametrize("kind", ["array", "list", "objects", "table"])
def test_integers_are_rounded_where_lightgbm_rounds_them(kind: str) -> None:
    X = large_integers(0).astype(float)
    booster = train(X, np.sin(X[:, 0]) + np.cos(X[:, 1]), num_leaves=60, min_data_in_leaf=1, max_bin=60)
    new = large_integers(1)
    like = {"array": new, "list": new.tolist(), "objects": new.astype(object), "table": pd.DataFrame(new)}
    loaded = assert_predicts_like_lightgbm(booster, like[kind])
    assert np.array_equal(loaded.prepare(like[kind]), new) == (kind == "table")  # the rounding shows


def test_objects_are_not_rounded_by_the_sklearn_classes() -> None:
    X = large_integers(0).astype(float)
    model = lgb.LGBMRegressor(**{**QUICK, "num_leaves": 60, "min_child_samples": 1}).fit(X, np.sin(X[:, 0]))
    assert_predicts_like_lightgbm(model, large_integers(1).astype(object))


def test_strided_rows_predict_like_lightgbm() -> None:
    booster = train(rows()[:, :3], target(rows()))
    assert_predicts_like_lightgbm(booster, np.repeat(rows(), 2, axis=0)[::2, 2::-1])


@pytest.mark.parametrize(
    "params", [{}, {"max_cat_to_onehot": 400}, {"max_cat_threshold": 300}, MISSING["zero"], MISSING["none"]]
)
def test_categorical_splits_follow_lightgbm(params: dict[str, Any]) -> None:
    booster = train(rows(n_rows=1500), target(rows(n_rows=1500)), categorical_feature=[3], **params)
    loaded = assert_predicts_like_lightgbm(booster)
    members = loaded.forest.category_set_members
    assert members is not None
    assert members.max() > 255
    X = np.column_stack([np.zeros((310, 3)), np.arange(310.0)])  # every category, and some unseen
    assert_predicts_like_lightgbm(booster, X)


def test_infinite_categories_follow_lightgbm() -> None:
    booster = train(rows(n_rows=1500), target(rows(n_rows=1500)), categorical_feature=[3])
    assert_predicts_like_lightgbm(booster, np.column_stack([np.zeros((2, 3)), INFINITE]))


def test_few_categories_follow_lightgbm() -> None:
    X = rows()
    X[:, 3] %= 3
    assert_predicts_like_lightgbm(train(X, target(X), categorical_feature=[3]))


def test_categorical_nodes_send_nan_right() -> None:
    forest = load_model(train(rows(), target(rows()), categorical_feature=[3])).forest
    assert forest.category_set is not None
    assert not forest.default_left[forest.category_set >= 0].any()


# ------------------------------------------------------------------------------------------------ kinds of model

CLASS_BOUNDS = (-1.5, 1.0)

KINDS: dict[str, dict[str, Any]] = {
    "dart": {"boosting": "dart", "drop_rate": 0.9, "n_rounds": 8},
    "rf": {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1},
    "goss": {"data_sample_strategy": "goss"},
    "extra-trees": {"extra_trees": True},
    "monotone": {"monotone_constraints": [1, 0, -1, 0]},
    "quantized": {"use_quantized_grad": True},
    "no-average": {"boost_from_average": False},
    "one-leaf-trees": {"min_data_in_leaf": 400},
    "l1": {"objective": "regression_l1"},
    "sqrt": {"objective": "regression", "reg_sqrt": True},
    "quantile": {"objective": "quantile"},
}


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


# ------------------------------------------------------------------------------------------------ sklearn classes

QUICK = {"n_estimators": 4, "num_leaves": 8, "verbose": -1, "n_jobs": 1}


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


# ------------------------------------------------------------------------------------------------ tables


def table(seed: int = 0, n_rows: int = 400) -> Any:
    X = rows(seed, n_rows)
    frame = pd.DataFrame(X[:, :3], columns=["some number", "gap", "x"])
    frame.insert(1, "city", pd.Categorical(np.array(["Oslo", "Bergen", "Tromsø", "Ås"])[X[:, 3].astype(int) % 4]))
    frame["size"] = pd.Categorical(X[:, 3].astype(int) % 7, categories=[6, 5, 4, 3, 2, 1, 0], ordered=True)
    return frame


@pytest.fixture(scope="module")
def table_model() -> Any:
    frame = table()
    effect = frame["city"].cat.codes % 3 + frame["size"].astype(int) % 2
    return train(frame, target(rows()) + 4 * effect.to_numpy())


def test_pandas_categories_predict_like_lightgbm(table_model: Any) -> None:
    loaded = assert_predicts_like_lightgbm(table_model, table(1))
    assert loaded.forest.has_categories
    assert loaded.feature_names == ("some_number", "city", "gap", "x", "size")


def test_categories_in_another_order_predict_like_lightgbm(table_model: Any) -> None:
    frame = table(1)
    frame["city"] = frame["city"].cat.set_categories(["Ås", "Oslo", "Tromsø", "Bergen"])
    expected = load_model(table_model).prepare(table(1))
    np.testing.assert_array_equal(assert_predicts_like_lightgbm(table_model, frame).prepare(frame), expected)


def test_unknown_category_is_missing(table_model: Any) -> None:
    frame = table(1)
    frame["city"] = pd.Categorical(np.where(frame["city"] == "Oslo", "Rome", frame["city"].astype(object)))
    prepared = assert_predicts_like_lightgbm(table_model, frame).prepare(frame)
    np.testing.assert_array_equal(np.isnan(prepared[:, 1]), frame["city"] == "Rome")


def test_missing_category_is_missing(table_model: Any) -> None:
    frame = table(1)
    frame.loc[::3, ["city", "size"]] = None
    prepared = assert_predicts_like_lightgbm(table_model, frame).prepare(frame)
    assert np.isnan(prepared[::3, [1, 4]]).all()


def test_array_of_codes_predicts_like_lightgbm(table_model: Any) -> None:
    codes = load_model(table_model).prepare(table(1))
    assert_predicts_like_lightgbm(table_model, codes)


def test_categories_survive_the_model_file(table_model: Any) -> None:
    assert_predicts_like_lightgbm(lgb.Booster(model_str=table_model.model_to_string()), table(1))


def test_text_columns_are_read_as_the_categories_they_name(table_model: Any) -> None:
    frame = table(1)
    frame["city"] = frame["city"].astype(str)
    loaded = load_model(table_model)
    np.testing.assert_array_equal(loaded.prepare(frame), loaded.prepare(table(1)))


def test_polars_categories_equal_pandas_categories() -> None:
    polars = pytest.importorskip("polars")
    frame = table(1)
    frame["size"] = frame["size"].cat.rename_categories(str)  # polars has text categories only
    booster = train(frame, target(rows(1)))
    types = {"city": polars.Categorical, "size": polars.Enum([*"0123456"])}
    X = polars.DataFrame(frame.astype({"city": str, "size": str}).to_dict("list")).cast(types)
    loaded = load_model(booster)
    np.testing.assert_array_equal(loaded.prepare(X), loaded.prepare(frame))
    np.testing.assert_array_equal(loaded.raw_predict(X)[:, 0], booster.predict(frame, raw_score=True))


def test_arrow_dictionaries_equal_pandas_categories(table_model: Any) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    loaded = load_model(table_model)
    X = pyarrow.Table.from_pandas(table(1), preserve_index=False)
    np.testing.assert_array_equal(loaded.raw_predict(X), loaded.raw_predict(table(1)))


def test_sklearn_class_takes_tables() -> None:
    frame = table()
    model = lgb.LGBMRegressor(**QUICK).fit(frame, target(rows()))
    assert_predicts_like_lightgbm(model, table(1))


def test_spaces_in_names_match_either_spelling(table_model: Any) -> None:
    loaded = load_model(table_model)
    renamed = table(1).rename(columns={"some number": "some_number"})
    np.testing.assert_array_equal(loaded.prepare(renamed), loaded.prepare(table(1)))


def test_model_fitted_on_an_array_has_no_names() -> None:
    loaded = load_model(train(rows()[:, :3], target(rows())))
    assert loaded.feature_names is None
    frame = pd.DataFrame(rows()[:, :3], columns=["a", "b", "c"])
    np.testing.assert_array_equal(loaded.prepare(frame), rows()[:, :3])


# ------------------------------------------------------------------------------------------------ refusals


def test_wrong_width_names_both_widths() -> None:
    loaded = load_model(train(rows(), target(rows())))
    with pytest.raises(ValueError, match=r"X has 3 columns; the LightGBM model was fitted on 4"):
        loaded.prepare(rows()[:, :3])


def test_names_in_another_order_are_refused(table_model: Any) -> None:
    with pytest.raises(ValueError, match="another order"):
        load_model(table_model).prepare(table()[["city", "some number", "gap", "x", "size"]])


def test_lost_category_columns_are_refused(table_model: Any) -> None:
    with pytest.raises(ValueError, match=r"1 columns of categories or text .* fitted on 2"):
        load_model(table_model).prepare(table().astype({"size": int}))


def test_text_where_the_model_has_numbers_is_refused(table_model: Any) -> None:
    frame = table()
    frame["x"] = frame["x"].astype(str)
    with pytest.raises(ValueError, match=r"Column 3 \('x'\) is of type str"):
        load_model(table_model).prepare(frame)


def test_categories_are_refused_by_a_model_fitted_without() -> None:
    loaded = load_model(train(rows(), target(rows())))
    with pytest.raises(ValueError, match="not fitted on pandas categories"):
        loaded.prepare(table()[["some number", "city", "gap", "x"]])


def test_linear_trees_are_refused() -> None:
    booster = train(rows()[:, :3], target(rows()), linear_tree=True)
    with pytest.raises(UnsupportedModelError, match="linear_tree"):
        load_model(booster)


def test_unfitted_model_is_refused() -> None:
    with pytest.raises(ValueError, match="LGBMRegressor is not fitted"):
        load_model(lgb.LGBMRegressor())


def test_dataset_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"lightgbm\.Dataset is not a fitted model"):
        load_model(lgb.Dataset(rows(), target(rows())))


def test_infinite_leaf_is_refused() -> None:
    text = stump_text(0.5, 2).replace("leaf_value=1 2", "leaf_value=1 inf")
    with pytest.raises(UnsupportedModelError, match="NaN or infinite"):
        load_model(lgb.Booster(model_str=text))


def test_model_without_counts_is_refused() -> None:
    lines = [line for line in stump_text(0.5, 2).split("\n") if "_count=" not in line]
    with pytest.raises(UnsupportedModelError, match="no node counts"):
        load_model(lgb.Booster(model_str="\n".join(lines)))


def test_no_rows_give_no_predictions() -> None:
    loaded = load_model(train(rows(), target(rows())))
    assert loaded.raw_predict(rows()[:0]).shape == (0, 1)


# ------------------------------------------------------------------------------------------------ explanations


EXPLAINED = {
    **{f"missing-{name}": params for name, params in MISSING.items()},
    "categorical": {"categorical_feature": [3]},
    "dart": KINDS["dart"],
    "one-leaf-trees": KINDS["one-leaf-trees"],
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_naive_values_equal_lightgbm_pred_contrib(name: str) -> None:
    # Says that the covers are LightGBM's too.
    booster = train(rows(), target(rows()), weight=np.random.default_rng(0).random(400), **EXPLAINED[name])
    forest = load_model(booster).forest
    X = awkward_rows(forest)[::5]
    values, base_values = naive_tree_shap(forest, X)
    theirs = booster.predict(X, pred_contrib=True)
    np.testing.assert_allclose(values[:, :, 0], theirs[:, :-1], atol=PRED_CONTRIB_ROUNDING)
    np.testing.assert_allclose(base_values[0], theirs[0, -1], atol=PRED_CONTRIB_ROUNDING)


@pytest.mark.parametrize("name", [*EXPLAINED, "rf"])
def test_tree_shap_equals_naive(name: str) -> None:
    y = np.digitize(target(rows()), CLASS_BOUNDS)
    params = {**EXPLAINED, "rf": KINDS["rf"]}[name]
    booster = train(rows(), y, objective="multiclass", num_class=3, **{**params, "n_rounds": 2})
    loaded = load_model(booster)
    X = awkward_rows(loaded.forest)[::5]
    values, base_values = tree_shap(booster, X)
    naive_values, naive_base = naive_tree_shap(loaded.forest, X)
    np.testing.assert_allclose(values, naive_values, atol=PRED_CONTRIB_ROUNDING)
    np.testing.assert_allclose(base_values, naive_base, atol=PRED_CONTRIB_ROUNDING)
    np.testing.assert_allclose(values.sum(axis=1) + base_values, loaded.raw_predict(X), atol=PRED_CONTRIB_ROUNDING)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**16),
    missing=st.sampled_from(sorted(MISSING)),
    categorical=st.booleans(),
    boosting=st.sampled_from(["gbdt", "rf", "dart"]),
    n_classes=st.sampled_from([1, 3]),
    num_leaves=st.integers(2, 40),
    max_bin=st.sampled_from([3, 16, 255]),
    n_rounds=st.integers(1, 6),
)
def test_any_parameters_predict_like_lightgbm(
    seed: int, missing: str, categorical: bool, boosting: str, n_classes: int, n_rounds: int, **params: int
) -> None:
    X = rows(seed, 200)
    y = target(X)
    if n_classes > 1:
        y = np.digitize(y, CLASS_BOUNDS)
        params |= {"objective": "multiclass", "num_class": n_classes}
    bagging = {"bagging_fraction": 0.6, "bagging_freq": 1}
    columns = [3] if categorical else []
    assert_predicts_like_lightgbm(
        train(X, y, n_rounds, boosting=boosting, categorical_feature=columns, **MISSING[missing], **bagging, **params)
    )
