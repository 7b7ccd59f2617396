"""Pictures of explanations on matplotlib axes: importances, all rows at once, one row. Loads matplotlib on use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.explanation.aggregation import mean_abs
from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.global_explanation import GlobalExplanation
from fastexplain.explanation.local_explanation import LocalExplanation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ExplanationPlots", "plot_bar", "plot_beeswarm", "plot_waterfall"]

# Blue and vermilion stay apart for every kind of colour blindness; the way between them passes through violet.
LOW, MIDDLE, HIGH = "#2478cc", "#9350b0", "#e8502a"
GREY, FAINT, INK = "#9aa0a6", "#e3e6ea", "#2b2f36"
CLASS_COLOURS = ("#2478cc", "#e8502a", "#3a9d6e", "#8e5a9f", "#d9a021", "#5b6b7b", "#c2478a", "#58b4c9")
MAX_POINTS = 3000  # of a beeswarm's rows; more are only ink
_NAME_LENGTH = 34
_ROW_INCHES = 0.42


class ExplanationPlots:
    """What ``explanation.plot`` returns: one method per picture.

    Parameters
    ----------
    explanation : Explanation
    """

    def __init__(self, explanation: Explanation) -> None:
        self._explanation = explanation

    def bar(self, ax: Axes | None = None, max_display: int = 10, class_index: int | None = None) -> Axes:
        """Most important features; see `plot_bar`."""
        return plot_bar(self._explanation, ax, max_display, class_index)

    def beeswarm(
        self, X: Any = None, ax: Axes | None = None, max_display: int = 10, class_index: int | None = None
    ) -> Axes:
        """Every row's values; see `plot_beeswarm`."""
        return plot_beeswarm(self._explanation, X, ax, max_display, class_index)

    def waterfall(
        self, row: int = 0, X: Any = None, ax: Axes | None = None, max_display: int = 10, class_index: int | None = None
    ) -> Axes:
        """One row, from the base value to its output; see `plot_waterfall`."""
        return plot_waterfall(self._explanation, row, X, ax, max_display, class_index)


def plot_bar(
    explanation: Explanation, ax: Axes | None = None, max_display: int = 10, class_index: int | None = None
) -> Axes:
    """Draw the most important features as bars of mean |SHAP value|.

    Parameters
    ----------
    explanation : Explanation
        Global, or local (its rows are averaged).
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    max_display : int, default 10
        Number of features.
    class_index : int, optional
        Draw one class. Default: the mean over classes; with three or more, each bar shows the classes' shares.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        `class_index` or `max_display` is out of range, or there are no rows.
    MissingDependencyError
        matplotlib is not installed.
    """
    per_output = _importances(explanation)
    shares = per_output / len(per_output)  # of a bar: they add up to the mean over classes
    label = None
    if class_index is not None:
        chosen = _output(explanation, class_index)
        shares, label = per_output[[chosen.column]], chosen.label
    total = shares.sum(axis=0)
    shown = _top(total, max_display)
    ax = _axes(ax, len(shown))
    position = np.arange(len(shown))[::-1]
    stacked = len(shares) > 2
    parts = _class_parts(explanation, shares) if stacked else [(None, LOW, shares.sum(axis=0))]
    left = np.zeros(len(shown))
    for name, colour, share in parts:
        ax.barh(position, share[shown], left=left, height=0.68, color=colour, label=name, zorder=2)
        left += share[shown]
    for y, value in zip(position, total[shown], strict=True):
        ax.annotate(
            _number(value), (value, y), (4, 0), textcoords="offset points", va="center", color=INK, fontsize="small"
        )
    ax.set_yticks(position, _tick_names(explanation, shown))
    ax.set_ylim(-0.6, len(shown) - 0.4)
    ax.set_xlim(0, float(total[shown].max(initial=0.0)) * 1.14 or 1.0)
    ax.set_xlabel(f"mean |SHAP value| (impact on {_units(explanation, label)})")
    if stacked:
        outside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
        ax.legend(title="class", frameon=False, fontsize="small", title_fontsize="small", alignment="left", **outside)
    _finish(ax, len(shown), explanation.num_features, note=not stacked)
    return ax


