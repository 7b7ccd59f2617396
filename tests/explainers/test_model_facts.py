"""What explainers know of a model before its first call."""

from __future__ import annotations

import types

import numpy as np
import pandas as pd
import pytest
import sklearn.linear_model
import sklearn.model_selection

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.explainers.shared.black_box import find_target
from fastexplain.explainers.shared.model_facts import fitted_classes, model_facts

RNG = np.random.default_rng(0)
ROWS = pd.DataFrame(RNG.normal(size=(60, 3)), columns=["a", "b", "c"])
LABELS = np.where(ROWS["a"] > 0, "yes", "no")


def test_a_search_is_described_by_its_best_model() -> None:
    search = sklearn.model_selection.GridSearchCV(sklearn.linear_model.LogisticRegression(), {"C": [1.0]}, cv=2)
    facts = model_facts(search.fit(ROWS, LABELS), False)
    assert facts.owner is search.best_estimator_
    assert not facts.is_function
    assert (facts.name, facts.classes, facts.n_features) == ("LogisticRegression", ["no", "yes"], 3)
    assert facts.feature_names == ["a", "b", "c"]


def test_of_a_function_nothing_is_known_but_its_name() -> None:
    model = sklearn.linear_model.LogisticRegression().fit(ROWS, LABELS)
    facts = model_facts(model.predict_proba, False)
    assert facts.is_function
    assert (facts.name, facts.owner, facts.classes, facts.n_features) == ("predict_proba", None, None, None)


def test_a_booster_is_described_by_its_trees_or_as_any_model() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    data = lightgbm.Dataset(ROWS, LABELS == "yes")
    booster = lightgbm.train({"objective": "binary", "verbose": -1}, data, num_boost_round=3)
    facts = model_facts(booster, False)
    assert facts.trees is not None
    assert (facts.name, facts.owner, facts.n_features) == ("LightGBM", None, 3)
    assert facts.feature_names == ["a", "b", "c"]
    target = find_target(facts, "unknown", None)
    assert (target.task, target.units, target.knows_task) == ("classification", "probability", False)
    np.testing.assert_allclose(target.outputs(ROWS)[:, 0], booster.predict(ROWS), rtol=1e-12)
    other = model_facts(booster, False, by_trees=False)
    assert other.trees is None
    assert (other.name, other.owner) == ("Booster", booster)


def test_torch_modules_are_networks_even_as_functions() -> None:
    torch = pytest.importorskip("torch")
    for is_function in (False, True):
        facts = model_facts(torch.nn.Linear(3, 2), is_function)
        assert facts.is_network
        assert not facts.is_function
        assert facts.name == "Linear"
        assert facts.function(ROWS).shape == (60, 2)


def test_classes_of_several_targets_are_none_that_could_be_shown() -> None:
    model = types.SimpleNamespace(classes_=["no", "yes"])
    assert fitted_classes(model) == ["no", "yes"]
    model.classes_ = [np.array([0, 1]), np.array([0, 1, 2])]
    assert fitted_classes(model) is None


def test_a_pair_of_coefficients_is_no_black_box() -> None:
    with pytest.raises(UnsupportedModelError, match=r"builtins\.tuple cannot be explained"):
        find_target(model_facts((np.ones(3), 0.0), False), "regression", None)
