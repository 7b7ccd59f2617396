"""Data sets as Arrow columns, each of its own type, and back again as the same kind of object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.explanation.files.json_values import cells_to_json
from fastexplain.explanation.files.record import plain_name
from fastexplain.rows.kinds import is_sparse

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Columns",
    "array_column_names",
    "filled_rows",
    "from_columns",
    "matrix_columns",
    "shaped",
    "sparse_columns",
    "to_columns",
    "transposed",
]

# Rows turned at a time: a block of them and its transpose stay in the cache, which is ten times as fast as one pass.
_BLOCK_ROWS = 512
_ARROW = ("arrow", "An Arrow table")


@dataclass(frozen=True)
class Columns:
    """Columns of a table, made for as many rows at a time as are wanted.

    Attributes
    ----------
    names : list of str
    description : dict
        What `from_columns` needs besides the columns, as JSON can hold it.
    matrix : array of shape (n_rows, n_columns), or None
    arrays : list of Arrow arrays
        Where there is no matrix.
    n_rows : int
    """

    names: list[str]
    description: dict[str, Any]
    n_rows: int
    matrix: NDArray[Any] | None = None
    arrays: Sequence[Any] = ()

    def rows(self, start: int, stop: int) -> list[Any]:
        """Arrow arrays of some rows."""
        pa = optional("pyarrow", *_ARROW)
        if self.matrix is None:
            return [array.slice(start, stop - start) for array in self.arrays]
        return [pa.array(column) for column in transposed(self.matrix[start:stop])]


def transposed(matrix: NDArray[Any]) -> NDArray[Any]:
    """The transpose as a contiguous array."""
    out = np.empty(matrix.shape[::-1], dtype=matrix.dtype)
    for start in range(0, len(matrix), _BLOCK_ROWS):
        out[:, start : start + _BLOCK_ROWS] = matrix[start : start + _BLOCK_ROWS].T
    return out


def filled_rows(out: NDArray[Any], columns: Sequence[Any]) -> None:
    """Copy Arrow columns of numbers into the columns of `out`."""
    given = [column.to_numpy() for column in columns]
    for start in range(0, len(out), _BLOCK_ROWS):
        block = out[start : start + _BLOCK_ROWS]
        for i, column in enumerate(given):
            block[:, i] = column[start : start + _BLOCK_ROWS]


def matrix_columns(matrix: NDArray[Any], names: Sequence[str]) -> Columns:
    """Columns of a 2-D array of numbers."""
    return Columns(list(names), {}, len(matrix), matrix=matrix)


def sparse_columns(matrix: Any, names: Sequence[str]) -> Columns:
    """Two columns of lists: the features stored for each row, and their values."""
    pa = optional("pyarrow", *_ARROW)
    matrix = matrix.tocsr()
    kind = pa.LargeListArray if matrix.nnz >= 2**31 else pa.ListArray
    ends = pa.array(matrix.indptr.astype(np.int64 if kind is pa.LargeListArray else np.int32))
    lists = [kind.from_arrays(ends, pa.array(part)) for part in (matrix.indices, matrix.data)]
    description = {"container": "csr", "dtype": str(matrix.dtype), "shape": [int(n) for n in matrix.shape]}
    return Columns(list(names), description, matrix.shape[0], arrays=lists)


def to_columns(data: Any, names: Sequence[Any], *, what: str) -> Columns:
    """A data set as columns.

    Parameters
    ----------
    data : array, sparse matrix, data frame, Arrow table, DatasetWrapper, or the id of a data set (str)
    names : sequence
        Names of the columns, where the data have none of their own and there are as many.
    what : str
        The data set's name, for errors.

    Raises
    ------
    TypeError
        It holds what Arrow has no type for.
    """
    pa = optional("pyarrow", *_ARROW)
    for attribute in ("original_dataset_with_type", "original_dataset"):  # a DatasetWrapper, ours or ml_wrappers'
        data = getattr(data, attribute, data)
    try:
        if isinstance(data, str):
            return Columns([], {"container": "reference", "id": data}, 0)
        if is_sparse(data):
            return sparse_columns(data, [f"{what}_indices", f"{what}_values"])
        library = type(data).__module__.partition(".")[0]
        if library == "pandas":
            return _pandas_columns(pa, data.to_frame() if data.ndim == 1 else data, is_frame=data.ndim == 2)
        if library in ("polars", "pyarrow"):
            return _table_columns(pa, data, library)
        return _array_columns(pa, np.asarray(data), names, what)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        raise TypeError(f"{what} cannot be saved in Arrow's types. {error}") from error


def _array_columns(pa: Any, array: NDArray[Any], names: Sequence[Any], what: str) -> Columns:
    description: dict[str, Any] = {"container": "array", "dtype": array.dtype.str, "ndim": array.ndim}
    if array.ndim not in (1, 2):
        raise TypeError(f"An array of shape {array.shape} is no table.")
    matrix = array[:, np.newaxis] if array.ndim == 1 else array
    shown = array_column_names(array.shape, names, what)
    if array.dtype.kind in "biuf" and array.dtype.itemsize <= 8 and array.dtype != np.float16:
        native = array.dtype.newbyteorder("=")
        return Columns(shown, description, len(matrix), matrix=matrix.astype(native, copy=False))
    encodings: list[str | None] = []
    arrays = []
    for i in range(matrix.shape[1]):
        column, encoding = _encoded(pa, matrix[:, i])
        arrays.append(column)
        encodings.append(encoding)
    return Columns(shown, {**description, "encodings": encodings}, len(matrix), arrays=arrays)


def array_column_names(shape: tuple[int, ...], names: Sequence[Any], what: str) -> list[str]:
    """Names of an array's columns: those given, if they are as many, else made of what the array is."""
    n_columns = 1 if len(shape) == 1 else shape[1]
    if len(names) != n_columns:
        names = [what] if len(shape) == 1 else [f"{what}_{i}" for i in range(n_columns)]
    return [str(name) for name in names]


