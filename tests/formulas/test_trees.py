"""Tree ensembles whose explained output is the sum of their trees: Kernel SHAP without sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from naive_games import naive_kernel_shap, naive_shapley
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

import fastexplain
from fastexplain.engine.formulas.known import known_formula

X, Y = load_iris(return_X_y=True)
TARGET = X[:, 0] * Y + X[:, 1]
ROWS, BACKGROUND = X[3:60:19], X[::25]
GROUPS = [[3, 0], [1], [2]]
# Sums of a few hundred leaves, in another order.
TOLERANCE = 1e-12

MODELS: dict[str, tuple[Any, str]] = {
    "tree": (DecisionTreeRegressor(max_depth=4).fit(X, TARGET), "predict"),
    "forest": (RandomForestRegressor(5, random_state=0).fit(X, TARGET), "predict"),
    "targets": (ExtraTreesRegressor(5, random_state=0).fit(X, np.c_[TARGET, Y]), "predict"),
    "classes": (RandomForestClassifier(5, random_state=0).fit(X, Y), "predict_proba"),
    "boosting": (GradientBoostingRegressor(n_estimators=5, random_state=0).fit(X, TARGET), "predict"),
    "margin": (GradientBoostingClassifier(n_estimators=5, random_state=0).fit(X, Y == 1), "decision_function"),
    "margins": (HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(X, Y), "decision_function"),
}


def known(model: Any, method: str) -> Any:
    return known_formula(model, method, getattr(model, method), BACKGROUND, ROWS)


@pytest.mark.parametrize("backend", ["native", "numba"])
@pytest.mark.parametrize("name", MODELS)
def test_equal_to_the_definition(name: str, backend: str) -> None:
    model, method = MODELS[name]
    found, predict = known(model, method), getattr(model, method)
    assert found.path == "trees"
    weights = np.arange(1.0, len(BACKGROUND) + 1)
    assert_allclose(found.model.predict(X).squeeze(), predict(X), rtol=0, atol=1e-12)
    for groups in (None, GROUPS):
        game = found.model.bind(BACKGROUND, weights / weights.sum(), groups)
        expected = naive_kernel_shap(predict, ROWS, BACKGROUND, weights, groups)
        values = game.shap_values(ROWS, n_threads=2, backend=backend)
        assert_allclose(values, expected, rtol=0, atol=TOLERANCE * np.abs(predict(X)).max())
        n_players = expected.shape[1]
        masks = (np.arange(2**n_players)[:, None] >> np.arange(n_players) & 1).astype(bool)
        for x, phi in zip(ROWS, expected, strict=True):
            v = game.coalition_values(x, masks, n_threads=2, backend=backend)
            played = naive_shapley(lambda coalition, v=v: v[sum(1 << i for i in coalition)], n_players)
            assert_allclose(played, phi, rtol=0, atol=TOLERANCE * np.abs(predict(X)).max())


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_boosting_libraries(library: str) -> None:
    module = pytest.importorskip(library)
    quiet = {"verbose": -1} if library == "lightgbm" else {}
    name = "LGBMRegressor" if library == "lightgbm" else "XGBRegressor"
    model = getattr(module, name)(n_estimators=5, n_jobs=1, **quiet).fit(X, TARGET)
    result = fastexplain.kernel_shap(model, ROWS, BACKGROUND)
    assert result.method == "trees"
    assert not result.standard_errors.any()
    expected = fastexplain.kernel_shap(model, ROWS, BACKGROUND, method="exact", see_through=False)
    rtol = 1e-12 if library == "lightgbm" else 1e-5  # XGBoost predicts in float32
    assert_allclose(result.values, expected.values, rtol=0, atol=rtol * np.abs(TARGET).max())


def test_many_features_take_no_evaluations() -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(200, 40))
    model = RandomForestRegressor(10, random_state=0).fit(wide, wide[:, 0] * wide[:, 1] + wide[:, 2])
    result = fastexplain.kernel_shap(model.predict, wide[:3], wide[50:])
    assert result.method == "trees"
    assert not result.n_evaluations.any()
    total = result.values.sum(axis=1)[:, 0] + result.base_values[0]
    assert_allclose(total, model.predict(wide[:3]), rtol=1e-12)


@pytest.mark.parametrize(
    ("model", "method"),
    [
        (GradientBoostingClassifier(n_estimators=3).fit(X, Y == 1), "predict_proba"),  # a sigmoid of the sum
        (RandomForestClassifier(3).fit(X, Y), "predict"),  # labels
        (HistGradientBoostingRegressor(loss="poisson", max_iter=3).fit(X, Y), "predict"),  # an exponential of the sum
    ],
    ids=["sigmoid", "labels", "exponential"],
)
def test_what_is_no_sum_of_trees_is_a_black_box(model: Any, method: str) -> None:
    assert known(model, method) is None


def test_rows_with_missing_values_are_left_to_the_model() -> None:
    rows = X.copy()
    rows[::5, 1] = np.nan
    model = HistGradientBoostingRegressor(max_iter=5).fit(rows, TARGET)
    result = fastexplain.kernel_shap(model, rows[:4], rows[::25])
    assert result.method == "exact"


def test_inside_pipelines_and_averages() -> None:
    forest = RandomForestRegressor(5, random_state=0)
    piped = make_pipeline(StandardScaler(), forest).fit(X, TARGET)
    averaged = VotingRegressor([("forest", forest), ("ridge", Ridge())]).fit(X, TARGET)
    for model, path in ((piped, "pipeline:trees"), (averaged, "average(linear, trees)")):
        result = fastexplain.kernel_shap(model, ROWS, BACKGROUND)
        assert result.method == path
        expected = fastexplain.kernel_shap(model, ROWS, BACKGROUND, method="exact", see_through=False)
        assert_allclose(result.values, expected.values, rtol=0, atol=1e-11)


def test_a_link_is_played_with_the_trees() -> None:
    smooth = RandomForestClassifier(50, min_samples_leaf=20, random_state=0).fit(X, Y != 1)
    result = fastexplain.kernel_shap(smooth.predict_proba, ROWS, BACKGROUND, link="logit", method="exact")
    assert result.method.startswith("trees+")
    expected = fastexplain.kernel_shap(
        smooth.predict_proba, ROWS, BACKGROUND, link="logit", method="exact", see_through=False
    )
    assert_allclose(result.values, expected.values, rtol=0, atol=1e-9)


def test_the_explainer_says_which_way_was_taken() -> None:
    model = RandomForestRegressor(5, random_state=0).fit(X, TARGET)
    explainer = fastexplain.KernelExplainer(model, X)
    explanation = explainer.explain_local(ROWS)
    assert explainer.method == "shap.kernel (trees)"
    assert_allclose(
        np.sum(explanation.local_importance_values, axis=1) + explanation.expected_values[0], model.predict(ROWS)
    )
    model.fit(X, TARGET[::-1])  # fitted anew: the old trees are forgotten
    again = explainer.explain_local(ROWS)
    assert_allclose(np.sum(again.local_importance_values, axis=1) + again.expected_values[0], model.predict(ROWS))
