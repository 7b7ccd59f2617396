"""``fastexplain demo``: models on real data, every row explained, checked, timed, drawn and written."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain._threads import resolve_num_threads
from fastexplain.cli.arguments import package_version
from fastexplain.cli.console import WIDTH, say, seconds
from fastexplain.cli.demo_any_model import TITLE, any_model
from fastexplain.cli.demo_tasks import TASKS, Task, flights_folder
from fastexplain.cli.report import INDENT, account_lines, ranking_lines, rate, rule

if TYPE_CHECKING:
    from fastexplain.explanation import GlobalLocalExplanation

__all__ = ["run"]

TOP_K = 8
# Largest gap between base value + values and the model's own raw prediction, relative to the largest prediction.
# Sums of float64 over some hundred trees stay below 1e-12; one row on a wrong branch of one tree shows at 1e-4.
SUM_TOLERANCE = 1e-9
SHORT_SECONDS = 0.3  # what takes less is timed three times, and the best counts

_T = TypeVar("_T")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; returns 1 if a model's values do not add up to its own raw predictions."""
    # LightGBM's threads otherwise spin while they wait: where other work has the cores, training takes minutes.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    for package in ("lightgbm", "matplotlib", "pandas", "pyarrow"):
        optional(package, "demo", "The demo")
    flights_folder()
    begin = time.perf_counter()
    n_threads = resolve_num_threads(arguments.n_threads)
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    say(f"fastexplain {package_version()} on {n_threads} thread{'s' if n_threads > 1 else ''}")
    additive = True
    for title, make in TASKS.items():
        say()
        for line in (rule(WIDTH), title, rule(WIDTH)):
            say(line)
        task = make(quick=arguments.quick, seed=arguments.seed, n_threads=n_threads, show_progress=arguments.progress)
        additive &= _show(title, task, out, n_threads, arguments)
    say()
    for line in (rule(WIDTH), TITLE, rule(WIDTH)):
        say(line)
    additive &= any_model(out, seed=arguments.seed, n_threads=n_threads)
    say()
    say(rule(WIDTH))
    say(f"Done in {seconds(time.perf_counter() - begin)}.")
    return 0 if additive else 1


def _show(title: str, task: Task, out: Path, n_threads: int, arguments: argparse.Namespace) -> bool:
    """Explain every row of a task and report it; whether the values add up."""
    trained = f"trained in {seconds(task.train_seconds)}; on held-out rows: {task.score}"
    for line in (*task.data_note.split("\n"), trained):
        say(INDENT + line)

    from fastexplain import TabularExplainer
    from fastexplain.explanation import GlobalLocalExplanation

    explainer = TabularExplainer(
        task.model, task.X, classes=task.classes, n_threads=n_threads, show_progress=arguments.progress is not False
    )
    explanation, explain_seconds = _timed(lambda: explainer.explain_global(task.X))
    assert isinstance(explanation, GlobalLocalExplanation)  # include_local is the default
    raw, predict_seconds = _timed(lambda: task.model.predict(task.X, raw_score=True))
    n_rows, n_features = task.X.shape
    say(f"{INDENT}explained every row, {n_rows:,} x {n_features} features, in {seconds(explain_seconds)}")

    _show_importances(task, explanation)
    _show_one_row(task, explanation)
    additive = _show_sums(explanation, raw.reshape(n_rows, -1))
    _show_speed(n_rows, explain_seconds, predict_seconds)
    _write_files(title, task, explanation, out)
    return additive


def _timed(work: Callable[[], _T]) -> tuple[_T, float]:
    begin = time.perf_counter()
    result = work()
    best = time.perf_counter() - begin
    if best < SHORT_SECONDS:
        for _ in range(2):
            begin = time.perf_counter()
            result = work()
            best = min(best, time.perf_counter() - begin)
    return result, best


def _show_importances(task: Task, explanation: GlobalLocalExplanation) -> None:
    _heading(f"What matters: mean |SHAP value| over all rows, in {task.unit}")
    names, values = explanation.get_ranked_global_names(), explanation.get_ranked_global_values()
    for line in ranking_lines(names, values, TOP_K):
        say(line)


def _show_one_row(task: Task, explanation: GlobalLocalExplanation) -> None:
    row = _picked_row(task, explanation)
    _heading(f"One row, number {row:,}: {task.picked}, in {task.unit}")
    values, base = explanation.values[row, :, 0], float(explanation.base_values[0])
    for line in account_lines(values, base, list(task.X.columns), task.X.iloc[row].tolist(), TOP_K):
        say(line)
    if task.classes is not None:
        probability = 1 / (1 + np.exp(-(base + values.sum())))
        say(f"{INDENT}that is, {task.classes[1]} with a probability of {probability:.1%}")


def _picked_row(task: Task, explanation: GlobalLocalExplanation) -> int:
    return task.pick(explanation.values.sum(axis=1) + explanation.base_values)


def _show_sums(explanation: GlobalLocalExplanation, raw: NDArray[np.float64]) -> bool:
    gap = float(np.abs(explanation.values.sum(axis=1) + explanation.base_values - raw).max())
    tolerance = SUM_TOLERANCE * max(1.0, float(np.abs(raw).max()))
    additive = gap <= tolerance
    verdict = "equal, to rounding" if additive else f"FAILED: more than {tolerance:.1e}"
    _heading("Check: base value + SHAP values = the model's own raw prediction")
    say(f"{INDENT}largest difference over {len(raw):,} rows: {gap:.1e} ({verdict})")
    return additive


def _show_speed(n_rows: int, explain_seconds: float, predict_seconds: float) -> None:
    _heading("Speed")
    ratio = explain_seconds / max(predict_seconds, 1e-9)
    say(f"{INDENT}explain {rate(n_rows, explain_seconds):>18}  (as long as {ratio:.1f} predictions)")
    say(f"{INDENT}predict {rate(n_rows, predict_seconds):>18}  (LightGBM itself, as many threads)")


def _write_files(title: str, task: Task, explanation: GlobalLocalExplanation, out: Path) -> None:
    from fastexplain.cli.demo_pictures import draw_global, draw_row

    parquet = out / f"{task.name}.parquet"
    explanation.to_parquet(parquet)
    overview, one_row = out / f"{task.name}.png", out / f"{task.name}_row.png"
    draw_global(explanation, task, title, overview)
    draw_row(explanation, task, _picked_row(task, explanation), one_row)
    _heading("Files")
    megabytes = parquet.stat().st_size / 1e6
    say(f"{INDENT}{overview}  bar and beeswarm")
    say(f"{INDENT}{one_row}  waterfall of the row above")
    say(f"{INDENT}{parquet}  every row's values, {megabytes:.1f} MB")


def _heading(text: str) -> None:
    say()
    say(text)
