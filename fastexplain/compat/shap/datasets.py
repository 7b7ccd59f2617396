"""``shap.datasets``: shap's own, where it is installed."""

from __future__ import annotations

from typing import Any

from fastexplain.compat.shap._installed import handed_over

_get, _names = handed_over(__name__, {})


def __getattr__(name: str) -> Any:
    return _get(name)


def __dir__() -> list[str]:
    return _names()
