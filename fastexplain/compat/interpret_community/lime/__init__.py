"""`LIMEExplainer`, loaded when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastexplain._lazy import lazy

if TYPE_CHECKING:
    from fastexplain.compat.interpret_community.lime.lime_explainer import LIMEExplainer

__all__ = ["LIMEExplainer"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "LIMEExplainer": "fastexplain.compat.interpret_community.lime.lime_explainer",
    },
)
