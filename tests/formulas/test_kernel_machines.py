"""RBF kernel machines by formula: exact Shapley values against enumeration of all coalitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from naive_games import naive_kernel_shap, naive_shapley
from numpy.typing import NDArray
from scipy import sparse
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Exponentiation, Matern, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from fastexplain.engine.formulas import kernel_machine
from fastexplain.engine.formulas.kernel_machine import KernelMachine, kernel_machine_formula, support_vector_sum
from fastexplain.engine.formulas.known import known_formula

Float = NDArray[np.float64]

N_FEATURES = 5
GROUPS = [np.array([3, 0]), np.array([1]), np.array([2, 4])]
TOLERANCE = 1e-11  # of the sum of |coefficients|: the library's own distances are good to about that
BACKENDS = ["native", "numba"]


def data() -> tuple[Float, Float]:
    random = np.random.default_rng(0)
    X = random.normal(size=(70, N_FEATURES))
    return X, np.sin(2 * X[:, 0]) + X @ random.normal(size=N_FEATURES)


def kernel_machine_of(model: Any, method: str, X: Any) -> KernelMachine:
    found = known_formula(model, method, getattr(model, method), X[:30], X)
    assert found is not None
    assert isinstance(found.model, KernelMachine)
    return found.model


def check_against_definition(model: Any, method: str, X: Float, background: Float, backend: str = "native") -> None:
    machine = kernel_machine_of(model, method, np.concatenate([background, X]))
    assert machine.path == "product_form"
    weights = np.arange(1.0, len(background) + 1)
    tolerance = TOLERANCE * sum(np.abs(part.coefficients).sum() for part in machine.kernel_sum.parts)
    for groups in (None, GROUPS):
        lists = None if groups is None else [group.tolist() for group in groups]
        game = machine.bind(background, weights / weights.sum(), groups)
        expected = naive_kernel_shap(getattr(model, method), X, background, weights, lists)
        values = game.shap_values(X, n_threads=1, backend=backend)
        np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(game.shap_values(X, n_threads=3, backend=backend), values)
        n_players = expected.shape[1]
        masks = (np.arange(2**n_players)[:, None] >> np.arange(n_players) & 1).astype(bool)
        v = game.coalition_values(X[0], masks, n_threads=2)
        np.testing.assert_allclose(_shapley(v, n_players), expected[0], rtol=0, atol=tolerance)


def _shapley(v: Float, n_players: int) -> Float:
    return naive_shapley(lambda coalition: v[sum(1 << i for i in coalition)], n_players)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("model", [SVR(), NuSVR(gamma=0.3), KernelRidge(kernel="rbf", gamma=0.2)], ids=str)
def test_regressions(model: Any, backend: str) -> None:
    X, y = data()
    check_against_definition(model.fit(X, y), "predict", X[:2], X[10:17], backend)


def test_kernel_ridge_of_several_outputs() -> None:
    X, y = data()
    model = KernelRidge(kernel="rbf").fit(X, np.column_stack([y, -2 * y]))
    check_against_definition(model, "predict", X[:2], X[10:17])


@pytest.mark.parametrize("model", [SVC(), NuSVC(), OneClassSVM()], ids=str)
def test_decisions(model: Any) -> None:
    X, y = data()
    check_against_definition(model.fit(X, y > 0), "decision_function", X[:2], X[10:17])


def test_pairwise_decisions_of_several_classes() -> None:
    X, y = data()
    model = SVC(decision_function_shape="ovo").fit(X, np.digitize(y, [-2, 0, 2]))
    check_against_definition(model, "decision_function", X[:2], X[10:17])


def test_votes_of_several_classes_have_coalition_values_only() -> None:
    X, y = data()
    model = SVC().fit(X, np.digitize(y, [-2, 0, 2]))
    machine = kernel_machine_of(model, "decision_function", X)
    assert machine.path == "kernel_sums"
    game = machine.bind(X[10:17])
    assert not game.closed_form
    masks = (np.arange(32)[:, None] >> np.arange(5) & 1).astype(bool)
    v = game.coalition_values(X[0], masks)
    rows = np.where(masks[:, None], X[0], X[10:17]).reshape(-1, 5)
    expected = model.decision_function(rows).reshape(32, 7, 4).mean(axis=1)
    np.testing.assert_allclose(v, expected, rtol=0, atol=1e-12)
    with pytest.raises(TypeError, match="has no closed form"):
        game.shap_values(X[:1])


KERNELS = [
    RBF(2.0),
    RBF([1.0, 2.0, 3.0, 4.0, 5.0]),
    ConstantKernel(2.0) * RBF(2.0) + WhiteKernel(0.1),
    ConstantKernel(2.0) * RBF(2.0) * RBF([1.0, 9.0, 9.0, 9.0, 2.0]) + RBF(0.7) + ConstantKernel(0.2) + WhiteKernel(0.1),
    Exponentiation(ConstantKernel(2.0) * RBF(2.0), 3) + WhiteKernel(0.1),
    (ConstantKernel(1.0) + RBF(2.0)) * (RBF(1.5) + WhiteKernel(0.5)) + WhiteKernel(0.1),
]


@pytest.mark.parametrize("normalize_y", [False, True])
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_gaussian_processes(kernel: Any, normalize_y: bool) -> None:
    X, y = data()
    model = GaussianProcessRegressor(kernel, normalize_y=normalize_y, optimizer=None, alpha=0.05).fit(X, y)
    check_against_definition(model, "predict", X[:2], X[10:17])


def test_gaussian_process_of_several_outputs() -> None:
    X, y = data()
    model = GaussianProcessRegressor(RBF(2.0), normalize_y=True, optimizer=None, alpha=0.05)
    check_against_definition(model.fit(X, np.column_stack([y, 7 - y])), "predict", X[:2], X[10:17])


@pytest.mark.parametrize(
    ("model", "method"),
    [
        (SVR(kernel="poly"), "predict"),
        (SVR(kernel="sigmoid"), "predict"),
        (SVC(kernel="poly"), "decision_function"),
        (SVC(), "predict"),
        (OneClassSVM(), "predict"),
        (KernelRidge(kernel="laplacian"), "predict"),
        (GaussianProcessRegressor(Matern()), "predict"),
        (GaussianProcessRegressor(RBF() + Matern()), "predict"),
        (GaussianProcessRegressor(Exponentiation(RBF() + RBF(2.0), 2)), "predict"),
        (GaussianProcessRegressor(ConstantKernel() * WhiteKernel()), "predict"),
    ],
    ids=str,
)
def test_what_is_no_sum_of_gaussians_is_not_seen(model: Any, method: str) -> None:
    X, y = data()
    assert kernel_machine_formula(model, method, None) is None  # not fitted
    model.fit(X, (y > 0).astype(float))
    assert kernel_machine_formula(model, method, None) is None


@pytest.mark.parametrize("model", [SVR(kernel="linear"), SVC(kernel="linear"), OneClassSVM(kernel="linear")], ids=str)
def test_linear_kernels_are_linear(model: Any) -> None:
    X, y = data()
    method = "predict" if isinstance(model, SVR) else "decision_function"
    model.fit(X, y > 0 if isinstance(model, SVC) else y)
    found = known_formula(model, method, getattr(model, method), X[:30], X)
    assert found is not None
    assert found.path == "linear"


def test_sparse_rows() -> None:
    X, y = data()
    X = X * (np.abs(X) > 0.5)
    model = SVR().fit(sparse.csr_matrix(X), y)
    found = known_formula(model, "predict", model.predict, sparse.csr_matrix(X[:30]), sparse.csr_matrix(X))
    assert found is not None
    assert found.model is not None
    values = found.model.bind(X[:9]).shap_values(found.encode(sparse.csr_matrix(X[20:22])))
    expected = naive_kernel_shap(lambda rows: model.predict(sparse.csr_matrix(rows)), X[20:22], X[:9])
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)


def test_a_model_whose_predict_is_overridden_fails_the_probe() -> None:
    class Doubled(SVR):  # type: ignore[misc]
        def predict(self, X: Any) -> Any:
            return 2 * super().predict(X)

    X, y = data()
    model = Doubled().fit(X, y)
    assert known_formula(model, "predict", model.predict, X[:30], X) is None


def test_memory_is_bounded_by_working_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = data()
    model = SVR().fit(X, y)
    whole = kernel_machine_of(model, "predict", X).bind(X[:9])
    masks = (np.arange(32)[:, None] >> np.arange(5) & 1).astype(bool)
    expected, expected_v = whole.shap_values(X[20:30]), whole.coalition_values(X[20], masks)
    monkeypatch.setattr(kernel_machine, "FACTOR_CELLS", 700)
    monkeypatch.setattr(kernel_machine, "SUM_CELLS", 300)
    pieces = kernel_machine_of(model, "predict", X).bind(X[:9])
    np.testing.assert_allclose(pieces.shap_values(X[20:30]), expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(pieces.coalition_values(X[20], masks), expected_v, rtol=0, atol=1e-14)


def test_sums_come_before_the_mean() -> None:
    """What scorers of probabilities build on: decisions of every pair of classes, for every background row."""
    X, y = data()
    model = SVC(decision_function_shape="ovo").fit(X, np.digitize(y, [-2, 0, 2]))
    kernel_sum = support_vector_sum(model)
    assert kernel_sum is not None
    np.testing.assert_allclose(kernel_sum.evaluate(X), model.decision_function(X), rtol=0, atol=1e-12)
    masks = np.random.default_rng(0).random((20, 5)) < 0.5
    for part, sums in kernel_sum.bind(X[:4]).sums(X[9], masks, n_threads=2):
        rows = np.where(masks[part][:, None], X[9], X[:4])
        expected = model.decision_function(rows.reshape(-1, 5)).reshape(-1, 4, 6)
        np.testing.assert_allclose(sums, expected, rtol=0, atol=1e-12)
