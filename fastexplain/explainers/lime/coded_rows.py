"""Rows as float arrays, labels as codes, and back: for methods that make up rows of numbers."""

from __future__ import annotations

import contextlib
import decimal
import numbers
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.rows.containers import as_rows
from fastexplain.rows.kinds import is_arrow, is_pandas, is_sparse, is_table
from fastexplain.rows.tables import column_of, count_columns, count_rows, take_rows

__all__ = ["CodedRows"]

_NUMBERS = (numbers.Real, decimal.Decimal, np.bool_)


class CodedRows:
    """Turns rows of the user's kind into a float array and back.

    Parameters
    ----------
    template : array, pandas or polars table, or sparse matrix of shape (n_rows, n_features)
        Kind of container, names, column types, and the labels that there are.
    categorical : sequence of int
        Columns that may hold labels.

    Attributes
    ----------
    labels : dict of int to array
        Column -> its distinct labels, in order of their codes; columns of numbers are not in it.

    Raises
    ------
    ValueError
        A column that is not among `categorical` holds no numbers.
    TypeError
        `template` is a table of another kind.
    """

    def __init__(self, template: Any, categorical: Sequence[int]) -> None:
        self._is_sparse = is_sparse(template)
        if is_arrow(template) or (is_table(template) and not hasattr(template, "dtypes")):
            raise TypeError(f"{type(template).__name__} rows are not supported; pass a pandas or polars table.")
        self._template = take_rows(template, np.zeros(0, dtype=np.intp)) if is_table(template) else None
        self.labels: dict[int, NDArray[Any]] = {}
        if self._is_sparse:
            return
        for j, column in enumerate(_columns(template)):
            if column.dtype.kind in "fiub":
                continue
            if j not in categorical:
                raise ValueError(f"Column {_label(template, j)} holds no numbers; name it in categorical_features.")
            self.labels[j] = _distinct(column)

    def numbers(self, X: Any) -> Any:
        """Rows as float64 (n_rows, n_features), or as a CSR matrix.

        Raises
        ------
        ValueError
            A label is none of the template's.
        """
        if is_sparse(X):
            return X.tocsr().astype(np.float64) if self._is_sparse else np.asarray(X.toarray(), dtype=np.float64)
        out = np.empty((count_rows(X), count_columns(X)))
        for j, column in enumerate(_columns(X)):
            out[:, j] = self._codes(X, j, column) if j in self.labels else column
        return out

    def rows(self, numbers: Any) -> Any:
        """Rows of the user's kind from what `numbers` returns."""
        if self._template is None:
            if not self.labels:
                return numbers
            mixed = numbers.astype(object)
            for j, labels in self.labels.items():
                mixed[:, j] = labels[numbers[:, j].astype(np.intp)]
            return mixed
        columns = {name: self._typed(j, numbers[:, j]) for j, name in enumerate(self._template.columns)}
        return type(self._template)(columns)

    def _codes(self, X: Any, j: int, column: NDArray[Any]) -> NDArray[np.float64]:
        code = {label: float(i) for i, label in enumerate(self.labels[j])}
        unknown = [value for value in column if value not in code]
        if unknown:
            raise ValueError(
                f"Column {_label(X, j)} holds {unknown[0]!r}, which is not among the labels of the initialization "
                f"examples: {list(code)[:20]}."
            )
        return np.array([code[value] for value in column])

    def _typed(self, j: int, values: NDArray[np.float64]) -> Any:
        """A column of the table, with its type where that can hold the values."""
        assert self._template is not None
        if is_pandas(self._template):
            dtype = self._template.dtypes.iloc[j]
            if j not in self.labels:
                return values
            import pandas

            found = self.labels[j][values.astype(np.intp)]
            return pandas.Series(found, dtype=dtype)
        series = self._template.get_columns()[j]
        if j not in self.labels:
            return values
        return type(series)(series.name, list(self.labels[j][values.astype(np.intp)]), dtype=series.dtype)


def _columns(X: Any) -> Iterator[NDArray[Any]]:
    """Each column as an array of numbers or objects."""
    rows = as_rows(X)
    for j in range(rows.n_features):
        column = rows.column(j)
        if column.dtype.kind in "fiub" or (is_table(X) and hasattr(column_of(X, j).dtype, "categories")):
            yield column  # categories stay labels, also those that are numbers
        elif is_table(X):
            yield _numbers_of_objects(column.astype(object))
        else:
            yield _numbers_or_text(column)


def _numbers_or_text(column: NDArray[Any]) -> NDArray[Any]:
    """A column of an array of objects as numbers, where it has no other text than that of numbers."""
    if column.dtype.kind != "O":
        return column
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        return column


def _numbers_of_objects(column: NDArray[Any]) -> NDArray[Any]:
    """A column of Python objects as floats, where all are numbers or missing; text that spells a number is none."""
    missing = np.array([cell is None or type(cell).__name__ in ("NAType", "NaTType") for cell in column], dtype=bool)
    if missing.all() or not all(isinstance(cell, _NUMBERS) for cell in column[~missing]):
        return column
    out = np.full(len(column), np.nan)
    out[~missing] = column[~missing].astype(np.float64)
    return out


def _distinct(column: NDArray[Any]) -> NDArray[Any]:
    found = list(dict.fromkeys(column.tolist()))
    with contextlib.suppress(TypeError):  # labels that do not compare keep the order in which they came
        found.sort()
    labels = np.empty(len(found), dtype=object)
    labels[:] = found
    return labels


def _label(X: Any, j: int) -> str:
    columns = getattr(X, "columns", None)
    return repr(j if columns is None else list(columns)[j])
