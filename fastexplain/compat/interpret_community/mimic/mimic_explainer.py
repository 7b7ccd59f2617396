"""`MimicExplainer` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.mimic.explainer import MimicExplainer

__all__ = ["MimicExplainer"]
