"""Imports of optional packages, with the pip command in the error."""

from __future__ import annotations

import importlib
from typing import Any

from fastexplain.exceptions import MissingDependencyError

__all__ = ["optional"]


def optional(module: str, extra: str | None, purpose: str) -> Any:
    """Import a module that an extra of the package brings; without an extra, one that its users have anyway.

    Raises
    ------
    MissingDependencyError
        The module's package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # installed, but one of its own dependencies is missing: its message says which
        what = package if extra is None else f"'fastexplain[{extra}]'"
        raise MissingDependencyError(f"{purpose} needs {package}: pip install {what}") from error
