"""The child process of `facade.py`: one task of one library, on a saved model and rows.

    python facade_worker.py FOLDER LIBRARY TASK REPEATS N_THREADS ANSWER

It also runs in interpret-community's own environment, and so imports NumPy only until it knows the library. FOLDER
holds ``model.txt`` (LightGBM), ``rows.npy``, ``linear.npz`` (coefficients and intercept) and ``examples.npy``. The
answer is JSON in the file ANSWER, because libraries print.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

LIBRARIES = ("fastexplain", "interpret_community")


class Saved:
    """What `facade.py` saved.

    Attributes
    ----------
    booster : lightgbm.Booster
    linear : sklearn.linear_model.LinearRegression
    rows, examples : float64 arrays
        To explain; and what the linear model's explainer is built on.
    """

    def __init__(self, folder: Path) -> None:
        import lightgbm
        from sklearn.linear_model import LinearRegression

        self.booster = lightgbm.Booster(model_file=str(folder / "model.txt"))
        self.linear = LinearRegression()
        parts = np.load(folder / "linear.npz")
        self.linear.coef_, self.linear.intercept_ = parts["coef"], float(parts["intercept"])
        self.linear.n_features_in_ = len(parts["coef"])
        self.rows, self.examples = np.load(folder / "rows.npy"), np.load(folder / "examples.npy")


def explainer(library: str, model: Any, examples: Any, n_threads: int) -> Any:
    """The library's TabularExplainer."""
    if library == "fastexplain":
        import fastexplain

        return fastexplain.TabularExplainer(model, examples, n_threads=n_threads)
    from interpret_community import TabularExplainer

    return TabularExplainer(model, examples)


# Set by `main`: CPU time with one thread, which other processes do not disturb much, wall time with more.
clock: Callable[[], float] = time.process_time


def seconds_of(call: Callable[[], Any]) -> float:
    """Seconds of one call."""
    begin = clock()
    call()
    return clock() - begin


def timed(call: Callable[[], Any], repeats: int) -> list[float]:
    """Seconds of each call, after one that does not count."""
    call()
    return [seconds_of(call) for _ in range(repeats)]


def peak_bytes() -> int:
    """Largest resident set so far. Not getrusage's figure, which begins at that of the parent."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def version(name: str) -> str:
    """Of an installed package."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(checkout)"


# --- tasks -----------------------------------------------------------------------------------------------------------


def both(library: str, saved: Saved, repeats: int, n_threads: int) -> dict[str, Any]:
    """A global explanation that keeps its local values; for ours also the engine's call alone, turn by turn."""
    explain = explainer(library, saved.booster, saved.examples, n_threads)
    if library != "fastexplain":
        return {"seconds": timed(lambda: explain.explain_global(saved.rows).global_importance_values, repeats)}
    import fastexplain

    model = fastexplain.load_model(saved.booster)
    found: dict[str, list[float]] = {"seconds": [], "engine": [], "lists": [], "predictions": []}
    for _ in range(repeats):
        found["engine"] += timed(lambda: fastexplain.tree_shap(model, saved.rows, n_threads=n_threads), 1)
        found["seconds"] += timed(lambda: explain.explain_global(saved.rows).global_importance_values, 1)
        made = explain.explain_global(saved.rows)
        found["lists"].append(seconds_of(partial(getattr, made, "local_importance_values")))
        found["predictions"].append(seconds_of(partial(getattr, made, "eval_y_predicted")))
    return dict(found)


def one_row(library: str, saved: Saved, repeats: int, n_threads: int) -> dict[str, Any]:
    """A local explanation of one row: 2-D, since interpret-community refuses a 1-D row of a LightGBM model."""
    explain, row = explainer(library, saved.booster, saved.examples, n_threads), saved.rows[:1]
    return {"seconds": timed(lambda: explain.explain_local(row), repeats)}


def data(library: str, saved: Saved, repeats: int, n_threads: int) -> dict[str, Any]:
    """``data(-1)`` of a linear model's global explanation of up to 1,000 rows, as a dashboard asks for it."""
    made = explainer(library, saved.linear, saved.examples, n_threads).explain_global(saved.rows[:1000])
    return {"seconds": [seconds_of(lambda: made.data(-1)) for _ in range(repeats)]}


def memory(library: str, saved: Saved, repeats: int, n_threads: int) -> dict[str, Any]:
    """Time and peak memory of a global explanation without local values; of `repeats` times the saved rows."""
    many = np.tile(saved.rows, (repeats, 1))
    explain = explainer(library, saved.booster, saved.examples, n_threads)
    seconds = seconds_of(lambda: explain.explain_global(many, include_local=False).global_importance_values)
    return {"seconds": [seconds], "peak": peak_bytes(), "rows": len(many), "input": many.nbytes}


def values(library: str, saved: Saved, repeats: int, n_threads: int) -> dict[str, Any]:
    """Local values, base value, and versions."""
    made = explainer(library, saved.booster, saved.examples, n_threads).explain_local(saved.rows)
    versions = {name: version(name) for name in (library, "lightgbm", "scikit-learn", "numpy")}
    versions["Python"] = ".".join(map(str, sys.version_info[:3]))
    return {
        "values": np.asarray(made.local_importance_values).tolist(),
        "expected": list(made.expected_values),
        "versions": versions,
    }


TASKS = {"both": both, "one_row": one_row, "data": data, "memory": memory, "values": values}


def main() -> None:
    folder, library, task, repeats, n_threads, answer = sys.argv[1:]
    if library not in LIBRARIES:
        raise SystemExit(f"no library {library!r}; there are {', '.join(LIBRARIES)}.")
    global clock
    clock = time.process_time if int(n_threads) == 1 else time.perf_counter
    found = TASKS[task](library, Saved(Path(folder)), int(repeats), int(n_threads))
    Path(answer).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
