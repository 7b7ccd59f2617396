"""Modules that hold other modules' names and import them on first use."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["lazy"]


def lazy(
    package: str, exports: Mapping[str, str], names: Iterable[str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a module that re-exports names.

    Parameters
    ----------
    package : str
        The module's ``__name__``.
    exports : mapping of str to str
        Public name -> the module that defines it.
    names : iterable of str, optional
        All public names, for ``dir``. Default: those of `exports`.

    Returns
    -------
    getattr, dir : callable
    """

    def module_getattr(name: str) -> Any:
        if name not in exports:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(exports[name]), name)

    def module_dir() -> list[str]:
        return sorted(exports if names is None else names)

    return module_getattr, module_dir
