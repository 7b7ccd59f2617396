"""Order of features by importance, and the names and values in that order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.arguments import whole_number

__all__ = ["checked_top_k", "named", "rank", "ranked_names", "ranked_values"]


def rank(values: NDArray[Any]) -> NDArray[np.intp]:
    """Feature indices along the last axis, largest (signed) value first.

    Ties come in the order that ``argsort()[::-1]`` leaves them in, so that rankings agree with interpret-community's
    to the last place.
    """
    return values.argsort()[..., ::-1]


def ranked_names(features: Sequence[Any], values: NDArray[Any], top_k: int | None) -> list[Any]:
    """Names of the `top_k` largest values along the last axis, nested as `values` is."""
    listed: list[Any] = named(features)[rank(values)[..., : checked_top_k(top_k)]].tolist()
    return listed


def ranked_values(values: NDArray[Any], top_k: int | None) -> list[Any]:
    """The `top_k` largest values along the last axis, nested as `values` is."""
    listed: list[Any] = np.take_along_axis(values, rank(values)[..., : checked_top_k(top_k)], axis=-1).tolist()
    return listed


def named(features: Sequence[Any]) -> NDArray[np.object_]:
    """Names as an array of the objects themselves, to be indexed by a ranking."""
    names = np.empty(len(features), dtype=object)
    names[:] = features
    return names


def checked_top_k(top_k: int | None) -> int | None:
    """`top_k` as a plain int or None; ValueError if it is anything but a positive whole number."""
    if top_k is None:
        return None
    return whole_number(top_k, "top_k", or_else="None")
