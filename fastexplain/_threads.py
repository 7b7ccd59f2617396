"""How many threads a call uses when it does not say."""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["available_cpus", "get_num_threads", "one_blas_thread", "resolve_num_threads", "set_num_threads"]

_default: int | None = None


def available_cpus() -> int:
    """CPUs this process may use: its affinity mask, cut to the cgroup's CPU quota (containers), at least 1."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(cpus, quota)) if quota else max(1, cpus)


@functools.cache
def _cgroup_quota() -> int | None:
    """CPU quota of the cgroup in whole CPUs, rounded up; None where there is none. Read once: a file costs 80 us."""
    try:
        with open("/sys/fs/cgroup/cpu.max") as f:  # cgroup v2: "max 100000" or "<quota> <period>"
            quota, period = f.read().split()
        if quota == "max":
            return None
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    try:  # cgroup v1: quota -1 means none
        with open("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") as f, open("/sys/fs/cgroup/cpu/cpu.cfs_period_us") as g:
            microseconds, period_us = int(f.read()), int(g.read())
        return max(1, -(-microseconds // period_us)) if microseconds > 0 else None
    except (OSError, ValueError):
        return None


def set_num_threads(n_threads: int | None) -> None:
    """Set the number of threads of calls that give no ``n_threads``.

    Parameters
    ----------
    n_threads : int or None
        None returns to the default: ``FASTEXPLAIN_NUM_THREADS`` if set, else all available CPUs.
    """
    global _default
    _default = None if n_threads is None else _checked(n_threads, "n_threads")


def get_num_threads() -> int:
    """Return the number of threads that a call with ``n_threads=None`` uses."""
    if _default is not None:
        return _default
    variable = os.environ.get("FASTEXPLAIN_NUM_THREADS")
    if variable:
        return _checked(variable, "FASTEXPLAIN_NUM_THREADS")
    return available_cpus()


def resolve_num_threads(n_threads: int | None) -> int:
    """Threads of one call: the argument if given, else the default. ``-1`` means all CPUs, as in scikit-learn."""
    if n_threads is None:
        return get_num_threads()
    if n_threads == -1:
        return available_cpus()
    return _checked(n_threads, "n_threads")


def _checked(value: Any, name: str) -> int:
    try:
        number = int(value)
        whole = number == float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a positive whole number; got {value!r}.") from None
    if not whole or number < 1:
        raise ValueError(f"{name} must be a positive whole number; got {value!r}.")
    return int(number)


class _BlasLimit:
    """How many of our calls want BLAS on one thread, and what takes the limit back: it is one for the whole process."""

    def __init__(self) -> None:
        self._lock, self._wanted = threading.Lock(), 0
        self._limiter: Any = None

    def enter(self) -> None:
        with self._lock:
            self._wanted += 1
            if self._wanted == 1:
                self._limiter = _blas().limit(limits=1, user_api="blas")

    def leave(self) -> None:
        with self._lock:
            self._wanted -= 1
            if not self._wanted:
                self._limiter.restore_original_limits()


_blas_limit = _BlasLimit()


class _NumpyBlas:
    """The OpenBLAS that NumPy has loaded, in place of threadpoolctl; of another library nothing is known."""

    _NAMES = tuple(f"{prefix}openblas_{{}}{suffix}" for prefix in ("scipy_", "") for suffix in ("64_", "_64", "", "_"))

    def __init__(self) -> None:
        self._get: Any
        self._set: Any
        self._get, self._set = next(filter(None, map(self._functions, _loaded_openblas())), (None, None))
        self._before = 1

    def _functions(self, path: str) -> tuple[Any, Any] | None:
        library = ctypes.CDLL(path)
        for name in self._NAMES:
            get, put = (getattr(library, name.format(what), None) for what in ("get_num_threads", "set_num_threads"))
            if get is not None and put is not None:
                return get, put
        return None

    def limit(self, limits: int, user_api: str) -> _NumpyBlas:
        """As of threadpoolctl's controller."""
        if self._get is not None:
            self._before = self._get()
            self._set(limits)
        return self

    def restore_original_limits(self) -> None:
        """As of threadpoolctl's limiter."""
        if self._get is not None:
            self._set(self._before)


def _loaded_openblas() -> list[str]:
    """Paths of shared libraries of this process that are an OpenBLAS (Linux)."""
    try:
        with open("/proc/self/maps") as maps:
            paths = {line.split(maxsplit=5)[-1].strip() for line in maps if "openblas" in line}
    except OSError:
        return []
    return sorted(path for path in paths if os.path.isfile(path))


@functools.cache
def _blas() -> Any:
    """The library behind NumPy; looked up once, as it takes a millisecond."""
    import numpy.linalg  # noqa: F401 (loads its library)

    try:
        import threadpoolctl
    except ImportError:  # where explanations are scored, there need be nothing but NumPy
        return _NumpyBlas()
    return threadpoolctl.ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """NumPy's linear algebra on one thread: for matrices of a few hundred rows more are 5 times slower.

    It also keeps the bits the same, whatever the number of threads. Costs 20 us. The limit ends with the last of
    several calls under way at the same time.
    """
    _blas_limit.enter()
    try:
        yield
    finally:
        _blas_limit.leave()
