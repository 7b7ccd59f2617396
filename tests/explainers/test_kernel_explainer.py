"""KernelExplainer: any model or function, its background, its subset of features, its errors."""

from __future__ import annotations

import itertools
import pickle
from math import factorial
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris, make_classification, make_regression
from sklearn.ensemble import BaggingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeRegressor

import fastexplain
from fastexplain import KernelExplainer, TabularExplainer, UnsupportedModelError, kernel_shap
from fastexplain.explainers.shared.background import BackgroundChoice

pandas = pytest.importorskip("pandas")

EXACT = 1e-9
X, Y = load_iris(return_X_y=True)
FRAME = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
BACKGROUND = X[::15]
CLASSIFIER = KNeighborsClassifier(15).fit(X, Y)
MARGIN = SVC(gamma=0.3).fit(X, Y)
REGRESSOR = SVR(gamma=0.3).fit(X, X[:, 0] * X[:, 1])


def enumerated(predict: Any, row: Any, background: Any, players: list[int]) -> Any:
    """Shapley values of some columns, the others being the row's own: the sum over all coalitions."""
    n = len(players)

    def value(kept: set[int]) -> Any:
        rows = np.array(
            [np.where([j in kept or j not in players for j in range(len(row))], row, b) for b in background]
        )
        return np.asarray(predict(rows)).reshape(len(rows), -1).mean(axis=0)

    values = []
    for j in players:
        others = [k for k in players if k != j]
        total: Any = 0.0
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for coalition in itertools.combinations(others, size):
                total = total + weight * (value({*coalition, j}) - value(set(coalition)))
        values.append(total)
    return np.array(values)


# Numbers and what is explained


@pytest.mark.parametrize(
    ("model", "method", "units", "task"),
    [
        (CLASSIFIER, "predict_proba", "probability", "classification"),
        (MARGIN, "decision_function", "margin", "classification"),
        (REGRESSOR, "predict", "model output", "regression"),
    ],
    ids=["probabilities", "margins", "regression"],
)
def test_values_equal_enumeration(model: Any, method: str, units: str, task: str) -> None:
    predict = getattr(model, method)
    explanation = KernelExplainer(model, BACKGROUND).explain_local(X[:2])
    for row, values in zip(X[:2], explanation.values, strict=True):
        np.testing.assert_allclose(values, enumerated(predict, row, BACKGROUND, [0, 1, 2, 3]), atol=EXACT)
    mean = predict(BACKGROUND).reshape(len(BACKGROUND), -1).mean(axis=0)
    np.testing.assert_allclose(explanation.base_values, mean, atol=EXACT)
    assert (explanation.units, explanation.model_task) == (units, task)
    assert explanation.eval_y_predicted == model.predict(X[:2]).tolist()


def test_a_function_is_called_as_it_is() -> None:
    for is_function in (True, False):
        explanation = KernelExplainer(CLASSIFIER.predict_proba, BACKGROUND, is_function).explain_local(X[:4])
        assert explanation.values.shape == (4, 4, 3)
        assert explanation.model_task == "classification"
        assert explanation.classes is None
        assert explanation.eval_y_predicted_proba == CLASSIFIER.predict_proba(X[:4]).tolist()
        assert explanation.eval_y_predicted == CLASSIFIER.predict(X[:4]).tolist()
    assert TabularExplainer(lambda rows: rows[:, 0], BACKGROUND).explain_local(X[:4]).model_task == "regression"


def test_the_probability_of_class_1_becomes_that_of_both() -> None:
    def probability(rows: Any) -> Any:
        return CLASSIFIER.predict_proba(rows)[:, 1]

    explainer = KernelExplainer(probability, BACKGROUND, model_task="classification", classes=["no", "yes"])
    explanation = explainer.explain_global(X[:4])
    negative, positive = np.array(explanation.local_importance_values)
    np.testing.assert_array_equal(negative, -positive)
    assert sum(explanation.expected_values) == pytest.approx(1.0, abs=EXACT)
    np.testing.assert_allclose(positive.sum(axis=1) + explanation.expected_values[1], probability(X[:4]), atol=EXACT)
    assert np.shape(explanation.eval_y_predicted_proba) == (4, 2)
    assert explainer.explain_global(X[:4], include_local=False).per_class_values == explanation.per_class_values


