"""Columns of category type whose labels are numbers: scikit-learn reads the numbers, and so do we."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeRegressor

from fastexplain import TabularExplainer, permutation_importance, tree_shap
from fastexplain.models import load_model

LABELS = {
    "int": [3, 1, 2, 40],
    "float": [0.5, -1.25, 3.0, 1e3],
    "bool": [True, False],
    "digits": ["3", "1", "2", "40"],
}


def table(kind: str, missing: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=120), "b": rng.normal(size=120)})
    labels = LABELS[kind]
    column = pd.Series([labels[i] for i in rng.integers(0, len(labels), 120)])
    if missing:
        column[::9] = None
    frame["c"] = pd.Categorical(column, categories=labels)
    return frame


def target(frame: pd.DataFrame) -> np.ndarray:
    numbers = frame["c"].astype(object).astype(float).fillna(0.0)
    return np.asarray(frame["a"] + 2.0 * (numbers % 2 > 0.9))


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeRegressor(max_depth=4),
        RandomForestRegressor(n_estimators=4, max_depth=4, random_state=0),
        GradientBoostingRegressor(n_estimators=5, random_state=0),
    ],
    ids=["tree", "forest", "boosting"],
)
def test_values_add_up_on_the_frame_that_the_model_was_fitted_on(model: Any, kind: str) -> None:
    frame = table(kind)
    model.fit(frame, target(frame))
    values, base = tree_shap(model, frame)
    np.testing.assert_allclose(values.sum(axis=(1, 2)) + base, model.predict(frame), rtol=1e-9)
    assert np.abs(values[:, 2]).max() > 0


def test_missing_labels_go_as_missing_values() -> None:
    frame = table("int", missing=True)
    model = RandomForestRegressor(n_estimators=4, random_state=0).fit(frame, target(frame))
    loaded = load_model(model)
    assert np.isnan(loaded.prepare(frame)[::9, 2]).all()
    np.testing.assert_allclose(loaded.forest.predict(loaded.prepare(frame))[:, 0], model.predict(frame), rtol=1e-9)


def test_order_of_the_labels_does_not_matter() -> None:
    frame = table("int")
    model = DecisionTreeRegressor().fit(frame, target(frame))
    again = frame.assign(c=frame["c"].cat.reorder_categories([40, 3, 2, 1]))
    np.testing.assert_array_equal(tree_shap(model, frame).values, tree_shap(model, again).values)


def test_hist_gradient_boosting_that_splits_by_number() -> None:
    frame = table("int")
    model = HistGradientBoostingRegressor(max_iter=5, categorical_features=None).fit(frame, target(frame))
    values, base = tree_shap(model, frame)
    np.testing.assert_allclose(values.sum(axis=(1, 2)) + base, model.predict(frame), rtol=1e-9)


@pytest.mark.parametrize("kind", ["int", "bool"])
def test_explainer_and_permutation_importance(kind: str) -> None:
    frame = table(kind)
    label = (target(frame) > 0) * 1
    model = RandomForestClassifier(n_estimators=4, max_depth=4, random_state=0).fit(frame, label)
    explanation = TabularExplainer(model, frame).explain_local(frame)
    assert np.shape(explanation.local_importance_values) == (2, 120, 3)
    result = permutation_importance(model, frame, label, n_repeats=2)
    assert result.importances_mean.shape[0] == 3
    assert result.importances_mean[2] > 0


def test_label_that_is_no_number_is_named() -> None:
    frame = table("int")
    model = DecisionTreeRegressor().fit(frame, target(frame))
    column = frame["c"].astype(object)
    column[7] = "many"
    with pytest.raises(ValueError, match=r"Column 2 \('c'\) holds 'many' in row 7, which is not a number"):
        tree_shap(model, frame.assign(c=column.astype("category")))
    with pytest.raises(ValueError, match="many"):  # which is what the library does
        model.predict(frame.assign(c=column.astype("category")))


@pytest.mark.parametrize("dtype", ["Categorical", "Enum"])
def test_polars_labels_that_are_numbers(dtype: str) -> None:
    polars = pytest.importorskip("polars")
    frame = table("digits")
    kind = polars.Categorical if dtype == "Categorical" else polars.Enum(LABELS["digits"])
    rows = polars.DataFrame({"a": frame["a"].to_numpy(), "b": frame["b"].to_numpy()}).with_columns(
        polars.Series("c", frame["c"].astype(str).tolist(), dtype=kind)
    )
    model = RandomForestRegressor(n_estimators=4, random_state=0).fit(rows, target(frame))
    values, base = tree_shap(model, rows)
    np.testing.assert_allclose(values.sum(axis=(1, 2)) + base, model.predict(rows), rtol=1e-9)
