"""Permutation importance: against enumeration, against scikit-learn, across containers, backends and threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_permutation import expected_auc, expected_score, replaced
from numpy.typing import NDArray
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.inspection import permutation_importance as sklearn_importance
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge, RidgeClassifier
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    check_scoring,
    get_scorer,
    get_scorer_names,
    make_scorer,
    mean_squared_error,
    r2_score,
    roc_auc_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import SVC
from strategies import random_forest, random_rows

import fastexplain
from fastexplain.engine.backends import core
from fastexplain.engine.permutation import numba_importance
from fastexplain.engine.permutation.formula_replacement import exact_values

# Sums in another order; margins of float32 libraries are compared by the library's own rounding.
ROUNDING, SINGLE = 1e-10, 2e-5
BACKENDS = ["numba"] + (["native"] if core() else [])
Array = NDArray[Any]


def _data(n: int = 300, p: int = 5, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    X[:, 1] = rng.integers(2, size=n)
    X[:, 2] = rng.integers(4, size=n)
    return X, X[:, 0] * 2 + X[:, 1] - X[:, 0] * X[:, 2] + 0.1 * rng.normal(size=n)


def _run(*args: Any, **options: Any) -> fastexplain.PermutationImportanceResult:
    result = fastexplain.permutation_importance(*args, **options)
    assert isinstance(result, fastexplain.PermutationImportanceResult)
    return result


# ---------------------------------------------------------------------------------------------------------- exactness


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

    result = _run(predict, X, y, metrics=metric, sample_weight=w)
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

    result = _run(predict, X, y, metrics="neg_mean_squared_error", groups={"label": [0, 1, 2]})
    assert result.feature_names == ["label", "x3"]

    def score(p: Array) -> float:
        return -float(np.mean((p - y) ** 2))

    assert result.exact[0]
    assert result.importances[0, 0] == pytest.approx(score(predict(X)) - expected_score(predict, X, [0, 1, 2], score))


def test_mean_over_many_repeats_approaches_the_expectation() -> None:
    X, y = _data(n=40)
    model = LinearRegression().fit(X, y)
    result = _run(model, X, y, metrics="mean_squared_error", n_repeats=200)
    every = [((model.predict(replaced(X, [0], np.full(40, d))) - y) ** 2).mean() for d in range(40)]
    expected = np.mean(every) - result.baseline_score
    # 39 values would be done exactly; 200 repeats of 40 rows are
    assert result.importances_mean[0] == pytest.approx(expected, rel=1e-9)
    drawn = _run(model, X, y, metrics="mean_squared_error", n_repeats=30)
    assert not drawn.exact[0]
    assert abs(drawn.importances_mean[0] - expected) < 4 * drawn.permutation_errors[0] + 1e-12


def test_auc_over_many_seeds_approaches_the_expectation_with_the_error_stated() -> None:
    X, y = _data(n=60)
    positive = y + np.random.default_rng(1).normal(size=60) > np.median(y)
    model = GradientBoostingClassifier(n_estimators=8, max_depth=3, random_state=0).fit(X, positive)
    results = [_run(model, X, positive, metrics="roc_auc", seed=seed) for seed in range(200)]
    found = np.array([r.importances_mean for r in results])
    for j in (0, 3, 4):
        assert not results[0].exact[j]
        expected = results[0].baseline_score - expected_auc(model.decision_function, X, [j], positive)
        actual = found[:, j].std(ddof=1)
        assert abs(found[:, j].mean() - expected) < 4 * actual / np.sqrt(len(found))
        stated = np.sqrt(np.mean([r.permutation_errors[j] ** 2 for r in results]))
        # neighbouring bands differ by more than chance, and donors come without replacement: never too small
        assert 0.9 < stated / actual < 2.5


# -------------------------------------------------------------------------------------------------------- permutations


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
    X, y = _data()
    model = RandomForestRegressor(5, max_depth=4, random_state=0).fit(X, y)
    for options in ({}, {"conditional": True}, {"groups": [[0, 3]], "sample_weight": np.linspace(0.1, 1, 300)}):
        results = [_run(model, X, y, backend=b, metrics="r2", **options) for b in BACKENDS]
        np.testing.assert_allclose(results[0].importances, results[1].importances, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(results[0].sampling_errors, results[1].sampling_errors, rtol=1e-9)
        np.testing.assert_allclose(results[0].permutation_errors, results[1].permutation_errors, rtol=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
def test_threads_and_chunks_do_not_change_bits(backend: str) -> None:
    X, y = _data()
    model = RandomForestRegressor(5, max_depth=4, random_state=0).fit(X, y)
    for target in (model, model.predict):
        a = _run(target, X, y, n_threads=1, backend=backend)
        b = _run(target, X, y, n_threads=3, chunk_bytes=5000, backend=backend)
        assert np.array_equal(a.importances, b.importances)
        assert np.array_equal(a.sampling_errors, b.sampling_errors)


def test_seed_decides_and_global_generator_is_left_alone() -> None:
    X, y = _data()
    model = LinearRegression().fit(X, y)
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]  # noqa: NPY002
    a, b = _run(model, X, y, seed=5), _run(model, X, y, seed=6)
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002
    assert not np.array_equal(a.importances, b.importances)
    assert np.array_equal(a.importances, _run(model, X, y, seed=5).importances)


# ---------------------------------------------------------------------------------------------------------------- trees


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(12))
def test_replaced_forest_equals_forest_of_replaced_rows(seed: int, backend: str) -> None:
    rng = np.random.default_rng(seed)
    options: dict[str, Any] = {"p_categorical": 0.3, "p_zero_is_missing": 0.3} if seed % 2 else {}
    vector = seed % 3 == 0
    forest = random_forest(
        rng, n_trees=6, n_features=5, n_outputs=3 if seed % 4 else 1, vector_leaves=vector, **options
    )
    X = random_rows(rng, forest, 40).astype(np.float64)
    if seed % 4 == 2:
        X = np.nan_to_num(X, nan=0.5, posinf=1.0, neginf=-1.0)
    X = X.astype(np.float32).astype(np.float64) if forest.float32_input else X
    kernels = core() if backend == "native" else numba_importance
    values, offset, grid = exact_values(forest)
    kernel = kernels.ReplacementPredictor(forest, values, grid)
    players = [[0], [1, 3], [4]]
    offsets = np.array([0, 5, 9, 9 + seed % 7], dtype=np.int64)
    owner = np.array([0, 1, -1, 1, 2], dtype=np.int32)
    donors = rng.integers(40, size=(int(offsets[-1]), 40)).astype(np.int32)
    base, out = np.empty((40, forest.n_outputs)), np.empty((len(donors), 40, forest.n_outputs))
    kernel.predict(X, offset, base, 2)
    np.testing.assert_allclose(base, forest.predict(X), rtol=ROUNDING, atol=1e-12)
    kernel.replace(X, np.asfortranarray(X), owner, offsets, donors, base, out, 2)
    for p, columns in enumerate(players):
        for job in range(offsets[p], offsets[p + 1]):
            expected = forest.predict(replaced(X, columns, donors[job]))
            np.testing.assert_allclose(out[job], expected, rtol=ROUNDING, atol=1e-9)


@pytest.mark.skipif(len(BACKENDS) < 2, reason="needs the compiled core")
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("n", [64, 300])
def test_blocks_of_rows_replace_as_rows_do_one_by_one(n: int, n_outputs: int) -> None:
    rng = np.random.default_rng(n)
    # three features, so that paths meet the same one again and again
    forest = random_forest(rng, n_trees=20, n_features=3, n_outputs=n_outputs, vector_leaves=n_outputs == 3)
    X = random_rows(rng, forest, n).astype(np.float64)
    X = X.astype(np.float32).astype(np.float64) if forest.float32_input else X
    values, offset, grid = exact_values(forest)
    offsets, owner = np.array([0, 5, 12], dtype=np.int64), np.array([0, 1, 0], dtype=np.int32)
    donors = rng.integers(n, size=(12, n)).astype(np.int32)
    found = []
    for kernels, n_threads in ((core(), 1), (core(), 3), (numba_importance, 1)):
        base, out = np.empty((n, n_outputs)), np.empty((12, n, n_outputs))
        kernel = kernels.ReplacementPredictor(forest, values, grid)
        kernel.predict(X, offset, base, 1)
        kernel.replace(X, np.asfortranarray(X), owner, offsets, donors, base, out, n_threads)
        found.append(out)
    assert (found[0] != found[0][0]).any()
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def _xgboost(**options: Any) -> Any:
    from xgboost import XGBClassifier, XGBRegressor

    kind = XGBClassifier if options.pop("classifier") else XGBRegressor
    return kind(n_estimators=8, max_depth=3, n_jobs=1, **options)


def _lightgbm(**options: Any) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMClassifier if options.pop("classifier") else LGBMRegressor
    return kind(n_estimators=8, num_leaves=7, n_jobs=1, verbose=-1, **options)


MODELS: dict[str, tuple[Callable[[], Any], int, str]] = {  # builder, classes (0: regression), method
    "xgb": (lambda: _xgboost(classifier=False), 0, "tree"),
    "xgb-poisson": (lambda: _xgboost(classifier=False, objective="count:poisson"), -1, "tree"),
    "xgb-binary": (lambda: _xgboost(classifier=True), 2, "tree"),
    "xgb-three": (lambda: _xgboost(classifier=True), 3, "tree"),
    "lgbm": (lambda: _lightgbm(classifier=False), 0, "tree"),
    "lgbm-binary": (lambda: _lightgbm(classifier=True), 2, "tree"),
    "lgbm-ova": (lambda: _lightgbm(classifier=True, objective="multiclassova"), 3, "tree"),
    "rf": (lambda: RandomForestClassifier(6, random_state=0), 3, "tree"),
    "gb": (lambda: GradientBoostingClassifier(n_estimators=6, random_state=0), 2, "tree"),
    "hist": (lambda: HistGradientBoostingRegressor(max_iter=6), 0, "tree"),
    "linear": (LinearRegression, 0, "linear"),
    "poisson": (PoissonRegressor, -1, "linear"),
    "logistic": (LogisticRegression, 2, "linear"),
    "softmax": (LogisticRegression, 3, "linear"),
    "ridge-classifier": (RidgeClassifier, 3, "linear"),
    "mlp": (lambda: MLPRegressor(hidden_layer_sizes=(6, 4), max_iter=30, random_state=0), 0, "mlp"),
    "mlp-tanh": (
        lambda: MLPClassifier(hidden_layer_sizes=(6,), activation="tanh", max_iter=30, random_state=0),
        3,
        "mlp",
    ),
    "mlp-binary": (
        lambda: MLPClassifier(hidden_layer_sizes=(6,), activation="logistic", max_iter=30, random_state=0),
        2,
        "mlp",
    ),
    "svc": (SVC, 2, "black_box"),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", MODELS)
def test_formula_scores_as_the_library_does(name: str) -> None:
    """Every path against the plain function, whose rows are predicted by the library."""
    build, n_classes, method = MODELS[name]
    X, y = _data(n=160)
    X = X.astype(np.float32).astype(np.float64)
    if n_classes > 0:
        y = np.array(["a", "b", "c"])[np.digitize(y, np.quantile(y, [0.5] if n_classes == 2 else [0.3, 0.7]))]
    y = np.exp(y / 5) if n_classes == -1 else y
    if name.startswith("xgb") and n_classes > 0:
        y = np.unique(y, return_inverse=True)[1]
    model = build().fit(X, y)
    metrics = ["accuracy"] if n_classes > 0 else ["neg_mean_squared_error"]
    if n_classes > 0 and hasattr(model, "predict_proba"):
        metrics = ["accuracy", "neg_log_loss", "roc_auc" if n_classes == 2 else "roc_auc_ovr"]
        metrics = metrics[:2] if name == "lgbm-ova" else metrics  # whose probabilities do not sum to 1
    found = fastexplain.permutation_importance(model, X, y, metrics=metrics, n_repeats=3)
    assert isinstance(found, dict)
    for metric in metrics:
        assert found[metric].method == method
        scorer = get_scorer(metric)
        assert found[metric].baseline_score == pytest.approx(scorer(model, X, y), rel=1e-4, abs=1e-5)
    if metrics[0] == "accuracy":
        assert found["accuracy"].baseline_score == get_scorer("accuracy")(model, X, y)
    function = model.predict_proba if len(metrics) > 1 else model.predict
    plain = fastexplain.permutation_importance(lambda Z: function(Z), X, y, metrics=metrics, n_repeats=3)
    assert isinstance(plain, dict)
    for metric in metrics:
        assert plain[metric].method == "black_box"
        np.testing.assert_allclose(found[metric].importances, plain[metric].importances, rtol=1e-3, atol=2e-5)


def test_a_model_that_differs_from_its_formula_is_a_black_box() -> None:
    class Clipped(Ridge):
        def predict(self, X: Any) -> Any:
            return np.clip(super().predict(X), -1, 1)

    X, y = _data()
    assert _run(Clipped().fit(X, y), X, y).method == "black_box"


# ----------------------------------------------------------------------------------------------------- against sklearn


@pytest.mark.parametrize("kind", [LinearRegression, GradientBoostingRegressor])
def test_agrees_with_sklearn_within_the_errors(kind: type) -> None:
    X, y = _data(n=400)
    model = kind().fit(X, y)
    ours = _run(model, X, y, metrics="r2", n_repeats=10)
    theirs = sklearn_importance(model, X, y, scoring="r2", n_repeats=30, random_state=0)
    spread = np.sqrt(theirs.importances_std**2 / 30 + ours.permutation_errors**2)
    assert (np.abs(ours.importances_mean - theirs.importances_mean) < 4.5 * spread + 1e-9).all()
    for key in ("importances", "importances_mean", "importances_std"):
        assert ours[key].shape[0] == theirs[key].shape[0] == 5


def test_stratified_permutations_vary_less() -> None:
    X, y = _data(n=200)
    model = GradientBoostingRegressor(n_estimators=20, random_state=0).fit(X, y)
    ours = np.array([_run(model, X, y, seed=s, metrics="neg_mean_squared_error").importances_mean for s in range(30)])
    score = make_scorer(mean_squared_error, greater_is_better=False)
    theirs = [sklearn_importance(model, X[:, :], y, scoring=score, random_state=s).importances_mean for s in range(30)]
    ratio = ours.var(axis=0, ddof=1) / np.var(theirs, axis=0, ddof=1)
    assert ratio[1] < 1e-20  # binary: exact
    assert ratio[0] < 0.8  # about 0.4; a ratio of two variances of 30 values each


# ---------------------------------------------------------------------------------------------------------- containers


def _same(a: fastexplain.PermutationImportanceResult, b: fastexplain.PermutationImportanceResult) -> None:
    np.testing.assert_allclose(a.importances, b.importances, rtol=1e-9, atol=1e-12)


def test_tables_reach_the_model_as_they_were() -> None:
    X, y = _data()
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
    plain = _run(lambda Z: Z[:, 0] * 2 + Z[:, 1] - Z[:, 0] * Z[:, 2], X, y)
    result = _run(predict, frame, y)
    _same(result, plain)
    assert result.feature_names == list("abcde")
    assert result.exact.tolist() == [False, True, True, False, False]
    _same(_run(predict_polars, table, y), plain)
    named = _run(predict, frame, pd.Series(y), groups={"pair": ["a", "c"]})
    assert named.feature_names == ["pair", "b", "d", "e"]


def test_trees_fitted_on_numeric_categories_are_seen_through() -> None:
    """scikit-learn reads a pandas category of numbers as numbers; so do we, in every repeat."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": pd.Categorical(rng.integers(0, 9, 200)), "b": rng.normal(size=200)})
    y = frame["a"].astype(float) * frame["b"]
    model = RandomForestRegressor(10, max_depth=4, random_state=0).fit(frame, y)
    found = _run(model, frame, y, metrics="r2")
    black_box = _run(lambda rows: model.predict(rows), frame, y, metrics="r2")
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

    _same(
        _run(predict, sparse, y, groups=groups, chunk_bytes=20_000),
        _run(lambda Z: np.tanh(Z @ np.arange(5)), dense, y, groups=groups),
    )
    linear = LinearRegression().fit(sparse, y)
    fast = _run(linear, sparse, y, groups=groups)
    assert fast.method == "linear"
    _same(fast, _run(linear.predict, dense, y, groups=groups))
    assert (fast.importances[-1] == 0).all() or groups is not None


