"""Time of one prediction of a masked row: the model's own predict against its formula.

    python benchmarks/formulas/masked_predictions.py [--n-masks 600] [--repeats 5]

prints a Markdown table. Both do the same work: the predictions of every coalition on every background row, and their
means. One thread: set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1. The answers are compared before they are timed.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fastexplain.engine.formulas.known import known_formula

N_BACKGROUND = 10
TOLERANCE = 1e-8


def models() -> Iterator[tuple[str, Any, NDArray[np.float64]]]:
    """Name, fitted model, rows."""
    X, y = load_breast_cancer(return_X_y=True)
    scaled = StandardScaler().fit_transform(X)
    three = np.digitize(X[:, 0], np.quantile(X[:, 0], [0.33, 0.66]))
    yield "SVC(gamma=0.001, C=100)", SVC(gamma=0.001, C=100.0, probability=True, random_state=0).fit(X, y), X
    yield "SVC, 3 classes", SVC(probability=True, random_state=0).fit(scaled, three), scaled
    yield "pipeline, SVC", make_pipeline(StandardScaler(), SVC(probability=True, random_state=0)).fit(X, y), X
    yield "softmax, 3 classes", LogisticRegression(max_iter=500).fit(scaled, three), scaled
    yield "MLP 30-100-2", MLPClassifier((100,), max_iter=60, random_state=0).fit(scaled, y), scaled
    yield "MLP 30-100-50-3", MLPClassifier((100, 50), max_iter=60, random_state=0).fit(scaled, three), scaled
    yield "5 nearest neighbours", KNeighborsClassifier().fit(scaled, y), scaled


def seconds(function: Callable[[], Any], repeats: int) -> float:
    """Median processor time."""
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        function()
        times.append(time.process_time() - begin)
    return statistics.median(times)


def measure(model: Any, X: NDArray[np.float64], n_masks: int, repeats: int) -> tuple[str, float, float, float]:
    """What ran, and seconds of the model's predict, the formula compiled in C++ and by Numba."""
    background, x = X[:N_BACKGROUND] + 1e-3, X[200]
    random = np.random.default_rng(0)
    masks = random.random((n_masks, X.shape[1])) < random.random((n_masks, 1))
    seen = known_formula(model, "predict_proba", model.predict_proba, background, X[150:200])
    assert seen is not None
    assert seen.model is not None
    game = seen.model.bind(seen.encode(background), None, seen.columns_of)
    encoded = seen.encode(x[None])[0]

    def asked() -> NDArray[np.float64]:
        rows = np.where(masks[:, None, :], x, background).reshape(-1, X.shape[1])
        by_row = np.asarray(model.predict_proba(rows), dtype=np.float64)
        return np.asarray(by_row.reshape(n_masks, N_BACKGROUND, -1).mean(axis=1))

    def scored(backend: str) -> NDArray[np.float64]:
        return game.coalition_values(encoded, masks, n_threads=1, backend=backend)

    for backend in ("native", "numba"):
        worst = np.abs(scored(backend) - asked()).max()
        assert worst <= TOLERANCE, f"{backend} is off by {worst}"
    own = seconds(asked, max(1, repeats // 2))
    return seen.path, own, seconds(lambda: scored("native"), repeats), seconds(lambda: scored("numba"), repeats)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-masks", type=int, default=600)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    n_rows = arguments.n_masks * N_BACKGROUND
    print(f"microseconds per masked row, {arguments.n_masks} coalitions x {N_BACKGROUND} background rows, one thread\n")
    print("| model | path | predict | formula | formula, Numba | times faster |")
    print("|---|---|---|---|---|---|")
    for name, model, X in models():
        path, own, native, numba = measure(model, X, arguments.n_masks, arguments.repeats)
        cells = [f"{1e6 * value / n_rows:.2f}" for value in (own, native, numba)]
        print(f"| {name} | {path} | {' | '.join(cells)} | {own / native:.0f} |")


if __name__ == "__main__":
    main()
