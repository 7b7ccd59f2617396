"""Tables for LightGBM, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastexplain import UnsupportedModelError, load_model

lgb = pytest.importorskip("lightgbm")
pd = pytest.importorskip("pandas")
from lightgbm_cases import QUICK, assert_predicts_like_lightgbm, rows, stump_text, table, target, train  # noqa: E402


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
