"""The user's rows -> a float matrix: the checks and conversions that every loader's `prepare` shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "as_matrix",
    "categorical_columns",
    "encode_categories",
    "objects_to_float",
    "plain_pandas_dtypes",
    "refuse_non_finite",
    "with_pandas_categories",
]

# Smallest magnitude that rounds to infinity in float32: the largest float32 plus half its spacing.
FLOAT32_OVERFLOW = 2.0**128 - 2.0**103
# Values looked at together by refuse_non_finite: the temporaries of a block stay in the L2 cache.
BLOCK_VALUES = 1 << 16

Categories = Mapping[int, Sequence[Any]]


def as_matrix(
    X: Any,
    n_features: int,
    feature_names: Sequence[str] | None,
    library: str,
    *,
    categories: Categories | None = None,
    labels_are_numbers: bool = False,
) -> NDArray[np.floating]:
    """Rows as the user has them, as a float matrix in the model's column order.

    float32 and float64 arrays come back as they are, whatever their strides; everything else is converted once.

    Parameters
    ----------
    X : array-like or table of shape (n_rows, n_features)
        NumPy array (numbers, booleans, or objects that convert to float), list of rows, anything with ``__array__``,
        or a pandas, polars or pyarrow table. In tables null becomes NaN.
    n_features : int
        Width that the model was fitted on.
    feature_names : sequence of str or None
        Names that the model was fitted on, compared with those of a table. None: only the width matters. Columns
        whose names are not all strings count as nameless, as in scikit-learn, unless they spell the model's names.
    library : str
        Named in messages.
    categories : mapping of int to sequence, optional
        Column index -> the labels that the model knows, in the order of their codes. Such a column is replaced by
        codes, as `encode_categories` does.
    labels_are_numbers : bool, default False
        Whether the library reads other columns of category type as the numbers that their labels are (scikit-learn).

    Returns
    -------
    float32 or float64 array of shape (n_rows, n_features)
        float32 for arrays and tables that are float32 (or float16) throughout and hold no categories, else float64.

    Raises
    ------
    ValueError
        X is sparse, not 2-D, of another width, has other names or another order of names, or holds a value that is
        not a real number; the message names the row or the column and what was expected.
    TypeError
        X is nothing that holds rows.
    """
    if isinstance(X, np.ndarray):
        return _from_array(X, n_features, feature_names, library, categories)
    if isinstance(X, (list, tuple)):
        return _from_array(_rows_of_list(X, n_features), n_features, feature_names, library, categories)
    if type(X).__module__.startswith("scipy.sparse"):
        raise ValueError("X is a sparse matrix, which is not supported yet; pass X.toarray().")
    matrix = _from_plain_pandas(X, n_features, feature_names, library, categories)
    if matrix is not None:
        return matrix
    frame = _as_frame(X)
    if frame is not None:
        return _from_frame(frame, n_features, feature_names, library, categories, labels_are_numbers)
    if hasattr(X, "__array__") and not np.isscalar(X):
        return _from_array(np.asarray(X), n_features, feature_names, library, categories)
    raise TypeError(
        f"X is a {type(X).__module__}.{type(X).__qualname__}; expected a NumPy array, a list of rows, or a pandas, "
        "polars or pyarrow table (collect a lazy or distributed one first)."
    )


def refuse_non_finite(
    X: NDArray[np.floating],
    *,
    allow_nan: bool,
    allow_inf: bool,
    names: Sequence[str] | None = None,
    float32: bool = False,
) -> None:
    """Raise where X holds NaN or infinite values that the model does not accept.

    One pass over blocks of rows; nothing as large as X is allocated.

    Parameters
    ----------
    X : float32 or float64 array of shape (n_rows, n_features)
    allow_nan, allow_inf : bool
        As in `Forest`.
    names : sequence of str, optional
        Column names for the message.
    float32 : bool, default False
        The model rounds rows to float32, so that values beyond its range are infinite too.

    Raises
    ------
    ValueError
        Names the first such value (in row order), its row and its column.
    """
    if allow_nan and allow_inf:
        return
    limit = FLOAT32_OVERFLOW if float32 and X.dtype == np.float64 else np.inf
    n_rows = max(1, BLOCK_VALUES // max(1, X.shape[1]))
    for begin in range(0, len(X), n_rows):
        block = X[begin : begin + n_rows]
        good = ~np.isnan(block) if allow_inf else np.abs(block) < limit
        if good.all():
            continue
        if allow_nan:
            good |= np.isnan(block)
        if not good.all():
            row, column = (int(i) for i in np.argwhere(~good)[0])
            _raise_non_finite(float(block[row, column]), begin + row, column, names)


def encode_categories(column: Any, categories: Sequence[Any]) -> NDArray[np.float64]:
    """Labels -> positions in `categories`, as floats; NaN where the label is missing or unknown.

    Labels match as Python compares them: 1, 1.0 and True are equal, 1 and "1" are not. None is missing unless it is
    itself among the categories (scikit-learn's OrdinalEncoder can have learnt it as one).

    Parameters
    ----------
    column : 1-D array, list, or pandas, polars or pyarrow column, of length n_rows
    categories : sequence
        The labels that the model knows; a label's code is its position.

    Returns
    -------
    float64 array of shape (n_rows,)

    Raises
    ------
    ValueError
        A label is not hashable (a list, say), so that it cannot be a category.
    """
    known = np.asarray(categories) if len(categories) else np.empty(0, dtype=object)
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub" and known.dtype.kind in "fiub":
        return _encode_numbers(column, known)
    # NaN is missing even where the encoder lists it as its last category.
    lookup = {label: float(code) for code, label in enumerate(categories) if label == label}
    codes_and_labels = _pandas_codes(column)
    if codes_and_labels is not None:
        codes, labels = codes_and_labels
        of_label = np.full(len(labels) + 1, np.nan)  # the last one is for code -1, missing
        of_label[:-1] = [lookup.get(label, np.nan) for label in labels]
        return np.asarray(of_label[codes], dtype=np.float64)
    values = _to_list(column)
    try:
        return np.fromiter(map(lookup.get, values, repeat(np.nan)), dtype=np.float64, count=len(values))
    except TypeError as error:
        raise ValueError(f"A category must be a plain value such as a string or a number ({error}).") from error


def categorical_columns(X: Any) -> dict[int, list[Any]]:
    """Columns of a table that hold categories by their type (pandas ``category``, polars Categorical or Enum, ...).

    Parameters
    ----------
    X : anything
        Arrays and lists have no such columns.

    Returns
    -------
    dict of int to list
        Column index -> the column's own labels, in the order of its codes.
    """
    frame = None if isinstance(X, (np.ndarray, list, tuple)) else _as_frame(X)
    if frame is None:
        return {}
    import narwhals as nw

    found = [i for i, dtype in enumerate(frame.schema.values()) if dtype in (nw.Categorical, nw.Enum)]
    return {i: _own_labels(frame[:, i].to_native()) for i in found}


def plain_pandas_dtypes(X: Any) -> list[Any] | None:
    """Types of the columns of a pandas table that has NumPy's numbers and categories only; None for anything else.

    For single rows: what narwhals asks of each column takes longer than explaining the row.
    """
    is_pandas = type(X).__module__.partition(".")[0] == "pandas"
    if not is_pandas or X.ndim != 2 or not X.columns.is_unique:
        return None
    dtypes = X.dtypes.tolist()
    return dtypes if all(_is_plain_number(dtype) or hasattr(dtype, "categories") for dtype in dtypes) else None


def with_pandas_categories(X: Any) -> Any:
    """A table of another library that has columns of category type as a pandas table; anything else as it is.

    Parameters
    ----------
    X : anything

    Returns
    -------
    object
        X itself, or a pandas DataFrame with the same labels.
    """
    if not hasattr(X, "columns") or type(X).__module__.partition(".")[0] == "pandas":
        return X
    frame = _as_frame(X)
    if frame is None:
        return X
    import narwhals as nw

    if not any(dtype in (nw.Categorical, nw.Enum) for dtype in frame.schema.values()):
        return X
    return frame.to_pandas()


# ---------------------------------------------------------------------------------------------------------- arrays


def _from_array(
    X: NDArray[Any], n_features: int, feature_names: Sequence[str] | None, library: str, categories: Categories | None
) -> NDArray[np.floating]:
    if X.ndim == 1:
        raise ValueError(
            f"X is 1-D, of shape {X.shape}; expected rows, of shape (n_rows, {n_features}). "
            "For a single row pass X.reshape(1, -1)."
        )
    if X.ndim != 2:
        raise ValueError(f"X has {X.ndim} dimensions, of shape {X.shape}; expected (n_rows, {n_features}).")
    _check_names(None, X.shape[1], n_features, feature_names, library)
    if isinstance(X, np.ma.MaskedArray):
        X = np.ma.filled(X.astype(np.float64), np.nan)
    X = np.asarray(X)  # np.matrix and np.memmap index differently or carry a file
    if not categories and X.dtype in (np.float32, np.float64) and X.dtype.isnative:
        return X
    if not categories and X.dtype != object:
        return _to_float(X, None, feature_names)
    out = _empty_columns(len(X), n_features)
    for i in range(n_features):
        known = None if categories is None else categories.get(i)
        out[:, i] = _to_float(X[:, i], i, feature_names) if known is None else encode_categories(X[:, i], known)
    return out


def _to_float(X: NDArray[Any], column: int | None, names: Sequence[str] | None) -> NDArray[np.floating]:
    """A matrix, or one column of it, of any dtype -> float32 or float64."""
    kind = X.dtype.kind
    if X.dtype == object:
        assert column is not None
        return objects_to_float(X, column, names)
    if kind == "f" and X.dtype.itemsize == 2:
        return X.astype(np.float32)
    if kind in "iub" or (kind == "f" and X.dtype.itemsize <= 8):
        return X.astype(X.dtype.newbyteorder("=") if kind == "f" else np.float64, copy=False)
    where = "X" if column is None else _describe(column, names)
    if kind == "f":
        raise ValueError(f"{where} is of type {X.dtype}, wider than any tree model reads; pass X.astype('float64').")
    raise ValueError(f"{where} is of type {X.dtype}; expected real numbers. {_hint(kind)}")


def objects_to_float(values: NDArray[Any], column: int, names: Sequence[str] | None) -> NDArray[np.float64]:
    """The numbers that an array of Python objects holds; None and pandas.NA are missing.

    Parameters
    ----------
    values : object array of shape (n_rows,)
    column : int
        Its index, for messages.
    names : sequence of str, or None
        Of all columns, for messages.

    Raises
    ------
    ValueError
        A value is no number, or none that float64 holds; the message names row and column.
    """
    if values.dtype.kind in "mM":  # NumPy would count their units
        raise ValueError(f"{_describe(column, names)} is of type {values.dtype}; expected numbers. {_hint('M')}")
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        pass  # the loop below finds the culprit, or only pandas.NA, which NumPy does not know
    out = np.empty(len(values))
    for row, value in enumerate(values):
        try:
            out[row] = np.nan if value is None or type(value).__name__ == "NAType" else float(value)
        except OverflowError:
            raise ValueError(
                f"{_describe(column, names)} holds a whole number of {value.bit_length()} bits in row {row}, too large "
                "for float64; clip or remove such values first."
            ) from None
        except (TypeError, ValueError):
            raise ValueError(
                f"{_describe(column, names)} holds {value!r} in row {row}, which is not a number. "
                "Encode it as the model's training data was."
            ) from None
    return out


def _rows_of_list(X: Sequence[Any], n_features: int) -> NDArray[Any]:
    if len(X) == 0:
        return np.empty((0, n_features))
    try:
        rows = np.asarray(X)
    except ValueError:
        lengths = [len(row) if hasattr(row, "__len__") else None for row in X]
        odd = next((i for i, length in enumerate(lengths) if length != lengths[0]), 0)
        raise ValueError(
            f"X is a list whose rows differ in length: row 0 has {lengths[0]} values, row {odd} {lengths[odd]}."
        ) from None
    # NumPy turns a list with one string in it into strings throughout; as objects the numbers stay numbers.
    return rows if rows.dtype.kind in "fiub" else np.array(X, dtype=object)


# ---------------------------------------------------------------------------------------------------------- tables


def _is_plain_number(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "fiub" and dtype.itemsize <= 8


def _from_plain_pandas(
    X: Any, n_features: int, feature_names: Sequence[str] | None, library: str, categories: Categories | None
) -> NDArray[np.floating] | None:
    """What `_from_frame` gives, without its cost per column; None for tables that need it."""
    dtypes = plain_pandas_dtypes(X)
    coded = set(categories or ())
    if not dtypes or any(hasattr(dtype, "categories") != (i in coded) for i, dtype in enumerate(dtypes)):
        return None
    names = X.columns.tolist()
    _check_names(names, len(names), n_features, feature_names, library)
    if not categories:
        same = set(dtypes) == {np.dtype(np.float32)}
        return np.asarray(X.to_numpy(dtype=np.float32 if same else np.float64))
    out = _empty_columns(len(X), n_features)
    for i in range(n_features):
        column = X.iloc[:, i]
        out[:, i] = encode_categories(column, categories[i]) if i in coded else column.to_numpy()
    return out


def _as_frame(X: Any) -> Any:
    """A narwhals DataFrame over the user's table; None if X is not a table held in memory."""
    import narwhals as nw

    try:
        frame = nw.from_native(X, pass_through=True, eager_only=True)
        if isinstance(frame, nw.DataFrame):
            _ = frame.schema  # pyarrow's repeated names show only here
            return frame
    except nw.exceptions.DuplicateError as error:
        names = [str(name) for name in getattr(X, "column_names", None) or X.columns]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"X has more than one column named {twice!r}; give each its own name.") from error
    series = nw.from_native(X, pass_through=True, series_only=True)
    if isinstance(series, nw.Series):
        raise ValueError(
            f"X is a single column or row ({type(X).__name__}); expected a table. "
            "For a single row pass X.to_numpy().reshape(1, -1)."
        )
    return None


