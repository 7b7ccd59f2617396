"""Base class of surrogates under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.surrogates import BaseExplainableModel

__all__ = ["BaseExplainableModel"]
