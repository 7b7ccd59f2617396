"""Saving and loading explanations: interpret-community's JSON directory against one file.

    python benchmarks/facade/explanation_files.py [--interpret-community PYTHON] [--rows 100000] [--features 50]

prints a markdown table: seconds of CPU time (of all threads) and of the clock to write and to read, and megabytes, of
an explanation with local and global values, its explained data and its predictions. Ratios are of CPU time, which the
neighbours on a shared machine do not change. Every form is read back and compared before it is timed. With the path of
a Python in which interpret-community 0.32 works, that saves and loads the same explanation first.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastexplain
from fastexplain.explanation import GlobalLocalExplanation, LocalExplanation, write_parquet

TASKS = ("regression", "binary")
SLOW_REPEATS = 1  # of JSON: many seconds each, and little spread beside that
# name -> one entry of each repeat: megabytes, or CPU time and time by the clock
Figures = dict[str, list[Any]]

# What interpret-community does with the same arrays, in its own interpreter.
THEIRS = """
import json, os, shutil, sys, time, warnings
warnings.filterwarnings("ignore")
import numpy as np
from interpret_community.explanation import load_explanation, save_explanation
from interpret_community.explanation import explanation as made
given, folder = np.load(sys.argv[1]), sys.argv[2]
values, rows, predicted = given["values"], given["rows"], given["predicted"]
is_classifier = bool(given["is_classifier"])
shared = dict(eval_data=rows, eval_y_predicted=predicted, method="shap_tree",
              model_task="classification" if is_classifier else "regression")
local = made._create_local_explanation(
    local_importance_values=np.stack([-values, values]) if is_classifier else values,
    expected_values=np.array([-1.0, 1.0]) if is_classifier else np.array([1.0]), classification=is_classifier,
    features=[f"f{i}" for i in range(values.shape[1])], num_features=values.shape[1], **shared)
both = made._aggregate_global_from_local_explanation(local_explanation=local, **shared)
def seconds():
    return np.array([time.process_time(), time.perf_counter()])
