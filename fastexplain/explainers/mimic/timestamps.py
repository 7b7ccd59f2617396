"""Columns of time stamps as numbers: seconds since the earliest one seen, and the parts of date and time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PARTS", "is_timestamp", "seconds", "time_parts"]

Float = NDArray[np.float64]

# In this order after all other columns.
PARTS = ("year", "month", "day", "hour", "minute", "second")


def is_timestamp(column: Any) -> bool:
    """Whether a column (array, or series of a table) is of a time stamp type."""
    dtype = getattr(column, "dtype", None)
    if getattr(dtype, "kind", "") == "M":  # NumPy and pandas, with a time zone or without
        return True
    return (
        str(dtype if dtype is not None else getattr(column, "type", "")).lower().startswith(("datetime", "timestamp"))
    )


def seconds(column: Any) -> Float:
    """Seconds since 1970 in UTC; a stamp without a time zone counts as UTC. NaN where it is missing."""
    stamps = _utc(column)
    since = (stamps - np.datetime64(0, "s")) / np.timedelta64(1, "s")
    return np.where(np.isnat(stamps), np.nan, since)


def time_parts(column: Any) -> list[Float]:
    """Year, month, day, hour, minute and second of each stamp, on the clock of its own time zone; NaN where missing."""
    stamps = _wall(column)
    days, months = stamps.astype("datetime64[D]"), stamps.astype("datetime64[M]")
    of_day = stamps.astype("datetime64[s]").astype(np.int64) % 86_400
    parts = [
        stamps.astype("datetime64[Y]").astype(np.int64) + 1970,
        months.astype(np.int64) % 12 + 1,
        (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
        of_day // 3600,
        of_day // 60 % 60,
        of_day % 60,
    ]
    missing = np.isnat(stamps)
    return [np.where(missing, np.nan, part.astype(np.float64)) for part in parts]


def _wall(column: Any) -> NDArray[np.datetime64]:
    if getattr(getattr(column, "dtype", None), "tz", None) is not None:  # a pandas series
        column = column.dt.tz_localize(None)
    return _stamps(column)


def _utc(column: Any) -> NDArray[np.datetime64]:
    if getattr(getattr(column, "dtype", None), "tz", None) is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return _stamps(column)


def _stamps(column: Any) -> NDArray[np.datetime64]:
    """A column as datetime64. A polars or pyarrow column with a time zone comes as UTC."""
    if hasattr(column, "to_numpy"):
        try:
            column = column.to_numpy(zero_copy_only=False)  # pyarrow
        except TypeError:
            column = column.to_numpy()
    stamps = np.asarray(column)
    return stamps if stamps.dtype.kind == "M" else stamps.astype("datetime64[ns]")
