"""What stands in for SciPy and threadpoolctl, so that stored explainers are played with NumPy alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import linalg, special

from fastexplain import _threads
from fastexplain.engine.kernel.odd_kernel import EXACT_NUGGET, cholesky, normal_solve, upper, upper_solve, whitened
from fastexplain.engine.kernel.wls import student_quantile
from fastexplain.models.networks.network import Activation


@pytest.mark.parametrize("n", [1, 5, 64, 65, 130, 200])
def test_triangular_systems(n: int) -> None:
    rng = np.random.default_rng(n)
    points = rng.normal(size=(n, n + 3))
    covariance, noise, b = points @ points.T / n, np.full(n, 1e-3), rng.normal(size=(n, 7))
    factor = cholesky(covariance, noise)
    expected = linalg.cholesky(covariance + np.diag(noise + EXACT_NUGGET), lower=True)
    assert_allclose(factor, expected, rtol=1e-11, atol=1e-13)
    assert_allclose(whitened(factor, b), linalg.solve_triangular(factor, b, lower=True), rtol=1e-9, atol=1e-12)
    assert_allclose(
        whitened(factor, b, trans=1), linalg.solve_triangular(factor.T, b, lower=False), rtol=1e-9, atol=1e-12
    )


def test_a_singular_covariance_gets_a_little_more() -> None:
    factor = cholesky(np.ones((4, 4)), np.zeros(4))
    assert_allclose(factor @ factor.T, np.ones((4, 4)), atol=1e-6)
    assert np.isfinite(factor).all()


def test_normal_equations() -> None:
    rng = np.random.default_rng(0)
    matrix, b = rng.normal(size=(90, 70)), rng.normal(size=(70, 3))
    R = upper(matrix)
    assert_allclose(R.T @ R, matrix.T @ matrix, atol=1e-11)
    assert_allclose(normal_solve(R, b), np.linalg.solve(matrix.T @ matrix, b), rtol=1e-8)
    assert_allclose(R @ upper_solve(R, b), b, atol=1e-11)


def test_students_quantile() -> None:
    freedoms = [*range(1, 60), 99, 100, 999, 1000, 2500, 5001]
    assert_allclose([student_quantile(n) for n in freedoms], special.stdtrit(freedoms, 0.975), rtol=1e-12)


def test_normal_and_logistic_functions() -> None:
    z = np.linspace(-12, 12, 4001)
    assert_allclose(Activation("gelu")(z), z * special.ndtr(z), atol=3e-15)
    assert_allclose(Activation("sigmoid")(z), special.expit(z), rtol=1e-15)


def test_threads_without_threadpoolctl() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    blas = _threads._NumpyBlas()
    if blas._get is None:
        pytest.skip("NumPy has another library than OpenBLAS here")
    before = blas._get()
    blas.limit(limits=1, user_api="blas")
    try:
        numbers = [each["num_threads"] for each in threadpoolctl.threadpool_info() if "numpy" in each["filepath"]]
        assert not numbers or 1 in numbers
        assert blas._get() == 1
    finally:
        blas.restore_original_limits()
    assert blas._get() == before