def test_classes_alone_say_that_a_function_classifies() -> None:
    explainer = KernelExplainer(lambda rows: np.full(len(rows), 0.25), BACKGROUND, classes=["no", "yes"])
    explanation = explainer.explain_local(X[:2])
    assert explanation.expected_values == pytest.approx([0.75, 0.25], abs=EXACT)
    assert np.abs(explanation.values).max() < EXACT


def test_a_models_own_predict_is_used_by_is_function() -> None:
    class Callable(BaseEstimator):  # type: ignore[misc]
        def predict(self, rows: Any) -> Any:
            raise AssertionError("predict was called")

        def __call__(self, rows: Any) -> Any:
            return np.asarray(rows)[:, 2]

    explanation = KernelExplainer(Callable(), BACKGROUND, True).explain_local(X[:2])
    np.testing.assert_allclose(
        explanation.values[..., 0] / (X[:2] - BACKGROUND.mean(axis=0)), [[0, 0, 1, 0]] * 2, atol=EXACT
    )


def test_logit_link_adds_up_to_log_odds() -> None:
    model = RandomForestClassifier(20, max_depth=2, random_state=0).fit(X, Y)
    explanation = KernelExplainer(model, BACKGROUND, link="logit").explain_local(X[60:64])
    p = np.clip(model.predict_proba(X[60:64]), 1e-15, 1 - 1e-15)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, np.log(p / (1 - p)), rtol=1e-6)
    assert explanation.units == "margin"


def test_a_pipeline_of_a_mixed_frame() -> None:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"x": rng.normal(size=250), "kind": rng.choice(["u", "v", "w"], 250)})
    target = frame.x + (frame.kind == "u")
    encoder = OneHotEncoder(handle_unknown="ignore")
    model = make_pipeline(encoder, StandardScaler(with_mean=False), SVR()).fit(frame[["kind"]], target)
    explanation = TabularExplainer(model, frame[["kind"]]).explain_local(frame[["kind"]][:5])
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total[:, 0], model.predict(frame[["kind"]][:5]), atol=EXACT)
    assert explanation.features == ["kind"]


# Background


def test_many_examples_are_summarised_by_weighted_clusters() -> None:
    explainer = KernelExplainer(REGRESSOR, X, nclusters=3)
    rows, weights = explainer._background
    summary = fastexplain.summarize_background(X, 3, seed=0)
    np.testing.assert_array_equal(rows, summary.data)
    np.testing.assert_array_equal(weights, summary.weights)
    expected = weights @ REGRESSOR.predict(rows)
    assert explainer.explain_local(X[:2]).expected_values == pytest.approx([expected], abs=EXACT)


def test_few_examples_are_the_background() -> None:
    np.testing.assert_array_equal(KernelExplainer(REGRESSOR, X[:100])._background.data, X[:100])
    assert len(KernelExplainer(REGRESSOR, X[:101])._background.data) == 100


def test_a_background_with_weights_is_used_as_it_is() -> None:
    given = fastexplain.Background(X[:2], np.array([0.25, 0.75]))
    explanation = KernelExplainer(REGRESSOR, given, include_init_data=True).explain_local(X[5:7])
    assert explanation.expected_values == pytest.approx([REGRESSOR.predict(X[:2]) @ [0.25, 0.75]], abs=EXACT)
    assert explanation.init_data == X[:2].tolist()


def background_of(rows: Any, seed: int) -> Any:
    return BackgroundChoice.of(rows, 2, seed).rows(np.zeros((len(rows), 1)))


def test_columns_that_are_no_numbers_are_sampled() -> None:
    frame = FRAME.assign(kind=pandas.Categorical(["u", "v", "w"])[Y])
    rows, weights = background_of(frame, 0)
    assert len(rows) == 20
    assert set(rows.index) <= set(frame.index)
    assert list(rows.dtypes) == list(frame.dtypes)
    assert weights.tolist() == [0.05] * 20
    assert list(background_of(frame, 0).data.index) == list(rows.index)
    assert list(background_of(frame, 1).data.index) != list(rows.index)


# A subset of the features


