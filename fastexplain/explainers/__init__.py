"""The facade: a model and rows in, an explanation out."""

from __future__ import annotations

from fastexplain.explainers.tabular import TabularExplainer

__all__ = ["TabularExplainer"]