# ------------------------------------------------------------------------------------------------------------- results


def test_positive_means_needed_for_errors_and_scores() -> None:
    X, y = _data()
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
    X, y = _data()
    w = np.linspace(0.1, 2, len(y))
    model = RandomForestRegressor(5, random_state=0).fit(X, y)
    for metric in ("mean_squared_error", "r2", "root_mean_squared_error"):
        result = _run(model, X, y, metrics=metric, sample_weight=w, row_contributions=True)
        assert result.contributions is not None
        np.testing.assert_allclose(result.contributions @ w / w.sum(), result.importances_mean, rtol=1e-8, atol=1e-10)


def test_constant_column_is_exactly_zero() -> None:
    X, y = _data()
    X[:, 3] = 7.0
    result = _run(lambda Z: Z[:, 0] + Z[:, 3] * np.random.default_rng(0).normal(), X, y)
    assert (result.importances[3] == 0).all()
    assert result.exact[3]
    assert (result.confidence_intervals[3] == 0).all()


def test_unchanged_rows_are_not_predicted_again() -> None:
    X, y = _data(n=200)
    asked: list[int] = []

    def predict(Z: Array) -> Array:
        asked.append(len(Z))
        return np.asarray(Z[:, 0])

    result = _run(predict, X[:, 1:2], y, metrics="r2")  # one binary column: each row meets the other value once
    assert sum(asked) == 2 * 200 + 8 == result.n_predicted  # the first eight are asked for twice


