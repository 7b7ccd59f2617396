"""Progress bars, and whole numbers as arguments."""

from __future__ import annotations

import io
import sys
import time
from typing import Any

import numpy as np
import pytest

import fastexplain
from fastexplain.engine.arguments import seed_number, whole_number
from fastexplain.engine.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, seconds: float = 0.0, **options: Any) -> str:
    """What a bar of two steps writes to this standard error."""
    monkeypatch.setattr(sys, "stderr", stream)
    with progress(2, "work", **options) as advance:
        time.sleep(seconds)
        advance(1)
        advance(1)
    return stream.getvalue()


def test_a_bar_that_is_asked_for_is_shown_on_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "work: 100%" in written(monkeypatch, Terminal(), show=True)
    assert written(monkeypatch, io.StringIO(), show=True) == ""
    assert "work: 100%" in written(monkeypatch, io.StringIO(), show=True, always=True)


def test_long_work_shows_a_bar_that_no_one_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert written(monkeypatch, Terminal(), show=None) == ""
    monkeypatch.setattr("fastexplain.engine.progress.PATIENCE", 0.05)
    assert "work" in written(monkeypatch, Terminal(), seconds=0.1, show=None)
    assert written(monkeypatch, Terminal(), seconds=0.1, show=False) == ""
    assert written(monkeypatch, io.StringIO(), seconds=0.1, show=None) == ""


def test_a_notebook_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    class ZMQInteractiveShell:
        pass

    class Shell:
        get_ipython = ZMQInteractiveShell

    monkeypatch.setitem(sys.modules, "IPython", Shell)  # type: ignore[arg-type]
    assert "work: 100%" in written(monkeypatch, io.StringIO(), show=True)


def test_functions_show_their_name_once_a_second_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.random.default_rng(0).normal(size=(20, 3))
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    fastexplain.permutation_importance(lambda rows: rows[:, 0], X, X[:, 0])
    assert stream.getvalue() == ""
    fastexplain.permutation_importance(lambda rows: rows[:, 0], X, X[:, 0], show_progress=True)
    assert "permutation_importance: 100%" in stream.getvalue()


def test_whole_numbers_are_plain_ints() -> None:
    assert whole_number(np.int64(3), "k") == 3
    assert type(whole_number(np.int64(3), "k")) is int
    assert whole_number(0, "k", 0) == 0
    assert seed_number(2**64 - 1) == 2**64 - 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: whole_number(0, "k"), "k must be a positive whole number; got 0"),
        (lambda: whole_number(True, "k"), "k must be a positive whole number; got True"),
        (lambda: whole_number(2.0, "k"), r"k must be a positive whole number; got 2\.0"),
        (
            lambda: whole_number("2", "k", 2, or_else="'auto'"),
            "k must be 'auto' or a whole number of at least 2",
        ),
        (lambda: whole_number(9, "k", 2, 8), "k must be a whole number from 2 to 8; got 9"),
        (lambda: seed_number(-1), r"seed must be a whole number from 0 to 2\*\*64 - 1; got -1"),
        (lambda: seed_number(2**64), r"seed must be a whole number from 0 to 2\*\*64 - 1"),
    ],
)
def test_what_is_no_whole_number_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
