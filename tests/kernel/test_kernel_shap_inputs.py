"""Kernel SHAP on rows, predictions and models that are easily got wrong without an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import fastexplain
from fastexplain.engine.kernel import odd_gp as odd_gp_module
from fastexplain.engine.kernel import sampling
from fastexplain.exceptions import PredictionError

N = 4


def _product(rows: Any) -> Any:
    values = np.asarray(rows, dtype=float)
    return values[:, 0] * values[:, 1] + values[:, 2] ** 2


def _rows(n: int, seed: int) -> Any:
    return np.random.default_rng(seed).normal(size=(n, N))


def _linear(rows: Any) -> Any:
    return np.asarray(rows, dtype=float) @ [10.0, 1.0]


def test_predict_that_writes_to_its_rows_changes_nothing() -> None:
    X, background = _rows(3, 0), _rows(5, 1)
    given = X.copy(), background.copy()

    def predict(rows: Any) -> Any:
        rows -= 1.0
        return _product(rows)

    values = fastexplain.kernel_shap(predict, *given).values
    np.testing.assert_array_equal(given[0], X)
    np.testing.assert_array_equal(given[1], background)
    expected = fastexplain.kernel_shap(lambda rows: _product(rows - 1.0), X, background).values
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_predict_that_fills_one_buffer_in_every_call() -> None:
    X, background = _rows(3, 0), _rows(5, 1)
    buffer = np.empty(10_000)

    def predict(rows: Any) -> Any:
        buffer[: len(rows)] = _product(rows)
        return buffer[: len(rows)]

    values = fastexplain.kernel_shap(predict, X, background).values
    np.testing.assert_allclose(values, fastexplain.kernel_shap(_product, X, background).values, rtol=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        lambda y: np.where(y > 0, "1", "0"),
        lambda y: np.where(y > 0, "1", "0").astype(object),
        lambda y: y + 1j,
        lambda y: y.astype("datetime64[s]"),
        lambda y: np.ma.array(y, mask=y > 0),
        lambda y: np.empty((len(y), 0)),
    ],
    ids=["numeric strings", "objects", "complex", "dates", "masked", "no outputs"],
)
def test_predictions_that_are_no_real_numbers_are_refused(change: Any) -> None:
    with pytest.raises(PredictionError, match=r"numbers|masked|no outputs"):
        fastexplain.kernel_shap(lambda rows: change(_product(rows)), _rows(2, 0), _rows(5, 1))


@pytest.mark.parametrize("kind", ["pandas", "polars"])
@pytest.mark.parametrize("as_array", [True, False], ids=["array", "table"])
def test_fractions_among_whole_numbers_are_kept(kind: str, as_array: bool) -> None:
    library: Any = pytest.importorskip(kind)
    background = library.DataFrame({"a": [1, 2, 3], "b": [0, 1, 0]})
    X = np.array([[1.7, 0.5]]) if as_array else library.DataFrame({"a": [1.7], "b": [0.5]})
    values = fastexplain.kernel_shap(_linear, X, background).values.ravel()
    np.testing.assert_allclose(values, [10 * (1.7 - 2), 0.5 - 1 / 3], rtol=1e-12)


def test_unknown_category_of_an_array_is_kept() -> None:
    background = pd.DataFrame({"a": pd.Categorical(["x", "y"]), "b": [0.0, 1.0]})
    predict = lambda rows: (rows["a"].astype(str) == "z") * 3.0 + rows["b"].to_numpy(float)  # noqa: E731
    values = fastexplain.kernel_shap(predict, np.array([["z", 1.0]], dtype=object), background).values.ravel()
    np.testing.assert_allclose(values, [3.0, 0.5])


def test_pyarrow_tables() -> None:
    pa = pytest.importorskip("pyarrow")
    X, background = _rows(3, 0), _rows(5, 1)
    tables = [pa.table({c: rows[:, i] for i, c in enumerate("abcd")}) for rows in (X, background)]
    values = fastexplain.kernel_shap(lambda rows: _product(rows.to_pandas()), *tables).values
    np.testing.assert_allclose(values, fastexplain.kernel_shap(_product, X, background).values, rtol=1e-12)
    with pytest.raises(ValueError, match="Column 0 is 'd' in X and 'a' in background"):
        fastexplain.kernel_shap(_product, tables[0].select(list("dcba")), tables[1])


def test_table_with_columns_named_data_and_weights_is_a_table() -> None:
    background = pd.DataFrame({"data": [0.0, 1.0], "weights": [1.0, 3.0]})
    values = fastexplain.kernel_shap(_linear, background + 1.0, background).values[0, :, 0]
    np.testing.assert_allclose(values, [5.0, 0.0])


def test_dates_and_missing_objects_in_arrays() -> None:
    dates = np.array([["2020-01-02", "2020-01-05"], ["2020-01-01", "NaT"]], dtype="datetime64[D]")
    days = lambda rows: (rows[:, 0] - np.datetime64("2020-01-01")).astype(float)  # noqa: E731
    np.testing.assert_allclose(fastexplain.kernel_shap(days, dates[:1], dates[1:]).values.ravel(), [1.0, 0.0])
    objects = np.array([[pd.NA, 1], ["q", 2]], dtype=object)
    known = lambda rows: np.array([0.0 if pd.isna(v) else 1.0 for v in rows[:, 0]])  # noqa: E731
    values = fastexplain.kernel_shap(known, objects, objects).values[..., 0]
    np.testing.assert_allclose(values, [[-0.5, 0.0], [0.5, 0.0]])


@pytest.mark.parametrize("place", ["X", "background"])
def test_rows_that_cannot_be_explained_are_named(place: str) -> None:
    good = _rows(3, 0)
    masked = np.ma.array(good, mask=good > 0)
    for bad in (None, 3.0, masked, good[:, :0]):
        rows = {"X": good, "background": good, place: bad}
        with pytest.raises((TypeError, ValueError), match=place):
            fastexplain.kernel_shap(_product, **rows)


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e160, 1e300])
@pytest.mark.parametrize("method", ["odd_gp", "wls", "permutation"])
def test_errors_scale_with_the_outputs(method: str, scale: float) -> None:
    rng = np.random.default_rng(0)
    X, background, w = rng.normal(size=(1, 10)), rng.normal(size=(3, 10)), rng.normal(size=10)
    predict: Any = lambda rows: np.tanh(rows @ w + rows[:, 0] * rows[:, 1])  # noqa: E731
    options: dict[str, Any] = {"method": method, "n_samples": 200, "tol": 0.0}
    one = fastexplain.kernel_shap(predict, X, background, **options)
    other = fastexplain.kernel_shap(lambda rows: scale * predict(rows), X, background, **options)
    assert (one.standard_errors > 0).all()
    np.testing.assert_allclose(other.values / scale, one.values, rtol=1e-8)
    np.testing.assert_allclose(other.standard_errors / scale, one.standard_errors, rtol=1e-8)


def test_more_players_than_the_process_takes_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(odd_gp_module, "_MAX_GP_PAIRS", 30)
    rng = np.random.default_rng(0)
    X, background, w = rng.normal(size=(1, 40)), rng.normal(size=(2, 40)), rng.normal(size=40)
    result = fastexplain.kernel_shap(lambda rows: rows @ w, X, background, n_samples=200)
    np.testing.assert_allclose(result.values[..., 0], w * (X - background.mean(axis=0)), atol=1e-9)


def test_enumerated_games_are_held_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    X, background = _rows(20, 0), _rows(5, 1)
    expected = fastexplain.kernel_shap(_product, X, background).values
    held: list[int] = []
    solve = sampling._solve

    def counted(game: Any, requests: Any, *rest: Any) -> None:
        held.append(len(requests))
        solve(game, requests, *rest)

    monkeypatch.setattr(sampling, "_ENUMERATED_BYTES", 500)
    monkeypatch.setattr(sampling, "_solve", counted)
    np.testing.assert_array_equal(fastexplain.kernel_shap(_product, X, background).values, expected)
    assert max(held) < len(X) / 2


def test_huge_margins_are_left_to_coalitions() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    X = _rows(60, 0)
    model = linear_model.LogisticRegression(C=1e6).fit(X, X[:, 0] + 0.1 * X[:, 1] > 0)
    rows, background = X[:3] * 1e3, X[20:25]
    result = fastexplain.kernel_shap(model, rows, background)
    expected = fastexplain.kernel_shap(model, rows, background, see_through=False).values
    np.testing.assert_allclose(result.values, expected, atol=1e-9)


def test_subclass_with_a_predict_of_its_own_is_a_black_box() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    X = _rows(60, 0)
    y = X @ [1.0, 2.0, 0.5, 0.0]

    class Rare(linear_model.LinearRegression):  # type: ignore[name-defined,misc]
        def predict(self, X: Any) -> Any:
            # true of mixtures only, and of few
            return np.where((X[:, 0] > 1.2) & (X[:, 1] < -0.8), 100.0, super().predict(X))

    class Same(linear_model.LinearRegression):  # type: ignore[name-defined,misc]
        pass

    assert fastexplain.kernel_shap(Rare().fit(X, y), X[:5], X[20:30]).method == "exact"
    assert fastexplain.kernel_shap(Same().fit(X, y), X[:5], X[20:30]).method == "linear"
    patched = linear_model.LinearRegression().fit(X, y)
    patched.predict = lambda rows: np.full(len(rows), 7.0)
    assert fastexplain.kernel_shap(patched, X[:5], X[20:30]).method == "exact"