def test_subsample_has_its_own_baseline() -> None:
    X, y = _data()
    model = LinearRegression().fit(X, y)
    result = _run(model, X, y, max_samples=0.3, metrics="r2")
    assert len(result.rows) == 90
    assert result.baseline_score == pytest.approx(r2_score(y[result.rows], model.predict(X[result.rows])))


def test_conditional_importance_of_a_copy_is_small() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=800)
    X = np.column_stack([a, a + 0.05 * rng.normal(size=800), rng.normal(size=800)])
    y = X[:, 0] + X[:, 2]
    model = Ridge().fit(X, y)
    plain, conditional = _run(model, X, y), _run(model, X, y, conditional=True)
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
    truth = _run(model, X, y, metrics=metric, n_repeats=10).importances_mean
    hits = np.zeros(3)
    for seed in range(150):
        X, y = sample(200)
        low, high = _run(model, X, y, metrics=metric, seed=seed).confidence_intervals.T
        hits += (low <= truth) & (truth <= high)
    assert (hits[:2] / 150 >= 0.88).all()
    assert (hits[:2] / 150 <= 0.995).all()


def test_permutation_error_is_calibrated() -> None:
    X, y = _data(n=300)
    model = RandomForestRegressor(10, max_depth=5, random_state=0).fit(X, y)
    results = [_run(model, X, y, seed=s, metrics="mean_squared_error") for s in range(60)]
    actual = np.std([r.importances_mean[0] for r in results], ddof=1)
    stated = np.sqrt(np.mean([r.permutation_errors[0] ** 2 for r in results]))
    assert 0.7 < stated / actual < 1.8


