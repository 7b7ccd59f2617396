"""Categories of a column: few enough to be told apart, in an order that means something."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.explanation.plots._values import is_missing
from fastexplain.explanation.plots._words import value

__all__ = ["Categories", "categorise"]


class Categories(NamedTuple):
    """A column as categories.

    Attributes
    ----------
    codes : int array
        Position of each row's category in `labels`.
    labels : list of str
    n_named : int
        Labels that are categories of the data; what comes behind stands for the rest and for missing values.
    """

    codes: NDArray[np.intp]
    labels: list[str]
    n_named: int


def categorise(column: NDArray[Any], order: list[Any] | None, limit: int) -> Categories:
    """Number the categories: in the order given, else sorted; rare ones share a number if there are too many.

    Parameters
    ----------
    column : array
    order : list, optional
        Known categories in their own order.
    limit : int
        Most labels, except for that of missing values.
    """
    values = column.tolist()
    missing = np.array([is_missing(x) for x in values], dtype=bool)
    counts: dict[Any, int] = {}
    for x, gone in zip(values, missing, strict=True):
        if not gone:
            counts[x] = counts.get(x, 0) + 1
    known = [x for x in order if x in counts] if order is not None else _sorted(counts)
    if len(known) > limit:
        frequent = set(sorted(counts, key=lambda x: -counts[x])[: limit - 1])
        n_others = len(known) - len(frequent)
        known = [x for x in known if x in frequent]
        tail = [f"{n_others:,} others"]
    else:
        tail = []
    place = {x: i for i, x in enumerate(known)}
    codes = np.array([0 if gone else place.get(x, len(known)) for x, gone in zip(values, missing, strict=True)])
    labels = [value(x, 16) for x in known] + tail
    if missing.any():
        codes[missing] = len(labels)
        labels.append("missing")
    return Categories(codes, labels, len(known))


def _sorted(categories: Any) -> list[Any]:
    try:
        return sorted(categories)
    except TypeError:  # of several types
        return sorted(categories, key=str)
