"""What all explainers share: constructors, the choice by type, names, subsets, streaming, pickles, pictures."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, RANSACRegressor, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, OneClassSVM
from sklearn.tree import DecisionTreeRegressor

import fastexplain
from fastexplain import (
    DeepExplainer,
    KernelExplainer,
    LinearExplainer,
    TabularExplainer,
    TreeExplainer,
    UnsupportedModelError,
)
from fastexplain.explainers.shared import base as _base
from fastexplain.explainers.shared.dispatch import explainer_kind, unwrapped

pandas = pytest.importorskip("pandas")

N_FEATURES = 4
IRIS = load_iris()
X, Y = IRIS.data, IRIS.target
FRAME = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
TARGET = X @ [1.0, -2.0, 0.5, 0.0] + np.sin(X[:, 0])


class UserForest(RandomForestClassifier):
    """A user's own class, which is still a forest."""


class Thresholds(ClassifierMixin, BaseEstimator):
    """A classifier of labels alone."""

    def fit(self, X: Any, y: Any) -> Thresholds:
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return (np.asarray(X)[:, 0] > 5).astype(int)


# Constructors


# interpret-community 0.32: names, order and defaults (what comes after `*` is ours)
COMMON = {"features": None, "classes": None}
RAW = {"transformations": None, "allow_all_transformations": False}
REQUIRED = inspect.Parameter.empty
CONSTRUCTORS: dict[type, dict[str, Any]] = {
    TabularExplainer: {
        "model": REQUIRED,
        "initialization_examples": REQUIRED,
        "explain_subset": None,
        **COMMON,
        **RAW,
        "model_task": "unknown",
        "use_gpu": False,
    },
    TreeExplainer: {"model": REQUIRED, "explain_subset": None, **COMMON, "shap_values_output": "default", **RAW},
    LinearExplainer: {"model": REQUIRED, "initialization_examples": REQUIRED, "explain_subset": None, **COMMON, **RAW},
    DeepExplainer: {
        "model": REQUIRED,
        "initialization_examples": REQUIRED,
        "explain_subset": None,
        "nclusters": None,  # there 10: see docs/migration.md
        **COMMON,
        **RAW,
        "model_task": "unknown",
        "is_classifier": None,
        "check_additivity": True,
    },
    KernelExplainer: {
        "model": REQUIRED,
        "initialization_examples": REQUIRED,
        "is_function": False,
        "explain_subset": None,
        "nsamples": "auto",
        **COMMON,
        "nclusters": None,  # there 10
        "show_progress": None,
        **RAW,
        "model_task": "unknown",
    },
}


@pytest.mark.parametrize("explainer", list(CONSTRUCTORS), ids=lambda cls: cls.__name__)
def test_constructors_are_interpret_communitys(explainer: type) -> None:
    parameters = inspect.signature(explainer).parameters.values()
    positional = {p.name: p.default for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}
    assert list(positional.items()) == list(CONSTRUCTORS[explainer].items())
    assert {p.kind for p in parameters} <= {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


# The choice


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (DecisionTreeRegressor(), "tree"),
        (UserForest(), "tree"),
        (GradientBoostingRegressor(), "tree"),
        (HistGradientBoostingClassifier(), "tree"),
        (LinearRegression(), "linear"),
        (SGDClassifier(), "linear"),
        (LinearSVC(), "linear"),
        (LinearDiscriminantAnalysis(), "linear"),
        (([1.0, 2.0], 0.5), "linear"),
        (RANSACRegressor(), "kernel"),
        (QuadraticDiscriminantAnalysis(), "kernel"),
        (SVC(), "kernel"),
        (MLPClassifier(), "kernel"),
        (KNeighborsRegressor(), "kernel"),
        (make_pipeline(StandardScaler(), LinearRegression()), "kernel"),
        (AdaBoostClassifier(), "kernel"),
        (BaggingRegressor(), "kernel"),
        (VotingClassifier([("a", GaussianNB())]), "kernel"),
        (StackingRegressor([("a", Ridge())]), "kernel"),
        (IsolationForest(), "kernel"),
        (np.sum, "kernel"),
        (lambda rows: rows[:, 0], "kernel"),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", type(value).__name__),
)
def test_the_type_decides(model: Any, kind: str) -> None:
    assert explainer_kind(model) == kind


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_boosters_are_trees(library: str) -> None:
    module = pytest.importorskip(library)
    model = module.LGBMRegressor() if library == "lightgbm" else module.XGBRegressor()
    assert explainer_kind(model) == "tree"


