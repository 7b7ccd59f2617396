"""Where interpret-community 0.32 raises, or answers in the wrong shape, and we do not; and what it calls how often."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from fastexplain import (
    BackgroundWarning,
    DatasetWrapper,
    DeepExplainer,
    KernelExplainer,
    LinearExplainer,
    ModelConversionError,
    PFIExplainer,
    SamplingPolicy,
    TabularExplainer,
    TreeExplainer,
    UnsupportedModelError,
)
from fastexplain.explainers import GPUKernelExplainer
from fastexplain.explainers.shared import base as _base

EXACT = 1e-10
X, Y = load_iris(return_X_y=True)
BINARY = (Y > 0).astype(int)
NAMES = ["a", "b", "c", "d"]
Floats = NDArray[np.float64]


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(5, random_state=0).fit(X, Y)


def logistic() -> LogisticRegression:
    return LogisticRegression(max_iter=1000).fit(X, Y)


def network() -> MLPClassifier:
    return MLPClassifier((5,), max_iter=50, random_state=0).fit(X, Y)


def all_kinds(**options: Any) -> list[Any]:
    """An explainer of each kind, of classifiers of three classes."""
    return [
        TreeExplainer(forest(), **options),
        LinearExplainer(logistic(), X, **options),
        DeepExplainer(network(), X[:50], **options),
        KernelExplainer(logistic(), X[:50], show_progress=False, **options),
        TabularExplainer(forest(), X, **options),
    ]


KINDS = ["tree", "linear", "deep", "kernel", "tabular"]
pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


# 1. scikit-learn's boosters


@pytest.mark.parametrize("booster", [GradientBoostingClassifier, HistGradientBoostingClassifier])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_boosters_of_scikit_learn_classify(booster: Any, n_classes: int) -> None:
    labels = ["no", "yes", "perhaps"][:n_classes]
    size = "n_estimators" if booster is GradientBoostingClassifier else "max_iter"
    model = booster(max_depth=2, random_state=0, **{size: 5}).fit(X, np.minimum(Y, n_classes - 1))
    explanation = TabularExplainer(model, X, classes=labels).explain_global(X)
    assert explanation.method == "shap_tree"
    assert explanation.model_task == "classification"
    assert explanation.classes == labels
    assert np.shape(explanation.local_importance_values) == (n_classes, 150, 4)
    margins = model.decision_function(X)
    sums = np.array(explanation.local_importance_values).sum(axis=2) + np.array(explanation.expected_values)[:, None]
    assert_allclose(sums[-1], margins if n_classes == 2 else margins[:, 2], atol=1e-6)


# 2., 3., 6. explain_subset


@pytest.mark.parametrize("kind", KINDS)
def test_a_subset_of_a_classifier_keeps_its_shape_and_names(kind: str) -> None:
    i = KINDS.index(kind)
    explanation = all_kinds(features=NAMES, explain_subset=[2, 0])[i].explain_local(X[:4])
    assert np.shape(explanation.local_importance_values) == (3, 4, 2)
    assert explanation.features == ["c", "a"]
    assert explanation.num_features == 2
    by_index = all_kinds(explain_subset=[2, 0])[i].explain_global(X[:4])
    assert by_index.features == [2, 0]
    assert len(by_index.global_importance_values) == by_index.num_features == 2
    if kind != "kernel":  # there, the other features stay at the row's own values
        whole = all_kinds()[i].explain_local(X[:4])
        assert_allclose(explanation.values, whole.values[:, [2, 0]], atol=EXACT)


def test_permutation_importance_of_a_subset_has_its_names_too() -> None:
    explanation = PFIExplainer(forest(), features=NAMES, explain_subset=[2, 0]).explain_global(X, Y)
    assert explanation.features == ["c", "a"]
    assert explanation.num_features == 2
    assert explanation.get_ranked_global_names()[0] == "c"


# 4., 5. single rows


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_row_has_classes_first(kind: str) -> None:
    for explainer in (all_kinds()[KINDS.index(kind)], all_kinds(features=NAMES)[KINDS.index(kind)]):
        single = explainer.explain_local(X[3])
        assert np.shape(single.local_importance_values) == (3, 4)
        whole = explainer.explain_local(X[3:4])
        assert_allclose(single.local_importance_values, np.array(whole.local_importance_values)[:, 0], atol=EXACT)


@pytest.mark.parametrize("kind", KINDS)
def test_binary_classifiers_have_both_classes(kind: str) -> None:
    explainers: dict[str, Any] = {
        "tree": lambda: TreeExplainer(RandomForestClassifier(3, random_state=0).fit(X, BINARY)),
        "linear": lambda: LinearExplainer(LogisticRegression().fit(X, BINARY), X),
        "deep": lambda: DeepExplainer(MLPClassifier((3,), max_iter=20).fit(X, BINARY), X[:50]),
        "kernel": lambda: KernelExplainer(LogisticRegression().fit(X, BINARY), X[:50], show_progress=False),
        "tabular": lambda: TabularExplainer(LinearSVC().fit(X, BINARY), X),
    }
    explanation = explainers[kind]().explain_global(X[:5])
    # 15.: one expected value per class, also of linear models
    assert len(explanation.expected_values) == explanation.num_classes == 2
    assert np.shape(explanation.local_importance_values) == (2, 5, 4)
    assert_allclose(
        explanation.local_importance_values[0], -np.array(explanation.local_importance_values[1]), atol=1e-6
    )


# 8. nclusters


def test_kernel_uses_nclusters() -> None:
    with pytest.warns(BackgroundWarning, match="nclusters=2"):
        few = KernelExplainer(logistic(), X, nclusters=2, show_progress=False)
    assert len(few._background.data) == 2
    assert len(KernelExplainer(logistic(), X, show_progress=False)._background.data) == 100
    assert len(KernelExplainer(logistic(), X, nclusters=15, show_progress=False)._background.data) == 150


# 10. sparse rows, streamed


@pytest.mark.parametrize("kind", ["tree", "linear", "kernel"])
def test_sparse_rows_can_be_streamed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_base, "_BATCH_BYTES", 1)
    rows = scipy.sparse.csr_matrix(X * (X > 2))
    make: dict[str, Any] = {
        "tree": lambda data: TreeExplainer(RandomForestClassifier(3, random_state=0).fit(data, Y)),
        "linear": lambda data: LinearExplainer(LogisticRegression(max_iter=1000).fit(data, Y), data),
        "kernel": lambda data: KernelExplainer(LogisticRegression(max_iter=1000).fit(data, Y), data[:50]),
    }
    found = make[kind](rows).explain_global(rows, include_local=False, batch_size=64)
    expected = make[kind](rows.toarray()).explain_global(rows.toarray())
    assert_allclose(found.per_class_values, expected.per_class_values, atol=1e-6)
    assert found.eval_y_predicted == expected.eval_y_predicted


# 17. the cause is told, and no other method is tried


def test_tabular_tells_the_cause() -> None:
    with pytest.raises(ValueError, match="features has 3 names; the model has 4 features"):
        TabularExplainer(forest(), X, features=["a", "b", "c"])
    with pytest.raises(UnsupportedModelError, match="cannot be explained; expected a fitted model"):
        TabularExplainer(object(), X)


def test_an_error_of_the_method_is_not_hidden_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **options: Any) -> Any:
        raise RuntimeError("planted")

    monkeypatch.setattr("fastexplain.explainers.tree.load_model", broken)
    with pytest.raises(RuntimeError, match="planted"):
        TabularExplainer(forest(), X)


def test_a_pipeline_and_a_function_say_what_explains_them() -> None:
    pipeline = make_pipeline(StandardScaler(), logistic()).fit(X, Y)
    assert TabularExplainer(pipeline, X[:50]).method == "shap.linear"
    pipeline = make_pipeline(PCA(2), logistic()).fit(X, Y)
    assert TabularExplainer(pipeline, X[:50]).method.startswith("shap.kernel")
    assert TabularExplainer(lambda rows: rows[:, 0], X[:50]).method.startswith("shap.kernel")


# The GPU


def test_the_gpu_is_refused_with_the_reason() -> None:
    message = "cuML is required to use GPU explainers, and is not installed; even with it, fastexplain has no GPU path"
    with pytest.raises(RuntimeError, match=message):
        TabularExplainer(forest(), X, use_gpu=True)
    with pytest.raises(RuntimeError, match="Use KernelExplainer, which takes the same arguments"):
        GPUKernelExplainer(forest(), X)


def test_with_cuml_the_reason_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    with pytest.raises(RuntimeError, match="cuML is installed, but fastexplain has no GPU path"):
        GPUKernelExplainer(forest(), X)


# Black boxes: where interpret-community asks, or gives up


class OneColumn:
    """Predicts an array of one column, and does not say what it is."""

    def predict(self, rows: Any) -> Any:
        return np.asarray(rows)[:, :1]


def test_one_column_is_a_regression_unless_told_otherwise() -> None:
    explanation = KernelExplainer(OneColumn(), X[:20], show_progress=False).explain_local(X[:3])
    assert explanation.model_task == "regression"
    assert np.shape(explanation.local_importance_values) == (3, 4)
    task = {"model_task": "classification", "show_progress": False}
    explanation = KernelExplainer(lambda rows: rows[:, :1], X[:20], **task).explain_local(X[:3])
    # outside [0, 1]: a margin, whose classes are each other's negatives; not an error
    assert explanation.units == "margin"
    assert_allclose(explanation.local_importance_values[0], -np.array(explanation.local_importance_values[1]))


def test_several_outputs_of_a_regression_are_explained_one_by_one() -> None:
    options = {"model_task": "regression", "show_progress": False}
    explanation = KernelExplainer(lambda rows: rows[:, :2], X[:20], **options).explain_local(X[:3])
    assert np.shape(explanation.local_importance_values) == (2, 3, 4)


def test_a_classifier_without_probabilities_is_explained_by_its_margins() -> None:
    explanation = KernelExplainer(LinearSVC().fit(X, Y), X[:20], model_task="classification").explain_local(X[:3])
    assert explanation.units == "margin"
    with pytest.raises(ValueError, match="model_task is 'classification', but the LinearRegression model does regress"):
        KernelExplainer(LinearRegression().fit(X, Y), X, model_task="classification")


class Relabelled(LogisticRegression):
    """The same margins, other labels."""

    def predict(self, rows: Any) -> Any:
        return np.array(NAMES)[super().predict(rows)]


class Linear:
    """Coefficients, and no base class."""

    coef_, intercept_ = np.array([1.0, -1.0, 0.0, 2.0]), 0.5

    def predict(self, rows: Any) -> Any:
        return np.asarray(rows) @ self.coef_ + self.intercept_


class Squared(Linear):
    def predict(self, rows: Any) -> Any:
        return super().predict(rows) ** 2


def test_any_model_with_coefficients_is_linear_if_it_predicts_what_they_give() -> None:
    model = Relabelled(max_iter=1000).fit(X, Y)
    assert_allclose(TabularExplainer(model, X).explain_local(X[:3]).values, all_kinds()[1].explain_local(X[:3]).values)
    values = LinearExplainer(Linear(), X).explain_local(X[:3]).values[..., 0]
    assert_allclose(values, (X[:3] - X.mean(axis=0)) * Linear.coef_)
    with pytest.raises(ModelConversionError, match="Squared is not what its coef_ and intercept_ give"):
        LinearExplainer(Squared(), X)


# How often the model is asked


@pytest.mark.parametrize("include_local", [True, False])
@pytest.mark.parametrize("kind", ["tree", "linear", "deep", "kernel"])
def test_predictions_are_made_once_and_when_asked_for(
    kind: str, include_local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_base, "_BATCH_BYTES", 1)
    explainer = all_kinds()[KINDS.index(kind)]
    asked: list[str] = []
    for name in ("predict", "predict_proba"):
        monkeypatch.setattr(type(explainer.model), name, counted(type(explainer.model), name, asked))
    explanation = explainer.explain_global(X, include_local=include_local, batch_size=64)
    if kind == "deep":  # at once: a forward pass costs little beside DeepLIFT
        monkeypatch.undo()
        assert asked == (["predict_proba", "predict"] if include_local else [])  # else batch by batch
        assert np.shape(explanation.eval_y_predicted_proba) == (150, 3)
        return
    assert asked in ([], ["predict_proba"])  # Kernel SHAP may ask for the rows that it explains
    asked.clear()
    for _ in range(2):
        assert np.shape(explanation.eval_y_predicted) == (150,)
        assert np.shape(explanation.eval_y_predicted_proba) == (150, 3)
    own = ["predict_proba"] if kind == "tree" else []  # a forest's predict asks its predict_proba
    assert sorted(asked) == ["predict", "predict_proba", *own]


def counted(cls: type, name: str, asked: list[str]) -> Any:
    """The method, which notes when it is asked for all rows."""
    method = getattr(cls, name)

    def call(self: Any, rows: Any, *args: Any) -> Any:
        if len(rows) == len(X) and np.array_equal(rows, X):
            asked.append(name)
        return method(self, rows, *args)

    return call


@pytest.mark.parametrize("kind", ["tree", "linear", "kernel"])
def test_streaming_holds_a_batch_of_values(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = 2**20
    monkeypatch.setattr(_base, "_BATCH_BYTES", batch)
    rows = np.random.Generator(np.random.Philox(0)).normal(size=(100_000, 20))
    target = rows[:300, 0] + rows[:300, 1]
    make: dict[str, Any] = {
        "tree": lambda: TreeExplainer(GradientBoostingRegressor(n_estimators=3).fit(rows[:300], target)),
        "linear": lambda: LinearExplainer(LinearRegression().fit(rows[:300], target), rows[:300]),
        # the closed form of a linear model
        "kernel": lambda: KernelExplainer(LinearRegression().fit(rows[:300], target), rows[:50], show_progress=False),
    }
    explainer = make[kind]()
    explainer.explain_global(rows[:256], include_local=False)
    tracemalloc.start()
    explainer.explain_global(rows, include_local=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * batch  # all values would be 16 batches


# Examples


@pytest.mark.parametrize("kind", ["linear", "kernel", "tabular", "deep"])
def test_examples_of_every_kind(kind: str) -> None:
    torch = pytest.importorskip("torch")  # an extra: the core installs without it
    legacy = pytest.importorskip("shap.utils._legacy")  # an extra: the core installs without it
    make: dict[str, Any] = {
        "linear": lambda data: LinearExplainer(logistic(), data),
        "kernel": lambda data: KernelExplainer(logistic(), data, show_progress=False),
        "tabular": lambda data: TabularExplainer(logistic(), data),
        "deep": lambda data: DeepExplainer(network(), data),
    }
    expected = make[kind](X[:50]).explain_local(X[:3]).values
    examples = [
        pd.DataFrame(X[:50]),
        X[:50].tolist(),
        torch.tensor(X[:50]),
        legacy.DenseData(X[:50], NAMES),
        *([] if kind == "deep" else [scipy.sparse.csr_matrix(X[:50])]),
    ]
    for data in examples:
        assert_allclose(make[kind](data).explain_local(X[:3]).values, expected, atol=1e-6, err_msg=type(data).__name__)


@pytest.mark.parametrize(
    "explainer", [TabularExplainer, KernelExplainer, LinearExplainer, TreeExplainer, DeepExplainer]
)
def test_unknown_keywords_are_named(explainer: Any) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        explainer(forest(), X, colour="red")


@pytest.mark.parametrize("data", ["rows", 3.0, {"a": 1}], ids=["str", "float", "dict"])
@pytest.mark.parametrize("kind", ["tree", "linear", "kernel"])
def test_what_holds_no_rows_is_named(kind: str, data: Any) -> None:
    message = f"Got type <class '{type(data).__name__}'> which is not supported"
    make: dict[str, Any] = {
        "tree": lambda: TabularExplainer(forest(), data),
        "linear": lambda: TabularExplainer(logistic(), data),
        "kernel": lambda: KernelExplainer(logistic(), data),
    }
    with pytest.raises(TypeError, match=message):
        make[kind]()
    with pytest.raises(TypeError, match=message):
        all_kinds()[KINDS.index(kind)].explain_local(data)
    with pytest.raises(TypeError, match=message):
        PFIExplainer(forest()).explain_global(data, Y)


def test_wrapped_rows_are_rows_to_permutation_importance_and_samples() -> None:
    frame = pd.DataFrame(X, columns=NAMES)
    wrapped = DatasetWrapper(frame)
    model = LogisticRegression(max_iter=1000).fit(frame, Y)
    found = PFIExplainer(model).explain_global(wrapped, Y)
    assert found.features == NAMES
    assert found.global_importance_values == PFIExplainer(model).explain_global(frame, Y).global_importance_values
    many = DatasetWrapper(pd.concat([frame, frame], ignore_index=True))
    explainer = KernelExplainer(model, wrapped, show_progress=False)
    sampled = explainer.explain_global(many, SamplingPolicy(True, sampling_method="kmeans"))
    assert len(sampled.eval_data) == len(sampled.eval_y_predicted) == sampled.num_examples < 300
