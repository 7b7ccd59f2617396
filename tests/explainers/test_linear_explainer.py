"""LinearExplainer: scikit-learn's linear models and pairs of coefficients, in units of the linear predictor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.svm import LinearSVC, LinearSVR

import fastexplain
from fastexplain import LinearExplainer, TabularExplainer, UnsupportedModelError

pandas = pytest.importorskip("pandas")

EXACT = 1e-10
X, Y = load_iris(return_X_y=True)
BINARY = (Y == 1).astype(int)
TARGET = np.abs(X @ [1.0, 0.5, -0.25, 2.0])


def margin(model: Any, rows: Any) -> Any:
    return model.decision_function(rows) if hasattr(model, "decision_function") else model.predict(rows)


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (LinearRegression(), TARGET),
        (Lasso(0.01), TARGET),
        (LinearSVR(), TARGET),
        (Ridge(), X[:, :2] * 2.0),
        (LogisticRegression(max_iter=1000), Y),
        (LogisticRegression(max_iter=1000), BINARY),
        (SGDClassifier(random_state=0), Y),
        (RidgeClassifier(), BINARY),
        (LinearSVC(random_state=0), Y),
        (LinearDiscriminantAnalysis(), Y),
        (LinearDiscriminantAnalysis(), BINARY),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else "",
)
def test_values_are_coefficient_times_distance_and_add_up(model: Any, y: Any) -> None:
    model.fit(X, y)
    explanation = LinearExplainer(model, X).explain_local(X[:10])
    coef = np.atleast_2d(model.coef_)
    np.testing.assert_allclose(explanation.values, ((X[:10] - X.mean(axis=0))[:, :, None] * coef.T), atol=EXACT)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, margin(model, X[:10]).reshape(10, -1), atol=EXACT)
    assert explanation.units == ("margin" if hasattr(model, "classes_") else "model output")
    assert explanation.method == "shap_linear"
    assert explanation.path is None
    assert explanation.eval_y_predicted == model.predict(X[:10]).tolist()


def test_binary_classifier_has_minus_v_and_v() -> None:
    model = LogisticRegression(max_iter=1000).fit(X, BINARY)
    explanation = LinearExplainer(model, X).explain_global(X[:10])
    negative, positive = np.array(explanation.local_importance_values)
    np.testing.assert_array_equal(negative, -positive)
    assert explanation.expected_values[0] == -explanation.expected_values[1]
    assert explanation.classes == [0, 1]
    assert explanation.eval_y_predicted_proba == model.predict_proba(X[:10]).tolist()


def test_the_background_is_the_mean_of_all_rows() -> None:
    """interpret-community takes 100 of the 150."""
    model = LinearRegression().fit(X, TARGET)
    explanation = LinearExplainer(model, X).explain_local(X[:1])
    assert explanation.expected_values == pytest.approx([model.predict(X).mean()], abs=EXACT)


@pytest.mark.parametrize("kind", ["frame", "sparse", "weights"])
def test_examples_of_any_kind(kind: str) -> None:
    model = LinearRegression().fit(X, TARGET)
    weights = np.arange(1.0, 151) / np.arange(1.0, 151).sum()
    examples: Any = {
        "frame": pandas.DataFrame(X, columns=list("abcd")),
        "sparse": scipy.sparse.csr_matrix(X),
        "weights": fastexplain.Background(X, weights),
    }[kind]
    rows = examples[:3] if kind != "weights" else X[:3]
    explanation = LinearExplainer(model, examples).explain_local(rows)
    expected = weights @ model.predict(X) if kind == "weights" else model.predict(X).mean()
    assert explanation.expected_values == pytest.approx([expected], abs=EXACT)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total[:, 0], model.predict(X[:3]), atol=EXACT)
    assert explanation.features == (list("abcd") if kind == "frame" else [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("model", "units"),
    [
        (PoissonRegressor(), "margin"),
        (TweedieRegressor(power=0), "model output"),
        (TweedieRegressor(power=0, link="log"), "margin"),
    ],
    ids=["log", "identity", "asked for"],
)
def test_generalised_linear_models_are_explained_on_their_link(model: Any, units: str) -> None:
    model.fit(X, TARGET)
    explanation = LinearExplainer(model, X).explain_local(X[:3])
    total = (explanation.values.sum(axis=1) + explanation.base_values)[:, 0]
    linked = np.exp(total) if units == "margin" else total
    np.testing.assert_allclose(linked, model.predict(X[:3]), rtol=1e-9)
    assert explanation.units == units
    assert explanation.model_task == "regression"


@pytest.mark.parametrize(
    ("coef", "intercept", "classes", "shape"),
    [
        (np.arange(4.0), 1.0, None, (3, 4)),
        (np.arange(4.0), 1.0, ["no", "yes"], (2, 3, 4)),
        (np.arange(12.0).reshape(3, 4), np.ones(3), ["a", "b", "c"], (3, 3, 4)),
        (np.arange(8.0).reshape(2, 4), np.ones(2), None, (2, 3, 4)),
    ],
    ids=["regression", "binary", "classes", "targets"],
)
def test_pairs_of_coefficients(coef: Any, intercept: Any, classes: Any, shape: tuple[int, ...]) -> None:
    explanation = TabularExplainer((coef, intercept), X, classes=classes).explain_local(X[:3])
    output = X[:3] @ coef.T + intercept
    assert np.shape(explanation.local_importance_values) == shape
    assert explanation.model_task == ("regression" if classes is None else "classification")
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, output.reshape(3, -1), atol=EXACT)
    predicted = np.array(explanation.eval_y_predicted)
    if classes is None:
        np.testing.assert_allclose(predicted, output, atol=EXACT)
    else:
        np.testing.assert_array_equal(predicted, output.argmax(axis=1) if output.ndim == 2 else output > 0)


def test_columns_of_a_pair_must_be_those_of_the_examples() -> None:
    frame = pandas.DataFrame(X, columns=list("abcd"))
    explainer = LinearExplainer((np.arange(4.0), 1.0), frame)
    with pytest.raises(
        ValueError, match="Column 0 of evaluation_examples is 'b', but 'a' where the explainer was built"
    ):
        explainer.explain_local(frame[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match="evaluation_examples has 3 columns; the model has 4 features"):
        explainer.explain_local(frame[["a", "b", "c"]])


def test_subset_keeps_the_values_of_the_full_explanation() -> None:
    model = LogisticRegression(max_iter=1000).fit(X, Y)
    full = LinearExplainer(model, X).explain_local(X[:5]).values
    cut = LinearExplainer(model, X, explain_subset=[2, 0]).explain_local(X[:5])
    np.testing.assert_array_equal(cut.values, full[:, [2, 0]])
    assert cut.num_features == 2


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (RandomForestRegressor(2).fit(X, TARGET), UnsupportedModelError, "has no coef_ and intercept_"),
        (Ridge(), ValueError, "not fitted"),
        ((np.zeros((1, 2, 3)), 0.0), ValueError, r"coef has shape \(1, 2, 3\)"),
        ((np.zeros(3), 0.0), ValueError, "initialization_examples has 4 columns; the model has 3 features"),
    ],
    ids=["trees", "unfitted", "3-D", "width"],
)
def test_wrong_models_are_refused(model: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        LinearExplainer(model, X)


def test_examples_of_words_are_refused() -> None:
    frame = pandas.DataFrame({"a": ["u", "v"], "b": [1.0, 2.0]})
    with pytest.raises(TypeError, match="initialization_examples must hold numbers"):
        LinearExplainer(([1.0, 2.0], 0.0), frame)
