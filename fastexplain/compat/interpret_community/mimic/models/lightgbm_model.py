"""LightGBM surrogate under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.mimic.surrogates import LGBMExplainableModel

__all__ = ["LGBMExplainableModel"]
