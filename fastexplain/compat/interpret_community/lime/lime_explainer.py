"""`LIMEExplainer` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.lime.explainer import LIMEExplainer

__all__ = ["LIMEExplainer"]
