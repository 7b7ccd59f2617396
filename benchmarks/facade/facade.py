"""What the facade costs: against the engine's call alone, and against interpret-community in its own environment.

    python benchmarks/facade/facade.py [--rival-python PATH] [--threads 1] [--quick]

Explains a LightGBM model (100 trees, 31 leaves) of 50 features, each task in a process of its own with equal threads.
PATH is a Python that has interpret-community and lightgbm; answers are compared before anything is timed. Prints
a Markdown table: medians, and what the project asks for. With one thread, of CPU time, which other processes do not
disturb much.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # run as a script: the folder above is not on the path

from benchmarks.common import THREAD_VARIABLES, machine  # noqa: E402
from benchmarks.tree import zoo  # noqa: E402

__all__ = ["FULL", "QUICK", "Setting", "compare", "measure", "save", "table"]

WORKER = Path(__file__).resolve().parent / "facade_worker.py"
# The same sums of float64 numbers in another order.
TOLERANCE = 1e-9
# Seconds, or times the engine's call, or bytes.
ASKED = {"ratio": 1.3, "one_row": 150e-6, "data": 0.05, "import": 0.5, "memory": 1e9}
IMPORT = "import time; t = time.process_time(); import {0}; {0}.TabularExplainer; print(time.process_time() - t)"


@dataclass(frozen=True)
class Setting:
    """Sizes of one run.

    Attributes
    ----------
    rows, trees, examples : int
        Explained rows; trees of the model; rows that explainers are built on.
    repeats : int
        Timed calls, whose median counts.
    calls : int
        Timed calls of one row.
    copies : int
        How many times the rows are explained without local values.
    """

    rows: int
    trees: int
    examples: int
    repeats: int
    calls: int
    copies: int


FULL = Setting(rows=10_000, trees=100, examples=10_000, repeats=7, calls=500, copies=100)
QUICK = Setting(rows=150, trees=3, examples=120, repeats=1, calls=5, copies=2)


def save(folder: Path, setting: Setting) -> None:
    """Train the models and save them with their rows."""
    import lightgbm

    X, y = zoo.synthetic(setting.examples, 50, seed=11)
    parameters = {"num_leaves": 31, "verbose": -1, "seed": 0, "num_threads": 1, "deterministic": True}
    booster = lightgbm.train(parameters, lightgbm.Dataset(X, y), num_boost_round=setting.trees)
    booster.save_model(str(folder / "model.txt"))
    coef = np.linalg.lstsq(X, y, rcond=None)[0]
    np.savez(folder / "linear.npz", coef=coef, intercept=y.mean())
    np.save(folder / "examples.npy", X)
    np.save(folder / "rows.npy", zoo.synthetic(setting.rows, 50, seed=12)[0])


# --- measuring -------------------------------------------------------------------------------------------------------


def ask(python: str, library: str, folder: Path, task: str, repeats: int, n_threads: int) -> dict[str, Any]:
    """What `facade_worker` answers.

    Raises
    ------
    SystemExit
        The child failed; with the end of what it said.
    """
    answer = folder / "answer.json"
    command = [python, "-W", "ignore", str(WORKER), str(folder), library, task, str(repeats), str(n_threads)]
    _run([*command, str(answer)], n_threads)
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


def import_seconds(python: str, library: str, repeats: int) -> list[float]:
    """CPU seconds until TabularExplainer can be used, in fresh interpreters; one before them does not count."""
    return [float(_run([python, "-c", IMPORT.format(library)], 1).splitlines()[-1]) for _ in range(repeats + 1)][1:]


def _run(command: list[str], n_threads: int) -> str:
    variables = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(n_threads))}
    variables.pop("PYTHONPATH", None)  # the rival's packages are its own
    if command[0] == sys.executable:
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), *_checkout()]))
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:6])} failed:\n{done.stderr[-1500:]}")
    return done.stdout


def _checkout() -> list[str]:
    """The checkout's folder, if it is what this process imports fastexplain from."""
    import fastexplain

    found = Path(fastexplain.__file__).resolve().parent.parent
    return [str(found)] if found == ROOT else []


