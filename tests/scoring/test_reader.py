"""The documents say enough to write a reader: sixty lines reproduce predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

import fastexplain
from fastexplain.scoring import save, scoring_explainer
from tests.scoring import reader
from tests.scoring.models import TREES, X

KINDS = [
    "lightgbm binary",
    "lightgbm three",
    "lightgbm poisson",
    "lightgbm square root",
    "xgboost binary",
    "xgboost three",
    "xgboost regression",
    "forest three",
    "boosting exponential",
    "boosting regression",
    "histogram binary",
    "tree",
]


def read(scorer: Any, folder: Path) -> tuple[Any, Any]:
    save(scorer, folder)
    content, arrays = reader.read(folder)
    return content, arrays


@pytest.mark.parametrize("name", KINDS)
def test_predictions_of_the_reader(tmp_path: Path, name: str) -> None:
    rows = np.where(np.random.default_rng(2).random(X.shape) < 0.1, np.nan, X)[:20]
    if name.startswith(("forest", "boosting", "tree")):
        rows = X[:20]
    scorer = scoring_explainer(fastexplain.TreeExplainer(TREES[name]()))
    scores = scorer.score(rows)
    content, arrays = read(scorer, tmp_path / "a")
    expected = scores.predictions if scores.probabilities is None else scores.probabilities
    found = [reader.predict(content, arrays, row) for row in rows]
    np.testing.assert_allclose(
        np.reshape(found, expected.shape), expected, rtol=1e-12, atol=1e-6 if "xgb" in name else 1e-12
    )


def test_categories(tmp_path: Path) -> None:
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"]).assign(c=pd.Categorical(np.tile(list("pqrstuvw"), 20)))
    y = frame["c"].isin(["p", "s", "u"]).to_numpy() ^ (X[:, 0] > 1)
    model = HistGradientBoostingClassifier(max_iter=8, categorical_features=["c"], min_samples_leaf=5).fit(frame, y)
    scorer = scoring_explainer(fastexplain.TreeExplainer(model, initialization_examples=frame))
    content, arrays = read(scorer, tmp_path / "a")
    assert "tree.category_set" in arrays
    (column,) = content["rows"]["categories"]
    codes = [column["labels"].index(label) for label in frame["c"]]
    rows = np.column_stack([X[:, :2], codes])
    found = [reader.predict(content, arrays, row) for row in rows]
    np.testing.assert_allclose(found, scorer.score(frame).probabilities, atol=1e-12)


def test_the_reader_is_short() -> None:
    lines = Path(reader.__file__).read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 60
