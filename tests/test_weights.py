"""Weights of any size: only their ratios count, in every function that takes some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor

import fastexplain

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 4))
Y = X @ [1.0, -2.0, 0.5, 0.0] + np.sin(X[:, 0] * X[:, 1])
BACKGROUND, ROWS = X[:5], X[5:8]
LINEAR = LinearRegression().fit(X, Y)
NETWORK = MLPRegressor(hidden_layer_sizes=(6,), max_iter=300, random_state=0).fit(X, Y)
CLASSIFIER = LogisticRegression().fit(X, Y > 0)


def black_box(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sin(rows).prod(axis=1)


def importances(metric: str, model: Any = LINEAR, y: Any = Y) -> Callable[[Any], Any]:
    def run(weights: NDArray[np.float64]) -> Any:
        repeated = np.tile(weights, 8)
        found = fastexplain.permutation_importance(model, X, y, metrics=metric, sample_weight=repeated, n_repeats=3)
        return np.stack([found.importances_mean, found.standard_errors])

    return run


def weighted(weights: NDArray[np.float64]) -> fastexplain.Background:
    return fastexplain.Background(BACKGROUND, weights)


def by_explainer(weights: NDArray[np.float64]) -> Any:
    return fastexplain.KernelExplainer(LINEAR, weighted(weights)).explain_local(ROWS)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "kernel_shap": lambda w: fastexplain.kernel_shap(black_box, ROWS, BACKGROUND, weights=w).values,
    "kernel_shap of a formula": lambda w: fastexplain.kernel_shap(LINEAR, ROWS, BACKGROUND, weights=w).values,
    "linear_shap": lambda w: fastexplain.linear_shap(LINEAR, ROWS, BACKGROUND, weights=w).values,
    "deep_lift": lambda w: fastexplain.deep_lift(NETWORK, ROWS, BACKGROUND, weights=w).values,
    "expected_gradients": lambda w: fastexplain.expected_gradients(NETWORK, ROWS, BACKGROUND, weights=w).values,
    "KernelExplainer": lambda w: by_explainer(w).local_importance_values,
    "permutation_importance": importances("mean_squared_error"),
    "permutation_importance, auc": importances("roc_auc", CLASSIFIER, Y > 0),
    "permutation_importance, median": importances("median_absolute_error"),
    "permutation_importance, f1": importances("f1", CLASSIFIER, Y > 0),
}


@pytest.mark.parametrize("size", [2.0**1022, 2.0**-1060], ids=["huge", "tiny"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_only_ratios_of_weights_count(name: str, size: float) -> None:
    weights = np.array([2.0, 1.0, 3.0, 0.0, 1.0])
    expected = np.asarray(FUNCTIONS[name](weights))
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(np.asarray(FUNCTIONS[name](weights * size)), expected, rtol=1e-9, atol=1e-12)
