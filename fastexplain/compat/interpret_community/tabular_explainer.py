"""`TabularExplainer` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.tabular import TabularExplainer

__all__ = ["TabularExplainer"]
