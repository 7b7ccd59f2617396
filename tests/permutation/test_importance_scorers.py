"""Metrics and scorers: scikit-learn's by name, the user's own, and what they need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from importance_cases import Array, data, run, same
from sklearn.inspection import permutation_importance as sklearn_importance
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    check_scoring,
    get_scorer,
    get_scorer_names,
    make_scorer,
    roc_auc_score,
)
from sklearn.neighbors import KNeighborsClassifier

import fastexplain


def test_callable_and_compiled_metrics() -> None:
    import numba

    @numba.njit
    def compiled(y: Array, p: Array) -> float:
        total = 0.0
        for i in range(len(y)):
            total += (y[i] - p[i]) ** 2
        return total / len(y)

    def plain(y: Array, p: Array) -> float:
        return float(np.mean((y - p) ** 2))

    plain.greater_is_better = False  # type: ignore[attr-defined]
    X, y = data()
    model = LinearRegression().fit(X, y)
    known = run(model, X, y, metrics="mean_squared_error", n_repeats=10)
    for metric in (compiled, plain):
        result = run(model, X, y, metrics=metric, greater_is_better=False, n_repeats=10)
        drawn = ~known.exact  # few values: one is exact and the other a mixture
        np.testing.assert_allclose(result.importances[drawn], known.importances[drawn], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(result.importances_mean, known.importances_mean, rtol=0.2, atol=1e-3)
        assert (result.sampling_errors[:3] / known.sampling_errors[:3] > 0.4).all()
        assert (result.sampling_errors[:3] / known.sampling_errors[:3] < 2).all()
    scorer = run(model, X, y, metrics=make_scorer(plain, greater_is_better=False))
    assert scorer.baseline_score == pytest.approx(-known.baseline_score)
    with pytest.raises(ValueError, match=r"metric plain takes no sample_weight"):
        run(model, X, y, metrics=plain, sample_weight=np.ones(len(y)))


SCORERS = {name: get_scorer(name) for name in get_scorer_names()}
OF_CLUSTERS = [name for name, scorer in SCORERS.items() if ".cluster." in scorer._score_func.__module__]
OF_TWO_CLASSES = {"f1", "jaccard", "precision", "recall", "roc_auc", "positive_likelihood_ratio"}
OF_TWO_CLASSES |= {"neg_negative_likelihood_ratio"}


@pytest.fixture(scope="module")
def scored_models() -> dict[str, tuple[Any, Array, Array]]:
    """A model that each kind of metric is made for, with rows that it does not fit perfectly."""
    X, y = data(150)
    code = np.digitize(y + np.sin(20 * y), [-1.0, 1.5])
    two, three = np.array(["no", "yes"])[(code > 0).astype(int)], np.array(["a", "b", "c"])[code]
    several = np.column_stack([code > 0, X[:, 0] + X[:, 3] > 0]).astype(int)
    return {
        "regression": (PoissonRegressor().fit(X, np.exp(y / 4)), X, np.exp(y / 4)),
        "two": (LogisticRegression().fit(X, two == "yes"), X, two == "yes"),
        "three": (LogisticRegression().fit(X, three), X, three),
        "several": (KNeighborsClassifier().fit(X, several), X, several),
    }


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning", "ignore:The y_prob values")
@pytest.mark.parametrize("name", [name for name in SCORERS if name not in OF_CLUSTERS])
def test_every_scorer_of_sklearn_is_known_by_name(name: str, scored_models: Any) -> None:
    """Native or not, a scorer's name stands for what scikit-learn computes."""
    if name.endswith("_samples"):
        kinds = ["several"]
    elif "error" in name or "deviance" in name or name in ("r2", "explained_variance", "max_error"):
        kinds = ["regression"]
    else:
        kinds = ["two"] if name in OF_TWO_CLASSES else ["two", "three"]
    for kind in kinds:
        model, X, y = scored_models[kind]
        try:
            expected = SCORERS[name](model, X, y)
        except ValueError:  # some are of two classes only in old versions
            assert kind == "three"
            continue
        result = run(model, X, y, metrics=name, n_repeats=2)
        assert result.metric == name
        assert result.greater_is_better or name == "max_error"  # a scorer until scikit-learn 1.5, and a function
        expected = abs(expected) if name == "max_error" else expected
        assert result.baseline_score == pytest.approx(expected, rel=1e-9, nan_ok="likelihood" in name)
        # of some predictions likelihood ratios are undefined, which scikit-learn tells by NaN until 1.6
        assert np.isfinite(result.importances).all() or "likelihood" in name


@pytest.mark.parametrize("name", ["accuracy", "f1_macro", "roc_auc", "average_precision", "neg_log_loss"])
def test_metrics_of_classes_take_several_labels_per_row(name: str, scored_models: Any) -> None:
    model, X, y = scored_models["several"]
    result = run(model, X, y, metrics=name, n_repeats=2)
    expected = sklearn_importance(model, X, y, scoring=name, n_repeats=30, random_state=0)
    assert result.baseline_score == pytest.approx(SCORERS[name](model, X, y), rel=1e-9)
    gap = np.abs(result.importances_mean - expected.importances_mean)
    assert (gap < 5 * np.hypot(result.standard_errors, expected.importances_std) + 1e-12).all()