def compare(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """Largest difference of two answers of the task "values", relative to the largest value.

    Raises
    ------
    SystemExit
        It is more than rounding.
    """
    a, b = (np.array(side["values"], dtype=np.float64) for side in (ours, theirs))
    if a.shape != b.shape:
        raise SystemExit(f"Answers have the shapes {a.shape} and {b.shape}: nothing is timed.")
    gap = max(np.abs(a - b).max(), np.abs(np.subtract(ours["expected"], theirs["expected"])).max()) / np.abs(a).max()
    if not gap <= TOLERANCE:
        raise SystemExit(f"Answers differ by {gap:.1e} of the largest value: nothing is timed.")
    return float(gap)


def measure(folder: Path, setting: Setting, n_threads: int, rival_python: str | None) -> dict[str, Any]:
    """All tasks of both libraries, or of ours alone: {"gap", "ours": {task: answer}, "theirs": ... or None}."""
    ours = {"values": ask(sys.executable, "fastexplain", folder, "values", 1, n_threads)}
    theirs: dict[str, Any] | None = None
    gap = None
    if rival_python is not None:
        theirs = {"values": ask(rival_python, "interpret_community", folder, "values", 1, n_threads)}
        gap = compare(ours["values"], theirs["values"])
    tasks = {"both": setting.repeats, "one_row": setting.calls, "data": setting.repeats, "memory": setting.copies}
    for task, repeats in tasks.items():
        ours[task] = ask(sys.executable, "fastexplain", folder, task, repeats, n_threads)
    ours["import"] = {"seconds": import_seconds(sys.executable, "fastexplain", setting.repeats)}
    if theirs is not None and rival_python is not None:
        # data(-1) takes it 40 s at full size: one call; and its copies stay away from a gigabyte of lists
        fewer = {**tasks, "both": min(3, setting.repeats), "one_row": min(50, setting.calls), "data": 1}
        for task, repeats in fewer.items():
            if task != "memory":
                theirs[task] = ask(rival_python, "interpret_community", folder, task, repeats, n_threads)
        theirs["import"] = {"seconds": import_seconds(rival_python, "interpret_community", min(3, setting.repeats))}
    return {"setting": setting, "threads": n_threads, "gap": gap, "ours": ours, "theirs": theirs}


# --- table -----------------------------------------------------------------------------------------------------------


def table(results: dict[str, Any]) -> str:
    """The machine, the versions, and one line per task."""
    ours, theirs, setting = results["ours"], results["theirs"], results["setting"]
    where = machine(len(os.sched_getaffinity(0)))
    sides = [ours] if theirs is None else [ours, theirs]
    versions = "; ".join(", ".join(f"{k} {v}" for k, v in side["values"]["versions"].items()) for side in sides)
    head = f"{where['cpu']}, {where['cpus']} CPUs, {_clock(results['threads'])}. {versions}."
    if results["gap"] is not None:
        head += f" Answers agree to {results['gap']:.0e} of the largest value."
    seconds = {task: _median(ours, task) for task in ("both", "one_row", "data", "memory", "import")}
    engine = float(np.median(ours["both"]["engine"]))
    lists, predictions = (float(np.median(ours["both"][key])) for key in ("lists", "predictions"))
    peak, read = ours["memory"]["peak"], ours["memory"]["input"]
    ratio = seconds["both"] / engine
    size = f"{setting.rows:,} x 50 rows"
    lines = [
        ("engine's call alone, " + size, _time(engine), "", None),
        ("`explain_global`, local values kept", f"{_time(seconds['both'])} ({ratio:.2f}x)", "1.3x", "both"),
        ("... then `local_importance_values`, lists", _time(lists), "", None),
        ("... then `eval_y_predicted`, the model's own", _time(predictions), "", None),
        ("`explain_local` of one row", _time(seconds["one_row"]), _time(ASKED["one_row"]), "one_row"),
        (f"`data(-1)`, {min(1000, setting.rows):,} rows", _time(seconds["data"]), _time(ASKED["data"]), "data"),
        ("import, and `TabularExplainer`", _time(seconds["import"]), _time(ASKED["import"]), "import"),
        (
            f"{ours['memory']['rows']:,} rows, `include_local=False`",
            f"{_time(seconds['memory'])}, peak {peak / 1e6:,.0f} MB, of which rows {read / 1e6:,.0f} MB",
            f"{ASKED['memory'] / 1e6:,.0f} MB",
            None,
        ),
    ]
    text = ["| task | fastexplain | asked | interpret-community | ratio |", "|---|--:|--:|--:|--:|"]
    for name, mine, asked, task in lines:
        rival = "" if task is None or theirs is None else _time(_median(theirs, task))
        times = "" if task is None or theirs is None else f"{_median(theirs, task) / seconds[task]:,.3g}x"
        text.append(f"| {name} | {mine} | {asked} | {rival} | {times} |")
    return "\n".join([head, "", *text])


def _clock(n_threads: int) -> str:
    return "one thread each, CPU time" if n_threads == 1 else f"{n_threads} threads each, wall time"


def _median(side: dict[str, Any], task: str) -> float:
    return float(np.median(side[task]["seconds"]))


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rival-python", help="a Python with interpret-community; default: ours alone")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a few rows and trees, to see that it runs")
    arguments = parser.parse_args()
    setting = QUICK if arguments.quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder), setting)
        print(table(measure(Path(folder), setting, arguments.threads, arguments.rival_python)))


if __name__ == "__main__":
    main()