def _encoded(pa: Any, cells: NDArray[Any]) -> tuple[Any, str | None]:
    """An array of anything as an Arrow array, and how it was changed: ``"json"`` where types are mixed."""
    if cells.dtype == np.float16:
        return pa.array(cells.astype(np.float32)), None
    if cells.dtype.kind not in "OUS":
        return pa.array(cells), None
    listed = cells.tolist()
    kinds = {type(cell) for cell in listed}
    if kinds <= {str, type(None)} or kinds <= {bytes, type(None)}:
        return pa.array(listed, type=pa.null() if kinds == {type(None)} else None), None
    if kinds in ({float}, {bool}) or (kinds == {int} and all(-(2**63) <= cell < 2**63 for cell in listed)):
        return pa.array(listed, from_pandas=False), None
    return pa.array(cells_to_json(listed)), "json"


def _decoded(column: Any, encoding: str | None) -> list[Any]:
    listed: list[Any] = column.to_pylist()
    return [None if cell is None else json.loads(cell) for cell in listed] if encoding == "json" else listed


def _pandas_columns(pa: Any, frame: Any, *, is_frame: bool) -> Columns:
    """Columns of a pandas frame; those of the index come last, where it is more than a numbering."""
    names = [plain_name(name) for name in frame.columns]
    positions = [str(i) for i in range(frame.shape[1])]
    plain = frame.set_axis(positions, axis=1)
    objects = {name: _encoded(pa, plain[name].to_numpy()) for name in positions if plain[name].dtype == object}
    categories = {name: _categories(pa, plain[name]) for name in positions if str(plain[name].dtype) == "category"}
    own = {name: array for name, (array, _) in (objects | categories).items()}
    table = pa.Table.from_pandas(plain.drop(columns=list(own)))
    typed = dict(zip(table.schema.names, table.columns, strict=True))
    index = [name for name in table.schema.names if name not in positions]
    arrays = [own.get(name, typed.get(name)) for name in positions]
    description = {
        "container": "pandas" if is_frame else "series",
        "columns": names,
        "pandas": table.schema.metadata[b"pandas"].decode(),
        "index": index,
        "encodings": {name: encoding for name, (_, encoding) in objects.items()},
        "categories": {name: facts for name, (_, facts) in categories.items()},
    }
    shown = [*map(str, names), *(f"index_{i}" for i in range(len(index)))]
    return Columns(shown, description, len(frame), arrays=[*arrays, *(typed[name] for name in index)])


def _categories(pa: Any, column: Any) -> tuple[Any, dict[str, Any]]:
    """A categorical column, and its categories: Parquet keeps their order, and those that are not used, for text only.

    Categories that are neither text nor numbers, such as intervals, become text.
    """
    found = column.cat.categories
    values, dtype = found.tolist(), str(found.dtype)
    if not all(isinstance(value, str | int | float | bool) for value in values):
        values, dtype = [str(value) for value in values], "str"
    codes = column.cat.codes.to_numpy()
    array = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(values, from_pandas=False))
    if not (pa.types.is_string(array.type.value_type) or pa.types.is_large_string(array.type.value_type)):
        array = array.dictionary_decode()
    return array, {"values": values, "dtype": dtype, "ordered": bool(column.cat.ordered)}


def _categorical(pa: Any, pd: Any, column: Any, facts: dict[str, Any]) -> Any:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    categories = pd.Index(facts["values"], dtype=facts["dtype"])
    return pd.Categorical(column.to_pandas(), categories=categories, ordered=facts["ordered"])


