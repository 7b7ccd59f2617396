"""Permutation importance against scikit-learn's, in one session on one machine; prints a markdown table.

    python benchmarks/permutation/permutation_importance.py            # about two minutes
    python benchmarks/permutation/permutation_importance.py --threads 2

Speed: CPU and wall seconds of the same metric, repeats and threads, answers compared first (z: difference of means over
their standard error; with five repeats of scikit-learn's a t of about 4 degrees, so about 0.75 in the median and 1.4 in
the root mean square). Its permutations are the same for every column, so that the z of one run rise and fall together.
Columns whose permutation changes the score by rounding only are left out: of a model that separates its classes the AUC
stays at 1, and scikit-learn's sum of trapezoids then differs from it by a few 1e-17, with a spread of less. Accuracy:
variance of the importances over seeds at the same number of repeats, for models that are called as plain functions; the
ratio below 1 is what stratified permutations and exact columns save.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, make_friedman1
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance as sklearn_importance
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import scale
from sklearn.svm import SVR

import fastexplain

Array = NDArray[np.float64]
N_REPEATS = 5
# Changes of a score below this, relative to it, are those of its own sums.
ROUNDING = 1e-12


def timed(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result, wall seconds and CPU seconds (of this process)."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def speed(n_threads: int, n_rows: int) -> None:
    """XGBoost, 100 trees, 101 features, 5 repeats."""
    from xgboost import XGBClassifier, XGBRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 101))
    y = X[:, :20] @ rng.normal(size=20) + X[:, 0] * X[:, 1] + rng.normal(size=n_rows)
    print(f"\nXGBoost, 100 trees, depth 6, 101 features, {N_REPEATS} repeats, {n_rows:,} rows, threads {n_threads}\n")
    print("| metric | sklearn wall s | sklearn CPU s | ours wall s | ours CPU s | wall ratio | CPU ratio |", end="")
    print(" z: median, rms, columns |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for metric, kind, target in (
        ("neg_mean_squared_error", XGBRegressor, y),
        ("roc_auc", XGBClassifier, (y > 0).astype(int)),
    ):
        model = kind(n_estimators=100, max_depth=6, n_jobs=n_threads).fit(X, target)

        def ours(model: Any = model, target: Any = target, metric: str = metric) -> Any:
            return fastexplain.permutation_importance(
                model, X, target, metrics=metric, n_repeats=N_REPEATS, n_threads=n_threads
            )

        ours()
        runs = [timed(ours) for _ in range(5)]
        result, wall, cpu = runs[0][0], float(np.median([r[1] for r in runs])), float(np.median([r[2] for r in runs]))
        model.n_jobs = 1
        options = {"scoring": metric, "n_repeats": N_REPEATS, "random_state": 0, "n_jobs": n_threads}
        theirs, their_wall, their_cpu = timed(lambda m=model, t=target, o=options: sklearn_importance(m, X, t, **o))
        spread = np.sqrt(theirs.importances_std**2 / (N_REPEATS - 1) + result.permutation_errors**2)
        moved = spread > ROUNDING * max(1.0, abs(result.baseline_score))
        z = (result.importances_mean - theirs.importances_mean)[moved] / spread[moved]
        z_text = f"{np.median(np.abs(z)):.2f}, {np.sqrt((z**2).mean()):.2f}, {moved.sum()}"
        in_process = n_threads == 1  # scikit-learn's workers are other processes
        cpu_text = f"{their_cpu:.2f}" if in_process else "-"
        ratio_text = f"{their_cpu / cpu:.1f}" if in_process else "-"
        print(
            f"| {metric} | {their_wall:.2f} | {cpu_text} | {wall:.3f} | {cpu:.3f} | {their_wall / wall:.1f} | "
            f"{ratio_text} | {z_text} |",
            flush=True,
        )


def data_sets() -> dict[str, tuple[Array, Array]]:
    """Public tables that scikit-learn holds, and one made up with columns of few values."""
    diabetes, progress = load_diabetes(return_X_y=True)
    cancer, _ = load_breast_cancer(return_X_y=True)
    friedman, response = make_friedman1(500, n_features=8, noise=0.5, random_state=0)
    rng = np.random.default_rng(0)
    mixed = np.column_stack([rng.normal(size=(500, 4)), rng.integers(2, size=(500, 3)), rng.integers(4, size=(500, 2))])
    outcome = mixed[:, 0] * (1 + mixed[:, 4]) + np.sin(2 * mixed[:, 1]) + mixed[:, 7] - mixed[:, 5] * mixed[:, 2]
    return {
        "diabetes": (scale(diabetes), scale(progress)),
        "cancer": (scale(np.delete(cancer, 3, axis=1)), scale(cancer[:, 3])),  # mean area from the rest
        "friedman": (scale(friedman), scale(response)),
        "mixed": (mixed, scale(outcome)),
    }


def accuracy(n_seeds: int) -> None:
    """Variance over seeds and time, models called as plain functions."""
    print(f"\nPlain functions, {N_REPEATS} repeats, {n_seeds} seeds; medians over the features that matter\n")
    print("| data | model | variance, ours / sklearn | CPU, ours / sklearn | rows predicted, ours / sklearn |")
    print("|---|---|--:|--:|--:|")
    all_ratios = []
    for name, (X, y) in data_sets().items():
        for model in (
            MLPRegressor(hidden_layer_sizes=(30,), max_iter=300, random_state=0),
            RandomForestRegressor(20, max_depth=8, random_state=0),
            SVR(),
        ):
            model.fit(X, y)
            importances: dict[str, list[Array]] = {"ours": [], "sklearn": []}
            seconds = {"ours": 0.0, "sklearn": 0.0}
            predicted = 0
            for seed in range(n_seeds):
                result, _, cpu = timed(
                    lambda s=seed, m=model, X=X, y=y: fastexplain.permutation_importance(
                        lambda Z: m.predict(Z),
                        X,
                        y,
                        metrics="neg_mean_squared_error",
                        n_repeats=N_REPEATS,
                        seed=s,
                        n_threads=1,
                    )
                )
                importances["ours"].append(result.importances_mean)
                seconds["ours"] += cpu
                predicted = result.n_predicted
                theirs, _, cpu = timed(
                    lambda s=seed, m=model, X=X, y=y: sklearn_importance(
                        m, X, y, scoring="neg_mean_squared_error", n_repeats=N_REPEATS, random_state=s
                    )
                )
                importances["sklearn"].append(theirs.importances_mean)
                seconds["sklearn"] += cpu
            variance = {key: np.var(found, axis=0, ddof=1) for key, found in importances.items()}
            used = variance["sklearn"] > 1e-12
            ratio = float(np.median(variance["ours"][used] / variance["sklearn"][used]))
            all_ratios.append(ratio)
            share = predicted / (len(X) * (1 + N_REPEATS * X.shape[1]))
            label = type(model).__name__
            print(
                f"| {name} | {label} | {ratio:.2f} | {seconds['ours'] / seconds['sklearn']:.2f} | {share:.2f} |",
                flush=True,
            )
    print(f"\nMedian ratio of variances: {np.median(all_ratios):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--skip", choices=["speed", "accuracy"], action="append", default=[])
    arguments = parser.parse_args()
    if "speed" not in arguments.skip:
        for n_threads in arguments.threads:
            speed(n_threads, arguments.rows)
    if "accuracy" not in arguments.skip:
        accuracy(arguments.seeds)


if __name__ == "__main__":
    main()
