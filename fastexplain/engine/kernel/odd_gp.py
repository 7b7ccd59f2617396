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

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.kernel.odd_kernel import (
    EXACT_NUGGET,
    Prior,
    Settings,
    cholesky,
    covariance,
    cross_covariance,
    mean_diagonal,
    normal_solve,
    prior_variance,
    rule,
    upper,
    upper_solve,
    whitened,
    with_full_coalition,
)
from fastexplain.engine.kernel.odd_search import Tuning
from fastexplain.engine.kernel.wls import Estimate, WeightedLeastSquares, t_inflation

__all__ = ["odd_gp"]

# More pairs than these serve the residual step alone: the factorisation is cubic.
_MAX_GP_PAIRS = 2500
# What the hyper-parameters cost: intervals are Student's with this part of the degrees of freedom. Games of 14 and 18
# players at 4 to 30 evaluations per player: 0.90 to 0.94 of 95% intervals held the value without, 0.93 to 0.96 with.
_TUNED_FREEDOM = 0.4
# Rows of the compiled solver's matrix, and games, at most: larger systems are LAPACK's.
_SMALL_SYSTEM = 512
_FEW_GAMES = 32
# Least part of what the process leaves at pairs it was not fitted to, in mean squares, that counts as noise.
_LEAST_NOISE = 0.25


def odd_gp(
    signs: NDArray[np.float64],
    weights: NDArray[np.float64],
    drawn_share: NDArray[np.float64],
    y: NDArray[np.float64],
    total: NDArray[np.float64],
    *,
    n_threads: int,
    backend: str,
    least_squares: WeightedLeastSquares | None = None,
    tuning: Tuning | None = None,
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
    least_squares : WeightedLeastSquares, optional
        Of this design, if there is one already.
    tuning : Tuning, optional
        Of the same games by fewer pairs.

    Notes
    -----
    O(n_pairs^3 / 3) once, and O(n_pairs^2) per game.
    """
    settings = Settings(n_threads, backend)
    least_squares = least_squares or WeightedLeastSquares(signs, weights, drawn_share)
    linear = least_squares.solve(y, total)
    # No order beyond the linear one; or more players than the process could tell apart by the pairs that it is given.
    if not 3 <= signs.shape[1] < _MAX_GP_PAIRS:
        return Estimate(linear, least_squares.standard_errors(y, linear))
    prior = (tuning or Tuning())(signs, y, total, linear, settings)
    fit = _fitted(signs[:_MAX_GP_PAIRS], y[:_MAX_GP_PAIRS], total, linear, prior, settings)
    residual = np.empty_like(y)
    residual[:_MAX_GP_PAIRS] = fit.residual
    if isinstance(fit, _Fit) and len(y) > _MAX_GP_PAIRS:
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


def _fitted(
    signs: NDArray[np.float64],
    y: NDArray[np.float64],
    total: NDArray[np.float64],
    linear: NDArray[np.float64],
    prior: Prior,
    settings: Settings,
) -> _Fit | _SmallFit:
    """Universal kriging of all games under one prior."""
    rows = len(signs) + 1 + 2 * signs.shape[1] + y.shape[1]
    small = rows <= _SMALL_SYSTEM and y.shape[1] <= _FEW_GAMES and len(signs) < _MAX_GP_PAIRS
    if small and settings.backend == "native":
        return _SmallFit(signs, y, total, linear, prior)
    return _Fit(signs, y, total, prior, settings)


def _student(freedom: int) -> Any:
    """How much wider intervals are for the fit's degrees of freedom, the choice of the hyper-parameters included."""
    return t_inflation(round(_TUNED_FREEDOM * freedom))


class _SmallFit:
    """Few games on few pairs, solved by the compiled core in one call; `linear` is any linear part of the games."""

    def __init__(
        self,
        signs: NDArray[np.float64],
        y: NDArray[np.float64],
        total: NDArray[np.float64],
        linear: NDArray[np.float64],
        prior: Prior,
    ) -> None:
        from fastexplain._core import odd_fit

        n_pairs, n = signs.shape
        left = np.ascontiguousarray(np.vstack([y - signs / 2 @ linear, (total - linear.sum(axis=0)) / 2]))
        values, variance, spread, residual = (np.empty(n) for n in (linear.shape, n, len(total), y.shape))
        scale, (points, weights) = 1.0 / mean_diagonal(prior.rho), rule(n)
        task = with_full_coalition(signs), left, prior.rho, scale, EXACT_NUGGET, prior.nugget, points, weights
        odd_fit(*task, values, variance, spread, residual)
        self.values, self.residual = values + linear, residual
        self._freedom = n_pairs + 1 - n
        self._variance = np.maximum(variance, 0.0)[:, None] * (spread / max(self._freedom, 1))

    def standard_errors(self) -> NDArray[np.float64]:
        """As `_Fit.standard_errors`."""
        errors: NDArray[np.float64] = np.sqrt(self._variance) * _student(self._freedom)
        return errors


class _Fit:
    """Any number of games and pairs, by LAPACK."""

    def __init__(
        self,
        signs: NDArray[np.float64],
        y: NDArray[np.float64],
        total: NDArray[np.float64],
        prior: Prior,
        settings: Settings,
    ) -> None:
        self._prior, self._settings = prior, settings
        self._all = with_full_coalition(signs)
        n = signs.shape[1]
        self._scale = 1.0 / mean_diagonal(prior.rho)
        noise = np.full(len(self._all), prior.nugget)
        noise[-1] = EXACT_NUGGET
        factor = cholesky(covariance(self._all, self._all, prior.rho, self._scale, settings), noise)
        half = self._all / 2
        cross = cross_covariance(self._all, prior.rho, self._scale, settings)
        observed = np.concatenate([half, cross, np.vstack([y, total / 2])], axis=1)
        white = whitened(factor, observed)
        H, self._C, Y = white[:, :n], white[:, n : 2 * n], white[:, 2 * n :]
        self._R = upper(H)
        self._beta = normal_solve(self._R, H.T @ Y)
        E = Y - H @ self._beta
        self._freedom = len(E) - n
        self._variance = (E**2).sum(axis=0) / max(self._freedom, 1)
        self._alpha = whitened(factor, E, trans=1)
        self._HC = H.T @ self._C
        self.values = self._beta + self._C.T @ E
        self.residual = (noise[:, None] * self._alpha)[:-1]  # y less the fitted game: K = K0 + noise

    def predict(self, signs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fitted odd part at other coalitions."""
        between = covariance(signs, self._all, self._prior.rho, self._scale, self._settings)
        fitted: NDArray[np.float64] = signs / 2 @ self._beta + between @ self._alpha
        return fitted

    def standard_errors(self) -> NDArray[np.float64]:
        """Posterior standard deviations (n_players, n_games), wider by Student's quantile where pairs are few."""
        n = len(self._R)
        known = (self._C**2).sum(axis=0)
        free = upper_solve(self._R, np.eye(n) - self._HC, trans=1)
        unit = prior_variance(self._prior.rho) * self._scale - known + (free**2).sum(axis=0)
        errors: NDArray[np.float64] = np.sqrt(np.maximum(unit, 0.0)[:, None] * self._variance)
        errors *= _student(self._freedom)
        return errors
