"""pandas tables of numbers and categories take a short way to a matrix: the same numbers, without a cost per column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastexplain.rows import matrix
from fastexplain.rows.matrix import as_matrix, plain_pandas_dtypes

pd = pytest.importorskip("pandas")

NUMBERS = {
    "whole": np.array([1, -2, 3], dtype=np.int64),
    "large": np.array([2**63 + 2048, 0, 1], dtype=np.uint64),
    "flag": np.array([True, False, True]),
    "half": np.array([0.5, np.nan, 2.0], dtype=np.float16),
    "single": np.array([0.1, 0.2, np.inf], dtype=np.float32),
    "double": np.array([0.1, np.nan, -3.0]),
}
COLOURS = pd.Categorical(["red", None, "blue"], categories=["green", "blue", "red"])
CODES = {6: ["red", "green"]}  # in another order than the table's, and without blue


def both_ways(frame: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[Any, Any]:
    """The matrix by the short way, which must not ask narwhals, and by the way of all other tables."""
    width, names = frame.shape[1], list(frame.columns)
    with monkeypatch.context() as patched:
        patched.setattr(matrix, "_as_frame", lambda X: pytest.fail("narwhals was asked"))
        short = as_matrix(frame, width, names, "scikit-learn", **options)
    with monkeypatch.context() as patched:
        patched.setattr(matrix, "plain_pandas_dtypes", lambda X: None)
        return short, as_matrix(frame, width, names, "scikit-learn", **options)


@pytest.mark.parametrize(
    ("columns", "categories"),
    [
        (list(NUMBERS), None),
        (["whole", "flag"], None),
        (["single"], None),
        (["double"], None),
        (["single", "half"], None),
        ([*NUMBERS, "colour"], CODES),
    ],
    ids=["all", "no-floats", "single", "double", "single-half", "categories"],
)
def test_the_short_way_gives_the_same_numbers(
    columns: list[str], categories: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.DataFrame({**NUMBERS, "colour": COLOURS})[columns]
    short, long = both_ways(frame, monkeypatch, categories=categories)
    assert short.dtype == long.dtype
    assert np.array_equal(short, long, equal_nan=True)


def test_other_tables_go_the_long_way() -> None:
    column = np.array([1.0, 2.0])
    assert plain_pandas_dtypes(pd.DataFrame({"a": column, "b": COLOURS[:2]})) is not None
    for other in (
        pd.DataFrame({"a": ["x", "y"]}),
        pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
        pd.DataFrame({"a": column.astype(np.longdouble)}),
        pd.DataFrame({"a": column.astype(complex)}),
        pd.DataFrame(np.ones((2, 2)), columns=["a", "a"]),
        pd.Series(column),
        column,
        [[1.0]],
    ):
        assert plain_pandas_dtypes(other) is None
