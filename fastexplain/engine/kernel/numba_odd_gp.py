"""Covariances of the odd Gaussian process compiled by Numba: the twin of ``cpp/src/kernel/odd_gp.cpp``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.numba.tools import compiled, for_each_part

__all__ = ["odd_covariance", "odd_cross_covariance"]


def odd_covariance(
    gram: NDArray[np.float64], linear: NDArray[np.float64], log_norm: float, scale: float, n_threads: int
) -> None:
    """In place: ``scale * (exp(log_norm) * sinh(gram) - linear)``; the compiled core multiplies up products instead."""

    def fill(part: slice) -> None:
        _covariance(gram[part], linear[part], np.exp(log_norm), scale)

    for_each_part(fill, len(gram), n_threads)


@compiled
def _covariance(gram: NDArray[np.float64], linear: NDArray[np.float64], norm: float, scale: float) -> None:
    for i in range(gram.shape[0]):
        for j in range(gram.shape[1]):
            gram[i, j] = scale * (norm * np.sinh(gram[i, j]) - linear[i, j])


def odd_cross_covariance(
    signs: NDArray[np.float64],
    rho: NDArray[np.float64],
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
    scale: float,
    cross: NDArray[np.float64],
    n_threads: int,
) -> None:
    """Write the covariance of each player's value with the game's odd part at each coalition; see ``odd_gp.h``."""

    def fill(part: slice) -> None:
        _cross_covariance(signs[part], rho, points, weights, scale, cross[part])

    for_each_part(fill, len(signs), n_threads)


@compiled
def _cross_covariance(
    signs: NDArray[np.float64],
    rho: NDArray[np.float64],
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
    scale: float,
    cross: NDArray[np.float64],
) -> None:
    n = signs.shape[1]
    for p in range(len(signs)):
        cross[p] = 0.0
        for k in range(len(points)):
            up, down = 1.0, 1.0
            for j in range(n):
                step = points[k] * rho[j] * signs[p, j]
                up *= 1 + step
                down *= 1 - step
            for j in range(n):
                step = points[k] * rho[j] * signs[p, j]
                cross[p, j] += weights[k] * (up * (1 - step) + down * (1 + step)) / (1 - step * step)
        for j in range(n):
            cross[p, j] = scale * rho[j] * signs[p, j] * (cross[p, j] - 2)
