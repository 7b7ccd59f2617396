"""Time fastexplain against the libraries people use now, in one session on one machine, and print the tables.

    python benchmarks/tree/run.py --quick                          # a few minutes, rough
    python benchmarks/tree/run.py --write                          # everything; fills benchmarks/README.md
    python benchmarks/tree/run.py --cases xgb-d6 rf --threads 1 --rivals shap shapiq

The answers are checked before anything is timed: against a rival that computes in double, and against the model's own
raw prediction. A wrong answer of ours ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # run as a script: the folder above is not on the path

from benchmarks.common import README, machine  # noqa: E402
from benchmarks.tree import report, rivals, zoo  # noqa: E402
from benchmarks.tree.worker import Worker, WorkerFailed  # noqa: E402

OURS = ("fastexplain", "fastexplain-f32")
ISAS = ("baseline", "avx2", "avx512")
# A turn of a fast competitor repeats its call for so long: one call of a few milliseconds would time cold caches.
TURN_SECONDS = 0.2
# Part of the results file's name: raise it when `Run` changes.
RESULTS_VERSION = 1
# Rivals that compute in double, best suited as a reference first.
REFERENCES = ("lightgbm", "shap", "shapiq", "shap-kernel")

# All relative to the largest attribution of the case.
# float64: rounding, summed over up to 500 trees; far below what one row on a wrong branch would show.
TOLERANCE_DOUBLE = 1e-7
# float32: 24 bits, lost a few times over along a path; the libraries' own float32 kernels do no better.
TOLERANCE_SINGLE = 1e-4
# A rival further off than this explains another function (shap with categorical splits), and is not a rival.
TOLERANCE_RIVAL = 1e-3
# XGBoost predicts in float32, so sums can only agree with it to that.
TOLERANCE_ADDITIVE = {"xgboost": 2e-5, "lightgbm": 1e-9, "sklearn": 1e-9}

Array = NDArray[np.float64]


@dataclass
class Run:
    """One competitor on one case with one number of threads."""

    competitor: str
    threads: int
    isa: str = ""
    rows: int = 0
    seconds: list[float] = field(default_factory=list)
    prepare_seconds: float = float("nan")
    first_seconds: float = float("nan")
    peak_bytes: int = 0
    double: bool = True
    max_difference: float | None = None
    additivity: float | None = None
    failed: str = ""
    wrong: bool = False
    ran_isa: str = ""

    @property
    def ours(self) -> bool:
        return rivals.COMPETITORS[self.competitor].own


@dataclass
class Session:
    """How the runs of one session are made.

    Attributes
    ----------
    threads : list of int
    competitors : list of str
    repeats : int
    budget : float
        Seconds that one repeat of a slow rival should take: it gets fewer rows, and is quoted per row.
    timeout : float
        Seconds after which a single call is given up.
    row_share : float
        Part of each case's rows that is explained.
    isas : tuple of str
    """

    threads: list[int]
    competitors: list[str]
    repeats: int
    budget: float
    timeout: float
    row_share: float
    isas: tuple[str, ...]


# --- one case --------------------------------------------------------------------------------------------------------


def run_case(case: zoo.Case, session: Session) -> dict[str, Any]:
    """Check and time all competitors on one case; returns what `report` prints."""
    folder = zoo.build(case.name)
    description = zoo.describe(folder)
    n_rows = max(20, int(case.n_rows * session.row_share))
    log(f"{case.name}: {case.summary}; {description}")
    workers: list[tuple[Run, Worker]] = []
    with tempfile.TemporaryDirectory() as scratch:
        try:
            runs = start_all(case, folder, n_rows, session, Path(scratch), workers)
            check_answers(case, runs, Path(scratch))
            time_interleaved(workers, session)
            speedup = thread_speedup(workers, n_rows, session)
        finally:
            for _, worker in workers:
                worker.close()
    return {
        "case": case.name,
        "summary": case.summary,
        "library": case.library,
        "rows": n_rows,
        "description": asdict(description),
        "date": datetime.date.today().isoformat(),
        "speedup": speedup,
        "runs": [{**asdict(run), "ours": run.ours} for run in runs],
    }


def start_all(
    case: zoo.Case, folder: Path, n_rows: int, session: Session, scratch: Path, workers: list[tuple[Run, Worker]]
) -> list[Run]:
    """Start a child for each competitor and thread count, and let each give its answer once (this also warms it up).

    Live ones are appended to `workers`, so that the caller can close them whatever happens.
    """
    able = [name for name in session.competitors if case.library in rivals.COMPETITORS[name].explains]
    planned = [Run(name, threads) for name in able for threads in session.threads]
    planned += [Run(name, 1, isa) for isa in session.isas for name in OURS]
    if not any(run.competitor == "predict" for run in planned):
        planned.append(Run("predict", session.threads[0]))
    runs: list[Run] = []
    idle: set[str] = set()  # competitors to which more threads mean nothing
    for run in planned:
        if run.competitor in idle:
            continue
        environment = {"FASTEXPLAIN_ISA": run.isa} if run.isa else {}
        worker = Worker(folder, run.competitor, run.threads, session.timeout, environment)
        runs.append(run)
        try:
            single_threaded = start_one(run, worker, n_rows, session, scratch / answer_name(run))
            if run.competitor == "predict":
                worker.ask("raw", rows=n_rows, path=str(scratch / "raw.npy"))
        except WorkerFailed as failure:
            run.failed = str(failure)
            worker.close()
            single_threaded = "NotSupported" in run.failed or rivals.COMPETITORS[run.competitor].single_threaded
            log(f"  {label(run)}: {run.failed}")
        else:
            workers.append((run, worker))
            log(f"  {label(run)}: first call {run.first_seconds:.3g} s for {run.rows} rows")
        if single_threaded:
            idle.add(run.competitor)
    return runs


def start_one(run: Run, worker: Worker, n_rows: int, session: Session, path: Path) -> bool:
    """Prepare, choose how many rows it gets, take its answer; returns whether it is single-threaded."""
    prepared = worker.ask("prepare")
    run.prepare_seconds, run.double = prepared["prepare_seconds"], prepared["double"]
    run.ran_isa = prepared["isa"]
    if run.isa and run.ran_isa != run.isa:
        raise WorkerFailed(f"{run.isa} was forced and {run.ran_isa} ran")
    if run.competitor in (*OURS, "predict"):
        run.rows = n_rows
    else:
        run.rows = affordable_rows(worker, n_rows, session.budget)
    answer = worker.ask("answer", rows=run.rows, path=str(path))
    run.first_seconds, run.peak_bytes = answer["seconds"], answer["peak_bytes"]
    if answer["base_value"] is not None:
        np.save(path.with_suffix(".base.npy"), answer["base_value"])
    return bool(prepared["single_threaded"])


def affordable_rows(worker: Worker, n_rows: int, budget: float) -> int:
    """Rows of one repeat: all, if they take no longer than `budget` seconds; else as many as fit.

    A cost per call (tables that are rebuilt every time) speaks for all rows, whatever they cost: fewer would make the
    rival look slow.
    """
    if worker.ask("time", rows=1)["seconds"] > budget:  # also warms up; no model here costs seconds per row
        return n_rows
    short = worker.ask("time", rows=1)["seconds"]
    if short * n_rows <= budget:
        return n_rows
    more = 20 if short * 20 <= budget else 4
    per_row = max(0.0, worker.ask("time", rows=more)["seconds"] - short) / (more - 1)
    per_call = max(0.0, short - per_row)
    if per_row * n_rows <= budget:
        return n_rows
    return int(min(n_rows, max(4, (budget - min(per_call, budget / 2)) / per_row)))


def check_answers(case: zoo.Case, runs: list[Run], scratch: Path) -> None:
    """Fill in how far each run is from the reference and from the model's own prediction; flag what is wrong."""
    answers = {id(run): np.load(scratch / answer_name(run)) for run in runs if not run.failed}
    raw = np.load(scratch / "raw.npy")
    for run in runs:
        base = (scratch / answer_name(run)).with_suffix(".base.npy")
        if not run.failed and base.exists():
            values = answers[id(run)]
            run.additivity = float(np.abs(values.sum(1) + np.load(base) - raw[: len(values)]).max())
    reference = find_reference(case, runs, answers)
    for run in runs:
        if run.failed or run.competitor == "predict":
            continue
        values = answers[id(run)]
        scale = float(np.abs(values).max())
        sum_scale = max(scale, float(np.abs(raw).max()))
        if reference is not None:
            n = min(len(values), len(reference))
            scale = float(np.abs(reference).max())
            run.max_difference = float(np.abs(values[:n] - reference[:n]).max()) / scale
        tolerance = TOLERANCE_RIVAL if not run.ours else TOLERANCE_DOUBLE if run.double else TOLERANCE_SINGLE
        additive = TOLERANCE_ADDITIVE[case.library] if run.double else TOLERANCE_SINGLE
        # `not <=` rather than `>`: NaN is wrong too
        run.wrong = run.max_difference is not None and not run.max_difference <= tolerance
        if run.ours:
            run.wrong = run.wrong or run.additivity is None or not run.additivity <= additive * sum_scale
        if run.wrong:
            log(f"  {label(run)}: WRONG, off by {run.max_difference} relative; additivity {run.additivity}")


