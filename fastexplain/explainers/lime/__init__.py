"""`LIMEExplainer`: local linear models, by the lime package."""

from __future__ import annotations

from fastexplain.explainers.lime.explainer import LIMEExplainer

__all__ = ["LIMEExplainer"]
