"""Short texts and the HTML table that explanations show of themselves."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["html_table", "shortened"]

MAX_FEATURES = 10


def shortened(names: Sequence[Any], limit: int = 4) -> str:
    """The first names of a list."""
    shown = [str(name) for name in names[:limit]]
    return f"[{', '.join(shown)}{', ...' if len(names) > limit else ''}]"


def html_table(features: Sequence[Any], heading: str, values: NDArray[np.float64]) -> str:
    """The largest values by size, with a bar each."""
    top = np.argsort(-np.abs(values), kind="stable")[:MAX_FEATURES]
    largest = float(np.abs(values[top]).max(initial=0.0)) or 1.0
    rows = []
    for i in top:
        width = 120 * abs(float(values[i])) / largest
        bar = f'<div style="width:{width:.0f}px;height:0.8em;background:{"#e4572e" if values[i] >= 0 else "#2d7dd2"}">'
        rows.append(
            f"<tr><td>{html.escape(str(features[i]))}</td><td>{float(values[i]):.4g}</td><td>{bar}</div></td></tr>"
        )
    more = len(values) - len(top)
    tail = f"<tr><td><i>{more} more</i></td><td></td><td></td></tr>" if more else ""
    head = f"<tr><th>feature</th><th>{html.escape(heading)}</th><th></th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}{tail}</tbody></table>"
