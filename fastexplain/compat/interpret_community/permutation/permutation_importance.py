"""`PFIExplainer` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.pfi.explainer import PFIExplainer

__all__ = ["PFIExplainer"]
