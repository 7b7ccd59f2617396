"""Every metric equals scikit-learn's function, with weights, on stacked predictions, in both backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from fastexplain.engine.backends import core
from fastexplain.engine.metrics.table import METRICS, Metric, Truth, resolve_metric, resolve_metrics
from fastexplain.engine.permutation import numba_importance

# Sums of a few hundred terms in another order.
ROUNDING = {"rtol": 1e-10, "atol": 1e-12}
KERNELS = [pytest.param(numba_importance, id="numba")] + ([pytest.param(core(), id="native")] if core() else [])
N, M = 700, 3  # rows beyond the sorter's switch to counting


def _truth(y: NDArray[Any], weights: NDArray[np.float64] | None, kernels: Any, classes: bool = False) -> Truth:
    given = np.ones(len(y)) if weights is None else weights
    if not classes:
        return Truth(y, given, weights is not None, kernels, 2)
    labels, codes = np.unique(y, return_inverse=True)
    return Truth(y, given, weights is not None, kernels, 2, labels, codes.astype(np.int32))


def _check(metric: Metric, truth: Truth, predictions: Any, expected: list[float]) -> None:
    found = metric.evaluate(truth, predictions)
    np.testing.assert_allclose(found.scores, expected, **ROUNDING)
    if found.terms is not None and found.blocks is None:
        np.testing.assert_allclose(truth.row_mean(found.terms), found.scores, rtol=1e-7, atol=1e-9)


def _weights(weighted: bool) -> NDArray[np.float64] | None:
    return np.random.default_rng(5).uniform(0.1, 3, N) if weighted else None


REGRESSION: dict[str, Callable[..., float]] = {
    "mean_squared_error": sk.mean_squared_error,
    "root_mean_squared_error": sk.root_mean_squared_error,
    "mean_absolute_error": sk.mean_absolute_error,
    "mean_squared_log_error": sk.mean_squared_log_error,
    "root_mean_squared_log_error": sk.root_mean_squared_log_error,
    "mean_absolute_percentage_error": sk.mean_absolute_percentage_error,
    "mean_pinball_loss": sk.mean_pinball_loss,
    "median_absolute_error": sk.median_absolute_error,
    "r2_score": sk.r2_score,
    "explained_variance_score": sk.explained_variance_score,
    "d2_absolute_error_score": sk.d2_absolute_error_score,
    "mean_poisson_deviance": sk.mean_poisson_deviance,
    "mean_gamma_deviance": sk.mean_gamma_deviance,
    "max_error": sk.max_error,
}
ONE_TARGET = {"mean_poisson_deviance", "mean_gamma_deviance", "max_error"}


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("name", REGRESSION)
def test_regression_metric_equals_sklearn(name: str, n_targets: int, weighted: bool, kernels: Any) -> None:
    if n_targets > 1 and name in ONE_TARGET:
        return
    rng = np.random.default_rng(1)
    y = rng.gamma(2.0, size=(N, n_targets))
    predictions = y[None] * rng.uniform(0.5, 1.5, (M, N, n_targets)) + 0.01
    weights = None if name == "max_error" else _weights(weighted)
    y = y[:, 0] if n_targets == 1 else y
    options = {} if weights is None else {"sample_weight": weights}
    expected = [REGRESSION[name](y, p[:, 0] if n_targets == 1 else p, **options) for p in predictions]
    _check(METRICS[name], _truth(y, weights, kernels), predictions, expected)


def _labels(average: str, function: Callable[..., float], **options: Any) -> Callable[..., float]:
    def score(y: Any, p: Any, **more: Any) -> float:
        return float(function(y, p, average=average, zero_division=0, **options, **more))

    return score


LABELS: dict[str, Callable[..., float]] = {
    "accuracy": sk.accuracy_score,
    "zero_one_loss": sk.zero_one_loss,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "matthews_corrcoef": sk.matthews_corrcoef,
    "cohen_kappa_score": sk.cohen_kappa_score,
    **{
        f"{name}_{average}": _labels(average, function)
        for average in ("macro", "micro", "weighted")
        for name, function in {
            "f1": sk.f1_score,
            "precision": sk.precision_score,
            "recall": sk.recall_score,
            "jaccard": sk.jaccard_score,
        }.items()
    },
}
BINARY: dict[str, Callable[..., float]] = {
    "f1": sk.f1_score,
    "fbeta_score": lambda y, p, **o: float(sk.fbeta_score(y, p, beta=1.0, **o)),
    "precision": sk.precision_score,
    "recall": sk.recall_score,
    "jaccard": sk.jaccard_score,
}


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", [*LABELS, *BINARY])
def test_metric_of_labels_equals_sklearn(name: str, weighted: bool, kernels: Any) -> None:
    n_classes = 2 if name in BINARY else 4
    rng = np.random.default_rng(2)
    y = rng.integers(n_classes, size=N)
    predicted = np.where(rng.random((M, N)) < 0.6, y, rng.integers(n_classes, size=(M, N))).astype(np.int32)
    predicted[0][predicted[0] == 3] = 0  # a class that is never predicted
    weights = _weights(weighted)
    function = {**LABELS, **BINARY}[name]
    options = {} if weights is None else {"sample_weight": weights}
    expected = [function(y, p, **options) for p in predicted]
    _check(METRICS[name], _truth(y, weights, kernels, classes=True), predicted, expected)


def _probabilities(rng: np.random.Generator, y: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    raw = rng.normal(size=(M, N, n_classes)) + 1.5 * (y[:, None] == np.arange(n_classes))
    raw = np.round(raw, 1)  # ties
    p = np.exp(raw)
    return np.asarray(p / p.sum(axis=2, keepdims=True))


PROBABILITIES: dict[str, Callable[..., float]] = {
    "log_loss": sk.log_loss,
    **({"d2_log_loss_score": sk.d2_log_loss_score} if hasattr(sk, "d2_log_loss_score") else {}),  # since 1.5
    "roc_auc_ovr": lambda y, p, **o: float(sk.roc_auc_score(y, p, multi_class="ovr", **o)),
    "roc_auc_ovr_weighted": lambda y, p, **o: float(sk.roc_auc_score(y, p, multi_class="ovr", average="weighted", **o)),
    "roc_auc_ovo": lambda y, p, **o: float(sk.roc_auc_score(y, p, multi_class="ovo", **o)),
    "roc_auc_ovo_weighted": lambda y, p, **o: float(sk.roc_auc_score(y, p, multi_class="ovo", average="weighted", **o)),
    "average_precision": sk.average_precision_score,
}


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", PROBABILITIES)
def test_metric_of_three_classes_equals_sklearn(name: str, weighted: bool, kernels: Any) -> None:
    weights = None if "ovo" in name else _weights(weighted)  # scikit-learn has no weights there
    rng = np.random.default_rng(3)
    y = rng.integers(3, size=N)
    p = _probabilities(rng, y, 3)
    options = {} if weights is None else {"sample_weight": weights}
    expected = [PROBABILITIES[name](y, q, **options) for q in p]
    _check(METRICS[name], _truth(y, weights, kernels, classes=True), p, expected)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [60, N])  # both ways of sorting
def test_metric_of_two_classes_equals_sklearn(n: int, weighted: bool, kernels: Any) -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(2, size=N)
    p = _probabilities(rng, y, 2)[:, :n]
    y = y[:n]
    weights = _weights(weighted)
    weights = None if weights is None else weights[:n]
    truth = _truth(y, weights, kernels, classes=True)
    options = {} if weights is None else {"sample_weight": weights}
    positive = p[:, :, 1].copy()
    _check(METRICS["log_loss"], truth, p, [sk.log_loss(y, q, **options) for q in positive])
    _check(METRICS["brier_score"], truth, p, [sk.brier_score_loss(y, q, **options) for q in positive])
    _check(METRICS["roc_auc"], truth, positive, [sk.roc_auc_score(y, q, **options) for q in positive])
    expected = [sk.average_precision_score(y, q, **options) for q in positive]
    _check(METRICS["average_precision"], truth, positive, expected)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("options", [{}, {"k": 3}, {"ignore_ties": True}])
def test_gain_equals_sklearn(options: dict[str, Any], kernels: Any) -> None:
    rng = np.random.default_rng(6)
    y = rng.integers(0, 4, (40, 7)).astype(float)
    y[0] = 0.0
    scores = rng.normal(size=(M, 40, 7))
    if "ignore_ties" not in options:
        scores = np.round(scores)
    truth = _truth(y, rng.uniform(0.5, 2, 40), kernels)
    for name, function in {"ndcg": sk.ndcg_score, "dcg": sk.dcg_score}.items():
        metric = resolve_metric(sk.make_scorer(function, **options)) if options else METRICS[name]
        assert metric.needs == "items"
        expected = [function(y, s, sample_weight=truth.weights, **options) for s in scores]
        _check(metric, truth, scores, expected)


@pytest.mark.parametrize(
    "name", ["r2", "roc_auc", "f1", "explained_variance", "root_mean_squared_error", "balanced_accuracy"]
)
def test_terms_are_influences(name: str) -> None:
    """A little more weight on a row moves the score by the row's deviation."""
    kernels = core() or numba_importance
    rng = np.random.default_rng(7)
    weights, step, row = np.ones(N), 1e-5, 11
    metric = METRICS[name]
    if metric.needs == "values":
        y: NDArray[Any] = rng.normal(size=N)
        predictions: Any = (y + rng.normal(size=N))[None, :, None]
    else:
        y = rng.integers(2, size=N)
        predictions = (
            rng.normal(size=(1, N)) + y if name == "roc_auc" else rng.integers(2, size=(1, N)).astype(np.int32)
        )
    found = metric.evaluate(_truth(y, weights, kernels, metric.needs != "values"), predictions)
    weights = weights.copy()
    weights[row] += N * step
    moved = metric.evaluate(_truth(y, weights / (1 + step), kernels, metric.needs != "values"), predictions)
    assert found.terms is not None
    slope = (moved.scores[0] - found.scores[0]) / step * (1 + step)
    assert slope == pytest.approx(found.terms[0, row] - found.scores[0], rel=2e-3, abs=1e-4)


