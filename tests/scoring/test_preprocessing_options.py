"""One option of scikit-learn's transformers at a time, on the values that it is about."""

from __future__ import annotations

import json
import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fitted_transformers import assert_same, columns_of, same_bits, table_of
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.scoring.preprocessing.read import preprocessing_of

BIG = 2**53
NUMBERS = pd.DataFrame({"x": [1.0, 2.0, 4.0, math.nan, 1.0], "y": [0.1, -5.0, 3.0, 3.0, 8.0]})
ODD_NUMBERS = pd.DataFrame({"x": [math.nan, -0.0, 1e300, 7.0], "y": [0.1, 1e9, -1e9, 0.0]})
WORDS = pd.DataFrame({"w": ["a", "b", "b", "c", "c", "c", "d"], "v": ["yes", "no", "no", "no", "yes", "no", "no"]})
NEW_WORDS = pd.DataFrame({"w": ["a", "d", "new", None, math.nan], "v": ["yes", "no", "no", "yes", "no"]})


@pytest.mark.parametrize(
    "transformer",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler(feature_range=(-1, 3)),
        MinMaxScaler(clip=True),
        MaxAbsScaler(),
        RobustScaler(),
        RobustScaler(with_centering=False, unit_variance=True),
        RobustScaler(with_scaling=False),
        SimpleImputer(),
        SimpleImputer(strategy="median", add_indicator=True),
        SimpleImputer(strategy="most_frequent"),
        SimpleImputer(strategy="constant", fill_value=-7.5),
        SimpleImputer(missing_values=1.0, strategy="constant", fill_value=0.25),
        make_pipeline(SimpleImputer(), KBinsDiscretizer(2, encode="onehot", strategy="kmeans")),
        make_pipeline(SimpleImputer(), KBinsDiscretizer([2, 4], encode="ordinal", strategy="uniform")),
        make_pipeline(SimpleImputer(), OneHotEncoder(handle_unknown="ignore"), MaxAbsScaler()),
        FunctionTransformer(),
        "passthrough",
    ],
    ids=lambda transformer: str(transformer).replace("\n", ""),
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_transformers_of_numbers(transformer: Any, dtype: str) -> None:
    frame, odd = (data.astype(dtype) for data in (NUMBERS, ODD_NUMBERS.clip(-1e30, 1e30)))
    if isinstance(transformer, SimpleImputer) and transformer.missing_values == 1.0:
        frame = frame.fillna(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = ColumnTransformer([("t", transformer, ["x", "y"])]).fit(frame)
    assert_same(fitted, frame, frame)
    assert_same(fitted, frame, odd)


@pytest.mark.parametrize(
    "transformer",
    [
        OneHotEncoder(),
        OneHotEncoder(handle_unknown="ignore", drop="first"),
        OneHotEncoder(handle_unknown="ignore", drop="if_binary"),
        OneHotEncoder(handle_unknown="ignore", drop=["b", "no"]),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2),
        OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=2, drop="first"),
        OneHotEncoder(handle_unknown="infrequent_if_exist"),
        OneHotEncoder(handle_unknown="ignore", min_frequency=0.4),
        OneHotEncoder(categories=[["c", "b", "a", "d", "z"], ["no", "yes"]], handle_unknown="ignore"),
        OneHotEncoder(dtype=np.float32, sparse_output=False, handle_unknown="ignore"),
        OrdinalEncoder(),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=math.nan, min_frequency=2),
        OrdinalEncoder(categories=[["d", "c", "b", "a"], ["yes", "no"]], dtype=np.int32),
        make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
        make_pipeline(SimpleImputer(strategy="constant", missing_values=None), OneHotEncoder(handle_unknown="ignore")),
        make_pipeline(OneHotEncoder(handle_unknown="ignore"), StandardScaler(with_mean=False)),
        make_pipeline(OneHotEncoder(handle_unknown="ignore", sparse_output=False), StandardScaler(), MinMaxScaler()),
        make_pipeline(
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=9), OneHotEncoder(sparse_output=False)
        ),
    ],
    ids=lambda transformer: str(transformer).replace("\n", ""),
)
@pytest.mark.parametrize("dtype", ["object", "category"])
def test_transformers_of_words(transformer: Any, dtype: str) -> None:
    frame, new = WORDS.astype(dtype), NEW_WORDS.astype(dtype)
    fitted = transformer.fit(frame)
    assert_same(fitted, frame, frame)
    assert_same(fitted, frame, new)


def test_warned_unknown_categories_are_infrequent_ones() -> None:
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2).fit(WORDS)
    encoder.handle_unknown = "warn"  # as of scikit-learn 1.6, which fits the same
    table = table_of(encoder, WORDS)
    assert table.transform_row(["new", "no"]).tolist() == table.transform_row(["a", "no"]).tolist()


