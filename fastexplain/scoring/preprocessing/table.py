"""A table of operations on columns, and what it makes of rows.

Every engineered column comes of one raw column. An entry of the table names the raw column, the operations on its
values, and the engineered columns that it gives: one, or after ``one_hot`` several side by side.
`docs/artifact_preprocessing.md` has the table's written form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.scoring.preprocessing.entries import Entry, Program
from fastexplain.scoring.preprocessing.operations import RefusedValue, Round, Values, objects
from fastexplain.scoring.preprocessing.parts import from_parts, to_parts

__all__ = ["Preprocessing"]

_LONGEST_SHOWN = 200


# An entry as `transform_row` runs it: the raw column and how it is read, steps, the first column that it gives, and
# after one_hot the column of each index and the values of columns.
_Single = tuple[int, Any, tuple[Any, ...], int, "list[int] | None", list[float]]


class Preprocessing:
    """Raw rows in, engineered rows out. It cannot be changed once built, and any number of threads may use it.

    Parameters
    ----------
    program : Program
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.raw, self.entries, self.engineered_names, self.dtype = program
        self._blank = np.zeros(self.n_engineered, dtype=self.dtype)
        self._singles = tuple(self._single(entry) for entry in self.entries)

    @property
    def n_raw(self) -> int:
        """Number of raw columns."""
        return len(self.raw)

    @property
    def n_engineered(self) -> int:
        """Number of engineered columns."""
        return len(self.engineered_names)

    @property
    def raw_names(self) -> list[Any]:
        """Names of the raw columns."""
        return [column.name for column in self.raw]

    @property
    def parents(self) -> NDArray[np.intp]:
        """The raw column that each engineered column comes of."""
        raw, widths = [entry.raw for entry in self.entries], [entry.width for entry in self.entries]
        return np.repeat(np.array(raw, dtype=np.intp), widths)

    def transform(self, columns: Sequence[Any]) -> NDArray[Any]:
        """Engineered rows.

        Parameters
        ----------
        columns : sequence of 1-D arrays or lists
            The raw columns, all of them, in order and of one length. Columns that no entry reads may hold anything.

        Returns
        -------
        array of shape (n_rows, n_engineered)

        Raises
        ------
        ValueError
            Another number of columns, or a value that an operation refuses; the message names the column and the value.
        """
        self._check_width(len(columns), "columns")
        lengths = {len(column) for column in columns}
        if len(lengths) > 1:
            raise ValueError(f"The columns differ in length: {sorted(lengths)[:10]}.")
        # zeros cost nothing until they are touched: most of what one_hot makes is never written
        out = np.zeros((lengths.pop() if lengths else 0, self.n_engineered), dtype=self.dtype)
        read: dict[int, Values] = {}
        for entry in self.entries:
            try:
                if entry.raw not in read:
                    read[entry.raw] = _READ_MANY[self.raw[entry.raw].type](columns[entry.raw])
                with np.errstate(all="ignore"):
                    _fill(entry, read[entry.raw], out)
            except RefusedValue as refused:
                raise self._named(entry.raw, refused) from None
        return out

    def transform_row(self, values: Sequence[Any]) -> NDArray[Any]:
        """One engineered row, the same bits as among others.

        Parameters
        ----------
        values : sequence
            The raw row's values, in order: numbers, text, bools and None, of Python or NumPy.

        Returns
        -------
        array of shape (n_engineered,)

        Raises
        ------
        ValueError
            As in `transform`.
        """
        if len(values) != len(self.raw):
            self._check_width(len(values), "values")
        out = self._blank.copy()
        raw = 0
        try:
            for raw, read, steps, to, columns, on in self._singles:
                value = read(values[raw])
                for step in steps:
                    value = step(value)
                if columns is None:
                    out[to] = value
                elif (column := columns[value]) >= 0:
                    out[to + column] = on[column]
        except RefusedValue as refused:
            raise self._named(raw, refused) from None
        return out

    def to_parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """What `from_parts` takes: a dict that JSON can hold, and arrays by name."""
        return to_parts(self.program)

    @classmethod
    def from_parts(cls, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Preprocessing:
        """The table that `to_parts` wrote.

        Raises
        ------
        ArtifactError
            A part is missing, of another type or out of range; the message names it. Everything is checked before it is
            used, so that parts may come from anyone.
        """
        return cls(from_parts(document, arrays))

    def _single(self, entry: Entry) -> _Single:
        steps, hot = tuple(step.one for step in entry.steps), entry.one_hot
        read = _READ_ONE[self.raw[entry.raw].type]
        if hot is None:
            return entry.raw, read, steps, entry.to, None, []
        self._blank[entry.to : entry.to + hot.width] = hot.off
        return entry.raw, read, steps, entry.to, hot.columns.tolist(), hot.on.tolist()

    def _check_width(self, given: int, what: str) -> None:
        if given != self.n_raw:
            names = ", ".join(map(repr, self.raw_names[:10])) + (", ..." if self.n_raw > 10 else "")
            raise ValueError(f"There are {given} {what}; expected {self.n_raw}: {names}.")

    def _named(self, raw: int, refused: RefusedValue) -> ValueError:
        name = self.raw[raw].name
        return ValueError(f"Column {raw if name is None else name!r}: {refused}.")


def _fill(entry: Entry, values: Values, out: NDArray[Any]) -> None:
    """Write the columns of an entry."""
    for step in entry.steps:
        values = step.many(values)
    hot = entry.one_hot
    if hot is None:
        out[:, entry.to] = values
        return
    if hot.off.any() or np.signbit(hot.off).any():
        out[:, entry.to : entry.to + hot.width] = hot.off
    columns = hot.columns[values]
    rows = np.flatnonzero(columns >= 0)
    columns = columns[rows]
    out[rows, entry.to + columns] = hot.on[columns]


# Raw values as their column's type


def _one_number(value: Any) -> Any:
    if value.__class__ is float:
        return value
    if value is None or type(value).__name__ == "NAType":  # pandas' NA, as columns of type Int64 have it
        return math.nan
    if not isinstance(value, str | bytes):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise RefusedValue(f"{_short(value)} is no number; expected a number, True, False or None")


def _one_float32(value: Any) -> Any:
    return Round().one(_one_number(value))


def _one_integer(value: Any) -> Any:
    if value.__class__ is int or value.__class__ is float:
        return value
    if isinstance(value, np.bool_ | np.generic):
        value = value.item()
    if isinstance(value, int):
        return value
    return _one_number(value)


def _one_label(value: Any) -> Any:
    return value


def _many_numbers(values: Any) -> Values:
    array = _as_array(values)
    if array.dtype.kind in "fiub":
        return array.astype(np.float64, copy=False)
    return np.array(list(map(_one_number, list(values))), dtype=np.float64)


def _many_float32(values: Any) -> Values:
    return Round().many(_many_numbers(values))


def _many_integers(values: Any) -> Values:
    array, given = _as_array(values), isinstance(values, np.ndarray)
    if array.dtype.kind in "ib" or (array.dtype.kind == "u" and array.dtype.itemsize < 8):
        return array.astype(np.int64, copy=False)
    if given and array.dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    # a list of floats and integers as well: NumPy would have rounded the integers
    return _object_array(list(map(_one_integer, array.tolist() if given else values)))


def _many_labels(values: Any) -> Values:
    return objects(values) if isinstance(values, np.ndarray) else _object_array(list(values))


def _as_array(values: Any) -> Values:
    if isinstance(values, np.ndarray):
        return values
    try:
        return np.array(values)
    except ValueError:  # lists among the values
        return _object_array(list(values))


def _object_array(values: list[Any]) -> Values:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


_READ_ONE = {"float64": _one_number, "float32": _one_float32, "integer": _one_integer, "label": _one_label}
_READ_MANY = {"float64": _many_numbers, "float32": _many_float32, "integer": _many_integers, "label": _many_labels}
