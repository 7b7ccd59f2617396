"""The operations that are done to the values of one column, one after the other.

Each does the same to one value of Python (`one`) and to an array of values (`many`), to the same bits: all arithmetic
is that of float64. What a column holds between operations is one of four kinds: labels (text, numbers, True, False,
None), integers (exact, whatever their size), numbers (float64), or the index of a category.

========== ================== ==================================================================================
operation  takes, gives       value of x
========== ================== ==================================================================================
number     any, number        x as float64; None is NaN, False 0, True 1, text the number that it spells
label      any, label         x itself
round      number, number     x rounded to float32
finite     any, same          x; an infinite x is refused
present    any, same          x; a missing x is refused: NaN, but not None
impute     any, same          `value` where x is missing, else x
missing    any, number        1 where x is missing, else 0
add        number, number     x + value
subtract   number, number     x - value
multiply   number, number     x * value
divide     number, number     x / value
clip       number, number     low where x < low, high where x > high, else x; NaN stays
category   any but index      the index of x among the categories (`categories.py`)
bins       number, index      how many `edges` are <= x
codes      index, number      values[x]
one_hot    index, many        column k has on[k] where k == columns[x], else off[k] (`table.py`)
========== ================== ==================================================================================

Missing is NaN, or what ``==`` says is equal to a value, or "null": None, NaN or pandas' NA.
"""

from __future__ import annotations

import ctypes
import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Add",
    "Bins",
    "Clip",
    "Codes",
    "Divide",
    "Finite",
    "Impute",
    "IsMissing",
    "Label",
    "Missing",
    "Multiply",
    "Number",
    "Operation",
    "Present",
    "RefusedValue",
    "Round",
    "Subtract",
    "objects",
]

Values = NDArray[Any]


class RefusedValue(ValueError):
    """A value that an operation does not take; the table adds the name of the column."""


class Operation(Protocol):
    """What is done to the values of a column."""

    def one(self, value: Any) -> Any:
        """The value that becomes of one value."""

    def many(self, values: Values) -> Values:
        """The values that become of many; the array given is left as it is."""


def objects(values: Values) -> Values:
    """The values as an array of Python's objects."""
    return values if values.dtype == object else values.astype(object)


@dataclass(frozen=True)
class Number:
    """x as float64."""

    def one(self, value: Any) -> Any:
        if value.__class__ is float:
            return value
        try:
            return math.nan if value is None else float(value)
        except (TypeError, ValueError, OverflowError):
            raise RefusedValue(f"{value!r} is no number, and the column's values are used as numbers") from None

    def many(self, values: Values) -> Values:
        if values.dtype.kind in "fiub":
            return values.astype(np.float64, copy=False)
        try:
            return objects(values).astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            for value in values.tolist():
                self.one(value)
            raise


@dataclass(frozen=True)
class Label:
    """x itself, as a label."""

    def one(self, value: Any) -> Any:
        return value

    def many(self, values: Values) -> Values:
        return objects(values)


@dataclass(frozen=True)
class Round:
    """x rounded to float32: what arithmetic of float32 makes of the result of float64."""

    def one(self, value: Any) -> Any:
        return ctypes.c_float(value).value

    def many(self, values: Values) -> Values:
        with np.errstate(over="ignore"):
            return values.astype(np.float32).astype(np.float64)


@dataclass(frozen=True)
class Finite:
    """x, which must not be infinite."""

    def one(self, value: Any) -> Any:
        if value == math.inf or value == -math.inf:
            raise RefusedValue(f"{value!r} is infinite, or too large for the column; expected a finite number or NaN")
        return value

    def many(self, values: Values) -> Values:
        if values.dtype.kind in "fO":
            infinite = (values == math.inf) | (values == -math.inf)
            if infinite.any():
                self.one(float(values[infinite][0]))
        return values


def _is_missing(value: Any) -> bool:
    try:
        return bool(value != value)
    except TypeError:
        raise RefusedValue(f"{value!r} cannot be compared; pass missing values as None or NaN") from None


def _are_missing(values: Values) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype != object:
        return np.zeros(len(values), dtype=bool)
    return np.fromiter(map(_is_missing, values.tolist()), dtype=bool, count=len(values))