def plot_beeswarm(
    explanation: Explanation,
    X: Any = None,
    ax: Axes | None = None,
    max_display: int = 10,
    class_index: int | None = None,
) -> Axes:
    """Draw every row's SHAP values as points, one line per feature, coloured by the feature's value.

    The colour is the value's rank among the rows, so outliers do not wash it out; missing and categorical values are
    grey. At most 3,000 rows are drawn, always the same ones.

    Parameters
    ----------
    explanation : Explanation
        With local values.
    X : array-like or table, optional
        The explained rows, for the colours; default: those that the explanation keeps.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    max_display : int, default 10
        Number of features, most important first.
    class_index : int, optional
        The class whose values are drawn; default: 1 of two classes.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        There are no local values or no rows, three or more classes without a `class_index`, or X does not fit.
    MissingDependencyError
        matplotlib is not installed.
    """
    local = _local(explanation)
    chosen = _output(local, class_index)
    shown = _top(_importances(local)[chosen.column], max_display)
    rng = np.random.default_rng(0)
    rows = np.arange(len(local.values))
    if len(rows) > MAX_POINTS:
        rows = np.sort(rng.choice(rows, MAX_POINTS, replace=False))
    points = chosen.sign * local.values[rows[:, None], shown, chosen.column]
    ax = _axes(ax, len(shown), width=8.0)
    edges = np.linspace(points.min(), points.max(), 140) if np.ptp(points) > 0 else np.zeros(1)
    columns = _columns(local, X)
    coloured = False
    for i in range(len(shown)):
        y = len(shown) - 1 - i
        offset = _packed(points[:, i], edges, rng)
        shade = None if columns is None else _shade(columns(int(shown[i]))[rows])
        coloured |= shade is not None
        _swarm(ax, points[:, i], y + offset, shade)
    ax.axvline(0, color=GREY, linewidth=0.9, zorder=1)
    ax.set_yticks(np.arange(len(shown))[::-1], _tick_names(local, shown))
    ax.set_ylim(-0.6, len(shown) - 0.4)
    ax.set_xlabel(f"SHAP value (impact on {_units(local, chosen.label)})")
    _finish(ax, len(shown), local.num_features, note=True)
    if coloured:
        _colour_bar(ax)
    return ax


def plot_waterfall(
    explanation: Explanation,
    row: int = 0,
    X: Any = None,
    ax: Axes | None = None,
    max_display: int = 10,
    class_index: int | None = None,
) -> Axes:
    """Draw how one row's features lead from the base value to its output.

    Parameters
    ----------
    explanation : Explanation
        With local values.
    row : int, default 0
        Position of the row.
    X : array-like or table, optional
        The explained rows, for the values beside the names; default: those that the explanation keeps.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    max_display : int, default 10
        Number of bars; features beyond are added up in the last one.
    class_index : int, optional
        The class; default: 1 of two classes, and the one with the largest output of three or more.

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
    local = _local(explanation)
    n_rows = len(local.values)
    if not -n_rows <= row < n_rows:
        raise ValueError(f"row is {row}, but the explanation has {n_rows} rows.")
    if class_index is None and len(local.base_values) > 2:
        class_index = int((local.values[row].sum(axis=0) + local.base_values).argmax())
    chosen = _output(local, class_index)
    values = chosen.sign * local.values[row, :, chosen.column].astype(np.float64)
    base = chosen.sign * float(local.base_values[chosen.column])
    columns = _columns(local, X)
    names, steps = _steps(local, values, max_display, None if columns is None else lambda f: columns(f)[row])
    ax = _axes(ax, len(steps) + 1, width=8.0)
    ends = base + np.cumsum(steps)
    starts = ends - steps
    _waterfall_bars(ax, starts, ends, base)
    ax.set_yticks(np.arange(len(steps)), names)
    ax.set_ylim(-1.15, len(steps) + 0.15)
    _end_labels(ax, base, float(base + values.sum()), len(steps), complete=local._feature_columns is None)
    ax.set_xlabel(f"SHAP value (impact on {_units(local, chosen.label)})")
    _finish(ax, len(steps), len(steps), note=False)
    return ax


# What to draw


class _Output(NamedTuple):
    """Where a class's numbers are: a column of `values`, and the sign to read it with."""

    column: int
    sign: float
    label: str | None