def _from_frame(
    frame: Any,
    n_features: int,
    feature_names: Sequence[str] | None,
    library: str,
    categories: Categories | None,
    labels_are_numbers: bool,
) -> NDArray[np.floating]:
    import narwhals as nw

    dtypes = list(frame.schema.values())
    names = list(frame.columns)
    _check_names(names, len(names), n_features, feature_names, library)
    if not categories and n_features and (set(dtypes) <= {nw.Float64} or set(dtypes) <= {nw.Float32}):
        matrix: NDArray[np.floating] = frame.to_numpy()
        if matrix.dtype in (np.float32, np.float64):
            return matrix
    out = _empty_columns(len(frame), n_features)
    for i in range(n_features):
        column = frame[:, i]
        known = None if categories is None else categories.get(i)
        if known is not None:
            out[:, i] = encode_categories(column.to_native(), known)
        elif labels_are_numbers and column.dtype in (nw.Categorical, nw.Enum):
            out[:, i] = _labels_to_float(column, i, names)
        else:
            out[:, i] = _column_to_float(column, i, names)
    return out


def _labels_to_float(column: Any, i: int, names: Sequence[Any]) -> NDArray[np.float64]:
    """A categorical column by its labels, where those that it uses are numbers."""
    coded = _pandas_codes(column.to_native())
    if coded is not None:
        codes, labels = coded
        used = np.unique(codes[codes >= 0])
        numbers = np.full(len(labels) + 1, np.nan)  # the last one is for code -1, missing
        try:
            numbers[used] = [labels[code] for code in used]
            return np.asarray(numbers[codes], dtype=np.float64)
        except (TypeError, ValueError):
            pass  # below, the message names the first row with such a label
    return objects_to_float(np.asarray(column.to_list(), dtype=object), i, names)


