"""`SamplingPolicy` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.options import SamplingPolicy

__all__ = ["SamplingPolicy"]
