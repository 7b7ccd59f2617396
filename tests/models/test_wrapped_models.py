"""`wrap_model`: any model with one ``predict`` and ``predict_proba``."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastexplain import wrap_model
from fastexplain.explainers.options import ModelTask
from fastexplain.models.wrapped import (
    WrappedClassificationModel,
    WrappedPytorchModel,
    WrappedRegressionModel,
    _wrap_model,
)

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
LABELS = np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)]


class Outputs:
    """A model that gives what it is told to, for each row's first feature."""

    def __init__(self, shape: str = "flat", name: str = "predict") -> None:
        self.shape = shape
        setattr(self, name, self.outputs)

    def outputs(self, rows: Any) -> Any:
        p = 1 / (1 + np.exp(-np.asarray(rows)[:, 0]))
        return {
            "flat": lambda: p,
            "column": lambda: p[:, None],
            "two": lambda: np.stack([1 - p, p], axis=1),
            "three": lambda: np.stack([p / 2, p / 2, 1 - p], axis=1),
            "margin": lambda: 10 * p,
            "ones": lambda: np.ones_like(p),
            "squeezed": lambda: np.stack([1 - p, p], axis=1).squeeze(),
            "cube": lambda: np.zeros((len(p), 2, 2)),
        }[self.shape]()


def test_a_classifier_keeps_its_labels_and_probabilities() -> None:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(X, LABELS)
    wrapped = wrap_model(model, X)
    assert isinstance(wrapped, WrappedClassificationModel)
    np.testing.assert_array_equal(wrapped.predict(X), model.predict(X))
    np.testing.assert_array_equal(wrapped.predict_proba(X), model.predict_proba(X))
    assert wrapped.predict(X[0]).shape == (1,)
    assert wrapped.predict_proba(X[0]).shape == (1, 2)


def test_a_regressor_has_no_probabilities() -> None:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(X, X[:, 0])
    wrapped = wrap_model(model, X)
    assert isinstance(wrapped, WrappedRegressionModel)
    assert not hasattr(wrapped, "predict_proba")
    np.testing.assert_array_equal(wrapped.predict(X), model.predict(X))


def test_a_column_of_predictions_is_flattened() -> None:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(X, X[:, :1])  # predicts (n_rows, 1)
    wrapped = wrap_model(model, X, "regression")
    assert wrapped.predict(X).shape == (60,)
    with pytest.raises(ValueError, match="Please specify model_task to disambiguate"):
        wrap_model(model, X)


def test_rows_reach_the_model_as_the_table_they_are() -> None:
    pd = pytest.importorskip("pandas")

    class Named:
        def predict(self, rows: Any) -> Any:
            return rows["a"] * 2.0

    frame = pd.DataFrame(X, columns=list("abcd"))
    wrapped = wrap_model(Named(), frame)
    np.testing.assert_array_equal(wrapped.predict(frame), X[:, 0] * 2)
    np.testing.assert_array_equal(wrapped.predict(frame.iloc[3]), X[3:4, 0] * 2)

    class Framed:
        def predict(self, rows: Any) -> Any:
            return pd.DataFrame({"y": np.asarray(rows)[:, 0]})

    framed = wrap_model(Framed(), X)  # a data frame of one column is a regression, as ml-wrappers has it
    assert isinstance(framed, WrappedRegressionModel)
    np.testing.assert_array_equal(framed.predict(X), X[:, 0])


@pytest.mark.parametrize("shape", ["flat", "column"])
@pytest.mark.parametrize("name", ["predict", "predict_proba"])
def test_a_single_probability_becomes_two_columns(shape: str, name: str) -> None:
    wrapped = wrap_model(Outputs(shape, name), X, "classification")
    assert isinstance(wrapped, WrappedClassificationModel)
    p = Outputs().outputs(X)
    np.testing.assert_allclose(wrapped.predict_proba(X), np.stack([1 - p, p], axis=1))
    if name == "predict":  # probabilities only: classes are their indices
        np.testing.assert_array_equal(wrapped.predict(X), (p > 0.5).astype(int))


def test_a_classifier_of_one_class_keeps_one_column() -> None:
    assert wrap_model(Outputs("ones"), X, "classification").predict_proba(X).shape == (60, 1)  # type: ignore[union-attr]


def test_several_outputs_are_probabilities_of_classes() -> None:
    wrapped = wrap_model(Outputs("three"), X)
    assert isinstance(wrapped, WrappedClassificationModel)
    np.testing.assert_array_equal(wrapped.predict(X), Outputs("three").outputs(X).argmax(axis=1))


def test_a_model_that_drops_the_axis_of_a_single_row_gets_it_back() -> None:
    wrapped = wrap_model(Outputs("squeezed", "predict_proba"), X)
    assert isinstance(wrapped, WrappedClassificationModel)
    assert wrapped.predict_proba(X[:1]).shape == (1, 2)
    assert wrapped.predict_proba(X).shape == (60, 2)


def test_a_classifier_without_probabilities_is_one_hot() -> None:
    from sklearn.linear_model import SGDClassifier

    model = SGDClassifier(random_state=0).fit(X, LABELS)
    wrapped = wrap_model(model, X)
    assert isinstance(wrapped, WrappedClassificationModel)
    np.testing.assert_array_equal(wrapped.predict(X), model.predict(X))
    np.testing.assert_array_equal(wrapped.predict_proba(X), (model.predict(X)[:, None] == model.classes_) * 1.0)


