"""The shap that is installed beside us, if any: base of our classes, and what draws its pictures."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from fastexplain.compat.install import installed_package
from fastexplain.exceptions import MissingDependencyError

__all__ = ["handed_over", "installed_shap", "required_shap", "shap_class"]


def installed_shap() -> ModuleType | None:
    """Shap itself, imported on the first call; None where it is not installed."""
    return installed_package("shap")


def required_shap(purpose: str) -> ModuleType:
    """Shap itself.

    Raises
    ------
    MissingDependencyError
        It is not installed.
    """
    shap = installed_shap()
    if shap is None:
        raise MissingDependencyError(f"{purpose} needs shap: pip install 'fastexplain[shap]'")
    return shap


def shap_class(path: str, default: Any) -> Any:
    """A class of shap's by its path inside the package, so that ours can extend it; `default` where shap is missing."""
    found: Any = installed_shap()
    for name in path.split("."):
        found = getattr(found, name, None)
    return default if found is None else found


def handed_over(module: str, own: dict[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a module whose names are ours where we have them, else shap's.

    Parameters
    ----------
    module : str
        Name of our module; shap's has the same path inside its package.
    own : dict
        Our names, and the module that each is defined in.
    """
    path = module.removeprefix("fastexplain.compat.shap.")

    def theirs() -> Any:
        return importlib.import_module(f"{required_shap(f'shap.{path}').__name__}.{path}")

    def get(name: str) -> Any:
        if name in own:
            return getattr(importlib.import_module(own[name]), name)
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        found = getattr(theirs(), name, None)
        if found is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}, and neither has shap.{path}")
        return found

    def names() -> list[str]:
        known = {name for name in dir(theirs()) if not name.startswith("_")} if installed_shap() is not None else set()
        return sorted(known | set(own))

    return get, names
