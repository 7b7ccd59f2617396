"""`PFIExplainer`: signs, metrics, repeats, intervals, containers, raw features, and its errors."""

from __future__ import annotations

import enum
import inspect
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import (
    fbeta_score,
    get_scorer_names,
    hamming_loss,
    log_loss,
    make_scorer,
    mean_absolute_error,
    mean_squared_error,
    mean_tweedie_deviance,
    r2_score,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import fastexplain
from fastexplain import MetricConstants, PFIExplainer, UnsupportedModelError
from fastexplain.engine.metrics.table import METRICS
from fastexplain.explainers.options import error_metrics
from fastexplain.explanation import GlobalExplanation, LocalExplanation

# sums in another order
ROUNDING = 1e-10

rng = np.random.Generator(np.random.Philox(1))
X = rng.normal(size=(400, 3))
Y = 5 * X[:, 0] + X[:, 1]
MODEL = LinearRegression().fit(X, Y)
IRIS_X, IRIS_Y = load_iris(return_X_y=True)
CLASSIFIER = LogisticRegression(max_iter=1000).fit(IRIS_X, IRIS_Y)


def largest_gap(y: Any, predictions: Any) -> float:
    return float(np.abs(y - predictions).max())


def closeness(y: Any, predictions: Any) -> float:
    return -float(np.abs(y - predictions).mean())


class ForeignConstants(str, enum.Enum):  # noqa: UP042
    """As interpret-community's own are made."""

    MEAN_SQUARED_ERROR = "mean_squared_error"


def importances(model: Any = MODEL, rows: Any = X, labels: Any = Y, **options: Any) -> NDArray[np.float64]:
    explanation = PFIExplainer(model, **options).explain_global(rows, labels)
    return np.array(explanation.global_importance_values)


# The constructor, and what comes back


def test_the_constructor_is_interpret_communitys() -> None:
    parameters = inspect.signature(PFIExplainer).parameters.values()
    positional = {p.name: p.default for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}
    assert list(positional.items()) == [
        ("model", inspect.Parameter.empty),
        ("is_function", False),
        ("metric", None),
        ("metric_args", None),
        ("is_error_metric", False),
        ("explain_subset", None),
        ("features", None),
        ("classes", None),
        ("transformations", None),
        ("allow_all_transformations", False),
        ("seed", 0),
        ("for_classifier_use_predict_proba", False),
        ("show_progress", None),
        ("model_task", "unknown"),
    ]
    assert PFIExplainer.available_explanations == ["global"]
    assert PFIExplainer.explainer_type == "blackbox"
    assert not hasattr(PFIExplainer, "explain_local")


def test_a_regression_has_importances_and_nothing_per_class_or_row() -> None:
    explanation = PFIExplainer(MODEL, features=["a", "b", "c"]).explain_global(X, Y)
    assert isinstance(explanation, GlobalExplanation)
    assert not isinstance(explanation, LocalExplanation)
    assert explanation.method == "pfi"
    assert explanation.model_task == "regression"
    assert explanation.get_ranked_global_names() == ["a", "b", "c"]
    for absent in ("per_class_values", "expected_values", "local_importance_values", "classes", "num_classes"):
        assert not hasattr(explanation, absent)
    assert explanation.num_features == 3
    assert_allclose(explanation.eval_data, X)
    assert_allclose(explanation.eval_y_predicted, MODEL.predict(X))


def test_a_classifier_has_classes_and_predictions() -> None:
    explanation = PFIExplainer(CLASSIFIER, classes=["x", "y", "z"]).explain_global(IRIS_X, IRIS_Y)
    assert explanation.classes == ["x", "y", "z"]
    assert explanation.num_classes == 3
    assert explanation.model_task == "classification"
    assert not hasattr(explanation, "per_class_values")
    assert_allclose(explanation.eval_y_predicted_proba, CLASSIFIER.predict_proba(IRIS_X))
    assert explanation.eval_y_predicted == CLASSIFIER.predict(IRIS_X).tolist()


def test_importances_are_the_engines() -> None:
    explanation = PFIExplainer(MODEL, metric="r2", n_repeats=3, seed=4).explain_global(X, Y)
    result = fastexplain.permutation_importance(MODEL, X, Y, metrics="r2", n_repeats=3, seed=4)
    assert isinstance(result, fastexplain.PermutationImportanceResult)
    assert np.array_equal(explanation.importances, result.importances)
    assert np.array_equal(explanation.importance_errors, result.standard_errors)
    assert explanation.baseline_score == result.baseline_score
    low, high = explanation.importance_intervals(0.95)
    assert_allclose(np.stack([low, high], axis=1), result.confidence_intervals)
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        explanation.importance_intervals(95)


def test_repeats_are_another_permutation_each() -> None:
    explanation = PFIExplainer(MODEL, n_repeats=4).explain_global(X, Y)
    assert explanation.importances.shape == (3, 4)
    assert len(set(explanation.importances[0])) == 4
    assert_allclose(explanation.importances.mean(axis=1), explanation.global_importance_values)


def test_explainer_and_explanation_can_be_pickled() -> None:
    explainer = pickle.loads(pickle.dumps(PFIExplainer(CLASSIFIER, metric=log_loss)))
    explanation = explainer.explain_global(IRIS_X, IRIS_Y)
    copy = pickle.loads(pickle.dumps(explanation))
    assert np.array_equal(copy.importances, explanation.importances)
    assert copy.eval_y_predicted == explanation.eval_y_predicted


# Signs


@pytest.mark.parametrize(
    ("metric", "is_error_metric"),
    [
        (None, False),
        ("mean_absolute_error", False),
        ("mean_squared_error", True),
        (MetricConstants.MEAN_SQUARED_ERROR, False),
        (MetricConstants.EXPLAINED_VARIANCE_SCORE, False),
        (ForeignConstants.MEAN_SQUARED_ERROR, False),
        ("neg_mean_squared_error", False),
        ("r2", False),
        (mean_squared_error, False),
        (mean_absolute_error, True),
        (mean_tweedie_deviance, False),
        (r2_score, False),
        (make_scorer(mean_squared_error, greater_is_better=False), False),
        (largest_gap, True),
        (closeness, False),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_the_model_needs_is_positive(metric: Any, is_error_metric: bool) -> None:
    found = importances(metric=metric, is_error_metric=is_error_metric)
    assert found[0] > found[1] > 0.01
    assert abs(found[2]) < ROUNDING


def test_the_default_metrics_are_accuracy_and_mean_absolute_error() -> None:
    assert np.array_equal(importances(), importances(metric=mean_absolute_error))
    default = importances(CLASSIFIER, IRIS_X, IRIS_Y)
    # interpret-community's: the micro average of F1, which is accuracy where every row has one label
    micro = importances(CLASSIFIER, IRIS_X, IRIS_Y, metric="f1_score", metric_args={"average": "micro"})
    assert_allclose(default, micro, atol=ROUNDING)


def test_a_known_score_is_no_error() -> None:
    with pytest.raises(ValueError, match="is_error_metric=True, but r2_score is known to be a score"):
        PFIExplainer(MODEL, metric=r2_score, is_error_metric=True)
    with pytest.raises(ValueError, match="is_error_metric=True, but neg_mean_squared_error is known"):
        PFIExplainer(MODEL, metric="neg_mean_squared_error", is_error_metric=True)


# Metrics


@pytest.mark.parametrize("name", [str(metric) for metric in MetricConstants])
def test_every_metric_constant_works_by_name(name: str) -> None:
    binary = IRIS_Y[:100]
    model = LogisticRegression().fit(IRIS_X[:100], binary)
    options = {"metric_args": {"beta": 2.0}} if name == "fbeta_score" else {}
    explanation = PFIExplainer(model, metric=name, **options).explain_global(IRIS_X[:100], binary)
    assert explanation.metric == name
    assert max(explanation.global_importance_values) > 0


def test_error_metrics_are_those_that_engine_minimises() -> None:
    assert all(METRICS[metric].greater_is_better == (metric not in error_metrics) for metric in MetricConstants)
    assert len(error_metrics) == 4


@pytest.mark.parametrize("options", [{"average": "macro", "beta": 0.5}, {"average": "weighted", "beta": 2.0}])
def test_metric_args_reach_the_metric(options: dict[str, Any]) -> None:
    by_name = importances(CLASSIFIER, IRIS_X, IRIS_Y, metric="fbeta_score", metric_args=options)
    by_function = importances(CLASSIFIER, IRIS_X, IRIS_Y, metric=fbeta_score, metric_args=options)
    by_hand = importances(CLASSIFIER, IRIS_X, IRIS_Y, metric=lambda y, p: fbeta_score(y, p, **options))
    assert np.array_equal(by_name, by_function)
    assert_allclose(by_name, by_hand, atol=ROUNDING)


def test_options_of_functions_without_a_native_form() -> None:
    found = importances(metric="mean_absolute_error", metric_args={"multioutput": "uniform_average"})
    assert_allclose(found, importances(metric="mean_absolute_error"), atol=ROUNDING)
    assert importances(CLASSIFIER, IRIS_X, IRIS_Y, metric=hamming_loss)[2] > 0


def test_probabilities_are_scored_where_a_metric_needs_them() -> None:
    by_name = importances(CLASSIFIER, IRIS_X, IRIS_Y, metric="log_loss")
    assert np.array_equal(by_name, importances(CLASSIFIER, IRIS_X, IRIS_Y, metric=log_loss))

    def plain(y: Any, probabilities: Any) -> float:
        assert probabilities.shape[1] == 3
        return float(log_loss(y, probabilities))

    asked = importances(
        CLASSIFIER, IRIS_X, IRIS_Y, metric=plain, is_error_metric=True, for_classifier_use_predict_proba=True
    )
    assert_allclose(by_name, asked, atol=ROUNDING)


def test_a_function_gets_probabilities_of_both_classes_or_labels() -> None:
    seen: list[tuple[int, ...]] = []

    def plain(y: Any, predictions: Any) -> float:
        seen.append(predictions.shape)
        return 0.0

    model = LogisticRegression().fit(IRIS_X[:100], IRIS_Y[:100])
    PFIExplainer(model, metric=plain, for_classifier_use_predict_proba=True).explain_global(IRIS_X[:100], IRIS_Y[:100])
    assert {shape[1:] for shape in seen} == {(2,)}
    seen.clear()
    PFIExplainer(model, metric=plain).explain_global(IRIS_X[:100], IRIS_Y[:100])
    assert {shape[1:] for shape in seen} == {()}


def test_bad_metrics_are_refused_at_construction() -> None:
    with pytest.raises(ValueError, match=r"Metric 'mse' is unknown\. Known: accuracy"):
        PFIExplainer(MODEL, metric="mse")
    with pytest.raises(TypeError, match="A metric must be a name"):
        PFIExplainer(MODEL, metric=3)
    with pytest.raises(ValueError, match="neg_mean_squared_error takes no options"):
        PFIExplainer(MODEL, metric="neg_mean_squared_error", metric_args={"squared": True})
    with pytest.raises(ValueError, match="gives the metric probabilities, but accuracy compares predictions"):
        PFIExplainer(CLASSIFIER, metric="accuracy", for_classifier_use_predict_proba=True)
    model = LinearSVC().fit(IRIS_X, IRIS_Y)
    with pytest.raises(ValueError, match="LinearSVC has no predict_proba"):
        PFIExplainer(model, metric=largest_gap, for_classifier_use_predict_proba=True)


def test_a_scorer_that_calls_the_model_is_called() -> None:
    def scorer(estimator: Any, rows: Any, truth: Any) -> float:
        return float(r2_score(truth, estimator.predict(rows)))

    assert_allclose(importances(metric=scorer), importances(metric=r2_score), atol=1e-9)
    with pytest.raises(ValueError, match="is_error_metric=True, but scorer is known to be a score"):
        PFIExplainer(MODEL, metric=scorer, is_error_metric=True)
    several = PFIExplainer(MODEL, metric=lambda estimator, rows, truth: {"a": 1.0, "b": 2.0})
    with pytest.raises(ValueError, match=r"metric returned 2 scores \(a, b\); PFIExplainer explains one"):
        several.explain_global(X, Y)


@pytest.mark.parametrize("metric", [None, "r2", "median_absolute_error"])
def test_a_single_row_gives_zeros(metric: Any) -> None:
    explanation = PFIExplainer(MODEL, metric=metric).explain_global(X[:1], Y[:1])
    assert explanation.global_importance_values == [0.0] * X.shape[1]
    assert np.array_equal(explanation.importance_errors, np.zeros(X.shape[1]))


def test_scorer_names_of_scikit_learn_are_understood() -> None:
    understood = [name for name in get_scorer_names() if name in METRICS]
    assert len(understood) > 40


# Models and functions


def test_functions_and_bound_methods() -> None:
    called = importances(lambda rows: MODEL.predict(rows))
    assert_allclose(called, importances(MODEL.predict, is_function=True), atol=ROUNDING)
    explanation = PFIExplainer(CLASSIFIER.predict_proba, is_function=True).explain_global(IRIS_X, IRIS_Y)
    assert explanation.model_task == "classification"
    assert explanation.num_classes == 3
    assert_allclose(explanation.global_importance_values, importances(CLASSIFIER, IRIS_X, IRIS_Y), atol=ROUNDING)
    explanation = PFIExplainer(lambda rows: CLASSIFIER.predict_proba(rows)).explain_global(IRIS_X, IRIS_Y)
    assert explanation.model_task == "classification"


def test_text_labels_are_classes() -> None:
    labels = np.array(["setosa", "versicolor", "virginica"])[IRIS_Y]
    model = LogisticRegression(max_iter=1000).fit(IRIS_X, labels)
    explanation = PFIExplainer(model.predict, is_function=True, model_task="classification").explain_global(
        pd.DataFrame(IRIS_X), pd.Series(labels)
    )
    assert explanation.classes == ["setosa", "versicolor", "virginica"]
    assert max(explanation.global_importance_values) > 0.1


def test_a_classifier_without_probabilities_is_one_still() -> None:
    model = LinearSVC().fit(IRIS_X, IRIS_Y)
    explanation = PFIExplainer(model).explain_global(IRIS_X, IRIS_Y)
    assert explanation.model_task == "classification"
    assert explanation.metric == "accuracy"


def test_a_search_is_its_best_model() -> None:
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}).fit(X, Y)
    assert_allclose(importances(search), importances(search.best_estimator_))


def test_a_network_classifies() -> None:
    torch = pytest.importorskip("torch")  # an extra: the core installs without it
    weights = torch.tensor([[1.0, -2.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    linear = torch.nn.Linear(3, 2, bias=False, dtype=torch.float64)
    linear.weight = torch.nn.Parameter(weights)
    network = torch.nn.Sequential(linear, torch.nn.Softmax(dim=1))
    labels = (X @ weights.numpy().T).argmax(axis=1)
    explanation = PFIExplainer(network, classes=["no", "yes"]).explain_global(torch.tensor(X), torch.tensor(labels))
    assert explanation.baseline_score == 1.0
    assert explanation.global_importance_values[1] > explanation.global_importance_values[0] > 0
    assert explanation.global_importance_values[2] == 0
    assert np.shape(explanation.eval_y_predicted_proba) == (400, 2)

    def both(y: Any, probabilities: Any) -> float:
        return float(log_loss(y, probabilities))

    found = importances(network, X, labels, metric=both, is_error_metric=True, for_classifier_use_predict_proba=True)
    assert found[1] > 0


def test_a_bare_booster_is_scored_by_its_own_predictions() -> None:
    lightgbm = pytest.importorskip("lightgbm")  # an extra: the core installs without it
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(IRIS_X, IRIS_Y)
    assert_allclose(importances(model.booster_, IRIS_X, IRIS_Y), importances(model, IRIS_X, IRIS_Y), atol=ROUNDING)


# Rows


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, scipy.sparse.csr_array])
def test_sparse_rows_give_what_dense_rows_give(kind: Any) -> None:
    rows = X * (np.abs(X) > 1)
    rows[:, 2] = 0.0
    model = Ridge().fit(rows, Y)
    sparse = importances(model, kind(rows), Y, explain_subset=[2, 0])
    assert_allclose(sparse, importances(model, rows, Y)[[2, 0]], atol=ROUNDING)
    assert sparse[0] == 0


def test_tables_give_names_and_labels_may_be_a_column() -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    explanation = PFIExplainer(MODEL).explain_global(frame, pd.DataFrame({"y": Y}))
    assert explanation.features == ["a", "b", "c"]
    assert_allclose(explanation.global_importance_values, importances())


def test_a_subset_is_cut_down_to() -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = LinearRegression().fit(frame, Y)
    explanation = PFIExplainer(model, explain_subset=["c", "a"]).explain_global(frame, Y)
    assert explanation.features == ["c", "a"]
    assert explanation.num_features == 2
    assert_allclose(explanation.global_importance_values, importances()[[2, 0]], atol=ROUNDING)
    by_index = PFIExplainer(MODEL, explain_subset=[1]).explain_global(X, Y)
    assert by_index.features == [1]
    # names of the rows' table alone
    assert PFIExplainer(MODEL, explain_subset=["b"]).explain_global(frame, Y).features == ["b"]


def test_the_seed_decides() -> None:
    assert np.array_equal(importances(seed=3), importances(seed=3))
    assert not np.array_equal(importances(seed=3), importances(seed=4))
    assert not np.array_equal(importances(seed=None), importances(seed=None))


def test_the_global_random_state_is_left_alone() -> None:
    np.random.seed(1)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    importances()
    assert np.random.random() == expected  # noqa: NPY002


# Raw features


def raw_case() -> tuple[pd.DataFrame, NDArray[np.float64], ColumnTransformer, Any]:
    colours = np.array(["r", "g", "b"])[np.arange(400) % 3]
    table = pd.DataFrame({"size": X[:, 0], "colour": colours, "noise": 1.0})
    y = 2 * X[:, 0] + (table["colour"] == "r").to_numpy() * 3.0
    steps = ColumnTransformer([("s", StandardScaler(), ["size"]), ("c", OneHotEncoder(), ["colour"])])
    model = LinearRegression().fit(steps.fit_transform(table), y)
    return table, y, steps, model


def test_importances_of_engineered_columns_are_added_up() -> None:
    table, y, steps, model = raw_case()
    explanation = PFIExplainer(model, transformations=steps).explain_global(table, y)
    engineered = importances(model, steps.transform(table), y)
    assert explanation.features == ["size", "colour", "noise"]
    assert explanation.is_raw
    assert_allclose(explanation.global_importance_values, [engineered[0], engineered[1:].sum(), 0.0], atol=ROUNDING)
    assert_allclose(explanation.eval_y_predicted, model.predict(steps.transform(table)))
    assert list(explanation.eval_data[0]) == list(table.iloc[0])


def test_a_group_is_permuted_as_the_raw_column() -> None:
    table, y, steps, model = raw_case()
    options = {"n_repeats": 40, "metric": "mean_squared_error"}
    found = importances(model, table, y, transformations=steps, aggregate="group", **options)
    pipeline = make_pipeline(steps, model)
    expected = importances(lambda rows: pipeline.predict(rows), table, y, **options)
    # both are means over permutations of the raw column, by other draws
    assert_allclose(found, expected, rtol=0.05, atol=ROUNDING)
    added = importances(model, table, y, transformations=steps, **options)
    assert abs(added[1] - found[1]) > 0.1 * found[1]


# Bad input


def test_labels_are_required() -> None:
    explainer = PFIExplainer(MODEL)
    message = "PFI explainer requires true_labels parameter to be passed in for explain_global"
    with pytest.raises(TypeError, match=message):
        explainer.explain_global(X)
    with pytest.raises(TypeError, match=message):
        explainer.explain_global(X, true_labels=None)
    with pytest.raises(ValueError, match=r"y has shape \(399,\); X has 400 rows"):
        explainer.explain_global(X, Y[1:])


def test_classes_need_predict_proba() -> None:
    message = "Classes is specified but model does not define predict_proba, only predict."
    with pytest.raises(ValueError, match=message):
        PFIExplainer(MODEL, classes=["a", "b"])
    with pytest.raises(ValueError, match="Classes is specified but function was predict, not"):
        PFIExplainer(MODEL.predict, is_function=True, classes=["a", "b"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["a", "b"]}, "classes has 2 labels; the model has 3 classes"),
        ({"features": ["a", "b"]}, "features has 2 names; there are 4 features"),
        ({"explain_subset": [0, 4]}, r"explain_subset holds 4; expected feature names, or indices in 0\.\.3"),
        ({"explain_subset": [1, 1]}, "explain_subset names a feature twice"),
        ({"n_repeats": 0}, "n_repeats must be a positive whole number"),
        ({"aggregate": "mean"}, "aggregate must be 'sum' or 'group'; got 'mean'"),
        ({"model_task": "ranking"}, "model_task must be"),
        (
            {"transformations": [([0], None)], "explain_subset": [0]},
            "explain_subset not supported with transformations",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_arguments_are_refused_at_construction(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PFIExplainer(CLASSIFIER, **options)


def test_contradictions_and_other_models_are_refused() -> None:
    with pytest.raises(ValueError, match="model_task is 'classification', but the LinearRegression model does regress"):
        PFIExplainer(MODEL, model_task="classification")
    with pytest.raises(UnsupportedModelError, match="cannot be explained"):
        PFIExplainer(([1.0, 2.0], 0.5))
    with pytest.raises(UnsupportedModelError, match="is_function=True, but"):
        PFIExplainer(MODEL, is_function=True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        PFIExplainer(MODEL, colour="red")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="evaluation_examples has 2 columns; the model has 3 features"):
        PFIExplainer(MODEL).explain_global(X[:, :2], Y)
    with pytest.raises(ValueError, match="X has no rows"):
        PFIExplainer(MODEL).explain_global(X[:0], Y[:0])


@pytest.mark.parametrize("metric", [None, "log_loss", "roc_auc"])
@pytest.mark.parametrize("labels", [["no", "yes"], [5, 6]])
def test_labels_that_the_model_does_not_know_are_refused(metric: Any, labels: list[Any]) -> None:
    rows = np.random.Generator(np.random.Philox(0)).normal(size=(40, 2))
    second = (rows[:, 0] > 0).astype(int)
    model = LogisticRegression().fit(rows, np.array(labels)[second])
    explainer = PFIExplainer(model, metric=metric, show_progress=False)
    with pytest.raises(ValueError, match=r"None of the labels in y, \[0, 1\], is among the model's classes"):
        explainer.explain_global(rows, second)


def test_labels_of_a_model_may_be_a_list() -> None:
    class Model:
        def __init__(self) -> None:
            self.classes_ = ["no", "yes"]

        def predict(self, rows: Any) -> Any:
            return np.where(rows[:, 0] > 0, "yes", "no")

    rows = np.random.default_rng(0).normal(size=(50, 2))
    explanation = fastexplain.PFIExplainer(Model(), show_progress=False).explain_global(rows, Model().predict(rows))
    assert (explanation.model_task, explanation.metric) == ("classification", "accuracy")
    assert explanation.classes == ["no", "yes"]