def test_torch_and_keras_are_deep() -> None:
    torch = pytest.importorskip("torch")

    class Network(torch.nn.Module):  # type: ignore[misc, name-defined]
        pass

    assert explainer_kind(Network()) == explainer_kind(torch.nn.Linear(2, 1)) == "deep"
    keras = type("Sequential", (), {"__module__": "keras.src.models.sequential", "predict": lambda self, rows: rows})
    assert explainer_kind(keras()) == "deep"


CHOICES = [
    (RandomForestClassifier(5, random_state=0), Y, TreeExplainer, "shap.tree"),
    (LogisticRegression(max_iter=1000), Y, LinearExplainer, "shap.linear"),
    (GaussianNB(), Y, KernelExplainer, "shap.kernel"),
]


@pytest.mark.parametrize(("model", "y", "explainer", "method"), CHOICES, ids=lambda v: getattr(v, "__name__", ""))
def test_the_choice_is_told(model: Any, y: Any, explainer: type, method: str, caplog: Any) -> None:
    with caplog.at_level("INFO", logger="fastexplain"):
        chosen = TabularExplainer(model.fit(X, y), X)
    assert type(chosen.explainer) is explainer
    assert chosen.method == chosen._method == chosen.explainer.method == method
    assert chosen.explain_local(X[:2]).method == method.replace(".", "_")
    assert f"{explainer.__name__} explains {type(model).__name__} with" in caplog.text


def test_an_error_of_the_chosen_method_is_raised_and_no_other_is_tried() -> None:
    class Broken(DecisionTreeRegressor):
        def predict(self, X: Any, check_input: bool = True) -> Any:
            return super().predict(X, check_input) + 1.0

    with pytest.raises(fastexplain.ModelConversionError):
        TabularExplainer(Broken().fit(X, TARGET), X)


@pytest.mark.parametrize("inner", [DecisionTreeRegressor(random_state=0), Ridge(), KNeighborsRegressor()])
def test_a_search_is_explained_by_its_best_model(inner: Any) -> None:
    search = GridSearchCV(inner, {}, cv=2).fit(X, TARGET)
    explanation = TabularExplainer(search, X).explain_local(X[:3])
    best = TabularExplainer(search.best_estimator_, X).explain_local(X[:3])
    np.testing.assert_array_equal(explanation.values, best.values)
    assert explanation.method == best.method
    assert explanation.model_type == str(GridSearchCV)
    assert explanation.eval_y_predicted == search.predict(X[:3]).tolist()


def test_a_search_that_is_not_fitted_says_so() -> None:
    with pytest.raises(ValueError, match="GridSearchCV has no best_estimator_: fit it"):
        TabularExplainer(GridSearchCV(Ridge(), {}), X)
    assert unwrapped(Ridge) is Ridge


@pytest.mark.parametrize(
    "model", [DecisionTreeRegressor(), Ridge(), SVR(), make_pipeline(SVR()), StackingRegressor([])]
)
def test_models_that_are_not_fitted_say_so(model: Any) -> None:
    with pytest.raises(NotFittedError, match="not fitted"):
        TabularExplainer(model, X)


@pytest.mark.parametrize("model", [3, "model", {}, [], None, object()], ids=lambda m: type(m).__name__)
def test_what_predicts_nothing_is_refused(model: Any) -> None:
    with pytest.raises(UnsupportedModelError, match="cannot be explained; expected a fitted model with predict"):
        TabularExplainer(model, X)


def test_catboost_is_refused_with_the_way_to_it() -> None:
    catboost = type("CatBoostClassifier", (), {"__module__": "catboost.core", "predict": lambda self, rows: rows})
    with pytest.raises(UnsupportedModelError, match=r"CatBoostClassifier is not a supported tree.*KernelExplainer"):
        TabularExplainer(catboost(), X)


