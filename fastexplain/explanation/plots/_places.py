"""The x axis of a scatter plot: numbers, categories or dates, with a place for missing values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.explanation.plots._categories import categorise
from fastexplain.explanation.plots._style import FAINT, INK
from fastexplain.explanation.plots._values import Columns
from fastexplain.explanation.plots._words import value
from fastexplain.explanation.plots.beeswarm import packed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FEW", "Places", "find_places", "histogram", "name_places", "number_names"]

_MAX_CATEGORIES = 20
# Numbers that are so few are drawn as swarms, and named in a legend.
FEW = 12
# A point's width, as a share of the axes' width.
_POINT = 0.009


class Places(NamedTuple):
    """Where rows stand along the x axis.

    Attributes
    ----------
    x : array
        With offsets that set points side by side where there are few places.
    numbers : array
        Without the offsets; NaN where missing.
    kind : {"numbers", "categories", "dates"}
    ticks : list of float or None
        None: matplotlib chooses.
    labels : list of str
        Of the ticks.
    missing : float or None
        Where missing numbers and dates stand, beyond all others.
    """

    x: NDArray[np.float64]
    numbers: NDArray[np.float64]
    kind: str
    ticks: list[float] | None = None
    labels: list[str] = []  # noqa: RUF012 - never changed
    missing: float | None = None


def find_places(column: Columns, feature: int, rows: NDArray[np.intp], y: NDArray[np.float64]) -> Places:
    """Where some rows stand along x, given where they stand along y."""
    numbers = column.numbers(feature, rows)
    raw = column(feature)[rows]
    if numbers is None:
        found = categorise(raw, column.categories(feature), _MAX_CATEGORIES)
        numbers = found.codes.astype(np.float64)
        x = _spread(numbers, y, 1.0, len(found.labels))
        return Places(x, numbers, "categories", list(range(len(found.labels))), found.labels)
    kind = "dates" if raw.dtype.kind == "M" else "numbers"
    if kind == "dates":
        dates = optional("matplotlib.dates", "plot", "Drawing a picture")
        numbers = np.where(np.isnat(raw), np.nan, dates.date2num(raw))
    missing = np.isnan(numbers)
    distinct = np.unique(numbers[~missing])
    if not len(distinct):
        return Places(_spread(np.zeros(len(numbers)), y, 1.0, 1), numbers, "categories", [0.0], ["missing"])
    x, width = numbers.copy(), float(distinct[-1] - distinct[0]) or 1.0
    ticks, labels, at = None, [], None
    if len(distinct) <= FEW:
        gap = float(np.diff(distinct).min(initial=width))
        x[~missing] = _spread(numbers[~missing], y[~missing], gap, width / gap + 1)
        if kind == "numbers":
            ticks, labels = distinct.tolist(), number_names(raw, distinct)
    if missing.any():
        at = float(distinct[-1]) + 0.12 * width
        x[missing] = _spread(np.full(int(missing.sum()), at), y[missing], 0.09 * width, 12)
    return Places(x, numbers, kind, ticks, labels, at)


def number_names(raw: NDArray[Any], distinct: NDArray[np.float64]) -> list[str]:
    """What a column's few numbers are called."""
    return [value(bool(x) if raw.dtype.kind == "b" else x) for x in distinct]


def _spread(x: NDArray[np.float64], y: NDArray[np.float64], gap: float, n_places: float) -> NDArray[np.float64]:
    """Set points at the same place side by side, about their own width apart, within 0.4 of the gap between places."""
    random = np.random.Generator(np.random.Philox(0))
    edges = np.linspace(y.min(), y.max(), 80) if len(y) and np.ptp(y) > 0 else np.zeros(1)
    out = x.copy()
    for place in np.unique(x):
        here = x == place
        out[here] += gap * packed(y[here], edges, random, step=_POINT * (n_places + 0.5))
    return out


def name_places(ax: Axes, places: Places) -> None:
    """Ticks and their labels."""
    if places.kind == "dates":
        ax.xaxis_date()
        dates = optional("matplotlib.dates", "plot", "Drawing a picture")
        locator = dates.AutoDateLocator()
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
        if places.missing is not None:  # among the dates' ticks there is no room for its own
            style: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "top", "fontsize": "small", "color": INK}
            place = (places.missing, 0.99)
            ax.annotate("missing", place, (-7, 0), ("data", "axes fraction"), "offset points", **style)
        return
    ticks, labels = places.ticks, places.labels
    if ticks is None and places.missing is not None:
        known = places.numbers[~np.isnan(places.numbers)]
        low, high = known.min(), known.max()
        ticks = [x for x in ax.get_xticks() if low <= x <= high - 0.02 * (high - low)]
        labels = [value(x) for x in ticks]
    if ticks is None:
        return
    if places.missing is not None:
        ticks, labels = [*ticks, places.missing], [*labels, "missing"]
    # about what the axes are wide
    rotated = sum(len(label) + 2 for label in labels) > 75
    turned: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if rotated else {}
    ax.set_xticks(ticks, labels, **turned)
    if len(ticks) == 1:
        ax.set_xlim(ticks[0] - 1, ticks[0] + 1)


def histogram(ax: Axes, places: Places) -> None:
    """Where rows are many, as faint bars at the foot."""
    known = places.numbers[~np.isnan(places.numbers)]
    if places.kind == "categories" or len(np.unique(known)) <= FEW:
        return
    counts, edges = np.histogram(known, bins=min(40, max(10, int(len(known) ** 0.5))))
    ax.bar(
        edges[:-1], 0.12 * counts / counts.max(), np.diff(edges), align="edge", color=FAINT, zorder=0,
        transform=ax.get_xaxis_transform(),
    )  # fmt: skip
