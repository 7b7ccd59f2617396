"""Fitted models -> what the engine computes on. One file per library; `load_model` finds the right one."""

from __future__ import annotations

from fastexplain.models.trees.base import TreeModel
from fastexplain.models.trees.forest import Forest
from fastexplain.models.trees.registry import load_model

__all__ = ["Forest", "TreeModel", "load_model"]