begin = seconds(); save_explanation(both, folder); write = seconds() - begin
begin = seconds(); loaded = load_explanation(folder); read = seconds() - begin
found = loaded._local_importance_values
assert np.array_equal(found[1] if is_classifier else found, values)
assert np.array_equal(loaded._eval_data, rows)
print(json.dumps([write.tolist(), read.tolist()]))
"""


def explanation(n_rows: int, n_features: int, *, is_classifier: bool) -> GlobalLocalExplanation:
    """Normal random numbers: what compresses worst."""
    random = np.random.Generator(np.random.Philox(7))
    values, rows = random.normal(size=(n_rows, n_features, 1)), random.normal(size=(n_rows, n_features))
    context: dict[str, Any] = {"classes": [0, 1]} if is_classifier else {}
    predicted = (values[:, :, 0].sum(axis=1) > 0).astype(int) if is_classifier else values[:, :, 0].sum(axis=1)
    return LocalExplanation(
        values,
        [1.0],
        features=[f"f{i}" for i in range(n_features)],
        eval_data=rows,
        predictions=(predicted, None),
        method="shap_tree",
        **context,
    ).to_global()


def save_float32(original: GlobalLocalExplanation, path: Path) -> None:
    write_parquet(original, path, dtype="float32")


def check(found: Any, original: GlobalLocalExplanation, dtype: type) -> None:
    """Raise AssertionError unless what was read is what was written, to the last bit of `dtype`."""
    assert type(found) is type(original)
    np.testing.assert_array_equal(found.values, original.values.astype(dtype))
    np.testing.assert_array_equal(found._eval_data, original._eval_data)
    # interpret-community sums in another order
    np.testing.assert_allclose(found.global_importance_values, original.global_importance_values, rtol=1e-12)
    assert found.eval_y_predicted == original.eval_y_predicted
    assert found.id == original.id


def size(path: Path) -> float:
    """Megabytes."""
    files = [path] if path.is_file() else list(path.iterdir())
    return sum(file.stat().st_size for file in files) / 1e6


def time_ours(
    original: GlobalLocalExplanation, path: Path, save: Callable[..., None], repeats: int, dtype: type
) -> Figures:
    """Seconds of each repeat."""
    save(original, path)
    check(fastexplain.load_explanation(path), original, dtype)
    figures: Figures = {"write": [], "read": [], "size": [size(path)]}
    for _ in range(repeats):
        remove(path)
        begin = seconds()
        save(original, path)
        middle = seconds()
        fastexplain.load_explanation(path)
        figures["write"].append(middle - begin)
        figures["read"].append(seconds() - middle)
    remove(path)
    return figures


def seconds() -> NDArray[np.float64]:
    """CPU time of this process, and the clock."""
    return np.array([time.process_time(), time.perf_counter()])


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def time_theirs(python: str, original: GlobalLocalExplanation, folder: Path) -> Figures:
    """The same by interpret-community in another interpreter, imports not counted."""
    is_classifier = original.model_task == "classification"
    arrays = folder / "arrays.npz"
    np.savez(
        arrays,
        values=original.values[..., 0],
        rows=original._eval_data,
        predicted=original._eval_y_predicted,
        is_classifier=is_classifier,
    )
    path = folder / "theirs"
    done = subprocess.run([python, "-c", THEIRS, str(arrays), str(path)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"interpret-community failed:\n{done.stderr[-2000:]}")
    write, read = json.loads(done.stdout.strip().splitlines()[-1])
    check(fastexplain.load_explanation(path), with_id(original, path), float)
    figures: Figures = {"write": [np.array(write)], "read": [np.array(read)], "size": [size(path)]}
    remove(path)
    arrays.unlink()
    return figures


def with_id(original: GlobalLocalExplanation, path: Path) -> GlobalLocalExplanation:
    metadata = json.loads((path / "explanation_metadata.json").read_text())
    context = {**original._context(), "id": metadata["explanation_id"]}
    return GlobalLocalExplanation(original.values, original._base_values, **context)


def table(results: dict[str, Figures]) -> str:
    """Markdown; ratios are to the first line."""
    lines = [
        "| form | write, CPU s (clock) | read, CPU s (clock) | MB | write, ratio | read, ratio | size, ratio |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    first: dict[str, Any] = {}
    for name, figures in results.items():
        medians = {key: np.median(values, axis=0) for key, values in figures.items()}
        first = first or medians
        ratios = [first[key][0] / medians[key][0] for key in ("write", "read")]
        cells = [f"{medians[key][0]:.3g} ({medians[key][1]:.3g})" for key in ("write", "read")]
        shown = [name, *cells, f"{medians['size']:.1f}", *(f"{ratio:.3g}" for ratio in ratios)]
        lines.append(f"| {' | '.join(shown)} | {first['size'] / medians['size']:.2f} |")
    return "\n".join(lines)


def run(original: GlobalLocalExplanation, python: str | None, repeats: int) -> dict[str, Figures]:
    """Figures of every form, the slowest first."""
    results: dict[str, Figures] = {}
    save = fastexplain.save_explanation
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if python is not None:
            results["interpret-community, JSON directory"] = time_theirs(python, original, folder)
        results["fastexplain, JSON directory"] = time_ours(original, folder / "ours", save, SLOW_REPEATS, float)
        results["fastexplain, .parquet"] = time_ours(original, folder / "e.parquet", save, repeats, float)
        results["fastexplain, .parquet, values as float32"] = time_ours(
            original, folder / "f.parquet", save_float32, repeats, np.float32
        )
        results["fastexplain, .arrow"] = time_ours(original, folder / "e.arrow", save, repeats, float)
    return results


def main(arguments: list[str] | None = None) -> None:
    """Print a table for a regression and one for a classifier of two classes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--interpret-community", metavar="PYTHON")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    options = parser.parse_args(arguments)
    import pyarrow

    python = ".".join(map(str, sys.version_info[:3]))
    print(f"Python {python}, numpy {np.__version__}, pyarrow {pyarrow.__version__}, {os.cpu_count()} CPUs\n")
    for task in options.tasks:
        original = explanation(options.rows, options.features, is_classifier=task != "regression")
        print(f"{task}, {options.rows:,} x {options.features}, with the explained data and predictions:\n")
        print(table(run(original, options.interpret_community, options.repeats)), flush=True)
        print()


if __name__ == "__main__":
    main()
