"""The demo's report: rankings, one row's account and checks as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.cli.console import can_show, clip, text_bar

__all__ = ["account_lines", "describe_value", "ranking_lines", "rate", "rule"]

INDENT = "   "
_NAME = 38
_BAR = 36


def rule(width: int) -> str:
    """Return a horizontal line."""
    return ("─" if can_show("─") else "-") * width


def rate(n_rows: int, duration: float) -> str:
    """Rows per second, to three figures: ``187,000 rows/s``."""
    per_second = n_rows / max(duration, 1e-9)
    digits = max(0, len(str(int(per_second))) - 3)
    return f"{round(per_second, -digits):,.0f} rows/s"


def describe_value(value: Any) -> str:
    """Format a feature's value as it stands in the table: ``JFK``, ``7``, ``0.1456``, ``missing``."""
    if value is None or value != value:
        return "missing"
    if isinstance(value, float | np.floating):
        return f"{float(value):.4g}"
    return str(value)


def ranking_lines(names: Sequence[str], importances: Sequence[float], top_k: int) -> list[str]:
    """Global importances as a table with bars.

    Parameters
    ----------
    names, importances : sequences of length n_features, most important first
    top_k : int
        Features listed by name; the others share a line without a bar.

    Returns
    -------
    list of str
    """
    rows = list(zip(map(str, names[:top_k]), importances[:top_k], strict=True))
    largest = max((value for _, value in rows), default=0.0) or 1.0
    places = _places(largest)
    lines = [
        f"{INDENT}{clip(name, _NAME):<{_NAME}} {value:>10.{places}f}  {text_bar(value / largest, _BAR)}".rstrip()
        for name, value in rows
    ]
    n_others = len(names) - len(rows)
    if n_others > 0:  # without a bar: a sum beside single features would mislead
        lines.append(f"{INDENT}{_others(n_others):<{_NAME}} {sum(importances[top_k:]):>10.{places}f}")
    return lines


def account_lines(
    values: NDArray[np.floating], base: float, names: Sequence[str], row: Sequence[Any], top_k: int
) -> list[str]:
    """One row's prediction as a sum: from the base value, feature by feature, to the prediction.

    Parameters
    ----------
    values : array of shape (n_features,)
        Attributions to one output.
    base : float
    names, row : sequences of length n_features
        Names and the row's own values.
    top_k : int
        Features with a line of their own, largest |value| first; the others share a line.

    Returns
    -------
    list of str
    """
    order = np.argsort(-np.abs(values), kind="stable")
    steps = [(f"{names[i]} = {describe_value(row[i])}", float(values[i])) for i in order[:top_k]]
    n_others = len(values) - len(steps)
    if n_others > 0:
        steps.append((_others(n_others), float(values[order[top_k:]].sum())))
    largest = max((abs(value) for _, value in steps), default=0.0) or 1.0
    places = _places(largest)
    lines = [f"{INDENT}{'':<{_NAME}} {'effect':>10}  {'sum':>10}"]
    lines.append(f"{INDENT}{'base value (average prediction)':<{_NAME}} {'':>10}  {base:>10.{places}f}")
    running = base
    for name, value in steps:
        running += value
        bar = text_bar(abs(value) / largest, _BAR - 12)
        lines.append(
            f"{INDENT}{clip(name, _NAME):<{_NAME}} {value:>+10.{places}f}  {running:>10.{places}f}  {bar}".rstrip()
        )
    lines.append(f"{INDENT}{'prediction':<{_NAME}} {'':>10}  {running:>10.{places}f}")
    return lines


def _others(n: int) -> str:
    return f"{n} other feature{'s together' if n > 1 else ''}"


def _places(largest: float) -> int:
    """Decimals that leave about three figures of the largest number."""
    return int(np.clip(2 - np.floor(np.log10(largest)), 0, 8)) if largest < 100 else 1
