"""Heatmap: all rows side by side, one line per feature, with the outputs above and the importances beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastexplain._optional import optional
from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.plots._choice import ClassIndex, Rows, choose_features, choose_output, choose_rows
from fastexplain.explanation.plots._one_row import end_word
from fastexplain.explanation.plots._style import GREY, INK, colour_map, finish, new_axes, notes
from fastexplain.explanation.plots._values import Values, base_value, finite
from fastexplain.explanation.plots._words import left_out, number, tick_names, upright, value_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MAX_COLUMNS", "plot_heatmap"]

# Rows of the explanation, which are columns of the picture: about its width in pixels.
MAX_COLUMNS = 1000
# Inches of the line above and of the bars beside.
_TOP, _SIDE = 0.55, 0.9


def plot_heatmap(
    explanation: Explanation,
    ax: Axes | None = None,
    max_display: int = 10,
    class_index: ClassIndex = None,
    rows: Rows = None,
    order: Literal["cluster", "output", "given"] | ArrayLike = "cluster",
) -> Axes:
    """Draw all values as colours: a column per row, a line per feature.

    Above stands the output of each row, on the right the importance of each feature. At most 1,000 rows are drawn,
    always the same ones.

    Parameters
    ----------
    explanation : Explanation
        With local values.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    max_display : int, default 10
        Number of features, most important first.
    class_index : int or str, optional
        As in `plot_beeswarm`.
    rows : int, slice, sequence of int, or array of bool, optional
        Draw these rows only.
    order : {"cluster", "output", "given"} or array of int, default "cluster"
        From left to right. "cluster": rows with like values are neighbours (Ward's clusters of the shown values, those
        with the lower output on the left). "output": by output. "given": as they are. An array orders the drawn rows
        by its numbers, of which there is one for each row of the explanation.

    Returns
    -------
    matplotlib Axes
        The line above and the bars beside are its `child_axes`.

    Raises
    ------
    ValueError
        There are no local values, or an argument is out of range.
    MissingDependencyError
        matplotlib is not installed.
    """
    n_rows = Values(explanation).n_rows
    chosen = choose_output(explanation, class_index)
    values = Values(explanation, chosen.column, chosen.sign)
    drawn, sampled = choose_rows(n_rows, rows, MAX_COLUMNS)
    importances = finite(values.importances(None if rows is None else drawn))
    shown = choose_features(importances, max_display)
    cells = values.take(drawn, shown)
    outputs = values.totals(drawn) + (base_value(explanation, chosen.column, chosen.sign) or 0.0)
    place = _order(order, cells, outputs, drawn, n_rows)
    cells, outputs = cells[place].T, outputs[place]
    ax = new_axes(ax, len(shown), width=8.5, extra=2.0)
    largest = float(np.quantile(np.abs(cells), 0.99)) or float(np.abs(cells).max()) or 1.0
    image = ax.imshow(
        cells, aspect="auto", cmap=colour_map(diverging=True), vmin=-largest, vmax=largest, interpolation="nearest"
    )
    ax.set_yticks(np.arange(len(shown)), tick_names(explanation, shown))
    ax.set_xlabel(f"rows, {_order_words(order)}")
    finish(ax, sides=("top", "right", "left", "bottom"), grid="")
    ax.set_yticks(np.arange(len(shown) - 1) + 0.5, minor=True)
    ax.tick_params(axis="y", which="minor", length=0)
    ax.grid(axis="y", which="minor", color="white", linewidth=1.2)
    ax.set_axisbelow(False)
    ax.locator_params(axis="x", integer=True)
    top = _line(ax, outputs, end_word(explanation))
    _bars(ax, importances[shown])
    _scale(ax, image, upright(value_words(explanation, chosen.units)))
    notes(top, chosen.label, left_out(len(shown), values.n_features), sampled)
    return ax


def _order(
    order: Any, values: NDArray[np.float64], outputs: NDArray[np.float64], rows: NDArray[np.intp], n_rows: int
) -> NDArray[np.intp]:
    """Positions among the drawn rows, from left to right."""
    if isinstance(order, str):
        if order == "given":
            return np.arange(len(rows))
        if order == "output":
            return np.argsort(outputs, kind="stable")
        if order == "cluster":
            return _clustered(values, outputs)
        raise ValueError(f"order is {order!r}; expected 'cluster', 'output', 'given' or one number for each row.")
    keys = np.asarray(order)
    if keys.shape != (n_rows,):
        raise ValueError(f"order has shape {keys.shape}; the explanation has {n_rows} rows.")
    return np.argsort(keys[rows], kind="stable")


def _clustered(values: NDArray[np.float64], outputs: NDArray[np.float64]) -> NDArray[np.intp]:
    """Leaves of Ward's tree; of two branches the one with the lower mean output comes first."""
    if len(values) < 3:
        return np.argsort(outputs, kind="stable")
    from scipy.cluster.hierarchy import linkage

    merges = linkage(values, "ward")[:, :2].astype(np.intp)
    n = len(values)
    mean, size = np.append(outputs, np.zeros(n - 1)), np.append(np.ones(n), np.zeros(n - 1))
    for i, (a, b) in enumerate(merges, start=n):
        size[i] = size[a] + size[b]
        mean[i] = (size[a] * mean[a] + size[b] * mean[b]) / size[i]
    leaves, stack = [], [2 * n - 2]
    while stack:
        node = stack.pop()
        if node < n:
            leaves.append(node)
            continue
        a, b = merges[node - n]
        stack.extend((b, a) if mean[a] <= mean[b] else (a, b))
    return np.array(leaves)


