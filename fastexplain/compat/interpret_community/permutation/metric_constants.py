"""Names of metrics under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.options import MetricConstants, error_metrics

__all__ = ["MetricConstants", "error_metrics"]
