"""Rows in whatever form the user has them become one float matrix, or an error that says what is wrong."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from numpy.typing import NDArray

from fastexplain.rows.matrix import as_matrix, categorical_columns, encode_categories, refuse_non_finite

pd = pytest.importorskip("pandas")

NAMES = ("a", "b")
TABLES = ("pandas", "polars", "pyarrow")


def matrix(X: Any, n_features: int = 2, names: tuple[str, ...] | None = NAMES, **options: Any) -> NDArray[np.floating]:
    return as_matrix(X, n_features, names, "toy", **options)


def make_table(library: str, columns: dict[str, Any]) -> Any:
    if library == "pandas":
        return pd.DataFrame(columns)
    if library == "polars":
        return pytest.importorskip("polars").DataFrame(columns)
    return pytest.importorskip("pyarrow").table(columns)


def assert_equal(X: NDArray[np.floating], expected: Any, dtype: Any = np.float64) -> None:
    assert X.dtype == dtype
    np.testing.assert_array_equal(X, expected)


# ------------------------------------------------------------------------------------------------------------ arrays


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_float_arrays_pass_through(dtype: type, order: str) -> None:
    X = np.ones((6, 4), dtype=dtype, order=order)
    for view in (X, X[::2], X[::-1], X[:, ::2]):
        assert matrix(view, view.shape[1], None) is view


def test_read_only_array_passes_through() -> None:
    X = np.ones((3, 2))
    X.flags.writeable = False
    assert matrix(X) is X


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint32, bool])
def test_whole_numbers_and_booleans_become_float64(dtype: type) -> None:
    assert_equal(matrix(np.array([[1, 0], [1, 1]], dtype=dtype)), [[1.0, 0.0], [1.0, 1.0]])


def test_float16_becomes_float32() -> None:
    assert_equal(matrix(np.array([[0.5, 2.0]], dtype=np.float16)), [[0.5, 2.0]], np.float32)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_foreign_byte_order_is_converted(dtype: str) -> None:
    foreign = np.array([[0.5, 2.0]], dtype=np.dtype(dtype).newbyteorder())
    assert_equal(matrix(foreign), [[0.5, 2.0]], np.dtype(dtype))
    assert matrix(foreign).dtype.isnative


def test_masked_entries_are_missing() -> None:
    assert_equal(matrix(np.ma.masked_equal([[1, 2], [3, 4]], 2)), [[1.0, np.nan], [3.0, 4.0]])


def test_list_of_rows() -> None:
    assert_equal(matrix([[1, 2], [3, 4.5]]), [[1.0, 2.0], [3.0, 4.5]])


def test_anything_with_array_interface() -> None:
    class Tensor:
        def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[np.floating]:
            return np.array([[1.0, 2.0]], dtype=dtype)

    assert_equal(matrix(Tensor()), [[1.0, 2.0]])


@pytest.mark.parametrize("X", [np.empty((0, 2)), np.empty((0, 2), dtype=object), [], pd.DataFrame({"a": [], "b": []})])
def test_no_rows(X: Any) -> None:
    assert matrix(X).shape == (0, 2)


def test_objects_that_are_numbers() -> None:
    X = np.array([[1, 2.5], [None, True], [pd.NA, decimal.Decimal("0.5")]], dtype=object)
    assert_equal(matrix(X), [[1.0, 2.5], [np.nan, 1.0], [np.nan, 0.5]])


def test_object_that_is_no_number_is_named() -> None:
    X = np.array([[1, 2], [3, "much"]], dtype=object)
    with pytest.raises(ValueError, match=r"Column 1 \('b'\) holds 'much' in row 1"):
        matrix(X)


def test_list_with_text_is_named() -> None:
    with pytest.raises(ValueError, match=r"Column 1 holds 'much' in row 0"):
        matrix([[1, "much"], [3, 4]], names=None)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.array([["x", "y"]]), "text"),
        (np.array([["2020-01-01", "2021-01-01"]], dtype="M8[D]"), "dates"),
        (np.array([[1, 2]], dtype="m8[D]"), "durations"),
        (np.array([[1j, 2.0]]), "real numbers"),
        (np.array([[(1, 2.0), (2, 3.0)]], dtype=[("x", "i4"), ("y", "f8")]), "expected real numbers"),
    ],
    ids=["text", "dates", "durations", "complex", "records"],
)
def test_arrays_of_other_things_are_refused(X: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        matrix(X)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is float64 on this platform")
def test_long_double_is_refused() -> None:
    with pytest.raises(ValueError, match="wider than any tree model"):
        matrix(np.ones((1, 2), dtype=np.longdouble))


@pytest.mark.parametrize("X", [np.zeros(2), [1, 2], np.float64(3) * np.ones(2)])
def test_one_row_says_how_to_reshape(X: Any) -> None:
    with pytest.raises(ValueError, match=r"1-D.*\(n_rows, 2\).*X\.reshape\(1, -1\)"):
        matrix(X)


@pytest.mark.parametrize("X", [pd.Series([1.0, 2.0]), pd.DataFrame({"a": [1.0]})["a"]])
def test_one_column_says_how_to_reshape(X: Any) -> None:
    with pytest.raises(ValueError, match=r"single column or row.*reshape\(1, -1\)"):
        matrix(X)


def test_three_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"3 dimensions.*\(1, 2, 2\)"):
        matrix(np.zeros((1, 2, 2)))


def test_ragged_list_is_refused() -> None:
    with pytest.raises(ValueError, match="row 0 has 2 values, row 1 1"):
        matrix([[1, 2], [3]])


@pytest.mark.parametrize("X", [scipy.sparse.csr_matrix(np.eye(2)), scipy.sparse.coo_array(np.eye(2))])
def test_sparse_says_what_to_call(X: Any) -> None:
    with pytest.raises(ValueError, match=r"X\.toarray\(\)"):
        matrix(X)


@pytest.mark.parametrize("X", [None, "rows", 3.0, {"a": [1]}], ids=repr)
def test_what_holds_no_rows_is_a_type_error(X: Any) -> None:
    with pytest.raises(TypeError, match=type(X).__qualname__):
        matrix(X)


def test_lazy_table_is_a_type_error() -> None:
    lazy = pytest.importorskip("polars").LazyFrame({"a": [1.0], "b": [2.0]})
    with pytest.raises(TypeError, match=r"LazyFrame.*collect"):
        matrix(lazy)


# ------------------------------------------------------------------------------------------------------------ tables


@pytest.mark.parametrize("library", TABLES)
def test_table_of_floats(library: str) -> None:
    table = make_table(library, {"a": [1.5, None, 2.0], "b": [1.0, 2.0, 3.0]})
    assert_equal(matrix(table), [[1.5, 1.0], [np.nan, 2.0], [2.0, 3.0]])


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_null_in_whole_numbers_and_booleans_is_missing(library: str) -> None:
    table = make_table(library, {"a": [1, None, 2], "b": [True, None, False]})
    assert_equal(matrix(table), [[1.0, 1.0], [np.nan, np.nan], [2.0, 0.0]])


@pytest.mark.parametrize("dtype", ["Int64", "UInt8", "Float64", "boolean", "int64[pyarrow]", "double[pyarrow]"])
def test_null_in_nullable_pandas_columns_is_missing(dtype: str) -> None:
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": pd.array([1, None, 0], dtype=dtype), "b": [1.0, 2.0, 3.0]})
    assert_equal(matrix(frame), [[1.0, 1.0], [np.nan, 2.0], [0.0, 3.0]])


def test_table_of_float32_stays_float32() -> None:
    assert_equal(matrix(pd.DataFrame({"a": [1.5], "b": [2.5]}, dtype=np.float32)), [[1.5, 2.5]], np.float32)


def test_nullable_float32_stays_float32() -> None:
    frame = pd.DataFrame({"a": pd.array([1.5, None], dtype="Float32"), "b": pd.array([1, 2], dtype="Float32")})
    assert_equal(matrix(frame), [[1.5, 1.0], [np.nan, 2.0]], np.float32)


def test_table_with_one_wider_column_becomes_float64() -> None:
    frame = pd.DataFrame({"a": np.array([0.1], dtype=np.float32), "b": [0.1]})
    assert_equal(matrix(frame), [[np.float64(np.float32(0.1)), 0.1]])


def test_pandas_block_is_not_copied() -> None:
    X = np.arange(6.0).reshape(3, 2)
    assert np.shares_memory(matrix(pd.DataFrame(X, columns=list(NAMES), copy=False)), X)


def test_object_column_of_numbers() -> None:
    frame = pd.DataFrame({"a": np.array([1, pd.NA, None], dtype=object), "b": [True, False, True]})
    assert_equal(matrix(frame), [[1.0, 1.0], [np.nan, 0.0], [np.nan, 1.0]])


def test_decimal_column() -> None:
    pa = pytest.importorskip("pyarrow")
    assert_equal(matrix(pa.table({"a": [decimal.Decimal("1.5")], "b": [2]})), [[1.5, 2.0]])


@pytest.mark.parametrize("library", TABLES)
def test_text_column_is_named(library: str) -> None:
    with pytest.raises(ValueError, match=r"Column 1 \('b'\).*text"):
        matrix(make_table(library, {"a": [1.0, 2.0], "b": ["x", "y"]}))


@pytest.mark.parametrize("library", TABLES)
def test_date_column_is_named(library: str) -> None:
    dates = np.array(["2020-01-01", "2021-01-01"], dtype="M8[us]")
    with pytest.raises(ValueError, match=r"Column 1 \('b'\).*dates"):
        matrix(make_table(library, {"a": [1.0, 2.0], "b": dates}))


def test_complex_column_is_named() -> None:
    with pytest.raises(ValueError, match=r"Column 1 \('b'\) holds"):
        matrix(pd.DataFrame({"a": [1.0], "b": [1j]}))


def test_sparse_column_is_named() -> None:
    with pytest.raises(ValueError, match=r"Column 1 \('b'\) is of type Sparse"):
        matrix(pd.DataFrame({"a": [1.0, 0.0], "b": pd.arrays.SparseArray([0.0, 1.0])}))


def test_unexpected_categories_are_named() -> None:
    with pytest.raises(ValueError, match=r"Column 0 \('a'\) holds categories"):
        matrix(pd.DataFrame({"a": pd.Categorical(["x"]), "b": [1.0]}))


@pytest.mark.parametrize("library", ["pandas", "pyarrow"])
def test_repeated_column_name_is_refused(library: str) -> None:
    table = pd.DataFrame(np.ones((1, 2)), columns=["a", "a"])
    if library == "pyarrow":
        pa = pytest.importorskip("pyarrow")
        table = pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["a", "a"])
    with pytest.raises(ValueError, match="more than one column named 'a'"):
        matrix(table)


# ------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("X", [np.ones((2, 3)), np.ones((2, 3)).tolist(), pd.DataFrame(np.ones((2, 3)))])
def test_wrong_width_names_both_widths(X: Any) -> None:
    with pytest.raises(ValueError, match="X has 3 columns; the toy model was fitted on 2"):
        matrix(X)


def test_wrong_width_names_the_first_missing_column() -> None:
    with pytest.raises(ValueError, match=r"1 columns; the toy model was fitted on 2.*missing from X: 'b'"):
        matrix(pd.DataFrame({"a": [1.0]}))


def test_wrong_width_names_the_first_unexpected_column() -> None:
    with pytest.raises(ValueError, match=r"3 columns; the toy model was fitted on 2.*does not know: 'z'"):
        matrix(pd.DataFrame({"a": [1.0], "z": [1.0], "b": [1.0]}))


def test_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"missing from X: 'b'.*does not know: 'c'"):
        matrix(pd.DataFrame({"a": [1.0], "c": [1.0]}))


@pytest.mark.parametrize("library", TABLES)
def test_other_order_of_names_is_refused(library: str) -> None:
    with pytest.raises(ValueError, match=r"another order.*column 0 is 'b', expected 'a'.*X\[list\(feature_names\)\]"):
        matrix(make_table(library, {"b": [1.0], "a": [1.0]}))


def test_names_do_not_matter_to_a_model_that_saw_none() -> None:
    assert_equal(matrix(pd.DataFrame({"x": [1.0], "y": [2.0]}), names=None), [[1.0, 2.0]])


def test_columns_numbered_by_pandas_have_no_names() -> None:
    assert_equal(matrix(pd.DataFrame(np.array([[1.0, 2.0]]))), [[1.0, 2.0]])


# -------------------------------------------------------------------------------------------------------- categories


@pytest.mark.parametrize(
    "column",
    [
        ["y", "x", None, "z"],
        np.array(["y", "x", None, "z"], dtype=object),
        pd.Series(["y", "x", None, "z"]),
        pd.Series(["y", "x", None, "z"], dtype=object),
        pd.Series(pd.Categorical(["y", "x", None, "z"], categories=["z", "y", "x"])),
    ],
    ids=["list", "objects", "text", "pandas-objects", "categorical"],
)
def test_labels_become_codes(column: Any) -> None:
    assert_equal(encode_categories(column, ["x", "y"]), [1.0, 0.0, np.nan, np.nan])


@pytest.mark.parametrize("kind", ["String", "Categorical", "Enum"])
def test_polars_labels_become_codes(kind: str) -> None:
    pl = pytest.importorskip("polars")
    dtype = pl.Enum(["z", "y", "x"]) if kind == "Enum" else getattr(pl, kind)
    column = pl.Series(["y", "x", None, "z"], dtype=dtype)
    assert_equal(encode_categories(column, ["x", "y"]), [1.0, 0.0, np.nan, np.nan])
    assert_equal(encode_categories(column.to_arrow(), ["x", "y"]), [1.0, 0.0, np.nan, np.nan])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_numbers_become_codes(dtype: type) -> None:
    column = np.array([7, 3, 4, 99, -1], dtype=dtype)
    assert_equal(encode_categories(column, np.array([7.0, 3.0, 99.0])), [0.0, 1.0, np.nan, 2.0, np.nan])


def test_nan_is_missing_even_among_the_categories() -> None:
    column = np.array([np.nan, 3.0])
    assert_equal(encode_categories(column, np.array([3.0, np.nan])), [np.nan, 0.0])
    assert_equal(encode_categories(column.tolist(), [3.0, float("nan")]), [np.nan, 0.0])


def test_none_can_be_a_category() -> None:
    assert_equal(encode_categories(["x", None, float("nan")], ["x", None]), [0.0, 1.0, np.nan])


def test_numbers_and_text_differ() -> None:
    assert_equal(encode_categories(np.array([1, 2]), ["1", "2"]), [np.nan, np.nan])
    assert_equal(encode_categories(["1", 1, 1.0, True], [1, 2]), [np.nan, 0.0, 0.0, 0.0])


def test_no_known_categories() -> None:
    assert_equal(encode_categories(np.array([1.0, 2.0]), []), [np.nan, np.nan])


def test_unhashable_label_is_refused() -> None:
    with pytest.raises(ValueError, match="plain value"):
        encode_categories([[1], [2]], [1, 2])


@pytest.mark.parametrize("kind", ["array", "objects", "list", "pandas"])
def test_matrix_with_categories(kind: str) -> None:
    X: Any = np.array([[0.5, 4.0], [1.5, 8.0], [np.nan, 5.0]])
    if kind == "objects":
        X = X.astype(object)
    elif kind == "list":
        X = X.tolist()
    elif kind == "pandas":
        X = pd.DataFrame(X, columns=list(NAMES))
    assert_equal(matrix(X, categories={1: [8, 4]}), [[0.5, 1.0], [1.5, 0.0], [np.nan, np.nan]])


def test_input_is_left_alone_when_encoded() -> None:
    X = np.array([[0.5, 4.0]])
    matrix(X, categories={1: [8, 4]})
    assert X.tolist() == [[0.5, 4.0]]


def test_categorical_columns_of_pandas() -> None:
    frame = pd.DataFrame({"a": pd.Categorical([3, 1, 3]), "b": 1.0, "c": pd.Categorical(["y"] * 3, ["z", "y"])})
    assert categorical_columns(frame) == {0: [1, 3], 2: ["z", "y"]}


def test_categorical_columns_of_polars_and_arrow() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": [1.0], "b": pl.Series(["x"], dtype=pl.Enum(["y", "x"]))})
    assert categorical_columns(frame) == categorical_columns(frame.to_arrow()) == {1: ["y", "x"]}


@pytest.mark.parametrize("X", [np.ones((2, 2)), [[1, 2]], pd.DataFrame({"a": [1.0]}), None], ids=repr)
def test_nothing_else_has_categorical_columns(X: Any) -> None:
    assert categorical_columns(X) == {}


# -------------------------------------------------------------------------------------------------------- non-finite


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_first_non_finite_value_is_named(value: float, dtype: type, order: str) -> None:
    X = np.zeros((50_000, 3), dtype=dtype, order=order)
    X[40_000, 1] = X[40_001, 0] = value  # beyond the first block
    word = "NaN" if np.isnan(value) else "infinite"
    with pytest.raises(ValueError, match=rf"X is {word} in row 40000, column 1 \('b'\)"):
        refuse_non_finite(X, allow_nan=False, allow_inf=False, names=["a", "b", "c"])
    with pytest.raises(ValueError, match="row 40000, column 1, and"):
        refuse_non_finite(X, allow_nan=False, allow_inf=False)


@pytest.mark.parametrize("float32", [False, True])
@pytest.mark.parametrize(("allow_nan", "allow_inf"), [(True, True), (True, False), (False, True), (False, False)])
def test_only_what_is_not_allowed_is_refused(allow_nan: bool, allow_inf: bool, float32: bool) -> None:
    for value, allowed in ((np.nan, allow_nan), (np.inf, allow_inf), (-np.inf, allow_inf), (1e38, True)):
        X = np.array([[0.0, value]])
        if allowed:
            refuse_non_finite(X, allow_nan=allow_nan, allow_inf=allow_inf, float32=float32)
        else:
            with pytest.raises(ValueError, match="column 1"):
                refuse_non_finite(X, allow_nan=allow_nan, allow_inf=allow_inf, float32=float32)


def test_float32_limit_is_where_rounding_overflows() -> None:
    overflows = 2.0**128 - 2.0**103
    below = np.nextafter(overflows, 0)
    assert np.isfinite(np.float32(below))
    refuse_non_finite(np.array([[below, -below]]), allow_nan=False, allow_inf=False, float32=True)
    refuse_non_finite(np.array([[overflows]]), allow_nan=False, allow_inf=False)
    with pytest.raises(ValueError, match="too large for the float32"):
        refuse_non_finite(np.array([[overflows]]), allow_nan=False, allow_inf=False, float32=True)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty_matrices_have_nothing_to_refuse(shape: tuple[int, int]) -> None:
    refuse_non_finite(np.empty(shape), allow_nan=False, allow_inf=False)
    with pytest.raises(ValueError, match="row 0"):  # the first row and column more are refused
        refuse_non_finite(np.full((shape[0] + 1, shape[1] + 1), np.nan), allow_nan=False, allow_inf=False)


def test_numbered_columns_in_another_order_are_refused() -> None:
    # XGBoost and LightGBM keep the names "0" and "1" of a table whose columns are 0 and 1
    frame = pd.DataFrame({1: [1.0], 0: [0.0]})
    with pytest.raises(ValueError, match="another order"):
        matrix(frame, names=("0", "1"))
    assert matrix(frame[[0, 1]], names=("0", "1")).tolist() == [[0.0, 1.0]]
