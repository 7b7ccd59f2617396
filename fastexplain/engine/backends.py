"""Which implementation of the kernels runs: the compiled core or its Numba twin."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from typing import Any

from fastexplain._threads import get_num_threads
from fastexplain.exceptions import MissingDependencyError

__all__ = ["BACKENDS", "core", "describe", "select_backend"]

BACKENDS = ("native", "numba")


@functools.cache
def core() -> Any:
    """The compiled extension module, or None in a pure-Python install."""
    if importlib.util.find_spec("fastexplain._core") is None:
        return None
    return importlib.import_module("fastexplain._core")


def select_backend(backend: str | None = None) -> str:
    """Backend of one call: the argument, else ``FASTEXPLAIN_BACKEND``, else native where the core was built.

    Raises
    ------
    ValueError
        The name is unknown.
    MissingDependencyError
        ``"native"`` was asked for by name and this install has no compiled core.
    """
    name = backend or os.environ.get("FASTEXPLAIN_BACKEND") or None
    if name is None:
        return "native" if core() is not None else "numba"
    if name not in BACKENDS:
        source = "backend" if backend else "FASTEXPLAIN_BACKEND"
        raise ValueError(f"{source} must be one of {', '.join(BACKENDS)}; got {name!r}.")
    if name == "native" and core() is None:
        raise MissingDependencyError(
            "This install of fastexplain has no compiled core; reinstall it where a C++20 compiler is available, "
            "or use backend='numba'."
        )
    return name


def describe() -> dict[str, Any]:
    """What runs here: backend, instruction set in use and those available, default number of threads."""
    native = core()
    return {
        "backend": select_backend(),
        "isa": native.active_isa() if native else None,
        "available_isas": native.available_isas() if native else [],
        "n_threads": get_num_threads(),
    }
