"""`DeepExplainer` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.deep import DeepExplainer

__all__ = ["DeepExplainer"]
