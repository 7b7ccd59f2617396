"""`kernel_shap` against enumeration, in every form of rows, for any chunk size, backend and threads; bad input."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import threadpoolctl
from conftest import run_python
from hypothesis import given
from hypothesis import strategies as st
from naive_games import naive_kernel_shap
from numpy.typing import NDArray

import fastexplain
from fastexplain import Background, PredictionError, kernel_shap
from fastexplain._threads import one_blas_thread
from fastexplain.engine.kernel import sampling
from fastexplain.engine.kernel.odd_gp import odd_gp

RNG = np.random.default_rng(0)
X6 = RNG.normal(size=(30, 6))
X20 = RNG.normal(size=(60, 20))


def two_outputs(rows: NDArray[Any]) -> NDArray[np.float64]:
    rows = np.asarray(rows, dtype=np.float64)
    return np.stack([rows[:, 0] * rows[:, 1] + rows[:, 2], np.tanh(rows[:, 3] - rows[:, 1] * rows[:, 4])], axis=1)


def smooth(rows: NDArray[Any]) -> NDArray[np.float64]:
    rows = np.asarray(rows, dtype=np.float64)
    return np.tanh(rows @ np.linspace(-0.4, 0.4, rows.shape[1])) + 0.3 * rows[:, 0] * rows[:, 1] * rows[:, 2]


def probability(rows: NDArray[Any]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-two_outputs(rows)))


# ------------------------------------------------------------------------------------------------------------ exact


@pytest.mark.parametrize("backend", ["native", "numba"])
def test_small_games_equal_enumeration(backend: str) -> None:
    result = kernel_shap(two_outputs, X6[:3], X6[10:17], backend=backend)
    np.testing.assert_allclose(result.values, naive_kernel_shap(two_outputs, X6[:3], X6[10:17]), atol=1e-12)
    np.testing.assert_allclose(result.base_values, two_outputs(X6[10:17]).mean(axis=0))
    assert result.method == "exact"
    assert (result.standard_errors == 0).all()
    assert result.converged.all()
    assert result.n_evaluations.tolist() == [2**6 - 2] * 3


@given(
    n_features=st.integers(1, 6),
    n_levels=st.integers(1, 4),
    n_background=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    data=st.data(),
)
def test_any_table_of_few_levels_equals_enumeration(
    n_features: int, n_levels: int, n_background: int, seed: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    X, background = (rng.integers(0, n_levels, (n, n_features)).astype(float) for n in (2, n_background))
    weights = rng.random(n_background) + 0.01
    order = rng.permutation(n_features)
    cuts = sorted(data.draw(st.sets(st.integers(1, n_features - 1)))) if n_features > 1 else []
    groups = [part.tolist() for part in np.split(order, cuts)]
    table = rng.normal(size=(n_levels**n_features, 2))

    def predict(rows: NDArray[Any]) -> NDArray[np.float64]:
        return table[rows.astype(int) @ n_levels ** np.arange(n_features)]

    expected = naive_kernel_shap(predict, X, background, weights, groups)
    for backend in ("native", "numba"):
        result = kernel_shap(predict, X, background, weights=weights, groups=groups, backend=backend)
        np.testing.assert_allclose(result.values, expected, atol=1e-11)


def test_a_link_applies_to_the_mean() -> None:
    def logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log(p / (1 - p))

    X = np.round(X6)  # values shared with the background: masked rows repeat
    expected = naive_kernel_shap(probability, X[:2], X[8:14], link=logit)
    result = kernel_shap(probability, X[:2], X[8:14], link="logit")
    np.testing.assert_allclose(result.values, expected, atol=1e-11)
    np.testing.assert_allclose(result.base_values, logit(probability(X[8:14]).mean(axis=0)))


def test_features_equal_to_the_background_get_exactly_zero() -> None:
    background, X = X20[:10].copy(), X20[20:23].copy()
    X[:, 4:] = background[:, 4:] = 1.5
    for method in ("auto", "wls", "permutation"):
        result = kernel_shap(smooth, X, background, method=method, n_samples="auto" if method == "auto" else 12)
        assert (result.values[:, 4:] == 0).all()
        assert (result.values[:, :4] != 0).all()


def test_background_rows_that_differ_in_little_are_enumerated() -> None:
    X = np.zeros((1, 20))
    background = np.zeros((12, 20))
    for b in range(12):
        background[b, RNG.choice(20, 5, replace=False)] = 1.0
    result = kernel_shap(smooth, X, background)
    assert result.method == "exact"  # though up to 20 features differ from some background row
    assert result.n_evaluations[0] < 100
    sampled = kernel_shap(smooth, X, background, method="odd_gp", tol=0)
    np.testing.assert_allclose(result.values, sampled.values, atol=5e-3)


def test_sampling_only_where_enumeration_is_too_dear() -> None:
    background = np.vstack([np.where(np.arange(18) < 3, X20[:6, :18], 0.0), X20[10:14, :18]])
    X = np.zeros((2, 18))
    calls = Counting(smooth)
    mixed = kernel_shap(calls, X, background, tol=0)
    exact = kernel_shap(smooth, X, background, method="exact")
    assert (mixed.method, exact.method) == ("odd_gp", "exact")
    np.testing.assert_allclose(mixed.values, exact.values, atol=2e-3)
    assert 0 < mixed.standard_errors.max() < 1e-2
    np.testing.assert_allclose(mixed.values.sum(axis=1) + mixed.base_values, smooth(X)[:, None], atol=1e-9)


def test_one_row_and_one_feature() -> None:
    result = kernel_shap(lambda rows: rows[:, 0] ** 2, np.array([[3.0]]), np.array([[1.0], [2.0]]))
    assert result.values.tolist() == [[[9.0 - 2.5]]]


def test_row_equal_to_the_only_background_row_gets_zeros() -> None:
    for method in ("auto", "wls", "exact"):
        result = kernel_shap(two_outputs, X6[:1], X6[:1], method=method)
        assert (result.values == 0).all()
        assert result.converged.all()


def test_no_rows() -> None:
    result = kernel_shap(two_outputs, X6[:0], X6)
    assert result.values.shape == (0, 6, 2)
    assert result.base_values.shape == (2,)


def test_rows_of_zero_weight_do_not_count() -> None:
    weights = np.array([1.0, 2.0, 0.0, 0.0])
    with_zeros = kernel_shap(two_outputs, X6[:2], X6[10:14], weights=weights)
    without = kernel_shap(two_outputs, X6[:2], X6[10:12], weights=weights[:2])
    np.testing.assert_allclose(with_zeros.values, without.values, atol=1e-13)


# ---------------------------------------------------------------------------------------------------------- sampled


class Counting:
    """A function that counts the rows it is asked for."""

    def __init__(self, function: Callable[[Any], NDArray[np.float64]]) -> None:
        self.function, self.rows, self.calls, self.widest = function, 0, 0, 0

    def __call__(self, rows: Any) -> NDArray[np.float64]:
        self.rows += rows.shape[0]
        self.calls += 1
        self.widest = max(self.widest, rows.shape[0])
        return self.function(rows)


@pytest.mark.parametrize("method", ["odd_gp", "wls", "permutation"])
def test_sampled_values_lie_within_their_errors(method: str) -> None:
    exact = kernel_shap(smooth, X20[:4, :16], X20[20:24, :16], method="exact")
    result = kernel_shap(smooth, X20[:4, :16], X20[20:24, :16], method=method, n_samples=400, tol=0)
    z = (result.values - exact.values) / result.standard_errors
    assert np.abs(z).max() < 6
    assert (np.abs(z) < 1.96).mean() > 0.85
    assert result.method == method
    np.testing.assert_allclose(result.values.sum(axis=1) + result.base_values, smooth(X20[:4, :16])[:, None], atol=1e-8)


@pytest.mark.parametrize("method", ["auto", "odd_gp", "wls", "permutation"])
def test_no_more_than_the_budget_is_asked_for(method: str) -> None:
    calls = Counting(smooth)
    result = kernel_shap(calls, X20[:2], X20[20:30], method=method, n_samples=333, tol=0)
    assert result.n_evaluations.max() <= 333
    assert result.n_evaluations.min() > 280
    asked_again = 8  # of the background, to see that the answers are the same
    assert calls.rows == 10 + asked_again + 2 + 10 * result.n_evaluations.sum()


def test_rows_stop_when_they_are_sure_enough() -> None:
    X = X20[:6].copy()
    X[0, 3:] = X20[20, 3:]  # few features differ from the background: soon done
    loose, tight = (kernel_shap(smooth, X, X20[20:21], tol=tol, method="odd_gp") for tol in (0.05, 0.002))
    assert (loose.n_evaluations <= tight.n_evaluations).all()
    assert loose.n_evaluations.sum() < tight.n_evaluations.sum()
    spread = np.ptp(loose.values, axis=1)
    assert (loose.standard_errors.max(axis=1) <= 0.05 * spread)[loose.converged].all()
    assert len(set(loose.n_evaluations.tolist())) > 1


@pytest.mark.parametrize("method", ["auto", "wls", "permutation"])
def test_chunks_threads_and_backends_change_nothing(method: str) -> None:
    X = np.round(X20, 0)
    results = [
        kernel_shap(
            two_outputs, X[:3], X[20:29], method=method, n_samples=200, backend=backend, n_threads=t, chunk_bytes=size
        )
        for backend in ("native", "numba")
        for t in (1, 3)
        for size in (1, 10_000, 2**26)
    ]
    for other in results[1:]:
        for name in ("values", "standard_errors", "n_evaluations"):
            np.testing.assert_allclose(getattr(other, name), getattr(results[0], name), rtol=1e-9, atol=1e-12)


def test_the_seed_decides() -> None:
    first, same, other = (kernel_shap(smooth, X20[:1], X20[20:25], seed=s, n_samples=60).values for s in (1, 1, 2))
    assert (first == same).all()
    assert (first != other).any()


def test_the_global_random_state_is_left_alone() -> None:
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    kernel_shap(smooth, X20[:1], X20[20:25], n_samples=60)
    fastexplain.summarize_background(X20, 3)
    assert np.random.random() == expected  # noqa: NPY002


def test_equal_masked_rows_are_asked_for_once() -> None:
    calls = Counting(smooth)
    X = (X20 > 0.8).astype(float)
    kernel_shap(calls, X[:1], X[20:50], method="odd_gp", n_samples=1000, tol=0)
    assert calls.rows < 0.8 * 1000 * 30


def test_chunks_bound_the_rows_of_a_call() -> None:
    calls = Counting(smooth)
    kernel_shap(calls, X20[:3], X20[20:30], n_samples=200, tol=0, chunk_bytes=100 * 20 * 8 * 2)
    assert calls.widest <= 100


def test_several_rows_share_a_call() -> None:
    calls = Counting(smooth)
    kernel_shap(calls, X20[:40], X20[40:45], n_samples=60, tol=0)
    assert calls.calls <= 5


def test_l1_reg_zeroes_the_rest() -> None:
    result = kernel_shap(smooth, X20[:2], X20[20:30], l1_reg="num_features(3)", n_samples=500, tol=0)
    assert ((result.values != 0).sum(axis=1) == 3).all()
    assert result.method == "wls"


def test_calls_from_several_threads_do_not_mix() -> None:
    expected = [kernel_shap(smooth, X20[i : i + 1], X20[20:30], n_samples=200).values for i in range(4)]
    found: list[Any] = [None] * 4

    def work(i: int) -> None:
        found[i] = kernel_shap(smooth, X20[i : i + 1], X20[20:30], n_samples=200).values

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(np.array(found), np.array(expected))


# ------------------------------------------------------------------------------------------------- forms of the rows


def mixed_frame(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "whole": rng.integers(0, 4, n),
            "flag": rng.random(n) < 0.5,
            "city": pd.Categorical(rng.choice(["a", "b", "c"], n), categories=["c", "a", "b"]),
            "text": rng.choice(["x", "y"], n),
            "nullable": pd.array(rng.integers(0, 3, n), dtype="Int64"),
        }
    )


def encoded(frame: Any) -> NDArray[np.float64]:
    """The same numbers of a pandas or polars frame, whatever its types."""
    plain = ("number", "whole", "flag", "nullable")
    columns = [np.asarray(frame[name].to_numpy(), dtype=np.float64) for name in plain]
    columns.append(np.array([{"a": 0.0, "b": 1.0, "c": 3.0}[v] for v in frame["city"].to_list()]))
    columns.append(np.array([{"x": 0.0, "y": 1.0}[v] for v in frame["text"].to_list()]))
    return np.stack(columns, axis=1)


def mixed_predict(frame: Any) -> NDArray[np.float64]:
    a = encoded(frame)
    return a[:, 0] * (1 + a[:, 2]) + a[:, 1] * a[:, 4] - 2 * a[:, 5] * a[:, 3]


def expected_mixed(X: pd.DataFrame, background: pd.DataFrame) -> NDArray[np.float64]:
    def predict(a: NDArray[Any]) -> NDArray[np.float64]:
        return a[:, 0] * (1 + a[:, 2]) + a[:, 1] * a[:, 4] - 2 * a[:, 5] * a[:, 3]

    values = naive_kernel_shap(predict, encoded(X), encoded(background))
    return values[:, [0, 1, 2, 4, 5, 3]]  # back to the frame's order


def test_pandas_frames_keep_their_types() -> None:
    X, background = mixed_frame(3, 0), mixed_frame(8, 1)
    seen = []

    def predict(frame: pd.DataFrame) -> NDArray[np.float64]:
        seen.append(frame)
        return mixed_predict(frame)

    result = kernel_shap(predict, X, background)
    np.testing.assert_allclose(result.values, expected_mixed(X, background), atol=1e-11)
    for frame in seen:
        assert list(frame.columns) == list(X.columns)
        assert frame.dtypes.tolist() == X.dtypes.tolist()


def test_polars_frames_keep_their_types() -> None:
    X, background = mixed_frame(3, 0), mixed_frame(8, 1)
    city = pl.Enum(["c", "a", "b"])
    polars = [pl.from_pandas(f).with_columns(pl.col("city").cast(pl.String).cast(city)) for f in (X, background)]
    schemas = []

    def predict(frame: pl.DataFrame) -> NDArray[np.float64]:
        schemas.append(frame.schema)
        return mixed_predict(frame)

    result = kernel_shap(predict, *polars)
    np.testing.assert_allclose(result.values, expected_mixed(X, background), atol=1e-11)
    assert all(schema == polars[1].schema for schema in schemas)


def test_uniform_frames_and_arrays_give_the_same() -> None:
    names = list("abcdef")
    expected = kernel_shap(two_outputs, X6[:2], X6[10:15]).values
    frames = pd.DataFrame(X6[:2], columns=names), pd.DataFrame(X6[10:15], columns=names)
    for X, background in (frames, (X6[:2], frames[1]), (frames[0], X6[10:15])):
        seen: list[Any] = []
        result = kernel_shap(lambda f, s=seen: (s.append(f), two_outputs(f))[1], X, background)
        np.testing.assert_array_equal(result.values, expected)
        assert all(list(f.columns) == names for f in seen)


def test_missing_values_equal_each_other() -> None:
    X, background = X6[:2].copy(), X6[10:15].copy()
    X[:, 0] = background[:, 0] = np.nan
    result = kernel_shap(lambda rows: np.nan_to_num(rows) @ np.arange(1.0, 7), X, background)
    assert (result.values[:, 0] == 0).all()


@pytest.mark.parametrize("make", [scipy.sparse.csr_matrix, scipy.sparse.csr_array, scipy.sparse.csc_matrix])
def test_sparse_rows_stay_sparse(make: Any) -> None:
    dense = np.where(RNG.random((20, 40)) < 0.12, RNG.normal(size=(20, 40)), 0.0)
    weights = RNG.normal(size=40)
    kinds = set()

    def predict(rows: Any) -> NDArray[np.float64]:
        kinds.add(type(rows))
        assert rows.has_canonical_format
        return np.asarray(rows @ weights).ravel() ** 2

    X, background = make(dense[:2]), make(dense[10:13])
    result = kernel_shap(predict, X, background, tol=0)
    other = kernel_shap(lambda rows: (rows @ weights) ** 2, dense[:2], dense[10:13], tol=0)
    np.testing.assert_allclose(result.values, other.values, atol=1e-9)
    assert all(scipy.sparse.issparse(kind((1, 1))) for kind in kinds)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int16, np.uint8, bool])
def test_arrays_keep_their_type(dtype: Any) -> None:
    X = RNG.integers(0, 2, (12, 5)).astype(dtype)
    types = set()

    def predict(rows: NDArray[Any]) -> NDArray[np.float64]:
        types.add(rows.dtype)
        return rows.astype(np.float64) @ np.arange(1.0, 6)

    result = kernel_shap(predict, X[:2], X[4:9])
    assert types == {np.dtype(dtype)}
    expected = naive_kernel_shap(predict, X[:2], X[4:9])
    np.testing.assert_allclose(result.values, expected, atol=1e-12)


def test_arrays_of_strings() -> None:
    X = np.array([["a", "b"], ["c", "d"], ["a", "d"]], dtype=object)

    def predict(rows: NDArray[Any]) -> NDArray[np.float64]:
        return np.array([(row[0] == "a") + 2.0 * (row[1] == "b") for row in rows])

    assert kernel_shap(predict, X[:1], X[1:2]).values.ravel().tolist() == [1.0, 2.0]


def test_groups_by_name() -> None:
    frame = pd.DataFrame(X6, columns=list("abcdef"))
    result = kernel_shap(
        two_outputs, frame[:2], frame[10:15], groups={"first": ["a", "b"], "rest": ["f", "c", "d", "e"]}
    )
    expected = naive_kernel_shap(two_outputs, X6[:2], X6[10:15], groups=[[0, 1], [5, 2, 3, 4]])
    np.testing.assert_allclose(result.values, expected, atol=1e-12)


# ------------------------------------------------------------------------------------------------------------ models


def test_classifiers_are_explained_by_their_probabilities() -> None:
    from sklearn.ensemble import RandomForestClassifier

    y = (X6[:, 0] > 0).astype(int) + (X6[:, 1] > 0.5)
    model = RandomForestClassifier(5, random_state=0).fit(X6, y)
    result = kernel_shap(model, X6[:2], X6[10:15])
    np.testing.assert_allclose(result.values.sum(axis=1) + result.base_values, model.predict_proba(X6[:2]), atol=1e-12)
    regressor = kernel_shap(model.predict, X6[:2], X6[10:15])  # a bound method is taken as it is
    np.testing.assert_allclose(regressor.values.sum(axis=1)[:, 0] + regressor.base_values, model.predict(X6[:2]))


def test_models_fitted_on_names_see_names() -> None:
    from sklearn.neighbors import KNeighborsRegressor

    frame = pd.DataFrame(X6, columns=list("abcdef"))
    model = KNeighborsRegressor().fit(frame, X6[:, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = kernel_shap(model, frame[:2], frame[10:15])
    np.testing.assert_allclose(result.values.sum(axis=1)[:, 0] + result.base_values, model.predict(frame[:2]))


def test_background_summary_carries_its_weights() -> None:
    summary = fastexplain.summarize_background(X6, 4)
    assert isinstance(summary, Background)
    result = kernel_shap(two_outputs, X6[:2], summary)
    expected = naive_kernel_shap(two_outputs, X6[:2], summary.data, summary.weights)
    np.testing.assert_allclose(result.values, expected, atol=1e-12)


# --------------------------------------------------------------------------------------------------------- bad input


def raising(rows: Any) -> Any:
    if len(rows) > 20:
        raise KeyError("lost")
    return rows[:, 0]


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda rows: rows[:-1, 0], r"returned shape \(\d+,\) for \d+ rows; expected"),
        (lambda rows: 1.0, r"returned shape \(\)"),
        (lambda rows: np.full(len(rows), np.nan), r"returned nan in row 0, output 0.*must be finite"),
        (lambda rows: np.ones((len(rows), 2, 2)), r"returned shape \(\d+, 2, 2\)"),
        (lambda rows: np.ones((len(rows), 1 + (len(rows) > 20))), r"returned 2 columns.* after 1 columns"),
        (lambda rows: ["yes"] * len(rows), r"does not hold numbers.*predict_proba"),
        (raising, r"raising raised KeyError on rows of shape \(\d+, 6\) \(numpy ndarray\): 'lost'"),
    ],
)
def test_what_predict_does_wrong_is_named(predict: Any, message: str) -> None:
    before = threading.active_count()
    with pytest.raises(PredictionError, match=message):
        kernel_shap(predict, X6[:2], X6[10:17], chunk_bytes=4000)
    assert threading.active_count() == before


def test_the_original_exception_is_the_cause() -> None:
    with pytest.raises(PredictionError) as caught:
        kernel_shap(raising, X6[:2], X6[10:17])
    assert isinstance(caught.value.__cause__, KeyError)


def test_keyboard_interrupt_passes() -> None:
    def interrupted(rows: Any) -> Any:
        if len(rows) > 20:
            raise KeyboardInterrupt
        return rows[:, 0]

    with pytest.raises(KeyboardInterrupt):
        kernel_shap(interrupted, X6[:2], X6[10:17])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"X": X6[0]}, r"X has shape \(6,\); expected \(n_rows, n_features\).*reshape"),
        ({"X": X6[:, :5]}, "X has 5 columns and background has 6"),
        ({"background": X6[:0]}, "background has no rows"),
        ({"weights": [1.0]}, r"weights has shape \(1,\); background has 5 rows"),
        ({"weights": [0.0] * 5}, "all zero"),
        ({"weights": [1, 1, 1, 1, -1.0]}, "holds -1.0 at position 4"),
        ({"link": "probit"}, "link must be 'identity' or 'logit'; got 'probit'"),
        ({"link": "logit"}, r"needs probabilities, but the prediction .* is outside \[0, 1\]"),
        ({"n_samples": 1}, "n_samples must be 'auto' or a whole number of at least 2; got 1"),
        ({"n_samples": "many"}, "n_samples must be 'auto' or a whole number"),
        ({"tol": -1.0}, "tol must be a number of at least 0; got -1.0"),
        ({"seed": "a"}, "seed must be a whole number"),
        ({"seed": 2**70}, r"seed must be a whole number from 0 to 2\*\*64 - 1"),
        ({"groups": 5}, "groups must be a list of lists of columns"),
        ({"weights": ["a"] * 5}, "weights must be 5 numbers"),
        ({"method": "lime"}, "method must be one of auto, exact"),
        ({"l1_reg": "lasso"}, "l1_reg must be"),
        ({"l1_reg": "aic", "method": "permutation"}, "cannot be combined"),
        ({"chunk_bytes": 0}, "chunk_bytes must be a positive"),
        ({"groups": [[0, 1], [1, 2, 3, 4, 5]]}, "Column 1 is in groups 0 and 1"),
        ({"groups": [[0, 1]]}, "4 are in none, the first is column 2"),
        ({"groups": [[0, 1, 2, 3, 4, 6], [5]]}, r"names column 6; expected column names, or positions in 0\.\.5"),
        ({"groups": ["ab"]}, "holds 'ab' at position 0"),
        ({"backend": "gpu"}, "backend must be one of"),
        ({"n_threads": 0}, "n_threads must be a positive"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    call: dict[str, Any] = {"X": X6[:2], "background": X6[10:15], **arguments}
    with pytest.raises(ValueError, match=message):
        kernel_shap(two_outputs, call.pop("X"), call.pop("background"), **call)


def test_a_budget_below_two_per_feature_is_refused() -> None:
    with pytest.raises(ValueError, match=r"n_samples=30 is too small for row 0, in which 20 .* at least 40"):
        kernel_shap(smooth, X20[:2], X20[20:30], n_samples=30)
    least = kernel_shap(smooth, X20[:2], X20[20:30], n_samples=40, tol=0)
    exact = kernel_shap(smooth, X20[:2], X20[20:30], tol=1e-4)
    assert (np.abs(least.values - exact.values) <= 3 * least.standard_errors).mean() > 0.9  # wide, and honest
    assert not least.converged.any()


def test_too_many_players_to_enumerate_are_refused() -> None:
    wide = RNG.normal(size=(4, 25))
    with pytest.raises(ValueError, match=r"would enumerate 2\^25 coalitions"):
        kernel_shap(smooth, wide[:1], wide[1:], method="exact")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3, "int has neither predict nor predict_proba"),
        (np.float64, "float64 is a class; pass a fitted model"),
    ],
)
def test_what_cannot_predict_is_refused(model: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        kernel_shap(model, X6[:2], X6[10:15])


def without_probabilities() -> dict[str, Any]:
    from sklearn.ensemble import IsolationForest
    from sklearn.linear_model import Perceptron, RidgeClassifier
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC, LinearSVC

    y = np.where(X6[:, 0] > 0, 11, 10)
    models = {
        "LinearSVC": LinearSVC(),
        "a pipeline": make_pipeline(StandardScaler(), SVC()),
        "a pipeline of a perceptron": make_pipeline(StandardScaler(), Perceptron()),
        "a search": GridSearchCV(RidgeClassifier(), {"alpha": [0.1, 1.0]}),
        "an outlier detector": IsolationForest(n_estimators=5, random_state=0),
    }
    return {name: model.fit(X6, y) for name, model in models.items()}


@pytest.mark.parametrize("name", without_probabilities())
def test_a_model_without_probabilities_is_explained_by_its_margin(name: str) -> None:
    model = without_probabilities()[name]
    found = kernel_shap(model, X6[:2], X6[10:15])
    expected = kernel_shap(model.decision_function, X6[:2], X6[10:15])
    assert found.method == f"{expected.method} of decision_function"
    np.testing.assert_array_equal(found.values, expected.values)
    explainer = fastexplain.KernelExplainer(model, X6[10:15])
    explained = np.asarray(explainer.explain_local(X6[:2]).local_importance_values)
    np.testing.assert_allclose(explained.reshape(-1, 2, 6)[-1], found.values[:, :, 0], atol=1e-12)
    assert "decision_function" in explainer.method


def test_labels_alone_are_refused() -> None:
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LogisticRegression
    from sklearn.multioutput import ClassifierChain

    for model in (KMeans(2, n_init=1).fit(X6), ClassifierChain(LogisticRegression())):
        if not hasattr(model, "predict_proba"):
            with pytest.raises(TypeError, match="numbers have no scale"):
                kernel_shap(model, X6[:2], X6[10:15])


def test_a_function_that_answers_differently_each_time_is_told() -> None:
    chance = np.random.default_rng(0)

    def dropout(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return (rows * (chance.random(rows.shape) < 0.9)).sum(axis=1)

    with pytest.raises(
        PredictionError, match=r"dropout answers differently when it is asked again: -?\d.*, then -?\d.* for .*seed"
    ):
        kernel_shap(dropout, X6[:2], X6[10:15])

    def rounded(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return rows.sum(axis=1) * (1 + 1e-6 * chance.standard_normal(len(rows)))

    assert kernel_shap(rounded, X6[:2], X6[10:15]).converged.all()


def test_tables_with_other_columns_are_refused() -> None:
    first = pd.DataFrame(X6[:2], columns=list("abcdef"))
    second = pd.DataFrame(X6[10:], columns=list("abcdfe"))
    with pytest.raises(ValueError, match="Column 4 is 'e' in X and 'f' in background"):
        kernel_shap(two_outputs, first, second)
    with pytest.raises(TypeError, match="tables of different kinds"):
        kernel_shap(two_outputs, first, pl.DataFrame(X6[10:], schema=list("abcdef")))


def test_constant_models_get_zeros() -> None:
    for rows in (X6, X20):
        result = kernel_shap(lambda r: np.full(len(r), 7.0), rows[:2], rows[20:25])
        assert np.abs(result.values).max() < 1e-12
        assert result.converged.all()
        assert result.base_values == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("model", "rows", "options"),
    [
        ("LinearRegression().fit(X, X @ w)", 1000, ""),
        ("lambda rows: rows[:, 0] * rows[:, 1] + rows @ w", 1, "n_samples=2000, tol=0"),
    ],
    ids=["closed form", "black box"],
)
def test_a_thousand_features_and_background_rows_stay_below_a_gigabyte(model: str, rows: int, options: str) -> None:
    code = f"""
import numpy as np
from conftest import peak_bytes
from sklearn.linear_model import LinearRegression
from fastexplain import kernel_shap
rng = np.random.default_rng(0)
X, w = rng.normal(size=(1000, 1000)), rng.normal(size=1000)
result = kernel_shap({model}, X[:{rows}], rng.normal(size=(1000, 1000)), {options})
print(result.values.shape, peak_bytes() < 2**30)
"""
    assert run_python(code).strip() == f"({rows}, 1000, 1) True"


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"}


def test_small_systems_are_solved_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spied(*arguments: Any, **options: Any) -> Any:
        seen.append(blas_threads())
        return odd_gp(*arguments, **options)

    monkeypatch.setattr(sampling, "odd_gp", spied)
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        kernel_shap(smooth, X20[:1], X20[20:25], n_samples=1000, tol=0)
        assert blas_threads() == {2}  # the model's own again
        # so small that no library would share it out: asking would take a tenth of the row's time
        kernel_shap(smooth, X20[:1], X20[20:25], n_samples=100, tol=0)
    assert seen == [{1}, {2}]


def test_calls_at_the_same_time_leave_the_number_of_blas_threads_alone() -> None:
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert blas_threads() == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == {2}
