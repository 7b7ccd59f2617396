"""Force plot: one row on one line; what raises its output pushes from the left, what lowers it from the right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastexplain._optional import optional
from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.plots._choice import ClassIndex
from fastexplain.explanation.plots._one_row import OneRow, one_row
from fastexplain.explanation.plots._style import GREY, HIGH, INK, LOW, finish, limits, new_axes, notes, text_widths
from fastexplain.explanation.plots._words import number, value_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_force"]

_BAR = 0.5  # half the height of the arrows, in lines of text
_TIP = 0.012  # depth of an arrow's tip, as a share of the axis


def plot_force(
    explanation: Explanation,
    row: int = 0,
    X: Any = None,
    ax: Axes | None = None,
    max_display: int = 10,
    class_index: ClassIndex = None,
) -> Axes:
    """Draw the values of one row as arrows that meet at its output.

    Arrows that raise the output come from the left, the others from the right, the strongest in the middle; each has
    the feature's name, its value in the row, and its SHAP value.

    Parameters
    ----------
    explanation : Explanation
        With local values. Where the method has no base values, they count from zero.
    row : int, default 0
        Position of the row.
    X : array-like or table, optional
        The explained rows, for the values beside the names; default: those that the explanation keeps.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    max_display : int, default 10
        Number of arrows; features beyond are added up in one.
    class_index : int or str, optional
        As in `plot_waterfall`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        There are no local values, `row` or `class_index` is out of range, or X does not fit.
    MissingDependencyError
        matplotlib is not installed.
    """
    drawn = one_row(explanation, row, X, max_display, class_index, name_length=24)
    ax = new_axes(ax, 4.5, width=10.0)
    arrows, low, high = _placed(ax, drawn)
    ax.set_xlim(low, high)
    depth = 1 + max(arrow.tier for arrow in arrows)
    ax.set_ylim(-2.0, 1.1 + depth)
    for arrow in arrows:
        _draw(ax, arrow, _TIP * (high - low))
    _mark(ax, drawn.base, drawn.base_text, -1 if drawn.end >= drawn.base else 1, bold=False)
    _mark(ax, drawn.end, drawn.end_text, 1 if drawn.end >= drawn.base else -1, bold=True)
    ax.set_yticks([])
    ax.set_xlabel(value_words(explanation, drawn.output.units))
    finish(ax, grid="")
    notes(ax, drawn.title)
    return ax


class _Arrow(NamedTuple):
    """One feature's arrow.

    Attributes
    ----------
    start, stop : float
        Where it begins, and where its tip is.
    text : str
    tier : int
        Line of its text above the arrows.
    outermost : bool
    """

    start: float
    stop: float
    text: str
    tier: int
    outermost: bool

    @property
    def middle(self) -> float:
        return (self.start + self.stop) / 2

    @property
    def side(self) -> int:
        """Where its text goes: to the left of an arrow that raises the output."""
        return -1 if self.stop >= self.start else 1


def _placed(ax: Axes, drawn: OneRow) -> tuple[list[_Arrow], float, float]:
    """The arrows, and limits of the axis that leave room for their texts."""
    arrows = [*_arrows(drawn, 1.0), *_arrows(drawn, -1.0)]
    widths = np.minimum(text_widths(ax, [arrow.text for arrow in arrows]) + 0.01, 0.45)
    marks = text_widths(ax, [drawn.base_text, drawn.end_text], size=1.1) + 0.02
    points = [drawn.base, drawn.end, *(arrow.start for arrow in arrows)]
    away = 1 if drawn.end >= drawn.base else -1
    anchors = [*(arrow.middle for arrow in arrows), drawn.base, drawn.end]
    sides = [*(arrow.side for arrow in arrows), -away, away]
    low, high = limits(np.array(points), np.array(anchors), np.array(sides), np.concatenate([widths, marks]))
    span = high - low
    raising = [(arrow, width) for arrow, width in zip(arrows, widths, strict=True) if arrow.side < 0]
    lowering = [(arrow, width) for arrow, width in zip(arrows, widths, strict=True) if arrow.side > 0]
    return [*_tiered(raising, span), *_tiered(lowering, span)], low, high


def _arrows(drawn: OneRow, sign: float) -> list[_Arrow]:
    """Arrows of one direction, from the strongest, whose tip is the output, outwards."""
    which = [i for i in range(len(drawn.steps)) if (drawn.steps[i] >= 0) == (sign > 0)]
    which.sort(key=lambda i: -abs(drawn.steps[i]))
    arrows, stop = [], drawn.end
    for place, i in enumerate(which):
        step = float(drawn.steps[i])
        text = f"{drawn.names[i]}  ({number(step, signed=True)})"
        arrows.append(_Arrow(stop - step, stop, text, 0, place == len(which) - 1))
        stop -= step
    return arrows


def _tiered(arrows: list[tuple[_Arrow, float]], span: float) -> list[_Arrow]:
    """Lines for the texts: as stairs that rise towards the output, so that no line to a text crosses another text."""
    placed: list[_Arrow] = []
    for arrow, width in reversed(arrows):
        reach = arrow.middle + arrow.side * width * span
        under = [other.tier for other in placed if arrow.side * other.middle <= arrow.side * reach]
        placed.append(arrow._replace(tier=1 + max(under, default=-1)))
    return placed


def _draw(ax: Axes, arrow: _Arrow, tip: float) -> None:
    """The arrow, interlocking with its neighbours, its text, and a thin line between them."""
    patches = optional("matplotlib.patches", "plot", "Drawing a picture")
    colour, back = (HIGH if arrow.side < 0 else LOW), arrow.side * tip
    corner = back
    if arrow.outermost:  # begins straight, however short it is
        corner, back = 0.0, arrow.side * min(tip, abs(arrow.stop - arrow.start))
    outline = [
        (arrow.start + corner, _BAR), (arrow.stop + back, _BAR), (arrow.stop, 0.0), (arrow.stop + back, -_BAR),
        (arrow.start + corner, -_BAR), (arrow.start, 0.0),
    ]  # fmt: skip
    ax.add_patch(patches.Polygon(outline, closed=True, facecolor=colour, edgecolor="white", linewidth=0.8, zorder=2))
    height = 1.1 + arrow.tier
    ax.plot([arrow.middle, arrow.middle], [_BAR, height + 0.35], color=colour, linewidth=0.9, zorder=1)
    ax.annotate(
        arrow.text, (arrow.middle, height), (4 * arrow.side, 0), textcoords="offset points",
        ha="right" if arrow.side < 0 else "left", va="center", color=INK, fontsize="small", zorder=4,
    )  # fmt: skip


def _mark(ax: Axes, x: float, text: str, side: int, *, bold: bool) -> None:
    """Where the arrows start to count from, or where they meet, below them."""
    ax.plot([x, x], [-1.7, -_BAR], color=INK if bold else GREY, linewidth=1.2 if bold else 1.0, zorder=1)
    ax.annotate(
        text, (x, -1.25), (4 * side, 0), textcoords="offset points", ha="left" if side > 0 else "right", va="center",
        color=INK, fontsize="small", fontweight="bold" if bold else "normal",
    )  # fmt: skip
