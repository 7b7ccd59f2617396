"""How pictures look: colours, sizes, what stands around the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "CLASS_COLOURS",
    "FAINT",
    "GREY",
    "HIGH",
    "INK",
    "LOW",
    "colour_bar",
    "colour_map",
    "direction",
    "finish",
    "legend_text",
    "limits",
    "mark",
    "name_features",
    "new_axes",
    "notes",
    "rank_shade",
    "text_widths",
    "whiskers",
]

# Blue and vermilion stay apart for every kind of colour blindness; the way between them passes through violet.
LOW, MIDDLE, HIGH = "#2478cc", "#9350b0", "#e8502a"
GREY, FAINT, INK = "#9aa0a6", "#e3e6ea", "#2b2f36"
CLASS_COLOURS = ("#2478cc", "#e8502a", "#3a9d6e", "#8e5a9f", "#d9a021", "#5b6b7b", "#c2478a", "#58b4c9")
_ROW_INCHES = 0.42
# Mean width of a character of small text, as a share of an inch.
_CHARACTER = 0.078


def new_axes(ax: Axes | None, n_lines: float, width: float = 7.5, extra: float = 1.1) -> Axes:
    """Those given, or those of a new figure that is high enough for so many lines."""
    if ax is not None:
        if not hasattr(ax, "barh"):
            raise TypeError(f"ax must be matplotlib's Axes, or None; got {type(ax).__name__}.")
        return ax
    pyplot = optional("matplotlib.pyplot", "plot", "Drawing a picture")
    made: Axes
    _, made = pyplot.subplots(figsize=(width, extra + _ROW_INCHES * max(n_lines, 2)), layout="constrained")
    engine: Any = made.figure.get_layout_engine()
    engine.set(w_pad=0.1, h_pad=0.08)
    return made


def finish(
    ax: Axes, *, sides: Sequence[str] = ("top", "right", "left"), grid: Literal["x", "y", "both", ""] = "x"
) -> None:
    """Take away what carries no information."""
    for side in sides:
        ax.spines[side].set_visible(False)
    for side in {"top", "right", "left", "bottom"}.difference(sides):
        ax.spines[side].set_color(GREY)
    ax.tick_params(axis="y", length=0 if "left" in sides else 3, color=GREY, labelcolor=INK)
    ax.tick_params(axis="x", color=GREY, labelcolor=INK, labelsize="small")
    ax.xaxis.label.set_color(INK)
    ax.yaxis.label.set_color(INK)
    if grid:
        ax.grid(axis=grid, color=FAINT, linewidth=0.8, zorder=0)
    ax.set_axisbelow(True)


def notes(ax: Axes, title: str | None, *remarks: str) -> None:
    """Say on the left what is drawn, and on the right, small, what is not."""
    if title:
        ax.set_title(title, loc="left", fontsize="medium", color=INK)
    text = " · ".join(remark for remark in remarks if remark)
    if text:
        ax.set_title(text, loc="right", fontsize="x-small", color=GREY)


def name_features(ax: Axes, names: Sequence[str]) -> None:
    """Names along the y axis, the first on top."""
    ax.set_yticks(np.arange(len(names))[::-1], list(names))
    ax.set_ylim(-0.6, len(names) - 0.4)


def direction(values: NDArray[np.float64]) -> list[str]:
    """One colour for what raises the output, another for what lowers it."""
    return [HIGH if value >= 0 else LOW for value in values]


def whiskers(ax: Axes, x: NDArray[np.float64], y: NDArray[Any], half: NDArray[np.float64]) -> None:
    """95% intervals around the ends of bars."""
    shown = half > 0
    if shown.any():
        style: dict[str, Any] = {"fmt": "none", "ecolor": INK, "elinewidth": 1.1, "capsize": 2.5, "zorder": 5}
        ax.errorbar(x[shown], y[shown], xerr=half[shown], **style)


def text_widths(ax: Axes, texts: Sequence[str], names: Sequence[str] = (), size: float = 1.0) -> NDArray[np.float64]:
    """About how much of the axes' width small texts take, beside `names` on the y axis."""
    figure: Any = ax.get_figure()
    inches = ax.bbox.width / figure.dpi
    if getattr(figure, "get_layout_engine", lambda: None)() is not None:  # names will take their share of the width
        inches -= _CHARACTER * 1.2 * max((len(name) for name in names), default=0) - 0.6
    widths: NDArray[np.float64] = np.array([len(text) * size * _CHARACTER for text in texts]) / max(inches, 1.0)
    return widths


