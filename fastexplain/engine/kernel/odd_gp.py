"""Shapley values by Gaussian-process regression on the odd part of the game, with a least-squares residual step.

Write a coalition S as signs s in {-1, +1}^n. Shapley values depend on the odd part v_odd(S) = (v(S) - v(complement)) /
2 alone, which a pair of complements shows exactly. In the basis of products chi_T(s) = prod_{i in T} s_i,

    v_odd = sum over odd |T| of c_T chi_T,      phi_i = 2 sum over odd T that hold i of c_T / |T|.

Orders 3, 5, ... get a Gaussian prior with independent c_T of variance prod_{i in T} rho_i; the linear part is free
(flat prior: universal kriging). The prior's covariance and its covariance with phi_i have closed forms::

    k(s, t)   = (prod_l (1 + rho_l s_l t_l) - prod_l (1 - rho_l s_l t_l)) / 2 - sum_l rho_l s_l t_l
              = exp(sum_l log(1 - rho_l^2) / 2) sinh(sum_l atanh(rho_l) s_l t_l) - sum_l rho_l s_l t_l
    c_i(s)    = 2 rho_i s_i (integral_0^1 (P_i(u) + P_i(-u)) / 2 du - 1),  P_i(u) = prod_{j != i} (1 + u rho_j s_j)

The sum v(all) - v(none) is one more observation, free of noise. What the process leaves unexplained goes through Kernel
SHAP's weighted least squares, so that the estimate is consistent for any game, white noise included. The design and the
hyper-parameters are shared by all games of a call: one factorisation, then matrix products. Standard errors are the
process's posterior ones.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.kernel.wls import Estimate, WeightedLeastSquares, t_inflation

__all__ = ["odd_gp"]

# Hyper-parameters are chosen on so many pairs and games, by restricted maximum likelihood on this grid.
_TUNING_PAIRS = 192
_TUNING_GAMES = 24
_STRENGTHS = (0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85)
_RELEVANCE_POWERS = (0.0, 0.5, 1.0)
_NUGGETS = (1e-4, 1e-1, 10.0)
_EXACT_NUGGET = 1e-10
# Strengths of all players sum to at most so many times the strength of one: more is a prior of astronomic orders.
_EFFECTIVE_PLAYERS = 16.0
_QUADRATURE_POINTS = 16
# More pairs than these serve the residual step alone: the factorisation is cubic.
_MAX_GP_PAIRS = 2500
# What the hyper-parameters cost: intervals are Student's with this part of the degrees of freedom. Games of 14 and 18
# players at 4 to 30 evaluations per player: 0.90 to 0.94 of 95% intervals held the value without, 0.93 to 0.96 with.
_TUNED_FREEDOM = 0.4
# Least part of what the process leaves at pairs it was not fitted to, in mean squares, that counts as noise.
_LEAST_NOISE = 0.25


class _Settings(NamedTuple):
    n_threads: int
    backend: str


class _Prior(NamedTuple):
    rho: NDArray[np.float64]  # (n_players,)
    nugget: float


def odd_gp(
    signs: NDArray[np.float64],
    weights: NDArray[np.float64],
    drawn_share: NDArray[np.float64],
    y: NDArray[np.float64],
    total: NDArray[np.float64],
    *,
    n_threads: int,
    backend: str,
) -> Estimate:
    """Shapley values and standard errors of games that share one design.

    Parameters
    ----------
    signs : float64 array of shape (n_pairs, n_players)
        At least n_players pairs, all singletons among them.
    weights, drawn_share : float64 arrays of shape (n_pairs,)
        As in `WeightedLeastSquares`.
    y : float64 array of shape (n_pairs, n_games)
        (v(S) - v(complement)) / 2.
    total : float64 array of shape (n_games,)
        v(all) - v(none).

    Notes
    -----
    O(n_pairs^3 / 3) once, and O(n_pairs^2) per game.
    """
    settings = _Settings(n_threads, backend)
    least_squares = WeightedLeastSquares(signs, weights, drawn_share)
    linear = least_squares.solve(y, total)
    # No order beyond the linear one; or more players than the process could tell apart by the pairs that it is given.
    if not 3 <= signs.shape[1] < _MAX_GP_PAIRS:
        return Estimate(linear, least_squares.standard_errors(y, linear))
    prior = _tuned(signs, y, total, linear, settings)
    fit = _Fit(signs[:_MAX_GP_PAIRS], y[:_MAX_GP_PAIRS], total, prior, settings)
    residual = np.empty_like(y)
    residual[:_MAX_GP_PAIRS] = fit.residual
    if len(y) > _MAX_GP_PAIRS:
        residual[_MAX_GP_PAIRS:] = y[_MAX_GP_PAIRS:] - fit.predict(signs[_MAX_GP_PAIRS:])
    step = least_squares.solve(residual, np.zeros_like(total))
    errors = fit.standard_errors()
    if len(y) > _MAX_GP_PAIRS:
        share, errors = _weighed(least_squares, _Sample(signs, drawn_share, _MAX_GP_PAIRS), residual, errors)
        step *= share
    return Estimate(fit.values + step, errors)


class _Sample(NamedTuple):
    """A design whose first pairs the process was fitted to."""

    signs: NDArray[np.float64]
    drawn_share: NDArray[np.float64]
    n_fitted: int

    def shares(self) -> tuple[float, NDArray[np.float64]]:
        """Part of the linear information of all pairs that the fitted ones hold, and each pair's share of its size.

        The share of a fitted pair is that of all drawn pairs of its size; of another one, what was drawn of those that
        were not fitted. Every size holds the same information; half-size pairs hold half of it.
        """
        n = self.signs.shape[1]
        inside = (self.signs > 0).sum(axis=1)
        sizes = np.minimum(inside, n - inside)
        drawn = np.bincount(sizes, minlength=n // 2 + 1)
        fitted = np.bincount(sizes[: self.n_fitted], minlength=n // 2 + 1)
        information = np.where(2 * np.arange(n // 2 + 1) == n, 1.0, 2.0) / (n - 1)
        share = np.zeros(n // 2 + 1)
        share[sizes] = self.drawn_share
        fitted_share = share * fitted / np.maximum(drawn, 1)
        left = share * (drawn - fitted) / np.maximum(drawn, 1) / np.maximum(1.0 - fitted_share, 1e-300)
        of_pair = np.where(np.arange(len(sizes)) < self.n_fitted, share[sizes], left[sizes])
        return float((information * fitted_share)[1:].sum()), of_pair


def _weighed(
    least_squares: WeightedLeastSquares,
    sample: _Sample,
    residual: NDArray[np.float64],
    errors: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much of the least-squares step over all pairs to take, for each game, and the standard errors after it.

    Let u be what the process's values lack: its posterior `errors` say how large. What is left of the game at the
    fitted pairs f is known, and mostly about nothing; at the others, h, it is X_h u / (1 - b) and noise, b being the
    part of all pairs' linear information that f holds. With M the influence of each pair on the step, M X = 1, the
    step leaves ``(M_f X_f - b) u / (1 - b)`` and the noise ``M_h e_h + M_f r_f``: about u where there are few further
    pairs, and the sampling error of least squares where there are many. The share taken has the least variance.
    """
    n_fitted, half = sample.n_fitted, sample.signs / 2
    known, share = sample.shares()
    influence = least_squares.influence()
    n = half.shape[1]
    kept = (influence[:n_fitted].T @ half[:n_fitted] - known * (influence.T @ half)) / (1.0 - known)
    kept += kept.trace() / (n * (n - 1))  # what u sums to is 0; so that an M_f X_f of the identity keeps its diagonal
    noise = residual**2
    explained = (errors**2).sum(axis=0) / 4
    noise[n_fitted:] *= np.maximum(1.0 - explained / np.maximum(noise[n_fitted:].mean(axis=0), 1e-300), _LEAST_NOISE)
    noise *= (1.0 - share)[:, None]
    before = errors**2
    after = kept**2 @ before + (influence**2).T @ noise
    both = kept.diagonal()[:, None] * before
    gain, spread = (before - both).sum(axis=0), (before + after - 2 * both).sum(axis=0)
    taken = np.clip(gain / np.maximum(spread, 1e-300), 0.0, 1.0)
    variance = (1 - taken) ** 2 * before + taken**2 * after + 2 * taken * (1 - taken) * both
    return taken, np.sqrt(np.maximum(variance, 0.0))


