"""Saving and loading of explanations under interpret-community's names."""

from __future__ import annotations

from fastexplain.explanation.saving import load_explanation, save_explanation

__all__ = ["load_explanation", "save_explanation"]
