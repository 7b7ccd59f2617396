"""Interaction values of trees: equal to the definition, and to single values when they are added up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import naive_interactions, naive_predict
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from strategies import forests, random_forest, random_rows, rows_for

from fastexplain import tree_shap
from fastexplain.engine.tree.interactions import tree_shap_interactions
from fastexplain.models import Forest

# Leaf values of the drawn forests are about 1: errors are of roundings.
RTOL = ATOL = 1e-9


@settings(max_examples=80, deadline=None)
@given(st.data(), forests())
def test_path_dependent_equals_the_definition(data: st.DataObject, forest: Forest) -> None:
    X = data.draw(rows_for(forest))
    values, base_values = tree_shap_interactions(forest, X)
    assert_allclose(values, naive_interactions(forest, X), rtol=RTOL, atol=ATOL)
    assert_array_equal(base_values, tree_shap(forest, X).base_values)


@settings(max_examples=60, deadline=None)
@given(st.data(), forests())
def test_interventional_equals_the_definition(data: st.DataObject, forest: Forest) -> None:
    X, background = data.draw(rows_for(forest)), data.draw(rows_for(forest))
    if len(background):
        values, _ = tree_shap_interactions(forest, X, background=background)
        assert_allclose(values, naive_interactions(forest, X, background), rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("with_background", [False, True], ids=["path-dependent", "interventional"])
def test_long_paths_add_up(with_background: bool) -> None:
    rng = np.random.default_rng(0)
    forest = random_forest(rng, n_trees=2, n_features=40, shapes=("chain",), max_depth=60, thresholds=None, n_outputs=2)
    X, background = random_rows(rng, forest, 5), random_rows(rng, forest, 7)
    options = {"background": background, "weights": np.arange(1, 8)} if with_background else {}
    values, base_values = tree_shap_interactions(forest, X, **options)
    single = tree_shap(forest, X, dtype="float64", **options).values
    assert_allclose(values.sum(axis=2), single, rtol=0, atol=1e-10)
    assert_array_equal(values, values.transpose(0, 2, 1, 3))
    assert_allclose(values.sum(axis=(1, 2)) + base_values, naive_predict(forest, X), rtol=0, atol=1e-10)


def test_threads_do_not_change_bits() -> None:
    X, y = load_iris(return_X_y=True)
    model = RandomForestClassifier(n_estimators=5, random_state=0).fit(X, y)
    values = tree_shap_interactions(model, X, n_threads=1).values
    assert values.shape == (150, 4, 4, 3)
    for n_threads in (2, 3, 8):
        assert_array_equal(tree_shap_interactions(model, X, n_threads=n_threads).values, values)
