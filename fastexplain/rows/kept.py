"""Rows that an explanation keeps, so that they stay what was explained whatever the caller does to them afterwards."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.rows.kinds import is_arrow, is_pandas, is_polars, is_sparse
from fastexplain.rows.tables import unwrapped_rows

__all__ = ["compact_rows", "kept_rows"]

# Arrays up to this size are copied, which is faster than a checksum of them; of larger ones, a copy would be felt
# where means over many rows are all that is kept of an explanation.
COPIED_BYTES = 8 * 2**20

_CHANGED = (
    "The rows have changed since they were explained, so that the explanation's data and predictions would be of other "
    "rows than its values. Explain a copy of the rows, e.g. explain_local(X.copy()), or change them in a copy."
)
# where the numbers of sparse matrices of any format are
_SPARSE_PARTS = ("data", "indices", "indptr", "row", "col", "offsets")


def kept_rows(rows: Any) -> tuple[Any, Callable[[], None] | None]:
    """The rows to explain and keep, and what raises ValueError once they are not what they were.

    Parameters
    ----------
    rows : object
        What the user calls rows: one or many, of any container.

    Returns
    -------
    rows
        A copy, where that is cheap: small arrays and lists, and tables that share their cells until one is written to
        (pandas with copy-on-write, polars). Arrow tables cannot be written to, and are returned as they are.
    check : callable or None
        None where no one else can change the rows. Of large arrays, and of what wraps rows, a checksum is compared.
    """
    if isinstance(rows, np.ndarray):
        # objects have no bytes of their own to sum up
        copies = rows.nbytes <= COPIED_BYTES or rows.dtype.hasobject
        return (rows.copy(order="K"), None) if copies else (rows, _Unchanged(rows))
    if isinstance(rows, list | tuple):
        cells = (row.copy() if isinstance(row, list | np.ndarray) else row for row in rows)
        return (list(cells) if isinstance(rows, list) else tuple(cells)), None
    if is_pandas(rows):
        return rows.copy(deep=not _copies_on_write(rows)), None
    if is_polars(rows) or type(rows).__module__.startswith("polars"):
        return rows.clone(), None
    if is_sparse(rows):
        parts = [getattr(rows, name) for name in _SPARSE_PARTS if hasattr(rows, name)]
        copies = sum(getattr(part, "nbytes", 0) for part in parts) <= COPIED_BYTES
        return (rows.copy(), None) if copies else (rows, _Unchanged(rows))
    if is_arrow(rows) or isinstance(rows, str) or not hasattr(unwrapped_rows(rows), "shape"):
        return rows, None
    return rows, _Unchanged(rows)


def compact_rows(rows: Any) -> Any:
    """The same rows without those that they are a slice of: a pickled slice of an Arrow table has all of its rows."""
    if not is_arrow(rows):
        return rows
    return rows.take(list(range(rows.num_rows)))


class _Unchanged:
    """Raises ValueError when called, if the checksum of rows is not what it was."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        self._checksum = _checksum(rows)

    def __call__(self) -> None:
        if _checksum(self._rows) != self._checksum:
            raise ValueError(_CHANGED)


def _copies_on_write(frame: Any) -> bool:
    """Whether a shallow copy of a pandas table is a table of its own as soon as one of the two is written to."""
    if not type(frame).__module__.startswith("pandas."):
        return False  # of another library that works as pandas does
    return _always_copies_on_write() or _option_is_on()


@cache
def _always_copies_on_write() -> bool:
    import pandas as pd

    return int(pd.__version__.partition(".")[0]) >= 3


def _option_is_on() -> bool:
    import pandas as pd

    return pd.get_option("mode.copy_on_write") is True


def _checksum(rows: Any) -> tuple[Any, ...]:
    """What differs for other rows: shapes, types and a CRC-32 of the cells."""
    rows = unwrapped_rows(rows)
    return tuple(part for array in _arrays(rows) for part in (array.shape, array.dtype.str, _crc(array)))


def _arrays(rows: Any) -> Iterator[NDArray[Any]]:
    """The arrays that rows consist of."""
    if is_sparse(rows):
        yield np.array(rows.shape)
        yield from (np.asarray(getattr(rows, name)) for name in _SPARSE_PARTS if hasattr(rows, name))
    elif is_pandas(rows) and hasattr(rows, "columns"):
        yield np.array([str(label) for label in rows.columns])
        yield from (rows.iloc[:, j].to_numpy() for j in range(rows.shape[1]))
    else:
        yield np.asarray(rows)


def _crc(array: NDArray[Any]) -> int:
    if array.dtype.hasobject:
        return zlib.crc32(repr(array.tolist()).encode())
    if array.ndim == 2 and array.flags.f_contiguous:
        array = array.T
    if array.flags.c_contiguous:
        return zlib.crc32(array.reshape(-1).view(np.uint8).data) if array.size else 0
    found = 0
    step = max(1, COPIED_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        found = zlib.crc32(np.ascontiguousarray(array[start : start + step]).reshape(-1).view(np.uint8).data, found)
    return found