@pytest.mark.parametrize("data", ["array", "frame"])
def test_subset_equals_enumeration_with_the_others_at_the_row(data: str) -> None:
    rows, background = (X[:3], BACKGROUND) if data == "array" else (FRAME[:3], FRAME[::15])
    model = CLASSIFIER if data == "array" else KNeighborsClassifier(15).fit(FRAME, Y)
    explainer = KernelExplainer(model, background, explain_subset=[3, 0])
    explanation = explainer.explain_local(rows)
    assert explanation.values.shape == (3, 2, 3)
    assert np.shape(explanation.local_importance_values) == (3, 3, 2)
    assert explanation.features == ([3, 0] if data == "array" else ["d", "a"])
    for row, values in zip(X[:3], explanation.values, strict=True):
        np.testing.assert_allclose(values, enumerated(CLASSIFIER.predict_proba, row, BACKGROUND, [3, 0]), atol=EXACT)
    assert explanation.expected_values == pytest.approx(CLASSIFIER.predict_proba(BACKGROUND).mean(axis=0), abs=EXACT)
    streamed = explainer.explain_global(rows, include_local=False)
    np.testing.assert_allclose(streamed.per_class_values, np.abs(explanation.values).mean(axis=0).T, atol=EXACT)


def test_subset_adds_up_to_the_output_less_the_mean_with_the_subset_hidden() -> None:
    explanation = KernelExplainer(REGRESSOR, BACKGROUND, explain_subset=[1, 2]).explain_local(X[:3])
    for row, values in zip(X[:3], explanation.values[..., 0], strict=True):
        hidden = np.tile(row, (len(BACKGROUND), 1))
        hidden[:, [1, 2]] = BACKGROUND[:, [1, 2]]
        difference = REGRESSOR.predict([row])[0] - REGRESSOR.predict(hidden).mean()
        assert values.sum() == pytest.approx(difference, abs=EXACT)


@pytest.mark.parametrize("n_subset", [3, 12])
def test_rows_of_a_subset_share_calls_of_the_model(n_subset: int) -> None:
    # one game per row took 151 calls for 50 rows
    random = np.random.default_rng(0)
    rows, calls = random.normal(size=(50, 15)), []

    def model(given: Any) -> Any:
        calls.append(len(given))
        return given[:, 0] * given[:, 1] + np.sin(given[:, 2]) * given[:, 14]

    explainer = KernelExplainer(model, rows[:10], explain_subset=list(range(n_subset)), nsamples=200)
    calls.clear()
    explanation = explainer.explain_local(rows)
    assert len(calls) <= 15
    hidden = np.repeat(rows, 10, axis=0)
    hidden[:, :n_subset] = np.tile(rows[:10, :n_subset], (50, 1))
    base = model(hidden).reshape(50, 10).mean(axis=1)
    np.testing.assert_allclose(explanation.values.sum(axis=(1, 2)), model(rows) - base, atol=1e-9)


@pytest.mark.parametrize("background", [3, 100])
def test_a_subset_of_a_known_formula_is_exact(background: int) -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(200, 8))
    model = SVR(C=10).fit(rows, rows[:, 0] * rows[:, 1] + rows[:, 7])
    subset = [0, 1, 3, 4, 5, 6, 7]
    explanation = KernelExplainer(model, rows[:background], explain_subset=subset, nclusters=10).explain_local(rows[:4])
    for i in range(4):
        mixed = np.repeat(rows[i : i + 1], background, axis=0)
        mixed[:, subset] = rows[:background, subset]
        expected = fastexplain.kernel_shap(model, rows[i : i + 1], mixed, see_through=False, method="exact").values
        np.testing.assert_allclose(explanation.values[i], expected[0, subset], atol=1e-9)


@pytest.mark.parametrize("kind", ["array", "integers", "pandas", "polars", "pyarrow", "csr"])
def test_columns_beside_a_subset_are_the_rows_own_in_any_container(kind: str) -> None:
    convert = {
        "array": lambda a: a,
        "integers": lambda a: a,
        "pandas": lambda a: pandas.DataFrame(a, columns=list("abcd")),
        "polars": lambda a: pytest.importorskip("polars").DataFrame(a, schema=list("abcd")),
        "pyarrow": lambda a: pytest.importorskip("pyarrow").Table.from_arrays(list(a.T), names=list("abcd")),
        "csr": lambda a: pytest.importorskip("scipy.sparse").csr_matrix(a),
    }[kind]
    # whole numbers must not cut off the fractions of the row
    background = BACKGROUND.astype(int) if kind == "integers" else BACKGROUND
    seen = []

    def model(given: Any) -> Any:
        assert type(given) is type(convert(BACKGROUND))
        values = given.toarray() if kind == "csr" else given.to_pandas() if kind == "pyarrow" else given
        seen.append(np.asarray(values))
        return seen[-1][:, 2] * seen[-1][:, 0]

    explainer = KernelExplainer(model, convert(background), explain_subset=[2])
    seen.clear()
    explanation = explainer.explain_local(convert(X[:1]))
    expected = np.tile(X[0], (len(background), 1))
    expected[:, 2] = background[:, 2]
    assert any(np.array_equal(each, expected) for each in seen)
    assert explanation.values[0, 0, 0] == pytest.approx(X[0, 0] * (X[0, 2] - background[:, 2].mean()))


