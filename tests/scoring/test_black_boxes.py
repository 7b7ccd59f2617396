"""Black boxes: an artifact without a model, which is given when it is loaded."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer
from sklearn.svm import SVR

from fastexplain.exceptions import ArtifactError, PredictionError
from fastexplain.scoring import load, save
from tests.scoring.kernel_models import KERNEL_MODELS, fitted
from tests.scoring.models import MARGIN, X
from tests.scoring.test_kernel_scores import TABLE, assert_same, explained


def interaction(rows: Any) -> Any:
    return np.sin(rows[:, 0]) * rows[:, 1] + rows[:, 2]


def shares(rows: Any) -> Any:
    p = 1 / (1 + np.exp(-interaction(rows)))
    return np.stack([1 - p, p], axis=1)


BOXES: dict[str, Any] = {
    "function": interaction,
    "shares": shares,
    "boosting": fitted(HistGradientBoostingClassifier(max_iter=5), X[:, 0] > 0),
    "components": fitted(make_pipeline(PCA(3), Ridge()), X[:, 0]),
}


@pytest.mark.parametrize("name", BOXES)
def test_black_boxes_are_given_at_load(name: str, tmp_path: Path) -> None:
    box = BOXES[name]() if name in ("boosting", "components") else BOXES[name]
    explainer, scorer = explained(box, X[:30])
    assert_same(explainer, scorer, X[30:40])
    save(scorer, tmp_path / "a")
    with pytest.raises(ArtifactError, match=r"holds no model.*load\(path, predictor=function\)"):
        load(tmp_path / "a")
    predict = getattr(box, "predict_proba", getattr(box, "predict", box))
    loaded = load(tmp_path / "a", predictor=predict)
    assert_same(explainer, loaded, X[30:40])
    assert loaded.classes == scorer.classes
    with pytest.raises(PredictionError, match="not the model that was explained"):
        load(tmp_path / "a", predictor=lambda rows: 1.001 * np.asarray(predict(rows)))
    with pytest.raises(PredictionError, match="columns"):
        load(tmp_path / "a", predictor=lambda rows: np.ones((len(rows), 7)))
    if name == "boosting":
        assert_array_equal(loaded.score(X).predictions, box.predict(X))


def test_predictors_that_are_not_needed_or_no_function(tmp_path: Path) -> None:
    save(explained(KERNEL_MODELS["svr"](), X[:30])[1], tmp_path / "a")
    with pytest.raises(ValueError, match="holds its model"):
        load(tmp_path / "a", predictor=interaction)
    save(explained(interaction, X[:30])[1], tmp_path / "b")
    with pytest.raises(TypeError):
        load(tmp_path / "b", predictor=3)  # type: ignore[arg-type]


def of_table(table: Any) -> Any:
    """A function of tables with text, whole numbers and missing values."""
    assert table["kind"].dtype == MIXED["kind"].dtype
    warm = table["colour"].isin(["red"]).to_numpy().astype(float)
    return warm * table["size"].to_numpy() + table["age"].fillna(0.5).to_numpy() + (table["kind"] == "a").to_numpy()


MIXED = TABLE.assign(kind=TABLE["kind"].astype("category"), count=np.arange(len(TABLE)) % 5)


def test_black_boxes_of_tables(tmp_path: Path) -> None:
    """Labels are kept as numbers, and given back as a table; labels that were never seen are refused."""
    explainer, scorer = explained(of_table, MIXED[:40])
    assert_same(explainer, scorer, MIXED[40:60])
    save(scorer, tmp_path / "a")
    loaded = load(tmp_path / "a", predictor=of_table)
    assert_same(explainer, loaded, MIXED[40:60])
    one = MIXED.iloc[44].to_dict()
    np.testing.assert_allclose(loaded.score(one).values, scorer.score(MIXED[44:45]).values, atol=1e-15)
    with pytest.raises(ValueError, match=r"'colour'.*'pink'"):
        loaded.score({**one, "colour": "pink"})
    assert_same(explainer, pickle.loads(pickle.dumps(loaded)), MIXED[40:42])


def test_black_boxes_of_tables_of_numbers(tmp_path: Path) -> None:
    numbers = MIXED[["size", "count"]]
    explainer, scorer = explained(lambda table: table["size"] * table["count"], numbers[:30])
    assert_same(explainer, scorer, numbers[40:50])
    save(scorer, tmp_path / "a")
    assert_same(explainer, load(tmp_path / "a", predictor=lambda t: t["size"] * t["count"]), numbers[40:50])


def test_steps_that_are_no_table_make_a_black_box(tmp_path: Path) -> None:
    pipeline = fitted(make_pipeline(PowerTransformer(), SVR()), MARGIN)()
    explainer, scorer = explained(pipeline, X[:30])
    local = explainer.explain_local(X[30:40])
    np.testing.assert_allclose(scorer.score(X[30:40]).values, local.values, atol=1e-12)
    save(scorer, tmp_path / "a")
    loaded = load(tmp_path / "a", predictor=pipeline.predict)
    assert_array_equal(loaded.score(X[30:40]).values, scorer.score(X[30:40]).values)
