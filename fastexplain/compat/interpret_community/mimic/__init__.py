"""`MimicExplainer`, loaded when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastexplain._lazy import lazy

if TYPE_CHECKING:
    from fastexplain.compat.interpret_community.mimic.mimic_explainer import MimicExplainer

__all__ = ["MimicExplainer"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "MimicExplainer": "fastexplain.compat.interpret_community.mimic.mimic_explainer",
    },
)
