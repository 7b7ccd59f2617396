"""How many threads a call uses when it does not say."""

from __future__ import annotations

import functools
import os
from typing import Any

__all__ = ["available_cpus", "get_num_threads", "resolve_num_threads", "set_num_threads"]

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
