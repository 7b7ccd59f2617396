"""Linear surrogates under interpret-community's names."""

from __future__ import annotations

from fastexplain.explainers.mimic.surrogates import LinearExplainableModel, SGDExplainableModel

__all__ = ["LinearExplainableModel", "SGDExplainableModel"]
