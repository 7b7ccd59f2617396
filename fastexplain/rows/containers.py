"""The user's rows in their own container: read by columns, and made anew with cells of other rows.

Every container keeps what the model was fitted on: NumPy dtypes, pandas and polars types and categories, CSR. This is
the one place that knows how: permutation importance replaces columns (`Rows.stack`), Kernel SHAP and the checks of
formulas mix cells of two sets of rows (`TableRows.cells`, `mixed_rows`).
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.rows.kinds import is_sparse, is_table, refuse_complex

__all__ = ["Rows", "Segment", "SparseRows", "TableRows", "as_rows", "mixed_rows", "table_rows", "value_codes"]

Indices = NDArray[np.integer[Any]]


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
    if column.dtype.kind == "f" and (ordered[-1:] != ordered[-1:]).any():  # NaN comes last
        new &= ~(np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))
    ranks = np.zeros(len(column), dtype=np.int32)
    np.cumsum(new, dtype=np.int32, out=ranks[1:])
    codes = np.empty(len(column), dtype=np.int32)
    codes[order] = ranks
    return codes, int(ranks.max(initial=0)) + 1


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
    refuse_complex(X, "X")
    if is_sparse(X):
        rows: Rows = SparseRows(X)
    elif is_table(X):
        rows = table_rows(X)
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


def table_rows(table: Any) -> TableRows:
    """Wrap a table, which may have no rows."""
    is_of_pandas = any(cls.__module__.partition(".")[0] == "pandas" for cls in type(table).__mro__)
    return _PandasRows(table) if is_of_pandas else _FrameRows(table)


def mixed_rows(rows: Any, others: Any, from_rows: NDArray[np.bool_]) -> Any:
    """Cells of `rows` where True, else of `others`, keeping a table's column types.

    Parameters
    ----------
    rows, others : array, sparse matrix or table of shape (n_rows, n_columns)
        Of one kind.
    from_rows : bool array of shape (n_rows, n_columns)
    """
    if is_sparse(rows):
        return type(rows)(np.where(from_rows, rows.toarray(), others.toarray()))
    if not is_table(rows):
        return np.where(from_rows, rows, others)
    above, below = table_rows(rows).with_common_types(table_rows(others))
    at = np.arange(len(from_rows))
    return above.followed_by(below).cells([np.where(column, at, at + len(from_rows)) for column in from_rows.T])


class _ArrayRows(Rows):
    """Numbers, strings or objects in a NumPy array."""

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


class TableRows(Rows):
    """Rows of a table. Another kind of table is another one of these: nothing outside this module tells them apart."""

    labels: list[Any]

    def stack(self, segments: Sequence[Segment]) -> Any:
        rows = np.concatenate([s.rows for s in segments])
        return self._replaced(rows, _sources(segments, rows))

    @abc.abstractmethod
    def cells(self, sources: Sequence[Indices]) -> Any:
        """A new table whose column j comes from rows ``sources[j]``."""

    @abc.abstractmethod
    def with_common_types(self, other: TableRows) -> tuple[TableRows, TableRows]:
        """These rows and `other`, columns cast to the types of `other`, or to types that can hold the values of both.

        Parameters
        ----------
        other : TableRows
            A table of the same library, with the same columns.
        """

    @abc.abstractmethod
    def followed_by(self, other: TableRows) -> TableRows:
        """These rows above those of `other`, which has the same types."""

    @abc.abstractmethod
    def typed(self, values: NDArray[Any]) -> Any:
        """An array as a table with these names, and these types where they can hold the values."""

    @abc.abstractmethod
    def equal_codes(self, j: int) -> NDArray[np.int64]:
        """A number for each value of a column, the same for equal values; missing values are one value."""

    def as_block(self) -> NDArray[Any] | None:
        """The values as one array, where a table made of such an array by `of_block` is the same; None otherwise."""
        return None

    def of_block(self, values: NDArray[Any]) -> Any:
        """A table with these names of an array as `as_block` returns, without a copy."""
        raise NotImplementedError

    @abc.abstractmethod
    def _replaced(self, rows: Indices, sources: Mapping[int, Indices]) -> Any:
        """A new table of `rows`, where column j comes from rows ``sources[j]``."""


class _PandasRows(TableRows):
    """A pandas table; extension types and categories stay what they are."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.n_rows, self.n_features = data.shape
        self.labels = list(data.columns)
        self.names = [str(name) for name in self.labels]
        self.row_bytes = 16 * self.n_features

    @cached_property
    def _values(self) -> list[Any]:
        """The columns, without what a series costs at each `take`."""
        return [column.array for _, column in self.data.items()]

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

    def equal_codes(self, j: int) -> NDArray[np.int64]:
        import pandas as pd

        codes: NDArray[np.int64] = pd.factorize(self._values[j])[0]
        return codes

    def cells(self, sources: Sequence[Indices]) -> Any:
        return self._of_columns([values.take(source) for values, source in zip(self._values, sources, strict=True)])

    def with_common_types(self, other: TableRows) -> tuple[TableRows, TableRows]:
        import pandas as pd

        own, theirs = self.data.copy(deep=False), other.data.copy(deep=False)
        for j, (dtype, wanted) in enumerate(zip(own.dtypes, theirs.dtypes, strict=True)):
            if isinstance(wanted, pd.CategoricalDtype) and dtype != wanted:
                known = wanted.categories.tolist()
                extra = [v for v in own.iloc[:, j].dropna().unique().tolist() if v not in set(known)]
                union = pd.CategoricalDtype(known + extra, ordered=wanted.ordered)
                own.isetitem(j, own.iloc[:, j].astype(union))
                theirs.isetitem(j, theirs.iloc[:, j].astype(union))
        return _PandasRows(own), _PandasRows(theirs)

    def followed_by(self, other: TableRows) -> TableRows:
        import pandas as pd

        pairs = zip(self.data.items(), other.data.items(), strict=True)
        columns = [pd.concat([own, theirs], ignore_index=True).array for (_, own), (_, theirs) in pairs]
        stacked = _PandasRows(self._of_columns(columns))
        stacked._values = columns
        return stacked

    def typed(self, values: NDArray[Any]) -> Any:
        import pandas as pd

        return self._of_columns([_of_dtype(pd.Series(values[:, j]), dtype) for j, dtype in enumerate(self.data.dtypes)])

    def as_block(self) -> NDArray[Any] | None:
        dtypes = set(self.data.dtypes)
        dtype = next(iter(dtypes), None)
        uniform = len(dtypes) == 1 and isinstance(dtype, np.dtype) and dtype.kind in "fiub" and dtype.itemsize <= 8
        return np.asarray(self.data.to_numpy()) if uniform else None

    def of_block(self, values: NDArray[Any]) -> Any:
        import pandas as pd

        return pd.DataFrame(values, columns=self.data.columns, copy=False)

    def _of_columns(self, columns: Sequence[Any]) -> Any:
        import pandas as pd

        frame = pd.DataFrame(dict(enumerate(columns)), copy=False)
        frame.columns = self.data.columns
        return frame

    def _replaced(self, rows: Indices, sources: Mapping[int, Indices]) -> Any:
        out = self.data.take(rows)
        for j, source in sources.items():
            out.isetitem(j, self._values[j].take(source))
        return out


