"""Histogram gradient boosting and its categories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn_cases
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn_cases import ROUNDING, assert_same_prediction, hist, table

from fastexplain import load_model

_one_openmp_thread = sklearn_cases._one_openmp_thread  # a fixture


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
