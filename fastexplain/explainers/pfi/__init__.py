"""`PFIExplainer`: permutation feature importance of any model."""

from __future__ import annotations

from fastexplain.explainers.pfi.explainer import PFIExplainer

__all__ = ["PFIExplainer"]
