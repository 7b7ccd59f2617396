"""Time scoring explainers beside the predictions that they accompany, and print the table.

    python benchmarks/scoring/scoring.py [--write]

Every answer is checked before it is timed. Times are medians of calls made in turns; what binds is ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
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
from benchmarks.common import README, fill, machine  # noqa: E402
from benchmarks.tree import zoo  # noqa: E402
from fastexplain.scoring import ScoringExplainer, load, save, scoring_explainer  # noqa: E402

BEGIN, END = "<!-- begin scoring -->", "<!-- end scoring -->"
Row = tuple[str, str, str]

# CPU seconds of a process from its start to its first scored row.
FIRST_ROW = """
import sys, time
import numpy as np
from fastexplain.scoring import load
load(sys.argv[1]).score(np.load(sys.argv[2]))
libraries = {"lightgbm", "narwhals", "numba", "pandas", "scipy", "sklearn", "tqdm"}
assert not libraries & {name.split(".")[0] for name in sys.modules}
print(time.process_time())
"""


def medians(calls: dict[str, Callable[[], Any]], turns: int) -> dict[str, float]:
    """Median seconds of each call, made in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(turns):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in seconds.items()}


def one_row(turns: int) -> tuple[list[Row], ScoringExplainer, NDArray[np.float64]]:
    """A row of lgbm-31 in several containers, beside LightGBM's own predict of it; and many rows beside the kernel."""
    import pandas as pd

    model, X = zoo.load(zoo.build("lgbm-31"))
    names = [f"feature {i}" for i in range(X.shape[1])]
    scorer = scoring_explainer(fastexplain.TreeExplainer(model, features=names))
    frame = pd.DataFrame(X, columns=names)
    row, record, one = X[0], frame.iloc[0].to_dict(), frame.iloc[:1]
    expected = model.predict(X[:100])
    given = scorer.score(X[:100]).probabilities
    ours = scorer.score(X[:100]).predictions if given is None else given[:, 1]
    assert np.abs(ours - expected).max() <= 1e-12 * np.abs(expected).max()
    first = X[:1]
    took = medians(
        {
            "array": lambda: scorer.score(row),
            "dict": lambda: scorer.score(record),
            "frame": lambda: scorer.score(one),
            "predict": lambda: model.predict(first),
            "contrib": lambda: model.predict(first, pred_contrib=True),
        },
        turns,
    )
    forest = fastexplain.load_model(model).forest
    many = X[:10_000]
    batch = medians(
        {
            "score": lambda: scorer.score(many, n_threads=1),
            "kernel": lambda: fastexplain.tree_shap(forest, many, n_threads=1),
        },
        max(5, turns // 50),
    )
    micro = {name: f"{1e6 * each:.0f} us" for name, each in took.items()}
    rows = [
        ("one row, values and prediction, NumPy", micro["array"], "35 us"),
        ("the same over LightGBM's predict", f"{took['array'] / took['predict']:.2f}x ({micro['predict']})", "1.3x"),
        ("the same over its pred_contrib", f"{took['array'] / took['contrib']:.2f}x ({micro['contrib']})", ""),
        ("one row, dict", micro["dict"], "60 us"),
        ("one row, pandas frame", micro["frame"], "250 us"),
        ("10,000 rows over the kernel alone", f"{batch['score'] / batch['kernel']:.2f}x", "1.15x"),
    ]
    return rows, scorer, first


def preprocessing(turns: int) -> list[Row]:
    """A raw row of 10 numbers and 10 labels, beside the pipeline of scikit-learn that its table was made of."""
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    random = np.random.default_rng(0)
    numbers = {f"n{i}": random.normal(size=2_000) for i in range(10)}
    labels = {f"c{i}": random.choice(list("abcdefgh"), 2_000) for i in range(10)}
    frame = pd.DataFrame({**numbers, **labels})
    transformer = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), list(numbers)),
            ("labels", OneHotEncoder(handle_unknown="ignore"), list(labels)),
        ]
    )
    pipeline = make_pipeline(transformer, LogisticRegression(max_iter=1_000)).fit(frame, frame["n0"] > 0)
    scorer = scoring_explainer(fastexplain.TabularExplainer(pipeline, frame))
    table, record, one = scorer._parts.preprocessing, frame.iloc[0].to_dict(), frame.iloc[:1]
    assert table is not None
    values = list(record.values())
    expected = transformer.transform(one)
    assert np.array_equal(table.transform_row(values), np.asarray(expected.todense()).ravel())
    took = medians(
        {
            "row": lambda: table.transform_row(values),
            "raw": lambda: scorer.score(record),
            "sklearn": lambda: transformer.transform(one),
            "predict": lambda: pipeline.predict_proba(one),
        },
        max(20, turns // 5),
    )
    return [
        ("raw row of 10 numbers and 10 labels, preprocessing alone", f"{1e6 * took['row']:.0f} us", "30 us"),
        ("scikit-learn's over it", f"{took['sklearn'] / took['row']:.0f}x", "20x"),
        ("predict_proba of the pipeline over values and prediction", f"{took['predict'] / took['raw']:.0f}x", ""),
    ]


def files(scorer: ScoringExplainer, first: NDArray[np.float64], turns: int) -> list[Row]:
    """Size of an artifact, and what loading it takes."""
    from sklearn.ensemble import RandomForestRegressor

    random = np.random.default_rng(0)
    X = random.normal(size=(20_000, 10))
    forest = RandomForestRegressor(16, n_jobs=-1, random_state=0).fit(X, X[:, 0] * X[:, 1] + random.normal(size=len(X)))
    n_leaves = sum(tree.get_n_leaves() for tree in forest.estimators_)
    with tempfile.TemporaryDirectory() as folder:
        small, zipped, large = (Path(folder) / name for name in ("small", "small.zip", "large"))
        save(scorer, small)
        save(scorer, zipped)
        save(scoring_explainer(fastexplain.TreeExplainer(forest)), large)
        calls: dict[str, Callable[[], Any]] = {
            str(path): (lambda path=path: load(path)) for path in (small, zipped, large)
        }
        took = medians(calls, max(10, turns // 50))
        np.save(Path(folder) / "row.npy", first)
        arguments = [sys.executable, "-c", FIRST_ROW, str(small), str(Path(folder) / "row.npy")]
        starts = [float(subprocess.run(arguments, check=True, capture_output=True).stdout) for _ in range(7)]
        size = zipped.stat().st_size
    return [
        ("load, 100 trees (directory)", f"{1e3 * took[str(small)]:.1f} ms", "10 ms"),
        ("load, 100 trees (zip)", f"{1e3 * took[str(zipped)]:.1f} ms", ""),
        (f"load, {n_leaves:,} leaves (directory)", f"{1e3 * took[str(large)]:.1f} ms", "60 ms"),
        ("process start to first scored row, CPU", f"{statistics.median(starts):.2f} s", "0.35 s"),
        ("size of lgbm-31, zipped", f"{size / 1e3:.0f} KB", "150 KB"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="fill the table of benchmarks/README.md")
    parser.add_argument("--turns", type=int, default=2_000, help="calls of one row; default: 2000")
    arguments = parser.parse_args()
    rows, scorer, first = one_row(arguments.turns)
    rows += preprocessing(arguments.turns)
    rows += files(scorer, first, arguments.turns)
    lines = ["| what | median | asked |", "|---|--:|--:|", *(f"| {' | '.join(row)} |" for row in rows)]
    where = machine(len(os.sched_getaffinity(0)))
    body = "\n".join([f"On {json.dumps(where)}.", "", *lines])
    print(body)
    if arguments.write:
        fill(README, BEGIN, END, body)


if __name__ == "__main__":
    main()
