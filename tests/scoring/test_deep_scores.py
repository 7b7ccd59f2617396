"""`DeepScoringExplainer`: DeepLIFT's numbers bit for bit, without the network's library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastexplain
from fastexplain.scoring import DeepScoringExplainer, UnsupportedModelException, load, save, scoring_explainer
from tests.scoring.kernel_models import SEVERAL, fitted, mlp
from tests.scoring.models import BINARY, MARGIN, THREE, X
from tests.scoring.test_kernel_scores import LIBRARIES, SCRIPT

MLPS = {
    "binary": fitted(mlp("MLPClassifier"), BINARY),
    "three": fitted(mlp("MLPClassifier", activation="tanh"), THREE),
    "regression": fitted(mlp("MLPRegressor", activation="logistic"), MARGIN),
    "several": fitted(mlp("MLPRegressor"), SEVERAL),
}


def assert_same(explainer: Any, scorer: Any, rows: Any) -> None:
    local, scores = explainer.explain_local(rows), scorer.score(rows)
    assert_array_equal(scores.values, local.values)
    assert_array_equal(scores.base_values, local._base_values)
    assert scorer.explain(rows) == local.local_importance_values


@pytest.mark.parametrize("name", MLPS)
def test_networks_of_scikit_learn(name: str, tmp_path: Path) -> None:
    model = MLPS[name]()
    explainer = fastexplain.DeepExplainer(model, X[:30])
    scorer = scoring_explainer(explainer)
    assert isinstance(scorer, DeepScoringExplainer)
    assert_same(explainer, scorer, X[30:60])
    assert_same(explainer, scorer, X[31])
    scores = scorer.score(X)
    if scorer.model_task == "classification":
        assert_array_equal(scores.predictions, model.predict(X))
        np.testing.assert_allclose(scores.probabilities, model.predict_proba(X), rtol=0, atol=1e-12)
    else:
        np.testing.assert_allclose(scores.predictions, model.predict(X), rtol=0, atol=1e-11)
    identity = save(scorer, tmp_path / "a")
    assert_same(explainer, load(tmp_path / "a", id=identity), X[30:60])
    assert scorer.score(X[:0]).values.shape == (0, *scores.values.shape[1:])


def test_another_process_needs_numpy_alone(tmp_path: Path) -> None:
    scorers = {name: scoring_explainer(fastexplain.DeepExplainer(make(), X[:30])) for name, make in MLPS.items()}
    for name, scorer in scorers.items():
        save(scorer, tmp_path / name / "artifact")
        np.save(tmp_path / name / "rows.npy", X[30:50])
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path), LIBRARIES], check=True, timeout=300)
    for name, scorer in scorers.items():
        assert_array_equal(np.load(tmp_path / name / "values.npy"), scorer.score(X[30:50]).values)


def test_constructor_and_transformations(tmp_path: Path) -> None:
    table = pd.DataFrame(X, columns=list("abcde"))
    scaler = make_pipeline(StandardScaler()).fit(table)
    model = fitted(mlp("MLPClassifier"), BINARY, scaler.transform(table))()
    explainer = fastexplain.DeepExplainer(model, table[:30], transformations=scaler)
    scorer = DeepScoringExplainer(explainer, table, None)
    save(scorer, tmp_path / "a")
    loaded = load(tmp_path / "a")
    assert loaded.raw_features == list("abcde")
    assert_same(explainer, loaded, table[40:50])
    with pytest.raises(fastexplain.UnsupportedModelError, match="DeepScoringExplainer is for deep"):
        DeepScoringExplainer(fastexplain.KernelExplainer(model, scaler.transform(table)[:30]))


@pytest.mark.parametrize("last", ["softmax", "sigmoid", "none", "gelu"])
def test_networks_of_torch(last: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    ends = {
        "softmax": [nn.Linear(8, 3), nn.Softmax(dim=1)],
        "sigmoid": [nn.Linear(8, 1), nn.Sigmoid()],
        "none": [nn.Linear(8, 2)],
        "gelu": [nn.GELU(), nn.Linear(8, 1)],
    }
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Softplus(), *ends[last])
    task = "regression" if last == "gelu" else "classification"
    explainer = fastexplain.DeepExplainer(model, X[:30], model_task=task)
    scorer = scoring_explainer(explainer)
    save(scorer, tmp_path / "a")
    loaded = load(tmp_path / "a")
    assert_same(explainer, loaded, X[30:60])
    local, scores = explainer.explain_local(X), loaded.score(X)
    if task == "classification":
        assert_array_equal(scores.predictions, local.eval_y_predicted)
    else:
        np.testing.assert_allclose(scores.predictions, np.ravel(local.eval_y_predicted), atol=1e-6)


def test_layers_that_are_not_known_are_named() -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 1))
    explainer = fastexplain.DeepExplainer(model, X[:20], model_task="regression")
    with pytest.raises(UnsupportedModelException, match="LayerNorm"):
        scoring_explainer(explainer)
