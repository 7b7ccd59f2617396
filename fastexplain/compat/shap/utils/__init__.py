"""``shap.utils``: `sample`, `hclust` and the exceptions are ours, all other names shap's own, where it is installed."""

from __future__ import annotations

import importlib
from typing import Any

from fastexplain.compat.shap._installed import handed_over

_OWN = dict.fromkeys(("hclust", "sample"), "fastexplain.compat.shap.utils._background")

_get, _names = handed_over(__name__, _OWN)


def __getattr__(name: str) -> Any:
    if name == "_exceptions":  # ours, which extend shap's
        return importlib.import_module(f"{__name__}._exceptions")
    return _get(name)


def __dir__() -> list[str]:
    return _names()
