"""scikit-learn's trees, forests and gradient boosting load as forests that predict what scikit-learn predicts."""

from __future__ import annotations

import functools
import pickle
import tracemalloc
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.ensemble
import sklearn.tree
from naive import naive_tree_shap
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor
from threadpoolctl import threadpool_limits

from fastexplain import ModelConversionError, UnsupportedModelError, load_model, tree_shap
from fastexplain.models.trees.base import TreeModel

# Both sum the same float64 leaves, in another order at most; a row in a wrong leaf shows at 1e-3 or more.
ROUNDING = 1e-12
# The kernel sums over quadrature points, naive.py over coalitions.
SHAP_ROUNDING = 1e-9

KINDS = ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees", "GradientBoosting", "HistGradientBoosting")
TASKS = ("regression", "binary", "multiclass")
VARIANTS = {"plain": {}, "stump": {"max_depth": 1}, "few-leaves": {"max_leaf_nodes": 5}, "weighted": {}, "leaf": {}}
ACCEPTS_MISSING = tuple(kind for kind in KINDS if kind != "GradientBoosting")


@pytest.fixture(autouse=True, scope="module")
def _one_openmp_thread() -> Iterator[None]:
    # histogram boosting starts a thread per core for its 240 rows, and waits for them when the machine is busy
    with threadpool_limits(1, user_api="openmp"):
        yield


def rows(missing: bool, seed: int = 0) -> NDArray[np.float64]:
    """240 rows of 4 columns: continuous, a few levels, continuous, constant."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(240, 4))
    X[:, 1] = np.round(X[:, 1])
    X[:, 3] = 1.0
    if missing:
        X[:, :3][rng.random((240, 3)) < 0.2] = np.nan
    return X


def target(X: NDArray[np.float64], task: str) -> NDArray[Any]:
    filled = np.where(np.isnan(X), [2.0, -1.5, 1.0, 0.0], X)
    score = filled[:, 0] + filled[:, 1] ** 2 - filled[:, 0] * filled[:, 2]
    if task == "regression":
        return score
    return np.array(["lo", "up"])[(score > 1) * 1] if task == "binary" else np.digitize(score, [0.0, 1.5]) * 2 + 3


def estimator(kind: str, task: str, **options: Any) -> Any:
    name = kind + ("Regressor" if task == "regression" else "Classifier")
    module = sklearn.tree if kind in ("DecisionTree", "ExtraTree") else sklearn.ensemble
    if kind == "HistGradientBoosting":
        options = {"max_iter": 6, "min_samples_leaf": 5, **options}
    elif module is sklearn.ensemble:
        options = {"n_estimators": 6, **options}
    return getattr(module, name)(random_state=0, **options)


@functools.cache
def fitted(kind: str, task: str, variant: str = "plain", missing: bool = False) -> Any:
    X = rows(missing)
    options: dict[str, Any] = dict(VARIANTS[variant])
    if variant == "leaf":
        options = {"min_samples_leaf": 200}  # of 240 rows: no split leaves so many on both sides
    weights = None
    if variant == "weighted":
        weights = np.random.default_rng(1).exponential(size=len(X))
        if task != "regression" and kind != "GradientBoosting":
            options["class_weight"] = "balanced"
    return estimator(kind, task, **options).fit(X, target(X, task), sample_weight=weights)


def library_thresholds(model: Any) -> list[tuple[int, float]]:
    """(feature, threshold) of every finite numerical split, read from scikit-learn's own objects."""
    if hasattr(model, "_predictors"):
        nodes = np.concatenate([p.nodes for iteration in model._predictors for p in iteration])
        nodes = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
        pairs = zip(nodes["feature_idx"].tolist(), nodes["num_threshold"].tolist(), strict=True)
    else:
        trees = [e.tree_ for e in np.ravel(getattr(model, "estimators_", [model]))]
        feature = np.concatenate([tree.feature for tree in trees])
        threshold = np.concatenate([tree.threshold for tree in trees])
        pairs = zip(feature[feature >= 0].tolist(), threshold[feature >= 0].tolist(), strict=True)
    return sorted({(f, t) for f, t in pairs if np.isfinite(t)})


