"""Permutations that are drawn, and expectations over all of them, against enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from importance_cases import BACKENDS, Array, data, run
from naive_permutation import expected_auc, expected_score, replaced
from sklearn.ensemble import (
    GradientBoostingClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.metrics import (
    get_scorer,
)

from fastexplain.engine.backends import core
from fastexplain.engine.permutation import numba_importance


@settings(max_examples=25)
@given(
    codes=st.lists(st.integers(0, 2), min_size=2, max_size=5),
    seed=st.integers(0, 1000),
    metric=st.sampled_from(["mean_squared_error", "mean_absolute_error", "r2"]),
)
def test_few_values_give_the_mean_over_all_permutations(codes: list[int], seed: int, metric: str) -> None:
    rng = np.random.default_rng(seed)
    X = np.column_stack([codes, rng.normal(size=(len(codes), 2))])
    y, w = rng.normal(size=len(codes)), rng.uniform(0.5, 2, len(codes))

    def predict(Z: Array) -> Array:
        return np.asarray(Z[:, 0] * Z[:, 1] + np.sin(Z[:, 0] + Z[:, 2]))

    def score(p: Array) -> float:
        function = get_scorer("r2" if metric == "r2" else f"neg_{metric}")
        return float(function._sign * function._score_func(y, p, sample_weight=w))

    result = run(predict, X, y, metrics=metric, sample_weight=w)
    expected = score(predict(X)) - expected_score(predict, X, [0], score)
    np.testing.assert_allclose(result.importances[0], expected, rtol=1e-9, atol=1e-9)
    assert result.exact[0]
    assert result.importances_std[0] == result.permutation_errors[0] == 0.0


def test_strata_give_the_mean_over_permutations_within_them() -> None:
    from fastexplain.engine.permutation.players import Player

    codes, strata = np.array([0, 1, 1, 0, 2, 1], dtype=np.int32), np.array([0, 0, 0, 1, 1, 1], dtype=np.int32)
    shares = Player("a", 0, np.array([0]), codes, 3, strata).value_shares()
    rng = np.random.default_rng(0)
    X = np.column_stack([codes, rng.normal(size=6)])
    y = rng.normal(size=6)
    loss = [(np.sin(v + X[:, 1]) - y) ** 2 for v in range(3)]
    found = float(np.einsum("iv,vi->", shares, np.array(loss)) / 6)
    naive = expected_score(lambda Z: np.sin(Z[:, 0] + Z[:, 1]), X, [0], lambda p: float(np.mean((p - y) ** 2)), strata)
    assert found == pytest.approx(naive, rel=1e-12)


def test_group_of_one_hot_columns_is_exact() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(3, size=5)
    X = np.column_stack([np.eye(3)[label], rng.normal(size=5)])
    y = rng.normal(size=5)
    weights = np.array([1.0, -2.0, 3.0, 0.5])

    def predict(Z: Array) -> Array:
        return np.asarray(np.exp(Z @ weights / 3))

    result = run(predict, X, y, metrics="neg_mean_squared_error", groups={"label": [0, 1, 2]})
    assert result.feature_names == ["label", "x3"]

    def score(p: Array) -> float:
        return -float(np.mean((p - y) ** 2))

    assert result.exact[0]
    assert result.importances[0, 0] == pytest.approx(score(predict(X)) - expected_score(predict, X, [0, 1, 2], score))


def test_mean_over_many_repeats_approaches_the_expectation() -> None:
    X, y = data(n=40)
    model = LinearRegression().fit(X, y)
    result = run(model, X, y, metrics="mean_squared_error", n_repeats=200)
    every = [((model.predict(replaced(X, [0], np.full(40, d))) - y) ** 2).mean() for d in range(40)]
    expected = np.mean(every) - result.baseline_score
    # 39 values would be done exactly; 200 repeats of 40 rows are
    assert result.importances_mean[0] == pytest.approx(expected, rel=1e-9)
    drawn = run(model, X, y, metrics="mean_squared_error", n_repeats=30)
    assert not drawn.exact[0]
    assert abs(drawn.importances_mean[0] - expected) < 4 * drawn.permutation_errors[0] + 1e-12


def test_auc_over_many_seeds_approaches_the_expectation_with_the_error_stated() -> None:
    X, y = data(n=60)
    positive = y + np.random.default_rng(1).normal(size=60) > np.median(y)
    model = GradientBoostingClassifier(n_estimators=8, max_depth=3, random_state=0).fit(X, positive)
    results = [run(model, X, positive, metrics="roc_auc", seed=seed) for seed in range(200)]
    found = np.array([r.importances_mean for r in results])
    for j in (0, 3, 4):
        assert not results[0].exact[j]
        expected = results[0].baseline_score - expected_auc(model.decision_function, X, [j], positive)
        actual = found[:, j].std(ddof=1)
        assert abs(found[:, j].mean() - expected) < 4 * actual / np.sqrt(len(found))
        stated = np.sqrt(np.mean([r.permutation_errors[j] ** 2 for r in results]))
        # neighbouring bands differ by more than chance, and donors come without replacement: never too small
        assert 0.9 < stated / actual < 2.5


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("n", [2, 7, 30, 101])
def test_permutations_are_permutations_and_rows_meet_every_band(n: int, backend: str) -> None:
    kernels = core() if backend == "native" else numba_importance
    from fastexplain.engine.permutation.players import Player, draw_permutations

    rng = np.random.default_rng(0)
    codes = rng.permutation(n).astype(np.int32)
    strata = (np.arange(n) % 2).astype(np.int32) if n > 20 else None
    players = [Player("a", 0, np.array([0]), codes, n), Player("b", 1, np.array([1]), codes, n, strata)]
    donors, bands = draw_permutations(players, 5, np.zeros(n), seed=3, kernels=kernels, n_threads=2)
    assert (np.sort(donors, axis=2) == np.arange(n)).all()
    if strata is not None:
        assert (strata[donors[1]] == strata).all()
    assert not np.array_equal(donors[0], donors[1]) or n < 7
    if n % 5 == 0:
        assert (np.sort(bands[0], axis=0) == np.arange(5)[:, None]).all()
        assert (bands[0] == codes[donors[0]] * 5 // n).all()


def test_every_donor_is_as_likely() -> None:
    from fastexplain.engine.permutation.players import Player, draw_permutations

    n, counts = 7, np.zeros((7, 7))
    for seed in range(600):
        player = Player("a", 0, np.array([0]), np.arange(n, dtype=np.int32), n)
        donors, _ = draw_permutations(
            [player], 3, np.zeros(n), seed=seed, kernels=core() or numba_importance, n_threads=1
        )
        for row in donors[0]:
            counts[np.arange(n), row] += 1
    # chi-square of 49 cells; 600 x 3 draws per row
    expected = counts.sum() / 49
    assert ((counts - expected) ** 2 / expected).sum() < 90


@pytest.mark.skipif(len(BACKENDS) < 2, reason="needs the compiled core")
def test_backends_draw_the_same_permutations_and_give_the_same_importances() -> None:
    X, y = data()
    model = RandomForestRegressor(5, max_depth=4, random_state=0).fit(X, y)
    for options in ({}, {"conditional": True}, {"groups": [[0, 3]], "sample_weight": np.linspace(0.1, 1, 300)}):
        results = [run(model, X, y, backend=b, metrics="r2", **options) for b in BACKENDS]
        np.testing.assert_allclose(results[0].importances, results[1].importances, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(results[0].sampling_errors, results[1].sampling_errors, rtol=1e-9)
        np.testing.assert_allclose(results[0].permutation_errors, results[1].permutation_errors, rtol=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
def test_threads_and_chunks_do_not_change_bits(backend: str) -> None:
    X, y = data()
    model = RandomForestRegressor(5, max_depth=4, random_state=0).fit(X, y)
    for target in (model, model.predict):
        a = run(target, X, y, n_threads=1, backend=backend)
        b = run(target, X, y, n_threads=3, chunk_bytes=5000, backend=backend)
        assert np.array_equal(a.importances, b.importances)
        assert np.array_equal(a.sampling_errors, b.sampling_errors)


def test_seed_decides_and_global_generator_is_left_alone() -> None:
    X, y = data()
    model = LinearRegression().fit(X, y)
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]  # noqa: NPY002
    a, b = run(model, X, y, seed=5), run(model, X, y, seed=6)
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002
    assert not np.array_equal(a.importances, b.importances)
    assert np.array_equal(a.importances, run(model, X, y, seed=5).importances)
