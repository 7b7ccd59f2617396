"""Time of `fastexplain.tree_shap` alone, with pytest-benchmark: to compare two versions of this package.

    python -m pytest benchmarks/tree/bench_tree_shap.py
    FASTEXPLAIN_BENCH_CASES="xgb-d8 rf" python -m pytest benchmarks/tree/bench_tree_shap.py --benchmark-autosave

Each case checks its answer, then times it. Comparison with other libraries: ``run.py``.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.tree import rivals, run, zoo

# Rows that take about a second of one thread at the very most, so that the whole suite stays within minutes.
ROWS = {"xgb-d6": 5_000, "lgbm-31": 10_000, "xgb-d8": 1_000, "lgbm-255": 500, "rf": 50, "flights": 5_000}
# Trained within seconds; the others are chosen by name.
DEFAULT_CASES = "xgb-d6 lgbm-31 rf"
CHECKED_ROWS = 50

CASES = os.environ.get("FASTEXPLAIN_BENCH_CASES", DEFAULT_CASES).split()
THREADS = sorted({1, len(os.sched_getaffinity(0))})
PARAMS = [
    pytest.param(name, ROWS[name], n_threads, dtype, id=f"{name}-{ROWS[name]}rows-{n_threads}threads-{dtype}")
    for name in CASES
    for n_threads in THREADS
    for dtype in ("float64", "float32")
]


def built(name: str) -> Path:
    """Train in a process of its own: LightGBM's and XGBoost's OpenMP runtimes should not both start threads here."""
    library = zoo.CASES[name].library
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    subprocess.run([sys.executable, zoo.__file__, name], check=True, stdout=subprocess.DEVNULL)
    return zoo.build(name)


@pytest.mark.parametrize(("name", "n_rows", "n_threads", "dtype"), PARAMS)
def time_tree_shap_path_dependent(benchmark: Any, name: str, n_rows: int, n_threads: int, dtype: str) -> None:
    folder = built(name)
    model, X = zoo.load(folder)
    ours = rivals.COMPETITORS["fastexplain" if dtype == "float64" else "fastexplain-f32"](model, n_threads)

    ours.bind(X[:CHECKED_ROWS])
    values, base_value = ours.values(ours.explain())
    raw = np.asarray(rivals.raw_prediction(model, X[:CHECKED_ROWS], 1), dtype=np.float64)
    tolerance = run.TOLERANCE_ADDITIVE[zoo.CASES[name].library] if ours.double else run.TOLERANCE_SINGLE
    np.testing.assert_allclose(values.sum(1) + base_value, raw, atol=tolerance * max(1.0, float(np.abs(raw).max())))

    ours.bind(np.ascontiguousarray(X[:n_rows]))
    benchmark.extra_info.update(asdict(zoo.describe(folder)), n_rows=n_rows, n_threads=n_threads, dtype=dtype)
    benchmark.pedantic(ours.explain, warmup_rounds=1, rounds=5)
    if benchmark.stats is not None:  # none under --benchmark-disable
        benchmark.extra_info["microseconds_per_row"] = benchmark.stats.stats.median / n_rows * 1e6
