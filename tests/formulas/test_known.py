"""Models with a known formula: recognised, proved on probe rows, and equal to the definition in every form of rows."""

from __future__ import annotations

import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
from naive_games import naive_kernel_shap
from numpy.typing import NDArray
from scipy import sparse
from sklearn.cross_decomposition import PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lars,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    QuantileRegressor,
    RANSACRegressor,
    Ridge,
    RidgeClassifier,
    RidgeCV,
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.svm import SVR, LinearSVC, LinearSVR

import fastexplain
from fastexplain.engine.formulas.additive import RESPONSES
from fastexplain.engine.formulas.known import KnownFormula, as_float64, known_formula, player_of_columns
from fastexplain.engine.formulas.linear import LinearModel

Float = NDArray[np.float64]

N_FEATURES = 5
TOLERANCE = 1e-12  # of the largest output
GROUPS = [np.array([3, 0]), np.array([1]), np.array([2, 4])]
BACKENDS = ["native", "numba"]


def data() -> tuple[Float, Float]:
    random = np.random.default_rng(0)
    X = random.normal(size=(80, N_FEATURES))
    return X, X @ random.normal(size=N_FEATURES) + 0.1 * random.normal(size=80)


def fitted(model: Any, X: Any, y: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", FutureWarning)
        return model.fit(X, y)


def seen(model: Any, method: str, background: Any, X: Any) -> KnownFormula | None:
    return known_formula(model, method, getattr(model, method), background, X)


def check_against_definition(model: Any, method: str, X: Any, background: Any, path: str, backend: str) -> None:
    """Values, and values of all coalitions, with and without groups and weights."""
    found = seen(model, method, background, X)
    assert found is not None
    assert found.path == path
    assert found.model is not None
    predict = getattr(model, method)
    encoded, rows = found.encode(background), found.encode(X)
    weights = np.arange(1.0, len(background) + 1)
    scale = np.abs(np.asarray(predict(X), dtype=np.float64)).max()
    for groups in (None, GROUPS):
        lists = None if groups is None else [group.tolist() for group in groups]
        game = found.model.bind(encoded, weights / weights.sum(), groups)
        expected = naive_kernel_shap(predict, X, background, weights, lists)
        if game.closed_form:
            values = game.shap_values(rows, n_threads=1, backend=backend)
            np.testing.assert_allclose(values, expected, rtol=0, atol=TOLERANCE * scale)
            assert game.closed_form_rows(rows).all()
        n_players = expected.shape[1]
        masks = (np.arange(2**n_players)[:, None] >> np.arange(n_players) & 1).astype(bool)
        for x, phi in zip(rows, expected, strict=True):
            v = game.coalition_values(x, masks, n_threads=2, backend=backend)
            ends = v[-1] - v[0]
            np.testing.assert_allclose(ends, phi.sum(axis=0), rtol=0, atol=TOLERANCE * scale)
            np.testing.assert_allclose(_shapley(v, masks), phi, rtol=0, atol=TOLERANCE * scale)


def _shapley(v: Float, masks: NDArray[np.bool_]) -> Float:
    from naive_games import naive_shapley

    return naive_shapley(lambda coalition: v[sum(1 << i for i in coalition)], masks.shape[1])


REGRESSORS = [
    LinearRegression(),
    Ridge(),
    RidgeCV(),
    LassoCV(),
    ElasticNetCV(),
    Lars(),
    BayesianRidge(),
    ARDRegression(),
    HuberRegressor(),
    TheilSenRegressor(random_state=0),
    RANSACRegressor(random_state=0),
    SGDRegressor(random_state=0),
    LinearSVR(random_state=0),
    PLSRegression(),
    QuantileRegressor(),
    TweedieRegressor(),
]


@pytest.mark.parametrize("model", REGRESSORS, ids=lambda model: type(model).__name__)
def test_linear_regressors_are_seen(model: Any) -> None:
    X, y = data()
    found = seen(fitted(model, X, y), "predict", X[:30], X)
    assert found is not None
    assert found.path == "linear"


def test_linear_regression_of_several_outputs() -> None:
    X, y = data()
    model = LinearRegression().fit(X, np.column_stack([y, -y, X[:, 0]]))
    check_against_definition(model, "predict", X[:2], X[10:17], "linear", "native")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("model", [PoissonRegressor(), GammaRegressor(), TweedieRegressor(power=1.5)], ids=str)
def test_log_link_on_the_response(model: Any, backend: str) -> None:
    X, y = data()
    model.fit(X, np.exp(y))
    check_against_definition(model, "predict", X[:2], X[10:19], "product_form", backend)


BINARY = [LogisticRegression(), LogisticRegressionCV(), SGDClassifier(loss="log_loss", random_state=0)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("model", [*BINARY, LinearDiscriminantAnalysis()], ids=lambda model: type(model).__name__)
def test_probabilities_of_two_classes(model: Any, backend: str) -> None:
    X, y = data()
    fitted(model, X, y > 0)
    check_against_definition(model, "predict_proba", X[:2], X[10:17], "sine_expansion", backend)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (LogisticRegression(), "softmax"),
        (LinearDiscriminantAnalysis(), "softmax"),
        (SGDClassifier(loss="log_loss", random_state=0), "one_versus_rest"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_probabilities_of_three_classes(model: Any, path: str) -> None:
    X, y = data()
    model.fit(X, np.digitize(y, [-1, 1]))
    check_against_definition(model, "predict_proba", X[:2], X[10:14], path, "native")


def test_probabilities_of_modified_huber_loss() -> None:
    X, y = data()
    model = SGDClassifier(loss="modified_huber", random_state=0).fit(X, y > 0)
    check_against_definition(model, "predict_proba", X[:2], X[10:14], "modified_huber", "native")


DECIDERS = [LogisticRegression(), RidgeClassifier(), LinearSVC(random_state=0), LinearDiscriminantAnalysis()]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("model", DECIDERS, ids=lambda model: type(model).__name__)
def test_decision_functions(model: Any, n_classes: int) -> None:
    X, y = data()
    model.fit(X, y > 0 if n_classes == 2 else np.digitize(y, [-1, 1]))
    check_against_definition(model, "decision_function", X[:1], X[10:14], "linear", "native")


def test_one_class_decision_function() -> None:
    X, _ = data()
    check_against_definition(SGDOneClassSVM().fit(X), "decision_function", X[:1], X[10:14], "linear", "native")


COUNTS = np.random.default_rng(1).poisson(2.0, size=(80, N_FEATURES))
BAYES = [
    (GaussianNB(), None),
    (BernoulliNB(), None),
    (BernoulliNB(binarize=None), COUNTS > 2),
    (MultinomialNB(), COUNTS),
    (ComplementNB(norm=True), COUNTS),
    (CategoricalNB(min_categories=20), COUNTS),
]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(("model", "rows"), BAYES, ids=lambda x: type(x).__name__)
def test_naive_bayes(model: Any, rows: Any, n_classes: int) -> None:
    X, y = data()
    X = X if rows is None else rows
    model.fit(X, y > 0 if n_classes == 2 else np.digitize(y, [-1, 1]))
    path = "sine_expansion" if n_classes == 2 else "softmax"
    check_against_definition(model, "predict_proba", X[:2], X[10:14], path, "native")


def test_one_background_row_and_one_player() -> None:
    X, y = data()
    model = LogisticRegression().fit(X, y > 0)
    check_against_definition(model, "predict_proba", X[:2], X[10:11], "sine_expansion", "native")
    found = seen(model, "predict_proba", X[:9], X)
    assert found is not None
    assert found.model is not None
    values = found.model.bind(X[:9], None, [np.arange(N_FEATURES)]).shap_values(X[10:12])
    gain = model.predict_proba(X[10:12]) - model.predict_proba(X[:9]).mean(axis=0)
    np.testing.assert_allclose(values[:, 0], gain, rtol=0, atol=1e-14)


def test_labels_and_unfitted_models_are_not_seen() -> None:
    X, y = data()
    assert seen(LogisticRegression().fit(X, y > 0), "predict", X[:30], X) is None
    assert known_formula(LinearRegression(), "predict", lambda rows: rows[:, 0], X[:30], X) is None
    assert known_formula(None, None, lambda rows: rows[:, 0], X[:30], X) is None
    assert known_formula({}, "predict", lambda rows: rows[:, 0], X[:30], X) is None


class Clipped(LinearRegression):  # type: ignore[misc]
    """A subclass that changes what is predicted, on some rows only."""

    def predict(self, X: Any) -> Any:
        return np.minimum(super().predict(X), 1.0)


class Renamed(LinearRegression):  # type: ignore[misc]
    """A subclass that changes nothing."""


def test_a_model_whose_predict_is_overridden_fails_the_probe() -> None:
    X, y = data()
    assert seen(Clipped().fit(X, y), "predict", X[:30], X) is None
    assert seen(Renamed().fit(X, y), "predict", X[:30], X) is not None


def test_a_wrapped_predict_fails_the_probe() -> None:
    X, y = data()
    model = LinearRegression().fit(X, y)
    assert known_formula(model, "predict", lambda rows: model.predict(rows) + 1e-5, X[:30], X) is None
    assert known_formula(model, "predict", lambda rows: np.full(len(rows), np.nan), X[:30], X) is None
    assert known_formula(model, "predict", lambda rows: model.predict(rows)[:, None].repeat(2, 1), X[:30], X) is None


def test_errors_of_predict_pass() -> None:
    X, y = data()
    model = LinearRegression().fit(X, y)

    def predict(rows: Any) -> Any:
        raise RuntimeError("no licence")

    with pytest.raises(RuntimeError, match="no licence"):
        known_formula(model, "predict", predict, X[:30], X)


def test_tables_are_probed_as_tables() -> None:
    pandas = pytest.importorskip("pandas")
    X, y = data()
    frame = pandas.DataFrame(X, columns=list("abcde")).assign(e=lambda f: f["e"].astype("float32"), d=X[:, 3] > 0)
    model = LogisticRegression().fit(frame, y > 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # scikit-learn warns where names are lost
        found = seen(model, "predict_proba", frame[:30], frame[30:])
    assert found is not None
    np.testing.assert_array_equal(found.encode(frame)[:, 3], X[:, 3] > 0)
    mixed = frame.assign(a=[str(i) for i in range(len(frame))])
    assert known_formula(model, "predict_proba", model.predict_proba, mixed[:30], mixed) is None


def test_polars_tables_are_probed_as_tables() -> None:
    polars = pytest.importorskip("polars")
    X, y = data()
    frame = polars.DataFrame(X, schema=list("abcde"))
    model = LinearRegression().fit(frame, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = seen(model, "predict", frame[:30], frame[30:])
    assert found is not None
    np.testing.assert_array_equal(found.encode(frame), X)


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_sparse_rows_are_probed_as_sparse_rows(form: Any) -> None:
    X, y = data()
    rows = form(X * (np.abs(X) > 0.5))
    model = Ridge(solver="sag", random_state=0).fit(rows, y)
    forms = []

    def predict(probe: Any) -> Any:
        forms.append(type(probe))
        return model.predict(probe)

    assert known_formula(model, "predict", predict, rows.tocsr()[:30], rows.tocsr()) is not None
    assert all(issubclass(each, sparse.csr_matrix | sparse.csr_array) for each in forms)


def test_single_precision_is_not_taken_for_a_difference() -> None:
    X, y = data()
    model = LinearRegression().fit(X.astype(np.float32), y.astype(np.float32))
    assert seen(model, "predict", X[:30].astype(np.float32), X.astype(np.float32)) is not None


def test_lists_and_a_missing_X_are_probed() -> None:
    X, y = data()
    model = LinearRegression().fit(X, y)
    assert seen(model, "predict", X[:30].tolist(), X.tolist()) is not None
    assert known_formula(model, "predict", model.predict, X[:30]) is not None


def test_missing_values_are_not_seen_through() -> None:
    X, y = data()
    model = LinearRegression().fit(X, y)
    background = X[:30].copy()
    background[:, 0] = np.nan
    assert known_formula(model, "predict", lambda rows: model.predict(np.nan_to_num(rows)), background, X) is None


def test_margins_beyond_reach_have_no_closed_form() -> None:
    model = LinearModel(np.full((1, 2), 1e4), np.zeros(1), "sigmoid")
    X = np.array([[1.0, 1.0], [0.1, 0.0]])
    game = model.bind(np.zeros((1, 2)))
    assert game.closed_form_rows(X).tolist() == [False, True]
    masks = np.array([[False, False], [True, False], [True, True]])
    assert game.coalition_values(X[0], masks)[:, 1].tolist() == [0.5, 1.0, 1.0]


def test_margins_beyond_reach_in_a_vote() -> None:
    """One member without a closed form leaves none to the average."""
    rows = np.random.default_rng(0).normal(size=(60, 3))
    members = [("logistic", LogisticRegression()), ("bayes", GaussianNB())]
    vote = VotingClassifier(members, voting="soft").fit(rows, rows[:, 0] > 0)
    far = rows[:20] * 1e4
    result = fastexplain.kernel_shap(vote.predict_proba, far[:2], far)
    np.testing.assert_allclose(result.values.sum(axis=1) + result.base_values, vote.predict_proba(far[:2]), atol=1e-9)


def test_responses_do_not_overflow() -> None:
    far = np.array([[-1e3], [1e3]])
    with np.errstate(over="raise", invalid="raise"):
        assert RESPONSES["sigmoid"].apply(far).tolist() == [[1.0, 0.0], [0.0, 1.0]]
        assert RESPONSES["softmax"].apply(np.array([[-1e3, 1e3]])).tolist() == [[0.0, 1.0]]
        assert RESPONSES["normalized_sigmoid"].apply(np.array([[-1e3, -1e3]])).tolist() == [[0.5, 0.5]]


def test_groups_must_hold_every_column_once() -> None:
    assert player_of_columns([np.array([2, 0]), np.array([1])], 3).tolist() == [0, 1, 0]
    assert player_of_columns([np.array([0]), np.array([], dtype=int)], 1).tolist() == [0]
    for groups in ([[0], [0, 1, 2]], [[0], [1]], [[0, 1, 2, 3]]):
        with pytest.raises(ValueError, match=r"each of the columns 0 to 2 exactly once"):
            player_of_columns([np.array(group) for group in groups], 3)


def test_as_float64_takes_any_form() -> None:
    X = np.array([[1, 2], [3, 4]])
    for rows in (X, X.tolist(), sparse.csr_matrix(X), np.asfortranarray(X)):
        out = as_float64(rows)
        assert out.dtype == np.float64
        assert out.flags.c_contiguous
        np.testing.assert_array_equal(out, X)


def test_many_columns_take_memory_in_proportion() -> None:
    n = 4096
    rows = sparse.random(4, n, density=0.01, random_state=0, format="csr")
    model = Ridge().fit(np.eye(3, n), [1.0, -2.0, 0.5])
    model.coef_ = np.random.default_rng(0).normal(size=n)
    tracemalloc.start()
    result = fastexplain.kernel_shap(model.predict, rows[:1], rows[1:])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    expected = (rows[:1].toarray() - rows[1:].toarray().mean(axis=0)) * model.coef_
    np.testing.assert_allclose(result.values[:, :, 0], expected, atol=1e-12)
    assert result.method == "linear"
    assert peak < 30e6  # a matrix of columns and players alone has 134 MB


@pytest.mark.parametrize("groups", [[[2], [0], [3], [1]], [[3, 0], [1], [2]]], ids=["another order", "groups"])
def test_players_in_another_order_and_groups(groups: list[list[int]]) -> None:
    X = np.random.default_rng(0).normal(size=(30, 4))
    for model in (Ridge().fit(X, X[:, 0]), SVR().fit(X, X[:, 0] * X[:, 1])):
        found = fastexplain.kernel_shap(model.predict, X[:3], X[3:8], groups=groups)
        sampled = fastexplain.kernel_shap(model.predict, X[:3], X[3:8], groups=groups, see_through=False)
        assert found.method in ("linear", "product_form")
        np.testing.assert_allclose(found.values, sampled.values, atol=1e-9)
