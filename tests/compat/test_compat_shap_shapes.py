"""Shapes of results, of one row or several, one output or several: shap's, wherever it has an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeRegressor

import fastexplain.compat.shap as ours

pytest.importorskip("pandas")
shap = pytest.importorskip("shap")

X, Y = load_iris(return_X_y=True)
BACKGROUND = X[::10]
BINARY = (Y == 1).astype(int)
NB = GaussianNB().fit(X, Y)

ROWS = {"rows": X[:2], "one_row_2d": X[:1], "one_row_1d": X[0]}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "classes": NB.predict_proba,
    "one_class": lambda rows: NB.predict_proba(rows)[:, 1],
    "one_column": lambda rows: NB.predict_proba(rows)[:, 1:2],
}
AGNOSTIC = {
    "Kernel": lambda package, function: package.KernelExplainer(function, BACKGROUND),
    "Sampling": lambda package, function: package.SamplingExplainer(function, BACKGROUND),
    "Permutation": lambda package, function: package.PermutationExplainer(function, BACKGROUND),
    "Exact": lambda package, function: package.ExactExplainer(function, BACKGROUND),
    "ExactOwen": lambda package, function: package.ExactExplainer(function, package.maskers.Partition(BACKGROUND)),
    "Partition": lambda package, function: package.PartitionExplainer(function, package.maskers.Partition(BACKGROUND)),
}
MODELS = {
    "linear_regression": ("Linear", LinearRegression().fit(X, Y)),
    "linear_binary": ("Linear", LogisticRegression(max_iter=500).fit(X, BINARY)),
    "linear_classes": ("Linear", LogisticRegression(max_iter=500).fit(X, Y)),
    "linear_targets": ("Linear", Ridge().fit(X, X[:, :2])),
    "tree": ("Tree", DecisionTreeRegressor(max_depth=4, random_state=0).fit(X, Y)),
    "forest": ("Tree", RandomForestRegressor(n_estimators=5, random_state=0).fit(X, Y)),
    "forest_binary": ("Tree", RandomForestClassifier(n_estimators=5, random_state=0).fit(X, BINARY)),
    "forest_classes": ("Tree", RandomForestClassifier(n_estimators=5, random_state=0).fit(X, Y)),
    "boosting": ("Tree", GradientBoostingRegressor(n_estimators=5, random_state=0).fit(X, Y)),
    "boosting_binary": ("Tree", GradientBoostingClassifier(n_estimators=5, random_state=0).fit(X, BINARY)),
    "histograms_binary": ("Tree", HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(X, BINARY)),
    "histograms_classes": ("Tree", HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(X, Y)),
}


def assert_same_shapes(mine: Any, theirs: Any, rows: Any) -> None:
    """Of a call and of `shap_values`, where shap does not raise."""
    single = np.ndim(rows) == 1
    try:
        wanted = theirs(rows)
    except Exception:
        assert single  # shap takes no single row here; ours gives what slicing shap's would
        wanted = theirs(rows[np.newaxis])[0]
    got = mine(rows)
    assert np.shape(got.values) == np.shape(wanted.values)
    assert np.shape(got.data) == np.shape(wanted.data)
    if not single and np.ndim(wanted.base_values) == np.ndim(
        got.base_values
    ):  # SamplingExplainer's are not one per row
        assert np.shape(got.base_values) == np.shape(wanted.base_values)
    if single:  # shap repeats base values once per feature there
        assert np.shape(got.base_values) == np.shape(mine(rows[np.newaxis]).base_values[0])
    if hasattr(theirs, "shap_values"):
        try:
            values = theirs.shap_values(rows)
        except Exception:
            assert single
        else:
            assert np.shape(mine.shap_values(rows)) == np.shape(values)
    assert np.shape(mine.shap_values(rows)) == np.shape(got.values)


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("make", AGNOSTIC.values(), ids=AGNOSTIC)
def test_explainers_of_functions(make: Any, function: Any, rows: Any) -> None:
    assert_same_shapes(make(ours, function), make(shap, function), rows)


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("name", MODELS)
def test_explainers_of_models(name: str, rows: Any) -> None:
    kind, model = MODELS[name]
    arguments = (model,) if kind == "Tree" else (model, BACKGROUND)
    mine, theirs = (getattr(package, f"{kind}Explainer")(*arguments) for package in (ours, shap))
    assert_same_shapes(mine, theirs, rows)
    assert np.shape(mine.expected_value) == np.shape(theirs.expected_value)
    np.testing.assert_allclose(mine.expected_value, theirs.expected_value, rtol=1e-6)
    np.testing.assert_allclose(mine(rows).values, mine.shap_values(rows))


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_deep(n_outputs: int, rows: Any) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, n_outputs))
    background = torch.tensor(BACKGROUND, dtype=torch.float32)
    mine, theirs = (package.DeepExplainer(model, background) for package in (ours, shap))
    if np.ndim(rows) == 1:  # shap's takes no single row
        assert mine(rows).shape == mine.shap_values(rows).shape == (4, n_outputs)
        return
    assert_same_shapes(mine, theirs, torch.tensor(rows, dtype=torch.float32))


def test_one_row_is_the_first_of_two() -> None:
    explainer = ours.KernelExplainer(NB.predict_proba, BACKGROUND, feature_names=list("abcd"))
    one, two = explainer(X[0], silent=True), explainer(X[:2], silent=True)
    np.testing.assert_allclose(one.values, two.values[0], atol=1e-12)
    np.testing.assert_allclose(one.values.sum(axis=0) + one.base_values, NB.predict_proba(X[:1])[0], atol=1e-12)
    assert one.feature_names == two.feature_names
    assert one.op_history == []
    assert one[:, 1].shape == (4,)