def _order_words(order: Any) -> str:
    known = {"cluster": "like ones side by side", "output": "by output", "given": "in the order given"}
    return known[order] if isinstance(order, str) else "in the order given"


def _line(ax: Axes, outputs: NDArray[np.float64], label: str) -> Axes:
    """The outputs, above."""
    top: Axes = ax.inset_axes((0, 0.06, 1, _TOP), transform=_outside(ax, "top"), sharex=ax)
    top.plot(np.arange(len(outputs)), outputs, color=INK, linewidth=1.0)
    if len(outputs) == 1:
        top.plot([0], outputs, marker="o", color=INK, markersize=4)
    middle, width = (outputs.min() + outputs.max()) / 2, float(np.ptp(outputs)) or 2.0
    top.set_ylim(middle - 0.6 * width, middle + 0.6 * width)
    top.axhline(float(outputs.mean()), color=GREY, linewidth=0.8, linestyle=(0, (3, 2)))
    finish(top, sides=("top", "right", "bottom"), grid="")
    top.tick_params(axis="x", length=0, labelbottom=False)
    top.tick_params(axis="y", length=2, labelsize="x-small")
    top.locator_params(axis="y", nbins=3)
    top.set_ylabel(label, rotation=0, ha="right", va="center", color=INK)
    return top


def _bars(ax: Axes, importances: NDArray[np.float64]) -> None:
    """The importances, on the right."""
    side: Axes = ax.inset_axes((0.07, 0, _SIDE, 1), transform=_outside(ax, "right"), sharey=ax)
    side.barh(np.arange(len(importances)), importances, height=0.68, color=GREY)
    for y, importance in enumerate(importances):
        side.annotate(
            number(float(importance)), (float(importance), y), (3, 0), textcoords="offset points", va="center",
            fontsize="x-small", color=INK,
        )  # fmt: skip
    side.set_xlim(0, (float(importances.max(initial=0.0)) or 1.0) * 1.8)
    side.set_xlabel("mean |value|", fontsize="x-small", color=INK)
    side.tick_params(labelleft=False, labelbottom=False, length=0, which="both")
    for spine in side.spines.values():
        spine.set_visible(False)


def _outside(ax: Axes, side: Literal["top", "right"]) -> Any:
    """Inches beyond a side of the axes, and along it shares of the axes: what hangs there keeps its size."""
    transforms = optional("matplotlib.transforms", "plot", "Drawing a picture")
    figure: Any = ax.get_figure()
    corner = (0, 1) if side == "top" else (1, 0)
    inches = figure.dpi_scale_trans + transforms.ScaledTranslation(*corner, ax.transAxes)
    along = (ax.transAxes, inches) if side == "top" else (inches, ax.transAxes)
    return transforms.blended_transform_factory(*along)


def _scale(ax: Axes, image: Any, label: str) -> None:
    """What the colours mean."""
    figure = ax.get_figure()
    assert figure is not None
    is_laid_out = getattr(figure, "get_layout_engine", lambda: None)() is not None
    room = (_SIDE + 0.15) * figure.dpi / ax.bbox.width
    if not is_laid_out:  # nobody else leaves room for the line above
        box = ax.get_position()
        share = (_TOP + 0.35) * figure.dpi / ax.bbox.height
        ax.set_position((box.x0, box.y0, box.width, box.height * max(1.0 - share, 0.5)))
    bar = figure.colorbar(image, ax=ax, aspect=30, pad=0.02 if is_laid_out else room, fraction=0.035, extend="both")
    bar.set_label(label, color=INK, fontsize="small")
    bar.ax.tick_params(length=2, labelsize="x-small", color=GREY, labelcolor=INK)
    bar.outline.set_visible(False)
