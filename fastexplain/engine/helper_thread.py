"""One thread beside the caller's, or none where the system starts no more."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

__all__ = ["HelperThread"]

P = ParamSpec("P")
T = TypeVar("T")


class HelperThread:
    """Does work in order, beside the caller; leaving the ``with`` block waits for the work under way.

    A system that starts no more threads for this process (a limit of the container, or too little memory) makes it
    slower, not impossible: the caller then does the work itself, as the core's own pool does.

    Parameters
    ----------
    name : str
        Of the thread.
    alone : bool, default False
        There is so little work that the caller does it all.
    """

    def __init__(self, name: str, *, alone: bool = False) -> None:
        self._pool = None if alone else ThreadPoolExecutor(1, thread_name_prefix=name)
        self._alone = False

    def __enter__(self) -> HelperThread:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin a call; its result is the future's."""
        if self._pool is not None and not self._alone:
            try:
                return self._pool.submit(function, *args, **kwargs)
            except RuntimeError:  # can't start new thread
                self._alone = True  # for good: a thread that starts later would do the work a second time
        done: Future[T] = Future()
        try:
            done.set_result(function(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done
