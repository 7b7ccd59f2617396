"""What explanations show of themselves in a notebook: facts in one line, and a table of the largest values."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fastexplain.explanation.explanation import Explanation

__all__ = ["html_view", "shortened"]

MAX_FEATURES = 10
_LABELS = 4
# Legible on white and on dark grey; texts take the notebook's own colour.
_POSITIVE, _NEGATIVE = "#e8502a", "#3a86d4"
_BAR_PIXELS = 160
_CELL = "padding:1px 10px 1px 0;text-align:left;border:none"
_NUMBER = "padding:1px 10px 1px 0;text-align:right;border:none;font-variant-numeric:tabular-nums"


def shortened(names: Sequence[Any], limit: int = _LABELS) -> str:
    """The first names of a list."""
    shown = [str(name) for name in names[:limit]]
    return f"[{', '.join(shown)}{', ...' if len(names) > limit else ''}]"


def html_view(explanation: Explanation, facts: Sequence[tuple[str, str]]) -> str:
    """HTML of an explanation: no scripts, no style sheet, colours that dark notebooks can show.

    Parameters
    ----------
    explanation : Explanation
    facts : sequence of (name, text)
        What `repr` says.
    """
    name = html.escape(type(explanation).__name__)
    fidelity = getattr(explanation, "fidelity", None)
    facts = [(key, text) for key, text in facts if key != "fidelity"]  # has a line of its own
    line = " · ".join(
        f"<span style='white-space:nowrap'>{html.escape(key)}: {html.escape(_cut(text, 90))}</span>"
        for key, text in [*facts, *_more_facts(explanation)]
    )
    text = f"<div><b>{name}</b><div style='font-size:small'>{line}</div>"
    if fidelity is not None:
        sign = "&#9888; " if getattr(fidelity, "poor", False) else ""
        text += f"<div style='font-size:small'>fidelity: {sign}{html.escape(fidelity.summary())}</div>"
    table = _one_row_table(explanation) or _importance_table(explanation)
    return f"{text}{'' if table is None else _html_table(explanation.features, table)}</div>"


def _more_facts(explanation: Explanation) -> list[tuple[str, str]]:
    """What `repr` has no room for."""
    facts = []
    if explanation.path is not None:
        facts.append(("path", explanation.path))
    if explanation.model_type is not None:
        facts.append(("model", explanation.model_type.removeprefix("<class '").removesuffix("'>").rpartition(".")[2]))
    if hasattr(explanation, "expected_values"):
        values = explanation.expected_values
        shown = ", ".join(_number(value) for value in values[:_LABELS])
        facts.append(("expected value" if len(values) == 1 else "expected values", shown))
        if len(values) > _LABELS:
            facts[-1] = (facts[-1][0], f"{shown}, ...")
    return facts


class _Table(NamedTuple):
    """Columns of the table.

    Attributes
    ----------
    heading : str
    values : array of shape (n_features,)
    half : array of shape (n_features,), or None
        Half the 95% intervals.
    cells : callable, or None
        From feature to its value in the row.
    by_size : bool
        Order by size, as for one row; else from the most positive to the most negative, as importances are ranked.
    """

    heading: str
    values: NDArray[np.float64]
    half: NDArray[np.float64] | None = None
    cells: Any = None
    by_size: bool = False


def _importance_table(explanation: Explanation) -> _Table | None:
    """Importances, or the mean |value| of local ones."""
    from fastexplain.explanation.plots._one_row import HALF_95
    from fastexplain.explanation.plots._values import has_rows, output_importances

    known = getattr(explanation, "_global_importance_values", None)
    if known is not None:
        errors = getattr(explanation, "importance_errors", None)
        is_mean = getattr(explanation, "_importances").ndim == 2  # noqa: B009 - global explanations only
        return _Table("mean |value|" if is_mean else "importance", known, None if errors is None else HALF_95 * errors)
    if not has_rows(explanation) or not explanation.num_examples:  # type: ignore[attr-defined]
        return None
    return _Table("mean |value|", output_importances(explanation).mean(axis=0))


def _one_row_table(explanation: Explanation) -> _Table | None:
    """Values of a local explanation's only row, with what the features were."""
    from fastexplain.explanation.plots._choice import choose_output
    from fastexplain.explanation.plots._one_row import HALF_95, standard_errors
    from fastexplain.explanation.plots._values import Values, columns, has_rows

    if not has_rows(explanation) or hasattr(explanation, "_importances"):
        return None
    if explanation.num_examples != 1:  # type: ignore[attr-defined]
        return None
    output = choose_output(explanation, None, 0)
    column = columns(explanation, None, 1)
    errors = standard_errors(explanation, 0, output.column)
    return _Table(
        "value" if output.label is None else f"value for {output.label}",
        Values(explanation, output.column, output.sign).row(0),
        HALF_95 * errors if errors.any() else None,
        None if column is None else lambda feature: _cell(column(feature)[0]),
        by_size=True,
    )