@pytest.mark.parametrize("name", sorted(set(sk.get_scorer_names()) & set(METRICS) - {"max_error"}))
def test_scorer_name_has_sklearns_sign(name: str) -> None:
    """But for max_error, which is also a function's name, and a scorer's until scikit-learn 1.5."""
    assert METRICS[name].greater_is_better
    assert METRICS[name].sign == sk.get_scorer(name)._sign


@pytest.mark.parametrize(
    "name",
    [
        "mean_absolute_error",
        "explained_variance_score",
        "mean_squared_error",
        "mean_squared_log_error",
        "median_absolute_error",
        "r2_score",
        "average_precision_score",
        "f1_score",
        "fbeta_score",
        "precision_score",
        "recall_score",
    ],
)
def test_names_of_interpret_community_are_known(name: str) -> None:
    assert resolve_metric(name).name == name
    assert resolve_metric(getattr(sk, name)).name == name


def test_a_scorer_is_recognised() -> None:
    assert resolve_metric(sk.get_scorer("neg_log_loss")).needs == "proba"
    assert resolve_metric(sk.make_scorer(sk.mean_pinball_loss, alpha=0.9, greater_is_better=False)).sign == -1
    other = resolve_metric(sk.make_scorer(sk.fbeta_score, beta=2.0, average="macro"))
    assert other.needs == "labels"
    own = resolve_metric(sk.make_scorer(sk.fbeta_score, beta=2.0, labels=[0, 1], average="macro"))
    assert own.needs == "raw"


def test_what_is_no_metric_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Metric 'r3' is unknown\. Known: accuracy"):
        resolve_metric("r3")
    with pytest.raises(TypeError, match="must be a name, a callable or a scikit-learn scorer; got 3"):
        resolve_metric(3)
    with pytest.raises(ValueError, match="does not say which direction is better"):
        resolve_metric(lambda y, p: 0.0)
    with pytest.raises(ValueError, match="metrics is empty"):
        resolve_metrics([])
    with pytest.raises(ValueError, match="same metric twice"):
        resolve_metrics(["r2", "r2"])
