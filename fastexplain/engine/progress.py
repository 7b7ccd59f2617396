"""Progress bars on standard error: one way for all functions that may take long."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["Bar", "counted", "is_watched", "progress", "steps"]

# Work that no one asked a bar for shows one after this many seconds.
PATIENCE = 1.0
# How often a bar is drawn, and how long the thread that draws waits for more work, in seconds.
TICK = 0.1
IDLE = 5.0
# Work that can be cut anywhere is cut into steps of about so many seconds.
STEP_SECONDS = 0.2


def is_watched() -> bool:
    """Whether a bar would be seen: standard error is a terminal, or this is a notebook.

    A stream is asked once: that is a call of the system, a tenth of what a single row may cost.
    """
    return (sys.stderr is not None and _is_terminal(sys.stderr)) or _in_notebook()


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    return running is not None and type(running).__name__ == "ZMQInteractiveShell"


class _IsTerminal:
    """Whether a stream is a terminal; remembers what the latest one said."""

    def __init__(self) -> None:
        self._stream: Any = None  # a weak reference
        self._answer = False

    def __call__(self, stream: Any) -> bool:
        if self._stream is None or self._stream() is not stream:
            self._answer = bool(stream.isatty())
            try:
                self._stream = weakref.ref(stream)
            except TypeError:  # a stream of a class that takes none: asked every time
                self._stream = None
        return self._answer


_is_terminal = _IsTerminal()


class Bar:
    """Where work stands: counted by the work, drawn by a thread of its own.

    So a bar comes, and its clock goes on, while a model works on one unit, and counting costs an addition.

    Attributes
    ----------
    is_seen : bool
        Somebody watches; else there is no need to cut work into steps.
    """

    # slots, and a context by hand: calls of single rows make one each
    __slots__ = ("_began", "_done", "_drawn", "_leave", "_name", "_now", "_portion", "_total", "_unit", "is_seen")

    def __init__(self, total: float | None, name: str, unit: str, *, leave: bool, is_seen: bool, now: bool) -> None:
        self._total, self._name, self._unit, self._leave = total, name, unit, leave
        self.is_seen, self._now = is_seen, now
        self._began = time.perf_counter()
        self._done, self._portion = 0.0, 0.0
        self._drawn: Any = None

    def __enter__(self) -> Bar:
        _under_way.bars.append(self)
        if self.is_seen:
            _painter.add(self, now=self._now)
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        _under_way.bars.remove(self)
        if self.is_seen:
            _painter.remove(self, finished=kind is None)

    def __call__(self, n: float = 1) -> None:
        """So many more units are done."""
        self._done += n

    @contextmanager
    def part(self, n: float = 1, name: str | None = None) -> Iterator[None]:
        """Work on the next `n` units, and what it is called. Bars within do not show: they move this one."""
        end, self._portion, before = self._done + n, n, self._name
        if name is not None:
            self._name = f"{before}: {name}"
        try:
            yield
            self(end - self._done)
        finally:
            self._portion, self._name = 0.0, before

    # What follows is called by the thread that draws, or while that waits.

    def draw(self, *, now: bool = False) -> None:
        """Show where the work stands, if it has lasted long enough or `now`."""
        if self._drawn is None:
            if not now and time.perf_counter() - self._began < PATIENCE:
                return
            self._drawn = self._opened()
        self._drawn.set_description(self._name, refresh=False)
        self._drawn.n = _Count(self._done if self._total is None else min(self._done, self._total))
        self._drawn.refresh()

    def close(self, *, finished: bool) -> None:
        """Leave the bar as it ends, if it was shown."""
        if self._drawn is None:
            return
        if finished and self._total is not None:
            self._done = self._total
        self.draw()
        self._drawn.close()

    def _opened(self) -> Any:
        columns, lines = shutil.get_terminal_size()  # tqdm itself shows nothing where a terminal says 0 x 0
        # delay: so that nothing is drawn before the clock is set to when the work began
        drawn = _bar_class()(
            total=self._total, desc=self._name, unit=self._unit, leave=self._leave, delay=1e-9,
            disable=False, **({} if _in_notebook() else {"ncols": columns - 1, "nrows": lines}),
        )  # fmt: skip
        drawn.start_t = drawn.last_print_t - (time.perf_counter() - self._began)
        return drawn


class _Count(float):
    """A number of units as a bar shows it."""

    def __str__(self) -> str:
        return f"{self:.0f}" if abs(self - round(self)) < 0.05 else f"{self:.1f}"


class _Told(Bar):
    """A bar that is not drawn: it tells a function how many units were done, times a factor."""

    __slots__ = ("_factor", "_tell")

    def __init__(self, tell: Callable[[float], Any], factor: float, *, is_seen: bool) -> None:
        super().__init__(None, "", "", leave=False, is_seen=is_seen, now=False)
        self._tell, self._factor = tell, factor

    def __enter__(self) -> Bar:
        _under_way.bars.append(self)
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        _under_way.bars.remove(self)

    def __call__(self, n: float = 1) -> None:
        self._done += n
        self._tell(n * self._factor)


class _Unseen(Bar):
    """The bar of all work that nobody watches."""

    __slots__ = ()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        return None

    def __call__(self, n: float = 1) -> None:
        return None

    @contextmanager
    def part(self, n: float = 1, name: str | None = None) -> Iterator[None]:
        yield


_unseen = _Unseen(None, "", "", leave=False, is_seen=False, now=False)


class _Painter:
    """Draws bars from a thread, which starts with the first and ends when there have been none for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bars: list[Bar] = []
        self._thread: threading.Thread | None = None

    def add(self, bar: Bar, *, now: bool) -> None:
        with self._lock:
            if now:
                bar.draw(now=True)
            self._bars.append(bar)
            if self._thread is None:
                thread = threading.Thread(target=self._paint, name="fastexplain-progress", daemon=True)
                with suppress(RuntimeError):  # the system starts no more threads: the bar does not move, the work does
                    thread.start()
                    self._thread = thread

    def remove(self, bar: Bar, *, finished: bool) -> None:
        with self._lock:
            self._bars.remove(bar)
            bar.close(finished=finished)

    def _paint(self) -> None:
        needed = time.perf_counter()
        while True:
            time.sleep(TICK)
            with self._lock:
                if self._bars:
                    needed = time.perf_counter()
                elif time.perf_counter() - needed > IDLE:
                    self._thread = None
                    return
                for bar in self._bars:
                    bar.draw()


