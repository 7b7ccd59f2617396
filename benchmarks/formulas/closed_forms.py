"""Exact values by closed forms: how right, how fast, and what KernelExplainer of shap does in comparison.

    OPENBLAS_NUM_THREADS=1 python benchmarks/formulas/closed_forms.py [--rows 20] [--only NAME] [--no-shap]

Prints a Markdown table. The answer is checked before it is timed: values must add up to the predictions to 1e-9. Times
are medians: of CPU time with one thread, which other processes do not disturb much, of wall time with two. "bind" is
spent once per background.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.known import Game, known_formula

Float = NDArray[np.float64]

N_BACKGROUND, N_FEATURES, N_SUPPORT = 100, 30, 1000
REPEATS = 5
ADDITIVITY = 1e-9
SHAP_ROWS = 3


class Case(NamedTuple):
    """A fitted model and rows to explain."""

    name: str
    model: Any
    method: str
    X: Float
    background: Float


def cases(n_rows: int) -> list[Case]:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
    from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
    from sklearn.naive_bayes import GaussianNB
    from sklearn.svm import SVR

    random = np.random.default_rng(0)
    X = random.normal(size=(N_SUPPORT + N_BACKGROUND + n_rows, N_FEATURES))
    y = np.sin(2 * X[:, 0]) + X @ (random.normal(size=N_FEATURES) * 0.5)
    train, background, rows = X[:N_SUPPORT], X[N_SUPPORT : N_SUPPORT + N_BACKGROUND], X[N_SUPPORT + N_BACKGROUND :]
    target = y[:N_SUPPORT]
    kernel = ConstantKernel(1.0) * RBF(5.0) + WhiteKernel(0.1)
    process = GaussianProcessRegressor(kernel, optimizer=None).fit(train, target)
    vectors = SVR(C=10.0, epsilon=0.0).fit(train, target)  # every row is a support vector
    fitted = [
        ("Ridge", Ridge().fit(train, target), "predict"),
        ("Poisson, response", PoissonRegressor().fit(train, np.exp(0.3 * target)), "predict"),
        ("logistic, probability", LogisticRegression().fit(train, target > 0), "predict_proba"),
        ("logistic C=1e4, probability", LogisticRegression(C=1e4).fit(train, target > 0), "predict_proba"),
        ("GaussianNB, probability", GaussianNB().fit(train, target > 0), "predict_proba"),
        (f"RBF SVR, {len(vectors.support_)} support vectors", vectors, "predict"),
        (f"RBF GPR, {N_SUPPORT} training rows", process, "predict"),
    ]
    return [Case(name, model, method, rows, background) for name, model, method in fitted]


def median_seconds(call: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    times = []
    for _ in range(REPEATS):
        begin = clock()
        call()
        times.append(clock() - begin)
    return float(np.median(times))


def bound(case: Case) -> tuple[Game, str]:
    predict = getattr(case.model, case.method)
    seen = known_formula(case.model, case.method, predict, case.background, case.X)
    if seen is None or seen.model is None:
        raise SystemExit(f"{case.name} has no known formula.")
    game = seen.model.bind(case.background)
    values = game.shap_values(case.X, n_threads=1)
    gain = _two_dimensional(predict(case.X)) - _two_dimensional(predict(case.background)).mean(axis=0)
    gap = np.abs(values.sum(axis=1) - gain).max() / np.abs(gain).max()
    if gap > ADDITIVITY:
        raise SystemExit(f"{case.name}: values miss the predictions by {gap:.1e} of their size.")
    return game, seen.path


def shap_kernel(case: Case, exact: Float) -> tuple[float, float]:
    """CPU seconds per row of KernelExplainer at its default budget without l1_reg, and its relative squared error."""
    import shap

    explainer = shap.KernelExplainer(getattr(case.model, case.method), case.background)
    begin = time.process_time()
    values = explainer.shap_values(case.X[:SHAP_ROWS], l1_reg=False, silent=True)
    seconds = (time.process_time() - begin) / SHAP_ROWS
    values = np.asarray(values).reshape(exact[:SHAP_ROWS].shape)
    return seconds, float(((values - exact[:SHAP_ROWS]) ** 2).sum() / (exact[:SHAP_ROWS] ** 2).sum())


def _two_dimensional(prediction: Any) -> Float:
    values = np.asarray(prediction, dtype=np.float64)
    return values.reshape(len(values), -1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--only", default="", help="part of a model's name")
    parser.add_argument("--no-shap", action="store_true")
    arguments = parser.parse_args()
    with_shap = not arguments.no_shap and importlib.util.find_spec("shap") is not None
    print(f"{N_FEATURES} features, {N_BACKGROUND} background rows, {arguments.rows} explained rows.\n")
    head = ["model", "path", "bind, ms", "one row, ms", "per row, ms", "per row, 2 threads, wall ms"]
    head += ["shap kernel, ms", "its squared error", "ratio"] if with_shap else []
    print("| " + " | ".join(head) + " |\n" + "|---" * 2 + "|---:" * (len(head) - 2) + "|")
    for case in cases(arguments.rows):
        if arguments.only not in case.name:
            continue
        game, path = bound(case)
        model = known_formula(case.model, case.method, getattr(case.model, case.method), case.background)
        assert model is not None
        assert model.model is not None
        times = [
            median_seconds(lambda model=model.model, case=case: model.bind(case.background)),
            median_seconds(lambda game=game, case=case: game.shap_values(case.X[:1], n_threads=1)),
            *(
                median_seconds(lambda game=game, case=case, n=n: game.shap_values(case.X, n_threads=n), clock)
                / len(case.X)
                for n, clock in ((1, time.process_time), (2, time.perf_counter))
            ),
        ]
        cells = [case.name, path, *(f"{1e3 * t:.3g}" for t in times)]
        if with_shap:
            seconds, error = shap_kernel(case, game.shap_values(case.X))
            cells += [f"{1e3 * seconds:.3g}", f"{error:.1e}", f"{seconds / times[2]:.3g}"]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
