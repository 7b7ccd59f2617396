"""What a table of operations consists of: raw columns, and what is made of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.scoring.preprocessing.operations import Operation

__all__ = ["RAW_TYPES", "Entry", "OneHot", "Program", "RawColumn"]

# What a raw column's values are taken as, and the kind of values that its operations begin with.
RAW_TYPES = {"float64": "number", "float32": "number", "integer": "integer", "label": "label"}


@dataclass(frozen=True, eq=False)
class OneHot:
    """The last operation of an entry that makes several columns of an index.

    Parameters
    ----------
    columns : int array of shape (n_indices,)
        Column in which each index is on; -1 for none.
    off, on : float64 array of shape (width,)
        Values of each column: 0 and 1, and what later operations have made of them.
    """

    columns: NDArray[np.intp]
    off: NDArray[np.float64]
    on: NDArray[np.float64]

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.off)


class RawColumn(NamedTuple):
    """A column of the raw rows.

    Attributes
    ----------
    name : str, int or None
    type : {"float64", "float32", "integer", "label"}
        What its values are taken as. Numbers of a float32 column are rounded to float32. Of an integer column, whole
        numbers stay exact. All but labels take None as NaN, and refuse text.
    """

    name: Any
    type: str


@dataclass(frozen=True, eq=False)
class Entry:
    """What is made of one raw column.

    Parameters
    ----------
    raw : int
        The raw column.
    steps : tuple of Operation
    to : int
        The first engineered column that it gives.
    one_hot : OneHot or None
        None: it gives one column.
    """

    raw: int
    steps: tuple[Operation, ...]
    to: int
    one_hot: OneHot | None = None

    @property
    def width(self) -> int:
        """Number of engineered columns."""
        return 1 if self.one_hot is None else self.one_hot.width


class Program(NamedTuple):
    """All of a table.

    Attributes
    ----------
    raw : tuple of RawColumn
    entries : tuple of Entry
        Their outputs lie side by side, in order, without gaps.
    engineered_names : tuple of str
        One for each engineered column.
    dtype : float64 or float32
        Of the engineered rows.
    """

    raw: tuple[RawColumn, ...]
    entries: tuple[Entry, ...]
    engineered_names: tuple[str, ...]
    dtype: np.dtype[Any]
