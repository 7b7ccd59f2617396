"""Pictures of explanations on matplotlib axes, one module each. Matplotlib is loaded when something is drawn."""

from __future__ import annotations

from fastexplain.explanation.plots.accessor import ExplanationPlots
from fastexplain.explanation.plots.bar import plot_bar
from fastexplain.explanation.plots.beeswarm import plot_beeswarm
from fastexplain.explanation.plots.waterfall import plot_waterfall

__all__ = ["ExplanationPlots", "plot_bar", "plot_beeswarm", "plot_waterfall"]