def _html_table(features: Sequence[Any], table: _Table) -> str:
    """The largest values by size, with a bar each."""
    values = table.values
    top = np.argsort(-np.abs(values), kind="stable")[:MAX_FEATURES]
    if not len(top):
        return ""
    if not table.by_size:
        top = top[np.argsort(-values[top], kind="stable")]
    half = np.zeros(len(values)) if table.half is None else np.nan_to_num(table.half)
    low = float(np.minimum(values - half, 0.0)[top].min())
    high = float(np.maximum(values + half, 0.0)[top].max())
    head = [
        "feature",
        *(["feature value"] if table.cells else []),
        table.heading,
        *(["± 95%"] if half.any() else []),
        "",
    ]
    rows = []
    for i in top:
        cells = [(_CELL, html.escape(_cut(features[i], 60)))]
        if table.cells is not None:
            cells.append((_CELL, html.escape(table.cells(int(i)))))
        cells.append((_NUMBER, _number(float(values[i]))))
        if half.any():
            cells.append((_NUMBER, _number(float(half[i]))))
        cells.append((_CELL, _bar(float(values[i]), float(half[i]), low, high)))
        rows.append("".join(f"<td style='{style}'>{cell}</td>" for style, cell in cells))
    more = len(values) - len(top)
    if more:
        rows.append(f"<td style='{_CELL};opacity:.65' colspan='{len(head)}'>{more:,} more</td>")
    heads = "".join(
        f"<th style='{_NUMBER if name in (table.heading, '± 95%') else _CELL}'>{html.escape(name)}</th>"
        for name in head
    )
    body = "".join(f"<tr style='background:none'>{row}</tr>" for row in rows)
    return f"<table style='border-collapse:collapse;margin:.4em 0'><tr>{heads}</tr>{body}</table>"


def _bar(value: float, half: float, low: float, high: float) -> str:
    """A bar from zero, and its interval as a thin line."""
    span = (high - low) or 1.0

    def box(start: float, stop: float, style: str) -> str:
        left, width = 100 * (start - low) / span, 100 * (stop - start) / span
        return f"<div style='position:absolute;left:{left:.1f}%;width:{width:.1f}%;{style}'></div>"

    colour = _POSITIVE if value >= 0 else _NEGATIVE
    boxes = box(min(value, 0.0), max(value, 0.0), f"height:100%;background:{colour}")
    if half:
        boxes += box(value - half, value + half, "top:45%;height:1px;background:currentColor")
    if low < 0:
        boxes += box(0.0, 0.0, "height:100%;border-left:1px solid currentColor;opacity:.5")
    return f"<div style='position:relative;width:{_BAR_PIXELS}px;height:.8em'>{boxes}</div>"


def _cell(x: Any) -> str:
    """A feature's value: numbers short, texts cut."""
    from fastexplain.explanation.plots._words import value

    return _cut(x, 40) if isinstance(x, str) else value(x, 40).replace(r"\$", "$")


def _number(x: float) -> str:
    from fastexplain.explanation.plots._words import number

    return number(x)


def _cut(text: Any, length: int) -> str:
    text = str(text)
    return text if len(text) <= length else f"{text[: length - 1]}…"