def _output(explanation: Explanation, class_index: int | None) -> _Output:
    n_outputs = len(explanation.base_values)
    n_shown = explanation._n_classes if explanation.model_task == "classification" else n_outputs
    if class_index is None:
        if n_shown > 2:
            labels = [_class_label(explanation, i) for i in range(n_shown)]
            raise ValueError(f"class_index is needed: one of 0..{n_shown - 1}, for {labels}.")
        class_index = n_shown - 1
    if not 0 <= class_index < n_shown:
        raise ValueError(f"class_index is {class_index}; expected 0..{n_shown - 1}.")
    label = _class_label(explanation, class_index) if n_shown > 1 else None
    if n_outputs < n_shown:  # one margin, that of class 1
        return _Output(0, 1.0 if class_index == 1 else -1.0, label)
    return _Output(class_index, 1.0, label)


def _class_label(explanation: Explanation, index: int) -> str:
    labels = explanation._classes
    return str(index) if labels is None else str(labels[index])


def _class_parts(
    explanation: Explanation, shares: NDArray[np.float64]
) -> list[tuple[str | None, str, NDArray[np.float64]]]:
    """Name, colour and lengths of the parts of stacked bars: the largest classes, then all others in grey."""
    order = np.argsort(-shares.sum(axis=1), kind="stable")
    n_named = len(order) if len(order) <= len(CLASS_COLOURS) else len(CLASS_COLOURS) - 1
    parts: list[tuple[str | None, str, NDArray[np.float64]]] = [
        (_shorten(_class_label(explanation, int(output)), 20), CLASS_COLOURS[i], shares[output])
        for i, output in enumerate(order[:n_named])
    ]
    if n_named < len(order):
        parts.append((f"{len(order) - n_named} others", GREY, shares[order[n_named:]].sum(axis=0)))
    return parts


def _units(explanation: Explanation, label: str | None) -> str:
    return explanation.units if label is None else f"{explanation.units} of class {_shorten(label, 24)}"


def _local(explanation: Explanation) -> LocalExplanation:
    if not isinstance(explanation, LocalExplanation):
        raise ValueError(
            "This picture needs local values: call explain_local, or explain_global with include_local=True."
        )
    if not len(explanation.values):
        raise ValueError("The explanation has no rows to draw.")
    return explanation


def _importances(explanation: Explanation) -> NDArray[np.float64]:
    """Mean |value| of shape (n_outputs, n_features)."""
    if isinstance(explanation, GlobalExplanation):
        return explanation._importances
    return mean_abs(_local(explanation).values)


def _top(importances: NDArray[np.float64], max_display: int) -> NDArray[np.intp]:
    if max_display < 1:
        raise ValueError(f"max_display must be at least 1; got {max_display}.")
    return np.argsort(-importances, kind="stable")[:max_display]


def _columns(local: LocalExplanation, X: Any) -> Any:
    """A function from explained feature to that column of the rows; None where the rows are not known."""
    rows = local._eval_data if X is None else X
    if rows is None:
        return None
    if np.ndim(rows) == 1:
        rows = np.asarray(rows, dtype=object).reshape(1, -1)
    if not hasattr(rows, "shape"):
        rows = np.array(rows, dtype=object)
    if rows.shape[0] != len(local.values):
        raise ValueError(f"X has {rows.shape[0]} rows; the explanation has {len(local.values)}.")
    positions = local._feature_columns
    if positions is None or rows.shape[1] == local.num_features:
        positions = range(local.num_features)
    if rows.shape[1] <= max(positions):
        raise ValueError(f"X has {rows.shape[1]} columns; the explanation has {local.num_features} features.")
    return lambda feature: _column(rows, positions[feature])


def _column(rows: Any, index: int) -> NDArray[Any]:
    """One column of an array or table."""
    if hasattr(rows, "iloc"):
        return np.asarray(rows.iloc[:, index])
    if hasattr(rows, "column_names"):  # pyarrow
        return np.asarray(rows.column(index).to_pylist())
    if hasattr(rows, "to_series"):  # polars
        return np.asarray(rows.to_series(index).to_numpy())
    column = rows[:, [index]]
    return np.asarray(column.toarray() if hasattr(column, "toarray") else column).ravel()


