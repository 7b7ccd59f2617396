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
    if settings.backend == "native":
        from fastexplain._core import odd_covariance

        found = np.empty((len(first), len(second)))
        odd_covariance(first, second, rho, scale=scale, covariance=found, n_threads=settings.n_threads)
        return found
    from fastexplain.engine.kernel import numba_odd_gp

    gram = np.ascontiguousarray((first * np.arctanh(rho)) @ second.T)
    linear = np.ascontiguousarray((first * rho) @ second.T)
    log_norm = 0.5 * float(np.log1p(-(rho**2)).sum())
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


# NumPy's linear algebra alone: a stored explainer is played where there is nothing else, with the same bits.

# Rows of a triangular system that are solved together; what they add to the others is one product.
_BLOCK = 64


def cholesky(covariance: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower factor of covariance + diag(noise); rounding may call for a little more on the diagonal."""
    jitter = EXACT_NUGGET
    matrix = np.array(covariance, order="C")
    diagonal = covariance.diagonal() + noise
    while True:
        matrix.ravel()[:: len(matrix) + 1] = diagonal + jitter
        try:
            return np.asarray(np.linalg.cholesky(matrix))
        except np.linalg.LinAlgError:
            jitter *= 100


def whitened(factor: NDArray[np.float64], b: NDArray[np.float64], trans: int = 0) -> NDArray[np.float64]:
    """Solve with a lower factor, or with its transpose."""
    return _backward(factor.T, b) if trans else _forward(factor, b)


def upper(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The triangular factor R of a QR decomposition."""
    return np.asarray(np.linalg.qr(matrix, mode="r"))


def upper_solve(R: NDArray[np.float64], b: NDArray[np.float64], trans: int = 0) -> NDArray[np.float64]:
    """Solve with an upper factor, or with its transpose."""
    return _forward(R.T, b) if trans else _backward(R, b)


def normal_solve(R: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve R^T R x = b."""
    return upper_solve(R, upper_solve(R, b, trans=1))


def _forward(lower: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve a lower triangular system from the top, a block of rows at a time."""
    x = np.array(b)
    for start in range(0, len(x), _BLOCK):
        block = slice(start, start + _BLOCK)
        if start:
            x[block] -= lower[block, :start] @ x[:start]
        x[block] = np.linalg.solve(lower[block, block], x[block])
    return x


def _backward(upper: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve an upper triangular system from the bottom, a block of rows at a time."""
    x = np.array(b)
    for start in reversed(range(0, len(x), _BLOCK)):
        stop = min(start + _BLOCK, len(x))
        if stop < len(x):
            x[start:stop] -= upper[start:stop, stop:] @ x[stop:]
        x[start:stop] = np.linalg.solve(upper[start:stop, start:stop], x[start:stop])
    return x