def find_reference(case: zoo.Case, runs: list[Run], answers: dict[int, Array]) -> Array | None:
    """Answer of the first rival that computes in double and adds up to the model's own prediction."""
    for name in REFERENCES:
        for run in runs:
            if run.competitor != name or run.failed or not run.double or run.additivity is None:
                continue
            values = answers[id(run)]
            if run.additivity <= 10 * TOLERANCE_ADDITIVE[case.library] * max(1.0, float(np.abs(values).max())):
                return values
    return None


def time_interleaved(workers: list[tuple[Run, Worker]], session: Session) -> None:
    """Take turns, so that a slow minute of the machine hits everybody."""
    for run, _ in workers:
        if once_is_enough(run, session):
            run.seconds = [run.first_seconds]
    for repeat in range(session.repeats):
        for run, worker in workers:
            enough = session.repeats if run.ours or run.first_seconds <= session.budget / 4 else 3
            if run.failed or repeat >= enough or once_is_enough(run, session):
                continue
            try:
                run.seconds.append(worker.ask("time", rows=run.rows, least=TURN_SECONDS)["seconds"])
            except WorkerFailed as failure:
                run.failed = str(failure)


def once_is_enough(run: Run, session: Session) -> bool:
    """Whether the first call of a slow rival is its only one; never ours, whose first call builds and compiles."""
    return not run.ours and run.first_seconds > 2 * session.budget


