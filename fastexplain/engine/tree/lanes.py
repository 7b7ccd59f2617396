"""The width of the lanes that the native kernels work in, and the memory that their tables may take."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastexplain.engine.arguments import whole_number
from fastexplain.models import Forest

__all__ = ["asked_lanes", "lanes_of", "table_bytes"]

# What the tables of a model's shallow trees may take, unless FASTEXPLAIN_TABLE_MB says otherwise.
TABLE_MEGABYTES = 64
# float32 lanes hold leaf values up to here with room for sums and products of them.
FLOAT32_LIMIT = 1e30


def lanes_of(forest: Forest, lanes: np.dtype[Any] | None) -> np.dtype[Any]:
    """Width of the lanes: as asked, else the model's own; float32 only where the leaf values fit."""
    if lanes == np.float64 or (lanes is None and not forest.float32_model):
        return np.dtype(np.float64)
    largest = forest.largest_value()
    if largest < FLOAT32_LIMIT:
        return np.dtype(np.float32)
    if lanes is None:
        return np.dtype(np.float64)
    raise ValueError(
        f"dtype float32 cannot hold sums of this model's leaf values, which reach {largest:.3g}; use dtype='float64'."
    )


def asked_lanes(dtype: DTypeLike | None) -> np.dtype[Any] | None:
    """What a caller asks for by ``dtype``; None for nothing."""
    if dtype is None:
        return None
    try:
        lanes = np.dtype(dtype)
    except TypeError:
        raise ValueError(f"dtype must be float32 or float64; got {dtype!r}.") from None
    if lanes not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype must be float32 or float64; got {dtype!r}.")
    return lanes


def table_bytes() -> int:
    """What tables may take: ``FASTEXPLAIN_TABLE_MB``, else 64 MB."""
    name = "FASTEXPLAIN_TABLE_MB"
    text = os.environ.get(name) or str(TABLE_MEGABYTES)
    return whole_number(int(text) if text.strip().isdecimal() else text, name, 0, 1 << 20) << 20