@pytest.mark.parametrize("missing", [None, math.nan])
@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder(encoded_missing_value=-3)], ids=str)
def test_a_missing_label_is_a_category_if_it_was_seen(missing: Any, encoder: Any) -> None:
    frame = pd.DataFrame({"w": pd.Series(["a", missing, "b"], dtype=object)})
    assert_same(encoder.fit(frame), frame, frame)
    assert_same(encoder.fit(frame), frame, pd.DataFrame({"w": pd.Series([None, math.nan, "a"], dtype=object)}))


def test_integers_that_float64_does_not_tell_apart() -> None:
    frame = pd.DataFrame({"id": [BIG, BIG + 1, BIG + 2, -BIG - 1]})
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(frame)
    assert_same(encoder, frame, pd.DataFrame({"id": [BIG + 1, BIG + 3, -BIG, -BIG - 1, BIG]}))
    assert table_of(encoder, frame).transform_row([BIG + 1]).tolist() == [0, 0, 1, 0]
    # among floats of a list as well, where NumPy would round
    assert table_of(encoder, frame).transform([[BIG + 1, 0.5]]).tolist() == [[0, 0, 1, 0], [0, 0, 0, 0]]


def test_unsigned_integers_beyond_int64() -> None:
    frame = pd.DataFrame({"id": np.array([1, 2**63, 2**64 - 1], dtype=np.uint64)})
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(frame)
    assert_same(encoder, frame, pd.DataFrame({"id": np.array([2**63 + 1, 2**64 - 1, 7], dtype=np.uint64)}))


