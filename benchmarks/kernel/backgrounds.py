"""Which rows stand for all: values by a background of few rows against values by all of them.

    OPENBLAS_NUM_THREADS=1 python benchmarks/kernel/backgrounds.py [--rows 20] [--only NAME]

Prints a Markdown table. Models have a closed form, or few features, so that values of either background are exact: what
differs is the background. Errors are mean |difference| as a share of the mean |value|; base values are compared with
the mean prediction of all rows, in standard errors of this mean; a sign counts where the feature has 5% of its row's
values.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fastexplain
from fastexplain.explainers.shared.background import BackgroundChoice

__all__ = ["CHOICES", "Case", "Found", "cases", "compare"]

Float = NDArray[np.float64]

SEEDS = 5
MATTERS = 0.05


class Case(NamedTuple):
    """A prediction function, the rows it was fitted on, and rows to explain."""

    name: str
    predict: Callable[[Any], Any]
    train: Any
    rows: Any


class Found(NamedTuple):
    """How far a background is off."""

    base: float
    values: float
    signs: float
    seconds: float


def cases(n_rows: int) -> list[Case]:
    """Smooth, skewed and many-class models of scikit-learn's tables, and of a table with categories."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.svm import SVR

    random = np.random.default_rng(0)
    cancer, diabetes, wine = load_breast_cancer(), load_diabetes(), load_wine()
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(cancer.data, cancer.target)
    network = MLPRegressor(hidden_layer_sizes=(20,), max_iter=2000, random_state=0)
    network.fit(diabetes.data * 20, diabetes.target / 100)
    kinds = make_pipeline(StandardScaler(), LogisticRegression()).fit(wine.data, wine.target)
    n = 1000
    table = pd.DataFrame(np.exp(random.normal(size=(n, 4))), columns=list("abcd"))
    table["kind"] = random.choice(["u", "v", "w", "x"], n, p=[0.7, 0.2, 0.07, 0.03])
    odds = np.log(table.a * table.b) + 2.0 * (table.kind == "x") - 2.0
    encode = make_column_transformer((OneHotEncoder(), ["kind"]), (StandardScaler(), list("abcd")))
    mixed = make_pipeline(encode, LogisticRegression(C=10)).fit(table, odds + random.logistic(size=n) > 0)
    skewed = np.exp(random.normal(size=(600, 6)))
    vectors = SVR(C=10.0, gamma=0.1).fit(skewed, skewed[:, 0] * skewed[:, 1])
    return [
        Case("cancer, logistic", classifier.predict_proba, cancer.data, cancer.data[:n_rows]),
        Case("diabetes, MLP", network.predict, diabetes.data * 20, diabetes.data[:n_rows] * 20),
        Case("wine, 3 classes", kinds.predict_proba, wine.data, wine.data[:: 178 // n_rows][:n_rows]),
        Case("categories, logistic", mixed.predict_proba, table, table[:n_rows]),
        Case("skewed, RBF SVR", vectors.predict, skewed, skewed[:n_rows]),
    ]


def _random_rows(case: Case, n_chosen: int, seed: int) -> Any:
    chosen = np.random.default_rng(seed).choice(len(case.train), n_chosen, replace=False)
    return case.train.iloc[chosen] if hasattr(case.train, "iloc") else case.train[chosen]


def _by_default(case: Case, seed: int) -> Any:
    choice = BackgroundChoice.of(case.train, None, seed)
    return choice.rows(_two_dimensional(case.predict(choice.probe)))


# Name -> how a background is made of a case's rows, with a seed.
CHOICES: dict[str, Callable[[Case, int], Any]] = {
    "100 random rows": lambda case, seed: _random_rows(case, 100, seed),
    "10 k-means centres": lambda case, seed: fastexplain.summarize_background(case.train, 10, seed=seed),
    "50 k-means centres": lambda case, seed: fastexplain.summarize_background(case.train, 50, seed=seed),
    "100 k-means centres": lambda case, seed: fastexplain.summarize_background(case.train, 100, seed=seed),
    "KernelExplainer's 100 rows": _by_default,
}


def _two_dimensional(prediction: Any) -> Float:
    return np.asarray(prediction, dtype=np.float64).reshape(len(prediction), -1)


def compare(case: Case, make: Callable[[Case, int], Any], whole: Any, seeds: int = SEEDS) -> Found | None:
    """Means over seeds; None where the rows cannot be so summarised."""
    outputs = _two_dimensional(case.predict(case.train))
    error_of_mean = np.maximum(outputs.std(axis=0) / np.sqrt(len(outputs)), 1e-300)
    matters = np.abs(whole.values) >= MATTERS * np.abs(whole.values).sum(axis=1, keepdims=True)
    found = []
    for seed in range(seeds):
        begin = time.process_time()
        try:
            background = make(case, seed)
        except TypeError:  # k-means needs numbers
            return None
        seconds = time.process_time() - begin
        got = fastexplain.kernel_shap(case.predict, case.rows, background, n_threads=1)
        flipped = (np.sign(got.values) != np.sign(whole.values)) & matters
        found.append(
            Found(
                float((np.abs(got.base_values - outputs.mean(axis=0)) / error_of_mean).max()),
                float(np.abs(got.values - whole.values).mean() / np.abs(whole.values).mean()),
                float(flipped.sum() / matters.sum()),
                seconds,
            )
        )
    return Found(*np.mean(found, axis=0).tolist())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--only", default="", help="part of a case's name")
    arguments = parser.parse_args()
    print("| model | background | base, standard errors | values | signs | seconds to choose |")
    print("|---|---|---:|---:|---:|---:|")
    for case in cases(arguments.rows):
        if arguments.only not in case.name:
            continue
        whole = fastexplain.kernel_shap(case.predict, case.rows, case.train, n_threads=1)
        if np.nan_to_num(whole.standard_errors).any():
            raise SystemExit(f"{case.name}: values by all rows are estimates.")
        for name, make in CHOICES.items():
            found = compare(case, make, whole)
            if found is not None:
                cells = [f"{found.base:.2f}", f"{found.values:.1%}", f"{found.signs:.1%}", f"{found.seconds:.2g}"]
                print("| " + " | ".join([case.name, name, *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
