"""Names of metrics under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.options import MetricConstants

__all__ = ["MetricConstants", "error_metrics"]

# those of which a smaller score is better
error_metrics = {
    MetricConstants.MEAN_ABSOLUTE_ERROR,
    MetricConstants.MEAN_SQUARED_ERROR,
    MetricConstants.MEAN_SQUARED_LOG_ERROR,
    MetricConstants.MEDIAN_ABSOLUTE_ERROR,
}