@dataclass(frozen=True)
class Present:
    """x, which must not be NaN."""

    def one(self, value: Any) -> Any:
        if _is_missing(value):
            raise RefusedValue("a value is missing (NaN), and nothing was fitted to take its place")
        return value

    def many(self, values: Values) -> Values:
        if _are_missing(values).any():
            self.one(math.nan)
        return values


@dataclass(frozen=True)
class Missing:
    """Which values are missing.

    Attributes
    ----------
    what : {"nan", "null", "equal"}
    value : scalar
        What missing values are equal to, for "equal".
    """

    what: str = "nan"
    value: Any = None

    def of_one(self, x: Any) -> bool:
        """Whether this value is missing."""
        if self.what == "nan":
            return _is_missing(x)
        if self.what == "equal":
            return bool(x == self.value)
        return x is None or type(x).__name__ == "NAType" or _is_missing(x)

    def of_many(self, values: Values) -> NDArray[np.bool_]:
        """Which of the values are missing."""
        if self.what == "equal":
            return np.asarray(values == self.value, dtype=bool)
        if self.what == "nan" or values.dtype != object:
            return _are_missing(values)
        return np.fromiter(map(self.of_one, values.tolist()), dtype=bool, count=len(values))


@dataclass(frozen=True)
class Impute:
    """`value` where x is missing, else x."""

    missing: Missing
    value: Any

    def one(self, value: Any) -> Any:
        return self.value if self.missing.of_one(value) else value

    def many(self, values: Values) -> Values:
        missing = self.missing.of_many(values)
        if not missing.any():
            return values
        filled = values.copy()
        filled[missing] = self.value
        return filled


@dataclass(frozen=True)
class IsMissing:
    """1 where x is missing, else 0."""

    missing: Missing

    def one(self, value: Any) -> Any:
        return 1.0 if self.missing.of_one(value) else 0.0

    def many(self, values: Values) -> Values:
        return self.missing.of_many(values).astype(np.float64)


@dataclass(frozen=True)
class Add:
    """x + value."""

    value: float

    def one(self, value: Any) -> Any:
        return value + self.value

    def many(self, values: Values) -> Values:
        return values + self.value


@dataclass(frozen=True)
class Subtract:
    """x - value."""

    value: float

    def one(self, value: Any) -> Any:
        return value - self.value

    def many(self, values: Values) -> Values:
        return values - self.value


@dataclass(frozen=True)
class Multiply:
    """x * value."""

    value: float

    def one(self, value: Any) -> Any:
        return value * self.value

    def many(self, values: Values) -> Values:
        return values * self.value


@dataclass(frozen=True)
class Divide:
    """x / value; the value is not 0."""

    value: float

    def one(self, value: Any) -> Any:
        return value / self.value

    def many(self, values: Values) -> Values:
        return values / self.value


@dataclass(frozen=True)
class Clip:
    """The nearest number from low to high; NaN stays."""

    low: float
    high: float

    def one(self, value: Any) -> Any:
        if value < self.low:
            return self.low
        return self.high if value > self.high else value

    def many(self, values: Values) -> Values:
        clipped = np.where(values < self.low, self.low, values)  # np.clip may turn -0 to 0
        return np.where(clipped > self.high, self.high, clipped)


@dataclass(frozen=True, eq=False)
class Bins:
    """How many edges are at most x, which is not NaN; edges ascend."""

    edges: NDArray[np.float64]
    _listed: list[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_listed", self.edges.tolist())

    @property
    def n_indices(self) -> int:
        """Indices from 0 that it gives."""
        return len(self.edges) + 1

    def one(self, value: Any) -> Any:
        return bisect_right(self._listed, value)

    def many(self, values: Values) -> Values:
        return np.searchsorted(self.edges, values, side="right")


@dataclass(frozen=True, eq=False)
class Codes:
    """``values[x]``."""

    values: NDArray[np.float64]
    _listed: list[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_listed", self.values.tolist())

    def one(self, value: Any) -> Any:
        return self._listed[value]

    def many(self, values: Values) -> Values:
        return self.values[values]
