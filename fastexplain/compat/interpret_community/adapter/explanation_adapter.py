"""`ExplanationAdapter` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explanation.adapter import ExplanationAdapter

__all__ = ["ExplanationAdapter"]
