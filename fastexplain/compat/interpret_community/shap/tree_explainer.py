"""`TreeExplainer` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.tree import TreeExplainer

__all__ = ["TreeExplainer"]
