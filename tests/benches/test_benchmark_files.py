"""The benchmark of files runs, and its table has a line for each form."""

from __future__ import annotations

import sys

import pytest
from conftest import TESTS

sys.path.append(str(TESTS.parent))  # benchmarks are not part of the package

from benchmarks.facade import explanation_files


def test_every_form_is_checked_timed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    explanation_files.main(["--rows", "300", "--features", "4", "--repeats", "1", "--tasks", "binary"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| fastexplain")]
    assert [line.split(" | ")[0] for line in lines] == [
        "| fastexplain, JSON directory",
        "| fastexplain, .parquet",
        "| fastexplain, .parquet, values as float32",
        "| fastexplain, .arrow",
    ]
    assert "| 1 | 1 | 1.00 |" in lines[0]


def test_a_wrong_answer_is_not_timed() -> None:
    original = explanation_files.explanation(20, 3, is_classifier=False)
    other = explanation_files.explanation(21, 3, is_classifier=False)
    with pytest.raises(AssertionError):
        explanation_files.check(other, original, float)