# ------------------------------------------------------------------------------------------------------------- metrics


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
    X, y = _data()
    model = LinearRegression().fit(X, y)
    known = _run(model, X, y, metrics="mean_squared_error", n_repeats=10)
    for metric in (compiled, plain):
        result = _run(model, X, y, metrics=metric, greater_is_better=False, n_repeats=10)
        drawn = ~known.exact  # few values: one is exact and the other a mixture
        np.testing.assert_allclose(result.importances[drawn], known.importances[drawn], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(result.importances_mean, known.importances_mean, rtol=0.2, atol=1e-3)
        assert (result.sampling_errors[:3] / known.sampling_errors[:3] > 0.4).all()
        assert (result.sampling_errors[:3] / known.sampling_errors[:3] < 2).all()
    scorer = _run(model, X, y, metrics=make_scorer(plain, greater_is_better=False))
    assert scorer.baseline_score == pytest.approx(-known.baseline_score)
    with pytest.raises(ValueError, match=r"metric plain takes no sample_weight"):
        _run(model, X, y, metrics=plain, sample_weight=np.ones(len(y)))


SCORERS = {name: get_scorer(name) for name in get_scorer_names()}
OF_CLUSTERS = [name for name, scorer in SCORERS.items() if ".cluster." in scorer._score_func.__module__]
OF_TWO_CLASSES = {"f1", "jaccard", "precision", "recall", "roc_auc", "positive_likelihood_ratio"}
OF_TWO_CLASSES |= {"neg_negative_likelihood_ratio"}


@pytest.fixture(scope="module")
def scored_models() -> dict[str, tuple[Any, Array, Array]]:
    """A model that each kind of metric is made for, with rows that it does not fit perfectly."""
    X, y = _data(150)
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
        result = _run(model, X, y, metrics=name, n_repeats=2)
        assert result.metric == name
        assert result.greater_is_better or name == "max_error"  # a scorer until scikit-learn 1.5, and a function
        expected = abs(expected) if name == "max_error" else expected
        assert result.baseline_score == pytest.approx(expected, rel=1e-9, nan_ok="likelihood" in name)
        # of some predictions likelihood ratios are undefined, which scikit-learn tells by NaN until 1.6
        assert np.isfinite(result.importances).all() or "likelihood" in name


@pytest.mark.parametrize("name", ["accuracy", "f1_macro", "roc_auc", "average_precision", "neg_log_loss"])
def test_metrics_of_classes_take_several_labels_per_row(name: str, scored_models: Any) -> None:
    model, X, y = scored_models["several"]
    result = _run(model, X, y, metrics=name, n_repeats=2)
    expected = sklearn_importance(model, X, y, scoring=name, n_repeats=30, random_state=0)
    assert result.baseline_score == pytest.approx(SCORERS[name](model, X, y), rel=1e-9)
    gap = np.abs(result.importances_mean - expected.importances_mean)
    assert (gap < 5 * np.hypot(result.standard_errors, expected.importances_std) + 1e-12).all()


@pytest.mark.parametrize("metric", [*OF_CLUSTERS[:2], get_scorer("rand_score")])
def test_scorers_of_clusters_are_refused(metric: Any, scored_models: Any) -> None:
    with pytest.raises(ValueError, match=r"compares clusters.*choose a metric of classes"):
        _run(*scored_models["two"], metrics=metric)


def test_a_scorer_may_choose_the_positive_class(scored_models: Any) -> None:
    model, X, y = scored_models["two"]
    scorer = make_scorer(brier_score_loss, greater_is_better=False, response_method="predict_proba", pos_label=False)
    assert _run(model, X, y, metrics=scorer).baseline_score == pytest.approx(scorer(model, X, y))


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

    found = _run(model, table, y, metrics=scorer, sample_weight=weights)
    expected = _run(model, table, y, metrics=as_metric, sample_weight=weights, greater_is_better=True)
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
    _same(again["accuracy"], expected["accuracy"])


def test_scorers_say_what_they_need(scored_models: Any) -> None:
    model, X, y = scored_models["two"]

    def scorer(model: Any, X: Array, y: Array) -> float:
        return float(model.score(X, y))

    assert _run(model, X, y, metrics=scorer).baseline_score == model.score(X, y)
    for message, call in {
        "needs a model with predict; got a function of rows": lambda: _run(lambda Z: Z[:, 0], X, y, metrics=scorer),
        "takes no sample_weight": lambda: _run(model, X, y, metrics=scorer, sample_weight=np.ones(len(y))),
        "of which more is better": lambda: _run(model, X, y, metrics=scorer, greater_is_better=False),
        "same metric twice": lambda: _run(model, X, y, metrics=[scorer, scorer]),
        "no labels, such as": lambda: _run(lambda Z: Z[:, :2], X, X[:, 0], metrics="roc_auc"),
    }.items():
        with pytest.raises(ValueError, match=message):
            call()


def test_callable_metric_gets_labels_as_they_are() -> None:
    X, y = _data()
    labels = np.where(y > 0, "yes", "no")
    model = LogisticRegression().fit(X, labels)

    def share(truth: Array, predicted: Array) -> float:
        assert set(predicted) <= {"yes", "no"}
        return float(np.mean(truth == predicted))

    result = _run(model, X, labels, metrics=share, greater_is_better=True)
    known = _run(model, X, labels)
    assert known.metric == "accuracy"
    np.testing.assert_allclose(result.importances[[0, 3, 4]], known.importances[[0, 3, 4]], atol=1e-12)


# -------------------------------------------------------------------------------------------------------------- errors


def test_bad_predictions_are_named() -> None:
    X, y = _data()
    calls: list[int] = []

    def changing(Z: Array) -> Array:
        calls.append(1)
        return Z[:, :1] if len(calls) == 1 else Z[:, :2]

    def failing(Z: Array) -> Array:
        calls.append(1)
        if len(calls) > 3:
            raise KeyError("lost")
        return np.asarray(Z[:, 0])

    with pytest.raises(ValueError, match=r"<lambda> returned shape \(3,\) for 300 rows"):
        _run(lambda Z: np.zeros(3), X, y)
    with pytest.raises(ValueError, match=r"<lambda> returned nan in row 0, output 0"):
        _run(lambda Z: np.full(len(Z), np.nan), X, y)
    with pytest.raises(ValueError, match=r"changing returned 2 columns for \d+ rows after 1 columns"):
        _run(changing, X, y)
    calls.clear()
    with pytest.raises(
        fastexplain.PredictionError, match=r"failing raised KeyError on rows of shape \(\d+, 5\) \(numpy ndarray\)"
    ) as caught:
        _run(failing, X, y, chunk_bytes=4000)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ValueError, match=r"<lambda> returned a .* that does not hold numbers"):
        _run(lambda Z: np.array(["a"] * len(Z)), X, y)


