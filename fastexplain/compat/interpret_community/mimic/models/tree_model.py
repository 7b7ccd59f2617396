"""Decision tree surrogate under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.surrogates import DecisionTreeExplainableModel

__all__ = ["DecisionTreeExplainableModel"]
