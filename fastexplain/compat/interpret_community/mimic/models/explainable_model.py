"""Base class of surrogates under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.mimic.surrogates import BaseExplainableModel

__all__ = ["BaseExplainableModel"]
