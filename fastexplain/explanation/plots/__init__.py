"""Pictures of explanations on matplotlib axes, one module each. Matplotlib is loaded when something is drawn."""

from __future__ import annotations

from fastexplain.explanation.plots.accessor import ExplanationPlots
from fastexplain.explanation.plots.bar import plot_bar
from fastexplain.explanation.plots.beeswarm import plot_beeswarm
from fastexplain.explanation.plots.decision import plot_decision
from fastexplain.explanation.plots.force import plot_force
from fastexplain.explanation.plots.heatmap import plot_heatmap
from fastexplain.explanation.plots.scatter import plot_scatter
from fastexplain.explanation.plots.waterfall import plot_waterfall

__all__ = [
    "ExplanationPlots",
    "plot_bar",
    "plot_beeswarm",
    "plot_decision",
    "plot_force",
    "plot_heatmap",
    "plot_scatter",
    "plot_waterfall",
]
