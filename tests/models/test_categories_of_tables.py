"""Categories of polars tables, where a model was fitted on pandas: all that asks the library to predict works too."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fastexplain import KernelExplainer, PFIExplainer, TabularExplainer, kernel_shap, permutation_importance
from fastexplain.explanation import load_explanation, save_explanation

lightgbm = pytest.importorskip("lightgbm")
polars = pytest.importorskip("polars")
xgboost = pytest.importorskip("xgboost")


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=120), "c": pd.Categorical(rng.choice(list("xyz"), 120))})


def target() -> np.ndarray:
    return np.asarray(frame()["a"] + 2.0 * (frame()["c"] == "x"))


def polars_rows(kind: str) -> Any:
    dtype = polars.Categorical if kind == "Categorical" else polars.Enum(["x", "y", "z"])
    labels = polars.Series("c", frame()["c"].astype(str).tolist(), dtype=dtype)
    return polars.DataFrame({"a": frame()["a"].to_numpy()}).with_columns(labels)


@pytest.fixture(scope="module", params=["lightgbm", "xgboost"])
def model(request: pytest.FixtureRequest) -> Any:
    if request.param == "lightgbm":
        return lightgbm.LGBMRegressor(n_estimators=5, verbose=-1, n_jobs=1).fit(frame(), target())
    return xgboost.XGBRegressor(n_estimators=5, enable_categorical=True, n_jobs=1).fit(frame(), target())


@pytest.mark.parametrize("kind", ["Categorical", "Enum"])
def test_explanation_holds_the_predictions_of_polars_rows(model: Any, kind: str, tmp_path: Path) -> None:
    rows = polars_rows(kind)
    explanation = TabularExplainer(model, rows).explain_local(rows)
    expected = model.predict(frame())
    np.testing.assert_allclose(explanation.eval_y_predicted, expected, rtol=1e-6)
    assert len(explanation.to_pandas()) == len(expected)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(explanation)).eval_y_predicted, expected, rtol=1e-6)
    save_explanation(explanation, tmp_path / "saved")
    np.testing.assert_allclose(load_explanation(tmp_path / "saved").eval_y_predicted, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["Categorical", "Enum"])
def test_permutation_importance_of_polars_rows_is_that_of_pandas(model: Any, kind: str) -> None:
    of_pandas = permutation_importance(model, frame(), target(), n_repeats=2).importances_mean
    of_polars = permutation_importance(model, polars_rows(kind), target(), n_repeats=2).importances_mean
    np.testing.assert_allclose(of_polars, of_pandas, rtol=1e-6)
    explained = PFIExplainer(model, show_progress=False).explain_global(polars_rows(kind), true_labels=target())
    assert explained.get_feature_importance_dict()["c"] > 0


@pytest.mark.parametrize("kind", ["Categorical", "Enum"])
def test_kernel_shap_of_polars_rows_is_that_of_pandas(model: Any, kind: str) -> None:
    rows = polars_rows(kind)
    of_pandas = kernel_shap(model.predict, frame()[:4], frame()[:10])
    of_polars = kernel_shap(model.predict, rows[:4], rows[:10])
    np.testing.assert_allclose(of_polars.values, of_pandas.values, atol=1e-6)
    explained = KernelExplainer(model, rows[:10], show_progress=False).explain_local(rows[:4])
    np.testing.assert_allclose(explained.local_importance_values, of_pandas.values[:, :, 0], atol=1e-6)


def test_booster_of_polars_rows() -> None:
    data = lightgbm.Dataset(frame(), target())
    booster = lightgbm.train({"verbose": -1, "num_threads": 1}, data, 5)
    found = permutation_importance(booster, polars_rows("Enum"), target(), n_repeats=2).importances_mean
    assert found[1] > 0
