"""The written form of a table: a reader from docs/artifact_preprocessing.md makes the same rows of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from drawn_transformers import SETTINGS, column_transformers, fitted, frames, rows_like
from fitted_transformers import columns_of, outcome, same_bits, table_of
from hypothesis import given
from hypothesis import strategies as st

from fastexplain.scoring.preprocessing.parts import OPERATIONS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "artifact_preprocessing.md"


def reader() -> Any:
    block = re.search(r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert block is not None
    names: dict[str, Any] = {}
    exec(compile(block[1], str(DOCUMENT), "exec"), names)
    return names["engineered"]


@SETTINGS
@given(data=st.data())
def test_the_reader_of_the_document_makes_the_same_rows(data: st.DataObject) -> None:
    frame, kinds = data.draw(frames())
    table = table_of(fitted(data.draw(column_transformers(frame, kinds)), frame), frame)
    document, arrays = table.to_parts()
    columns = [column.tolist() for column in columns_of(data.draw(rows_like(kinds)))]
    for row in map(list, zip(*columns, strict=True)):
        expected = outcome(lambda row=row: table.transform_row(row))
        got = outcome(lambda row=row: np.array(reader()(document, arrays, row), dtype=table.dtype))
        if isinstance(expected, type):
            assert isinstance(got, type)
        else:
            assert not isinstance(got, type)
            assert same_bits(got, expected)


def test_the_document_names_every_operation() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = text[text.index("| `op` |") : text.index("**Missing**")].splitlines()[2:]
    named = re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows if row))
    assert sorted(named) == sorted(OPERATIONS)
