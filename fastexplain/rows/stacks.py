"""The user's rows in their own container, with columns that can be taken from other rows.

Every container keeps what the model was fitted on: NumPy dtypes, pandas and polars types and categories, CSR.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.rows.kinds import is_pandas, is_table

__all__ = ["Rows", "Segment", "as_rows", "value_codes"]

Indices = NDArray[np.int64]


class Segment(NamedTuple):
    """Consecutive rows of a stack whose `columns` come from `donors`, the rest from `rows`."""

    rows: Indices
    donors: Indices
    columns: Indices


def value_codes(column: NDArray[Any]) -> tuple[NDArray[np.int32], int]:
    """Rank of each value among the distinct ones, and their number. Missing values are one value, the last."""
    if column.dtype == object:
        return _object_codes(column)
    column = np.ascontiguousarray(column)  # a column of a table in C order would miss the cache at every step below
    order = np.argsort(column)
    ordered = column[order]
    new = ordered[1:] != ordered[:-1]
    if column.dtype.kind == "f":
        new &= ~(np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))
    codes = np.empty(len(column), dtype=np.int32)
    codes[order] = np.concatenate([np.zeros(1, dtype=np.int32), np.cumsum(new, dtype=np.int32)])
    return codes, int(codes.max(initial=0)) + 1


def _object_codes(column: NDArray[Any]) -> tuple[NDArray[np.int32], int]:
    first: dict[Any, int] = {}
    missing = object()
    keys = [missing if v is None or v != v else v for v in column]
    for key in keys:
        first.setdefault(key, len(first))
    labels = [key for key in first if key is not missing]
    with contextlib.suppress(TypeError):  # values that do not compare keep the order in which they came
        labels.sort()
    rank = {label: i for i, label in enumerate(labels)}
    rank[missing] = len(labels)
    return np.array([rank[key] for key in keys], dtype=np.int32), len(first)


class Rows(abc.ABC):
    """Rows of some container.

    Attributes
    ----------
    data : the container
    n_rows, n_features : int
    names : list of str or None
    row_bytes : int
        Memory of one row, about.
    """

    data: Any
    n_rows: int
    n_features: int
    names: list[str] | None = None
    row_bytes: int

    @abc.abstractmethod
    def take(self, rows: Indices) -> Rows:
        """Some of the rows."""

    @abc.abstractmethod
    def column(self, j: int) -> NDArray[Any]:
        """A column as a NumPy array of numbers or objects."""

    @abc.abstractmethod
    def stack(self, segments: Sequence[Segment]) -> Any:
        """A new container with the rows of all segments, end to end."""

    def codes(self, j: int) -> tuple[NDArray[np.int32], int]:
        """Rank of each value of a column among its distinct ones, and their number."""
        return value_codes(self.column(j))

    def numeric(self) -> NDArray[np.float64] | None:
        """All columns as float64, or None where one is not of numbers."""
        columns = [self.column(j) for j in range(self.n_features)]
        if any(c.dtype.kind not in "fiub" for c in columns):
            return None
        out = np.empty((self.n_rows, self.n_features))
        for j, column in enumerate(columns):
            out[:, j] = column
        return out


def as_rows(X: Any) -> Rows:
    """Wrap the user's rows.

    Raises
    ------
    ValueError
        X is not 2-D or has no rows.
    TypeError
        X is nothing that holds rows.
    """
    if type(X).__module__.startswith("scipy.sparse"):
        rows: Rows = _SparseRows(X)
    elif is_pandas(X) and is_table(X):
        rows = _PandasRows(X)
    elif is_table(X):
        rows = _FrameRows(X)
    elif isinstance(X, list | tuple) or hasattr(X, "__array__"):
        array = np.asarray(X)
        if array.dtype.kind in "US" and isinstance(X, list | tuple):
            array = np.array(X, dtype=object)
        if array.ndim != 2:
            raise ValueError(f"X has shape {array.shape}; expected rows, of shape (n_rows, n_features).")
        rows = _ArrayRows(array)
    else:
        raise TypeError(f"X is a {type(X).__name__}; expected an array, a pandas or polars table, or a CSR matrix.")
    if rows.n_rows < 1:
        raise ValueError("X has no rows.")
    return rows


class _ArrayRows(Rows):
    def __init__(self, data: NDArray[Any]) -> None:
        self.data = data
        self.n_rows, self.n_features = data.shape
        self.row_bytes = max(1, data.itemsize * self.n_features)

    def take(self, rows: Indices) -> Rows:
        return _ArrayRows(self.data[rows])

    def column(self, j: int) -> NDArray[Any]:
        return np.ascontiguousarray(self.data[:, j])

    def stack(self, segments: Sequence[Segment]) -> NDArray[Any]:
        sizes = [len(s.rows) for s in segments]
        out = np.empty((sum(sizes), self.n_features), dtype=self.data.dtype)
        at = 0
        for segment, size in zip(segments, sizes, strict=True):
            part = out[at : at + size]
            np.take(self.data, segment.rows, axis=0, out=part, mode="clip")
            for j in segment.columns:
                part[:, j] = self.data[segment.donors, j]
            at += size
        return out


class _PandasRows(Rows):
    def __init__(self, data: Any) -> None:
        self.data = data
        self.n_rows, self.n_features = data.shape
        self.names = [str(name) for name in data.columns]
        self.row_bytes = 16 * self.n_features

    def take(self, rows: Indices) -> Rows:
        return _PandasRows(self.data.take(rows))

    def column(self, j: int) -> NDArray[Any]:
        values = self.data.iloc[:, j]
        if hasattr(values.dtype, "categories"):
            codes = np.asarray(values.cat.codes).astype(np.float64)
            labels = np.asarray(values.cat.categories, dtype=object)
            out = np.empty(len(codes), dtype=object)
            known = codes >= 0
            out[known] = labels[codes[known].astype(np.int64)]
            return out
        if values.dtype.kind in "fiub":
            if values.isna().any() and not isinstance(values.dtype, np.dtype):
                return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
            return np.asarray(values.to_numpy())
        return np.asarray(values.to_numpy(dtype=object, na_value=None))

    def codes(self, j: int) -> tuple[NDArray[np.int32], int]:
        values = self.data.iloc[:, j]
        if not hasattr(values.dtype, "categories"):
            return super().codes(j)
        codes = np.asarray(values.cat.codes, dtype=np.int32)
        return value_codes(np.where(codes < 0, np.iinfo(np.int32).max, codes))

    def stack(self, segments: Sequence[Segment]) -> Any:
        rows = np.concatenate([s.rows for s in segments])
        out = self.data.take(rows)
        for j, source in _sources(segments, rows).items():
            out.isetitem(j, self.data.iloc[:, j].take(source).array)
        return out


class _FrameRows(Rows):
    """polars, pyarrow and other tables, through narwhals."""

    def __init__(self, data: Any) -> None:
        import narwhals as nw

        frame = nw.from_native(data, eager_only=True)
        self.data, self._frame = data, frame
        self.n_rows, self.n_features = frame.shape
        self.names = list(frame.columns)
        self.row_bytes = 16 * self.n_features

    def take(self, rows: Indices) -> Rows:
        return _FrameRows(self._frame[rows].to_native())

    def column(self, j: int) -> NDArray[Any]:
        import narwhals as nw

        series = self._frame[:, j]
        if series.dtype in (nw.Categorical, nw.Enum, nw.String):
            return np.array(series.cast(nw.String).to_list(), dtype=object)
        values = np.asarray(series.to_numpy())
        return values if values.dtype.kind in "fiub" else np.array(series.to_list(), dtype=object)

    def stack(self, segments: Sequence[Segment]) -> Any:
        rows = np.concatenate([s.rows for s in segments])
        out = self._frame[rows]
        replaced = [self._frame[:, j][source] for j, source in _sources(segments, rows).items()]
        return (out.with_columns(*replaced) if replaced else out).to_native()


def _sources(segments: Sequence[Segment], rows: Indices) -> dict[int, Indices]:
    """Column -> the row that each row of the stack takes it from, for columns that some segment replaces."""
    found: dict[int, Indices] = {}
    at = 0
    for segment in segments:
        for j in segment.columns:
            found.setdefault(int(j), rows.copy())[at : at + len(segment.rows)] = segment.donors
        at += len(segment.rows)
    return found


class _SparseRows(Rows):
    def __init__(self, data: Any) -> None:
        if data.ndim != 2:
            raise ValueError(f"X has shape {data.shape}; expected rows, of shape (n_rows, n_features).")
        self.data = data.tocsr()
        self.n_rows, self.n_features = self.data.shape
        self.row_bytes = max(16, 16 * self.data.nnz // max(1, self.n_rows))
        self._columns = self.data.tocsc()

    def take(self, rows: Indices) -> Rows:
        return _SparseRows(self.data[rows])

    def column(self, j: int) -> NDArray[Any]:
        return np.asarray(self._columns[:, [j]].toarray().ravel())

    def stack(self, segments: Sequence[Segment]) -> Any:
        import scipy.sparse

        parts = []
        for segment in segments:
            kept, only = self._split(segment.columns)
            parts.append(kept[segment.rows] + only[segment.donors])
        return type(self.data)(scipy.sparse.vstack(parts, format="csr"))

    def _split(self, columns: Indices) -> tuple[Any, Any]:
        """The matrix without some columns, and with those only."""
        inside = np.isin(self.data.indices, columns)
        kept, only = self.data.copy(), self.data.copy()
        kept.data[inside] = 0
        only.data[~inside] = 0
        kept.eliminate_zeros()
        only.eliminate_zeros()
        return kept, only
