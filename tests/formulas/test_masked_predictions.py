"""Support vector machines, neighbours and networks on coalitions, against the library on every masked row."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from naive_coalitions import naive_coalition_values, random_masks
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import SVC, SVR, LinearSVC, NuSVC, OneClassSVM

from fastexplain.engine.formulas import masked_predictions
from fastexplain.engine.formulas.known import KnownFormula, known_formula
from fastexplain.engine.formulas.support_vectors import SupportVectorModel, support_vectors_formula
from fastexplain.engine.kernel.kernel_shap import kernel_shap

Float = NDArray[np.float64]

N_COLUMNS = 11  # more than one chunk of players
RTOL = 1e-9  # of doubles that are summed in another order


def data(n_classes: int = 2, n_rows: int = 90, seed: int = 0) -> tuple[Float, Any]:
    random = np.random.default_rng(seed)
    X = random.normal(size=(n_rows, N_COLUMNS))
    score = X[:, 0] * X[:, 1] + X[:, 2] + 0.3 * X[:, 3:].sum(axis=1)
    if n_classes == 0:
        return X, score
    return X, np.digitize(score, np.quantile(score, np.linspace(0, 1, n_classes + 1)[1:-1]))


def quietly_fitted(model: Any, X: Float, y: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # networks that are not trained to the end; SVC(probability=True) of 1.9
        return model.fit(X, y)


MODELS: dict[str, tuple[Any, str, int]] = {
    "svc-2": (SVC(gamma=0.1, probability=True, random_state=0), "predict_proba", 2),
    "svc-4": (SVC(gamma=0.1, probability=True, random_state=0), "predict_proba", 4),
    "nusvc-3": (NuSVC(nu=0.3, probability=True, random_state=0), "predict_proba", 3),
    "svc-linear": (SVC(kernel="linear", probability=True, random_state=0), "predict_proba", 3),
    "svc-poly": (SVC(kernel="poly", degree=3, coef0=0.5, probability=True, random_state=0), "predict_proba", 2),
    "svc-sigmoid": (SVC(kernel="sigmoid", gamma=0.02, probability=True, random_state=0), "predict_proba", 2),
    "svc-poly-votes": (SVC(kernel="poly", coef0=1.0), "decision_function", 3),
    "svc-poly-decision": (SVC(kernel="poly", coef0=1.0), "decision_function", 2),
    "svc-poly-ovo": (SVC(kernel="poly", coef0=1.0, decision_function_shape="ovo"), "decision_function", 3),
    "svr-poly": (SVR(kernel="poly", degree=2, coef0=1.0), "predict", 0),
    "svr-sigmoid": (SVR(kernel="sigmoid", gamma=0.02), "predict", 0),
    "one-class-poly": (OneClassSVM(kernel="poly", coef0=1.0), "decision_function", 0),
    "knn": (KNeighborsClassifier(7), "predict_proba", 3),
    "knn-distance": (KNeighborsClassifier(7, weights="distance", algorithm="brute"), "predict_proba", 2),
    "knn-manhattan": (KNeighborsRegressor(5, p=1), "predict", 0),
    "knn-p3": (KNeighborsRegressor(5, p=3, weights="distance"), "predict", 0),
    "mlp": (MLPClassifier((20,), max_iter=40, random_state=0), "predict_proba", 2),
    "mlp-3": (MLPClassifier((70,), activation="tanh", max_iter=40, random_state=0), "predict_proba", 3),
    "mlp-logistic": (MLPClassifier((9,), activation="logistic", max_iter=40, random_state=0), "predict_proba", 3),
    "mlp-deep": (MLPRegressor(hidden_layer_sizes=(12, 7), max_iter=40, random_state=0), "predict", 0),
    "mlp-wide": (
        MLPRegressor(hidden_layer_sizes=(12, 70, 5), activation="tanh", max_iter=20, random_state=0),
        "predict",
        0,
    ),
    "calibrated-svc": (CalibratedClassifierCV(SVC(gamma=0.1), cv=2), "predict_proba", 2),
    "calibrated-poly": (CalibratedClassifierCV(SVC(kernel="poly"), cv=2, ensemble=False), "predict_proba", 2),
    "calibrated-linear": (CalibratedClassifierCV(LinearSVC(), cv=2), "predict_proba", 2),
    "voting": (
        VotingClassifier(
            [("a", LogisticRegression()), ("b", SVC(probability=True, random_state=0)), ("c", GaussianNB())],
            voting="soft",
            weights=[1, 2, 3],
        ),
        "predict_proba",
        2,
    ),
    "voting-regressor": (VotingRegressor([("a", Ridge()), ("b", KNeighborsRegressor())]), "predict", 0),
    "grid-search": (GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [3, 5]}, cv=2), "predict_proba", 3),
    "softmax": (LogisticRegression(), "predict_proba", 3),
}


@pytest.fixture(params=list(MODELS))
def case(request: pytest.FixtureRequest) -> tuple[Callable[[Any], Any], KnownFormula, Float]:
    model, method, n_classes = MODELS[request.param]
    X, y = data(n_classes)
    model = quietly_fitted(model, X, y)
    predict = getattr(model, method)
    seen = known_formula(model, method, predict, X[:9] + 0.01, X[9:20])
    assert seen is not None
    assert seen.model is not None
    return predict, seen, X


@pytest.mark.parametrize("backend", ["native", "numba"])
def test_coalition_values_equal_the_library(case: Any, backend: str) -> None:
    predict, seen, X = case
    background, x = X[:9] + 0.01, X[30]
    weights = np.arange(1.0, 10.0) / 45
    masks = random_masks(40, N_COLUMNS)
    game = seen.model.bind(background, weights)
    got = game.coalition_values(x, masks, backend=backend)
    expected = naive_coalition_values(predict, x, background, weights, masks)
    np.testing.assert_allclose(got, expected, rtol=RTOL, atol=RTOL * np.abs(expected).max())


def test_groups_are_players(case: Any) -> None:
    predict, seen, X = case
    background, x, weights = X[:5] + 0.01, X[30], np.full(5, 0.2)
    groups = [np.array([3, 0]), np.array([1]), np.array([], dtype=int), np.array([10, 4, 2, 5]), np.array([6, 7, 8, 9])]
    masks = random_masks(12, len(groups))
    columns = np.zeros((12, N_COLUMNS), dtype=bool)
    for player, group in enumerate(groups):
        columns[:, group] = masks[:, [player]]
    got = seen.model.bind(background, None, groups).coalition_values(x, masks)
    expected = naive_coalition_values(predict, x, background, weights, columns)
    np.testing.assert_allclose(got, expected, rtol=RTOL, atol=RTOL * np.abs(expected).max())


@pytest.mark.parametrize("backend", ["native", "numba"])
def test_thread_count_does_not_change_bits(case: Any, backend: str) -> None:
    _, seen, X = case
    masks = random_masks(50, N_COLUMNS)
    game = seen.model.bind(X[:9], None)
    one, three = (game.coalition_values(X[30], masks, n_threads=n, backend=backend) for n in (1, 3))
    assert one.tobytes() == three.tobytes()


def test_small_blocks_give_the_same(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, seen, X = case
    masks = random_masks(50, N_COLUMNS)
    whole = seen.model.bind(X[:9], None).coalition_values(X[30], masks)
    monkeypatch.setattr("fastexplain.engine.formulas.table_game.TABLE_BYTES", 20_000)
    monkeypatch.setattr("fastexplain.engine.formulas.masked_predictions.BLOCK_CELLS", 100)
    monkeypatch.setattr("fastexplain.engine.formulas.networks.BLOCK_CELLS", 100)
    monkeypatch.setattr("fastexplain.engine.formulas.networks.TABLE_CELLS", 500)
    blocks = seen.model.bind(X[:9], None).coalition_values(X[30], masks)
    np.testing.assert_allclose(blocks, whole, rtol=1e-12, atol=1e-14)


def test_a_players_chunks_do_not_matter() -> None:
    # more players than one byte has bits, and coalitions enough for wide chunks
    random = np.random.default_rng(0)
    vectors, x, background = random.normal(size=(70, 40)), random.normal(size=40), random.normal(size=(3, 40))
    model = SupportVectorModel(vectors, random.normal(size=(2, 70)), np.array([0.1, 0.2]), kernel="rbf", gamma=0.02)
    masks = random_masks(700, 40)
    expected = naive_coalition_values(model.predict, x, background, np.full(3, 1 / 3), masks)
    for backend in ("native", "numba"):
        got = model.bind(background).coalition_values(x, masks, backend=backend)
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


def test_average_of_closed_forms_has_one() -> None:
    X, y = data(0)
    model = VotingRegressor([("a", Ridge()), ("b", SVR())], weights=[1, 3]).fit(X, y)
    result = kernel_shap(model, X[:2], X[10:14])
    assert result.method == "average(linear, product_form)"
    asked = kernel_shap(model, X[:2], X[10:14], see_through=False)
    np.testing.assert_allclose(result.values, asked.values, atol=1e-10)


def test_torch_network() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    X, _ = data()
    model = torch.nn.Sequential(
        torch.nn.Linear(N_COLUMNS, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3), torch.nn.Softmax(dim=1)
    ).double()
    result = kernel_shap(model, X[:2], X[10:14])
    assert result.method.startswith("mlp")
    asked = kernel_shap(model, X[:2], X[10:14], see_through=False)
    np.testing.assert_allclose(result.values, asked.values, atol=1e-10)


def test_overridden_predict_is_refused() -> None:
    class Sharper(SVC):  # type: ignore[misc]
        def predict_proba(self, X: Any) -> Any:
            return super().predict_proba(X) ** 2

    X, y = data()
    model = quietly_fitted(Sharper(probability=True, random_state=0), X, y)
    assert known_formula(model, "predict_proba", model.predict_proba, X[:9], X[9:20]) is None


def test_svm_without_probabilities_has_none_to_see() -> None:
    X, y = data()
    assert support_vectors_formula(SVC().fit(X, y), "predict_proba", X) is None


def test_custom_kernel_and_custom_weights_are_refused() -> None:
    X, y = data()
    svm = SVC(kernel=lambda a, b: a @ b.T).fit(X, y)
    assert known_formula(svm, "decision_function", svm.decision_function, X[:9], X[9:20]) is None
    knn = KNeighborsClassifier(weights=lambda d: d + 1).fit(X, y)
    assert known_formula(knn, "predict_proba", knn.predict_proba, X[:9], X[9:20]) is None
    cosine = KNeighborsClassifier(metric="cosine").fit(X, y)
    assert known_formula(cosine, "predict_proba", cosine.predict_proba, X[:9], X[9:20]) is None


def test_neighbors_at_distance_zero_share_the_weight() -> None:
    X, y = data(0)
    model = KNeighborsRegressor(4, weights="distance", algorithm="brute").fit(
        np.concatenate([X, X[:3]]), [*y, 1.0, 2.0, 3.0]
    )
    seen = known_formula(model, "predict", model.predict, X[:9], X[9:20])
    assert seen is not None
    assert seen.model is not None
    got = seen.model.bind(X[:1]).coalition_values(X[1], np.array([[False] * N_COLUMNS, [True] * N_COLUMNS]))
    np.testing.assert_allclose(got[:, 0], [(y[0] + 1) / 2, (y[1] + 2) / 2], rtol=1e-12)


def test_kernels_name_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="multiple of 64"):
        masked_predictions.expand(
            "product", np.ones((2, 3)), np.ones((1, 2, 3)), np.ones((1, 3)), np.ones((1, 2), np.uint8), backend="native"
        )


@pytest.mark.parametrize("n_rows", [1, 7, 8, 257, 1000])
def test_two_classes_are_coupled_as_many_are(n_rows: int) -> None:
    random = np.random.default_rng(n_rows)
    decisions = random.normal(size=(n_rows, 1)) * np.array([[0.1], [3.0], [500.0]])[random.integers(0, 3, n_rows)]
    slope, shift = np.array([-1.7]), np.array([0.2])
    lanes, one_by_one = (  # the twin iterates any number of classes in one loop
        masked_predictions.couple_probabilities(decisions, slope, shift, 2, n_threads=2, backend=backend)
        for backend in ("native", "numba")
    )
    np.testing.assert_allclose(lanes, one_by_one, rtol=1e-12)
    np.testing.assert_allclose(lanes.sum(axis=1), 1.0, atol=1e-12)


def tables_of(factor: float, n_players: int = 30, n_terms: int = 64) -> tuple[Float, Float, Float]:
    shape = (n_players, n_terms)
    return (
        masked_predictions.padded(np.full(shape, factor)),
        masked_predictions.padded(np.full((2, *shape), factor)),
        masked_predictions.padded(np.ones((1, n_terms))),
    )


def test_products_too_small_for_a_double_are_zero_and_others_keep_their_digits() -> None:
    masks = np.zeros((5, 30), dtype=np.uint8)
    tiny, small = 1e-10 ** np.array([1.05, 0.9])  # to the 30th: 1e-315, below a normal double, and 1e-270
    for factor, expected in ((tiny, 0.0), (small, 64 * small**30)):
        found = masked_predictions.expand("product", *tables_of(factor), masks, n_threads=1, backend="native")
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)
    # the caller's own arithmetic is what it was
    assert np.array([1e-200]) * np.array([1e-115]) > 0


def test_scales_that_underflow_take_no_longer() -> None:
    import time

    def seconds(factor: float) -> float:
        tables, masks = tables_of(factor), np.random.default_rng(0).integers(0, 2, (2000, 30)).astype(np.uint8)
        taken = []
        for _ in range(5):
            start = time.process_time()
            masked_predictions.expand("product", *tables, masks, n_threads=1, backend="native")
            taken.append(time.process_time() - start)
        return min(taken)

    assert seconds(1e-10**1.05) < 8 * seconds(0.9)  # 40 times as long before