def test_a_model_with_probabilities_may_be_a_regression() -> None:
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier(random_state=0).fit(X, (X[:, 0] > 0).astype(int))
    wrapped = wrap_model(model, X, ModelTask.Regression)
    assert isinstance(wrapped, WrappedRegressionModel)
    np.testing.assert_array_equal(wrapped.predict(X), model.predict(X))


def test_a_dataset_wrapper_and_shap_data_are_unwrapped() -> None:
    class Wrapper:
        original_dataset_with_type = X

    class DenseData:
        data, group_names = X, ["a", "b", "c", "d"]

    for examples in (Wrapper(), DenseData(), X.tolist(), X[0]):
        assert isinstance(wrap_model(Outputs("two"), examples), WrappedClassificationModel)


def test_sparse_rows_are_rows() -> None:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    rows = csr_matrix(X)
    model = LogisticRegression().fit(rows, LABELS)
    np.testing.assert_array_equal(wrap_model(model, rows).predict(rows), model.predict(rows))


def test_wrapped_models_pickle() -> None:
    for model, task in ((Outputs("flat"), "classification"), (Outputs("column"), "regression")):
        wrapped = wrap_model(model, X, task)
        copy = pickle.loads(pickle.dumps(wrapped))
        np.testing.assert_array_equal(copy.predict(X), wrapped.predict(X))


def test_a_function_comes_back_with_its_task() -> None:
    function, task = _wrap_model(Outputs("column").outputs, X, "classification", True)
    assert task == "classification"
    assert function(X).shape == (60, 2)
    function, task = _wrap_model(Outputs("flat").outputs, X, "unknown", True)
    assert task == "regression"
    assert function(X[0]).shape == (1,)


def test_examples_are_predicted_once_each() -> None:
    class Counting:
        rows = 0

        def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
            Counting.rows += len(X)
            return np.full((len(X), 2), 0.5)

    wrap_model(Counting(), X)
    assert Counting.rows == 1


@pytest.mark.parametrize(
    ("model", "task", "error", "message"),
    [
        (Outputs("column"), "unknown", ValueError, "Please specify model_task to disambiguate"),
        (Outputs("two"), "regression", ValueError, "Invalid shape for prediction.*2 columns"),
        (Outputs("margin"), "classification", ValueError, r"Probability values outside of valid range: \d"),
        (Outputs("cube"), "unknown", ValueError, r"returned shape \(1, 2, 2\) for 1 rows"),
        (Outputs("flat"), "ranking", ValueError, "model_task must be .*'ranking'"),
        (object(), "unknown", TypeError, "object has neither predict nor predict_proba"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(model: Any, task: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        wrap_model(model, X, task)


def test_labels_are_no_probabilities() -> None:
    class Labels:
        def predict(self, rows: Any) -> Any:
            return np.array(["yes"] * len(rows))

    with pytest.raises(ValueError, match=r"needs probabilities; the model returned .*'yes'"):
        wrap_model(Labels(), X, "classification")


def test_examples_must_be_rows() -> None:
    with pytest.raises(ValueError, match="has no rows"):
        wrap_model(Outputs("two"), X[:0])
    with pytest.raises(TypeError, match=r"must hold rows.*got str"):
        wrap_model(Outputs("two"), "rows")


def test_keras_like_models_predict_classes_from_outputs() -> None:
    network = type("Sequential", (Outputs,), {"__module__": "keras.src.models.sequential"})
    wrapped = wrap_model(network("three"), X)
    assert isinstance(wrapped, WrappedClassificationModel)
    outputs = Outputs("three").outputs(X)
    np.testing.assert_array_equal(wrapped.predict(X), outputs.argmax(axis=1))
    np.testing.assert_array_equal(wrapped.predict_proba(X), outputs)
    with pytest.raises(ValueError, match="Please specify model_task"):
        wrap_model(network("column"), X)
    p = Outputs().outputs(X)
    np.testing.assert_array_equal(wrap_model(network("column"), X, "classification").predict(X), (p > 0.5) * 1)
    np.testing.assert_array_equal(wrap_model(network("column"), X, "regression").predict(X), p)


def test_a_torch_module_takes_arrays_and_frames() -> None:
    torch = pytest.importorskip("torch")  # optional: not in the test environment
    pd = pytest.importorskip("pandas")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Dropout(0.5), torch.nn.Softmax(dim=1)).double()
    wrapped = wrap_model(module, X)
    assert isinstance(wrapped, WrappedClassificationModel)
    with torch.no_grad():
        expected = module(torch.as_tensor(X)).numpy()
    np.testing.assert_allclose(wrapped.predict_proba(pd.DataFrame(X)), expected)
    np.testing.assert_array_equal(wrapped.predict(X), expected.argmax(axis=1))
    network = WrappedPytorchModel(module)
    np.testing.assert_allclose(network.predict(X[0]), expected[:1])
    single = torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Sigmoid())
    np.testing.assert_allclose(wrap_model(single, X, "classification").predict_proba(X).sum(axis=1), 1, rtol=1e-6)  # type: ignore[union-attr]
    assert wrap_model(single, X, "regression").predict(X).shape == (60,)


def test_explainers_take_wrapped_models() -> None:
    from sklearn.linear_model import LogisticRegression

    from fastexplain import TabularExplainer

    model = LogisticRegression().fit(X, LABELS)
    explanation = TabularExplainer(wrap_model(model, X), X[:20]).explain_local(X[:2])
    sums = np.array(explanation.local_importance_values).sum(axis=2) + np.array(explanation.expected_values)[:, None]
    np.testing.assert_allclose(sums.T, model.predict_proba(X[:2]), atol=1e-10)
