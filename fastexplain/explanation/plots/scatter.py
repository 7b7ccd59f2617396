"""Scatter: one feature's values against its SHAP values, coloured by the feature it interacts with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.plots._categories import categorise
from fastexplain.explanation.plots._choice import ClassIndex, Rows, choose_output, choose_rows, feature_position
from fastexplain.explanation.plots._partner import strongest_partner
from fastexplain.explanation.plots._style import (
    CLASS_COLOURS,
    FAINT,
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
from fastexplain.explanation.plots._words import tick_names, value, value_words
from fastexplain.explanation.plots.beeswarm import packed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MAX_POINTS", "plot_scatter"]

MAX_POINTS = 10_000
_MAX_CATEGORIES = 20
# Numbers that are so few are drawn as swarms, and named in a legend.
_FEW = 12
# A point's width, as a share of the axes' width.
_POINT = 0.009


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
    places = _places(column, position, drawn, y)
    partner, remark = None, ""
    if isinstance(color, str) and color == "auto":
        order = np.argsort(-values.importances(), kind="stable")
        partner = strongest_partner(y, places.numbers, column, drawn, order[order != position])
        remark = "no other feature tells rows apart" if partner is None else "colour: strongest interaction"
    elif color is not None:
        partner = feature_position(explanation, color, "color")
    ax = new_axes(ax, 7, width=7.5)
    _histogram(ax, places)
    _points(ax, explanation, places, y, None if partner is None else _Partner(partner, column, drawn))
    ax.axhline(0, color=GREY, linewidth=0.9, zorder=1)
    _name_places(ax, places)
    name = tick_names(explanation, [position])[0]
    ax.set_xlabel(name)
    ax.set_ylabel(value_words(explanation, chosen.units))
    finish(ax, sides=("top", "right"), grid="y")
    notes(ax, chosen.label, sampled, remark)
    return ax


class _Places(NamedTuple):
    """Where rows stand along the x axis.

    Attributes
    ----------
    x : array
        With offsets that set points side by side where there are few places.
    numbers : array
        Without the offsets; NaN where missing.
    ticks : list of float or None
        None: matplotlib chooses.
    labels : list of str
    is_date : bool
    """

    x: NDArray[np.float64]
    numbers: NDArray[np.float64]
    ticks: list[float] | None = None
    labels: list[str] = []  # noqa: RUF012 - never changed
    is_date: bool = False


def _places(column: Columns, feature: int, rows: NDArray[np.intp], y: NDArray[np.float64]) -> _Places:
    numbers = column.numbers(feature, rows)
    raw = column(feature)[rows]
    if numbers is None:
        found = categorise(raw, column.categories(feature), _MAX_CATEGORIES)
        numbers = found.codes.astype(np.float64)
        return _Places(
            _spread(numbers, y, 1.0, len(found.labels)), numbers, list(range(len(found.labels))), found.labels
        )
    if raw.dtype.kind == "M":
        numbers = np.where(np.isnat(raw), np.nan, optional("matplotlib.dates", "plot", "Dates").date2num(raw))
    distinct = np.unique(numbers[~np.isnan(numbers)])
    missing = np.isnan(numbers)
    if not len(distinct):
        return _Places(_spread(np.zeros(len(numbers)), y, 1.0, 1), numbers, [0.0], ["missing"])
    x, ticks, labels = numbers.copy(), None, []
    if len(distinct) <= _FEW:
        gap = float(np.diff(distinct).min(initial=np.inf))
        places = float(distinct[-1] - distinct[0]) / gap if np.isfinite(gap) else 0.0
        x[~missing] = _spread(numbers[~missing], y[~missing], gap if np.isfinite(gap) else 1.0, places + 1)
        if raw.dtype.kind != "M":
            ticks, labels = distinct.tolist(), [value(number) for number in distinct]
    if missing.any():  # a place of their own, right of all others
        width = float(distinct[-1] - distinct[0]) or 1.0
        at = float(distinct[-1]) + 0.1 * width
        x[missing] = _spread(np.full(int(missing.sum()), at), y[missing], 0.08 * width, 13)
        ticks = [*(ticks or []), at]
        labels = [*labels, "missing"]
    return _Places(x, numbers, ticks, labels, raw.dtype.kind == "M")


def _spread(x: NDArray[np.float64], y: NDArray[np.float64], gap: float, n_places: float) -> NDArray[np.float64]:
    """Set points at the same place side by side, about their own width apart, within 0.4 of the gap between places."""
    random = np.random.Generator(np.random.Philox(0))
    edges = np.linspace(y.min(), y.max(), 80) if len(y) and np.ptp(y) > 0 else np.zeros(1)
    out = x.copy()
    for place in np.unique(x):
        here = x == place
        out[here] += gap * packed(y[here], edges, random, step=_POINT * (n_places + 0.5))
    return out


def _name_places(ax: Axes, places: _Places) -> None:
    if places.is_date:
        ax.xaxis_date()
        dates = optional("matplotlib.dates", "plot", "Dates")
        locator = dates.AutoDateLocator()
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
        return
    if places.ticks is None:
        return
    if places.labels == ["missing"] and not np.isnan(places.numbers).all():  # beside the usual ticks
        known = places.numbers[~np.isnan(places.numbers)]
        usual = [t for t in ax.get_xticks() if known.min() - 1e-9 <= t <= known.max() + 1e-9]
        ax.set_xticks([*usual, *places.ticks], [*(value(t) for t in usual), "missing"])
        return
    rotated = sum(len(label) + 2 for label in places.labels) > 75
    style: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if rotated else {}
    ax.set_xticks(places.ticks, places.labels, **style)
    if len(places.ticks) == 1:
        ax.set_xlim(places.ticks[0] - 1, places.ticks[0] + 1)


class _Partner(NamedTuple):
    feature: int
    column: Columns
    rows: NDArray[np.intp]


def _points(
    ax: Axes, explanation: Explanation, places: _Places, y: NDArray[np.float64], partner: _Partner | None
) -> None:
    style: dict[str, Any] = {"s": 13, "linewidths": 0, "alpha": 0.8, "rasterized": len(y) > 1000}
    if partner is None:
        ax.scatter(places.x, y, color=LOW, zorder=3, **style)
        return
    name = tick_names(explanation, [partner.feature], 28)[0]
    numbers = partner.column.numbers(partner.feature, partner.rows)
    shade = rank_shade(numbers)
    if numbers is None or shade is None:
        raw = partner.column(partner.feature)[partner.rows]
        found = categorise(raw, partner.column.categories(partner.feature), len(CLASS_COLOURS))
        colours = [CLASS_COLOURS[i] if i < found.n_named else GREY for i in range(len(found.labels))]
        _by_category(ax, places, y, found.codes, found.labels, colours, name, style)
        return
    missing = np.isnan(shade)
    distinct, place = np.unique(numbers, return_inverse=True)  # NaN last
    if len(distinct) - missing.any() <= _FEW / 2:
        labels = [value(x) for x in distinct]
        colours = [GREY if np.isnan(x) else colour_map()(shade[numbers == x][0]) for x in distinct]
        _by_category(ax, places, y, place, labels, colours, name, style)
        return
    if missing.any():
        ax.scatter(places.x[missing], y[missing], color=GREY, zorder=2, **style)
    known = ~missing
    ax.scatter(places.x[known], y[known], c=shade[known], cmap=colour_map(), vmin=0, vmax=1, zorder=3, **style)
    ticks = [0.0, 0.5, 1.0]
    ends = np.quantile(numbers[known], ticks)
    raw = partner.column(partner.feature)[partner.rows]
    if raw.dtype.kind == "M":
        texts = [value(x) for x in np.quantile(raw[known].astype(np.int64), ticks).astype(np.int64).astype(raw.dtype)]
    else:
        texts = [value(float(x)) for x in ends]
    if ends[0] == ends[2]:
        ticks, texts = [0.5], texts[:1]
    colour_bar(ax, f"{name}{' (grey: missing)' if missing.any() else ''}", ticks, texts)


def _by_category(
    ax: Axes,
    places: _Places,
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


def _histogram(ax: Axes, places: _Places) -> None:
    """Where rows are many, as faint bars at the foot."""
    known = places.numbers[~np.isnan(places.numbers)]
    if len(np.unique(known)) <= _FEW or (places.ticks is not None and "missing" not in places.labels):
        return
    counts, edges = np.histogram(known, bins=min(40, max(10, int(len(known) ** 0.5))))
    ax.bar(
        edges[:-1], 0.12 * counts / counts.max(), np.diff(edges), align="edge", color=FAINT, zorder=0,
        transform=ax.get_xaxis_transform(),
    )  # fmt: skip
