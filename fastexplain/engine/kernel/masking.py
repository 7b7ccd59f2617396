"""Masked rows in the form the model was fitted on: NumPy, pandas, polars, pyarrow or CSR.

A builder holds the explained rows and the background; `build` makes model inputs that take each column from one or the
other. Numbers are filled by the compiled kernel (or its Numba twin); tables of mixed types take column by column, so
that dtypes and categories stay what they were.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.rows.kinds import is_arrow, is_table

__all__ = ["RowBuilder", "copied", "make_builder"]

Indices = NDArray[np.int32]


class RowBuilder(abc.ABC):
    """Explained rows and background rows, to be mixed.

    Attributes
    ----------
    X, background : array or table
        Both in the form the model is given.
    n_rows, n_background, n_columns : int
    column_names : list or None
        Of a table.
    row_bytes : int
        Memory of one built row.
    """

    X: Any
    background: Any
    n_rows: int
    n_background: int
    n_columns: int
    column_names: list[Any] | None = None
    row_bytes: int

    @abc.abstractmethod
    def differs(self, row: int) -> NDArray[np.bool_]:
        """Where explained row `row` differs from each background row: (n_background, n_columns). NaN equals NaN."""

    @abc.abstractmethod
    def build(self, masks: NDArray[np.bool_], row: Indices, mask: Indices, background_row: Indices) -> Any:
        """Model input i takes columns ``masks[mask[i]]`` from X[row[i]], the others from background[background_row[i]].

        Parameters
        ----------
        masks : bool array of shape (n_masks, n_columns)
        row, mask, background_row : int32 arrays of shape (n_out,)
        """


def make_builder(X: Any, background: Any, *, n_threads: int, backend: str) -> RowBuilder:
    """Builder for rows of these types.

    Parameters
    ----------
    X, background : array-like, table or sparse matrix
        Where one is a table and the other an array, the array gets the table's column names and types.

    Raises
    ------
    ValueError
        They are not 2-D, or differ in width or in column names; the message gives both.
    TypeError
        They are nothing that holds rows.
    """
    if _is_sparse(X) or _is_sparse(background):
        return _SparseBuilder(X, background, n_threads, backend)
    table = next((t for t in (background, X) if _is_table(t)), None)
    if table is None:
        return _array_builder(_as_rows(X, "X"), _as_rows(background, "background"), n_threads, backend)
    X, background = _as_table(X, table, "X"), _as_table(background, table, "background")
    _check_columns(_names(X), _names(background))
    if type(table).__module__.split(".")[0] == "pandas":
        return _pandas_builder(X, background, n_threads, backend)
    return _TableBuilder(X, background)


def copied(rows: Any) -> Any:
    """Rows that a model may write to: a copy, except of tables that cannot be written to."""
    return rows.copy() if hasattr(rows, "copy") else rows


# ---------------------------------------------------------------------------------------------------------- arrays


class _ArrayBuilder(RowBuilder):
    """Numbers of one type, in one block of memory."""

    def __init__(self, X: NDArray[Any], background: NDArray[Any], n_threads: int, backend: str) -> None:
        _check_width(X.shape[1], background.shape[1])
        dtype = np.result_type(X, background)
        self.X = self._x = _aligned(np.ascontiguousarray(X, dtype=dtype))
        self.background = self._b = _aligned(np.ascontiguousarray(background, dtype=dtype))
        self.n_rows, self.n_background, self.n_columns = len(X), len(background), X.shape[1]
        self.row_bytes = self.n_columns * dtype.itemsize
        self._n_threads, self._backend = n_threads, backend

    def differs(self, row: int) -> NDArray[np.bool_]:
        return _unequal(self._x[row], self._b)

    def build(self, masks: NDArray[np.bool_], row: Indices, mask: Indices, background_row: Indices) -> Any:
        out = np.empty((len(row), self.n_columns), dtype=self._x.dtype)
        _fill_of(self._backend)(
            self._x,
            self._b,
            np.ascontiguousarray(masks).view(np.uint8),
            row,
            mask,
            background_row,
            out=out,
            n_threads=self._n_threads,
        )
        return out


class _ObjectBuilder(RowBuilder):
    """Arrays of strings, objects or other types that are not plain numbers."""

    def __init__(self, X: NDArray[Any], background: NDArray[Any]) -> None:
        _check_width(X.shape[1], background.shape[1])
        self.X, self.background = X, background
        self.n_rows, self.n_background, self.n_columns = len(X), len(background), X.shape[1]
        self.row_bytes = self.n_columns * max(X.dtype.itemsize, background.dtype.itemsize)

    def differs(self, row: int) -> NDArray[np.bool_]:
        return _unequal(self.X[row], self.background)

    def build(self, masks: NDArray[np.bool_], row: Indices, mask: Indices, background_row: Indices) -> NDArray[Any]:
        mixed: NDArray[Any] = np.where(masks[mask], self.X[row], self.background[background_row])
        return mixed


def _array_builder(X: NDArray[Any], background: NDArray[Any], n_threads: int, backend: str) -> RowBuilder:
    kinds = {X.dtype.kind, background.dtype.kind}
    if kinds <= set("fiub") and max(X.dtype.itemsize, background.dtype.itemsize) <= 8:
        return _ArrayBuilder(X, background, n_threads, backend)
    return _ObjectBuilder(X, background)


def _aligned(rows: NDArray[Any]) -> NDArray[Any]:
    return rows if rows.flags.aligned else rows.copy()


def _fill_of(backend: str) -> Callable[..., None]:
    if backend == "native":
        from fastexplain._core import fill_masked_rows

        return fill_masked_rows
    from fastexplain.engine.kernel import numba_masking

    return numba_masking.fill_masked_rows


def _unequal(x: NDArray[Any], rows: NDArray[Any]) -> NDArray[np.bool_]:
    if x.dtype == object or rows.dtype == object:
        different: NDArray[np.bool_] = np.frompyfunc(_different, 2, 1)(x, rows).astype(bool)
        return different
    unequal = np.asarray(x != rows, dtype=bool)
    unequal &= ~np.asarray((x != x) & (rows != rows), dtype=bool)  # NaN, NaT
    return unequal


def _different(a: Any, b: Any) -> bool:
    """Of two objects; NaN, None and NA equal themselves."""
    try:
        return a is not b and bool(a != b) and not bool(a != a and b != b)
    except (TypeError, ValueError):  # NA beside something else, or an array in a cell
        return True


# ---------------------------------------------------------------------------------------------------------- tables


class _UniformPandasBuilder(_ArrayBuilder):
    """A pandas table whose columns are all of one numeric type: filled as an array, then given its names."""

    def __init__(self, X: Any, background: Any, n_threads: int, backend: str) -> None:
        self._columns = background.columns
        super().__init__(X.to_numpy(), background.to_numpy(), n_threads, backend)
        self.column_names = list(self._columns)
        self.X, self.background = X, background

    def build(self, masks: NDArray[np.bool_], row: Indices, mask: Indices, background_row: Indices) -> Any:
        import pandas as pd

        return pd.DataFrame(super().build(masks, row, mask, background_row), columns=self._columns, copy=False)


class _TableBuilder(RowBuilder):
    """Columns of any types, taken one by one from the explained rows stacked on the background rows (narwhals)."""

    def __init__(self, X: Any, background: Any) -> None:
        self.X, self.background = X, background
        self.n_rows, self.n_background, self.n_columns = len(X), len(background), X.shape[1]
        self.column_names = _names(background)
        self.row_bytes = 16 * self.n_columns
        self._stacked = self._stack()
        self._codes = np.stack([self._code(i) for i in range(self.n_columns)], axis=1)

    def differs(self, row: int) -> NDArray[np.bool_]:
        unequal: NDArray[np.bool_] = self._codes[row] != self._codes[self.n_rows :]
        return unequal

    def build(self, masks: NDArray[np.bool_], row: Indices, mask: Indices, background_row: Indices) -> Any:
        taken = masks[mask]
        below = background_row + np.int32(self.n_rows)
        return self._assemble([self._take(i, np.where(taken[:, i], row, below)) for i in range(self.n_columns)])

    def _stack(self) -> Any:
        import narwhals as nw

        X, background = (nw.from_native(t, eager_only=True) for t in (self.X, self.background))
        common = {name: _common_type(X.schema[name], dtype) for name, dtype in background.schema.items()}
        tables = []
        for table in (X, background):
            casts = [nw.col(name).cast(dtype) for name, dtype in common.items() if table.schema[name] != dtype]
            tables.append(table.with_columns(*casts) if casts else table)
        return nw.concat(tables)

    def _code(self, column: int) -> NDArray[np.int64]:
        import narwhals as nw

        series = self._stacked[:, column]
        if series.dtype in (nw.Categorical, nw.Enum):
            series = series.cast(nw.String)
        elif series.dtype == nw.Boolean:
            series = series.cast(nw.Int8)
        return np.asarray(series.rank("dense").fill_null(0).to_numpy()).astype(np.int64)

    def _take(self, column: int, index: NDArray[np.int32]) -> Any:
        return self._stacked[:, column][index]

    def _assemble(self, columns: list[Any]) -> Any:
        names = self.column_names or []
        frame = columns[0].alias(names[0]).to_frame()
        return frame.with_columns(*(c.alias(n) for c, n in zip(columns[1:], names[1:], strict=True))).to_native()


def _common_type(own: Any, theirs: Any) -> Any:
    """The background's type, unless it would cut the fractions off the explained rows' numbers."""
    import narwhals as nw

    return nw.Float64 if own.is_float() and theirs.is_integer() else theirs


class _PandasBuilder(_TableBuilder):
    """A pandas table of mixed types; extension types and categories stay what they are."""

    def _stack(self) -> Any:
        import pandas as pd

        X, background = self.X.copy(deep=False), self.background.copy(deep=False)
        for i, (own, theirs) in enumerate(zip(X.dtypes, background.dtypes, strict=True)):
            if isinstance(theirs, pd.CategoricalDtype) and own != theirs:
                known = theirs.categories.tolist()
                extra = [v for v in X.iloc[:, i].dropna().unique().tolist() if v not in set(known)]
                union = pd.CategoricalDtype(known + extra, ordered=theirs.ordered)
                X.isetitem(i, X.iloc[:, i].astype(union))
                background.isetitem(i, background.iloc[:, i].astype(union))
        columns = [
            pd.concat([X.iloc[:, i], background.iloc[:, i]], ignore_index=True) for i in range(background.shape[1])
        ]
        self.X, self.background = X, background
        return [column.array for column in columns]

    def _code(self, column: int) -> NDArray[np.int64]:
        import pandas as pd

        codes: NDArray[np.int64] = pd.factorize(self._stacked[column])[0]
        return codes

    def _take(self, column: int, index: NDArray[np.int32]) -> Any:
        return self._stacked[column].take(index)

    def _assemble(self, columns: list[Any]) -> Any:
        import pandas as pd

        frame = pd.DataFrame(dict(enumerate(columns)), copy=False)
        frame.columns = self.background.columns
        return frame


def _pandas_builder(X: Any, background: Any, n_threads: int, backend: str) -> RowBuilder:
    dtypes = {*X.dtypes, *background.dtypes}
    if len(dtypes) == 1:
        dtype = next(iter(dtypes))
        if isinstance(dtype, np.dtype) and dtype.kind in "fiub" and dtype.itemsize <= 8:
            return _UniformPandasBuilder(X, background, n_threads, backend)
    return _PandasBuilder(X, background)


# ---------------------------------------------------------------------------------------------------------- sparse


class _SparseBuilder(RowBuilder):
    """CSR rows: only columns that are stored in the rows at hand or in the background are ever dense."""

    def __init__(self, X: Any, background: Any, n_threads: int, backend: str) -> None:
        import scipy.sparse

        make = scipy.sparse.csr_array if isinstance(X, scipy.sparse.sparray) else scipy.sparse.csr_matrix
        self.X, self.background = make(X), make(background)
        _check_width(self.X.shape[1], self.background.shape[1])
        self._dtype = np.result_type(self.X.dtype, self.background.dtype, np.float32)
        self.n_rows, (self.n_background, self.n_columns) = self.X.shape[0], self.background.shape
        self._stored = np.unique(self.background.indices)
        widest = int(np.diff(self.X.indptr).max(initial=0)) + len(self._stored)
        self.row_bytes = max(16, widest * 16)
        self._make, self._n_threads, self._backend = make, n_threads, backend

    def differs(self, row: int) -> NDArray[np.bool_]:
        columns = self._columns(np.array([row]))
        x, background = self._dense(self.X[[row]], columns), self._dense(self.background, columns)
        out = np.zeros((self.n_background, self.n_columns), dtype=bool)
        out[:, columns] = _unequal(x[0], background)
        return out

    def build(self, masks: NDArray[np.bool_], row: Indices, mask: Indices, background_row: Indices) -> Any:
        rows, place = np.unique(row, return_inverse=True)
        columns = self._columns(rows)
        x, background = self._dense(self.X[rows], columns), self._dense(self.background, columns)
        filled = _ArrayBuilder(x, background, self._n_threads, self._backend).build(
            masks[:, columns], place.astype(np.int32), mask, background_row
        )
        compact = self._make(filled)
        shape = len(row), self.n_columns
        return self._make((compact.data, columns[compact.indices], compact.indptr), shape=shape)

    def _columns(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        return np.union1d(self._stored, self.X[rows].indices)

    def _dense(self, rows: Any, columns: NDArray[np.int64]) -> NDArray[Any]:
        return np.asarray(rows[:, columns].toarray(), dtype=self._dtype)


# ---------------------------------------------------------------------------------------------------------- checks


def _is_sparse(X: Any) -> bool:
    return type(X).__module__.startswith("scipy.sparse")


def _is_table(X: Any) -> bool:
    return is_table(X) and hasattr(X, "shape")


def _names(table: Any) -> list[Any]:
    """Column names; pyarrow's `columns` are the columns themselves."""
    return list(table.column_names if is_arrow(table) else table.columns)