class _Fit:
    """Universal kriging of all games under one prior."""

    def __init__(
        self,
        signs: NDArray[np.float64],
        y: NDArray[np.float64],
        total: NDArray[np.float64],
        prior: _Prior,
        settings: _Settings,
    ) -> None:
        self._prior, self._settings = prior, settings
        self._all = _with_full_coalition(signs)
        n = signs.shape[1]
        self._scale = 1.0 / _mean_diagonal(prior.rho)
        noise = np.full(len(self._all), prior.nugget)
        noise[-1] = _EXACT_NUGGET
        factor = _cholesky(_covariance(self._all, self._all, prior.rho, self._scale, settings), noise)
        half = self._all / 2
        cross = _cross_covariance(self._all, prior.rho, self._scale, settings)
        observed = np.concatenate([half, cross, np.vstack([y, total / 2])], axis=1)
        white = _whitened(factor, observed)
        H, self._C, Y = white[:, :n], white[:, n : 2 * n], white[:, 2 * n :]
        self._R = _upper(H)
        self._beta = _normal_solve(self._R, H.T @ Y)
        E = Y - H @ self._beta
        self._freedom = len(E) - n
        self._variance = (E**2).sum(axis=0) / max(self._freedom, 1)
        self._alpha = _whitened(factor, E, trans=1)
        self._HC = H.T @ self._C
        self.values = self._beta + self._C.T @ E
        self.residual = (noise[:, None] * self._alpha)[:-1]  # y less the fitted game: K = K0 + noise

    def predict(self, signs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fitted odd part at other coalitions."""
        between = _covariance(signs, self._all, self._prior.rho, self._scale, self._settings)
        fitted: NDArray[np.float64] = signs / 2 @ self._beta + between @ self._alpha
        return fitted

    def standard_errors(self) -> NDArray[np.float64]:
        """Posterior standard deviations (n_players, n_games), wider by Student's quantile where pairs are few."""
        n = len(self._R)
        known = (self._C**2).sum(axis=0)
        free = _upper_solve(self._R, np.eye(n) - self._HC, trans=1)
        unit = _prior_variance(self._prior.rho) * self._scale - known + (free**2).sum(axis=0)
        errors: NDArray[np.float64] = np.sqrt(np.maximum(unit, 0.0)[:, None] * self._variance)
        errors *= t_inflation(round(_TUNED_FREEDOM * self._freedom))
        return errors


def _tuned(
    signs: NDArray[np.float64],
    y: NDArray[np.float64],
    total: NDArray[np.float64],
    linear: NDArray[np.float64],
    settings: _Settings,
) -> _Prior:
    """The prior of the grid with the largest restricted likelihood, pooled over games that are not linear already."""
    n = signs.shape[1]
    points = _with_full_coalition(signs[:_TUNING_PAIRS])
    values = np.vstack([y[:_TUNING_PAIRS], total / 2])
    misfit = np.abs(y - signs / 2 @ linear).max(axis=0, initial=0.0)
    live = np.flatnonzero(misfit > 1e-12 * np.abs(values).max(axis=0, initial=0.0))
    if len(live) > _TUNING_GAMES:
        live = live[np.linspace(0, len(live) - 1, _TUNING_GAMES).astype(np.intp)]
    isotropic = _strengths(np.ones(n), _STRENGTHS[1])
    if not len(live) or len(values) <= n:
        return _Prior(isotropic, _NUGGETS[0])
    relevance = _relevance(linear[:, live])
    search = _Search(points, values[:, live], settings)
    for power in _RELEVANCE_POWERS:
        search.climb(relevance**power)
    return search.best


class _Search:
    """Hill-climbing over strengths, then nuggets, for one relevance after the other; `best` so far."""

    def __init__(self, points: NDArray[np.float64], values: NDArray[np.float64], settings: _Settings) -> None:
        self._points, self._values, self._settings = points, values, settings
        self._likelihood = -np.inf
        self.best = _Prior(_strengths(np.ones(points.shape[1]), _STRENGTHS[2]), _NUGGETS[1])

    def climb(self, relevance: NDArray[np.float64]) -> None:
        """Start where the strengths sum to what the best so far has; neighbours first of strength, then of nugget."""
        rhos = [_strengths(relevance, strength) for strength in _STRENGTHS]
        start = int(np.argmin([abs(rho.sum() - self.best.rho.sum()) for rho in rhos]))
        known: dict[int, dict[int, float]] = {start: self._likelihoods(rhos[start], range(len(_NUGGETS)))}
        nugget = max(known[start], key=known[start].__getitem__)
        at = start
        for step in (1, -1):
            while 0 <= at + step < len(rhos):
                if at + step not in known:
                    known[at + step] = self._likelihoods(rhos[at + step], (nugget,))
                if known[at + step][nugget] <= known[at][nugget]:
                    break
                at += step
        if at != start:
            known[at] |= self._likelihoods(rhos[at], (n for n in (nugget - 1, nugget + 1) if 0 <= n < len(_NUGGETS)))
        nugget = max(known[at], key=known[at].__getitem__)
        if known[at][nugget] > self._likelihood:
            self._likelihood, self.best = known[at][nugget], _Prior(rhos[at], _NUGGETS[nugget])

    def _likelihoods(self, rho: NDArray[np.float64], nuggets: Iterable[int]) -> dict[int, float]:
        covariance = _covariance(self._points, self._points, rho, 1.0 / _mean_diagonal(rho), self._settings)
        return {n: _restricted_likelihood(covariance, self._points / 2, self._values, _NUGGETS[n]) for n in nuggets}


def _restricted_likelihood(
    covariance: NDArray[np.float64], H: NDArray[np.float64], y: NDArray[np.float64], nugget: float
) -> float:
    """REML with the scale of each game profiled out (Harville 1977), up to a constant."""
    noise = np.full(len(covariance), nugget)
    noise[-1] = _EXACT_NUGGET
    factor = _cholesky(covariance, noise)
    n = H.shape[1]
    white = _whitened(factor, np.concatenate([H, y], axis=1))
    corner = _upper(white)  # its last columns hold what the linear part leaves
    left = (corner[n:, n:] ** 2).sum(axis=0)
    freedom = len(y) - n
    logs = 0.5 * freedom * np.log(np.maximum(left, 1e-300)).mean()
    return float(-logs - np.log(np.diag(factor)).sum() - np.log(np.abs(np.diag(corner)[:n])).sum())


def _relevance(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much each player matters, pooled over games; the largest is 1."""
    shares = np.abs(linear) / np.maximum(np.abs(linear).sum(axis=0), 1e-300)
    pooled = np.sqrt((shares**2).mean(axis=1))
    relevance: NDArray[np.float64] = np.maximum(pooled / max(pooled.max(), 1e-300), 1e-3)
    return relevance


def _strengths(relevance: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    return relevance * (strength * min(1.0, _EFFECTIVE_PLAYERS / float(relevance.sum())))


def _with_full_coalition(signs: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.vstack([signs, np.ones((1, signs.shape[1]))])


def _mean_diagonal(rho: NDArray[np.float64]) -> float:
    """k(s, s), the same for every s."""
    return float((np.exp(np.log1p(rho).sum()) - np.exp(np.log1p(-rho).sum())) / 2 - rho.sum())


def _covariance(
    first: NDArray[np.float64], second: NDArray[np.float64], rho: NDArray[np.float64], scale: float, settings: _Settings
) -> NDArray[np.float64]:
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


def _cross_covariance(
    signs: NDArray[np.float64], rho: NDArray[np.float64], scale: float, settings: _Settings
) -> NDArray[np.float64]:
    points, weights = _rule(len(rho))
    out = np.empty_like(signs)
    if settings.backend == "native":
        from fastexplain._core import odd_cross_covariance

        odd_cross_covariance(signs, rho, points, weights, scale=scale, cross=out, n_threads=settings.n_threads)
    else:
        from fastexplain.engine.kernel import numba_odd_gp

        numba_odd_gp.odd_cross_covariance(signs, rho, points, weights, scale, out, settings.n_threads)
    return out


def _prior_variance(rho: NDArray[np.float64]) -> NDArray[np.float64]:
    """Prior variance of each player's value from orders 3, 5, ...: 4 sum of rho_T / |T|^2, as a double integral."""
    points, weights = _rule(len(rho))
    uv = np.outer(points, points).ravel()[:, None] * rho
    both = np.zeros(uv.shape)
    for sign in (1.0, -1.0):
        factors = 1 + sign * uv
        both += np.exp(np.log(factors).sum(axis=1))[:, None] / factors
    mean: NDArray[np.float64] = np.outer(weights, weights).ravel() @ both / 2
    return 4 * rho * (mean - 1)


@functools.lru_cache(maxsize=32)
def _rule(n_players: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points, weights = np.polynomial.legendre.leggauss(min(_QUADRATURE_POINTS, n_players // 2 + 1))
    return (points + 1) / 2, weights / 2


# LAPACK is called directly: SciPy's checks of each argument would take as long as the small systems of the tuning.


def _cholesky(covariance: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower factor of covariance + diag(noise); rounding may call for a little more on the diagonal."""
    from scipy.linalg.lapack import dpotrf

    jitter = _EXACT_NUGGET
    diagonal = covariance.diagonal() + noise
    while True:
        matrix = np.array(covariance, order="F")
        matrix.ravel(order="K")[:: len(matrix) + 1] = diagonal + jitter
        factor, info = dpotrf(matrix, lower=1, clean=0, overwrite_a=1)
        if info == 0:
            return np.asarray(factor)
        jitter *= 100


def _whitened(factor: NDArray[np.float64], b: NDArray[np.float64], trans: int = 0) -> NDArray[np.float64]:
    """Solve with a lower factor, or with its transpose."""
    from scipy.linalg.lapack import dtrtrs

    return np.asarray(dtrtrs(factor, b, lower=1, trans=trans)[0])


def _upper(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The triangular factor R of a QR decomposition."""
    from scipy.linalg.lapack import dgeqrf

    rows = min(matrix.shape)
    return np.triu(dgeqrf(matrix)[0][:rows])


def _upper_solve(R: NDArray[np.float64], b: NDArray[np.float64], trans: int = 0) -> NDArray[np.float64]:
    from scipy.linalg.lapack import dtrtrs

    return np.asarray(dtrtrs(R, b, lower=0, trans=trans)[0])


def _normal_solve(R: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve R^T R x = b."""
    return _upper_solve(R, _upper_solve(R, b, trans=1))
