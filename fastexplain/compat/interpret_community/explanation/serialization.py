"""Saving and loading of explanations under interpret-community's names."""

from __future__ import annotations

from fastexplain.explanation.files.json_directory import explanation_metadata as _get_explanation_metadata
from fastexplain.explanation.files.saving import load_explanation, save_explanation

__all__ = ["_get_explanation_metadata", "load_explanation", "save_explanation"]
