"""`KernelScoringExplainer`: the explainer's numbers bit for bit, without the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastexplain
from fastexplain.scoring import KernelScoringExplainer, ScoringExplainer, load, save, scoring_explainer
from tests.scoring.kernel_models import KERNEL_MODELS, WIDE, WIDE_MARGIN, fitted, mlp, rows_of, svc

# scikit-learn takes distances of Gaussian processes apart into norms and products.
LOOSE = {"gaussian process": 1e-9, "kernel ridge": 1e-9}


def explained(model: Any, rows: Any, **options: Any) -> tuple[fastexplain.KernelExplainer, ScoringExplainer]:
    explainer = fastexplain.KernelExplainer(model, rows, **options)
    return explainer, scoring_explainer(explainer)


def assert_same(explainer: Any, scorer: ScoringExplainer, rows: Any) -> None:
    """Values, base values and errors are those of the explainer; errors that are all 0 are None."""
    local, scores = explainer.explain_local(rows), scorer.score(rows)
    assert_array_equal(scores.values, local.values)
    assert_array_equal(scores.base_values, local._base_values)
    errors = local.standard_errors
    assert_array_equal(np.zeros_like(errors) if scores.standard_errors is None else scores.standard_errors, errors)
    assert scorer.explain(rows) == local.local_importance_values


@pytest.mark.parametrize("name", KERNEL_MODELS)
def test_values_and_predictions(name: str, tmp_path: Path) -> None:
    model, rows = KERNEL_MODELS[name](), rows_of(name)
    explainer, scorer = explained(model, rows[:40])
    assert isinstance(scorer, KernelScoringExplainer)
    assert scorer._parts.method.model is not None
    assert_same(explainer, scorer, rows[40:60])
    assert scorer.explain(rows[3]) == explainer.explain_local(rows[3]).local_importance_values
    scores = scorer.score(rows)
    atol = LOOSE.get(name, 1e-12)
    if scorer.model_task == "classification" or name == "one class":
        assert_array_equal(scores.predictions, model.predict(rows))
    else:
        np.testing.assert_allclose(scores.predictions, model.predict(rows), rtol=0, atol=atol * 10)
    assert (scores.probabilities is not None) == hasattr(model, "predict_proba")
    if scores.probabilities is not None:
        np.testing.assert_allclose(scores.probabilities, model.predict_proba(rows), rtol=0, atol=atol)
    identity = save(scorer, tmp_path / "a")
    loaded = load(tmp_path / "a", id=identity)
    assert type(loaded) is KernelScoringExplainer
    for one, other in zip(loaded.score(rows[:30]), scorer.score(rows[:30]), strict=True):
        assert_array_equal(one, other) if one is not None else None
        assert (one is None) == (other is None)
    assert save(loaded, tmp_path / "again.zip") == identity


@pytest.mark.parametrize("model", [svc(probability=True), mlp("MLPClassifier")], ids=["svc", "mlp"])
@pytest.mark.parametrize("options", [{}, {"nsamples": 300, "tol": 0}, {"link": "logit", "seed": 3}])
def test_sampled_values(model: Any, options: dict[str, Any], tmp_path: Path) -> None:
    explainer, scorer = explained(fitted(model, WIDE_MARGIN > 0, WIDE)(), WIDE[:25], **options)
    assert_same(explainer, scorer, WIDE[30:36])
    assert scorer.score(WIDE[30:36]).standard_errors is not None
    alone = scorer.score(WIDE[30])
    assert_array_equal(alone.values, explainer.explain_local(WIDE[30:31]).values)
    save(scorer, tmp_path / "a")
    assert_same(explainer, load(tmp_path / "a"), WIDE[30:36])
    fastexplain.set_num_threads(1)
    try:
        assert_array_equal(scorer.score(WIDE[30]).values, alone.values)
    finally:
        fastexplain.set_num_threads(None)
