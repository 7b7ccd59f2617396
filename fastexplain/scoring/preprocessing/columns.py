"""Columns while fitted transformers are followed: the operations that have made them, and their type to scikit-learn.

What scikit-learn computes depends on the containers between its transformers: an array has one type, a frame one for
each column, and sparse matrices are scaled by multiplication. A `Block` is what lies between two transformers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.scoring.preprocessing import operations as ops
from fastexplain.scoring.preprocessing.entries import Entry, OneHot, RawColumn
from fastexplain.scoring.preprocessing.scalars import plain_scalar

__all__ = ["Block", "Column", "Split", "common_dtype", "entries_of", "interleaved", "raw_block"]

DType = np.dtype[Any]
FLOAT64, FLOAT32, OBJECT, BOOL = (np.dtype(name) for name in ("float64", "float32", "object", "bool"))


@dataclass(frozen=True, eq=False)
class Split:
    """A column made to indices, each of which is on in one of several columns.

    Attributes
    ----------
    raw : int
    steps : tuple of Operation
        They end in an index.
    columns : int array of shape (n_indices,)
        -1 for none.
    """

    raw: int
    steps: tuple[ops.Operation, ...]
    columns: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Column:
    """A column, and how it came of a raw one.

    Attributes
    ----------
    raw : int
    kind : {"label", "integer", "number"}
        Of its values, as the operations count them.
    dtype : dtype
        Of its values, as scikit-learn has them.
    steps : tuple of Operation
        With a split, what came after it.
    split : Split or None
    place : int
        Which of the split's columns it is.
    """

    raw: int
    kind: str
    dtype: DType
    steps: tuple[ops.Operation, ...] = ()
    split: Split | None = None
    place: int = 0

    def then(self, *steps: ops.Operation, kind: str | None = None, dtype: DType | None = None) -> Column:
        """The column after further operations."""
        return replace(self, steps=self.steps + steps, kind=kind or self.kind, dtype=dtype or self.dtype)

    def computed(self, step: ops.Operation) -> Column:
        """After an arithmetic operation, in the precision of the column's type."""
        return self.then(step, ops.Round()) if self.dtype == FLOAT32 else self.then(step)

    def number(self, dtype: DType = FLOAT64) -> Column:
        """Converted to a float type."""
        steps: tuple[ops.Operation, ...] = () if self.kind == "number" else (ops.Number(),)
        if dtype == FLOAT32 and not np.can_cast(self.dtype, FLOAT32):
            steps += (ops.Round(),)
        return self.then(*steps, kind="number", dtype=dtype)

    def label(self) -> Column:
        """Converted to Python's objects."""
        column = self.joined()
        return column if column.kind == "label" else column.then(ops.Label(), kind="label", dtype=OBJECT)

    def checked(self, missing: bool = True, infinite: bool = False) -> Column:
        """After a check that refuses infinite values, and missing ones, unless they are allowed."""
        column = self
        if not infinite and column.kind != "label" and not column._is_finite():
            column = column.then(ops.Finite())
        return column if missing else column.then(ops.Present())

    def _is_finite(self) -> bool:
        """Whether infinite values have been refused, and none can have come since."""
        for step in reversed(self.steps):
            if isinstance(step, ops.Finite | ops.IsMissing):
                return True
            harmless = isinstance(step, ops.Impute) and np.isfinite(step.value)
            if not (harmless or isinstance(step, ops.Present)):
                return False
        return False

    def joined(self) -> Column:
        """The column with steps of its own, if it came of a split."""
        split = self.split
        if split is None:
            return self
        off, on = self.off_and_on()
        codes = ops.Codes(np.where(split.columns == self.place, on, off))
        return replace(self, steps=(*split.steps, codes), split=None, place=0)

    def off_and_on(self) -> tuple[float, float]:
        """The values of a column that came of a split."""
        values: NDArray[Any] = np.array([0.0, 1.0])
        with np.errstate(all="ignore"):
            for step in self.steps:
                values = step.many(values)
        return float(values[0]), float(values[1])


