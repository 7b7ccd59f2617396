"""`ExplanationPlots`: what ``explanation.plot`` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.plots._choice import ClassIndex, Rows
from fastexplain.explanation.plots.bar import plot_bar
from fastexplain.explanation.plots.beeswarm import plot_beeswarm
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