@pytest.mark.parametrize("metric", [*OF_CLUSTERS[:2], get_scorer("rand_score")])
def test_scorers_of_clusters_are_refused(metric: Any, scored_models: Any) -> None:
    with pytest.raises(ValueError, match=r"compares clusters.*choose a metric of classes"):
        run(*scored_models["two"], metrics=metric)


def test_a_scorer_may_choose_the_positive_class(scored_models: Any) -> None:
    model, X, y = scored_models["two"]
    scorer = make_scorer(brier_score_loss, greater_is_better=False, response_method="predict_proba", pos_label=False)
    assert run(model, X, y, metrics=scorer).baseline_score == pytest.approx(scorer(model, X, y))


@pytest.mark.parametrize("weighted", [False, True])
def test_scorers_that_call_the_model_equal_metrics(weighted: bool, scored_models: Any) -> None:
    """scorer(estimator, X, y): the same permutations and the same scores as the metric it computes, errors too."""
    model, X, y = scored_models["two"]
    table = pd.DataFrame(X, columns=list("abcde"))
    model = LogisticRegression().fit(table, y)
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y)) if weighted else None

    def scorer(estimator: Any, Z: pd.DataFrame, truth: Array, sample_weight: Any = None) -> float:
        assert isinstance(estimator, LogisticRegression)
        assert estimator.coef_.shape == (1, 5)
        assert list(Z.columns) == list("abcde")
        return float(accuracy_score(truth, estimator.predict(Z), sample_weight=sample_weight))

    def as_metric(truth: Array, predicted: Array, sample_weight: Any = None) -> float:
        return float(accuracy_score(truth, predicted, sample_weight=sample_weight))

    found = run(model, table, y, metrics=scorer, sample_weight=weights)
    expected = run(model, table, y, metrics=as_metric, sample_weight=weights, greater_is_better=True)
    np.testing.assert_array_equal(found.importances, expected.importances)
    np.testing.assert_array_equal(found.standard_errors, expected.standard_errors)
    assert (found.metric, found.greater_is_better, found.method) == ("scorer", True, "black_box")
    assert found.n_predicted == len(y) * (1 + 5 * 5)  # each table once, for all of the left-out blocks


def test_a_scorer_may_return_several_scores(scored_models: Any) -> None:
    model, X, y = scored_models["two"]

    def scores(estimator: Any, Z: Array, truth: Array) -> dict[str, float]:
        return {
            "hits": accuracy_score(truth, estimator.predict(Z)),
            "area": roc_auc_score(truth, estimator.predict_proba(Z)[:, 1]),
        }

    found = fastexplain.permutation_importance(model, X, y, metrics=scores, n_repeats=3)
    expected = fastexplain.permutation_importance(model, X, y, metrics=["accuracy", "roc_auc"], n_repeats=3)
    assert list(found) == ["hits", "area"]
    drawn = ~expected["accuracy"].exact
    for ours, native in (("hits", "accuracy"), ("area", "roc_auc")):
        np.testing.assert_allclose(found[ours].importances[drawn], expected[native].importances[drawn], atol=1e-12)
    if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 5):
        return
    several = check_scoring(model, ["accuracy", "roc_auc"])  # a scorer that scikit-learn makes of two, since 1.5
    again = fastexplain.permutation_importance(model, X, y, metrics=several, n_repeats=3)
    assert list(again) == ["accuracy", "roc_auc"]
    same(again["accuracy"], expected["accuracy"])


def test_scorers_say_what_they_need(scored_models: Any) -> None:
    model, X, y = scored_models["two"]

    def scorer(model: Any, X: Array, y: Array) -> float:
        return float(model.score(X, y))

    assert run(model, X, y, metrics=scorer).baseline_score == model.score(X, y)
    for message, call in {
        "needs a model with predict; got a function of rows": lambda: run(lambda Z: Z[:, 0], X, y, metrics=scorer),
        "takes no sample_weight": lambda: run(model, X, y, metrics=scorer, sample_weight=np.ones(len(y))),
        "of which more is better": lambda: run(model, X, y, metrics=scorer, greater_is_better=False),
        "same metric twice": lambda: run(model, X, y, metrics=[scorer, scorer]),
        "no labels, such as": lambda: run(lambda Z: Z[:, :2], X, X[:, 0], metrics="roc_auc"),
    }.items():
        with pytest.raises(ValueError, match=message):
            call()


def test_callable_metric_gets_labels_as_they_are() -> None:
    X, y = data()
    labels = np.where(y > 0, "yes", "no")
    model = LogisticRegression().fit(X, labels)

    def share(truth: Array, predicted: Array) -> float:
        assert set(predicted) <= {"yes", "no"}
        return float(np.mean(truth == predicted))

    result = run(model, X, labels, metrics=share, greater_is_better=True)
    known = run(model, X, labels)
    assert known.metric == "accuracy"
    np.testing.assert_allclose(result.importances[[0, 3, 4]], known.importances[[0, 3, 4]], atol=1e-12)