# Sampling


@pytest.fixture(scope="module")
def wide() -> Any:
    rows, y = make_regression(120, 20, random_state=0)
    return BaggingRegressor(DecisionTreeRegressor(max_depth=4), 10, random_state=0).fit(rows, y), rows


def test_sampled_values_have_standard_errors_and_intervals(wide: Any) -> None:
    model, rows = wide
    explainer = KernelExplainer(model, rows, nsamples=200)
    assert explainer.method == "shap.kernel"
    explanation = explainer.explain_local(rows[:3])
    assert explainer.method == "shap.kernel (odd_gp)"
    np.testing.assert_array_equal(explainer.explain_global(rows[:3]).standard_errors, explanation.standard_errors)
    assert explainer.path == explanation.path == "odd_gp"
    assert explanation.standard_errors.shape == explanation.values.shape
    assert (explanation.standard_errors > 0).any()
    low, high = explanation.intervals()
    np.testing.assert_allclose(high - low, 2 * 1.959964 * explanation.standard_errors, rtol=1e-5)
    np.testing.assert_allclose((high + low) / 2, explanation.values, atol=1e-9)
    kept = pickle.loads(pickle.dumps(explanation.to_global()))
    np.testing.assert_array_equal(kept.standard_errors, explanation.standard_errors)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total[:, 0], model.predict(rows[:3]), rtol=1e-9)


def test_nsamples_bounds_the_evaluations(wide: Any) -> None:
    model, rows = wide
    asked = []

    def counted(given: Any) -> Any:
        asked.append(len(given))
        return model.predict(given)

    explainer = KernelExplainer(counted, rows[:5], nsamples=60, tol=0.0)
    asked.clear()
    explainer.explain_local(rows[50:52])
    outside = 2 * 5 + 2 * 2  # twice the background, and the rows themselves: for the values, and as predictions
    assert 2 * 40 * 5 <= sum(asked) <= 2 * 60 * 5 + outside


