"""Models whose predictions of replaced columns follow from their trees or their formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from importance_cases import BACKENDS, ROUNDING, data, run
from naive_permutation import replaced
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge, RidgeClassifier
from sklearn.metrics import (
    get_scorer,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import SVC
from strategies import random_forest, random_rows

import fastexplain
from fastexplain.engine.backends import core
from fastexplain.engine.permutation import numba_importance
from fastexplain.engine.permutation.formula_replacement import exact_values


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(12))
def test_replaced_forest_equals_forest_of_replaced_rows(seed: int, backend: str) -> None:
    rng = np.random.default_rng(seed)
    options: dict[str, Any] = {"p_categorical": 0.3, "p_zero_is_missing": 0.3} if seed % 2 else {}
    vector = seed % 3 == 0
    forest = random_forest(
        rng, n_trees=6, n_features=5, n_outputs=3 if seed % 4 else 1, vector_leaves=vector, **options
    )
    X = random_rows(rng, forest, 40).astype(np.float64)
    if seed % 4 == 2:
        X = np.nan_to_num(X, nan=0.5, posinf=1.0, neginf=-1.0)
    X = X.astype(np.float32).astype(np.float64) if forest.float32_input else X
    kernels = core() if backend == "native" else numba_importance
    values, offset, grid = exact_values(forest)
    kernel = kernels.ReplacementPredictor(forest, values, grid)
    players = [[0], [1, 3], [4]]
    offsets = np.array([0, 5, 9, 9 + seed % 7], dtype=np.int64)
    owner = np.array([0, 1, -1, 1, 2], dtype=np.int32)
    donors = rng.integers(40, size=(int(offsets[-1]), 40)).astype(np.int32)
    base, out = np.empty((40, forest.n_outputs)), np.empty((len(donors), 40, forest.n_outputs))
    kernel.predict(X, offset, base, 2)
    np.testing.assert_allclose(base, forest.predict(X), rtol=ROUNDING, atol=1e-12)
    kernel.replace(X, owner, offsets, donors, base, out, 2)
    for p, columns in enumerate(players):
        for job in range(offsets[p], offsets[p + 1]):
            expected = forest.predict(replaced(X, columns, donors[job]))
            np.testing.assert_allclose(out[job], expected, rtol=ROUNDING, atol=1e-9)


@pytest.mark.skipif(len(BACKENDS) < 2, reason="needs the compiled core")
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("n", [64, 300])
def test_blocks_of_rows_replace_as_rows_do_one_by_one(n: int, n_outputs: int) -> None:
    rng = np.random.default_rng(n)
    # three features, so that paths meet the same one again and again
    forest = random_forest(rng, n_trees=20, n_features=3, n_outputs=n_outputs, vector_leaves=n_outputs == 3)
    X = random_rows(rng, forest, n).astype(np.float64)
    X = X.astype(np.float32).astype(np.float64) if forest.float32_input else X
    values, offset, grid = exact_values(forest)
    offsets, owner = np.array([0, 5, 12], dtype=np.int64), np.array([0, 1, 0], dtype=np.int32)
    donors = rng.integers(n, size=(12, n)).astype(np.int32)
    found = []
    for kernels, n_threads in ((core(), 1), (core(), 3), (numba_importance, 1)):
        base, out = np.empty((n, n_outputs)), np.empty((12, n, n_outputs))
        kernel = kernels.ReplacementPredictor(forest, values, grid)
        kernel.predict(X, offset, base, 1)
        kernel.replace(X, owner, offsets, donors, base, out, n_threads)
        found.append(out)
    assert (found[0] != found[0][0]).any()
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def _xgboost(**options: Any) -> Any:
    from xgboost import XGBClassifier, XGBRegressor

    kind = XGBClassifier if options.pop("classifier") else XGBRegressor
    return kind(n_estimators=8, max_depth=3, n_jobs=1, **options)


def _lightgbm(**options: Any) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMClassifier if options.pop("classifier") else LGBMRegressor
    return kind(n_estimators=8, num_leaves=7, n_jobs=1, verbose=-1, **options)


MODELS: dict[str, tuple[Callable[[], Any], int, str]] = {  # builder, classes (0: regression), method
    "xgb": (lambda: _xgboost(classifier=False), 0, "tree"),
    "xgb-poisson": (lambda: _xgboost(classifier=False, objective="count:poisson"), -1, "tree"),
    "xgb-binary": (lambda: _xgboost(classifier=True), 2, "tree"),
    "xgb-three": (lambda: _xgboost(classifier=True), 3, "tree"),
    "lgbm": (lambda: _lightgbm(classifier=False), 0, "tree"),
    "lgbm-binary": (lambda: _lightgbm(classifier=True), 2, "tree"),
    "lgbm-ova": (lambda: _lightgbm(classifier=True, objective="multiclassova"), 3, "tree"),
    "rf": (lambda: RandomForestClassifier(6, random_state=0), 3, "tree"),
    "gb": (lambda: GradientBoostingClassifier(n_estimators=6, random_state=0), 2, "tree"),
    "hist": (lambda: HistGradientBoostingRegressor(max_iter=6), 0, "tree"),
    "linear": (LinearRegression, 0, "linear"),
    "poisson": (PoissonRegressor, -1, "linear"),
    "logistic": (LogisticRegression, 2, "linear"),
    "softmax": (LogisticRegression, 3, "linear"),
    "ridge-classifier": (RidgeClassifier, 3, "linear"),
    "mlp": (lambda: MLPRegressor(hidden_layer_sizes=(6, 4), max_iter=30, random_state=0), 0, "mlp"),
    "mlp-tanh": (
        lambda: MLPClassifier(hidden_layer_sizes=(6,), activation="tanh", max_iter=30, random_state=0),
        3,
        "mlp",
    ),
    "mlp-binary": (
        lambda: MLPClassifier(hidden_layer_sizes=(6,), activation="logistic", max_iter=30, random_state=0),
        2,
        "mlp",
    ),
    "svc": (SVC, 2, "black_box"),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", MODELS)
def test_formula_scores_as_the_library_does(name: str) -> None:
    """Every path against the plain function, whose rows are predicted by the library."""
    build, n_classes, method = MODELS[name]
    X, y = data(n=160)
    X = X.astype(np.float32).astype(np.float64)
    if n_classes > 0:
        y = np.array(["a", "b", "c"])[np.digitize(y, np.quantile(y, [0.5] if n_classes == 2 else [0.3, 0.7]))]
    y = np.exp(y / 5) if n_classes == -1 else y
    if name.startswith("xgb") and n_classes > 0:
        y = np.unique(y, return_inverse=True)[1]
    model = build().fit(X, y)
    metrics = ["accuracy"] if n_classes > 0 else ["neg_mean_squared_error"]
    if n_classes > 0 and hasattr(model, "predict_proba"):
        metrics = ["accuracy", "neg_log_loss", "roc_auc" if n_classes == 2 else "roc_auc_ovr"]
        metrics = metrics[:2] if name == "lgbm-ova" else metrics  # whose probabilities do not sum to 1
    found = fastexplain.permutation_importance(model, X, y, metrics=metrics, n_repeats=3)
    assert isinstance(found, dict)
    for metric in metrics:
        assert found[metric].method == method
        scorer = get_scorer(metric)
        assert found[metric].baseline_score == pytest.approx(scorer(model, X, y), rel=1e-4, abs=1e-5)
    if metrics[0] == "accuracy":
        assert found["accuracy"].baseline_score == get_scorer("accuracy")(model, X, y)
    function = model.predict_proba if len(metrics) > 1 else model.predict
    plain = fastexplain.permutation_importance(lambda Z: function(Z), X, y, metrics=metrics, n_repeats=3)
    assert isinstance(plain, dict)
    for metric in metrics:
        assert plain[metric].method == "black_box"
        np.testing.assert_allclose(found[metric].importances, plain[metric].importances, rtol=1e-3, atol=2e-5)


def test_a_model_that_differs_from_its_formula_is_a_black_box() -> None:
    class Clipped(Ridge):
        def predict(self, X: Any) -> Any:
            return np.clip(super().predict(X), -1, 1)

    X, y = data()
    assert run(Clipped().fit(X, y), X, y).method == "black_box"
