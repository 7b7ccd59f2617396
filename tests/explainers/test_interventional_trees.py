"""TreeExplainer and TabularExplainer of trees, against the examples as background."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import fastexplain
from fastexplain import TabularExplainer, TreeExplainer, tree_shap

X, Y = load_iris(return_X_y=True)
TARGET = X[:, 0] * Y
FOREST = RandomForestRegressor(5, random_state=0).fit(X, TARGET)
CLASSES = RandomForestClassifier(5, random_state=0).fit(X, Y)
BOOSTING = GradientBoostingClassifier(n_estimators=5, random_state=0).fit(X, Y == 1)
EXAMPLES, ROWS = X[::3], X[1:60:14]
INTERVENTIONAL: dict[str, Any] = {"feature_perturbation": "interventional"}


@pytest.mark.parametrize("model", [FOREST, CLASSES, BOOSTING], ids=lambda m: type(m).__name__)
def test_values_are_those_of_tree_shap(model: Any) -> None:
    expected = tree_shap(model, ROWS, background=EXAMPLES)
    for explainer in (
        TreeExplainer(model, initialization_examples=EXAMPLES, **INTERVENTIONAL),
        TabularExplainer(model, EXAMPLES, **INTERVENTIONAL),
    ):
        explanation = explainer.explain_local(ROWS)
        assert_allclose(explanation.values[..., -1], expected.values[..., -1], atol=1e-12)
        assert_allclose(explanation.base_values[-1], expected.base_values[-1])
        assert explanation.background == "50 rows"
        assert explainer.method == "shap.tree"
    streamed = explainer.explain_global(X, include_local=False).get_feature_importance_dict()
    whole = explainer.explain_global(X).get_feature_importance_dict()
    assert streamed == whole


def test_they_are_kernel_shaps() -> None:
    mine = TabularExplainer(FOREST, EXAMPLES, **INTERVENTIONAL).explain_local(ROWS)
    kernel = fastexplain.kernel_shap(FOREST.predict, ROWS, EXAMPLES, method="exact", see_through=False)
    assert_allclose(mine.values, kernel.values, atol=1e-11)


def test_by_default_the_covers_are_the_background() -> None:
    default = TabularExplainer(FOREST, EXAMPLES)
    asked = TabularExplainer(FOREST, EXAMPLES, feature_perturbation="tree_path_dependent")
    assert_array_equal(default.explain_local(ROWS).values, asked.explain_local(ROWS).values)
    assert default.explainer.feature_perturbation == "tree_path_dependent"
    assert default.explain_local(ROWS).background == "training rows, by the trees' covers"


def test_log_and_repr_say_which_way_was_taken(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="fastexplain"):
        explainer = TabularExplainer(FOREST, EXAMPLES, **INTERVENTIONAL)
    assert "with exact interventional Tree SHAP (shap.tree)" in caplog.text
    assert "shap.tree, background: 50 rows" in repr(explainer)


def test_weighted_examples() -> None:
    summary = fastexplain.summarize_background(X, 5)
    explanation = TreeExplainer(FOREST, initialization_examples=summary, **INTERVENTIONAL).explain_local(ROWS)
    expected = tree_shap(FOREST, ROWS, background=summary)
    assert_allclose(explanation.values, expected.values, atol=1e-12)
    assert_allclose(explanation.base_values, summary.weights @ FOREST.predict(summary.data))


def test_probabilities_of_two_classes_are_rescaled_by_background_row() -> None:
    """As by shap: values and base value are of the probability, and no Shapley values of it."""
    with pytest.warns(fastexplain.RescaledValuesWarning, match="the base value is the mean probability"):
        explainer = TreeExplainer(
            BOOSTING, shap_values_output="probability", initialization_examples=EXAMPLES, **INTERVENTIONAL
        )
    explanation = explainer.explain_local(ROWS)
    expected = tree_shap(BOOSTING, ROWS, background=EXAMPLES, model_output="probability")
    assert_allclose(explanation.values[..., 1:], expected.values, atol=1e-12)
    assert_allclose(explanation.values[..., 0], -explanation.values[..., 1])
    assert_allclose(explanation.base_values, BOOSTING.predict_proba(EXAMPLES).mean(axis=0))
    total = explanation.values.sum(axis=1) + explanation.base_values
    assert_allclose(total, BOOSTING.predict_proba(ROWS), atol=1e-12)
    assert_allclose(explanation.eval_y_predicted_proba, BOOSTING.predict_proba(ROWS))
    assert explanation.units == "probability (rescaled)"


def test_forests_give_probabilities_anyway() -> None:
    options: dict[str, Any] = {"initialization_examples": EXAMPLES, **INTERVENTIONAL}
    asked = TreeExplainer(CLASSES, shap_values_output="probability", **options).explain_local(ROWS)
    assert_array_equal(asked.values, TreeExplainer(CLASSES, **options).explain_local(ROWS).values)
    assert asked.units == "probability"


def test_probabilities_of_more_classes_are_refused() -> None:
    model = GradientBoostingClassifier(n_estimators=2).fit(X, Y)
    with pytest.raises(ValueError, match="is for two classes; this model has 3"):
        TreeExplainer(model, shap_values_output="probability", initialization_examples=EXAMPLES, **INTERVENTIONAL)


def test_pipelines_hide_engineered_columns() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"length": X[:, 0], "kind": np.where(X[:, 3] > 1, "wide", "narrow")})
    steps = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    model = make_pipeline(steps, RandomForestRegressor(5, random_state=0)).fit(frame, TARGET)
    explanation = TabularExplainer(model, frame[::3], **INTERVENTIONAL).explain_local(frame[1:60:14])
    assert explanation.features == ["length", "kind"]
    total = explanation.values.sum(axis=1)[:, 0] + explanation.base_values[0]
    assert_allclose(total, model.predict(frame[1:60:14]), atol=1e-12)
    assert_allclose(explanation.base_values[0], model.predict(frame[::3]).mean())


def test_pickles_keep_the_background_alone() -> None:
    explainer = TreeExplainer(FOREST, initialization_examples=EXAMPLES, **INTERVENTIONAL)
    again = pickle.loads(pickle.dumps(explainer))
    assert_array_equal(again.explain_local(ROWS).values, explainer.explain_local(ROWS).values)
    assert len(again.initialization_examples) == 0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="needs initialization_examples: hidden features follow them"):
        TreeExplainer(FOREST, **INTERVENTIONAL)
    with pytest.raises(ValueError, match="must be 'tree_path_dependent' or 'interventional'; got 'x'"):
        TreeExplainer(FOREST, feature_perturbation="x")
    with pytest.raises(ValueError, match=r"3.*4"):
        TreeExplainer(FOREST, initialization_examples=EXAMPLES[:, :3], **INTERVENTIONAL)
    for model in (LinearRegression().fit(X, Y), GaussianNB().fit(X, Y)):
        assert TabularExplainer(model, EXAMPLES, **INTERVENTIONAL).method != "shap.tree"
        with pytest.raises(ValueError, match="is for tree models; with this"):
            TabularExplainer(model, EXAMPLES, feature_perturbation="tree_path_dependent")
