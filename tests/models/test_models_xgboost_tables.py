"""Tables and their categories, for XGBoost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

xgboost = pytest.importorskip("xgboost")
import xgboost_cases  # noqa: E402
from xgboost_cases import (  # noqa: E402
    COLOURS,
    N_ROWS,
    assert_forest_predicts,
    assert_same_leaves,
    coloured,
    margin,
    rows,
    since_3_1,
    target,
)

from fastexplain.models import load_model  # noqa: E402

_quiet_library = xgboost_cases._quiet_library  # a fixture
categorical = xgboost_cases.categorical  # a fixture
plain = xgboost_cases.plain  # a fixture


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
