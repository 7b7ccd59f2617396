"""`MimicExplainer` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.mimic.explainer import SMALL_DATA as SMALL_DATA_THRESHOLD
from fastexplain.explainers.mimic.explainer import MimicExplainer

__all__ = ["SMALL_DATA_THRESHOLD", "MimicExplainer"]
