"""`MimicExplainer`: any model explained through a surrogate that learns its answers."""

from __future__ import annotations

from fastexplain.explainers.mimic.explainer import MimicExplainer

__all__ = ["MimicExplainer"]