def _as_rows(X: Any, what: str) -> NDArray[Any]:
    if isinstance(X, str | bytes | dict) or X is None:
        raise TypeError(f"{what} is a {type(X).__qualname__}; expected an array, a table or a sparse matrix of rows.")
    if hasattr(X, "collect") and hasattr(X, "columns"):
        raise TypeError(f"{what} is a {type(X).__qualname__}; pass {what}.collect().")
    if np.ma.is_masked(X):
        raise ValueError(
            f"{what} has masked values; fill them with what the model takes, {what}.filled(numpy.nan) say."
        )
    if hasattr(X, "detach"):  # a torch tensor
        X = X.detach().cpu().numpy()
    rows = np.asarray(X)
    if rows.dtype.kind in "US" and isinstance(X, list | tuple):
        rows = np.array(X, dtype=object)  # numbers beside strings stay numbers
    if rows.ndim != 2:
        hint = f" For a single row pass {what}.reshape(1, -1)." if rows.ndim == 1 else ""
        raise ValueError(f"{what} has shape {rows.shape}; expected (n_rows, n_features).{hint}")
    if not rows.shape[1]:
        raise ValueError(f"{what} has shape {rows.shape}; at least one column is needed.")
    return rows


def _as_table(X: Any, table: Any, what: str) -> Any:
    """X as a table of the kind of `table`, with its names and types if X has none."""
    if _is_table(X):
        if type(X).__module__.split(".")[0] != type(table).__module__.split(".")[0]:
            raise TypeError(
                f"X and background are tables of different kinds ({type(X).__module__.split('.')[0]} and "
                f"{type(table).__module__.split('.')[0]}); pass both as one kind."
            )
        return X
    rows = _as_rows(X, what)
    _check_width(rows.shape[1], table.shape[1])
    if type(table).__module__.split(".")[0] == "pandas":
        import pandas as pd

        columns = [_of_dtype(pd.Series(rows[:, i]), dtype) for i, dtype in enumerate(table.dtypes)]
        frame = pd.DataFrame(dict(enumerate(columns)))
        frame.columns = table.columns
        return frame
    import narwhals as nw

    native = nw.from_native(table, eager_only=True)
    cells = {name: rows[:, i].tolist() for i, name in enumerate(native.columns)}
    schema = dict(native.schema)
    for name, values in cells.items():
        if schema[name].is_integer() and all(isinstance(v, int | float) for v in values):
            if all(float(v).is_integer() for v in values):
                cells[name] = [int(v) for v in values]
            else:
                schema[name] = nw.Float64()
    return nw.from_dict(cells, schema, backend=nw.get_native_namespace(native)).to_native()


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


def _check_width(n_columns: int, n_background_columns: int) -> None:
    if n_columns != n_background_columns:
        raise ValueError(f"X has {n_columns} columns and background has {n_background_columns}; they must be the same.")


def _check_columns(names: list[Any], background_names: list[Any]) -> None:
    _check_width(len(names), len(background_names))
    for i, (name, other) in enumerate(zip(names, background_names, strict=True)):
        if name != other:
            raise ValueError(
                f"Column {i} is {name!r} in X and {other!r} in background; both need the same columns, in one order."
            )