def thread_speedup(workers: list[tuple[Run, Worker]], n_rows: int, session: Session) -> list[dict[str, Any]]:
    """One thread against each other number, for ours, on `zoo.SCALING_ROWS` rows where a call can afford them."""
    found = []
    for name in OURS:
        ours = {
            run.threads: (run, w) for run, w in workers if run.competitor == name and not run.isa and not run.failed
        }
        if 1 not in ours or not ours[1][0].seconds:
            continue
        per_row = float(np.median(ours[1][0].seconds)) / n_rows
        rows = zoo.SCALING_ROWS if per_row * zoo.SCALING_ROWS <= session.budget else n_rows
        seconds: dict[int, list[float]] = {threads: [] for threads in ours}
        for _ in range(session.repeats):
            for threads, (_, worker) in ours.items():
                seconds[threads].append(worker.ask("time", rows=rows, least=TURN_SECONDS)["seconds"])
        one = float(np.median(seconds[1]))
        found += [
            {"competitor": name, "threads": threads, "rows": rows, "speedup": one / float(np.median(taken))}
            for threads, taken in seconds.items()
            if threads > 1
        ]
    return found


def answer_name(run: Run) -> str:
    return f"{run.competitor}-{run.threads}-{run.isa}.npy"


def label(run: Run) -> str:
    return f"{run.competitor}{f' [{run.isa}]' if run.isa else ''} x{run.threads}"


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- command line ----------------------------------------------------------------------------------------------------


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--cases", nargs="+", choices=list(zoo.CASES), default=list(zoo.CASES), metavar="CASE")
    others = [name for name in rivals.COMPETITORS if name not in OURS]
    parser.add_argument("--rivals", nargs="*", choices=others, default=others, metavar="RIVAL", help=", ".join(others))
    parser.add_argument("--threads", nargs="+", type=int, help="thread counts; default: 1 and all")
    parser.add_argument("--repeats", type=int, help="default: 7, or 3 with --quick")
    parser.add_argument(
        "--budget", type=float, help="seconds per repeat of a slow rival; default: 8, or 1 with --quick"
    )
    parser.add_argument(
        "--timeout", type=float, help="seconds before a call is given up; default: 240, or 20 with --quick"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, few repeats: rough figures")
    parser.add_argument("--no-isa", action="store_true", help="leave out the forced instruction sets")
    parser.add_argument("--write", action="store_true", help="fill the tables of benchmarks/README.md")
    parser.add_argument(
        "--render", action="store_true", help="time nothing; print (and --write) the last results again"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    cpus = len(os.sched_getaffinity(0))
    session = Session(
        threads=sorted(set(options.threads or [1, cpus])),
        competitors=[*OURS, *options.rivals],
        repeats=options.repeats or (3 if options.quick else 7),
        budget=options.budget or (1.0 if options.quick else 8.0),
        timeout=options.timeout or (20.0 if options.quick else 240.0),
        row_share=0.1 if options.quick else 1.0,
        isas=() if options.no_isa else ISAS,
    )
    store = zoo.CACHE / f"results{'-quick' if options.quick else ''}-v{RESULTS_VERSION}.json"
    results: dict[str, Any] = {"machine": machine(cpus), "versions": rivals.versions(), "cases": {}}
    if store.exists():
        earlier = json.loads(store.read_text())
        # cases of an earlier session only stand beside new ones if nothing but the day differs
        if options.render or all(earlier[k] == results[k] for k in ("machine", "versions")):
            results = earlier
    if not options.render:
        for name in options.cases:
            results["cases"][name] = run_case(zoo.CASES[name], session)
            store.parent.mkdir(parents=True, exist_ok=True)
            store.write_text(json.dumps(results, indent=1))
    results["cases"] = {name: results["cases"][name] for name in zoo.CASES if name in results["cases"]}
    print(report.full(results))
    if options.write:
        report.write(results, README)
    ours = [run for case in results["cases"].values() for run in case["runs"] if run["ours"]]
    # a forced instruction set that this CPU lacks is no failure of ours
    return 1 if any(run["wrong"] or (run["failed"] and not run["isa"]) for run in ours) else 0


if __name__ == "__main__":
    sys.exit(main())
