"""`LIMEExplainer` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.lime import LIMEExplainer

__all__ = ["LIMEExplainer"]
