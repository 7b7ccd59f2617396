"""Tree SHAP against a background, beside shap, shapiq and woodelf: microseconds per row, and ratios.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive python benchmarks/tree/interventional.py [--cases rf-100 xgb-d6-1000]

Prints a Markdown table. Everything runs in one process with one thread, in turns; figures are medians of CPU time, and
hold all that a library does in a call: ours compiles the background in the first call and keeps it, so its column
"background" has what that costs. Rivals explain fewer rows. Answers are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # run as a script: the folder above is not on the path

import fastexplain  # noqa: E402
from benchmarks.tree import zoo  # noqa: E402
from fastexplain.models.trees.base import TreeModel  # noqa: E402

__all__ = ["CASES", "Case", "measure"]

Array = NDArray[np.float64]
# Of the largest value: shap and woodelf sum in float32 and keep float32 thresholds.
TOLERANCE = 1e-4


class Case(NamedTuple):
    """A model of the zoo, or the classifier, and how it is explained.

    Attributes
    ----------
    model : str
    n_background : int
    n_rows : int
        That we explain.
    rivals : dict
        Rows that each rival explains.
    output : {"raw", "probability"}
    """

    model: str
    n_background: int
    n_rows: int
    rivals: dict[str, int]
    output: str = "raw"


CASES = {
    "rf-100": Case("rf", 100, 64, {"shapiq": 2}),
    "xgb-d6-100": Case("xgb-d6", 100, 10_000, {"shap": 20, "shapiq": 20, "woodelf": 10_000}),
    "xgb-d6-1000": Case("xgb-d6", 1000, 10_000, {"shapiq": 10, "woodelf": 10_000}),
    "xgb-d6-100000": Case("xgb-d6", 100_000, 10_000, {"woodelf": 10_000}),
    "probability-100": Case("classifier", 100, 200, {"shap": 20}, output="probability"),
}


def shap_values(model: Any, background: Array, output: str) -> Callable[[Array], Array]:
    """Shap's own kernel: it keeps 100 background rows and drops the others."""
    import shap

    explainer = shap.TreeExplainer(model, background, feature_perturbation="interventional", model_output=output)
    return lambda rows: np.asarray(explainer.shap_values(rows, check_additivity=False))


def shapiq_values(model: Any, background: Array, output: str) -> Callable[[Array], Array]:
    import shapiq

    explainer = shapiq.TreeExplainer(
        model, mode="interventional", index="SV", max_order=1, reference_dataset=background
    )

    def explain(rows: Array) -> Array:
        values = np.zeros(rows.shape)
        for row, to in zip(rows, values, strict=True):
            for players, value in explainer.explain(row).dict_values.items():
                if len(players) == 1:
                    to[players[0]] = value
        return values

    return explain


def woodelf_values(model: Any, background: Array, output: str) -> Callable[[Array], Array]:
    import pandas as pd
    from woodelf import WoodelfExplainer

    names = [f"f{i}" for i in range(background.shape[1])]
    explainer = WoodelfExplainer(model, pd.DataFrame(background, columns=names), feature_perturbation="interventional")
    return lambda rows: np.asarray(explainer.shap_values(pd.DataFrame(rows, columns=names), verbose=False))


RIVALS = {"shap": shap_values, "shapiq": shapiq_values, "woodelf": woodelf_values}


def classifier() -> tuple[Any, Array]:
    """xgb-d6 as a classifier of two classes."""
    import xgboost

    X, y = zoo.synthetic(20_000, 14, seed=1)
    parameters = {"objective": "binary:logistic", "max_depth": 6, "tree_method": "hist", "nthread": 1, "seed": 0}
    model = xgboost.train(parameters, xgboost.DMatrix(X, y > np.median(y)), num_boost_round=100)
    return model, zoo.synthetic(20_000, 14, seed=2)[0]


def measure(name: str, repeats: int) -> str:
    """A line of the table."""
    case = CASES[name]
    model, X = classifier() if case.model == "classifier" else zoo.load(zoo.build(case.model))
    rows = X[:10_000]
    spare = X[10_000:] if len(X) >= 10_000 + case.n_background else zoo.synthetic(case.n_background, 14, seed=3)[0]
    background = np.ascontiguousarray(spare[: case.n_background])
    loaded = fastexplain.load_model(model)
    began = time.process_time()
    ours(loaded, rows[:1], background, case.output)
    first = time.process_time() - began
    calls: dict[str, tuple[Callable[[], Any], int]] = {
        "fastexplain": (lambda: ours(loaded, rows[: case.n_rows], background, case.output), case.n_rows)
    }
    for rival, n_rows in case.rivals.items():
        explain = RIVALS[rival](model, background, case.output)
        check(rival, explain(rows[: min(n_rows, 20)]), ours(loaded, rows[: min(n_rows, 20)], background, case.output))
        calls[rival] = (lambda explain=explain, n_rows=n_rows: explain(rows[:n_rows]), n_rows)
    taken = medians({each: call for each, (call, _) in calls.items()}, repeats)
    per_row = {each: 1e6 * taken[each] / calls[each][1] for each in calls}
    own = per_row.pop("fastexplain")
    cells = [f"{per_row[rival]:,.4g} ({per_row[rival] / own:.3g}x)" if rival in per_row else "" for rival in RIVALS]
    return f"| {name} | {own:,.4g} | {1e3 * first:.3g} ms | {' | '.join(cells)} |"


def ours(model: TreeModel, rows: Array, background: Array, output: str) -> Array:
    return fastexplain.tree_shap(model, rows, background=background, model_output=output, n_threads=1).values


def check(rival: str, theirs: Array, values: Array) -> None:
    expected = values[:, :, 0]
    error = np.abs(theirs.reshape(expected.shape) - expected).max() / np.abs(expected).max()
    if not error <= TOLERANCE:
        raise AssertionError(f"{rival} and fastexplain differ by {error:.1e} of the largest value")


def medians(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """CPU seconds of each call, taken in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            began = time.process_time()
            call()
            seconds[name].append(time.process_time() - began)
    return {name: float(np.median(found)) for name, found in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--cases", nargs="+", choices=sorted(CASES), default=list(CASES))
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(
        f"| case-background rows | fastexplain | background | {' | '.join(RIVALS)} |\n|---|{'--:|' * (2 + len(RIVALS))}"
    )
    for name in options.cases:
        print(measure(name, options.repeats), flush=True)


if __name__ == "__main__":
    main()
