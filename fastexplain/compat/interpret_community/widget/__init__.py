"""The widget that interpret-community had."""

from __future__ import annotations

from fastexplain.compat.interpret_community.widget.explanation_dashboard import ExplanationDashboard

__all__ = ["ExplanationDashboard"]
