"""DeepExplainer: networks of torch and scikit-learn, with interpret-community's arguments and shapes."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor

import fastexplain
from fastexplain import DeepExplainer, TabularExplainer, UnsupportedModelError

torch = pytest.importorskip("torch")
pandas = pytest.importorskip("pandas")
nn = torch.nn

X, Y = load_iris(return_X_y=True)
# The network's own forward is in float32.
FLOAT32 = 1e-5


def network(n_outputs: int, *last: Any) -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, n_outputs), *last)


def forward(model: Any, rows: Any) -> Any:
    return model(torch.tensor(rows, dtype=torch.float32)).detach().numpy().reshape(len(rows), -1)


@pytest.mark.parametrize("last", [(), (nn.Softmax(dim=1),)], ids=["logits", "softmax"])
def test_classes(last: Any) -> None:
    model = network(3, *last)
    explanation = DeepExplainer(model, X[:90]).explain_global(X[:10])
    assert np.shape(explanation.local_importance_values) == (3, 10, 4)
    assert (explanation.method, explanation.model_task) == ("shap_deep", "classification")
    assert explanation.units == ("probability" if last else "margin")
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, forward(model, X[:10]), atol=FLOAT32)
    np.testing.assert_allclose(explanation.base_values, forward(model, X[:90]).mean(axis=0), atol=FLOAT32)
    assert explanation.eval_y_predicted == forward(model, X[:10]).argmax(axis=1).tolist()
    assert (explanation.eval_y_predicted_proba is None) == (not last)


def test_one_output_needs_the_task() -> None:
    message = "Please specify model_task to disambiguate model type since result of calling function is 2D array of one"
    with pytest.raises(ValueError, match=message):
        DeepExplainer(network(1), X[:50])
    with pytest.raises(ValueError, match=message):
        TabularExplainer(network(1), X[:50])


@pytest.mark.parametrize("said", [{"model_task": "regression"}, {"is_classifier": False}], ids=lambda d: next(iter(d)))
def test_regression_has_no_axis_of_outputs(said: dict[str, Any]) -> None:
    explanation = DeepExplainer(network(1), X[:50], **said).explain_local(X[:10])
    assert np.shape(explanation.local_importance_values) == (10, 4)
    assert explanation.model_task == "regression"
    assert np.shape(explanation.eval_y_predicted) == (10,)


def test_an_output_without_an_axis_is_a_regression() -> None:
    model = network(1, nn.Flatten(0))
    assert DeepExplainer(model, X[:50]).explain_local(X[:10]).model_task == "regression"


@pytest.mark.parametrize(
    "said",
    [{"model_task": "classification"}, {"is_classifier": True}, {"classes": ["no", "yes"]}],
    ids=lambda d: next(iter(d)),
)
@pytest.mark.parametrize("last", [(), (nn.Sigmoid(),)], ids=["logit", "sigmoid"])
def test_binary_classification_has_minus_v_and_v(said: dict[str, Any], last: Any) -> None:
    model = network(1, *last)
    explainer = DeepExplainer(model, X[:50], **said)
    explanation = explainer.explain_global(X[:10])
    negative, positive = np.array(explanation.local_importance_values)
    np.testing.assert_array_equal(negative, -positive)
    total = positive.sum(axis=1) + explanation.expected_values[1]
    np.testing.assert_allclose(total, forward(model, X[:10])[:, 0], atol=FLOAT32)
    assert sum(explanation.expected_values) == pytest.approx(1.0 if last else 0.0, abs=FLOAT32)
    assert explainer.explain_global(X[:10], include_local=False).per_class_values == explanation.per_class_values


def test_arguments_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="model_task is 'regression', but is_classifier is True"):
        DeepExplainer(network(1), X, model_task="regression", is_classifier=True)


def test_many_examples_are_summarised_with_their_weights() -> None:
    explainer = DeepExplainer(network(3), X, nclusters=4)
    summary = fastexplain.summarize_background(X, 4, seed=0)
    expected = summary.weights @ forward(network(3), summary.data)
    np.testing.assert_allclose(explainer.explain_local(X[:2]).base_values, expected, atol=FLOAT32)


@pytest.mark.parametrize("kind", ["frame", "tensor"])
def test_frames_and_tensors(kind: str) -> None:
    convert: Any = torch.tensor if kind == "tensor" else lambda a: pandas.DataFrame(a, columns=list("abcd"))
    model = network(3)
    explainer = DeepExplainer(model, convert(X[:50]), explain_subset=[1, 3])
    explanation = explainer.explain_local(convert(X[:5]))
    full = DeepExplainer(model, X[:50]).explain_local(X[:5])
    np.testing.assert_array_equal(explanation.values, full.values[:, [1, 3]])
    assert explanation.features == (["b", "d"] if kind == "frame" else [1, 3])
    row = explainer.explain_local(convert(X)[3] if kind == "tensor" else X[3])
    assert np.shape(row.local_importance_values) == (3, 2)


def test_the_network_is_left_in_its_mode_and_explained_in_evaluation() -> None:
    model = network(3, nn.Dropout(0.9)).train()
    explanation = DeepExplainer(model, X[:50]).explain_local(X)
    predicted = explanation.eval_y_predicted
    assert model.training
    assert model[3].training
    total = explanation.values.sum(axis=1) + explanation.base_values
    output = forward(model.eval(), X)
    np.testing.assert_allclose(total, output, atol=FLOAT32)
    assert predicted == output.argmax(axis=1).tolist()


def test_tabular_explainer_chooses_it() -> None:
    explainer = TabularExplainer(network(3), X)
    assert type(explainer.explainer) is DeepExplainer
    assert explainer.explainer.check_additivity is False
    again = pickle.loads(pickle.dumps(explainer)).explain_local(X[:3])
    np.testing.assert_array_equal(again.values, explainer.explain_local(X[:3]).values)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize(
    ("model", "y", "shape"),
    [(MLPClassifier, Y, (3, 5, 4)), (MLPClassifier, Y == 1, (2, 5, 4)), (MLPRegressor, X[:, 0], (5, 4))],
    ids=["classes", "binary", "regression"],
)
def test_scikit_learns_networks_when_asked_for(model: Any, y: Any, shape: tuple[int, ...]) -> None:
    fitted = model(hidden_layer_sizes=(8,), max_iter=50, random_state=0).fit(X, y)
    explanation = DeepExplainer(fitted, X[:50]).explain_local(X[:5])
    assert np.shape(explanation.local_importance_values) == shape
    output = fitted.predict_proba(X[:5]) if hasattr(fitted, "predict_proba") else fitted.predict(X[:5])[:, None]
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, output, atol=1e-9)
    assert explanation.eval_y_predicted == fitted.predict(X[:5]).tolist()
    assert TabularExplainer(fitted, X).method == "shap.kernel"


def test_a_network_that_is_not_fitted_says_so() -> None:
    with pytest.raises(NotFittedError, match="not fitted"):
        DeepExplainer(MLPClassifier(), X)


class Odd(nn.Module):  # type: ignore[misc, name-defined]
    """An operation without a rule."""

    def forward(self, rows: Any) -> Any:
        return torch.cumsum(torch.sort(rows, dim=1).values, dim=1)


def test_what_deep_lift_cannot_do_is_an_error() -> None:
    with pytest.raises(UnsupportedModelError):
        DeepExplainer(Odd(), X[:20]).explain_local(X[:2])
    with pytest.raises(UnsupportedModelError, match=r"GaussianNB is no network.*KernelExplainer explains any model"):
        DeepExplainer(GaussianNB(), X)
    with pytest.raises(UnsupportedModelError, match=r"returned shape \(10, 4, 1\)"):
        DeepExplainer(nn.Unflatten(1, (4, 1)), X[:10])


def test_kernel_explains_a_network_by_its_outputs() -> None:
    model = network(3, nn.Softmax(dim=1))
    explanation = fastexplain.KernelExplainer(model, X[::15]).explain_local(X[:3])
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, forward(model, X[:3]), atol=FLOAT32)
    assert explanation.eval_y_predicted == forward(model, X[:3]).argmax(axis=1).tolist()
