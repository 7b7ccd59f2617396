"""linear_shap: both kinds of dependence, against the definition and against shap."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from naive_games import naive_kernel_shap, naive_shapley
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.svm import SVC, SVR

import fastexplain
from fastexplain.engine import linear_shap

Float = NDArray[np.float64]

TOLERANCE = 1e-12


def data(n_rows: int = 60, n_features: int = 5) -> tuple[Float, Float]:
    random = np.random.default_rng(0)
    X = random.normal(size=(n_rows, n_features)) @ random.normal(size=(n_features, n_features)) + 1.0
    return X, X @ random.normal(size=n_features)


def naive_correlation(coef: Float, intercept: float, x: Float, mean: Float, covariance: Float) -> Float:
    """v(S) = E[f(X) | X_S = x_S] under a normal distribution, one coalition at a time."""

    def v(coalition: frozenset[int]) -> float:
        inside = sorted(coalition)
        outside = [i for i in range(len(x)) if i not in coalition]
        expected = x.copy()
        shift = np.linalg.pinv(covariance[np.ix_(inside, inside)], rcond=1e-10) @ (x - mean)[inside]
        expected[outside] = mean[outside] + covariance[np.ix_(outside, inside)] @ shift
        return float(coef @ expected + intercept)

    return naive_shapley(v, len(x))


def test_interventional_equals_enumeration_with_weights() -> None:
    X, y = data()
    model = LinearRegression().fit(X, np.column_stack([y, -3 * y]))
    weights = np.arange(1.0, 8.0)
    values, base_values = linear_shap(model, X[:3], X[10:17], weights=weights)
    expected = naive_kernel_shap(model.predict, X[:3], X[10:17], weights)
    np.testing.assert_allclose(values, expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(base_values, weights @ model.predict(X[10:17]) / weights.sum(), rtol=TOLERANCE)


def test_values_sum_to_the_margin() -> None:
    X, y = data()
    for labels, shape in ((y > 0, (60, 5, 1)), (np.digitize(y, [-1, 1]), (60, 5, 3))):
        model = LogisticRegression().fit(X, labels)
        for dependence in ("interventional", "correlation"):
            values, base_values = linear_shap(model, X, X, feature_dependence=dependence)
            assert values.shape == shape
            margin = model.decision_function(X).reshape(60, -1)
            np.testing.assert_allclose(values.sum(axis=1) + base_values, margin, rtol=0, atol=1e-11)


def test_a_log_link_is_explained_by_its_logarithm() -> None:
    X, y = data()
    model = PoissonRegressor().fit(X, np.exp(0.1 * y))
    values, base_values = linear_shap(model, X, X)
    np.testing.assert_allclose(values.sum(axis=1) + base_values, np.log(model.predict(X))[:, None], atol=TOLERANCE)


def test_forms_of_rows_and_models() -> None:
    pandas = pytest.importorskip("pandas")
    X, y = data()
    X = X * (X > 0)
    model = Ridge().fit(X, y)
    expected = linear_shap(model, X[:4], X)
    frame = pandas.DataFrame(X, columns=list("abcde"))
    named = Ridge().fit(frame, y)
    for got in (
        linear_shap(model, sparse.csr_matrix(X[:4]), sparse.csr_matrix(X)),
        linear_shap(model, X[:4].tolist(), X.tolist()),
        linear_shap(named, frame[:4], frame),
        linear_shap((model.coef_, model.intercept_), X[:4], X),
        linear_shap((model.coef_[None], [model.intercept_]), X[:4], mean=X.mean(axis=0)),
    ):
        np.testing.assert_allclose(got.values, expected.values, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(got.base_values, expected.base_values, rtol=TOLERANCE)
    assert linear_shap(SVR(kernel="linear").fit(X, y), X[:4], X).values.shape == (4, 5, 1)


def test_correlation_equals_enumeration() -> None:
    X, _ = data()
    coef = np.random.default_rng(1).normal(size=(2, 5))
    weights = np.arange(1.0, 61.0)
    values, _ = linear_shap((coef, [1.0, 2.0]), X[:3], X, weights=weights, feature_dependence="correlation")
    mean, covariance = np.average(X, axis=0, weights=weights), np.cov(X, rowvar=False, aweights=weights)
    for row in range(3):
        for output in range(2):
            expected = naive_correlation(coef[output], 1.0, X[row], mean, covariance)
            np.testing.assert_allclose(values[row, :, output], expected, rtol=0, atol=1e-10)
    given = linear_shap((coef, [1.0, 2.0]), X[:3], mean=mean, covariance=covariance, feature_dependence="correlation")
    np.testing.assert_allclose(given.values, values, rtol=0, atol=1e-10)


def test_correlation_of_a_singular_covariance() -> None:
    """A sum of other columns, and a column that never changes: no ridge, and still additive."""
    X, _ = data(n_features=3)
    X = np.column_stack([X, X[:, 0] + X[:, 1], np.full(60, 2.0)])
    coef = np.array([1.0, -2.0, 0.5, 3.0, 4.0])
    values, base_values = linear_shap((coef, 1.0), X[:3], X, feature_dependence="correlation")
    covariance = np.cov(X, rowvar=False)
    for row in range(3):
        expected = naive_correlation(coef, 1.0, X[row], X.mean(axis=0), covariance)
        np.testing.assert_allclose(values[row, :, 0], expected, rtol=0, atol=1e-8)
    np.testing.assert_allclose(values.sum(axis=1) + base_values, (X[:3] @ coef + 1.0)[:, None], atol=1e-10)
    assert (np.abs(values[:, 4]) < 1e-12).all()


def test_copies_of_a_feature_share_one_players_value() -> None:
    X, _ = data(n_features=3)
    copied = np.column_stack([X, X[:, 0], -2.0 * X[:, 1] + 3.0])
    coef = np.array([1.0, -2.0, 0.5, 3.0, 0.25])
    alone = linear_shap(([4.0, -2.5, 0.5], 0.0), X[:4], X, feature_dependence="correlation").values[:, :, 0]
    values = linear_shap((coef, 0.0), copied[:4], copied, feature_dependence="correlation").values[:, :, 0]
    np.testing.assert_allclose(values[:, [0, 3]], np.repeat(alone[:, :1], 2, 1) / 2, rtol=0, atol=1e-9)
    np.testing.assert_allclose(values[:, [1, 4]], np.repeat(alone[:, 1:2], 2, 1) / 2, rtol=0, atol=1e-9)
    np.testing.assert_allclose(values[:, 2], alone[:, 2], rtol=0, atol=1e-9)


def test_sampled_permutations_agree_with_enumeration(monkeypatch: pytest.MonkeyPatch) -> None:
    X, _ = data()
    X = np.column_stack([X, X[:, 0] - X[:, 2]])  # singular
    coef = np.random.default_rng(1).normal(size=(2, 6))
    arguments: dict[str, Any] = {"background": X, "feature_dependence": "correlation"}
    exact = linear_shap((coef, 0.0), X, **arguments).values
    monkeypatch.setattr(sys.modules["fastexplain.engine.linear.linear_shap"], "ENUMERATED_FEATURES", 0)
    few, many = (linear_shap((coef, 0.0), X, n_samples=n, **arguments).values for n in (200, 20000))
    error = [np.sqrt(np.mean((each - exact) ** 2)) / np.sqrt(np.mean(exact**2)) for each in (few, many)]
    assert error[0] < 0.1
    assert error[1] < 0.01
    np.testing.assert_allclose(few.sum(axis=1), exact.sum(axis=1), rtol=0, atol=1e-9)
    again = linear_shap((coef, 0.0), X, n_samples=200, n_threads=3, **arguments).values
    np.testing.assert_array_equal(again, few)
    other = linear_shap((coef, 0.0), X, n_samples=200, seed=1, **arguments).values
    assert not np.array_equal(other, few)


def test_seeded_call_leaves_global_rng_alone() -> None:
    X, _ = data(n_features=14)
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state(legacy=False)  # noqa: NPY002
    linear_shap((np.ones(14), 0.0), X, X, feature_dependence="correlation", n_samples=4)
    assert str(np.random.get_state(legacy=False)) == str(before)  # noqa: NPY002


def test_many_rows_on_several_threads() -> None:
    X, _ = data(n_rows=9000)
    one, two = (linear_shap((np.ones(5), 0.0), X, X, n_threads=n).values for n in (1, 2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(one[:, :, 0], X - X.mean(axis=0), rtol=0, atol=TOLERANCE)


def test_agrees_with_shap() -> None:
    shap = pytest.importorskip("shap")
    X, y = data(n_rows=300)
    model = Ridge().fit(X, y)
    theirs = shap.LinearExplainer(model, shap.maskers.Independent(X, max_samples=1000))
    np.testing.assert_allclose(linear_shap(model, X, X).values[:, :, 0], theirs.shap_values(X), rtol=0, atol=1e-10)
    theirs = shap.LinearExplainer(model, shap.maskers.Impute(X), nsamples=2000)
    ours = linear_shap(model, X, X, feature_dependence="correlation").values[:, :, 0]
    error = ours - theirs.shap_values(X)  # theirs are sampled
    assert np.sqrt(np.mean(error**2)) < 0.03 * np.sqrt(np.mean(ours**2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Give a background, or the mean"),
        ({"background": np.ones((3, 4))}, r"background has shape \(3, 4\); the model has 5 features"),
        ({"background": np.full((3, 5), np.nan)}, "background holds NaN or infinite values"),
        ({"background": np.ones((3, 5)), "weights": [1.0, -1.0, 1.0]}, "weights must be finite"),
        ({"background": np.ones((3, 5)), "weights": [1.0]}, r"weights has shape \(1,\)"),
        ({"mean": [1.0, 2.0]}, r"mean has shape \(2,\); expected \(5,\)"),
        ({"mean": np.ones(5), "covariance": np.eye(5)}, "covariance is given, but"),
        ({"mean": np.ones(5), "feature_dependence": "correlation"}, "needs a background, or mean and covariance"),
        (
            {"mean": np.ones(5), "covariance": np.eye(4), "feature_dependence": "correlation"},
            r"covariance has shape \(4, 4\); expected \(5, 5\)",
        ),
        ({"mean": np.ones(5), "feature_dependence": "none"}, "must be 'interventional' or 'correlation'; got 'none'"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    X, _ = data()
    with pytest.raises(ValueError, match=message):
        linear_shap((np.ones(5), 0.0), X, **arguments)


def test_bad_rows_and_coefficients_are_named() -> None:
    X, _ = data()
    with pytest.raises(ValueError, match=r"X has shape \(60, 5\); the model has 4 features"):
        linear_shap((np.ones(4), 0.0), X, mean=np.ones(4))
    with pytest.raises(ValueError, match=r"coef has shape \(3, 5\) and intercept \(2,\)"):
        linear_shap((np.ones((3, 5)), np.ones(2)), X, X)
    with pytest.raises(ValueError, match=r"model is a tuple of 3; expected \(coef, intercept\)"):
        linear_shap((1, 2, 3), X, X)
    X, _ = data(n_features=14)
    with pytest.raises(ValueError, match="n_samples must be at least 2"):
        linear_shap((np.ones(14), 0.0), X, X, feature_dependence="correlation", n_samples=1)


class Changed(LinearRegression):  # type: ignore[misc]
    def predict(self, X: Any) -> Any:
        return super().predict(X) ** 2


def test_models_that_are_not_linear_are_refused() -> None:
    X, y = data()
    with pytest.raises(fastexplain.UnsupportedModelError, match="SVC is not a fitted linear model"):
        linear_shap(SVC().fit(X, y > 0), X, X)
    with pytest.raises(fastexplain.UnsupportedModelError, match="LinearRegression is not a fitted"):
        linear_shap(LinearRegression(), X, X)
    with pytest.raises(fastexplain.UnsupportedModelError, match="Changed is not a fitted linear model"):
        linear_shap(Changed().fit(X, y), X, X)