def test_an_integer_column_takes_gaps_and_halves() -> None:
    frame = pd.DataFrame({"n": [1, 2, 3]})
    table = table_of(OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(frame), frame)
    expected = [[0, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert [table.transform_row([value]).tolist() for value in (None, 2.5, 2.0)] == expected
    assert table.transform([np.array([np.nan, 2.5, 2.0])]).tolist() == expected
    assert table.transform([[None, 2.5, 2.0]]).tolist() == expected


def test_values_of_numpy_and_of_python_are_the_same() -> None:
    x = np.array([0.1, 0.2, 0.3], dtype=np.float32)
    frame = pd.DataFrame({"n": [1, 2, 3], "x": x, "w": ["a", "b", "c"], "t": [True, False, True]})
    parts = [("scaled", StandardScaler(), ["n", "x"]), ("encoded", OneHotEncoder(), ["w", "t"])]
    table = table_of(ColumnTransformer(parts).fit(frame), frame)
    plain = table.transform_row([2, 0.2, "b", True])
    assert same_bits(table.transform_row([np.int8(2), np.float32(0.2), np.str_("b"), np.bool_(True)]), plain)
    assert same_bits(table.transform_row((2.0, np.float64(0.2), "b", 1)), plain)
    assert same_bits(table.transform_row(np.array([2, 0.2, "b", True], dtype=object)), plain)
    assert same_bits(table.transform([np.array([2]), [0.2], np.array(["b"]), np.array([True])])[0], plain)


def test_columns_by_selector_remainder_and_nested() -> None:
    frame = pd.DataFrame({"n": [1, 2, 5], "w": ["a", "b", "a"], "x": [0.5, 1.5, math.nan], "z": [1.0, 2.0, 3.0]})
    inner = ColumnTransformer([("scale", MinMaxScaler(), ["x"])], remainder="passthrough")
    outer = ColumnTransformer(
        [
            ("words", OneHotEncoder(), make_column_selector(dtype_exclude=np.number)),
            ("inner", inner.set_output(transform="pandas"), ["z", "x"]),
        ],
        remainder=StandardScaler(),
        transformer_weights={"inner": 0.5},
    )
    fitted = Pipeline([("columns", outer), ("none", "passthrough"), ("last", StandardScaler(with_mean=False))]).fit(
        frame
    )
    assert_same(fitted, frame, frame)


def test_unions_lie_side_by_side() -> None:
    frame = NUMBERS.fillna(0)
    union = FeatureUnion([("a", StandardScaler()), ("b", "passthrough"), ("c", "drop"), ("d", MinMaxScaler())])
    assert_same(union.fit(frame), frame, frame)


def test_dense_minus_zero_is_zero_among_sparse_columns() -> None:
    frame = pd.DataFrame({"x": [-0.0, 0.0, 2.0] * 9, "w": list("abcdefghi") * 3})
    fitted = ColumnTransformer([("x", "passthrough", ["x"]), ("w", OneHotEncoder(), ["w"])]).fit(frame)
    assert fitted.sparse_output_
    assert_same(fitted, frame, frame)


def test_lists_of_columns_and_transformers() -> None:
    from fastexplain.explainers.raw.transformations import as_transformer

    frame = pd.concat([NUMBERS, WORDS[:5]], axis=1)
    tuples = [
        ("x", SimpleImputer().fit(frame[["x"]])),
        (["w", "v"], OneHotEncoder(handle_unknown="ignore").fit(frame[["w", "v"]])),
        (["y"], None),
        (["y"], [MinMaxScaler().fit(frame[["y"]]), StandardScaler().fit(np.array([[0.0], [2.0]]))]),
    ]
    table = preprocessing_of(tuples, list(frame.columns), [str(dtype) for dtype in frame.dtypes])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = as_transformer(tuples).transform(frame).toarray()
    assert same_bits(table.transform(columns_of(frame)), expected)
    assert table.engineered_names == ("x", "w_0", "w_1", "w_2", "v_0", "v_1", "y_0", "y_1")


def test_functions_are_refused() -> None:
    frame = NUMBERS.fillna(1)
    fitted = ColumnTransformer([("log", FunctionTransformer(np.log1p), ["x"])]).fit(frame)
    with pytest.raises(UnsupportedModelError, match=r"Step 'log' \(FunctionTransformer\): It calls the function log1p"):
        table_of(fitted, frame)


def test_text_that_reaches_the_model_as_it_is_must_be_a_number() -> None:
    frame = pd.DataFrame({"w": pd.Series(["1", "2.5"], dtype=object)})
    table = table_of(ColumnTransformer([("w", "passthrough", ["w"])]).fit(frame), frame)
    assert table.transform_row([" 3e2 "]).tolist() == [300.0]
    with pytest.raises(ValueError, match="Column 'w': 'red' is no number"):
        table.transform([["1", "red"]])


def test_float32_comes_out_where_scikit_learn_gives_it() -> None:
    frame = NUMBERS.astype(np.float32)
    assert table_of(StandardScaler().fit(frame), frame).dtype == np.float32
    assert table_of(StandardScaler().fit(frame), NUMBERS).dtype == np.float64


def test_missing_values_of_pandas() -> None:
    frame = pd.DataFrame({"n": pd.array([1, None, 4], dtype="Int64")})
    assert_same(StandardScaler().fit(frame), frame, frame)
    words = pd.DataFrame({"w": pd.Series(["a", "b", pd.NA], dtype=object)})
    filled = SimpleImputer(strategy="most_frequent", missing_values=pd.NA)
    assert_same(make_pipeline(filled, OneHotEncoder()).fit(words), words, words)
    table = table_of(
        make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()).fit(WORDS[["w"]]), WORDS[["w"]]
    )
    for made in (lambda: table.transform_row([pd.NA]), lambda: table.transform([["a", pd.NA]])):
        with pytest.raises(ValueError, match="Column 'w': <NA> cannot be compared; pass missing values as None or NaN"):
            made()


def test_names_of_any_kind_go_into_json() -> None:
    names = [np.int64(3), ("a", "b"), 1.5, "x", None]
    table = preprocessing_of(StandardScaler().fit(np.eye(5)), names, ["float64"] * 5)
    assert table.raw_names == [3, "('a', 'b')", "1.5", "x", None]
    assert json.loads(json.dumps(table.to_parts()[0]))["raw"][0] == {"name": 3, "type": "float64"}


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinite_values_in_place_of_missing_ones(value: float) -> None:
    filled = SimpleImputer(strategy="constant", fill_value=value).fit(NUMBERS)
    assert_same(filled, NUMBERS, NUMBERS)
    words = pd.DataFrame({"w": pd.Series([1, "a", math.nan], dtype=object)})
    assert_same(SimpleImputer(strategy="constant", fill_value=value).fit(words), words, words[:1])


def test_infinity_that_stands_for_missing_values() -> None:
    frame = pd.DataFrame({"n": [1, 2, 3]})
    filled = SimpleImputer(strategy="constant", missing_values=math.inf).fit(frame)
    assert_same(filled, frame, frame)


def test_none_in_a_frame_of_text_between_transformers() -> None:
    frame = pd.DataFrame({"w": pd.Series(["a", None, "b", math.nan, "a"], dtype=object)})
    filled = SimpleImputer(strategy="constant", fill_value="c").set_output(transform="pandas")
    fitted = make_pipeline(filled, OneHotEncoder(sparse_output=False)).fit(frame)
    assert same_bits(table_of(fitted, frame).transform(columns_of(frame)), fitted.transform(frame))


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
def test_columns_that_were_empty_in_fit(strategy: str, keep: bool) -> None:
    frame = NUMBERS.assign(gone=math.nan)[["x", "gone", "y"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filled = SimpleImputer(strategy=strategy, keep_empty_features=keep, add_indicator=True).fit(frame)
    assert_same(filled, frame, frame)
    assert_same(filled, frame, frame.assign(gone=5.0))


def test_an_encoder_that_makes_no_column_of_one() -> None:
    frame = pd.DataFrame({"same": ["a"] * 3, "w": ["a", "b", "c"]})
    fitted = OneHotEncoder(drop="first", sparse_output=False).fit(frame)
    assert_same(fitted, frame, frame)
    assert table_of(fitted, frame).transform_row(["never seen", "b"]).tolist() == [1.0, 0.0]
