"""Decision plot: each row's way from the base value at the foot to its output on top, one feature after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.plots._choice import ClassIndex, Rows, choose_features, choose_output, choose_rows
from fastexplain.explanation.plots._one_row import base_words, end_word, named_values
from fastexplain.explanation.plots._scale import base_suffix
from fastexplain.explanation.plots._style import CLASS_COLOURS, GREY, INK, colour_map, finish, mark, new_axes, notes
from fastexplain.explanation.plots._values import Values, base_value, columns, finite
from fastexplain.explanation.plots._words import number, others, tick_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MAX_LINES", "plot_decision"]

MAX_LINES = 500


def plot_decision(
    explanation: Explanation,
    rows: Rows = None,
    X: Any = None,
    ax: Axes | None = None,
    max_display: int = 10,
    class_index: ClassIndex = None,
    highlight: Rows = None,
) -> Axes:
    """Draw rows as lines that lead from the base value, at the foot, to their outputs on top.

    Each line bends at a feature by the row's value of it; its colour tells its output. At most 500 rows are drawn,
    always the same ones, and those highlighted.

    Parameters
    ----------
    explanation : Explanation
        With local values. Where the method has no base values, lines start from zero.
    rows : int, slice, sequence of int, or array of bool, optional
        The rows to draw; default: all. Of a single row the feature values stand beside the names.
    X : array-like or table, optional
        The explained rows, for the values beside the names; default: those that the explanation keeps.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    max_display : int, default 10
        Number of features, most important on top; all others are one step at the foot.
    class_index : int or str, optional
        As in `plot_waterfall` for a single row, else as in `plot_beeswarm`.
    highlight : int, slice, sequence of int, or array of bool, optional
        Rows that are drawn strong and named, all others faint.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        There are no local values, an argument is out of range, or X does not fit.
    MissingDependencyError
        matplotlib is not installed.
    """
    n_rows = Values(explanation).n_rows
    drawn, sampled = choose_rows(n_rows, rows, MAX_LINES)
    strong = choose_rows(n_rows, highlight, n_rows)[0] if highlight is not None else np.zeros(0, dtype=np.intp)
    only = int(drawn[0]) if len(drawn) == 1 else None
    chosen = choose_output(explanation, class_index, only)
    values = Values(explanation, chosen.column, chosen.sign)
    shown = choose_features(finite(values.importances(None if rows is None else drawn)), max_display)
    if len(shown) < values.n_features:
        shown = shown[: max(1, max_display - 1)]
    column = columns(explanation, X, n_rows)
    names = tick_names(explanation, shown) if only is None else named_values(explanation, shown, column, only)
    n_others = values.n_features - len(shown)
    base = base_value(explanation, chosen.column, chosen.sign)
    names += [others(n_others)] if n_others else []

    faint = np.setdiff1d(drawn, strong)
    ax = new_axes(ax, len(names) + 1, width=7.5)
    _lines(ax, _paths(values, faint, shown, base or 0.0), faded=len(strong) > 0, single=only is not None)
    _strong_lines(ax, _paths(values, strong, shown, base or 0.0), strong)
    _frame(ax, names, base, base_words(explanation, base))
    if only is not None:
        end = float(_paths(values, drawn, shown, base or 0.0)[0, -1])
        ax.set_ylim(top=len(names) + 0.5)
        mark(
            ax,
            end,
            len(names) + 0.26,
            f"{end_word(explanation)} = {number(end, digits=4)}",
            (len(names), len(names) + 0.45),
        )
    ax.set_xlabel(f"{'from the margin to the ' if base_suffix(explanation) else ''}{chosen.units}")
    title = ", ".join(part for part in ("" if only is None or n_rows == 1 else f"row {only:,}", chosen.label) if part)
    notes(ax, title, sampled)
    return ax


def _paths(values: Values, rows: NDArray[np.intp], shown: NDArray[np.intp], base: float) -> NDArray[np.float64]:
    """Cumulative sums from the base value: first what is not shown, then the least important feature, and so on."""
    steps = values.take(rows, shown[::-1])
    if len(shown) < values.n_features:
        steps = np.column_stack([values.totals(rows) - steps.sum(axis=1), steps])
    return base + np.concatenate([np.zeros((len(rows), 1)), np.cumsum(steps, axis=1)], axis=1)


def _lines(ax: Axes, paths: NDArray[np.float64], *, faded: bool, single: bool) -> None:
    """Many lines at once, coloured by where they end."""
    if not len(paths):
        return
    collections = optional("matplotlib.collections", "plot", "Drawing a picture")
    y = np.arange(paths.shape[1])
    ends = paths[:, -1]
    order = np.argsort(np.abs(ends - ends.mean()), kind="stable")  # unusual ones on top
    width = float(np.ptp(ends))
    shades = (ends - ends.min()) / width if width > 0 else np.full(len(ends), 0.5)
    if single:
        shades = np.array([1.0 if ends[0] >= paths[0, 0] else 0.0])
    colours = colour_map()(shades)
    if faded:
        colours[:] = (0.6, 0.63, 0.65, 0.25)
    elif len(paths) > 20:
        colours[:, 3] = max(0.35, min(0.9, 60 / len(paths)))
    segments = np.stack([paths, np.broadcast_to(y, paths.shape)], axis=2)[order]
    lines = collections.LineCollection(
        segments, colors=colours[order], linewidths=2.0 if single else 1.1, zorder=2, rasterized=len(paths) > 200
    )
    ax.add_collection(lines)


def _strong_lines(ax: Axes, paths: NDArray[np.float64], rows: NDArray[np.intp]) -> None:
    """Highlighted rows, with a legend that names them."""
    if not len(rows):
        return
    y = np.arange(paths.shape[1])
    for i, (row, path) in enumerate(zip(rows, paths, strict=True)):
        colour = CLASS_COLOURS[i % len(CLASS_COLOURS)] if len(rows) > 1 else INK
        ax.plot(path, y, color=colour, linewidth=2.2, zorder=4, label=f"row {row:,}")
    if len(rows) <= 12:
        outside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
        ax.legend(frameon=False, fontsize="small", **outside)


def _frame(ax: Axes, names: list[str], base: float | None, base_text: str) -> None:
    """Names between the lines' bends, the base value, limits."""
    ax.set_yticks(np.arange(len(names))[::-1] + 0.5, names)
    ax.set_ylim(-0.5, len(names))
    ax.autoscale_view(scaley=False)
    finish(ax)
    ax.set_yticks(np.arange(len(names) + 1), minor=True)
    ax.tick_params(axis="y", which="minor", length=0)
    ax.grid(axis="y", which="minor", color="#eef0f3", linewidth=0.8)
    start = 0.0 if base is None else base
    ax.axvline(start, color=GREY, linewidth=0.9, zorder=1)
    mark(ax, start, -0.26, base_text, (-0.45, 0.0))
