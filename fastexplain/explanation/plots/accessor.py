"""`ExplanationPlots`: what ``explanation.plot`` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import ArrayLike

from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.plots._choice import ClassIndex, Rows
from fastexplain.explanation.plots.bar import plot_bar
from fastexplain.explanation.plots.beeswarm import plot_beeswarm
from fastexplain.explanation.plots.decision import plot_decision
from fastexplain.explanation.plots.force import plot_force
from fastexplain.explanation.plots.heatmap import plot_heatmap
from fastexplain.explanation.plots.scatter import plot_scatter
from fastexplain.explanation.plots.waterfall import plot_waterfall

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ExplanationPlots"]


class ExplanationPlots:
    """What ``explanation.plot`` returns: one method per picture.

    Each draws on matplotlib axes, given or new, and returns them; none shows or saves a figure.

    Parameters
    ----------
    explanation : Explanation
    """

    def __init__(self, explanation: Explanation) -> None:
        self._explanation = explanation

    def bar(
        self,
        ax: Axes | None = None,
        max_display: int = 10,
        class_index: ClassIndex = None,
        row: int | None = None,
        X: Any = None,
    ) -> Axes:
        """Most important features; see `plot_bar`."""
        return plot_bar(self._explanation, ax, max_display, class_index, row, X)

    def beeswarm(
        self,
        X: Any = None,
        ax: Axes | None = None,
        max_display: int = 10,
        class_index: ClassIndex = None,
        rows: Rows = None,
    ) -> Axes:
        """Every row's values; see `plot_beeswarm`."""
        return plot_beeswarm(self._explanation, X, ax, max_display, class_index, rows)

    def waterfall(
        self,
        row: int = 0,
        X: Any = None,
        ax: Axes | None = None,
        max_display: int = 10,
        class_index: ClassIndex = None,
    ) -> Axes:
        """One row, from the base value to its output; see `plot_waterfall`."""
        return plot_waterfall(self._explanation, row, X, ax, max_display, class_index)

    def scatter(
        self,
        feature: Any,
        color: Any = "auto",
        X: Any = None,
        ax: Axes | None = None,
        class_index: ClassIndex = None,
        rows: Rows = None,
    ) -> Axes:
        """One feature's values against what it was; see `plot_scatter`."""
        return plot_scatter(self._explanation, feature, color, X, ax, class_index, rows)

    def force(
        self,
        row: int = 0,
        X: Any = None,
        ax: Axes | None = None,
        max_display: int = 10,
        class_index: ClassIndex = None,
    ) -> Axes:
        """One row as arrows that meet at its output; see `plot_force`."""
        return plot_force(self._explanation, row, X, ax, max_display, class_index)

    def heatmap(
        self,
        ax: Axes | None = None,
        max_display: int = 10,
        class_index: ClassIndex = None,
        rows: Rows = None,
        order: Literal["cluster", "output", "given"] | ArrayLike = "cluster",
    ) -> Axes:
        """All rows' values as colours; see `plot_heatmap`."""
        return plot_heatmap(self._explanation, ax, max_display, class_index, rows, order)

    def decision(
        self,
        rows: Rows = None,
        X: Any = None,
        ax: Axes | None = None,
        max_display: int = 10,
        class_index: ClassIndex = None,
        highlight: Rows = None,
    ) -> Axes:
        """Rows as lines from the base value to their outputs; see `plot_decision`."""
        return plot_decision(self._explanation, rows, X, ax, max_display, class_index, highlight)
