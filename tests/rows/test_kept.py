"""Rows that are kept are copies, or raise once they are not what they were."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse

from fastexplain.rows import kept
from fastexplain.rows.kept import compact_rows, kept_rows

X = np.random.default_rng(0).normal(size=(120, 3))
CHANGED_ROWS = "rows have changed since they were explained"


@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_a_checksum_sees_any_cell_in_any_order(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "COPIED_BYTES", 100)
    rows = {"C": X.copy(), "F": np.asfortranarray(X), "strided": np.hstack([X, X])[:, ::2]}[order]
    same, check = kept_rows(rows)
    assert same is rows
    assert check is not None
    check()
    for i, j in ((0, 0), (119, 2), (57, 1)):
        before = rows[i, j]
        rows[i, j] = -before
        with pytest.raises(ValueError, match="Explain a copy"):
            check()
        rows[i, j] = before
        check()
    rows[[0, 1]] = rows[[1, 0]]
    with pytest.raises(ValueError, match=CHANGED_ROWS):
        check()


@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
def test_sparse_rows_are_copied_or_compared(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = scipy.sparse.csr_matrix(np.where(X > 0.5, X, 0.0)).asformat(format)
    copied, check = kept_rows(matrix)
    assert check is None
    assert not np.shares_memory(copied.data, matrix.data)
    monkeypatch.setattr(kept, "COPIED_BYTES", 1)
    same, check = kept_rows(matrix)
    assert same is matrix
    assert check is not None
    check()
    matrix.data[3] += 1.0
    with pytest.raises(ValueError, match=CHANGED_ROWS):
        check()


@pytest.mark.parametrize(
    "rows",
    [X, X[3], X.tolist(), tuple(X.tolist()), [list(X[0]), X[1]], X.astype(object)],
    ids=lambda rows: type(rows).__name__,
)
def test_arrays_and_lists_are_copied(rows: object) -> None:
    copied, check = kept_rows(rows)
    assert check is None
    assert type(copied) is type(rows)
    assert copied is not rows
    np.testing.assert_array_equal(np.asarray(copied, dtype=float), np.asarray(rows, dtype=float))


def test_tables_that_share_cells_until_written_to_are_copied_where_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    shallow, check = kept_rows(frame)
    assert check is None
    if kept._copies_on_write(frame):
        assert np.shares_memory(shallow["a"].to_numpy(), frame["a"].to_numpy())
    monkeypatch.setattr(kept, "_copies_on_write", lambda frame: False)  # pandas 2, unless it is asked to
    deep, check = kept_rows(frame)
    assert check is None
    assert not np.shares_memory(deep["a"].to_numpy(), frame["a"].to_numpy())
    pd.testing.assert_frame_equal(deep, frame)


def test_what_has_no_cells_stays_as_it_is() -> None:
    for rows in (None, "data set 7", object()):
        assert kept_rows(rows) == (rows, None)


def test_a_slice_of_a_table_is_made_compact() -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"name": [f"SENTINEL-{i}" for i in range(50)]})
    compact = compact_rows(table.slice(3, 2))
    assert compact.equals(table.slice(3, 2))
    assert b"SENTINEL-7" not in pickle.dumps(compact)
    assert compact_rows(X) is X
