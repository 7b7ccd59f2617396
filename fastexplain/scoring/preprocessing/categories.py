"""The operation ``category``: which of the known categories a value is.

Labels are equal as Python's ``==`` has it: text by its characters, numbers by value, so that 1, 1.0 and True are one.
Numbers and integers are compared exactly. NaN is a category of its own, the last one, if the encoder was fitted on one;
so is None, among labels. A value that is none of them is refused, or has the index that follows the last category's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.scoring.preprocessing.operations import RefusedValue, Values
from fastexplain.scoring.preprocessing.scalars import is_nan

__all__ = ["Category"]

_SHOWN = 10


class _Indices(dict[Any, int]):
    """Index of each category; of NaN, of whichever object, and of values that are no category as well."""

    def __init__(self, categories: Sequence[Any], nan: bool) -> None:
        # backwards, so that the first of equal categories counts
        super().__init__(zip(reversed(categories), range(len(categories) - 1, -1, -1), strict=True))
        self.unknown = len(categories) + nan
        self.nan = len(categories)
        if nan:
            self[np.nan] = self.nan  # the usual object is found without `__missing__`

    def __missing__(self, value: Any) -> int:
        return self.nan if is_nan(value) else self.unknown


@dataclass(frozen=True, eq=False)
class Category:
    """The index of x among the categories.

    Parameters
    ----------
    values : tuple of labels, or array of float64 or int64
        The categories without NaN, in the order of their indices; an array ascends.
    nan : bool
        Whether NaN is one more category.
    others : bool
        Whether other values have the index after the last category's; if not, they are refused.
    """

    values: tuple[Any, ...] | NDArray[Any]
    nan: bool = False
    others: bool = False
    indices: _Indices = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "indices", _Indices(self._known(), self.nan))

    def _known(self) -> Sequence[Any]:
        return self.values.tolist() if isinstance(self.values, np.ndarray) else self.values

    @property
    def n_indices(self) -> int:
        """Indices from 0 that it gives."""
        return self.indices.unknown + self.others

    def one(self, value: Any) -> Any:
        try:
            index = self.indices[value]
        except TypeError:
            raise RefusedValue(f"{value!r} is a {type(value).__name__}; expected a single label") from None
        if index == self.indices.unknown and not self.others:
            raise self._refused([value])
        return index

    def many(self, values: Values) -> Values:
        if isinstance(self.values, np.ndarray) and values.dtype.kind == self.values.dtype.kind:
            found = self._sorted(values)
        else:
            found = self._looked_up(values)
        if not self.others:
            unknown = found == self.indices.unknown
            if unknown.any():
                raise self._refused(values[unknown].tolist())
        return found

    def _sorted(self, values: Values) -> Values:
        """Indices of numbers of the categories' own type, among those that ascend."""
        assert isinstance(self.values, np.ndarray)
        found = np.full(len(values), self.indices.unknown, dtype=np.intp)
        if len(self.values):
            place = np.minimum(np.searchsorted(self.values, values), len(self.values) - 1)
            np.copyto(found, place, where=self.values[place] == values)
        if self.nan and values.dtype.kind == "f":
            found[np.isnan(values)] = self.indices.nan
        return found

    def _looked_up(self, values: Values) -> Values:
        listed = values.tolist()
        try:
            return np.fromiter(map(self.indices.__getitem__, listed), dtype=np.intp, count=len(listed))
        except TypeError:
            for value in listed:
                self.one(value)
            raise

    def _refused(self, values: list[Any]) -> RefusedValue:
        distinct = list(dict.fromkeys("NaN" if is_nan(value) else repr(value) for value in values))
        which = _listed(distinct, 3)
        known = [repr(value) for value in self._known()] + ["NaN"] * self.nan
        return RefusedValue(
            f"{which} {'is' if len(distinct) == 1 else 'are'} not among the {len(known)} categories of the fit: "
            f"{_listed(known, _SHOWN)}. Pass one of them, or fit with another handle_unknown to take others"
        )


def _listed(texts: list[str], n_shown: int) -> str:
    return ", ".join(texts[:n_shown]) + (", ..." if len(texts) > n_shown else "")
