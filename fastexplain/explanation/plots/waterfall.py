"""Waterfall: how one row's features lead from the base value to its output, one bar each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.plots._choice import ClassIndex
from fastexplain.explanation.plots._one_row import HALF_95, one_row
from fastexplain.explanation.plots._style import (
    GREY,
    INK,
    direction,
    finish,
    limits,
    mark,
    new_axes,
    notes,
    text_widths,
    whiskers,
)
from fastexplain.explanation.plots._words import number, value_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_waterfall"]


def plot_waterfall(
    explanation: Explanation,
    row: int = 0,
    X: Any = None,
    ax: Axes | None = None,
    max_display: int = 10,
    class_index: ClassIndex = None,
) -> Axes:
    """Draw how one row's features lead from the base value to its output; 95% intervals where there are any.

    Parameters
    ----------
    explanation : Explanation
        With local values. Where the method has no base values, the bars start from zero.
    row : int, default 0
        Position of the row.
    X : array-like or table, optional
        The explained rows, for the values beside the names; default: those that the explanation keeps.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    max_display : int, default 10
        Number of bars; features beyond are added up in the last one.
    class_index : int or str, optional
        The class, by position or label, or the output of a regression. Default: class 1 of two, and of more the one
        with the largest output; output 0.

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
    drawn = one_row(explanation, row, X, max_display, class_index)
    # from the base value upwards: the rest first, the largest last
    steps, errors = drawn.steps[::-1], drawn.errors[::-1]
    ends = drawn.base + np.cumsum(steps)
    ax = new_axes(ax, len(steps) + 1, width=8.0)
    ax.set_yticks(np.arange(len(steps)), drawn.names[::-1])
    ax.set_ylim(-1.15, len(steps) + 0.15)
    _bars(ax, _Bars(ends - steps, ends, HALF_95 * errors, drawn.names))
    n_bars = len(steps)
    mark(ax, drawn.base, -0.72, drawn.base_text, (-0.95, -0.34))
    mark(ax, drawn.end, n_bars - 0.28, drawn.end_text, (n_bars - 0.66, n_bars - 0.05))
    ax.set_xlabel(value_words(explanation, drawn.output.units))
    finish(ax)
    notes(ax, drawn.title, "whiskers: 95% interval" if errors.any() else "")
    return ax


class _Bars(NamedTuple):
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    half: NDArray[np.float64]
    names: list[str]


def _bars(ax: Axes, bars: _Bars) -> None:
    """Bars, the thin lines between them, and each bar's number: inside where it fits, else beyond its end."""
    starts, ends, half, names = bars
    steps, position = ends - starts, np.arange(len(starts))
    texts = [number(step, signed=True) for step in steps]
    widths = text_widths(ax, texts, names)
    sides = np.where(steps >= 0, 1, -1)
    anchors = ends + sides * half
    low, high = limits(np.concatenate([starts, ends - half, ends + half]), anchors, sides, widths + 0.02)
    ax.set_xlim(low, high)
    ax.barh(position, steps, left=starts, height=0.68, color=direction(steps), zorder=2)
    whiskers(ax, ends, position, half)
    for y in range(len(starts) - 1):
        ax.plot([ends[y], ends[y]], [y - 0.34, y + 1.34], color=GREY, linewidth=0.8, zorder=1)
    for y, (start, step, spread, text) in enumerate(zip(starts, steps, half, texts, strict=True)):
        # with a whisker across the bar's end, room inside begins before it
        fits = abs(step) - spread > 1.1 * widths[y] * (high - low)
        side = int(sides[y])
        ax.annotate(
            text,
            (start + (step - side * spread) / 2 if fits else anchors[y], y),
            (0 if fits else 4 * side, 0),
            textcoords="offset points",
            ha="center" if fits else ("left" if side > 0 else "right"),
            va="center",
            color="white" if fits else INK,
            fontsize="small",
            zorder=6,
        )
