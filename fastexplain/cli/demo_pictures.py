"""The demo's pictures. Figures are made without pyplot, so that no display and no global state is involved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastexplain.cli.demo_tasks import Task
    from fastexplain.explanation import GlobalLocalExplanation, PermutationExplanation

__all__ = ["draw_any_model", "draw_global", "draw_row"]

N_FEATURES = 10
DPI = 150


def draw_global(explanation: GlobalLocalExplanation, task: Task, title: str, path: Path) -> None:
    """Draw importances beside every row's values, and write a PNG."""
    from fastexplain.explanation import plot_bar, plot_beeswarm

    figure, left, right = _bars_beside_swarms()
    plot_bar(explanation, ax=left, max_display=N_FEATURES)
    plot_beeswarm(explanation, task.X, ax=right, max_display=N_FEATURES)
    right.set_yticklabels([])  # the same features in the same order as on the left
    left.set_xlabel(f"mean |SHAP value|, {task.unit}")
    categories = " (grey: categories, which have no order)" if "category" in map(str, task.X.dtypes) else ""
    right.set_xlabel(f"SHAP value of each row, {task.unit}{categories}")
    _title(figure, f"{title.split(' (')[0]} ({len(task.X):,} rows explained)")
    figure.savefig(path, dpi=DPI)


def draw_any_model(
    explanation: GlobalLocalExplanation, importance: PermutationExplanation, X: pd.DataFrame, title: str, path: Path
) -> None:
    """Draw permutation importances beside every row's values, and write a PNG."""
    figure, left, right = _bars_beside_swarms()
    importance.plot.bar(ax=left, max_display=N_FEATURES)
    left.set_xlabel("drop in accuracy when permuted, 95% interval")
    explanation.plot.beeswarm(X, ax=right, max_display=N_FEATURES)
    right.set_xlabel("SHAP value of each row, margin of benign")
    _title(figure, f"{title} ({len(X):,} held-out rows)")
    figure.savefig(path, dpi=DPI)


def draw_row(explanation: GlobalLocalExplanation, task: Task, row: int, path: Path) -> None:
    """Draw how one row's prediction comes about, and write a PNG."""
    from matplotlib.figure import Figure

    from fastexplain.explanation import plot_waterfall

    figure = Figure(figsize=(9, 5.2), layout="constrained")
    axes = figure.subplots()
    plot_waterfall(explanation, row, task.X, ax=axes, max_display=N_FEATURES)
    axes.set_xlabel(task.unit)
    _title(figure, f"Row {row:,}: {task.picked}")
    figure.savefig(path, dpi=DPI)


def _bars_beside_swarms() -> tuple[Figure, Axes, Axes]:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(13.5, 5.4), layout=ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.1))
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
    return figure, left, right


def _title(figure: Any, text: str) -> None:
    figure.suptitle(text, x=0.012, ha="left", fontsize="large", fontweight="bold")