_painter = _Painter()
if hasattr(os, "register_at_fork"):  # the child has no such thread, and its lock may be held
    os.register_at_fork(after_in_child=_painter.__init__)  # type: ignore[misc]


class _UnderWay(threading.local):
    """Bars of this thread, the innermost last."""

    def __init__(self) -> None:
        self.bars: list[Bar] = []


_under_way = _UnderWay()


def progress(
    total: float | None,
    name: str,
    show: bool | None,
    *,
    unit: str = " rows",
    always: bool = False,
    leave: bool = True,
    quick: int = 0,
) -> Bar:
    """A context in which a bar is shown, or none: what is called with the number of units done.

    Within the work of another bar it only moves that one, by what `Bar.part` says.

    Parameters
    ----------
    total : float or None
        Number of units, None where it is not known before the end.
    name : str
        What stands before the bar.
    show : bool or None
        None shows it once the work has taken a second.
    unit : str, default " rows"
    always : bool, default False
        With ``show=True``, also where no one seems to watch.
    leave : bool, default True
        The bar stays when the work is done.
    quick : int, default 0
        Up to so many units never take a second: nobody is asked whether there is a terminal, which takes part of the
        time of a single row.
    """
    if total is not None and total <= quick:
        return _unseen
    bars = _under_way.bars
    if bars:
        outer = bars[-1]
        return _Told(outer, outer._portion / total if total else 0.0, is_seen=outer.is_seen)
    if not (is_watched() or (always and show)):
        return _unseen
    is_seen = show is not False and total != 0
    return Bar(total, name, unit, leave=leave, is_seen=is_seen, now=bool(show))


def counted(tell: Callable[[float], Any]) -> Bar:
    """A bar that is not drawn, for work whose units are not counted one after the other: `tell` hears how many."""
    return _Told(tell, 1.0, is_seen=bool(_under_way.bars) and _under_way.bars[-1].is_seen)


def steps(n: int, bar: Bar, least: int = 1) -> Iterator[slice]:
    """Slices of n units that take about `STEP_SECONDS` each, if somebody watches; the bar moves after each.

    For work whose numbers do not depend on how it is cut.

    Parameters
    ----------
    n : int
    bar : Bar
        Counts the units.
    least : int, default 1
        Units of the first slice, and of the smallest.
    """
    if not bar.is_seen:
        if n:
            yield slice(0, n)
        bar(n)
        return
    begin, size = 0, least
    while begin < n:
        end, started = min(begin + size, n), time.perf_counter()
        yield slice(begin, end)
        bar(end - begin)
        seconds = max(time.perf_counter() - started, 1e-9)
        # at most four times as many as before: one quick step says little
        size = max(least, min(4 * size, int((end - begin) * STEP_SECONDS / seconds)))
        begin = end


def _bar_class() -> Any:
    """Tqdm for where we are. Not ``tqdm.auto``: it warns in a notebook that has no widgets."""
    if _in_notebook():
        from tqdm import notebook

        if notebook.IProgress is not None:
            return notebook.tqdm
    from tqdm import tqdm

    return tqdm
