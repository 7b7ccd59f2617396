"""The user's rows as they come: how many, their names, a slice of them, one row as a table. Converts no values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.rows.kinds import is_arrow, is_pandas, is_sparse

__all__ = [
    "as_table",
    "column_labels",
    "column_names",
    "column_of",
    "count_columns",
    "count_rows",
    "listed_rows",
    "shape_of",
    "slice_rows",
    "take_rows",
    "unwrapped_rows",
    "without_rows",
]


def unwrapped_rows(rows: Any, keep_weights: bool = False) -> Any:
    """Plain rows of what may wrap them: a DatasetWrapper (this package's or ml-wrappers'), a tensor, shap's DenseData.

    Parameters
    ----------
    rows : object
        Anything else is returned as it is.
    keep_weights : bool, default False
        Leave DenseData alone, whose rows have weights.
    """
    if hasattr(rows, "original_dataset_with_type"):
        # a wrapper of nothing but its summary, or of rows
        rows = rows.dataset if rows.original_dataset_with_type is None else rows.original_dataset_with_type
    if hasattr(rows, "detach"):
        return rows.detach().cpu().numpy()
    if type(rows).__name__ == "DenseData" and not keep_weights:
        return rows.data
    return rows


def as_table(X: Any, template: Any = None) -> tuple[Any, bool]:
    """Rows as something 2-D, and whether they came as a single 1-D row.

    Parameters
    ----------
    X : array-like
        A table or 2-D array is returned as it is, a sparse matrix as csr or csc; a 1-D array, list or series becomes
        one row.
    template : pandas.DataFrame, optional
        Gives a pandas series its column types back, which a row of mixed types has lost; a value that its column's
        type cannot hold (30.5 among integers, a missing bool) keeps its own type.

    Raises
    ------
    ValueError
        X has more than two dimensions, or two columns of one name.
    TypeError
        X is nothing that holds rows: None, a scalar, a string, a dict.
    """
    X = unwrapped_rows(X)
    if isinstance(X, list | tuple):
        single = not any(isinstance(row, Sequence | np.ndarray) and not isinstance(row, str) for row in X)
        return (_one_row(X), True) if single and X else (X, False)
    shape = shape_of(X)
    if len(shape) == 2:
        _check_labels(X)
        # other formats, as coo, have no slices
        return (X.tocsr() if is_sparse(X) and X.format not in ("csr", "csc") else X), False
    if len(shape) != 1:
        raise ValueError(f"Rows must be 2-D, or 1-D for a single row; got shape {tuple(shape)}.")
    if not hasattr(X, "to_frame") or not hasattr(X, "index"):
        return np.asarray(X).reshape(1, -1), True
    frame = X.to_frame().T
    dtypes: Any = getattr(template, "dtypes", None)
    if hasattr(dtypes, "index") and frame.columns.is_unique and list(dtypes.index) == list(frame.columns):
        return frame.astype({name: _row_dtype(frame[name], dtype) for name, dtype in dtypes.items()}), True
    return frame.infer_objects(), True


def _check_labels(X: Any) -> None:
    labels = column_labels(X)
    if labels is not None and len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise ValueError(f"X has more than one column named {twice!r}; give each its own name.")


def listed_rows(X: Any) -> Any:
    """A list of rows as an array, of objects if they are not all numbers; anything else as it is."""
    if not isinstance(X, list | tuple):
        return X
    array = np.asarray(X)
    return array if array.dtype.kind in "fiub" else np.array(X, dtype=object)


def _one_row(values: Sequence[Any]) -> NDArray[Any]:
    row = np.asarray(values)
    if row.dtype.kind not in "fiub":  # with a string in it, NumPy would turn the numbers into strings
        row = np.array(values, dtype=object)
    return row.reshape(1, -1)


def _row_dtype(column: Any, dtype: Any) -> Any:
    """`dtype` if it can hold the column's only value, else the value's own: a cast must not change the value."""
    value, missing = column.iloc[0], bool(column.isna().iloc[0])
    if hasattr(dtype, "categories"):
        # an unknown label stays a label, so that the loader treats it as in a table
        return dtype if missing or value in dtype.categories else "category"
    try:
        cast = column.astype(dtype)
        if bool(cast.isna().iloc[0]) == missing and (missing or bool(cast.iloc[0] == value)):
            return dtype
    except (TypeError, ValueError, OverflowError):
        pass  # it cannot hold the value
    return column.infer_objects().dtype


def count_rows(X: Any) -> int:
    """Return the number of rows of something 2-D."""
    return len(X) if isinstance(X, list | tuple) else int(X.shape[0])


def shape_of(X: Any) -> tuple[int, ...]:
    """Shape of what holds rows; TypeError if it is nothing of the kind: None, a scalar, a string, a dict."""
    shape = tuple(X.shape) if hasattr(X, "shape") else np.shape(X)
    if not shape:
        raise TypeError(
            f"Got type {type(X)} which is not supported in DatasetWrapper. "
            f"Rows came as {type(X).__module__}.{type(X).__qualname__}; expected a NumPy array, a list of rows, or a "
            "pandas, polars or pyarrow table (collect a lazy or distributed one first)."
        )
    return shape


def count_columns(X: Any) -> int:
    """Return the number of columns of something 2-D; ValueError if it is not, TypeError if it holds no rows."""
    shape = shape_of(X)
    if len(shape) != 2:
        raise ValueError(f"Rows must be 2-D; got shape {shape}.")
    return int(shape[1])


def take_rows(X: Any, rows: NDArray[np.intp]) -> Any:
    """Some rows of something 2-D, as the same kind of container; a list becomes an array."""
    if is_pandas(X):
        return X.iloc[rows]
    if is_arrow(X):
        return X.take(rows)
    if is_sparse(X):
        return (X if X.format in ("csr", "csc") else X.tocsr())[rows]
    return X[rows] if hasattr(X, "shape") else np.asarray(X)[rows]


def without_rows(X: Any) -> Any:
    """No row of something 2-D, with its columns and their types.

    Not a slice, which would hold on to the rows: a pickled slice of an Arrow table has all of them.
    """
    X = unwrapped_rows(X)
    if is_arrow(X):
        return X.schema.empty_table()
    return take_rows(X, np.empty(0, dtype=np.intp))


def column_of(X: Any, j: int) -> Any:
    """Column j of something 2-D, as the container's own series, or an array; of sparse rows a sparse column."""
    if is_pandas(X):
        return X.iloc[:, j]
    if is_arrow(X):
        return X.column(j)
    if isinstance(X, list | tuple):
        return np.array([row[j] for row in X], dtype=object)
    return X[:, [j]] if is_sparse(X) else X[:, j]


def slice_rows(X: Any, start: int, stop: int) -> Any:
    """Rows start..stop of something 2-D, without a copy where the container allows it."""
    if is_pandas(X):
        return X.iloc[start:stop]
    if is_arrow(X):  # pyarrow, whose [] picks columns
        return X.slice(start, stop - start)
    return X[start:stop]


def column_labels(X: Any) -> list[Any] | None:
    """Column labels of a table, of any type: what its features are called; None for arrays."""
    labels = X.column_names if is_arrow(X) else getattr(X, "columns", None)
    if labels is None:
        return None
    return list(labels.tolist() if hasattr(labels, "tolist") else labels)


def column_names(X: Any) -> list[str] | None:
    """Column names of a table, if they are all strings, by which columns can be told apart; None otherwise."""
    names = column_labels(X)
    return names if names is not None and all(isinstance(name, str) for name in names) else None
