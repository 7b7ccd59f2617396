"""LightGBM's SHAP values, and drawn parameters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive import naive_tree_shap

from fastexplain import load_model, tree_shap

lgb = pytest.importorskip("lightgbm")
pd = pytest.importorskip("pandas")
from lightgbm_cases import (  # noqa: E402
    CLASS_BOUNDS,
    KINDS,
    MISSING,
    PRED_CONTRIB_ROUNDING,
    assert_predicts_like_lightgbm,
    awkward_rows,
    rows,
    target,
    train,
)

EXPLAINED = {
    **{f"missing-{name}": params for name, params in MISSING.items()},
    "categorical": {"categorical_feature": [3]},
    "dart": KINDS["dart"],
    "one-leaf-trees": KINDS["one-leaf-trees"],
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_naive_values_equal_lightgbm_pred_contrib(name: str) -> None:
    # Says that the covers are LightGBM's too.
    booster = train(rows(), target(rows()), weight=np.random.default_rng(0).random(400), **EXPLAINED[name])
    forest = load_model(booster).forest
    X = awkward_rows(forest)[::5]
    values, base_values = naive_tree_shap(forest, X)
    theirs = booster.predict(X, pred_contrib=True)
    np.testing.assert_allclose(values[:, :, 0], theirs[:, :-1], atol=PRED_CONTRIB_ROUNDING)
    np.testing.assert_allclose(base_values[0], theirs[0, -1], atol=PRED_CONTRIB_ROUNDING)


@pytest.mark.parametrize("name", [*EXPLAINED, "rf"])
def test_tree_shap_equals_naive(name: str) -> None:
    y = np.digitize(target(rows()), CLASS_BOUNDS)
    params = {**EXPLAINED, "rf": KINDS["rf"]}[name]
    booster = train(rows(), y, objective="multiclass", num_class=3, **{**params, "n_rounds": 2})
    loaded = load_model(booster)
    X = awkward_rows(loaded.forest)[::5]
    values, base_values = tree_shap(booster, X)
    naive_values, naive_base = naive_tree_shap(loaded.forest, X)
    np.testing.assert_allclose(values, naive_values, atol=PRED_CONTRIB_ROUNDING)
    np.testing.assert_allclose(base_values, naive_base, atol=PRED_CONTRIB_ROUNDING)
    np.testing.assert_allclose(values.sum(axis=1) + base_values, loaded.raw_predict(X), atol=PRED_CONTRIB_ROUNDING)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**16),
    missing=st.sampled_from(sorted(MISSING)),
    categorical=st.booleans(),
    boosting=st.sampled_from(["gbdt", "rf", "dart"]),
    n_classes=st.sampled_from([1, 3]),
    num_leaves=st.integers(2, 40),
    max_bin=st.sampled_from([3, 16, 255]),
    n_rounds=st.integers(1, 6),
)
def test_any_parameters_predict_like_lightgbm(
    seed: int, missing: str, categorical: bool, boosting: str, n_classes: int, n_rounds: int, **params: int
) -> None:
    X = rows(seed, 200)
    y = target(X)
    if n_classes > 1:
        y = np.digitize(y, CLASS_BOUNDS)
        params |= {"objective": "multiclass", "num_class": n_classes}
    bagging = {"bagging_fraction": 0.6, "bagging_freq": 1}
    columns = [3] if categorical else []
    assert_predicts_like_lightgbm(
        train(X, y, n_rounds, boosting=boosting, categorical_feature=columns, **MISSING[missing], **bagging, **params)
    )