def test_bad_arguments_are_named() -> None:
    X, y = _data()
    model = LinearRegression().fit(X, y)
    for message, options in {
        r"n_repeats must be a positive whole number; got 0": {"n_repeats": 0},
        r"Metric 'mse' is unknown\. Known: accuracy": {"metrics": "mse"},
        r"groups: no column is named 'z'": {"groups": {"g": ["z"]}},
        r"groups: column 9 does not exist; X has 5 columns": {"groups": [[9]]},
        r"column 'x1' is in 'x0, x1' and in 'x1, x2'": {"groups": [[0, 1], [1, 2]]},
        r"group 'g' has no columns": {"groups": {"g": []}},
        r"sample_weight has shape \(3,\); expected \(300,\)": {"sample_weight": [1, 2, 3]},
        r"sample_weight must be finite": {"sample_weight": -np.ones(300)},
        r"needs predict_proba, and LinearRegression has only predict": {"metrics": "neg_log_loss"},
        r"max_samples=1 leaves 1 of 300 rows": {"max_samples": 1},
        r"max_samples=301 is more than the 300 rows": {"max_samples": 301},
        r"seed must be a whole number": {"seed": -1},
        r"confidence_level must lie between 0 and 1": {"confidence_level": 95},
    }.items():
        with pytest.raises(ValueError, match=message):
            _run(model, X, y, **options)
    with pytest.raises(ValueError, match=r"y has shape \(299,\); X has 300 rows"):
        _run(model, X, y[1:])
    with pytest.raises(ValueError, match=r"y is missing in 1 places, first in row 2"):
        _run(model, X, np.where(np.arange(300) == 2, np.nan, y))
    with pytest.raises(TypeError, match=r"model must be a fitted model with predict, or a function"):
        _run(3, X, y)
    with pytest.raises(ValueError, match=r"X has shape \(300,\)"):
        _run(model, X[:, 0], y)
    classifier = LogisticRegression().fit(X, np.digitize(y, [-1, 1]))
    with pytest.raises(ValueError, match=r"defined for two classes; y and the model have 3.*_macro"):
        _run(classifier, X, np.digitize(y, [-1, 1]), metrics="f1")
    with pytest.raises(ValueError, match="Use 'roc_auc_ovr'"):
        _run(classifier, X, np.digitize(y, [-1, 1]), metrics="roc_auc")