def rows_on_thresholds(model: Any) -> NDArray[np.float64]:
    """Rows on the model's thresholds, and next to them in float32 and in float64."""
    rng = np.random.default_rng(2)
    splits = library_thresholds(model)[:150]
    X = rows(False, seed=3)[rng.integers(0, 240, 7 * len(splits))]
    for i, (feature, t) in enumerate(splits):
        single = np.float32(t)
        up, down = np.nextafter(single, np.float32(np.inf)), np.nextafter(single, np.float32(-np.inf))
        # The last rounds to `single` or to a neighbour, as float64 it is none of them.
        near = (t, np.nextafter(t, np.inf), np.nextafter(t, -np.inf), single, up, down, t + 0.4 * (up - single))
        X[7 * i : 7 * i + 7, feature] = near
    return X


def assert_same_prediction(model: TreeModel, X: Any) -> None:
    prepared = model.prepare(X)
    expected = model.raw_predict(X)
    assert expected.shape == (len(X), model.forest.n_outputs)
    np.testing.assert_allclose(model.forest.predict(prepared), expected, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(model.raw_predict_prepared(prepared), expected, rtol=ROUNDING, atol=ROUNDING)


# ------------------------------------------------------------------------------------------- the same prediction


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


# ------------------------------------------------------------------------------------------------------ thresholds


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


# ---------------------------------------------------------------------------------------------- outputs and covers


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


# -------------------------------------------------------------------------------------------------------- boosting


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


# ------------------------------------------------------------------------------------------------- hist, categories


def table(n_rows: int = 400, seed: int = 0) -> Any:
    """Numbers and categories in turn, so that scikit-learn has columns to move."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "speed": np.where(rng.random(n_rows) < 0.1, np.nan, rng.normal(size=n_rows)),
            "city": pd.Categorical(rng.choice(list("hgfedcba"), n_rows), categories=list("hgfedcba")),
            "size": rng.normal(size=n_rows),
            "code": rng.choice([3, 7, 11, 40], n_rows),
        }
    )


def table_target(frame: Any) -> NDArray[np.float64]:
    city = frame["city"].astype(object)
    return (
        2.0 * frame["speed"].fillna(3.0)
        + city.map(lambda c: {"a": 5.0, "e": -4.0, "h": 3.0}.get(c, 1.0)).astype(float)
        + frame["size"] * (frame["code"] == 7)
        + frame["code"].isin([3, 40])
    ).to_numpy(dtype=np.float64)


def hist(categorical: Any, frame: Any) -> Any:
    model = HistGradientBoostingRegressor(max_iter=15, min_samples_leaf=5, categorical_features=categorical)
    return model.fit(frame, table_target(frame))


@pytest.mark.parametrize("categorical", ["from_dtype", ["code", "city"], [3, 1]], ids=["dtype", "names", "numbers"])
def test_categories_go_the_library_way(categorical: Any) -> None:
    model = load_model(hist(categorical, table()))
    assert model.forest.has_categories
    assert_same_prediction(model, table(seed=1))


def test_categorical_splits_name_the_users_columns() -> None:
    forest = load_model(hist(["city"], table())).forest
    assert set(forest.feature[forest.category_set >= 0]) == {1}
    assert {0, 2} <= set(forest.feature[(forest.category_set < 0) & (forest.children_left >= 0)])


@pytest.mark.parametrize("missing_in_training", [False, True], ids=["complete", "missing"])
def test_unknown_category_goes_as_missing(missing_in_training: bool) -> None:
    pd = pytest.importorskip("pandas")
    frame = table()
    if missing_in_training:
        frame.loc[::4, "city"] = None
    model = load_model(hist(["city", "code"], frame))
    asked = table(seed=1)
    asked["city"] = pd.Categorical(["zz", "a", None, "h"] * 100)
    asked["code"] = [3, 8, -1, 40] * 100
    prepared = model.prepare(asked)
    assert np.isnan(prepared[:4, 1]).tolist() == [True, False, True, False]
    assert np.isnan(prepared[:4, 3]).tolist() == [False, True, True, False]
    assert_same_prediction(model, asked)


@pytest.mark.parametrize("gaps", [0.0, 0.25], ids=["complete", "missing"])
def test_unknown_codes_are_folded_into_the_sets(gaps: float) -> None:
    # Past prepare(), codes the model never saw must still go the missing way, as in scikit-learn's own predictor.
    rng = np.random.default_rng(0)
    X = rng.integers(0, 8, (400, 1)).astype(np.float64)
    y = np.array([0.0, 1, 5, 2, 4, 3, 2, 1])[X[:, 0].astype(int)]
    y[X[:, 0] == 6] -= 9
    X[rng.random(400) < gaps] = np.nan
    model = HistGradientBoostingRegressor(max_iter=10, categorical_features=[0], min_samples_leaf=5).fit(X, y)
    loaded = load_model(model)
    assert len(np.unique(loaded.forest.default_left[loaded.forest.category_set >= 0])) == 2  # both ways are tested
    codes = np.arange(256.0)[:, None]
    expected = loaded.raw_predict_prepared(codes)
    np.testing.assert_allclose(loaded.forest.predict(codes), expected, rtol=ROUNDING, atol=ROUNDING)


def test_order_of_the_frames_own_categories_does_not_matter() -> None:
    frame = table()
    model = load_model(hist("from_dtype", frame))
    shuffled = frame.assign(city=frame["city"].cat.set_categories(list("badcfehgx")))
    np.testing.assert_array_equal(model.prepare(shuffled), model.prepare(frame))
    assert_same_prediction(model, shuffled)


@pytest.mark.parametrize("kind", ["object", "object-nan", "str", "polars", "polars-null", "arrow"])
def test_prepared_codes_equal_the_librarys_encoding(kind: str) -> None:
    frame = table()
    if kind == "object":
        frame = frame.astype({"city": object})
        frame.loc[::5, "city"] = None  # None is a category of its own to scikit-learn's encoder
    elif kind == "object-nan":
        frame = frame.astype({"city": object})
        frame.loc[::5, "city"] = np.nan
    elif kind == "str":
        frame = frame.astype({"city": "str"})
    model = hist(["city", "code"], frame)
    asked = frame
    if kind.startswith("polars"):
        asked = pytest.importorskip("polars").from_pandas(frame)
        if kind == "polars-null":
            pl = pytest.importorskip("polars")
            asked = asked.with_columns(pl.when(pl.col("size") > 1).then(None).otherwise(pl.col("city")).alias("city"))
    elif kind == "arrow":
        asked = pytest.importorskip("pyarrow").Table.from_pandas(frame)
    loaded = load_model(model)
    encoded = model._preprocessor.transform(frame if kind == "arrow" else asked)  # city, code, speed, size
    np.testing.assert_array_equal(loaded.prepare(asked)[:, [1, 3, 0, 2]], encoded)


def test_categories_in_an_array() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=300), rng.choice([2.0, 5.5, 9.0, np.nan], 300), rng.normal(size=300)])
    y = X[:, 0] + 4.0 * (X[:, 1] == 5.5) - 3.0 * np.isnan(X[:, 1])
    model = load_model(HistGradientBoostingRegressor(max_iter=8, categorical_features=[1]).fit(X, y))
    X[::9, 1] = 6.0  # unknown
    assert_same_prediction(model, X)
    assert_same_prediction(model, X.astype(np.float32))
    np.testing.assert_array_equal(model.raw_predict(X.tolist()), model.raw_predict(X))


def test_many_categories_and_classes() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 250, 3000), rng.normal(size=3000)])
    y = (np.sin(X[:, 0] * 5) > 0) * 1 + (X[:, 1] > 0)
    model = HistGradientBoostingClassifier(max_iter=6, categorical_features=[0], min_samples_leaf=2).fit(X, y)
    assert_same_prediction(load_model(model), X)


# ------------------------------------------------------------------------------------------------------------ tables


@pytest.mark.parametrize("kind", KINDS)
def test_columns_in_another_order_are_refused(kind: str) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(rows(False), columns=["a", "b", "c", "d"])
    model = load_model(estimator(kind, "regression").fit(frame, target(rows(False), "regression")))
    assert model.feature_names == ("a", "b", "c", "d")
    assert_same_prediction(model, frame)
    with pytest.raises(ValueError, match="column 0 is 'b', expected 'a'"):
        model.prepare(frame[["b", "a", "c", "d"]])


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_width_names_both_widths(kind: str) -> None:
    model = load_model(fitted(kind, "regression"))
    with pytest.raises(ValueError, match=r"3 columns; the scikit-learn model was fitted on 4"):
        model.prepare(rows(False)[:, :3])


@pytest.mark.parametrize("kind", KINDS)
def test_loading_a_model_with_names_warns_of_nothing(kind: str) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(rows(False), columns=["a", "b", "c", "d"])
    model = estimator(kind, "regression").fit(frame, target(rows(False), "regression"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_model(model).raw_predict_prepared(rows(False))
    assert list(model.feature_names_in_) == ["a", "b", "c", "d"]  # the user's model is as it was


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_give_no_predictions(kind: str) -> None:
    model = load_model(fitted(kind, "multiclass"))
    nothing = np.empty((0, 4))
    assert model.prepare(nothing).shape == (0, 4)
    assert model.raw_predict(nothing).shape == model.raw_predict_prepared(nothing).shape == (0, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_float_arrays_are_not_copied(kind: str, dtype: type) -> None:
    X = np.asfortranarray(rows(False).astype(dtype))[::2]
    assert np.shares_memory(load_model(fitted(kind, "regression")).prepare(X), X)


# ---------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "model",
    [fitted("GradientBoosting", "regression"), ExtraTreeRegressor(splitter="best").fit(rows(False), rows(False)[:, 0])],
    ids=["boosting", "extra-tree-best"],
)
def test_missing_value_is_refused_where_the_library_refuses(model: Any) -> None:
    X = rows(False)
    X[11, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.predict(X)
    with pytest.raises(ValueError, match="NaN in row 11, column 2"):
        load_model(model).prepare(X)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39, -3.5e38])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "HistGradientBoosting"])
def test_value_beyond_float32_is_refused(kind: str, value: float) -> None:
    model = fitted(kind, "regression")
    X = rows(False)
    X[5, 1] = value
    with pytest.raises(ValueError, match="infinity"), np.errstate(over="ignore"):
        model.predict(X)
    with pytest.raises(ValueError, match="row 5, column 1"):
        load_model(model).prepare(X)


@pytest.mark.parametrize("kind", ["DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees"])
def test_classifier_of_several_targets_is_refused(kind: str) -> None:
    X = rows(False)
    y = target(X, "binary")
    with pytest.raises(UnsupportedModelError, match="2 targets"):
        load_model(estimator(kind, "binary").fit(X, np.column_stack([y, y])))


@pytest.mark.parametrize(
    "model",
    [
        AdaBoostClassifier(n_estimators=2),
        AdaBoostRegressor(n_estimators=2),
        BaggingClassifier(n_estimators=2),
        IsolationForest(n_estimators=2),
        RandomTreesEmbedding(n_estimators=2),
        StackingRegressor([("tree", DecisionTreeRegressor())]),
        VotingClassifier([("tree", DecisionTreeClassifier())]),
    ],
    ids=lambda model: type(model).__name__,
)
def test_other_ensembles_are_refused_by_name(model: Any) -> None:
    X = rows(False)
    model.fit(X, target(X, "binary") == "up")
    with pytest.raises(UnsupportedModelError, match=f"{type(model).__name__} is not supported: it"):
        load_model(model)


@pytest.mark.parametrize("kind", KINDS)
def test_unfitted_model_is_refused(kind: str) -> None:
    with pytest.raises(NotFittedError, match="not fitted"):
        load_model(estimator(kind, "regression"))


def test_negative_training_weight_is_refused() -> None:
    X = rows(False)
    weights = np.random.default_rng(0).normal(size=len(X))
    with pytest.raises(UnsupportedModelError, match="negative sample weights"):
        load_model(DecisionTreeRegressor(max_depth=3).fit(X, X[:, 0], sample_weight=weights))


def test_subclass_that_predicts_otherwise_is_caught() -> None:
    class Median(RandomForestRegressor):
        def predict(self, X: Any) -> Any:
            return np.median([tree.predict(X) for tree in self.estimators_], axis=0)

    X = rows(False)
    with pytest.raises(ModelConversionError, match="does not reproduce"):
        load_model(Median(n_estimators=5).fit(X, target(X, "regression")))


def test_subclass_that_predicts_the_same_loads() -> None:
    class Renamed(RandomForestClassifier):
        pass

    X = rows(False)
    assert_same_prediction(load_model(Renamed(n_estimators=3).fit(X, target(X, "binary"))), X)


# --------------------------------------------------------------------------------------------------- the rest of it


@pytest.mark.parametrize("kind", KINDS)
def test_loaded_model_pickles(kind: str) -> None:
    model = load_model(fitted(kind, "multiclass"))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.forest.predict(rows(False)), model.forest.predict(rows(False)))


def test_loading_takes_little_more_memory_than_the_forest() -> None:
    X = np.random.default_rng(0).normal(size=(2000, 4))
    model = ExtraTreesRegressor(30, random_state=0).fit(X, X[:, 0] * X[:, 1])
    load_model(model)  # imports
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    forest = load_model(model, check=False).forest
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    own = sum(a.nbytes for a in vars(forest).values() if isinstance(a, np.ndarray))
    assert peak < 2.5 * own  # once for the arrays; Forest's own checks come to another 1.1


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_shapley_values_equal_naive(kind: str, task: str) -> None:
    missing = kind in ACCEPTS_MISSING
    model = fitted(kind, task, "few-leaves", missing)
    X = rows(missing, seed=5)[:12]
    values, base_values = tree_shap(model, X)
    naive_values, naive_base = naive_tree_shap(load_model(model).forest, X)
    np.testing.assert_allclose(values, naive_values, atol=SHAP_ROUNDING)
    np.testing.assert_allclose(base_values, naive_base, atol=SHAP_ROUNDING)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_shapley_values_sum_to_the_raw_output(kind: str, task: str) -> None:
    model = fitted(kind, task, "weighted")
    X = rows(False, seed=5)
    values, base_values = tree_shap(model, X)
    expected = load_model(model).raw_predict(X)
    np.testing.assert_allclose(values.sum(axis=1) + base_values, expected, atol=SHAP_ROUNDING)


def test_shapley_values_of_categories() -> None:
    frame = table()
    model = hist(["city", "code"], frame)
    values, base_values = tree_shap(model, frame)
    np.testing.assert_allclose(values.sum(axis=1)[:, 0] + base_values, model.predict(frame), atol=SHAP_ROUNDING)
    loaded = load_model(model)
    naive_values, _ = naive_tree_shap(loaded.forest, loaded.prepare(frame)[:12])
    np.testing.assert_allclose(values[:12], naive_values, atol=SHAP_ROUNDING)