def _of_dtype(column: Any, dtype: Any) -> Any:
    """A pandas column cast to `dtype`, unless that would change its values: 1.5 among integers, an unknown category."""
    import pandas as pd

    if isinstance(dtype, pd.CategoricalDtype):
        known = column.isna() | column.isin(dtype.categories)
        return column.astype(dtype) if known.all() else column.infer_objects()
    try:
        cast = column.astype(dtype)
    except (TypeError, ValueError):
        return column.infer_objects()
    exact = not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_float_dtype(dtype)
    return cast if exact or (cast.astype(object) == column.astype(object)).all() else column.infer_objects()


class _FrameRows(TableRows):
    """polars, pyarrow and other tables, through narwhals."""

    def __init__(self, data: Any) -> None:
        import narwhals as nw

        frame = nw.from_native(data, eager_only=True)
        self.data, self._frame = data, frame
        self.n_rows, self.n_features = frame.shape
        self.labels = list(frame.columns)
        self.names = self.labels
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

    def equal_codes(self, j: int) -> NDArray[np.int64]:
        import narwhals as nw

        series = self._frame[:, j]
        if series.dtype in (nw.Categorical, nw.Enum):
            series = series.cast(nw.String)
        elif series.dtype == nw.Boolean:
            series = series.cast(nw.Int8)
        return np.asarray(series.rank("dense").fill_null(0).to_numpy()).astype(np.int64)

    def cells(self, sources: Sequence[Indices]) -> Any:
        first, *others = (self._frame[:, j][source] for j, source in enumerate(sources))
        return first.to_frame().with_columns(*others).to_native()

    def with_common_types(self, other: TableRows) -> tuple[TableRows, TableRows]:
        theirs, schema = _FrameRows(other.data), self._frame.schema
        common = {name: _common_type(schema[name], dtype) for name, dtype in theirs._frame.schema.items()}
        return self._cast(common), theirs._cast(common)

    def followed_by(self, other: TableRows) -> TableRows:
        import narwhals as nw

        return _FrameRows(nw.concat([self._frame, nw.from_native(other.data, eager_only=True)]).to_native())

    def typed(self, values: NDArray[Any]) -> Any:
        import narwhals as nw

        cells = {name: values[:, j].tolist() for j, name in enumerate(self.labels)}
        schema = dict(self._frame.schema)
        for name, column in cells.items():
            if schema[name].is_integer() and all(isinstance(v, int | float) for v in column):
                if all(float(v).is_integer() for v in column):
                    cells[name] = [int(v) for v in column]
                else:
                    schema[name] = nw.Float64()
        return nw.from_dict(cells, schema, backend=nw.get_native_namespace(self._frame)).to_native()

    def _cast(self, dtypes: Mapping[str, Any]) -> _FrameRows:
        import narwhals as nw

        casts = [nw.col(name).cast(dtype) for name, dtype in dtypes.items() if self._frame.schema[name] != dtype]
        return _FrameRows(self._frame.with_columns(*casts).to_native()) if casts else self

    def _replaced(self, rows: Indices, sources: Mapping[int, Indices]) -> Any:
        out = self._frame[rows]
        replaced = [self._frame[:, j][source] for j, source in sources.items()]
        return (out.with_columns(*replaced) if replaced else out).to_native()


def _common_type(own: Any, theirs: Any) -> Any:
    """The other rows' type, unless it would cut the fractions off the own numbers."""
    import narwhals as nw

    return nw.Float64 if own.is_float() and theirs.is_integer() else theirs


def _sources(segments: Sequence[Segment], rows: Indices) -> dict[int, Indices]:
    """Column -> the row that each row of the stack takes it from, for columns that some segment replaces."""
    found: dict[int, Indices] = {}
    at = 0
    for segment in segments:
        for j in segment.columns:
            found.setdefault(int(j), rows.copy())[at : at + len(segment.rows)] = segment.donors
        at += len(segment.rows)
    return found


class SparseRows(Rows):
    """A SciPy matrix or array of any sparse format, as CSR."""

    def __init__(self, data: Any) -> None:
        if data.ndim != 2:
            raise ValueError(f"X has shape {data.shape}; expected rows, of shape (n_rows, n_features).")
        self.data = data.tocsr()
        self.n_rows, self.n_features = self.data.shape
        self.row_bytes = max(16, 16 * self.data.nnz // max(1, self.n_rows))
        self._columns = self.data.tocsc()

    def take(self, rows: Indices) -> Rows:
        return SparseRows(self.data[rows])

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
