"""Tables, refusals, pickles, memory and SHAP values of scikit-learn's trees."""

from __future__ import annotations

import pickle
import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn_cases
from naive import naive_tree_shap
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    ExtraTreesRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor
from sklearn_cases import (
    ACCEPTS_MISSING,
    KINDS,
    SHAP_ROUNDING,
    TASKS,
    assert_same_prediction,
    estimator,
    fitted,
    hist,
    rows,
    table,
    target,
)

from fastexplain import ModelConversionError, UnsupportedModelError, load_model, tree_shap

_one_openmp_thread = sklearn_cases._one_openmp_thread  # a fixture


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
    with pytest.raises(UnsupportedModelError, match=f"{type(model).__name__} is not supported by Tree SHAP: it"):
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