@dataclass(frozen=True, eq=False)
class Block:
    """Columns as they lie between two transformers.

    Attributes
    ----------
    columns : tuple of Column
    container : {"frame", "array", "sparse"}
        The columns of an array and of a sparse matrix have one dtype.
    """

    columns: tuple[Column, ...]
    container: Literal["frame", "array", "sparse"] = "frame"

    @property
    def dtypes(self) -> list[DType]:
        """The columns' types."""
        return [column.dtype for column in self.columns]

    def chosen(self, indices: Iterable[int]) -> Block:
        """Some of the columns."""
        return replace(self, columns=tuple(self.columns[i] for i in indices))

    def made(self, columns: Iterable[Column], frame: bool = False) -> Block:
        """What a transformer made of this block: sparse of sparse, else an array, or a frame if it is set so."""
        container: Any = "sparse" if self.container == "sparse" else "frame" if frame else "array"
        return Block(tuple(columns), container)

    def cast(self, dtype: DType) -> Block:
        """All columns converted to one type."""
        return replace(self, columns=tuple(_cast(column, dtype) for column in self.columns))

    def as_array(self) -> Block:
        """What NumPy makes of the block."""
        if self.container != "frame":
            return self
        return replace(self.cast(interleaved(self.dtypes)), container="array")

    def floats(self, accepted: Sequence[DType] = (FLOAT64, FLOAT32)) -> Block:
        """The block as scikit-learn gives it to a transformer of floats: float32 stays, all else becomes float64."""
        common = common_dtype(self.dtypes)
        dtype = common if common in accepted else accepted[0]
        columns = (column.number(dtype) for column in self.columns)
        return replace(self, columns=tuple(columns), container="sparse" if self.container == "sparse" else "array")


def _cast(column: Column, dtype: DType) -> Column:
    if dtype == column.dtype:
        return column
    if dtype == OBJECT:
        return column.label()
    if dtype.kind == "f":
        return column.number(dtype)
    return replace(column, dtype=dtype)


def common_dtype(dtypes: Sequence[DType]) -> DType:
    """The type that scikit-learn's validation gives an array of such columns."""
    return np.result_type(*dtypes) if dtypes else FLOAT64


def interleaved(dtypes: Sequence[DType]) -> DType:
    """The type that pandas gives an array of such columns: booleans beside numbers stay objects."""
    if len({dtype == BOOL for dtype in dtypes}) > 1:
        return OBJECT
    return common_dtype(dtypes)


def raw_block(dtypes: Sequence[Any]) -> tuple[list[str], Block]:
    """Types of raw columns as a table names them, and the block that they are."""
    types, columns = [], []
    for i, given in enumerate(dtypes):
        dtype = _numpy_dtype(given)
        if dtype.kind in "biu":
            types.append("integer")
        elif dtype in (FLOAT64, FLOAT32):
            types.append(dtype.name)
        elif dtype == OBJECT:
            types.append("label")
        else:
            raise UnsupportedModelError(
                f"Column {i} of the raw rows has the type {given}; preprocessing is stored for float64, float32, "
                "integers, bools, text, categories and objects."
            )
        kind = {"integer": "integer", "label": "label"}.get(types[-1], "number")
        columns.append(Column(i, kind, dtype))
    return types, Block(tuple(columns))


def _numpy_dtype(given: Any) -> DType:
    """NumPy's type of a column; object for text, categories and whatever else NumPy does not know."""
    if re.fullmatch(r"U?Int(8|16|32|64)|Float(32|64)|boolean", str(given)):
        return FLOAT64  # pandas' types with NA, which scikit-learn converts before all else
    try:
        dtype = np.dtype(given)
    except TypeError:
        return OBJECT
    return OBJECT if dtype.kind in "UST" else dtype


def entries_of(block: Block) -> list[Entry]:
    """Entries of a table whose engineered columns are those of the block, all of them numbers."""
    entries: list[Entry] = []
    to, columns = 0, [column.number(FLOAT64 if column.dtype != FLOAT32 else FLOAT32) for column in block.columns]
    while to < len(columns):
        run = _run(columns, to)
        split = columns[to].split
        if split is None:
            entries.append(Entry(columns[to].raw, columns[to].steps, to))
        else:
            entries.append(Entry(split.raw, split.steps, to, _one_hot(split, run)))
        to += len(run)
    return entries


def _run(columns: Sequence[Column], start: int) -> Sequence[Column]:
    """Columns of one split that follow each other in its order; else a single column."""
    stop = start + 1
    while (
        stop < len(columns)
        and columns[start].split is not None
        and columns[stop].split is columns[start].split
        and columns[stop].place > columns[stop - 1].place
    ):
        stop += 1
    return columns[start:stop]


def _one_hot(split: Split, run: Sequence[Column]) -> OneHot:
    """The split as an operation; columns of it that are not in the run are left out."""
    columns = np.full(len(split.columns), -1, dtype=np.intp)
    for k, column in enumerate(run):
        columns[split.columns == column.place] = k
    values = np.array([column.off_and_on() for column in run], dtype=np.float64)
    return OneHot(columns, values[:, 0].copy(), values[:, 1].copy())


def raw_columns(names: Sequence[Any], types: Sequence[str]) -> tuple[RawColumn, ...]:
    """The raw columns of a table."""
    return tuple(RawColumn(_plain_name(name), type) for name, type in zip(names, types, strict=True))


def _plain_name(name: Any) -> Any:
    try:
        plain = plain_scalar(name)
    except TypeError:
        return str(name)
    return plain if plain is None or type(plain) in (str, int) else str(name)
