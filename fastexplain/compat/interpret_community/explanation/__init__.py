"""Saving and loading of explanations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastexplain._lazy import lazy

if TYPE_CHECKING:
    from fastexplain.explanation.files.saving import load_explanation, save_explanation

__all__ = ["load_explanation", "save_explanation"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "load_explanation": "fastexplain.explanation.files.saving",
        "save_explanation": "fastexplain.explanation.files.saving",
    },
)
