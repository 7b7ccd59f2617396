"""Raw rows through stored preprocessing: values as the explainer has them, raw or engineered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastexplain
from fastexplain.scoring import (
    InitDatasetMissingException,
    MissingRawTransformationsException,
    ScoringExplainer,
    load,
    save,
    scoring_explainer,
)

RANDOM = np.random.default_rng(3)
FRAME = pd.DataFrame(
    {
        "age": RANDOM.normal(40, 10, 120),
        "town": RANDOM.choice(["Ulm", "Bonn", "Kiel"], 120),
        "rent": np.where(RANDOM.random(120) < 0.2, np.nan, RANDOM.normal(800, 90, 120)),
        "job": RANDOM.choice(["clerk", "cook"], 120),
    }
)
Y = (FRAME["age"] > 40) ^ (FRAME["town"] == "Ulm")


def transformer() -> ColumnTransformer:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore")
    return ColumnTransformer([("numbers", numbers, ["age", "rent"]), ("labels", one_hot, ["town", "job"])])


MODELS: dict[str, Any] = {
    "forest": RandomForestClassifier(5, max_depth=4, random_state=0),
    "logistic": LogisticRegression(),
}


@pytest.fixture(params=MODELS)
def explainer(request: pytest.FixtureRequest) -> Any:
    pipeline = make_pipeline(transformer(), MODELS[request.param]).fit(FRAME, Y)
    return fastexplain.TabularExplainer(pipeline, FRAME)


def test_raw_and_engineered_values(explainer: Any, tmp_path: Path) -> None:
    scorer = scoring_explainer(explainer)
    save(scorer, tmp_path / "a.zip")
    loaded = load(tmp_path / "a.zip")
    local, pipeline = explainer.explain_local(FRAME), explainer.model
    engineered = fastexplain.TabularExplainer(pipeline[-1], pipeline[:-1].transform(FRAME))
    for each in (scorer, loaded):
        assert each.features == each.raw_features == list(FRAME)
        assert each.engineered_features == list(pipeline[:-1].get_feature_names_out())
        assert each.explain(FRAME) == each.explain(FRAME, get_raw=True) == local.local_importance_values
        assert_array_equal(
            each.score(FRAME, get_raw=False).values, engineered.explain_local(pipeline[:-1].transform(FRAME)).values
        )
        scores = each.score(FRAME)
        assert_array_equal(scores.predictions, pipeline.predict(FRAME))
        np.testing.assert_allclose(scores.probabilities, pipeline.predict_proba(FRAME), atol=1e-12)
        for i, record in enumerate(FRAME[:9].to_dict("records")):
            assert_array_equal(each.score(record).values[0], scores.values[i])
            assert_array_equal(each.score(FRAME[i : i + 1]).values[0], scores.values[i])


def test_unseen_labels_and_what_is_no_number(explainer: Any) -> None:
    scorer = scoring_explainer(explainer)
    record = FRAME.iloc[0].to_dict()
    unseen = FRAME[:1].assign(town="Rom")
    assert_array_equal(scorer.score(record | {"town": "Rom"}).values, explainer.explain_local(unseen).values)
    with pytest.raises(ValueError, match=r"'age'.*'forty'"):
        scorer.score(record | {"age": "forty"})
    with pytest.raises(ValueError, match="missing: 'town'"):
        scorer.score({name: value for name, value in record.items() if name != "town"})


def test_transformations_beside_the_model() -> None:
    fitted = transformer().fit(FRAME)
    model = MODELS["forest"].fit(fitted.transform(FRAME), Y)
    explainer = fastexplain.TabularExplainer(model, FRAME, transformations=fitted)
    scorer = scoring_explainer(explainer)
    assert scorer.explain(FRAME) == explainer.explain_local(FRAME).local_importance_values


def test_examples_are_asked_for() -> None:
    pipeline = make_pipeline(transformer(), MODELS["forest"]).fit(FRAME, Y)
    explainer = fastexplain.TreeExplainer(pipeline)
    with pytest.raises(InitDatasetMissingException, match="initialization dataset is required"):
        scoring_explainer(explainer)
    scorer = scoring_explainer(explainer, initialization_examples=FRAME)
    assert scorer.explain(FRAME) == explainer.explain_local(FRAME).local_importance_values


def maps() -> tuple[ScoringExplainer, Any, Any]:
    fitted = transformer().fit(FRAME)
    rows = np.asarray(fitted.transform(FRAME))
    explainer = fastexplain.TabularExplainer(MODELS["forest"].fit(rows, Y), rows)
    feature_map = np.zeros((4, 7))
    feature_map[[0, 2, 1, 1, 1, 3, 3], range(7)] = 1
    scorer = scoring_explainer(explainer, feature_maps=[feature_map], raw_features=list(FRAME))
    return scorer, explainer.explain_local(rows), feature_map


def test_feature_maps(tmp_path: Path) -> None:
    scorer, local, feature_map = maps()
    rows = local.eval_data
    assert scorer.explain(rows) == scorer.explain(rows, get_raw=False) == local.local_importance_values
    raw = local.get_raw_explanation([feature_map])
    assert scorer.explain(rows, get_raw=True) == raw.local_importance_values
    save(scorer, tmp_path / "a")
    assert load(tmp_path / "a").explain(rows, get_raw=True) == raw.local_importance_values
    assert scorer.raw_features == list(FRAME)


def test_raw_values_without_a_map() -> None:
    model = MODELS["forest"].fit(FRAME[["age"]], Y)
    scorer = scoring_explainer(fastexplain.TabularExplainer(model, FRAME[["age"]]))
    with pytest.raises(MissingRawTransformationsException, match="get_raw=True asks for raw features"):
        scorer.explain(FRAME[["age"]], get_raw=True)
