"""How exact estimators of Shapley values are for the evaluations they spend, and what they cost besides the model.

    python benchmarks/kernel/kernel_shap.py --quick           # about two minutes, rough
    python benchmarks/kernel/kernel_shap.py --write           # everything; fills benchmarks/README.md, draws the plot
    python benchmarks/kernel/kernel_shap.py --games cancer-xgb voting --estimators shap-plain shapiq-odd

The answers of the games are exact, every estimator plays the same prediction function, and what it asks of that
function is counted. One thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # run as a script: the folder above is not on the path

from benchmarks.common import THREAD_VARIABLES, machine  # noqa: E402
from benchmarks.kernel import games, kernel_shap_report, kernel_shap_timing, shap_rivals  # noqa: E402
from benchmarks.tree import zoo  # noqa: E402

# label -> (a, b) of a n + b coalitions of n players besides the empty and the full one
BUDGETS = {**{f"{k}n": (k, 0) for k in (4, 8, 16, 32, 64)}, "2n+2048": (2, 2048)}
QUICK_BUDGETS = ("8n", "32n", "2n+2048")
SEEDS = 3
# Relative squared errors below this are rounding, or float32 of the model, and count as exact.
EXACT = 1e-11
# Two-sided 95% of a normal distribution.
Z95 = 1.96
# Part of the results file's name: raise it when `Cell` changes.
RESULTS_VERSION = 1

Array = NDArray[np.float64]


@dataclass
class Cell:
    """One estimator on one game with one budget.

    Attributes
    ----------
    evaluations : float
        Of the game, per row, as counted: prediction rows / background rows.
    errors : list of float
        |estimate - truth|^2 / |truth|^2 for each seed and row.
    covered, intervals : int
        How many 95% intervals hold the truth, of those that are estimates at all.
    seconds : float
        Per row, outside the model; CPU time.
    failed : str
        Why there are no errors.
    """

    game: str
    estimator: str
    budget: str
    evaluations: float = float("nan")
    errors: list[float] = field(default_factory=list)
    covered: int = 0
    intervals: int = 0
    seconds: float = float("nan")
    failed: str = ""


@dataclass(frozen=True)
class Session:
    """How much is run: `seeds` scales the repeats, `budgets` names keys of `BUDGETS`."""

    estimators: tuple[str, ...]
    budgets: tuple[str, ...]
    seeds: int


def budgets_of(n: int, labels: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Budgets below full enumeration, smallest first."""
    found = [(label, BUDGETS[label][0] * n + BUDGETS[label][1]) for label in labels]
    yield from sorted((one for one in found if one[1] + 2 < 2**n), key=lambda one: one[1])


def play(name: str, session: Session) -> dict[str, Any]:
    """All estimators on one game; what `kernel_shap_report` prints."""
    game = games.build(name)
    cells = [
        measure(game, estimator, label, budget, session.seeds)
        for label, budget in budgets_of(game.n_features, session.budgets)
        for estimator in session.estimators
    ]
    return {
        "game": name,
        "summary": game.summary,
        "kind": game.kind,
        "features": game.n_features,
        "background": len(game.background),
        "rows": len(game.rows),
        "cells": [asdict(cell) for cell in cells],
    }


def measure(game: games.Game, estimator: str, label: str, budget: int, seeds: int) -> Cell:
    """One cell: every seed explains all rows."""
    cell = Cell(game.name, estimator, label)
    rows, seconds = 0, 0.0
    for seed in range(seeds):
        predict = games.Counted(game.predict)
        try:
            start = kernel_shap_timing.clock()
            found = shap_rivals.ESTIMATORS[estimator].explain(predict, game.rows, game.background, budget, 1000 * seed)
            seconds += kernel_shap_timing.clock() - start - predict.seconds
        except Exception as reason:  # a rival that breaks is a footnote of the table, not the end of the session
            cell.failed = f"{type(reason).__name__}: {str(reason).splitlines()[0] if str(reason) else ''}"
            return cell
        rows += predict.rows
        count(cell, found, game.truth)
    explained = seeds * len(game.rows)
    cell.evaluations = rows / len(game.background) / explained
    cell.seconds = seconds / explained
    return cell


