"""Which of many examples become the background, and what is said of it."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastexplain import (
    Background,
    BackgroundWarning,
    DeepExplainer,
    KernelExplainer,
    LinearExplainer,
    TabularExplainer,
    load_explanation,
    save_explanation,
    summarize_background,
)
from fastexplain.engine.balanced import balanced_rows
from fastexplain.explainers.shared.background import MOST_PREDICTED, BackgroundChoice

pandas = pytest.importorskip("pandas")

RNG = np.random.default_rng(0)
# skewed, correlated columns and a rare class: ten centres of clusters predict elsewhere than the rows do
X = np.exp(np.sqrt(0.5) * (RNG.normal(size=(600, 4)) + RNG.normal(size=(600, 1))))
LABELS = (X[:, 0] * X[:, 1] + RNG.normal(size=600) > 6).astype(int)
TABLE = pandas.DataFrame(X, columns=list("abcd")).assign(
    kind=RNG.choice(["u", "v", "w"], 600, p=[0.7, 0.2, 0.1]), size=pandas.Categorical(RNG.choice(["S", "L"], 600))
)
TABLE.loc[::7, "b"] = np.nan
MODEL = LogisticRegression(C=10.0, max_iter=1000).fit(X, LABELS)


def scatter(rows: Any) -> Any:
    return np.abs(rows - 1.5).sum(axis=1)  # convex: more at the rows than at their centre


def pipeline() -> Any:
    frame = TABLE.fillna({"b": 1.0})
    encode = make_column_transformer((OneHotEncoder(), ["kind", "size"]), (StandardScaler(), list("abcd")))
    return make_pipeline(encode, KNeighborsClassifier(20)).fit(frame, LABELS), frame


def standard_error(outputs: Any) -> float:
    return float(outputs.std() / np.sqrt(len(outputs)))


# The rows that are chosen


def test_chosen_rows_have_the_means_of_all_rows() -> None:
    outputs = MODEL.predict_proba(X)[:, 1:]
    chosen = balanced_rows(X, outputs, 50)
    random = np.array([RNG.choice(600, 50, replace=False) for _ in range(200)])
    for column in [*X.T, outputs[:, 0], X[:, 0] * X[:, 1]]:
        error = abs(column[chosen].mean() - column.mean())
        errors = np.abs(column[random].mean(axis=1) - column.mean())
        assert error < np.quantile(errors, 0.4)
    assert abs(outputs[chosen].mean() - outputs.mean()) < 0.5 * standard_error(outputs)


def test_chosen_rows_are_distinct_and_always_the_same() -> None:
    outputs = MODEL.predict_proba(X)
    chosen = balanced_rows(X, outputs, 100)
    assert len(np.unique(chosen)) == 100
    assert (np.diff(chosen) > 0).all()
    assert np.array_equal(chosen, balanced_rows(X, outputs, 100))
    assert np.array_equal(balanced_rows(X[:30], outputs[:30], 30), np.arange(30))


def test_categories_come_in_their_shares() -> None:
    chosen = balanced_rows(TABLE, np.zeros((600, 1)), 60)
    shares = TABLE.kind.value_counts(normalize=True)
    found = TABLE.kind.iloc[chosen].value_counts(normalize=True).reindex(shares.index, fill_value=0.0)
    assert np.abs(found - shares).max() < 0.05


@pytest.mark.parametrize("kind", ["array", "frame", "objects", "sparse", "polars", "arrow"])
def test_the_same_numbers_in_any_container_choose_the_same_rows(kind: str) -> None:
    outputs, numbers = MODEL.predict_proba(X), X.copy()
    numbers[numbers < 0.5] = 0.0
    make: dict[str, Any] = {
        "array": lambda: np.asfortranarray(numbers),
        "frame": lambda: pandas.DataFrame(numbers),
        "objects": lambda: pandas.DataFrame(numbers).astype("Float64"),
        "sparse": lambda: scipy.sparse.csc_matrix(numbers),
        "polars": lambda: pytest.importorskip("polars").DataFrame(numbers),
        "arrow": lambda: pytest.importorskip("pyarrow").Table.from_pandas(pandas.DataFrame(numbers)),
    }
    chosen = balanced_rows(make[kind](), outputs, 100)
    error = np.abs(outputs[chosen].mean(axis=0) - outputs.mean(axis=0)).max()
    assert error < 0.5 * standard_error(outputs[:, 1])
    if kind != "sparse":  # whose outliers are not cut off
        assert np.array_equal(chosen, balanced_rows(numbers, outputs, 100))


def test_columns_without_a_scale_do_no_harm() -> None:
    odd = pandas.DataFrame(
        {
            "same": 1.0,
            "missing": np.nan,
            "rare": (np.arange(600) == 5).astype(float),
            "infinite": np.where(np.arange(600) % 50 == 0, np.inf, X[:, 0]),
            "huge": np.where(np.arange(600) == 7, 1e300, X[:, 1]),
            "text": [f"id {i}" for i in range(600)],
            "day": pandas.date_range("2020-01-01", periods=600),
            "flag": X[:, 2] > 1,
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen = balanced_rows(odd, X[:, :1], 50)
    assert abs(X[chosen, 0].mean() - X[:, 0].mean()) < standard_error(X[:, 0])


def test_of_many_rows_those_compared_lie_evenly_along_the_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastexplain.engine.balanced._MOST_COMPARED", 200)
    for outputs in (MODEL.predict_proba(X)[:, 1:], np.c_[X[:, 0], -X[:, 0], 0.1 * X[:, 1]]):
        chosen = balanced_rows(X, outputs, 100)
        assert abs(outputs[chosen, 0].mean() - outputs[:, 0].mean()) < 0.5 * standard_error(outputs[:, 0])


# An explainer's background


@pytest.mark.parametrize("explainer", [KernelExplainer, TabularExplainer])
def test_the_base_value_of_a_pipeline_is_its_mean_prediction(explainer: Any) -> None:
    model, frame = pipeline()
    explanation = explainer(model, frame, show_progress=False).explain_local(frame[:2])
    outputs = model.predict_proba(frame)[:, 1]
    assert abs(explanation.base_values[1] - outputs.mean()) < 0.5 * standard_error(outputs)
    assert explanation.background == "100 of 600 rows"
    assert "background=100 of 600 rows" in repr(explanation)


def test_values_are_nearer_to_those_of_all_rows_than_ten_centres() -> None:
    whole = KernelExplainer(MODEL, Background(X, np.full(600, 1 / 600)), show_progress=False).explain_local(X[:20])
    own = KernelExplainer(MODEL, X, show_progress=False).explain_local(X[:20])
    ten = KernelExplainer(MODEL, summarize_background(X, 10), show_progress=False).explain_local(X[:20])
    errors = [np.abs(explanation.values - whole.values).mean() for explanation in (own, ten)]
    assert errors[0] < 0.3 * errors[1]
    assert errors[0] < 0.05 * np.abs(whole.values).mean()


def test_many_examples_are_predicted_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastexplain.explainers.shared.background.MOST_PREDICTED", 150)
    seen: list[int] = []

    def predict(rows: Any) -> Any:
        seen.append(len(rows))
        return MODEL.predict_proba(rows)[:, 1]

    backgrounds = [KernelExplainer(predict, X, seed=seed)._background.data for seed in (0, 0, 1)]
    assert seen == [150, 150, 150]
    assert np.array_equal(backgrounds[0], backgrounds[1])
    assert not np.array_equal(backgrounds[0], backgrounds[2])
    assert MOST_PREDICTED <= 5000


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_network_has_the_same_background() -> None:
    model = MLPRegressor(hidden_layer_sizes=(2,), solver="lbfgs", max_iter=1).fit(X, X[:, 0])
    model.coefs_ = [np.array([[1.0, -1.0]] + [[0.0, 0.0]] * 3), np.ones((2, 1))]  # the distance of a from 2
    model.intercepts_ = [np.array([-2.0, 2.0]), np.zeros(1)]
    explanation = DeepExplainer(model, X).explain_local(X[:2])
    outputs = model.predict(X)
    assert abs(explanation.base_values[0] - outputs.mean()) < 0.5 * standard_error(outputs)
    assert explanation.background == "100 of 600 rows"
    with pytest.warns(BackgroundWarning, match="of MLPRegressor on the initialization_examples") as caught:
        DeepExplainer(model, X, nclusters=1)
    assert caught[0].filename == __file__


# What is said of it


def test_centres_that_predict_elsewhere_are_told_once() -> None:
    with pytest.warns(BackgroundWarning) as caught:
        explainer = KernelExplainer(scatter, X, nclusters=1, show_progress=False)
    message = str(caught[0].message)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert f"base value {explainer.explain_local(X[0]).base_values[0]:.4g} is not" in message
    assert f"mean prediction {scatter(X).mean():.4g} of scatter" in message
    assert "Leave nclusters out" in message
    with warnings.catch_warnings():
        warnings.simplefilter("error", BackgroundWarning)
        explainer.explain_local(X[:2])


@pytest.mark.parametrize("case", ["chosen", "few", "weights", "constant", "large nclusters", "additive"])
def test_backgrounds_that_stand_for_the_examples_are_silent(case: str) -> None:
    linear = LogisticRegression().fit(X, LABELS).decision_function
    make: dict[str, Any] = {
        "chosen": lambda: KernelExplainer(MODEL, X),
        "few": lambda: KernelExplainer(MODEL, X[:100]),
        "weights": lambda: KernelExplainer(MODEL, summarize_background(X, 2)),
        "constant": lambda: KernelExplainer(lambda rows: np.full(len(rows), 0.1), X, nclusters=3),
        "large nclusters": lambda: KernelExplainer(MODEL, X, nclusters=60),
        # unrounded centres of an additive function have its very mean; rounded ones nearly
        "additive": lambda: KernelExplainer(linear, X, nclusters=50),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error", BackgroundWarning)
        make[case]()


def test_by_how_much_a_base_value_may_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = X[:, :1]
    error = standard_error(outputs)

    def warns(choice: BackgroundChoice, off: float) -> bool:
        background = Background(X[:1], np.ones(1))
        mean = outputs[: len(choice.probe)].mean()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            choice.check(background, outputs[: len(choice.probe)], lambda _: np.array([[mean + off]]), "model", 1)
        return bool(caught)

    for off in (-1.1, -0.9, 0.9, 1.1):
        assert warns(BackgroundChoice.of(X, 3, 0), off * error) == (abs(off) > 1)
    monkeypatch.setattr("fastexplain.explainers.shared.background.MOST_PREDICTED", 300)
    error = standard_error(outputs[:300])
    assert [warns(BackgroundChoice.of(X, 3, 0), off * error) for off in (2.9, 3.1)] == [False, True]


def test_explainers_name_their_background() -> None:
    few = KernelExplainer(MODEL, X[:1], show_progress=False)
    assert "background: 1 row," in repr(few)
    assert "background: 100 of 600 rows" in repr(KernelExplainer(MODEL, X))
    weighted = Background(X[:2], np.array([0.25, 0.75]))
    assert "background: 2 rows, weighted" in repr(KernelExplainer(MODEL, weighted))
    assert "background: the means of 600 rows" in repr(LinearExplainer(MODEL, X))
    with pytest.warns(BackgroundWarning):
        assert "background: 2 centres of 600 rows, weighted" in repr(KernelExplainer(scatter, X, nclusters=2))


def test_sparse_examples_have_a_background_of_their_rows() -> None:
    sparse = scipy.sparse.csr_matrix(np.where(X > 1.0, X, 0.0))
    model = LogisticRegression(max_iter=1000).fit(sparse, LABELS)
    explainer = KernelExplainer(model, sparse, show_progress=False)
    assert "background: 100 of 600 rows" in repr(explainer)
    outputs = model.predict_proba(sparse)[:, 1]
    assert abs(explainer.explain_local(sparse[:2]).base_values[1] - outputs.mean()) < 0.5 * standard_error(outputs)
    with pytest.warns(BackgroundWarning, match="do not stand for all 600"):
        assert "background: the medians of 600 rows" in repr(KernelExplainer(model, sparse, nclusters=10))


def test_the_background_is_saved(tmp_path: Any) -> None:
    explanation = KernelExplainer(MODEL, X, show_progress=False).explain_local(X[:3])
    save_explanation(explanation, tmp_path / "folder")
    assert load_explanation(tmp_path / "folder").background == "100 of 600 rows"
    assert pickle.loads(pickle.dumps(explanation)).background == "100 of 600 rows"
    assert explanation.to_global().background == "100 of 600 rows"
