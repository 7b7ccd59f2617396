"""The prior of the odd Gaussian process (`fastexplain.engine.kernel.odd_gp`): covariances, and systems of equations."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EFFECTIVE_PLAYERS",
    "EXACT_NUGGET",
    "Prior",
    "Settings",
    "cholesky",
    "covariance",
    "cross_covariance",
    "mean_diagonal",
    "normal_solve",
    "prior_variance",
    "rule",
    "strengths",
    "upper",
    "upper_solve",
    "whitened",
    "with_full_coalition",
]

EXACT_NUGGET = 1e-10
# Strengths of all players sum to at most so many times the strength of one: more is a prior of astronomic orders.
EFFECTIVE_PLAYERS = 16.0
_QUADRATURE_POINTS = 16


class Settings(NamedTuple):
    """Who computes: see `fastexplain.engine.backends`."""

    n_threads: int
    backend: str


class Prior(NamedTuple):
    """Hyper-parameters: a strength for each player (n_players,), and the variance of noise."""

    rho: NDArray[np.float64]
    nugget: float


def strengths(relevance: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    """Strengths of the players by how much each matters, the largest of them `strength` where there are few players."""
    return relevance * (strength * min(1.0, EFFECTIVE_PLAYERS / float(relevance.sum())))


def with_full_coalition(signs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signs with one more row: everybody."""
    return np.vstack([signs, np.ones((1, signs.shape[1]))])


def mean_diagonal(rho: NDArray[np.float64]) -> float:
    """k(s, s), the same for every s."""
    return float((np.exp(np.log1p(rho).sum()) - np.exp(np.log1p(-rho).sum())) / 2 - rho.sum())


def covariance(
    first: NDArray[np.float64], second: NDArray[np.float64], rho: NDArray[np.float64], scale: float, settings: Settings
) -> NDArray[np.float64]:
    """Of the odd part, orders 3, 5, ..., at coalitions given by their signs."""
    gram = np.ascontiguousarray((first * np.arctanh(rho)) @ second.T)
    linear = np.ascontiguousarray((first * rho) @ second.T)
    log_norm = 0.5 * float(np.log1p(-(rho**2)).sum())
    if settings.backend == "native":
        from fastexplain._core import odd_covariance

        odd_covariance(gram, linear, log_norm=log_norm, scale=scale, n_threads=settings.n_threads)
    else:
        from fastexplain.engine.kernel import numba_odd_gp

        numba_odd_gp.odd_covariance(gram, linear, log_norm, scale, settings.n_threads)
    return gram


def cross_covariance(
    signs: NDArray[np.float64], rho: NDArray[np.float64], scale: float, settings: Settings
) -> NDArray[np.float64]:
    """Of each player's value with the odd part at coalitions: (n_coalitions, n_players)."""
    points, weights = rule(len(rho))
    out = np.empty_like(signs)
    if settings.backend == "native":
        from fastexplain._core import odd_cross_covariance

        odd_cross_covariance(signs, rho, points, weights, scale=scale, cross=out, n_threads=settings.n_threads)
    else:
        from fastexplain.engine.kernel import numba_odd_gp

        numba_odd_gp.odd_cross_covariance(signs, rho, points, weights, scale, out, settings.n_threads)
    return out


def prior_variance(rho: NDArray[np.float64]) -> NDArray[np.float64]:
    """Prior variance of each player's value from orders 3, 5, ...: 4 sum of rho_T / |T|^2, as a double integral."""
    points, weights = rule(len(rho))
    uv = np.outer(points, points).ravel()[:, None] * rho
    both = np.zeros(uv.shape)
    for sign in (1.0, -1.0):
        factors = 1 + sign * uv
        both += np.exp(np.log(factors).sum(axis=1))[:, None] / factors
    mean: NDArray[np.float64] = np.outer(weights, weights).ravel() @ both / 2
    return 4 * rho * (mean - 1)


@functools.lru_cache(maxsize=32)
def rule(n_players: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points and weights on [0, 1]; exact up to 31 players."""
    points, weights = np.polynomial.legendre.leggauss(min(_QUADRATURE_POINTS, n_players // 2 + 1))
    return (points + 1) / 2, weights / 2


# LAPACK is called directly: SciPy's checks of each argument would take as long as the small systems of the tuning.


def cholesky(covariance: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower factor of covariance + diag(noise); rounding may call for a little more on the diagonal."""
    from scipy.linalg.lapack import dpotrf

    jitter = EXACT_NUGGET
    diagonal = covariance.diagonal() + noise
    while True:
        matrix = np.array(covariance, order="F")
        matrix.ravel(order="K")[:: len(matrix) + 1] = diagonal + jitter
        factor, info = dpotrf(matrix, lower=1, clean=0, overwrite_a=1)
        if info == 0:
            return np.asarray(factor)
        jitter *= 100


def whitened(factor: NDArray[np.float64], b: NDArray[np.float64], trans: int = 0) -> NDArray[np.float64]:
    """Solve with a lower factor, or with its transpose."""
    from scipy.linalg.lapack import dtrtrs

    return np.asarray(dtrtrs(factor, b, lower=1, trans=trans)[0])


def upper(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The triangular factor R of a QR decomposition."""
    from scipy.linalg.lapack import dgeqrf

    rows = min(matrix.shape)
    return np.triu(dgeqrf(matrix)[0][:rows])


def upper_solve(R: NDArray[np.float64], b: NDArray[np.float64], trans: int = 0) -> NDArray[np.float64]:
    """Solve with an upper factor, or with its transpose."""
    from scipy.linalg.lapack import dtrtrs

    return np.asarray(dtrtrs(R, b, lower=0, trans=trans)[0])


def normal_solve(R: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve R^T R x = b."""
    return upper_solve(R, upper_solve(R, b, trans=1))