def _column_to_float(column: Any, i: int, names: Sequence[Any]) -> NDArray[np.floating]:
    import narwhals as nw

    dtype = column.dtype
    if dtype.is_numeric() or dtype == nw.Boolean:
        return _to_float(column.to_numpy(), i, names)
    if dtype in (nw.Object, nw.Unknown) and not hasattr(column.to_native(), "sparse"):
        return objects_to_float(np.asarray(column.to_list(), dtype=object), i, names)
    if dtype in (nw.Categorical, nw.Enum):
        raise ValueError(
            f"{_describe(i, names)} holds categories, but the model was not fitted with categories there; "
            "encode it as the model's training data was."
        )
    hint = _hint("U" if dtype == nw.String else "M" if dtype.is_temporal() else "")
    native = column.to_native()
    type_name = getattr(native, "dtype", getattr(native, "type", dtype))
    raise ValueError(f"{_describe(i, names)} is of type {type_name}; expected numbers. {hint}".rstrip())


def _own_labels(column: Any) -> list[Any]:
    """Labels of a native categorical column in the order of its codes (narwhals sorts and stringifies them)."""
    if hasattr(column, "unify_dictionaries"):  # pyarrow
        chunks = column.unify_dictionaries().chunks
        return list(chunks[0].dictionary.to_pylist()) if chunks else []
    accessor: Any = getattr(column, "cat", None)
    if hasattr(accessor, "categories"):  # pandas and what is like it
        return list(accessor.categories.tolist())
    if hasattr(getattr(column.dtype, "categories", None), "to_list"):  # polars Enum
        return list(column.dtype.categories.to_list())
    if type(column).__module__.startswith("polars."):  # a polars Categorical numbers its labels in no lasting order
        return list(column.unique(maintain_order=True).drop_nulls().to_list())
    raise ValueError(f"Cannot read the categories of a column of type {column.dtype}; convert it to 'category' first.")


