"""Arrays, sparse matrices and data sets as interpret-community's JSON files hold them.

A file is ``{"metadata": kind, "data": ...}``. Numbers are written so that they come back to the last bit; NaN and
infinities are written as Python's ``json`` does. What the kind does not tell (types, names of columns) is returned as a
description, which is kept in a file of our own and is not needed to read the numbers.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.rows.kinds import is_sparse

__all__ = ["KINDS", "cells_to_json", "decoded", "described", "write_value"]

KINDS = ("DataFrame", "DatasetWrapper", "DatasetWrapperSparse", "DenseData", "list", "ndarray", "other", "sparse")
_SPARSE_KINDS = ("DatasetWrapperSparse", "sparse")
# Numbers turned into text at a time: a few MB of Python objects, whatever the size of the array.
_BLOCK_SIZE = 1 << 16


def write_value(file: IO[str], kind: str, value: Any) -> None:
    """Write one file's JSON.

    Parameters
    ----------
    file : text file
    kind : str
    value : array, csr matrix, list of csr matrices, or what JSON holds
    """
    file.write(f'{{"metadata": {json.dumps(kind)}, "data": ')
    if kind in _SPARSE_KINDS:
        several = isinstance(value, list)
        parts = [_sparse_parts(matrix, alone=not several) for matrix in (value if several else [value])]
        file.write(_dumps(parts if several else parts[0]))
    elif isinstance(value, np.ndarray):
        file.writelines(_array_text(value))
    else:
        file.write(_dumps(value))
    file.write("}")


def _array_text(array: NDArray[Any]) -> Iterator[str]:
    """JSON of an array, in pieces of bounded size."""
    if array.dtype.kind == "M":
        array = array.astype(str)
    if array.ndim == 0 or array.size <= _BLOCK_SIZE:
        yield _dumps(array.tolist())
        return
    per_entry = array.size // len(array)
    step = max(1, _BLOCK_SIZE // per_entry)
    opening = "["
    for start in range(0, len(array), step):
        yield opening
        opening = ","
        if step > 1 or array.ndim == 1:
            yield _dumps(array[start : start + step].tolist())[1:-1]
        else:
            yield from _array_text(array[start])
    yield "]"


def _sparse_parts(matrix: Any, *, alone: bool) -> list[Any]:
    matrix = matrix.tocsr()
    shape = [int(n) for n in matrix.shape]
    if alone and not matrix.nnz and all(shape):
        # interpret-community cannot read a matrix without any entry: one zero stands in, and is dropped by `decoded`
        return [[0.0], [0], [0, *[1] * shape[0]], shape]
    return [matrix.data.tolist(), matrix.indices.tolist(), matrix.indptr.tolist(), shape]


def _dumps(value: Any) -> str:
    return json.dumps(value, default=_cell, separators=(",", ":"))


def cells_to_json(cells: Iterable[Any]) -> list[str | None]:
    """JSON of each cell; None stays None."""
    return [None if cell is None else _dumps(cell) for cell in cells]


def _cell(value: Any) -> Any:
    """A cell of a data set as JSON can hold it."""
    if isinstance(value, np.generic) and value.dtype.kind in "biufSU":
        return value.item()
    if str(value) in ("NaT", "<NA>"):
        return None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    is_of_pandas = type(value).__module__.partition(".")[0] == "pandas"  # intervals, periods
    if is_of_pandas or isinstance(value, datetime.timedelta | np.datetime64 | np.timedelta64):
        return str(value)
    raise TypeError(
        f"JSON cannot hold {value!r} of type {type(value).__name__}: turn it into a string or a number first."
    )


def described(data: Any) -> tuple[str, Any, dict[str, Any]]:
    """A data set as `write_value` takes it.

    Returns
    -------
    kind : str
    value : Any
    description : dict
        What `decoded` needs to give back the same kind of object.
    """
    if hasattr(data, "original_dataset"):  # a DatasetWrapper, ours or ml_wrappers'
        kind, value, description = described(data.original_dataset)
        return ("DatasetWrapperSparse" if kind == "sparse" else "DatasetWrapper"), value, description
    if isinstance(data, str):  # the id of a data set that is kept elsewhere
        return "list", data, {"container": "reference"}
    if is_sparse(data):
        matrix = data.tocsr()
        return "sparse", matrix, {"container": "csr", "dtype": str(matrix.dtype), "nnz": int(matrix.nnz)}
    library = type(data).__module__.partition(".")[0]
    if library == "pandas" and hasattr(data, "columns"):
        description = {"container": library, "columns": [_column_name(name) for name in data.columns]}
        description["dtypes"] = [_pandas_type(data.iloc[:, i].dtype) for i in range(data.shape[1])]
        return "list", np.asarray(data.to_numpy()), {**description, "shape": list(data.shape)}
    if library in ("polars", "pyarrow") and hasattr(data, "columns"):
        names = data.columns if library == "polars" else data.schema.names
        columns = data.get_columns() if library == "polars" else data.columns
        listed = [column.to_list() if library == "polars" else column.to_pylist() for column in columns]
        rows = [list(row) for row in zip(*listed, strict=True)]
        return "list", rows, {"container": library, "columns": list(names)}
    array = np.asarray(data)
    return "list", array, {"container": "array", "dtype": array.dtype.str, "shape": list(array.shape)}


def _column_name(name: Any) -> Any:
    name = name.item() if isinstance(name, np.generic) else name
    return name if isinstance(name, str | int | float | bool) else str(name)


def _pandas_type(dtype: Any) -> Any:
    if str(dtype) != "category":
        return str(dtype)
    categories = dtype.categories
    kind = str(categories.dtype)
    # intervals and the like come back as text, in the cells too
    values = [value if isinstance(value, str | int | float | bool) else _cell(value) for value in categories]
    return {"categories": values, "type": "object" if "interval" in kind else kind, "ordered": bool(dtype.ordered)}


def decoded(kind: str, data: Any, description: dict[str, Any] | None = None) -> Any:
    """What `write_value` wrote: a csr matrix or a list of them, an array, a data frame, or a dataset's id.

    Parameters
    ----------
    kind : str
    data : Any
        What JSON gave.
    description : dict, optional
        Without it, numbers become an array of numbers and everything else one of Python objects.

    Raises
    ------
    ValueError
        The kind is unknown, or the data are not what it promises.
    """
    if kind not in KINDS:
        raise ValueError(f"Unrecognized data type in deserialization: {kind}")
    if kind in _SPARSE_KINDS:
        several = bool(data) and all(isinstance(part, list) and len(part) == 4 for part in data)
        several = several and all(isinstance(part[0], list) for part in data)
        return [_matrix(part, None) for part in data] if several else _matrix(data, description)
    if isinstance(data, str):
        return data
    container = None if description is None else description["container"]
    if description is not None and container in ("pandas", "polars", "pyarrow"):
        return _frame(data, description)
    if description is not None and container == "array":
        return np.array(data, dtype=np.dtype(description["dtype"])).reshape(description["shape"])
    return numbers_or_objects(data)


def numbers_or_objects(data: Any) -> NDArray[Any]:
    """Nested lists as an array of numbers if all are numbers, else of the objects as they are.

    Raises
    ------
    ValueError
        The lists have different lengths.
    """
    array = np.array(data)
    return array if array.dtype.kind in "biuf" else np.array(data, dtype=object)


def _matrix(parts: Any, description: dict[str, Any] | None) -> Any:
    from scipy.sparse import csr_matrix

    if not isinstance(parts, list) or len(parts) != 4:
        raise ValueError("a sparse matrix is [data, indices, indptr, shape]")
    data, indices, indptr, shape = parts
    dtype = None if description is None or "dtype" not in description else np.dtype(description["dtype"])
    values = np.array(data, dtype=dtype if dtype is not None or data else np.float64)
    try:
        matrix = csr_matrix((values, np.array(indices, dtype=np.int64), np.array(indptr, dtype=np.int64)), tuple(shape))
        matrix.check_format(full_check=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"not a sparse matrix: {error}") from error
    if description is not None and description.get("nnz") == 0:
        return csr_matrix(matrix.shape, dtype=matrix.dtype)
    return matrix


def _frame(rows: Any, description: dict[str, Any]) -> Any:
    names = description["columns"]
    if description["container"] == "polars":
        polars = optional("polars", None, "A polars data frame")
        return polars.DataFrame(rows, schema=names, orient="row")
    if description["container"] == "pyarrow":
        pa = optional("pyarrow", "arrow", "An Arrow table")
        return pa.table([list(column) for column in zip(*rows, strict=True)] or [[] for _ in names], names=names)
    pd = optional("pandas", "pandas", "A pandas data frame")
    cells = np.array(rows, dtype=object).reshape(description["shape"])
    columns = [_column(pd, cells[:, i], dtype) for i, dtype in enumerate(description["dtypes"])]
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(len(cells)))
    frame.columns = names
    return frame


def _column(pd: Any, cells: NDArray[Any], dtype: Any) -> Any:
    series = pd.Series(cells, dtype=object)
    if isinstance(dtype, str):
        return series.astype(dtype)
    categories = pd.Index(pd.Series(dtype["categories"], dtype=object).astype(dtype["type"]))
    series = series.astype(dtype["type"]) if dtype["type"].startswith(("datetime", "timedelta")) else series
    return series.astype(pd.CategoricalDtype(categories, ordered=dtype["ordered"]))
