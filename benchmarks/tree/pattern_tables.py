"""Tree SHAP by tables beside the quadrature kernel: by the limit of states, and by the number of rows.

    OMP_WAIT_POLICY=passive python benchmarks/tree/pattern_tables.py [--cases xgb-d6 lgbm-31] [--repeats 9]

Prints two Markdown tables. Both ways explain the same rows in one process, in turns, one thread; figures are medians of
CPU time. Answers are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # run as a script: the folder above is not on the path

import fastexplain  # noqa: E402
from benchmarks.tree import zoo  # noqa: E402
from fastexplain._core import TreeShap  # noqa: E402
from fastexplain.models import Forest  # noqa: E402

__all__ = ["by_rows", "by_states"]

STATES = (16, 64, 128, 256)
ROWS = (1, 4, 16, 64, 256, 1024)
# Relative to the largest value.
TOLERANCE = {True: 1e-5, False: 1e-12}

Rows = NDArray[np.floating[Any]]


class Way:
    """A compiled forest, what compiling it took, and calls of it."""

    def __init__(self, forest: Forest, float32: bool, max_states: int) -> None:
        began = time.process_time()
        self._compiled = TreeShap(forest, float32_lanes=float32, n_threads=1, max_states=max_states)
        self.seconds = time.process_time() - began
        self.megabytes = self._compiled.memory / 1e6
        self._shape = (forest.n_features, forest.n_outputs)

    def __call__(self, rows: Rows) -> NDArray[np.float64]:
        values = np.empty((len(rows), *self._shape))
        self._compiled.explain(rows, values, max_points=1 << 20, n_threads=1)
        return values


def timed(calls: list[Callable[[], object]], repeats: int, least: float = 0.02) -> list[float]:
    """Median CPU seconds of each call, taken in turns; short calls are repeated for `least` seconds in a turn."""
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, found in zip(calls, seconds, strict=True):
            began, n = time.process_time(), 0
            while n == 0 or time.process_time() - began < least:
                call()
                n += 1
            found.append((time.process_time() - began) / n)
    return [float(np.median(found)) for found in seconds]


def by_states(forest: Forest, rows: Rows, repeats: int) -> list[str]:
    """Lines of a table: microseconds per row and ratio to the quadrature kernel, by the limit of states."""
    lines = []
    for float32 in (True, False):
        quadrature = Way(forest, float32, 0)
        ways = [Way(forest, float32, states) for states in STATES]
        expected = Way(forest, False, 0)(rows)
        for way in ways:
            error = np.abs(way(rows) - expected).max() / np.abs(expected).max()
            if not error <= TOLERANCE[float32]:
                raise AssertionError(f"values by tables are off by {error:.1e} of the largest")
        taken = timed([lambda way=way: way(rows) for way in [quadrature, *ways]], repeats)
        per_row = [1e6 * seconds / len(rows) for seconds in taken]
        cells = [f"{us:.3g} ({per_row[0] / us:.2f}x)" for us in per_row[1:]]
        extra = f"{1e3 * (ways[-1].seconds - quadrature.seconds):.0f} | {ways[-1].megabytes - quadrature.megabytes:.1f}"
        lines.append(f"| {'float32' if float32 else 'float64'} | {per_row[0]:.3g} | {' | '.join(cells)} | {extra} |")
    return lines


def by_rows(forest: Forest, rows: Rows, repeats: int) -> list[str]:
    """Lines of a table: microseconds per call by tables and by quadrature, by the number of rows."""
    lines = []
    for float32 in (True, False):
        ways = [Way(forest, float32, 256), Way(forest, float32, 0)]
        cells = []
        for n in ROWS:
            parts = [rows[begin : begin + n] for begin in range(0, min(len(rows), 16 * n), n)]
            calls = [lambda way=way, parts=parts: [way(part) for part in parts] for way in ways]
            tables, quadrature = (1e6 * seconds / len(parts) for seconds in timed(calls, repeats, 0.005))
            cells.append(f"{tables:.3g} / {quadrature:.3g}")
        lines.append(f"| {'float32' if float32 else 'float64'} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--cases", nargs="+", default=["xgb-d6", "lgbm-31", "flights", "xgb-d8", "lgbm-255"])
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    first, second = [], []
    for name in options.cases:
        model, X = zoo.load(zoo.build(name))
        loaded = fastexplain.load_model(model)
        n_rows = min(zoo.CASES[name].n_rows, 10_000)
        rows = loaded.prepare(X[:n_rows])
        first += [f"| {name} {line}" for line in by_states(loaded.forest, rows, options.repeats)]
        if name in ("xgb-d6", "lgbm-31"):
            second += [f"| {name} {line}" for line in by_rows(loaded.forest, rows, options.repeats)]
    limits = " | ".join(f"{states} states" for states in STATES)
    print(f"| model | lanes | quadrature | {limits} | tables, ms | MB |\n|---|---|--:|{'--:|' * (len(STATES) + 2)}")
    print("\n".join(first), end="\n\n")
    print(f"| model | lanes | {' | '.join(f'{n} rows' for n in ROWS)} |\n|---|---|{'--:|' * len(ROWS)}")
    print("\n".join(second))


if __name__ == "__main__":
    main()