def test_seed_decides_what_is_drawn(wide: Any) -> None:
    model, rows = wide
    first, second, other = (
        KernelExplainer(model, rows[:50], nsamples=100, seed=seed).explain_local(rows[60:62]).values
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_exact_values_have_errors_of_zero() -> None:
    explainer = KernelExplainer(CLASSIFIER, BACKGROUND)
    assert explainer.path is None
    explanation = explainer.explain_local(X[:3])
    assert not explanation.standard_errors.any()
    assert explainer.path == explanation.path
    low, high = explanation.intervals(0.5)
    np.testing.assert_array_equal(low, high)
    with pytest.raises(ValueError, match="level must be between 0 and 1; got 95"):
        explanation.intervals(95)


def test_no_errors_without_sampling() -> None:
    explanation = TabularExplainer(RandomForestClassifier(2).fit(X, Y), X).explain_local(X[:2])
    assert explanation.standard_errors is None
    with pytest.raises(ValueError, match="Values of shap_tree have no standard errors"):
        explanation.intervals()


# Bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"initialization_examples": None}, "needs initialization_examples"),
        ({"initialization_examples": X[0]}, r"must be 2-D; got shape \(4,\)"),
        ({"nclusters": 0}, "nclusters must be a positive whole number; got 0"),
        ({"nsamples": -1}, "nsamples must be a positive whole number; got -1"),
        ({"nsamples": "many"}, "nsamples must be a positive whole number; got 'many'"),
        ({"classes": ["a"]}, "classes has 1 labels; the model has 3 classes"),
        ({"link": "probit"}, "link must be 'identity' or 'logit'; got 'probit'"),
        ({"model_task": "regression"}, "model_task is 'regression', but the KNeighborsClassifier model does"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_wrong_arguments_are_refused_at_construction(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KernelExplainer(CLASSIFIER, **{"initialization_examples": BACKGROUND, **arguments})


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (KNeighborsClassifier, {}, "KNeighborsClassifier is a class; expected a fitted instance"),
        (StandardScaler().fit(X), {}, "StandardScaler cannot be explained; expected a fitted model with predict"),
        (KMeans(2, n_init=1).fit(X), {}, "KMeans numbers clusters, and the numbers have no scale"),
        (CLASSIFIER, {"is_function": True}, "is_function=True, but .*KNeighborsClassifier cannot be called"),
        (lambda rows: rows[:, :, None], {}, r"returned shape \(10, 4, 1\) for 10 rows"),
        (lambda rows: 1.0, {}, r"returned shape \(\) for 10 rows"),
    ],
    ids=["class", "transformer", "clusterer", "no function", "3-D", "scalar"],
)
def test_what_cannot_be_explained_says_why(model: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        KernelExplainer(model, BACKGROUND, **arguments)


def test_an_error_in_the_function_names_it_and_has_the_cause() -> None:
    def fails(rows: Any) -> Any:
        if len(rows) != len(BACKGROUND):
            raise RuntimeError("half-way")
        return rows[:, 0]

    explainer = KernelExplainer(fails, BACKGROUND)
    with pytest.raises(fastexplain.PredictionError, match="fails raised RuntimeError") as caught:
        explainer.explain_local(X[:3])
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_margins_of_pairs_of_classes_are_refused() -> None:
    rows, y = make_classification(80, 4, n_informative=4, n_redundant=0, n_classes=4, random_state=0)
    model = SVC(decision_function_shape="ovo").fit(rows, y)
    with pytest.raises(UnsupportedModelError, match=r"SVC has 4 classes, but 6 columns of output.*'ovr'"):
        TabularExplainer(model, rows)


def test_multi_target_regression_has_outputs_first() -> None:
    rows, y = make_regression(60, 4, n_targets=2, random_state=0)
    model = RandomForestRegressor(3, random_state=0).fit(rows, y)
    explanation = KernelExplainer(model, rows[:10], model_task="regression").explain_local(rows[:5])
    assert np.shape(explanation.local_importance_values) == (2, 5, 4)
    assert len(explanation.expected_values) == 2


def test_a_classifier_without_scikit_learn_is_explained_by_its_probabilities() -> None:
    class Plain:
        def predict(self, rows: Any) -> Any:
            return self.predict_proba(rows).argmax(axis=1)

        def predict_proba(self, rows: Any) -> Any:
            return CLASSIFIER.predict_proba(rows)

    rows, _ = make_classification(20, 4, n_informative=3, n_redundant=0, random_state=0)
    explanation = TabularExplainer(Plain(), BACKGROUND).explain_local(rows[:3])
    assert explanation.model_task == "classification"
    assert np.shape(explanation.local_importance_values) == (3, 3, 4)
    assert explanation.eval_y_predicted == Plain().predict(rows[:3]).tolist()


def _refitted(model: Any, X: Any, y: Any) -> None:
    model.fit(X, y)


def _changed_in_place(model: Any, X: Any, y: Any) -> None:
    model._intercept_ += 1.0
    model.intercept_ -= 1.0


@pytest.mark.parametrize("change", [_refitted, _changed_in_place])
def test_the_formula_is_found_once_and_again_after_a_change(change: Any) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    model = make_pipeline(StandardScaler(), SVC()).fit(X, X[:, 0] * X[:, 1] > 0)
    explainer = KernelExplainer(model, X[:10])
    explainer.explain_local(X[20:21])
    kept = explainer._memory._found
    assert kept is not None
    again = explainer.explain_local(X[21:23])
    assert explainer._memory._found is kept
    expected = kernel_shap(model.decision_function, X[21:23], X[:10])
    np.testing.assert_allclose(np.asarray(again.local_importance_values)[-1], expected.values[:, :, 0], atol=1e-12)
    change(model[-1], model[0].transform(X), X[:, 2] > 0)
    for rows in (X[21:23], X[30:31]):
        new = np.asarray(explainer.explain_local(rows).local_importance_values)[-1]
        expected = kernel_shap(model.decision_function, rows, X[:10])
        np.testing.assert_allclose(new, expected.values[:, :, 0], atol=1e-12)
    assert explainer._memory._found is not kept
    assert pickle.loads(pickle.dumps(explainer))._memory._found is None