def _pandas_codes(column: Any) -> tuple[NDArray[np.integer], Sequence[Any]] | None:
    """Codes (-1 where missing) and labels of a pandas categorical column; None for anything else."""
    if type(column).__module__.split(".")[0] != "pandas" or not hasattr(column.dtype, "categories"):
        return None
    categorical = getattr(column, "array", column)  # not `.cat`, which takes ten times as long
    return np.asarray(categorical.codes), categorical.categories.tolist()


def _to_list(column: Any) -> list[Any]:
    for method in ("to_pylist", "to_list", "tolist"):  # pyarrow; polars and pandas; NumPy
        if hasattr(column, method):
            return list(getattr(column, method)())
    return list(column)


# ---------------------------------------------------------------------------------------------------------- shared


def _encode_numbers(column: NDArray[Any], known: NDArray[Any]) -> NDArray[np.float64]:
    order = np.argsort(known, kind="stable")
    ordered = known[order]
    at = np.minimum(np.searchsorted(ordered, column), len(known) - 1)  # NaN sorts last and equals nothing
    return np.where(ordered[at] == column, order[at].astype(np.float64), np.nan)


def _empty_columns(n_rows: int, n_features: int) -> NDArray[np.float64]:
    return np.empty((n_rows, n_features), order="F")  # filled column by column


