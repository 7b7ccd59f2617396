"""``fastexplain info``: what would compute, and with what."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version

from fastexplain.cli.arguments import package_version
from fastexplain.cli.console import say

__all__ = ["run"]

# module's name in the report -> distributions that carry it
_LIBRARIES = {
    "numpy": ("numpy",),
    "scikit-learn": ("scikit-learn",),
    "numba": ("numba",),
    "lightgbm": ("lightgbm",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "pandas": ("pandas",),
    "polars": ("polars",),
    "pyarrow": ("pyarrow",),
    "matplotlib": ("matplotlib",),
}

# entries of `describe` whose name says less than it could
_ENGINE = {"n_threads": "threads", "isa": "instruction set", "available_isas": "available sets"}


def run(arguments: argparse.Namespace) -> int:
    """Print the engine's backend, instruction set and threads, and the versions of the libraries around it."""
    from fastexplain.engine.backends import describe

    rows = {
        "fastexplain": package_version(),
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
    }
    rows.update({_ENGINE.get(name, name.replace("_", " ")): _shown(value) for name, value in describe().items()})
    for name, distributions in _LIBRARIES.items():
        rows[name] = _installed(distributions)
    width = max(map(len, rows))
    for name, value in rows.items():
        say(f"{name:<{width}}  {value}")
    return 0


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)


def _installed(distributions: tuple[str, ...]) -> str:
    for name in distributions:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "not installed"
