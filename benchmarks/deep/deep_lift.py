"""Time DeepLIFT against shap.DeepExplainer on one network, and print a Markdown table.

    python benchmarks/deep/deep_lift.py                      # MLP 20-100-50-3, 100 background rows, 1 and 2 threads
    python benchmarks/deep/deep_lift.py --rows 2000 --threads 1

Answers are checked before anything is timed: against shap where it is right (ReLU, no softmax), and by completeness
everywhere. A wrong answer of ours ends the run with exit code 1. Needs torch and shap; threads are set equally for
torch and for us. The competitors take turns, so that a busy machine slows all of them.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # run as a script: the folder above is not on the path
# The forward's few products are too small for BLAS threads, and shap's torch has its own setting.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np  # noqa: E402

# shap computes in float32: 24 bits through a few hundred sums, relative to the largest attribution.
TOLERANCE_SHAP = 1e-4
TOLERANCE_COMPLETE = 1e-12


def seconds_per_row(calls: dict[str, tuple[Callable[[], Any], int]], turns: int) -> dict[str, float]:
    """Median over turns of each (call, rows that it explains), after one call that is not counted."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(turns + 1):
        for name, (call, n_rows) in calls.items():
            begin = time.perf_counter()
            call()
            if turn:
                found[name].append((time.perf_counter() - begin) / n_rows)
    return {name: statistics.median(times) for name, times in found.items()}


def models(widths: list[int]) -> dict[str, Any]:
    """One network for each kind of row in the table."""
    import torch
    from torch import nn

    def sequential(activation: type[nn.Module], *end: nn.Module) -> nn.Sequential:
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for i, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
            layers += [nn.Linear(n_in, n_out)] + ([activation()] if i < len(widths) - 2 else [])
        return nn.Sequential(*layers, *end).eval()

    return {"ReLU": sequential(nn.ReLU), "GELU, softmax": sequential(nn.GELU, nn.Softmax(dim=1))}


def checked(name: str, model: Any, rows: Any, background: Any) -> float:
    """Largest difference to shap relative to the largest attribution; ends the run where ours is wrong."""
    import shap

    import fastexplain

    native = fastexplain.deep_lift(model, rows, background)
    general = fastexplain.deep_lift(model.double(), rows, background, device="cpu")
    model.float()
    for result in (native, general):
        worst = float(np.abs(result.completeness_errors).max())
        if worst > TOLERANCE_COMPLETE:
            sys.exit(f"{name}, {result.method}: completeness error {worst:.1e}")
    scale = float(np.abs(native.values).max())
    theirs = shap.DeepExplainer(model, background).shap_values(rows, check_additivity=False)
    difference = float(np.abs(native.values - theirs).max()) / scale
    if name == "ReLU" and difference > TOLERANCE_SHAP:
        sys.exit(f"{name}: differs from shap by {difference:.1e} of the largest attribution")
    if np.abs(native.values - general.values).max() > 1e-6 * scale:
        sys.exit(f"{name}: the network and the torch path differ")
    return difference


def competitors(model: Any, X: Any, few: Any, background: Any, n_threads: int) -> dict[str, Any]:
    """Name -> (call, rows that it explains)."""
    import shap

    import fastexplain
    from fastexplain.models.networks.network import load_network

    network, explainer = load_network(model), shap.DeepExplainer(model, background)
    return {
        "deep_lift": (lambda: fastexplain.deep_lift(network, X, background, n_threads=n_threads), len(X)),
        "Numba": (
            lambda: fastexplain.deep_lift(network, X, background, n_threads=n_threads, backend="numba"),
            len(X),
        ),
        "torch path": (lambda: fastexplain.deep_lift(model, X[:200], background, device="cpu"), 200),
        "shap.DeepExplainer": (lambda: explainer.shap_values(few, check_additivity=False), len(few)),
    }


def main() -> None:
    """Check, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--widths", type=int, nargs="+", default=[20, 100, 50, 3])
    parser.add_argument("--background", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1000, help="rows explained by us; shap explains 20 of them")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=7)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")

    import shap
    import torch

    from benchmarks.common import machine

    rng = np.random.default_rng(0)
    X = rng.normal(size=(arguments.rows, arguments.widths[0])).astype(np.float32)
    background = torch.from_numpy(rng.normal(size=(arguments.background, arguments.widths[0])).astype(np.float32))
    few = torch.from_numpy(X[:20])
    where = machine(os.cpu_count() or 1)
    print(
        f"MLP {'-'.join(map(str, arguments.widths))}, {arguments.background} background rows; {where['cpu']}, "
        f"{where['cpus']} CPUs ({', '.join(where['vectors'])}), Python {where['python']}, torch {torch.__version__}, "
        f"shap {shap.__version__}. Milliseconds per row, median of {arguments.turns}, and how many times shap's.\n"
    )
    header = ["network", "threads", "deep_lift", "Numba", "torch path", "shap.DeepExplainer", "difference to shap"]
    print("|", " | ".join(header), "|\n|---|" + "--:|" * (len(header) - 1))
    for name, model in models(arguments.widths).items():
        difference = checked(name, model, few, background)
        for n_threads in arguments.threads:
            torch.set_num_threads(n_threads)
            times = seconds_per_row(competitors(model, X, few, background, n_threads), arguments.turns)
            theirs = times["shap.DeepExplainer"]
            cells = [f"{times[key] * 1e3:.3g} ({theirs / times[key]:.0f}x)" for key in header[2:5]]
            print(f"| {name} | {n_threads} | {' | '.join(cells)} | {theirs * 1e3:.3g} | {difference:.1e} |")


if __name__ == "__main__":
    main()
