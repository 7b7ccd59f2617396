"""What the Numba kernels share: how they are compiled, and threads of our own to run them on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

import numba

__all__ = ["compiled", "for_each", "for_each_part"]

F = TypeVar("F", bound=Callable[..., object])

# How long a call of compiled code should take, in seconds: Ctrl-C is answered between calls.
CALL_SECONDS = 0.05
# A first call has this part of the rows, for nobody knows what they take; a later one up to eight times as many.
FIRST_PART, GROWTH = 1024, 8


def for_each(work: Callable[[slice], None], tasks: Iterable[slice], n_threads: int) -> None:
    """Run the tasks on threads of our own; the first error, or Ctrl-C, ends it after the tasks under way."""
    if isinstance(tasks, Sized):
        n_threads = min(n_threads, len(tasks))
    if n_threads <= 1:
        for task in tasks:
            work(task)
        return
    remaining, taking, stop = iter(tasks), threading.Lock(), threading.Event()

    def take_and_work() -> None:
        try:
            while not stop.is_set():
                with taking:
                    task = next(remaining, None)
                if task is None:
                    return
                work(task)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(n_threads) as pool:
        try:  # around all of it: leaving the pool waits for the threads, wherever Ctrl-C came
            futures: list[Future[None]] = []
            try:
                futures.extend(pool.submit(take_and_work) for _ in range(n_threads))
            except RuntimeError:  # the system starts no more threads: there are fewer, or the caller alone
                if not futures:
                    take_and_work()
            for future in futures:
                future.result()
        finally:
            stop.set()


def compiled(function: F) -> F:
    """Compile on first use, without the GIL."""
    # Not parallel=True: Numba's own threads abort when entered from several of ours. Not fastmath: NaN means missing.
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return cast(F, numba.njit(cache=True, **options)(function))
    except RuntimeError:  # nowhere to write a cache (read-only install, no home): compile once per process
        return cast(F, numba.njit(**options)(function))


class _Parts:
    """Slices of rows that take `CALL_SECONDS` each, as the calls before tell; one thread at a time takes the next."""

    def __init__(self, n_rows: int, n_threads: int) -> None:
        self._n_rows, self._n_threads = n_rows, n_threads
        self._size = max(1, n_rows // FIRST_PART)

    def __iter__(self) -> Iterator[slice]:
        begin = 0
        while begin < self._n_rows:
            share = -(-(self._n_rows - begin) // self._n_threads)  # the others want some too
            end = begin + min(self._size, share)
            yield slice(begin, end)
            begin = end

    def took(self, n_rows: int, seconds: float) -> None:
        """A call with so many rows has ended."""
        self._size = max(1, min(GROWTH * n_rows, int(n_rows * CALL_SECONDS / max(seconds, 1e-9))))


def for_each_part(work: Callable[[slice], None], n_rows: int, n_threads: int) -> None:
    """Call `work` with slices that cut the rows into short calls; returns when all are done.

    For work whose numbers do not depend on how the rows are cut.
    """
    parts = _Parts(n_rows, n_threads)

    def timed(part: slice) -> None:
        began = time.perf_counter()
        work(part)
        parts.took(part.stop - part.start, time.perf_counter() - began)

    for_each(timed, parts, min(n_threads, n_rows))
