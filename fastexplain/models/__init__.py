"""Fitted models -> what the engine computes on. One file per library; `load_model` finds the right one."""

from __future__ import annotations

from fastexplain.models.base import TreeModel
from fastexplain.models.forest import Forest
from fastexplain.models.registry import load_model

__all__ = ["Forest", "TreeModel", "load_model"]
