"""A surrogate's scoring explainer: the values of its `MimicExplainer`, and the surrogate's own predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.preprocessing import StandardScaler

import fastexplain
from fastexplain.scoring import load, save, scoring_explainer
from tests.scoring.models import BINARY, MARGIN, THREE, X

SURROGATES = ["LGBMExplainableModel", "DecisionTreeExplainableModel", "LinearExplainableModel", "SGDExplainableModel"]
TEACHERS: dict[str, Any] = {
    "two classes": (RandomForestClassifier(5, max_depth=4, random_state=0), BINARY),
    "three classes": (RandomForestClassifier(5, max_depth=4, random_state=0), THREE),
    "regression": (RandomForestRegressor(5, max_depth=4, random_state=0), MARGIN),
}


def mimic(surrogate: str, teacher: Any, rows: Any, **options: Any) -> Any:
    if surrogate.startswith("LGBM"):
        pytest.importorskip("lightgbm")
    options = {"fidelity": False, "augment_data": False, **options}
    return fastexplain.MimicExplainer(teacher, rows, getattr(fastexplain, surrogate), **options)


def assert_same(explainer: Any, rows: Any, folder: Path) -> Any:
    scorer = scoring_explainer(explainer)
    local = explainer.explain_local(rows)
    save(scorer, folder / "a.zip")
    for each in (scorer, load(folder / "a.zip")):
        scores = each.score(rows)
        assert_array_equal(scores.values, local.values)
        assert_array_equal(scores.base_values, local._base_values)
        assert each.explain(rows) == local.local_importance_values
    return scorer


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("task", TEACHERS)
def test_values_and_predictions(tmp_path: Path, surrogate: str, task: str) -> None:
    model, y = TEACHERS[task]
    explainer = mimic(surrogate, model.fit(X, y), X)
    scores = assert_same(explainer, X, tmp_path).score(X)
    own = np.asarray(explainer.surrogate_model.predict(X)).ravel()
    if task == "regression":
        np.testing.assert_allclose(scores.predictions, own, rtol=1e-12, atol=1e-12)
        return
    chosen = (own > 0).astype(int) if task == "two classes" else own.astype(int)
    assert_array_equal(scores.predictions, model.classes_[chosen])
    if task == "three classes" and surrogate != "SGDExplainableModel":
        np.testing.assert_allclose(scores.probabilities, explainer.surrogate_model.predict_proba(X), atol=1e-12)


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_categories(tmp_path: Path, surrogate: str) -> None:
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"])
    frame["colour"] = np.tile(["red", "blue", "grey", "green"], 40)
    frame.loc[::9, "colour"] = None
    frame["shelf"] = np.tile([2, 0, 5, 1, 3], 32)

    def teacher(rows: Any) -> Any:
        return rows["a"].to_numpy() + (rows["colour"] == "red").to_numpy() * 2.0 + (rows["shelf"] == 5).to_numpy()

    names = ["colour", "shelf"]
    explainer = mimic(surrogate, teacher, frame, is_function=True, categorical_features=names)
    scorer = assert_same(explainer, frame, tmp_path)
    assert scorer.features == list(frame)
    record = frame.iloc[1].to_dict()
    assert_array_equal(scorer.score(record).values, explainer.explain_local(frame.iloc[1:2]).values)
    unseen = frame.iloc[1:2].assign(colour="pink", shelf=9)
    assert_array_equal(scorer.score(unseen).values, explainer.explain_local(unseen).values)


def test_transformations(tmp_path: Path) -> None:
    frame = pd.DataFrame(X[:, :3], columns=list("abc"))
    scaler = StandardScaler().fit(frame[["a", "b", "c"]])
    model = RandomForestRegressor(5, random_state=0).fit(scaler.transform(frame), MARGIN)
    explainer = mimic(
        "LinearExplainableModel",
        model,
        frame,
        transformations=[(["a", "b", "c"], scaler)],
        allow_all_transformations=True,
    )
    assert_same(explainer, frame, tmp_path)


def test_what_has_none() -> None:
    model = TEACHERS["two classes"][0].fit(X, BINARY)
    with pytest.warns(fastexplain.RescaledValuesWarning):
        scaled = mimic("DecisionTreeExplainableModel", model, X, shap_values_output="probability")
    with pytest.raises(fastexplain.UnsupportedModelError, match="shap_values_output='probability' has no scoring"):
        scoring_explainer(scaled)
    stamps = pd.DataFrame({"a": X[:, 0], "when": pd.date_range("2024-01-01", periods=len(X))})
    timed = mimic("DecisionTreeExplainableModel", lambda rows: rows["a"].to_numpy(), stamps, is_function=True)
    with pytest.raises(fastexplain.UnsupportedModelError, match="Column 'when' holds time stamps"):
        scoring_explainer(timed)
