"""``shap_values_output="probability"``: margins made to add up to probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier

from fastexplain import RescaledValuesWarning, TreeExplainer
from fastexplain.engine.probability import BLOCK_ROWS, scaled_to_probability
from fastexplain.explainers.options import ShapValuesOutput

ROUNDING = 1e-12
X, Y = make_classification(400, 6, n_informative=4, n_classes=3, random_state=0)


def boosted(n_classes: int) -> GradientBoostingClassifier:
    return GradientBoostingClassifier(n_estimators=5, max_depth=3, random_state=0).fit(X, np.minimum(Y, n_classes - 1))


class Counting(GradientBoostingClassifier):
    """Counts the rows of each call."""

    def predict_proba(self, rows: Any) -> Any:
        self.__dict__.setdefault("asked", []).append(("predict_proba", len(rows)))
        return super().predict_proba(rows)

    def predict(self, rows: Any) -> Any:
        self.__dict__.setdefault("asked", []).append(("predict", len(rows)))
        return super().predict(rows)


def naive(values: NDArray[np.float64], base: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """interpret-community's rule, a row and a class at a time."""
    scaled = np.empty_like(values)
    n_rows, n_features, n_classes = values.shape
    for i in range(n_rows):
        for k in range(n_classes):
            v = values[i, :, k]
            error = target[i, k] - v.sum() - base[k]
            size = np.abs(v).sum()
            shared = min(abs(error), size)
            left = abs(error) - shared
            for j in range(n_features):
                part = shared * abs(v[j]) / size if size > 0 else 0.0
                scaled[i, j, k] = v[j] + np.sign(error) * (part + left / n_features)
    return scaled


def random_case(n_rows: int, n_outputs: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.Generator(np.random.Philox(3))
    values = rng.normal(size=(n_rows, 4, n_outputs)) * rng.choice([0.01, 1.0], size=(n_rows, 1, 1))
    target = rng.dirichlet(np.ones(max(2, n_outputs)), size=n_rows)
    return values, rng.normal(size=n_outputs), target


def test_scaling_equals_the_rule_row_by_row() -> None:
    values, base, target = random_case(50, 3)
    values[7] = 0.0
    scaled, same_base = scaled_to_probability(values, base, target)
    assert_allclose(scaled, naive(values, base, target), atol=ROUNDING)
    assert_allclose(same_base, base)


def test_scaled_values_add_up_to_the_probability() -> None:
    values, base, target = random_case(BLOCK_ROWS + 3, 3)
    values[5] = 0.0
    before = values.copy()
    scaled, base = scaled_to_probability(values, base, target)
    assert_allclose(scaled.sum(axis=1) + base, target, atol=ROUNDING)
    assert_allclose(values, before)


def test_a_single_margin_becomes_both_classes() -> None:
    values, base, target = random_case(20, 1)
    scaled, both = scaled_to_probability(values, base, target)
    assert_allclose(both, [-base[0], base[0]])
    assert_allclose(scaled, naive(np.concatenate([-values, values], axis=2), both, target), atol=ROUNDING)


def test_other_shapes_are_named() -> None:
    values, base, target = random_case(5, 3)
    with pytest.raises(ValueError, match=r"probabilities \(5, 2\)"):
        scaled_to_probability(values, base, target[:, :2])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_tree_values_and_expected_values_add_up_to_predict_proba(n_classes: int) -> None:
    model = boosted(n_classes)
    with pytest.warns(RescaledValuesWarning, match="scikit-learn's margins .* no Shapley values of the prob") as caught:
        explainer = TreeExplainer(model, shap_values_output="probability")
    assert (len(caught), caught[0].filename) == (1, __file__)
    explanation = explainer.explain_local(X[:30])
    values = np.array(explanation.local_importance_values)
    assert values.shape == (n_classes, 30, 6)
    sums = values.sum(axis=2) + np.array(explanation.expected_values)[:, None]
    assert_allclose(sums.T, model.predict_proba(X[:30]), atol=ROUNDING)
    assert explanation.units == "probability (rescaled margins)"


@pytest.mark.parametrize("n_classes", [2, 3])
def test_expected_values_stay_margins(n_classes: int) -> None:
    model = boosted(n_classes)
    plain = TreeExplainer(model).explain_local(X[:3]).expected_values
    scaled = TreeExplainer(model, shap_values_output=ShapValuesOutput.PROBABILITY).explain_local(X[:3]).expected_values
    assert_allclose(scaled, plain)


@pytest.mark.filterwarnings("error::fastexplain.RescaledValuesWarning")
def test_a_forest_is_as_by_default() -> None:
    model = RandomForestClassifier(5, random_state=0).fit(X, Y)
    plain, scaled = (
        TreeExplainer(model, shap_values_output=o).explain_local(X[:9]) for o in ("default", "probability")
    )
    assert np.array_equal(plain.values, scaled.values)
    assert scaled.units == "probability"


@pytest.mark.parametrize("n_classes", [2, 3])
def test_streaming_changes_nothing(n_classes: int) -> None:
    explainer = TreeExplainer(boosted(n_classes), shap_values_output="probability")
    whole = explainer.explain_global(X)
    batches = explainer.explain_global(X, include_local=False, batch_size=128)
    assert whole.global_importance_values == batches.global_importance_values
    assert whole.per_class_values == batches.per_class_values
    assert whole.eval_y_predicted_proba == batches.eval_y_predicted_proba
    assert whole.eval_y_predicted == batches.eval_y_predicted


def test_subset_and_single_row() -> None:
    model = boosted(2)
    full = TreeExplainer(model, shap_values_output="probability").explain_local(X[:1])
    part = TreeExplainer(model, [4, 1], shap_values_output="probability").explain_local(X[0])
    assert np.array(part.local_importance_values).shape == (2, 2)
    assert_allclose(part.local_importance_values, full.values[0, [4, 1]].T)


METHODS = ("predict", "predict_proba")


@pytest.mark.parametrize("include_local", [True, False])
def test_probabilities_are_not_predicted_again(monkeypatch: pytest.MonkeyPatch, include_local: bool) -> None:
    monkeypatch.setattr("fastexplain.explainers.shared.base._BATCH_BYTES", 1)
    model = Counting(n_estimators=3, random_state=0).fit(X, Y)
    explainer = TreeExplainer(model, shap_values_output="probability")
    model.__dict__["asked"] = []
    explanation = explainer.explain_global(X, include_local=include_local, batch_size=128)
    assert explanation.eval_y_predicted_proba is not None
    assert explanation.eval_y_predicted is not None
    asked = {name: sum(n for given, n in model.__dict__["asked"] if given == name) for name in METHODS}
    assert asked == {"predict": len(X), "predict_proba": 0}  # probabilities follow from the margins


def test_regressors_and_teachers_are_refused() -> None:
    with pytest.raises(ValueError, match="is for classifiers, but the scikit-learn model does regression"):
        TreeExplainer(GradientBoostingRegressor(n_estimators=2).fit(X, Y), shap_values_output="probability")
    with pytest.raises(ValueError, match="'teacher_probability' is for MimicExplainer"):
        TreeExplainer(boosted(2), shap_values_output="teacher_probability")
    with pytest.raises(ValueError, match="got 'log_odds'"):
        TreeExplainer(boosted(2), shap_values_output="log_odds")


def test_a_bare_booster_has_no_predict_proba() -> None:
    lightgbm = pytest.importorskip("lightgbm")  # an extra: the core installs without it
    booster = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(X, np.minimum(Y, 1)).booster_
    with pytest.raises(ValueError, match="needs predict_proba, which Booster does not have"):
        TreeExplainer(booster, shap_values_output="probability")