def _table_columns(pa: Any, data: Any, library: str) -> Columns:
    """Columns of a polars frame or series, an Arrow table or a record batch."""
    container = library
    if library == "polars":
        container = "polars" if hasattr(data, "columns") else "polars_series"
        frame = data if container == "polars" else data.to_frame()
        data = frame.to_arrow(compat_level=optional("polars", None, "A data frame").CompatLevel.oldest())
    elif not isinstance(data, pa.Table):
        data = pa.Table.from_batches([data])
    names = list(data.schema.names)
    return Columns(names, {"container": container, "columns": names}, data.num_rows, arrays=data.columns)


def from_columns(columns: Sequence[pa.ChunkedArray], description: dict[str, Any]) -> Any:
    """The data set that `to_columns` took; a DatasetWrapper as the rows that it wrapped.

    Raises
    ------
    MissingDependencyError
        It was a data frame of a library that is not installed.
    """
    pa = optional("pyarrow", *_ARROW)
    container = description["container"]
    if container == "reference":
        return description["id"]
    if container == "csr":
        return _csr(columns, description)
    if container == "array":
        return _array(columns, description)
    if container in ("pandas", "series"):
        return _pandas(pa, columns, description)
    table = pa.table(list(columns), names=description["columns"])
    if container in ("polars", "polars_series"):
        frame = optional("polars", None, "A data frame").from_arrow(table)
        return frame if container == "polars" else frame.to_series()
    return table


def _csr(columns: Sequence[Any], description: dict[str, Any]) -> Any:
    from scipy.sparse import csr_matrix

    indices, values = (column.combine_chunks() for column in columns)
    counts = indices.value_lengths().to_numpy(zero_copy_only=False)
    parts = (values.flatten().to_numpy(zero_copy_only=False), indices.flatten().to_numpy(zero_copy_only=False))
    ends = np.concatenate([[0], np.cumsum(counts)])
    matrix = csr_matrix((parts[0], parts[1], ends), shape=tuple(description["shape"]))
    return matrix.astype(np.dtype(description["dtype"]), copy=False)


def _array(columns: Sequence[Any], description: dict[str, Any]) -> NDArray[Any]:
    dtype, n_rows = np.dtype(description["dtype"]), len(columns[0]) if columns else 0
    out: NDArray[Any]
    if "encodings" not in description:
        out = np.empty((n_rows, len(columns)), dtype=dtype.newbyteorder("="))
        filled_rows(out, columns)
    elif dtype.kind == "O":
        out = np.empty((n_rows, len(columns)), dtype=object)
        for i, (column, encoding) in enumerate(zip(columns, description["encodings"], strict=True)):
            out[:, i] = _decoded(column, encoding)
    elif dtype.kind in "US":  # of any length: later batches of a stream may hold longer strings than the first
        out = np.stack([np.array(column.to_pylist(), dtype=dtype.kind) for column in columns], axis=1)
    else:
        out = np.stack([column.to_numpy().astype(dtype) for column in columns], axis=1)
    return shaped(out, description)


def shaped(table: NDArray[Any], description: dict[str, Any]) -> NDArray[Any]:
    """An array of the described number of axes out of the 2-D one that columns make."""
    if description["ndim"] == 2 and not description.get("is_row"):
        return table
    vector: NDArray[Any] = table[0] if description.get("is_row") else table[:, 0]
    return vector


def _pandas(pa: Any, columns: Sequence[Any], description: dict[str, Any]) -> Any:
    pd = optional("pandas", "pandas", "A pandas data frame")
    names, encodings, categories = description["columns"], description["encodings"], description["categories"]
    positions = [str(i) for i in range(len(names))]
    by_name = dict(zip([*positions, *description["index"]], columns, strict=True))
    typed = {name: column for name, column in by_name.items() if name not in encodings | categories}
    metadata = {"pandas": description["pandas"]}
    if typed:
        frame = pa.table(list(typed.values()), names=list(typed)).replace_schema_metadata(metadata).to_pandas()
    else:
        frame = pd.DataFrame(index=pd.RangeIndex(len(columns[0]) if columns else 0))
    for name in positions:  # in their order, so that each finds its place
        if name in encodings:
            cells = pd.Series(_decoded(by_name[name], encodings[name]), index=frame.index, dtype=object)
            frame.insert(int(name), name, cells)
        elif name in categories:
            frame.insert(int(name), name, _categorical(pa, pd, by_name[name], categories[name]))
    if description["container"] == "series":
        return frame.iloc[:, 0].rename(names[0])
    return frame.set_axis(names, axis=1)