def _steps(
    local: LocalExplanation, values: NDArray[np.float64], max_display: int, value_of: Any
) -> tuple[list[str], NDArray[np.float64]]:
    """Names and heights of a waterfall's bars, from the base value upwards: the rest first, the largest last."""
    shown = _top(np.abs(values), max_display)
    if len(values) > len(shown):
        shown = shown[: max(1, max_display - 1)]
    steps = [float(values[f]) for f in shown]
    names = _tick_names(local, shown)
    if value_of is not None:
        names = [f"{name} = {_value(value_of(int(f)))}" for name, f in zip(names, shown, strict=True)]
    n_others = len(values) - len(shown)
    if n_others:
        names.append(f"{n_others} other features" if n_others > 1 else "1 other feature")
        steps.append(float(values.sum() - values[shown].sum()))
    return names[::-1], np.array(steps[::-1])


# How to draw it


def _axes(ax: Axes | None, n_lines: int, width: float = 7.5) -> Axes:
    pyplot = optional("matplotlib.pyplot", "plot", "Drawing a picture")
    if ax is not None:
        return ax
    new: Axes
    _, new = pyplot.subplots(figsize=(width, 1.1 + _ROW_INCHES * max(n_lines, 2)), layout="constrained")
    return new


def _finish(ax: Axes, n_shown: int, n_features: int, *, note: bool) -> None:
    """Take away what carries no information; say how many features are not shown."""
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(GREY)
    ax.tick_params(axis="y", length=0, colors=INK)
    ax.tick_params(axis="x", color=GREY, labelcolor=INK, labelsize="small")
    ax.xaxis.label.set_color(INK)
    ax.grid(axis="x", color=FAINT, linewidth=0.8, zorder=0)
    ax.set_axisbelow(True)
    if note and n_shown < n_features:
        ax.set_title(f"{n_shown} of {n_features} features", loc="right", fontsize="x-small", color=GREY)


