"""Permutation importance: what results say, containers, and scikit-learn's answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from importance_cases import Array, data, run, same
from sklearn.ensemble import (
    GradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.inspection import permutation_importance as sklearn_importance
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import (
    make_scorer,
    mean_squared_error,
    r2_score,
)

import fastexplain


def test_positive_means_needed_for_errors_and_scores() -> None:
    X, y = data()
    model = GradientBoostingRegressor(n_estimators=20).fit(X, y)
    found = fastexplain.permutation_importance(
        model, X, y, metrics=["mean_absolute_error", "neg_mean_absolute_error", "r2"]
    )
    assert isinstance(found, dict)
    assert all(result.importances_mean[0] > 0 for result in found.values())
    error, negated = found["mean_absolute_error"], found["neg_mean_absolute_error"]
    assert error.ratios[0].min() > 1
    np.testing.assert_allclose(error.ratios, negated.ratios)
    assert error.baseline_score == -negated.baseline_score > 0
    assert np.array_equal(error.importances, negated.importances)


def test_contributions_add_up() -> None:
    X, y = data()
    w = np.linspace(0.1, 2, len(y))
    model = RandomForestRegressor(5, random_state=0).fit(X, y)
    for metric in ("mean_squared_error", "r2", "root_mean_squared_error"):
        result = run(model, X, y, metrics=metric, sample_weight=w, row_contributions=True)
        assert result.contributions is not None
        np.testing.assert_allclose(result.contributions @ w / w.sum(), result.importances_mean, rtol=1e-8, atol=1e-10)


def test_constant_column_is_exactly_zero() -> None:
    X, y = data()
    X[:, 3] = 7.0
    result = run(lambda Z: Z[:, 0] + Z[:, 3] * np.random.default_rng(0).normal(), X, y)
    assert (result.importances[3] == 0).all()
    assert result.exact[3]
    assert (result.confidence_intervals[3] == 0).all()


def test_unchanged_rows_are_not_predicted_again() -> None:
    X, y = data(n=200)
    asked: list[int] = []

    def predict(Z: Array) -> Array:
        asked.append(len(Z))
        return np.asarray(Z[:, 0])

    result = run(predict, X[:, 1:2], y, metrics="r2")  # one binary column: each row meets the other value once
    assert sum(asked) == 2 * 200 + 8 == result.n_predicted  # the first eight are asked for twice


def test_subsample_has_its_own_baseline() -> None:
    X, y = data()
    model = LinearRegression().fit(X, y)
    result = run(model, X, y, max_samples=0.3, metrics="r2")
    assert len(result.rows) == 90
    assert result.baseline_score == pytest.approx(r2_score(y[result.rows], model.predict(X[result.rows])))


def test_conditional_importance_of_a_copy_is_small() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=800)
    X = np.column_stack([a, a + 0.05 * rng.normal(size=800), rng.normal(size=800)])
    y = X[:, 0] + X[:, 2]
    model = Ridge().fit(X, y)
    plain, conditional = run(model, X, y), run(model, X, y, conditional=True)
    assert conditional.importances_mean[0] < 0.2 * plain.importances_mean[0]
    assert conditional.importances_mean[2] == pytest.approx(plain.importances_mean[2], rel=0.15)


@pytest.mark.parametrize("metric", ["mean_squared_error", "r2", "mean_absolute_error"])
def test_intervals_cover(metric: str) -> None:
    """95% intervals over fresh samples; 150 of them, so that 0.88 is more than three standard errors below 0.95."""
    rng = np.random.default_rng(0)
    beta = np.array([1.0, 0.3, 0.0])

    def sample(n: int) -> tuple[Array, Array]:
        X = rng.normal(size=(n, 3))
        return X, X @ beta + 0.5 * rng.normal(size=n)

    model = LinearRegression().fit(*sample(50))
    X, y = sample(40_000)
    truth = run(model, X, y, metrics=metric, n_repeats=10).importances_mean
    hits = np.zeros(3)
    for seed in range(150):
        X, y = sample(200)
        low, high = run(model, X, y, metrics=metric, seed=seed).confidence_intervals.T
        hits += (low <= truth) & (truth <= high)
    assert (hits[:2] / 150 >= 0.88).all()
    assert (hits[:2] / 150 <= 0.995).all()


def test_permutation_error_is_calibrated() -> None:
    X, y = data(n=300)
    model = RandomForestRegressor(10, max_depth=5, random_state=0).fit(X, y)
    results = [run(model, X, y, seed=s, metrics="mean_squared_error") for s in range(60)]
    actual = np.std([r.importances_mean[0] for r in results], ddof=1)
    stated = np.sqrt(np.mean([r.permutation_errors[0] ** 2 for r in results]))
    assert 0.7 < stated / actual < 1.8


def test_tables_reach_the_model_as_they_were() -> None:
    X, y = data()
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["c"] = pd.Categorical.from_codes(X[:, 2].astype(int), categories=["k", "l", "m", "n"])
    frame["d"] = frame["d"].astype(np.float32)
    frame.index = np.zeros(len(frame), dtype=int)  # an index that is not unique

    def predict(Z: pd.DataFrame) -> Array:
        assert isinstance(Z, pd.DataFrame)
        assert (Z.dtypes == frame.dtypes).all()
        return np.asarray(Z["a"] * 2 + Z["b"] - Z["a"] * Z["c"].cat.codes)

    def predict_polars(Z: pl.DataFrame) -> Array:
        assert Z.schema == table.schema
        code = Z["c"].cast(pl.String).replace_strict({"k": 0, "l": 1, "m": 2, "n": 3}).to_numpy()
        return np.asarray(Z["a"].to_numpy() * 2 + Z["b"].to_numpy() - Z["a"].to_numpy() * code)

    table = pl.from_pandas(frame.reset_index(drop=True)).with_columns(pl.col("c").cast(pl.Enum(["k", "l", "m", "n"])))
    plain = run(lambda Z: Z[:, 0] * 2 + Z[:, 1] - Z[:, 0] * Z[:, 2], X, y)
    result = run(predict, frame, y)
    same(result, plain)
    assert result.feature_names == list("abcde")
    assert result.exact.tolist() == [False, True, True, False, False]
    same(run(predict_polars, table, y), plain)
    named = run(predict, frame, pd.Series(y), groups={"pair": ["a", "c"]})
    assert named.feature_names == ["pair", "b", "d", "e"]


def test_trees_fitted_on_numeric_categories_are_seen_through() -> None:
    """scikit-learn reads a pandas category of numbers as numbers; so do we, in every repeat."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": pd.Categorical(rng.integers(0, 9, 200)), "b": rng.normal(size=200)})
    y = frame["a"].astype(float) * frame["b"]
    model = RandomForestRegressor(10, max_depth=4, random_state=0).fit(frame, y)
    found = run(model, frame, y, metrics="r2")
    black_box = run(lambda rows: model.predict(rows), frame, y, metrics="r2")
    assert (found.method, black_box.method) == ("tree", "black_box")
    np.testing.assert_allclose(found.importances, black_box.importances, atol=1e-9)


