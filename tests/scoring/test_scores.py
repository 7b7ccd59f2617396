"""Scoring explainers give the numbers of the explainer that they were built from, and the library's own predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.ensemble import RandomForestClassifier

import fastexplain
from fastexplain.exceptions import UnsupportedModelError
from fastexplain.scoring import ScoringExplainer, load, save, scoring_explainer
from tests.scoring.models import BINARY, LINEAR, MODELS, TREES, X

# XGBoost computes in float32 itself.
TOLERANCE = {True: 1e-6, False: 1e-12}


def scores_of(model: Any, **options: Any) -> tuple[Any, ScoringExplainer]:
    explainer = fastexplain.TabularExplainer(model, X, **options)
    return explainer, scoring_explainer(explainer)


def own_answers(model: Any) -> tuple[Any, Any]:
    probabilities = model.predict_proba(X) if hasattr(model, "predict_proba") else None
    return model.predict(X), probabilities


@pytest.mark.parametrize("name", MODELS)
def test_values_are_those_of_the_explainer(name: str) -> None:
    explainer, scorer = scores_of(MODELS[name]())
    local = explainer.explain_local(X)
    scores = scorer.score(X)
    assert_array_equal(scores.values, local.values)
    assert_array_equal(scores.base_values, local._base_values)
    assert scorer.explain(X) == local.local_importance_values
    assert scorer.explain(X[3]) == explainer.explain_local(X[3]).local_importance_values


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_those_of_the_library(name: str) -> None:
    model = MODELS[name]()
    _, scorer = scores_of(model)
    scores = scorer.score(X)
    predictions, probabilities = own_answers(model)
    rtol = TOLERANCE[name.startswith("xgboost")]
    if scorer.model_task == "classification":
        assert_array_equal(scores.predictions, predictions)
        if probabilities is not None:
            assert scores.probabilities is not None
            np.testing.assert_allclose(
                scores.probabilities, probabilities, rtol=0, atol=rtol * np.abs(probabilities).max()
            )
    else:
        assert scores.predictions.shape == np.shape(predictions)
        np.testing.assert_allclose(scores.predictions, predictions, rtol=0, atol=rtol * np.abs(predictions).max())


@pytest.mark.parametrize("name", MODELS)
def test_a_row_has_the_same_bits_alone(name: str) -> None:
    _, scorer = scores_of(MODELS[name]())
    together = scorer.score(X[:9])
    for i in range(9):
        alone = scorer.score(X[i])
        assert_array_equal(alone.values[0], together.values[i])
        assert alone.predictions[0] == together.predictions[i] if together.predictions.ndim == 1 else True


@pytest.mark.parametrize("name", [name for name in TREES if "binary" in name or "three" in name])
def test_rescaled_probabilities_are_the_explainers(name: str) -> None:
    model = TREES[name]()
    with pytest.warns(fastexplain.RescaledValuesWarning) if not name.startswith(("forest", "tree")) else _nothing():
        explainer = fastexplain.TreeExplainer(model, shap_values_output="probability")
    scorer = scoring_explainer(explainer)
    local = explainer.explain_local(X)
    scores = scorer.score(X)
    assert_array_equal(scores.values, local.values)
    assert scorer.explain(X) == local.local_importance_values
    if "lightgbm" not in name or "three" not in name:
        sums = scores.values.sum(axis=1) + scores.base_values
        np.testing.assert_allclose(sums, scores.probabilities, atol=1e-6)


def _nothing() -> Any:
    import contextlib

    return contextlib.nullcontext()


@pytest.mark.parametrize("name", ["lightgbm binary", "xgboost regression", "forest three", "histogram binary"])
def test_against_a_background(name: str) -> None:
    explainer = fastexplain.TreeExplainer(
        TREES[name](), initialization_examples=X[:20], feature_perturbation="interventional"
    )
    scorer = scoring_explainer(explainer)
    local, scores = explainer.explain_local(X), scorer.score(X)
    assert_array_equal(scores.values, local.values)
    assert_array_equal(scores.base_values, local._base_values)
    assert_array_equal(scores.predictions, explainer.model.predict(X)) if scorer.classes else None


@pytest.mark.parametrize("name", ["lightgbm binary", "boosting exponential"])
def test_probability_against_a_background(name: str) -> None:
    model = TREES[name]()
    with pytest.warns(fastexplain.RescaledValuesWarning):
        explainer = fastexplain.TreeExplainer(
            model,
            initialization_examples=X[:20],
            feature_perturbation="interventional",
            shap_values_output="probability",
        )
    scorer = scoring_explainer(explainer)
    scores = scorer.score(X)
    assert_array_equal(scores.values, explainer.explain_local(X).values)
    assert_array_equal(scores.predictions, model.predict(X))
    np.testing.assert_allclose(scores.probabilities, model.predict_proba(X), atol=1e-12)


@pytest.mark.parametrize("n_trees", [1, 2, 3, 4, 6])
def test_classes_of_tied_votes(n_trees: int) -> None:
    """Pure leaves: half of the trees against the other half, on many rows."""
    model = RandomForestClassifier(n_trees, max_features=1, random_state=n_trees).fit(X[:40], BINARY[:40])
    explainer = fastexplain.TreeExplainer(model)
    scores = scoring_explainer(explainer).score(X)
    if n_trees % 2 == 0:
        assert (model.predict_proba(X)[:, 0] == 0.5).any()
    assert_array_equal(scores.predictions, model.predict(X))


def test_threads_and_batches_into_the_callers_array() -> None:
    _, scorer = scores_of(TREES["forest binary"]())
    expected = scorer.score(X).values
    for n_threads in (1, 2, 3):
        assert_array_equal(scorer.score(X, n_threads=n_threads).values, expected)
    out = np.empty_like(expected)
    assert scorer.explain_batch(X, out) is out
    assert_array_equal(out, expected)
    with pytest.raises(ValueError, match=r"out is float64 of shape \(3, 5, 2\); expected .* \(160, 5, 2\)"):
        scorer.explain_batch(X, out[:3])


def test_what_a_batch_is_not_written_into() -> None:
    _, scorer = scores_of(LINEAR["ridge"]())
    fixed = np.zeros((len(X), 5, 1))
    fixed.flags.writeable = False
    for out, message in (
        (fixed, "read-only array"),
        ([0.0], "out is a list"),
        (np.zeros(5), r"float64 of shape \(5,\)"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            scorer.explain_batch(X, out)


@pytest.mark.parametrize("label", ["only", 7.0])
def test_a_classifier_of_one_class(label: Any, tmp_path: Path) -> None:
    model = RandomForestClassifier(3, random_state=0).fit(X, [label] * len(X))
    explainer, scorer = scores_of(model)
    save(scorer, tmp_path / "one.zip")
    for each in (scorer, load(tmp_path / "one.zip")):
        scores = each.score(X)
        assert_array_equal(scores.predictions, model.predict(X))
        assert_array_equal(scores.probabilities, model.predict_proba(X))
        assert each.explain(X) == explainer.explain_local(X).local_importance_values


def test_several_labels_of_a_row_are_no_class() -> None:
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=2).fit(X, X[:, :2] > 0)
    with pytest.raises(UnsupportedModelError, match="XGBoost model predicts 2 labels of each row"):
        scores_of(model)


def test_kinds_are_told_apart() -> None:
    from fastexplain.scoring import LinearScoringExplainer, TreeScoringExplainer

    tree_explainer, _ = scores_of(TREES["tree"]())
    assert isinstance(scoring_explainer(tree_explainer), TreeScoringExplainer)
    with pytest.raises(fastexplain.UnsupportedModelError, match="LinearScoringExplainer is for linear"):
        LinearScoringExplainer(tree_explainer)
    linear, scorer = scores_of(LINEAR["ridge"]())
    assert isinstance(scorer, LinearScoringExplainer)
    assert LinearScoringExplainer(linear).fit(X).predict(X) == linear.explain_local(X).local_importance_values