def _packed(x: NDArray[np.float64], edges: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Vertical offsets within +-0.42 that set points of the same bin side by side: a swarm as wide as it is dense."""
    bins = np.searchsorted(edges, x)
    order = np.lexsort((rng.random(len(x)), bins))  # shuffled within a bin, so that colours mix
    sorted_bins = bins[order]
    first = np.searchsorted(sorted_bins, sorted_bins)
    place = np.arange(len(x)) - first  # 0, 1, 2, ... within the bin
    lane = np.empty(len(x))
    lane[order] = ((place + 1) // 2) * np.where(place % 2 == 1, 1.0, -1.0)
    spread: NDArray[np.float64] = lane * min(0.11, 0.42 / max(1.0, float(np.abs(lane).max(initial=0.0))))
    return spread


def _shade(column: NDArray[Any]) -> NDArray[np.float64] | None:
    """Rank of each value among the rows, 0 (low) to 1 (high), NaN where missing; None for categories."""
    if column.dtype.kind in "mM":
        numbers = np.where(np.isnat(column), np.nan, column.astype(np.int64).astype(np.float64))
    else:
        try:
            numbers = column.astype(np.float64)
        except (TypeError, ValueError):
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


def _swarm(ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64], shade: NDArray[np.float64] | None) -> None:
    style: dict[str, Any] = {"s": 11, "linewidths": 0, "alpha": 0.85, "rasterized": len(x) > 500}
    grey = np.ones(len(x), dtype=bool) if shade is None else np.isnan(shade)
    if grey.any():
        ax.scatter(x[grey], y[grey], color=GREY, zorder=2, **style)
    if shade is not None and not grey.all():
        known = ~grey
        ax.scatter(x[known], y[known], c=shade[known], cmap=_colour_map(), vmin=0, vmax=1, zorder=3, **style)


def _colour_map() -> Any:
    colors = optional("matplotlib.colors", "plot", "Drawing a picture")
    return colors.LinearSegmentedColormap.from_list("fastexplain", [LOW, MIDDLE, HIGH])


def _colour_bar(ax: Axes) -> None:
    cm = optional("matplotlib.cm", "plot", "Drawing a picture")
    mappable = cm.ScalarMappable(cmap=_colour_map())
    mappable.set_clim(0, 1)
    figure = ax.get_figure()
    assert figure is not None
    bar = figure.colorbar(mappable, ax=ax, ticks=[0, 1], aspect=45, pad=0.015, fraction=0.03)
    bar.ax.set_yticklabels(["low", "high"], fontsize="small", color=INK)
    bar.ax.tick_params(length=0)
    bar.set_label("feature value", color=INK, fontsize="small", labelpad=-8)
    bar.outline.set_visible(False)


def _waterfall_bars(ax: Axes, starts: NDArray[np.float64], ends: NDArray[np.float64], base: float) -> None:
    """Bars, the thin lines between them, and each bar's number: inside where it fits, else beyond its end."""
    position = np.arange(len(starts))
    colours = [HIGH if end >= start else LOW for start, end in zip(starts, ends, strict=True)]
    low, high = min(base, float(ends.min())), max(base, float(ends.max()))
    span = (high - low) or max(abs(base), 1.0)
    ax.set_xlim(low - 0.14 * span, high + 0.14 * span)
    ax.barh(position, ends - starts, left=starts, height=0.68, color=colours, zorder=2)
    for y in range(len(starts) - 1):
        ax.plot([ends[y], ends[y]], [y - 0.34, y + 1.34], color=GREY, linewidth=0.8, zorder=1)
    figure: Any = ax.get_figure()
    inches = ax.get_position().width * figure.get_size_inches()[0]
    for y, (start, end) in enumerate(zip(starts, ends, strict=True)):
        text = _number(end - start, signed=True)
        # about 0.075 inch a character at this size, in units of the axis
        fits = abs(end - start) > 1.28 * span * 0.075 * (len(text) + 1) / inches
        side = 1 if end >= start else -1
        ax.annotate(
            text,
            ((start + end) / 2 if fits else end, y),
            (0 if fits else 4 * side, 0),
            textcoords="offset points",
            ha="center" if fits else ("left" if side > 0 else "right"),
            va="center",
            color="white" if fits else INK,
            fontsize="small",
            zorder=4,
        )


def _end_labels(ax: Axes, base: float, output: float, n_bars: int, *, complete: bool) -> None:
    """Say where the waterfall starts and ends."""
    low, high = ax.get_xlim()
    for x, y, line, text in (
        (base, -0.72, (-0.95, -0.34), f"base value = {_number(base, digits=4)}"),
        (
            output,
            n_bars - 0.28,
            (n_bars - 1 + 0.34, n_bars - 0.05),
            f"{'f(x)' if complete else 'sum'} = {_number(output, digits=4)}",
        ),
    ):
        ax.plot([x, x], line, color=INK, linewidth=1.1, linestyle=(0, (2, 2)), zorder=1)
        left = x < (low + high) / 2
        ax.annotate(
            text, (x, y), (5 if left else -5, 0), textcoords="offset points", ha="left" if left else "right",
            va="center", color=INK, fontsize="small", fontweight="bold",
        )  # fmt: skip


def _tick_names(explanation: Explanation, shown: NDArray[np.intp]) -> list[str]:
    names = [explanation.features[i] for i in shown]
    return [_shorten(name if isinstance(name, str) else f"feature {name}", _NAME_LENGTH) for name in names]


def _shorten(text: str, length: int) -> str:
    """Cut the middle out: long names often differ at their ends."""
    if len(text) <= length:
        return text
    head = (length - 1) * 2 // 3
    return f"{text[:head]}…{text[head + 1 - length :]}"


def _number(value: float, *, signed: bool = False, digits: int = 3) -> str:
    """So many significant digits, with a true minus sign."""
    if 10**digits - 0.5 <= abs(value) < 1e15:  # what rounds to 1,000 is written so too
        text = f"{value:+,.0f}" if signed else f"{value:,.0f}"
    else:
        text = f"{value:+#.{digits}g}" if signed else f"{value:#.{digits}g}"
    return ("0" if value == 0 else text.rstrip(".")).replace("-", "\N{MINUS SIGN}")


def _value(value: Any) -> str:
    """A feature's value beside its name."""
    if value is None or value is np.ma.masked or (isinstance(value, float | np.floating) and np.isnan(value)):
        return "missing"
    if isinstance(value, float | np.floating):
        number = float(value)
        text = f"{number:,.0f}" if 1e4 <= abs(number) < 1e15 else f"{number:.4g}"
        return text.replace("-", "\N{MINUS SIGN}")
    return _shorten(str(value), 20)
