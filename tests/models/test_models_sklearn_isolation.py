"""IsolationForest as the sum of trees that its score is made of."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import IsolationForest

import fastexplain.compat.shap as ours
from fastexplain import UnsupportedModelError, load_model
from fastexplain.models.trees.sklearn_isolation import load_isolation_paths

X = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("options", [{}, {"max_features": 0.6}, {"max_samples": 2}, {"max_samples": 50}], ids=str)
def test_paths_make_the_score(options: dict[str, object]) -> None:
    model = IsolationForest(n_estimators=20, random_state=0, **options).fit(X)
    paths = load_isolation_paths(model)
    lengths = paths.forest.predict(paths.prepare(X))
    assert_allclose(lengths, paths.raw_predict(X), rtol=1e-9)
    expected = 2.0 * (np.log(model.max_samples_ - 1) + np.euler_gamma) - 2.0 * (1 - 1 / model.max_samples_)
    expected = 1.0 if model.max_samples_ == 2 else expected
    assert_allclose(model.score_samples(X), -(2.0 ** (-lengths[:, 0] / expected)), rtol=1e-9)


def test_values_are_shaps() -> None:
    shap = pytest.importorskip("shap")
    model = IsolationForest(n_estimators=20, random_state=0).fit(X)
    mine, theirs = (package.TreeExplainer(model) for package in (ours, shap))
    assert_allclose(mine.shap_values(X[:9]), theirs.shap_values(X[:9]), atol=1e-9)
    assert_allclose(mine.expected_value, theirs.expected_value)
    assert ours.TreeExplainer.supports_model_with_masker(model, None)


def test_a_fit_makes_the_trees_old() -> None:
    model = IsolationForest(n_estimators=5, random_state=0).fit(X)
    paths = load_isolation_paths(model)
    assert paths.is_current
    model.fit(X)
    assert not paths.is_current


def test_what_has_no_paths_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="non-linear function of the trees' mean path length"):
        load_model(IsolationForest(n_estimators=2).fit(X))
    with pytest.raises(UnsupportedModelError, match="max_samples=1 has paths of one node"):
        load_isolation_paths(IsolationForest(n_estimators=2, max_samples=1).fit(X))
    assert_array_equal(load_isolation_paths(IsolationForest(n_estimators=2).fit(X)).raw_predict(X[:0]).shape, (0, 1))
