"""`ExplanationAdapter` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explanation.interpret.adapter import ExplanationAdapter

__all__ = ["ExplanationAdapter"]