def test_use_gpu_is_refused() -> None:
    with pytest.raises(RuntimeError, match="cuML is required to use GPU explainers"):
        TabularExplainer(Ridge().fit(X, TARGET), X, use_gpu=True)


@pytest.mark.parametrize("model", [LogisticRegression(max_iter=1000), GaussianNB()])
def test_examples_are_needed_beyond_trees(model: Any) -> None:
    with pytest.raises(ValueError, match="needs initialization_examples"):
        TabularExplainer(model.fit(X, Y), None)


# What every explainer does, whatever the method


@pytest.fixture(params=CHOICES, ids=lambda choice: choice[3])
def fitted(request: Any) -> Any:
    model, y, _, _ = request.param
    return model.fit(X, y)


def test_values_add_up(fitted: Any) -> None:
    explanation = TabularExplainer(fitted, X).explain_local(X[:10])
    output = fitted.decision_function if isinstance(fitted, LogisticRegression) else fitted.predict_proba
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, output(X[:10]), atol=1e-10)


def test_classifier_shapes_are_class_first(fitted: Any) -> None:
    explanation = TabularExplainer(fitted, X).explain_global(X[:10])
    assert np.shape(explanation.local_importance_values) == (3, 10, N_FEATURES)
    assert np.shape(explanation.per_class_values) == (3, N_FEATURES)
    assert len(explanation.expected_values) == explanation.num_classes == 3
    assert explanation.classes == [0, 1, 2]
    assert explanation.eval_y_predicted == fitted.predict(X[:10]).tolist()
    assert explanation.eval_y_predicted_proba == fitted.predict_proba(X[:10]).tolist()


def test_one_row_has_no_row_axis(fitted: Any) -> None:
    explainer = TabularExplainer(fitted, X)
    row = explainer.explain_local(X[7])
    assert np.shape(row.local_importance_values) == (3, N_FEATURES)
    np.testing.assert_array_equal(row.values, explainer.explain_local(X[7:8]).values)