def test_some_columns_have_the_importances_of_a_full_call() -> None:
    rng = np.random.Generator(np.random.Philox(4))
    X = rng.normal(size=(200, 4))
    y = X @ [1.0, 2.0, 0.0, -1.0]

    def predict(rows: Any) -> Any:
        return rows @ [1.0, 2.0, 0.0, -1.0]

    full = fastexplain.permutation_importance(predict, X, y, metrics="r2")
    part = fastexplain.permutation_importance(predict, X, y, metrics="r2", columns=[3, "x1"])
    assert part.feature_names == ["x3", "x1"]
    assert np.array_equal(part.importances, full.importances[[3, 1]])
    assert np.array_equal(part.standard_errors, full.standard_errors[[3, 1]])


def test_columns_named_twice_or_beside_groups_are_refused() -> None:
    X = np.eye(5)
    with pytest.raises(ValueError, match="none twice"):
        fastexplain.permutation_importance(lambda rows: rows[:, 0], X, X[:, 0], columns=[1, 1])
    with pytest.raises(ValueError, match="columns: column 7 does not exist"):
        fastexplain.permutation_importance(lambda rows: rows[:, 0], X, X[:, 0], columns=[7])
    with pytest.raises(ValueError, match="groups or columns, not both"):
        fastexplain.permutation_importance(lambda rows: rows[:, 0], X, X[:, 0], columns=[1], groups=[[0, 1]])


def test_a_narrow_table_is_predicted_in_steps() -> None:
    """One call would let the bar jump from 0 to 100%; the steps are by number of rows, which changes no bits."""
    rows = np.random.default_rng(0).normal(size=(4000, 8))
    sizes: list[int] = []

    def predict(batch: Any) -> Any:
        sizes.append(len(batch))
        return batch[:, 0] * batch[:, 1]

    y = rows[:, 0] * rows[:, 1]
    result = fastexplain.permutation_importance(predict, rows, y, metrics="r2")
    assert len(sizes) > 16
    assert max(sizes) == 4000 * 8 * result.importances.shape[1] // 16
