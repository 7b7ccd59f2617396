"""An explanation as a pandas frame, without Arrow: columns and names are those of `arrow_layout`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.explanation.files.arrow_data import array_column_names, transposed
from fastexplain.explanation.files.arrow_layout import Layout, global_importances
from fastexplain.explanation.files.record import Record, plain_name
from fastexplain.rows.kinds import is_pandas, is_polars, is_sparse
from fastexplain.rows.names import unique
from fastexplain.rows.tables import as_table, column_labels, column_of, count_columns, count_rows, unwrapped_rows

if TYPE_CHECKING:
    import pandas as pd

    from fastexplain.explanation.files.arrow_data import Columns

__all__ = ["data_frame"]

# name and content of each column
Named = list[tuple[str, Any]]


def data_frame(layout: Layout, record: Record) -> pd.DataFrame:
    """A row for each explained row, or for each feature of a global explanation without local values."""
    pd = optional("pandas", "pandas", "A pandas data frame")
    columns = _of_features(layout, record) if record.values is None else _of_rows(layout, record)
    names = unique([name for name, _ in columns])
    return pd.DataFrame(dict(zip(names, (content for _, content in columns), strict=True)))


def _of_rows(layout: Layout, record: Record) -> Named:
    values = record.values
    if record.is_sparse:
        columns = _of_sparse_values(layout, values)
        n_rows = values[0].shape[0]
        parts = layout.base(n_rows)
    else:
        columns, n_rows = [], len(values)
        parts = layout.values(values)
    for _, part in [*parts, *layout.raw_predictions(values)]:
        columns += _of_matrix(part)
    labels = layout.classes or range(2 if layout.n_outputs == 1 else layout.n_outputs)
    for what, data in zip(("prediction", "probability"), record.predictions, strict=True):
        if data is not None and not isinstance(data, str) and len(np.asarray(data)) == n_rows:
            columns += _of_array(np.asarray(data), [f"{what}_{label}" for label in labels], what)
    if record.standard_errors is not None:
        columns += _of_matrix(layout.error_columns(record.standard_errors))
    return columns + _of_data(layout, record, n_rows)


def _of_features(layout: Layout, record: Record) -> Named:
    columns: Named = [("feature", _listed([plain_name(name) for name in layout.features]))]
    for _, part in global_importances(layout, record):
        columns += _of_matrix(part)
    return columns


def _of_matrix(part: Columns) -> Named:
    assert part.matrix is not None
    return list(zip(part.names, transposed(part.matrix), strict=True))


def _of_sparse_values(layout: Layout, matrices: Sequence[Any]) -> Named:
    """Columns of arrays: the features stored for each row, and their values."""
    columns: Named = []
    for matrix, output in zip(matrices, layout.outputs, strict=True):
        ends = matrix.indptr[1:-1]
        for name, cells in (("phi_indices", matrix.indices), ("phi", matrix.data)):
            columns.append((f"{name}{output}", _objects(np.split(cells, ends))))
    return columns


def _of_array(array: NDArray[Any], names: Sequence[Any], what: str) -> Named:
    matrix = array[:, np.newaxis] if array.ndim == 1 else array
    shown = array_column_names(array.shape, names, what)
    return [(name, _plain(column)) for name, column in zip(shown, matrix.T, strict=True)]


def _of_data(layout: Layout, record: Record, n_rows: int) -> Named:
    """Columns of the explained rows, where they are as many as the values'."""
    data = record.eval_data
    if data is None or isinstance(data, str):
        return []
    if is_sparse(unwrapped_rows(data)):
        csr = unwrapped_rows(data).tocsr()
        cells = (("eval_data_indices", csr.indices), ("eval_data_values", csr.data))
        return [(name, _objects(np.split(part, csr.indptr[1:-1]))) for name, part in cells if csr.shape[0] == n_rows]
    rows = as_table(data)[0]
    if count_rows(rows) != n_rows:
        return []
    chosen = record.facts.get("feature_columns")
    own = column_labels(rows)
    n = count_columns(rows)
    if own is None:
        fits = len(layout.features) == n and (chosen is None or list(chosen) == list(range(n)))
        own = layout.features if fits else [f"eval_data_{j}" for j in range(n)]
    return [(str(own[j]), _cells(column_of(rows, j))) for j in range(n)]


def _cells(column: Any) -> Any:
    """A column of any library as pandas takes it."""
    if is_pandas(column):
        return column.array
    if hasattr(column, "to_pylist"):
        return column.to_pandas().array
    return _plain(column.to_numpy() if is_polars(column) or hasattr(column, "to_numpy") else np.asarray(column))


def _plain(column: NDArray[Any]) -> Any:
    """Strings as lists, of which pandas makes columns of its own type; numbers as they are."""
    return _listed(column.tolist()) if column.dtype.kind in "OUS" else column


def _listed(cells: list[Any]) -> Any:
    return _objects(cells) if len({type(cell) for cell in cells}) > 1 else cells


def _objects(cells: Sequence[Any]) -> NDArray[Any]:
    """One object per cell, arrays too."""
    out = np.empty(len(cells), dtype=object)
    for i, cell in enumerate(cells):
        out[i] = cell
    return out