@pytest.mark.parametrize("groups", [None, [[0, 2], [1, 3]]])
def test_sparse_rows_stay_sparse(groups: Any) -> None:
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(120, 5)) * (rng.random((120, 5)) < 0.4)
    dense[:, 4] = 0.0
    y = dense @ np.arange(5) + rng.normal(size=120)
    sparse = scipy.sparse.csr_matrix(dense)

    def predict(Z: Any) -> Array:
        assert scipy.sparse.issparse(Z)
        assert Z.format == "csr"
        return np.tanh(Z.toarray() @ np.arange(5))

    same(
        run(predict, sparse, y, groups=groups, chunk_bytes=20_000),
        run(lambda Z: np.tanh(Z @ np.arange(5)), dense, y, groups=groups),
    )
    linear = LinearRegression().fit(sparse, y)
    fast = run(linear, sparse, y, groups=groups)
    assert fast.method == "linear"
    same(fast, run(linear.predict, dense, y, groups=groups))
    assert (fast.importances[-1] == 0).all() or groups is not None


@pytest.mark.parametrize("kind", [LinearRegression, GradientBoostingRegressor])
def test_agrees_with_sklearn_within_the_errors(kind: type) -> None:
    X, y = data(n=400)
    model = kind().fit(X, y)
    ours = run(model, X, y, metrics="r2", n_repeats=10)
    theirs = sklearn_importance(model, X, y, scoring="r2", n_repeats=30, random_state=0)
    spread = np.sqrt(theirs.importances_std**2 / 30 + ours.permutation_errors**2)
    assert (np.abs(ours.importances_mean - theirs.importances_mean) < 4.5 * spread + 1e-9).all()
    for key in ("importances", "importances_mean", "importances_std"):
        assert ours[key].shape[0] == theirs[key].shape[0] == 5


def test_stratified_permutations_vary_less() -> None:
    X, y = data(n=200)
    model = GradientBoostingRegressor(n_estimators=20, random_state=0).fit(X, y)
    ours = np.array([run(model, X, y, seed=s, metrics="neg_mean_squared_error").importances_mean for s in range(30)])
    score = make_scorer(mean_squared_error, greater_is_better=False)
    theirs = [sklearn_importance(model, X[:, :], y, scoring=score, random_state=s).importances_mean for s in range(30)]
    ratio = ours.var(axis=0, ddof=1) / np.var(theirs, axis=0, ddof=1)
    assert ratio[1] < 1e-20  # binary: exact
    assert ratio[0] < 0.8  # about 0.4; a ratio of two variances of 30 values each
