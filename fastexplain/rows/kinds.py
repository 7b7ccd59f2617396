"""What holds rows, told by what it can do: no library is imported to ask whether rows are of it.

Where a table could have a column of the same name, the class is asked: pandas gives columns as attributes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["is_arrow", "is_pandas", "is_polars", "is_sparse", "is_table", "refuse_complex"]


def is_sparse(data: Any) -> bool:
    """Whether this is one of SciPy's sparse matrices or arrays, of any format."""
    return hasattr(type(data), "tocsr")


def is_pandas(data: Any) -> bool:
    """Whether this is a frame or a series of pandas, or of a library that works as pandas does."""
    return hasattr(data, "iloc")


def is_arrow(data: Any) -> bool:
    """Whether this is a table or a record batch of pyarrow."""
    return hasattr(type(data), "column_names")


def is_polars(data: Any) -> bool:
    """Whether this is a frame of polars."""
    return hasattr(data, "get_columns")


def is_table(data: Any) -> bool:
    """Whether columns have names: a frame of any library, or a table of pyarrow. A series is none."""
    return (hasattr(data, "columns") or is_arrow(data)) and not isinstance(data, np.ndarray)


def refuse_complex(rows: Any, name: str) -> None:
    """Raise ValueError for complex numbers: no model takes them, and a conversion would drop their imaginary parts."""
    table = is_table(rows) and hasattr(rows, "dtypes")
    kinds = [getattr(dtype, "kind", "") for dtype in (rows.dtypes if table else [getattr(rows, "dtype", None)])]
    if "c" in kinds:
        where = f" in column {list(rows.columns)[kinds.index('c')]!r}" if table else ""
        raise ValueError(f"{name} holds complex numbers{where}; pass their real and imaginary parts as two columns.")