def _check_names(
    names: Sequence[Any] | None, width: int, n_features: int, feature_names: Sequence[str] | None, library: str
) -> None:
    if names is not None and feature_names is not None and not all(isinstance(name, str) for name in names):
        # boosters fitted on a table whose columns are named 0, 1, ... keep "0", "1", ...
        spelt = [str(name) for name in names]
        names = spelt if set(spelt) == set(feature_names) else None
    if names is None or feature_names is None:
        if width != n_features:
            raise ValueError(f"X has {width} columns; the {library} model was fitted on {n_features}.")
        return
    given, fitted = set(names), set(feature_names)
    missing = [name for name in feature_names if name not in given]
    unexpected = [name for name in names if name not in fitted]
    detail = f" First column missing from X: {missing[0]!r}." if missing else ""
    detail += f" First column that the model does not know: {unexpected[0]!r}." if unexpected else ""
    if width != n_features:
        raise ValueError(f"X has {width} columns; the {library} model was fitted on {n_features}.{detail}")
    if detail:
        raise ValueError(f"The columns of X are not those that the {library} model was fitted on.{detail}")
    for i, (name, expected) in enumerate(zip(names, feature_names, strict=True)):
        if name != expected:
            raise ValueError(
                f"The columns of X are in another order than the {library} model was fitted on: column {i} is "
                f"{name!r}, expected {expected!r}. Reorder them by name, for example X[list(feature_names)]."
            )


def _describe(column: int, names: Sequence[Any] | None) -> str:
    return f"Column {column}" if names is None else f"Column {column} ({names[column]!r})"


def _hint(kind: str) -> str:
    """What to do about values of a NumPy kind that a tree model cannot read."""
    if kind in ("U", "S", "T"):
        return "Encode text as the model's training data was."
    if kind in ("M", "m"):
        return "Turn dates and durations into numbers as the model's training data was."
    return "Pass the real numbers that the model was fitted on." if kind == "c" else ""


def _raise_non_finite(value: float, row: int, column: int, names: Sequence[str] | None) -> None:
    where = f"row {row}, column {column}" if names is None else f"row {row}, column {column} ({names[column]!r})"
    if np.isnan(value):
        raise ValueError(f"X is NaN in {where}, and the model does not accept missing values; fill them in first.")
    problem = "infinite" if np.isinf(value) else f"{value!r}, too large for the float32 that the model reads,"
    raise ValueError(f"X is {problem} in {where}, and the model does not accept it; clip or remove such values first.")
