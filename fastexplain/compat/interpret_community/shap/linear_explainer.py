"""`LinearExplainer` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.linear import LinearExplainer

__all__ = ["LinearExplainer"]