def test_streamed_global_is_the_same(fitted: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(_base, "_BATCH_BYTES", 0)
    explainer = TabularExplainer(fitted, X)
    whole = explainer.explain_global(X)
    streamed = explainer.explain_global(X, include_local=False)
    assert streamed.global_importance_values == whole.global_importance_values
    assert streamed.expected_values == whole.expected_values
    assert streamed.path == whole.path
    assert not hasattr(streamed, "values")


def test_names_of_a_frame_and_a_subset(fitted: Any) -> None:
    explainer = TabularExplainer(
        type(fitted)(**fitted.get_params()).fit(FRAME, Y), FRAME, explain_subset=["d", 0], classes=["x", "y", "z"]
    )
    explanation = explainer.explain_global(FRAME[:3])
    assert explanation.features == ["d", "a"]
    assert explanation.values.shape == (3, 2, 3)
    assert explanation.classes == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": ["a"]}, "features has 1 names; the model has 4 features"),
        ({"classes": ["a"]}, "classes has 1 labels; the model has 3 classes"),
        ({"explain_subset": [9]}, r"explain_subset holds 9; .* 0\.\.3"),
        ({"model_task": "regression"}, "model_task is 'regression', but the .* model does classification"),
        ({"transformations": []}, "Non-supported transformations argument passed."),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_wrong_arguments_are_refused(fitted: Any, arguments: dict[str, Any], message: str) -> None:
    if "model_task" in arguments and isinstance(fitted, GaussianNB):
        message = "model_task is 'regression', but the GaussianNB model does classification"
    with pytest.raises(ValueError, match=message):
        TabularExplainer(fitted, X, **arguments)


def test_rows_of_another_width_give_both_numbers(fitted: Any) -> None:
    with pytest.raises(ValueError, match=r"3.*4|4.*3"):
        TabularExplainer(fitted, X).explain_local(X[:, :3])


def test_columns_in_another_order_are_refused(fitted: Any) -> None:
    model = type(fitted)(**fitted.get_params()).fit(FRAME, Y)
    explainer = TabularExplainer(model, FRAME)
    with pytest.raises(ValueError, match=r"'[ab]'.*'[ab]'|order"):
        explainer.explain_local(FRAME[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match="e"):
        explainer.explain_local(FRAME.rename(columns={"d": "e"}))


def test_explainers_and_explanations_can_be_pickled(fitted: Any) -> None:
    explainer = TabularExplainer(fitted, X)
    again = pickle.loads(pickle.dumps(explainer)).explain_global(X[:5])
    expected = explainer.explain_global(X[:5])
    np.testing.assert_array_equal(again.values, expected.values)
    back = pickle.loads(pickle.dumps(expected))
    assert back.path == expected.path
    assert (back.standard_errors is None) == (expected.standard_errors is None)


def test_pictures_work(fitted: Any) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    explanation = TabularExplainer(fitted, FRAME.to_numpy(), features=list("abcd")).explain_global(X[:20])
    assert explanation.plot.bar() is not None
    assert explanation.plot.beeswarm(class_index=1) is not None
    assert explanation.plot.waterfall(0, class_index=1) is not None


# A notebook's first lines, with each explainer


@pytest.mark.parametrize("kind", ["tabular", "tree", "linear", "kernel"])
@pytest.mark.parametrize("dataset", [load_breast_cancer, load_iris, load_diabetes], ids=lambda f: f.__name__)
def test_notebook(dataset: Any, kind: str) -> None:
    data = dataset(as_frame=True)
    rows, y, classifies = data.data, data.target, hasattr(data, "target_names")
    if kind == "tree":
        tree = (
            RandomForestClassifier(5, max_depth=3, random_state=0) if classifies else DecisionTreeRegressor(max_depth=3)
        )
        explainer: Any = TreeExplainer(tree.fit(rows, y), features=list(rows.columns))
    elif kind == "kernel":
        black_box = GaussianNB() if classifies else SVR()
        explainer = KernelExplainer(black_box.fit(rows, y), rows, show_progress=False, nsamples=200)
    else:
        linear = make_linear(classifies).fit(rows, y)
        make: Any = LinearExplainer if kind == "linear" else TabularExplainer
        explainer = make(linear, rows)
    explanation = explainer.explain_global(rows[:20])
    assert explanation.features == list(rows.columns)
    assert explanation.model_task == ("classification" if classifies else "regression")
    n_classes = len(data.target_names) if classifies else None
    shape = (20, rows.shape[1]) if n_classes is None else (n_classes, 20, rows.shape[1])
    assert np.shape(explanation.local_importance_values) == shape
    assert len(explanation.get_feature_importance_dict(top_k=5)) == min(5, rows.shape[1])
    assert len(explanation.expected_values) == (n_classes or 1)


def make_linear(classifies: bool) -> Any:
    return LogisticRegression(max_iter=20, solver="newton-cholesky") if classifies else Ridge()


def test_an_outlier_detector_is_explained_by_its_score() -> None:
    model = OneClassSVM(gamma=0.1).fit(X)
    explanation = TabularExplainer(model, X).explain_local(X[:3])
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total[:, 0], model.decision_function(X[:3]), atol=1e-9)
    assert explanation.model_task == "regression"


def test_a_classifier_of_labels_alone_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnsupportedModelError, match="neither predict_proba nor decision_function"):
        TabularExplainer(Thresholds().fit(X, Y), X)


@pytest.mark.parametrize("as_pipeline", [False, True])
def test_rows_in_the_place_of_explain_subset_are_told_where_they_go(as_pipeline: bool) -> None:
    rows = np.random.default_rng(0).normal(size=(30, 2))
    tree = DecisionTreeRegressor(max_depth=2).fit(rows, rows[:, 0])
    model = make_pipeline(StandardScaler(), tree).fit(rows, rows[:, 0]) if as_pipeline else tree
    with pytest.raises(ValueError, match=r"explain_subset got rows \(ndarray of shape \(30, 2\)\).*initialization_exa"):
        TreeExplainer(model, rows)
