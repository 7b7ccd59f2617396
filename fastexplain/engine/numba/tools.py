"""What the Numba kernels share: how they are compiled, and threads of our own to run them on."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

import numba
import numpy as np

__all__ = ["compiled", "for_each", "for_each_part"]

F = TypeVar("F", bound=Callable[..., object])


def for_each(work: Callable[[slice], None], tasks: list[slice], n_threads: int) -> None:
    """Run the tasks on threads of our own; the first error, or Ctrl-C, ends it after the tasks under way."""
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
        futures: list[Future[None]] = []
        try:
            futures.extend(pool.submit(take_and_work) for _ in range(n_threads))
        except RuntimeError:  # the system starts no more threads: there are fewer, or the caller alone
            if not futures:
                take_and_work()
        try:
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


def for_each_part(work: Callable[[slice], None], n_rows: int, n_threads: int) -> None:
    """Call `work` with slices that cut the rows into one part per thread; returns when all are done."""
    bounds = np.linspace(0, n_rows, max(1, min(n_threads, n_rows)) + 1).astype(np.int64).tolist()
    for_each(work, [slice(*pair) for pair in itertools.pairwise(bounds)], n_threads)
