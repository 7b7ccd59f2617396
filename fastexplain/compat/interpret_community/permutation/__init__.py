"""`PFIExplainer`, loaded when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastexplain._lazy import lazy

if TYPE_CHECKING:
    from fastexplain.compat.interpret_community.permutation.permutation_importance import PFIExplainer

__all__ = ["PFIExplainer"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "PFIExplainer": "fastexplain.compat.interpret_community.permutation.permutation_importance",
    },
)