def count(cell: Cell, found: shap_rivals.Estimate, truth: Array) -> None:
    """Add the errors and the intervals of one call to a cell."""
    squares = ((found.values - truth) ** 2).sum(1) / (truth**2).sum(1)
    cell.errors += [float(error) for error in squares]
    if found.standard_errors is None:
        return
    for values, errors, answer, square in zip(found.values, found.standard_errors, truth, squares, strict=True):
        if square <= EXACT and not errors.any():
            continue  # enumerated: not an estimate
        off = np.abs(values - answer)
        # players that cannot matter have no error and no interval
        estimated = (errors > 0) | (off > 1e-9 * np.abs(answer).max())
        cell.covered += int((off[estimated] <= Z95 * errors[estimated]).sum())
        cell.intervals += int(estimated.sum())


# --- command line ----------------------------------------------------------------------------------------------------


def one_thread() -> None:
    """For the processes started from here on: thread counts are mostly read from the environment, at import."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    os.environ["PYTHONWARNINGS"] = "ignore"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    names = list(shap_rivals.ESTIMATORS)
    parser.add_argument("--games", nargs="*", choices=list(games.GAMES), default=list(games.GAMES), metavar="GAME")
    parser.add_argument("--estimators", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--seeds", type=int, help=f"default: {SEEDS}, or 1 with --quick")
    parser.add_argument("--jobs", type=int, help="games played at the same time; default: one for each CPU")
    parser.add_argument("--quick", action="store_true", help="one seed and three budgets: rough figures")
    parser.add_argument("--no-timing", action="store_true", help="leave out the timings besides the games")
    parser.add_argument("--write", action="store_true", help="fill benchmarks/README.md and draw the plot")
    parser.add_argument(
        "--render", action="store_true", help="play nothing; print (and --write) the last results again"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    session = Session(
        tuple(options.estimators), QUICK_BUDGETS if options.quick else tuple(BUDGETS),
        options.seeds or (1 if options.quick else SEEDS),
    )  # fmt: skip
    cpus = len(os.sched_getaffinity(0))
    store = zoo.CACHE / f"kernel-shap{'-quick' if options.quick else ''}-v{RESULTS_VERSION}.json"
    results: dict[str, Any] = {"machine": machine(cpus), "versions": shap_rivals.versions(), "games": {}}
    if store.exists():
        earlier = json.loads(store.read_text())
        # games of an earlier session only stand beside new ones on the same machine with the same versions
        if options.render or all(earlier[k] == results[k] for k in ("machine", "versions")):
            results = earlier
    if not options.render:
        one_thread()
        store.parent.mkdir(parents=True, exist_ok=True)
        run(options, session, results, options.jobs or cpus, store)
    results["games"] = {name: results["games"][name] for name in games.GAMES if name in results["games"]}
    print(kernel_shap_report.full(results))
    if options.write:
        kernel_shap_report.write(results, ROOT)
    own = [n for n, estimator in shap_rivals.ESTIMATORS.items() if estimator.own]
    cells = [cell for played in results["games"].values() for cell in played["cells"]]
    return 1 if any(cell["failed"] for cell in cells if cell["estimator"] in own) else 0


def run(options: argparse.Namespace, session: Session, results: dict[str, Any], jobs: int, store: Path) -> None:
    """Play the games in processes of their own, then time alone; fills `results`, and keeps them as they come."""

    def keep(key: str) -> None:
        store.write_text(json.dumps(results, indent=1))
        log(f"{key}: done")

    spawn = get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        # the last ones of the list have the most features: first, so that none is left over for the end
        futures = {pool.submit(play, name, session): name for name in reversed(options.games)}
        for future in as_completed(futures):
            name = futures[future]
            results["games"][name] = future.result()
            for cell in results["games"][name]["cells"]:
                if cell["failed"] and not cell["failed"].startswith("TooFew"):
                    log(f"  {name}, {cell['estimator']}, {cell['budget']}: {cell['failed']}")
            keep(name)
    if options.no_timing:
        return
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        results["overhead"] = pool.submit(kernel_shap_timing.overhead, session.estimators, options.quick).result()
        keep("overhead")
        results["support vectors"] = pool.submit(kernel_shap_timing.support_vectors, options.quick).result()
        keep("support vectors")


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
