"""Scatter: one feature's values against its SHAP values, coloured by the feature it interacts with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.plots._categories import categorise
from fastexplain.explanation.plots._choice import ClassIndex, Rows, choose_output, choose_rows, feature_position
from fastexplain.explanation.plots._partner import strongest_partner
from fastexplain.explanation.plots._places import FEW, Places, find_places, histogram, name_places, number_names
from fastexplain.explanation.plots._style import (
    CLASS_COLOURS,
    GREY,
    INK,
    LOW,
    colour_bar,
    colour_map,
    finish,
    legend_text,
    new_axes,
    notes,
    rank_shade,
)
from fastexplain.explanation.plots._values import Columns, Values, columns
from fastexplain.explanation.plots._words import tick_names, upright, value, value_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MAX_POINTS", "plot_scatter"]

MAX_POINTS = 10_000


def plot_scatter(
    explanation: Explanation,
    feature: Any,
    color: Any = "auto",
    X: Any = None,
    ax: Axes | None = None,
    class_index: ClassIndex = None,
    rows: Rows = None,
) -> Axes:
    """Draw the values of one feature against what the feature was in each row.

    Categories have an axis of their own, in the order of a pandas categorical, else sorted; missing values stand at
    the right. At most 10,000 rows are drawn, always the same ones.

    Parameters
    ----------
    explanation : Explanation
        With local values.
    feature : str or int
        Name or position.
    color : {"auto"}, feature or None
        A feature whose values colour the points. "auto": the one that best tells why rows with like values of
        `feature` have different SHAP values, if there is one. None: one colour.
    X : array-like or table, optional
        The explained rows; default: those that the explanation keeps.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    class_index : int or str, optional
        As in `plot_beeswarm`.
    rows : int, slice, sequence of int, or array of bool, optional
        Draw these rows only.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        There are no local values, or the rows are not known; an argument is out of range, or X does not fit.
    MissingDependencyError
        matplotlib is not installed.
    """
    n_rows = Values(explanation).n_rows
    chosen = choose_output(explanation, class_index)
    values = Values(explanation, chosen.column, chosen.sign)
    position = feature_position(explanation, feature)
    column = columns(explanation, X, n_rows)
    if column is None:
        raise ValueError("A scatter plot needs the explained rows, which this explanation does not keep: pass X.")
    drawn, sampled = choose_rows(n_rows, rows, MAX_POINTS)
    y = values.take(drawn, np.array([position]))[:, 0]
    places = find_places(column, position, drawn, y)
    partner, remark = None, ""
    if isinstance(color, str) and color == "auto":
        order = np.argsort(-values.importances(), kind="stable")
        partner = strongest_partner(y, places.numbers, column, drawn, order[order != position])
        remark = "no other feature tells rows apart" if partner is None else "colour: strongest interaction"
    elif color is not None:
        partner = feature_position(explanation, color, "color")
    ax = new_axes(ax, 7, width=7.5)
    histogram(ax, places)
    _points(ax, explanation, places, y, None if partner is None else _Partner(partner, column, drawn))
    ax.axhline(0, color=GREY, linewidth=0.9, zorder=1)
    name_places(ax, places)
    name = tick_names(explanation, [position])[0]
    ax.set_xlabel(name)
    ax.set_ylabel(upright(value_words(explanation, chosen.units)))
    finish(ax, sides=("top", "right"), grid="y")
    notes(ax, chosen.label, sampled, remark)
    return ax


class _Partner(NamedTuple):
    feature: int
    column: Columns
    rows: NDArray[np.intp]


def _points(
    ax: Axes, explanation: Explanation, places: Places, y: NDArray[np.float64], partner: _Partner | None
) -> None:
    style: dict[str, Any] = {"s": 13, "linewidths": 0, "alpha": 0.8, "rasterized": len(y) > 1000}
    if partner is None:
        ax.scatter(places.x, y, color=LOW, zorder=3, **style)
        return
    name = tick_names(explanation, [partner.feature], 28)[0]
    numbers = partner.column.numbers(partner.feature, partner.rows)
    shade = rank_shade(numbers)
    raw = partner.column(partner.feature)[partner.rows]
    if numbers is None or shade is None:
        found = categorise(raw, partner.column.categories(partner.feature), len(CLASS_COLOURS))
        colours = [CLASS_COLOURS[i] if i < found.n_named else GREY for i in range(len(found.labels))]
        _by_category(ax, places, y, found.codes, found.labels, colours, name, style)
        return
    missing = np.isnan(shade)
    distinct, place = np.unique(numbers, return_inverse=True)  # NaN last
    if len(distinct) - missing.any() <= FEW / 2:
        labels = number_names(raw, distinct)
        colours = [GREY if np.isnan(x) else colour_map()(shade[numbers == x][0]) for x in distinct]
        _by_category(ax, places, y, place, labels, colours, name, style)
        return
    if missing.any():
        ax.scatter(places.x[missing], y[missing], color=GREY, zorder=2, **style)
    known = ~missing
    ax.scatter(places.x[known], y[known], c=shade[known], cmap=colour_map(), vmin=0, vmax=1, zorder=3, **style)
    ticks = [0.0, 0.5, 1.0]
    ends = np.quantile(numbers[known], ticks)
    if raw.dtype.kind == "M":
        texts = [value(x) for x in np.quantile(raw[known].astype(np.int64), ticks).astype(np.int64).astype(raw.dtype)]
    else:
        texts = [value(float(x)) for x in ends]
    if ends[0] == ends[2]:
        ticks, texts = [0.5], texts[:1]
    colour_bar(ax, f"{name}{' (grey: missing)' if missing.any() else ''}", ticks, texts)


def _by_category(
    ax: Axes,
    places: Places,
    y: NDArray[np.float64],
    codes: NDArray[np.intp],
    labels: list[str],
    colours: list[Any],
    name: str,
    style: dict[str, Any],
) -> None:
    """Points in a colour per category, and a legend."""
    for code, (label, colour) in enumerate(zip(labels, colours, strict=True)):
        here = codes == code
        ax.scatter(places.x[here], y[here], color=[colour], label=legend_text(label), zorder=3, **style)
    outside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
    legend = ax.legend(title=name, frameon=False, fontsize="small", title_fontsize="small", alignment="left", **outside)
    for text in legend.get_texts():
        text.set_color(INK)
