"""Masked rows in the form the model was fitted on: NumPy, pandas, polars, pyarrow or CSR.

A builder holds the explained rows and the background; `build` makes model inputs that take each column from one or the
other. Numbers are filled by the compiled kernel (or its Numba twin); tables of mixed types take column by column
(`fastexplain.rows.containers`), so that dtypes and categories stay what they were.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.rows.containers import TableRows, table_rows
from fastexplain.rows.kinds import is_sparse, is_table
from fastexplain.rows.pairs import alike

__all__ = ["MaskedRowBuilder", "copied", "make_builder"]

Indices = NDArray[np.int32]


class MaskedRowBuilder(abc.ABC):
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


def make_builder(X: Any, background: Any, *, n_threads: int, backend: str) -> MaskedRowBuilder:
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
    X, background = alike(X, background)
    if is_table(X):
        return _table_builder(table_rows(X), table_rows(background), n_threads, backend)
    build = _SparseBuilder if is_sparse(X) else _array_builder
    return build(X, background, n_threads, backend)


def copied(rows: Any) -> Any:
    """Rows that a model may write to: a copy, except of tables that cannot be written to."""
    return rows.copy() if hasattr(rows, "copy") else rows


# ---------------------------------------------------------------------------------------------------------- arrays


class _ArrayBuilder(MaskedRowBuilder):
    """Numbers of one type, in one block of memory."""

    def __init__(self, X: NDArray[Any], background: NDArray[Any], n_threads: int, backend: str) -> None:
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


class _ObjectBuilder(MaskedRowBuilder):
    """Arrays of strings, objects or other types that are not plain numbers."""

    def __init__(self, X: NDArray[Any], background: NDArray[Any]) -> None:
        self.X, self.background = X, background
        self.n_rows, self.n_background, self.n_columns = len(X), len(background), X.shape[1]
        self.row_bytes = self.n_columns * max(X.dtype.itemsize, background.dtype.itemsize)

    def differs(self, row: int) -> NDArray[np.bool_]:
        return _unequal(self.X[row], self.background)

    def build(self, masks: NDArray[np.bool_], row: Indices, mask: Indices, background_row: Indices) -> NDArray[Any]:
        mixed: NDArray[Any] = np.where(masks[mask], self.X[row], self.background[background_row])
        return mixed


def _array_builder(X: NDArray[Any], background: NDArray[Any], n_threads: int, backend: str) -> MaskedRowBuilder:
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


class _BlockBuilder(_ArrayBuilder):
    """A table whose columns are all of one numeric type: filled as an array, then given its names."""

    def __init__(
        self,
        X: TableRows,
        background: TableRows,
        blocks: tuple[NDArray[Any], NDArray[Any]],
        n_threads: int,
        backend: str,
    ) -> None:
        super().__init__(*blocks, n_threads, backend)
        self._table, self.column_names = background, background.labels
        self.X, self.background = X.data, background.data

    def build(self, masks: NDArray[np.bool_], row: Indices, mask: Indices, background_row: Indices) -> Any:
        return self._table.of_block(super().build(masks, row, mask, background_row))


class _TableBuilder(MaskedRowBuilder):
    """Columns of any types, taken one by one from the explained rows stacked on the background rows."""

    def __init__(self, X: TableRows, background: TableRows) -> None:
        X, background = X.with_common_types(background)
        self.X, self.background = X.data, background.data
        self.n_rows, self.n_background, self.n_columns = X.n_rows, background.n_rows, X.n_features
        self.column_names, self.row_bytes = background.labels, background.row_bytes
        self._stacked = X.followed_by(background)
        self._codes = np.stack([self._stacked.equal_codes(j) for j in range(self.n_columns)], axis=1)

    def differs(self, row: int) -> NDArray[np.bool_]:
        unequal: NDArray[np.bool_] = self._codes[row] != self._codes[self.n_rows :]
        return unequal

    def build(self, masks: NDArray[np.bool_], row: Indices, mask: Indices, background_row: Indices) -> Any:
        taken = masks[mask]
        below = background_row + np.int32(self.n_rows)
        return self._stacked.cells([np.where(taken[:, j], row, below) for j in range(self.n_columns)])


def _table_builder(X: TableRows, background: TableRows, n_threads: int, backend: str) -> MaskedRowBuilder:
    blocks = X.as_block(), background.as_block()
    if blocks[0] is not None and blocks[1] is not None and blocks[0].dtype == blocks[1].dtype:
        return _BlockBuilder(X, background, (blocks[0], blocks[1]), n_threads, backend)
    return _TableBuilder(X, background)


# ---------------------------------------------------------------------------------------------------------- sparse


class _SparseBuilder(MaskedRowBuilder):
    """CSR rows: only columns that are stored in the rows at hand or in the background are ever dense."""

    def __init__(self, X: Any, background: Any, n_threads: int, backend: str) -> None:
        self.X, self.background = X, background
        self._dtype = np.result_type(self.X.dtype, self.background.dtype, np.float32)
        self.n_rows, (self.n_background, self.n_columns) = self.X.shape[0], self.background.shape
        self._stored = np.unique(self.background.indices)
        widest = int(np.diff(self.X.indptr).max(initial=0)) + len(self._stored)
        self.row_bytes = max(16, widest * 16)
        self._make, self._n_threads, self._backend = type(X), n_threads, backend

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
