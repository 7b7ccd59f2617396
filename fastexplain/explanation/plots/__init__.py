"""Pictures of explanations on matplotlib axes, one module each, and what a notebook shows. Each is loaded when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastexplain._lazy import lazy

if TYPE_CHECKING:
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

_EXPORTS = {
    "ExplanationPlots": "fastexplain.explanation.plots.accessor",
    "plot_bar": "fastexplain.explanation.plots.bar",
    "plot_beeswarm": "fastexplain.explanation.plots.beeswarm",
    "plot_decision": "fastexplain.explanation.plots.decision",
    "plot_force": "fastexplain.explanation.plots.force",
    "plot_heatmap": "fastexplain.explanation.plots.heatmap",
    "plot_scatter": "fastexplain.explanation.plots.scatter",
    "plot_waterfall": "fastexplain.explanation.plots.waterfall",
}
__getattr__, __dir__ = lazy(__name__, _EXPORTS, __all__)
