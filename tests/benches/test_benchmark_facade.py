"""The facade's benchmark runs in small, compares before it times, and says what is asked."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TESTS

sys.path.append(str(TESTS.parent))  # benchmarks are not part of the package

from benchmarks.facade import facade, facade_worker

TINY = dataclasses.replace(facade.QUICK, rows=20, examples=120, copies=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("facade")
    facade.save(where, TINY)
    return where


def some_answer(**changes: Any) -> dict[str, Any]:
    return {"values": [[1.0, -2.0], [0.5, 0.25]], "expected": [3.0], "versions": {"library": "1"}, **changes}


def some_results(theirs: bool) -> dict[str, Any]:
    ours: dict[str, Any] = {task: {"seconds": [2.0, 1.0, 3.0]} for task in ("both", "one_row", "data", "import")}
    ours["both"] |= {"engine": [1.0], "lists": [0.25], "predictions": [0.125]}
    ours["memory"] = {"seconds": [9.0], "peak": 600e6, "input": 400e6, "rows": 1_000_000}
    rival = {task: {"seconds": [50.0]} for task in ("both", "one_row", "data", "import")}
    both = {"ours": ours | {"values": some_answer()}, "theirs": rival | {"values": some_answer()} if theirs else None}
    return {"setting": facade.FULL, "threads": 1, "gap": 1e-12 if theirs else None, **both}


@pytest.mark.parametrize("task", facade_worker.TASKS)
def test_each_task_answers(task: str, folder: Path) -> None:
    found = facade_worker.TASKS[task]("fastexplain", facade_worker.Saved(folder), 2, 1)
    if task == "values":
        assert np.shape(found["values"]) == (TINY.rows, 50)
    else:
        assert all(seconds > 0 for seconds in found["seconds"])


def test_worker_process_answers_what_the_facade_answers(folder: Path) -> None:
    found = facade.ask(sys.executable, "fastexplain", folder, "values", 1, 1)
    saved = facade_worker.Saved(folder)
    expected = saved.booster.predict(saved.rows, pred_contrib=True)
    np.testing.assert_allclose(found["values"], expected[:, :-1], rtol=1e-9, atol=1e-12)
    assert found["versions"].keys() >= {"fastexplain", "lightgbm", "numpy", "Python"}


def test_failing_child_is_told(folder: Path) -> None:
    with pytest.raises(SystemExit, match="KeyError"):
        facade.ask(sys.executable, "fastexplain", folder, "nothing", 1, 1)


def test_answers_that_agree_are_timed() -> None:
    assert facade.compare(some_answer(), some_answer()) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"values": [[1.0, -2.0], [0.5, 0.2501]]}, id="value"),
        pytest.param({"values": [[1.0, -2.0], [0.5, float("nan")]]}, id="nan"),
        pytest.param({"values": [[1.0, -2.0]]}, id="shape"),
        pytest.param({"expected": [3.1]}, id="expected"),
    ],
)
def test_answers_that_differ_are_not_timed(wrong: dict[str, Any]) -> None:
    with pytest.raises(SystemExit, match="nothing is timed"):
        facade.compare(some_answer(), some_answer(**wrong))


def test_table_divides_medians() -> None:
    text = facade.table(some_results(theirs=True))
    assert "| `explain_global`, local values kept | 2 s (2.00x) | 1.3x | 50 s | 25x |" in text
    assert "| `explain_local` of one row | 2 s | 150 us | 50 s | 25x |" in text
    assert "peak 600 MB, of which rows 400 MB | 1,000 MB" in text
    assert "Answers agree to 1e-12" in text


def test_table_without_a_rival_has_empty_columns() -> None:
    text = facade.table(some_results(theirs=False))
    assert "| `data(-1)`, 1,000 rows | 2 s | 50 ms |  |  |" in text


def test_import_time_is_that_of_a_fresh_interpreter() -> None:
    assert 0 < facade.import_seconds(sys.executable, "fastexplain", 1)[0] < 30