def limits(
    points: NDArray[np.float64], anchors: NDArray[np.float64], sides: NDArray[Any], widths: NDArray[np.float64]
) -> tuple[float, float]:
    """Ends of an axis that holds all points, and texts that begin at anchors and go left (-1) or right (1).

    Parameters
    ----------
    points : array
    anchors, sides, widths : arrays of one length
        Widths as `text_widths` has them, in parts of the axis.
    """
    low, high = float(points.min()), float(points.max())
    if high <= low:
        low, high = low - 0.5 * max(abs(low), 1.0), high + 0.5 * max(abs(high), 1.0)
    widest = 3.0 * (high - low)
    for _ in range(30):  # texts grow with the axis that they make longer; few rounds settle it
        ends = anchors + sides * widths * (high - low)
        low, high = min(low, float(ends.min(initial=low))), max(high, float(ends.max(initial=high)))
        if high - low > widest:  # names too long for these axes: keep the data visible
            break
    margin = 0.01 * (high - low)
    return low - margin, high + margin


def mark(ax: Axes, x: float, y: float, text: str, line: tuple[float, float]) -> None:
    """A short dashed line with a bold text beside it, on the side where there is more room."""
    ax.plot([x, x], line, color=INK, linewidth=1.1, linestyle=(0, (2, 2)), zorder=1)
    low, high = ax.get_xlim()
    left = x < (low + high) / 2
    ax.annotate(
        text, (x, y), (5 if left else -5, 0), textcoords="offset points", ha="left" if left else "right", va="center",
        color=INK, fontsize="small", fontweight="bold", zorder=5,
    )  # fmt: skip


def legend_text(text: str) -> str:
    """Matplotlib leaves out of its legends what begins with an underscore."""
    return f"\u200b{text}" if text.startswith("_") else text


def rank_shade(numbers: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Rank of each value among the rows, 0 (low) to 1 (high), NaN where missing; None if there is none."""
    if numbers is None:
        return None
    shade = np.full(len(numbers), np.nan)
    known = ~np.isnan(numbers)
    if not known.any():
        return None
    _, which, counts = np.unique(numbers[known], return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    lowest, highest = middle[0], middle[-1]
    shade[known] = ((middle - lowest) / (highest - lowest) if highest > lowest else np.full(1, 0.5))[which]
    return shade


def colour_map(*, diverging: bool = False) -> Any:
    """From low to high; diverging: through white."""
    colors = optional("matplotlib.colors", "plot", "Drawing a picture")
    if diverging:
        steps = ["#0b4f94", LOW, "#a9cdf0", "#fbfbfb", "#f7bfa8", HIGH, "#a32a0c"]
        return colors.LinearSegmentedColormap.from_list("fastexplain_diverging", steps)
    return colors.LinearSegmentedColormap.from_list("fastexplain", [LOW, MIDDLE, HIGH])


def colour_bar(ax: Axes, label: str, ticks: Sequence[float] = (0, 1), texts: Sequence[str] = ("low", "high")) -> None:
    """What the colours of points mean."""
    cm = optional("matplotlib.cm", "plot", "Drawing a picture")
    mappable = cm.ScalarMappable(cmap=colour_map())
    mappable.set_clim(0, 1)
    figure = ax.get_figure()
    assert figure is not None
    bar = figure.colorbar(mappable, ax=ax, ticks=list(ticks), aspect=45, pad=0.015, fraction=0.03)
    bar.ax.set_yticklabels(list(texts), fontsize="small", color=INK)
    bar.ax.tick_params(length=0)
    bar.set_label(label, color=INK, fontsize="small", labelpad=-8 if list(ticks) == [0, 1] else 6)
    bar.outline.set_visible(False)
