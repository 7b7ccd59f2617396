"""Rows made anew with cells of other rows: the same cells and the same types, in each kind of container."""

from typing import Any

import narwhals
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from fastexplain.engine.kernel.masking import make_builder
from fastexplain.rows.containers import Segment, as_rows, mixed_rows
from fastexplain.rows.pairs import alike
from fastexplain.rows.tables import column_labels

KINDS = ("numpy", "objects", "pandas", "pandas mixed", "polars", "pyarrow", "csr")


def rows_of(kind: str, first: int, n_rows: int) -> Any:
    """Rows whose cells tell row and column apart."""
    numbers = 10.0 * np.arange(first, first + n_rows)[:, None] + np.arange(1.0, 5.0)
    if kind == "numpy":
        return numbers.astype(np.float32)
    if kind == "objects":
        return numbers.astype(str).astype(object)
    if kind == "csr":
        return scipy.sparse.csr_array(numbers)
    if kind == "pandas":
        return pd.DataFrame(numbers, columns=list("abcd"), index=np.arange(n_rows) + 7)
    frame = pd.DataFrame({"a": numbers[:, 0], "b": numbers[:, 1].astype(np.int32), "d": numbers[:, 3].astype(str)})
    labels = [str(v) for v in 10.0 * np.arange(20) + 3]
    if kind == "pandas mixed":
        frame.insert(2, "c", pd.Categorical(numbers[:, 2].astype(str), categories=labels))
        return frame.set_index(np.arange(n_rows) + 7)
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    table = polars.DataFrame({name: frame[name].to_numpy() for name in "abd"})
    table.insert_column(2, polars.Series("c", numbers[:, 2].astype(str), dtype=polars.Enum(labels)))
    return table if kind == "polars" else table.to_arrow()


def cells_of(rows: Any) -> list[list[Any]]:
    """Python values, row by row."""
    if hasattr(rows, "to_pylist"):
        return [list(row.values()) for row in rows.to_pylist()]
    if hasattr(rows, "rows"):
        return [list(row) for row in rows.rows()]
    values = rows.toarray() if hasattr(rows, "toarray") else np.asarray(rows, dtype=object)
    listed: list[list[Any]] = values.tolist()
    return listed


def types_of(rows: Any) -> list[str]:
    schema = getattr(rows, "schema", None)
    if schema is not None:
        return [str(dtype) for dtype in (schema.values() if hasattr(schema, "values") else schema.types)]
    return [str(dtype) for dtype in rows.dtypes] if hasattr(rows, "dtypes") else [str(rows.dtype)]


def expected_mix(rows: Any, others: Any, from_rows: np.ndarray) -> list[list[Any]]:
    pairs = zip(cells_of(rows), cells_of(others), from_rows, strict=True)
    return [[a if own else b for a, b, own in zip(*triple, strict=True)] for triple in pairs]


@pytest.mark.parametrize("kind", KINDS)
def test_mixed_rows_take_each_cell_from_one_or_the_other(kind: str) -> None:
    rows, others = rows_of(kind, 0, 6), rows_of(kind, 10, 6)
    from_rows = np.random.default_rng(0).random((6, 4)) < 0.5
    mixed = mixed_rows(rows, others, from_rows)
    assert type(mixed) is type(rows)
    assert cells_of(mixed) == expected_mix(rows, others, from_rows)
    assert types_of(mixed) == types_of(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_masked_rows_and_replaced_columns_are_the_same_cells(kind: str) -> None:
    rows, others = rows_of(kind, 0, 6), rows_of(kind, 10, 4)
    masks = np.array([[True, False, True, False], [False, False, False, True], [True, True, True, True]])
    row, mask, below = (np.array(i, dtype=np.int32) for i in ([0, 5, 3, 2], [0, 1, 2, 1], [3, 0, 1, 1]))
    builder = make_builder(rows, others, n_threads=1, backend="native")
    built = builder.build(masks, row, mask, below)
    taken = as_rows(builder.X).take(row).data, as_rows(builder.background).take(below).data
    assert type(built) is type(rows)
    assert cells_of(built) == expected_mix(*taken, masks[mask])
    assert types_of(built) == types_of(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_replaces_columns(kind: str) -> None:
    rows = as_rows(rows_of(kind, 0, 6))
    first = Segment(np.array([0, 1, 2]), np.array([5, 4, 3]), np.array([1, 2]))
    second = Segment(np.array([3, 4]), np.array([0, 0]), np.array([], dtype=np.int64))
    stack = rows.stack([first, second])
    replaced = np.zeros((5, 4), dtype=bool)
    replaced[:3, [1, 2]] = True
    donors, kept = (rows.take(np.array(at)).data for at in ([5, 4, 3, 0, 0], [0, 1, 2, 3, 4]))
    assert cells_of(stack) == expected_mix(donors, kept, replaced)
    assert types_of(stack) == types_of(rows.data)


@pytest.mark.parametrize("kind", ["pandas", "pandas mixed", "polars", "pyarrow"])
def test_an_array_beside_a_table_gets_its_names_and_types(kind: str) -> None:
    table = rows_of(kind, 0, 3)
    array = np.array(cells_of(table), dtype=object)
    X, background = alike(array, table)
    assert background is table
    assert narwhals.from_native(X).schema == narwhals.from_native(table).schema
    assert cells_of(X) == cells_of(table)


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_the_model_is_given_explained_rows_in_the_types_of_the_masked_ones(library: str) -> None:
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    whole, fractions = polars.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}), polars.DataFrame({"a": [0.5], "b": [2.0]})
    if library == "pyarrow":
        whole, fractions = whole.to_arrow(), fractions.to_arrow()
    builder = make_builder(whole, fractions, n_threads=1, backend="native")
    at = np.zeros(1, dtype=np.int32)
    built = builder.build(np.ones((1, 2), dtype=bool), at, at, at)
    assert types_of(builder.X) == types_of(builder.background) == types_of(built)


def test_columns_may_be_called_as_what_tells_containers_apart() -> None:
    table = rows_of("pandas", 0, 4).set_axis(["tocsr", "column_names", "iloc", "d"], axis=1)
    assert column_labels(table) == list(table.columns)
    assert type(as_rows(table)) is type(as_rows(rows_of("pandas", 0, 4)))
    assert make_builder(table, table, n_threads=1, backend="native").column_names == list(table.columns)
