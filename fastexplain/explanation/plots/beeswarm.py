"""Beeswarm: every row's values as points, one line per feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.plots._choice import ClassIndex, Rows, choose_features, choose_output, choose_rows
from fastexplain.explanation.plots._style import (
    GREY,
    colour_bar,
    colour_map,
    finish,
    name_features,
    new_axes,
    notes,
    rank_shade,
)
from fastexplain.explanation.plots._values import Values, columns
from fastexplain.explanation.plots._words import left_out, tick_names, value_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MAX_POINTS", "plot_beeswarm"]

# Rows that are drawn of a swarm; more are only ink.
MAX_POINTS = 3000


def plot_beeswarm(
    explanation: Explanation,
    X: Any = None,
    ax: Axes | None = None,
    max_display: int = 10,
    class_index: ClassIndex = None,
    rows: Rows = None,
) -> Axes:
    """Draw every row's values as points, one line per feature, coloured by the feature's value.

    The colour is the value's rank among the rows, so outliers do not wash it out; missing and categorical values are
    grey. At most 3,000 rows are drawn, always the same ones.

    Parameters
    ----------
    explanation : Explanation
        With local values.
    X : array-like or table, optional
        The explained rows, for the colours; default: those that the explanation keeps. Without them all is grey.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    max_display : int, default 10
        Number of features, most important first.
    class_index : int or str, optional
        The class whose values are drawn, by position or label, or the output of a regression. Default: class 1 of
        two, and of more the one that the features move most; output 0.
    rows : int, slice, sequence of int, or array of bool, optional
        Draw these rows only.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        There are no local values or no rows, an argument is out of range, or X does not fit.
    MissingDependencyError
        matplotlib is not installed.
    """
    n_rows = Values(explanation).n_rows
    chosen = choose_output(explanation, class_index)
    values = Values(explanation, chosen.column, chosen.sign)
    drawn, sampled = choose_rows(n_rows, rows, MAX_POINTS)
    shown = choose_features(values.importances(None if rows is None else drawn), max_display)
    points = values.take(drawn, shown)
    column = columns(explanation, X, n_rows)
    ax = new_axes(ax, len(shown), width=8.0)
    name_features(ax, tick_names(explanation, shown))
    edges = np.linspace(points.min(), points.max(), 140) if np.ptp(points) > 0 else np.zeros(1)
    random = np.random.Generator(np.random.Philox(0))
    grey = coloured = False
    for i, feature in enumerate(shown):
        shade = None if column is None else rank_shade(column.numbers(int(feature), drawn))
        grey |= shade is None or bool(np.isnan(shade).any())
        coloured |= shade is not None
        y = len(shown) - 1 - i + packed(points[:, i], edges, random)
        swarm(ax, points[:, i], y, shade)
    ax.axvline(0, color=GREY, linewidth=0.9, zorder=1)
    ax.set_xlabel(value_words(explanation, chosen.units))
    finish(ax)
    missing = "grey: categories, missing values" if grey and coloured else ""
    notes(ax, chosen.label, left_out(len(shown), values.n_features), sampled, missing)
    if coloured:
        colour_bar(ax, "feature value")
    return ax


def packed(
    x: NDArray[np.float64], edges: NDArray[np.float64], random: np.random.Generator, step: float = 0.11
) -> NDArray[np.float64]:
    """Offsets within +-0.42, `step` apart, that set points of the same bin side by side: as wide as they are dense."""
    bins = np.searchsorted(edges, x)
    order = np.lexsort((random.random(len(x)), bins))  # shuffled within a bin, so that colours mix
    sorted_bins = bins[order]
    first = np.searchsorted(sorted_bins, sorted_bins)
    place = np.arange(len(x)) - first  # 0, 1, 2, ... within the bin
    lane = np.empty(len(x))
    lane[order] = ((place + 1) // 2) * np.where(place % 2 == 1, 1.0, -1.0)
    spread: NDArray[np.float64] = lane * min(step, 0.42 / max(1.0, float(np.abs(lane).max(initial=0.0))))
    return spread


def swarm(ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64], shade: NDArray[np.float64] | None) -> None:
    """Points from low to high, grey where there is no shade."""
    style: dict[str, Any] = {"s": 11, "linewidths": 0, "alpha": 0.85, "rasterized": len(x) > 500}
    grey = np.ones(len(x), dtype=bool) if shade is None else np.isnan(shade)
    if grey.any():
        ax.scatter(x[grey], y[grey], color=GREY, zorder=2, **style)
    if shade is not None and not grey.all():
        known = ~grey
        ax.scatter(x[known], y[known], c=shade[known], cmap=colour_map(), vmin=0, vmax=1, zorder=3, **style)
