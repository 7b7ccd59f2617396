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
from fastexplain.engine.progress import progress, steps


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


class Watcher:
    """Sees the bars that would be drawn, and where they stand when it is told to look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bars: list[Any] = []
        self.seen: list[float] = []
        monkeypatch.setattr("fastexplain.engine.progress.is_watched", lambda: True)
        monkeypatch.setattr("fastexplain.engine.progress._painter", self)

    def add(self, bar: Any, *, now: bool) -> None:
        self.bars.append(bar)

    def remove(self, bar: Any, *, finished: bool) -> None:
        self.look()

    def look(self) -> None:
        self.seen.append(self.bars[-1]._done)

    def looking(self, function: Any) -> Any:
        """The function, which looks whenever it is called."""

        def looked(rows: Any) -> Any:
            if self.bars:
                self.look()
            return function(rows)

        return looked


def test_a_bar_within_a_part_moves_the_outer_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = Watcher(monkeypatch)
    with progress(3, "outer", None) as outer:
        with outer.part(2, "inner"), progress(4, "inner", True) as inner:
            assert outer._name == "outer: inner"
            inner(1)
            watcher.look()
            with inner.part(2), progress(1, "innermost", None) as innermost:
                innermost(0.5)
                watcher.look()
        watcher.look()
        with progress(5, "beside", None) as beside:
            beside(5)
    assert [bar._name for bar in watcher.bars] == ["outer"]
    assert watcher.seen == [0.5, 1.0, 2.0, 2.0]


def test_nothing_within_silent_work_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = Watcher(monkeypatch)
    with progress(3, "outer", False), progress(4, "inner", True):
        pass
    with progress(0, "nothing to do", True):
        pass
    assert watcher.bars == []


def test_few_quick_rows_ask_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> bool:
        raise AssertionError("asked")

    monkeypatch.setattr("fastexplain.engine.progress.is_watched", asked)
    with progress(64, "work", None, quick=64):
        pass
    with pytest.raises(AssertionError, match="asked"):
        progress(65, "work", None, quick=64)


def test_work_is_cut_where_somebody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    with progress(10, "unseen", None) as bar:
        assert list(steps(10, bar, least=4)) == [slice(0, 10)]
        assert list(steps(0, bar)) == []
    watcher = Watcher(monkeypatch)
    monkeypatch.setattr("fastexplain.engine.progress.STEP_SECONDS", 1e-9)
    with progress(10, "seen", None) as bar:
        for _ in steps(10, bar, least=4):
            watcher.look()
    assert watcher.seen == [0, 4, 8, 10]


def test_a_bar_comes_while_one_unit_lasts_and_ends_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastexplain.engine.progress.PATIENCE", 0.05)
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress(1, "one unit", None):
        time.sleep(0.4)
        assert "one unit:   0%" in stream.getvalue()
    assert "one unit: 100%" in stream.getvalue().splitlines()[-1]
    stopped = progress(1, "stopped", None)
    stopped.__enter__()
    time.sleep(0.4)
    stopped.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert "stopped:   0%" in stream.getvalue().splitlines()[-1]


def _moves(watcher: Watcher) -> tuple[int, float]:
    """How many places a bar was seen at, and its longest way between two of them."""
    return len(set(watcher.seen)), float(np.diff([0.0, *watcher.seen]).max())


@pytest.mark.parametrize("options", [{}, {"n_samples": 4000, "tol": 0.0}], ids=["enumerated", "sampled"])
def test_one_row_of_a_black_box_moves_the_bar(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    monkeypatch.setattr("fastexplain.engine.kernel.coalition_games._CACHED_BYTES", 2**14)
    X = np.random.default_rng(0).normal(size=(21, 12))
    watcher = Watcher(monkeypatch)
    model = watcher.looking(lambda rows: np.tanh(rows).prod(axis=1))
    fastexplain.kernel_shap(model, X[:1], X[1:], **options)
    places, longest = _moves(watcher)
    assert places > 20
    assert longest < 0.2
    assert watcher.seen[-1] == pytest.approx(1.0)


def test_coalitions_of_a_formula_move_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.neighbors import KNeighborsRegressor

    from fastexplain.engine.formulas import neighbors, table_game

    monkeypatch.setattr(table_game, "STEP_CELLS", 1)
    X = np.random.default_rng(0).normal(size=(80, 8))
    watcher = Watcher(monkeypatch)
    score = neighbors._Game.score
    monkeypatch.setattr(neighbors._Game, "score", lambda *a: (watcher.look(), score(*a))[1])
    fastexplain.kernel_shap(KNeighborsRegressor().fit(X, X[:, 0]), X[:1], X[16:])
    assert watcher.seen == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])


def test_predictions_move_the_bar_of_permutation_importance(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.random.default_rng(0).normal(size=(100, 4))
    watcher = Watcher(monkeypatch)
    model = watcher.looking(lambda rows: rows[:, 0])
    fastexplain.permutation_importance(model, X, X[:, 0], chunk_bytes=100 * 32)
    places, longest = _moves(watcher)
    assert places > 10
    assert longest < 0.5
    assert watcher.seen[-1] == pytest.approx(4.0)


def test_batches_of_a_global_explanation_are_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.random.default_rng(0).normal(size=(300, 3))
    explainer = fastexplain.KernelExplainer(lambda rows: rows.prod(axis=1), X[:5])
    monkeypatch.setattr("fastexplain.explainers.shared.base._BATCH_BYTES", 0)
    watcher = Watcher(monkeypatch)
    explainer.explain_global(X, include_local=False, batch_size=10)
    assert [bar._name for bar in watcher.bars] == ["explain_global"]
    assert watcher.seen == [300.0]


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
