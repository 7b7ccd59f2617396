"""Bars: the importance of features over many rows, or one row's values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.global_explanation import GlobalExplanation
from fastexplain.explanation.plots._choice import (
    ClassIndex,
    choose_features,
    choose_output,
    choose_row,
    output_name,
)
from fastexplain.explanation.plots._one_row import HALF_95, named_values, standard_errors
from fastexplain.explanation.plots._scale import scale_words
from fastexplain.explanation.plots._style import (
    CLASS_COLOURS,
    GREY,
    INK,
    LOW,
    direction,
    finish,
    legend_text,
    limits,
    name_features,
    new_axes,
    notes,
    text_widths,
    whiskers,
)
from fastexplain.explanation.plots._values import Values, columns, finite, has_rows, output_importances
from fastexplain.explanation.plots._words import importance_words, left_out, number, tick_names, value_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_bar"]


def plot_bar(
    explanation: Explanation,
    ax: Axes | None = None,
    max_display: int = 10,
    class_index: ClassIndex = None,
    row: int | None = None,
    X: Any = None,
) -> Axes:
    """Draw the most important features as bars, with 95% intervals where the explanation has standard errors.

    Importances that may be negative, as those of permutation importance, and the values of one row are drawn to both
    sides of zero.

    Parameters
    ----------
    explanation : Explanation
        Global, or local: its rows are averaged, a single one is drawn itself.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    max_display : int, default 10
        Number of features.
    class_index : int or str, optional
        Draw one class, by position or label, or one output of a regression. Default: the mean over all; with three or
        more, each bar shows their shares. For one row as in `plot_waterfall`.
    row : int, optional
        Draw the values of this row.
    X : array-like or table, optional
        The explained rows, for the values beside the names of one row's features; default: those that the
        explanation keeps.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        `class_index`, `row` or `max_display` is out of range, or there are no rows.
    MissingDependencyError
        matplotlib is not installed.
    """
    if row is None and has_rows(explanation) and not isinstance(explanation, GlobalExplanation):
        row = 0 if Values(explanation).n_rows == 1 else None
    if row is not None:
        return _row_bars(explanation, ax, max_display, class_index, row, X)
    importances = output_importances(explanation, whole=True)
    errors = getattr(explanation, "importance_errors", None)
    if importances.ndim == 1 and class_index is not None and not has_rows(explanation):
        raise ValueError(
            f"class_index is {class_index!r}, but {explanation.method} measures the model as a whole: leave it out."
        )
    if class_index is None:
        shares = importances[None] if importances.ndim == 1 else importances / len(importances)
        label, units = None, scale_words(explanation)
    else:
        chosen = choose_output(explanation, class_index)
        shares, label, units = output_importances(explanation)[[chosen.column]], chosen.label, chosen.units
        errors = None  # they are those of the mean over classes
    whole = importances.ndim == 1 and class_index is None
    total = finite(shares.sum(axis=0))
    shown = choose_features(np.abs(total), max_display)
    shown = shown[np.argsort(-total[shown], kind="stable")]
    names = tick_names(explanation, shown)
    ax = new_axes(ax, len(shown))
    stacked = len(shares) > (2 if explanation.model_task == "classification" else 1)
    if stacked:
        _stack(ax, explanation, shares, shown)
    else:
        colours = direction(total[shown]) if (total[shown] < 0).any() else LOW
        ax.barh(np.arange(len(shown))[::-1], total[shown], height=0.68, color=colours, zorder=2)
    half = np.zeros(len(shown)) if errors is None else HALF_95 * np.nan_to_num(errors[shown])
    _label_ends(ax, total[shown], half, names)
    units += (
        f", averaged over {'classes' if explanation.model_task == 'classification' else 'outputs'}" if stacked else ""
    )
    ax.set_xlabel(importance_words(explanation, units, whole=whole, of_rows=has_rows(explanation)))
    finish(ax)
    notes(ax, label, left_out(len(shown), len(total)), "whiskers: 95% interval" if half.any() else "")
    return ax


def _row_bars(
    explanation: Explanation, ax: Axes | None, max_display: int, class_index: ClassIndex, row: int, X: Any
) -> Axes:
    """One row's largest values, to both sides of zero."""
    n_rows = Values(explanation).n_rows
    row = choose_row(n_rows, row)
    chosen = choose_output(explanation, class_index, row)
    values = Values(explanation, chosen.column, chosen.sign).row(row)
    shown = choose_features(np.abs(values), max_display)
    names = named_values(explanation, shown, columns(explanation, X, n_rows), row)
    ax = new_axes(ax, len(shown))
    ax.barh(np.arange(len(shown))[::-1], values[shown], height=0.68, color=direction(values[shown]), zorder=2)
    half = HALF_95 * standard_errors(explanation, row, chosen.column)[shown]
    _label_ends(ax, values[shown], half, names, signed=True)
    ax.set_xlabel(value_words(explanation, chosen.units))
    finish(ax)
    title = ", ".join(part for part in (f"row {row:,}" if n_rows > 1 else "", chosen.label) if part)
    notes(ax, title, left_out(len(shown), len(values)), "whiskers: 95% interval" if half.any() else "")
    return ax


def _stack(ax: Axes, explanation: Explanation, shares: NDArray[np.float64], shown: NDArray[np.intp]) -> None:
    """Bars that show the outputs' shares: the largest outputs, then all others in grey."""
    order = np.argsort(-np.abs(shares).sum(axis=1), kind="stable")
    n_named = len(order) if len(order) <= len(CLASS_COLOURS) else len(CLASS_COLOURS) - 1
    kind = "class" if explanation.model_task == "classification" else "output"
    parts = [
        (output_name(explanation, int(output), 20).removeprefix(f"{kind} "), CLASS_COLOURS[i], shares[output])
        for i, output in enumerate(order[:n_named])
    ]
    if n_named < len(order):
        parts.append((f"{len(order) - n_named} others", GREY, shares[order[n_named:]].sum(axis=0)))
    position, left = np.arange(len(shown))[::-1], np.zeros(len(shown))
    for name, colour, share in parts:
        ax.barh(position, share[shown], left=left, height=0.68, color=colour, label=legend_text(name), zorder=2)
        left += share[shown]
    outside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
    ax.legend(title=kind, frameon=False, fontsize="small", title_fontsize="small", alignment="left", **outside)


def _label_ends(
    ax: Axes, values: NDArray[np.float64], half: NDArray[np.float64], names: list[str], *, signed: bool = False
) -> None:
    """Names, whiskers, a number beyond the end of each bar, and limits that leave room for the numbers."""
    name_features(ax, names)
    position = np.arange(len(values))[::-1]
    whiskers(ax, values, position, half)
    texts = [number(value, signed=signed) for value in values]
    sides = np.where(values < 0, -1, 1)
    anchors = values + sides * half
    low, high = limits(
        np.concatenate([[0.0], values - half, values + half]), anchors, sides, text_widths(ax, texts, names) + 0.02
    )
    below_zero = bool((values - half < 0).any())
    ax.set_xlim(low if below_zero else 0.0, high)
    if below_zero:
        ax.axvline(0, color=GREY, linewidth=0.9, zorder=3)
    for y, x, side, text in zip(position, anchors, sides, texts, strict=True):
        ax.annotate(
            text, (x, y), (4 * side, 0), textcoords="offset points",
            ha="right" if side < 0 else "left", va="center", color=INK, fontsize="small",
        )  # fmt: skip
