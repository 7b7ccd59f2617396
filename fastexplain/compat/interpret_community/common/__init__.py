"""Constants, policies, metrics and wrappers."""

from __future__ import annotations

from fastexplain.compat.interpret_community.common.model_summary import ModelSummary

__all__ = ["ModelSummary"]
