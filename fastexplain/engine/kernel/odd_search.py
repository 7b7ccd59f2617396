"""The choice of the odd Gaussian process's hyper-parameters (`engine/kernel/odd_gp.py`): restricted likelihood."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.kernel.odd_kernel import (
    EFFECTIVE_PLAYERS,
    EXACT_NUGGET,
    Prior,
    Settings,
    cholesky,
    covariance,
    mean_diagonal,
    strengths,
    upper,
    whitened,
    with_full_coalition,
)

__all__ = ["Place", "Tuning"]

# Hyper-parameters are chosen on so many pairs and games, on this grid.
_TUNING_PAIRS = 192
_TUNING_GAMES = 24
_STRENGTHS = (0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85)
_POWERS = (0.0, 0.5, 1.0)
_NUGGETS = (1e-4, 1e-1, 10.0)


class Place(NamedTuple):
    """A prior of the grid, by the numbers of its power of the relevance, its strength and its nugget."""

    power: int
    strength: int
    nugget: int

    def prior(self, relevance: NDArray[np.float64]) -> Prior:
        """With each player's strength."""
        return Prior(strengths(relevance ** _POWERS[self.power], _STRENGTHS[self.strength]), _NUGGETS[self.nugget])


class Tuning:
    """The choice of a prior for games that are looked at again with more pairs: a search starts where one ended."""

    def __init__(self) -> None:
        self._place: Place | None = None

    def __call__(
        self,
        signs: NDArray[np.float64],
        y: NDArray[np.float64],
        total: NDArray[np.float64],
        linear: NDArray[np.float64],
        settings: Settings,
    ) -> Prior:
        """The prior of the largest restricted likelihood, pooled over games that are not linear already."""
        n = signs.shape[1]
        points = with_full_coalition(signs[:_TUNING_PAIRS])
        values = np.vstack([y[:_TUNING_PAIRS], total / 2])
        misfit = np.abs(y - signs / 2 @ linear).max(axis=0, initial=0.0)
        live = np.flatnonzero(misfit > 1e-12 * np.abs(values).max(axis=0, initial=0.0))
        if len(live) > _TUNING_GAMES:
            live = live[np.linspace(0, len(live) - 1, _TUNING_GAMES).astype(np.intp)]
        if not len(live) or len(values) <= n:
            return Prior(strengths(np.ones(n), _STRENGTHS[1]), _NUGGETS[0])
        relevance = _relevance(linear[:, live])
        left = np.ascontiguousarray(values[:, live] - points / 2 @ linear[:, live])
        self._place = _found(points, left, relevance, self._place, settings)
        return self._place.prior(relevance)


def _found(
    points: NDArray[np.float64],
    left: NDArray[np.float64],
    relevance: NDArray[np.float64],
    start: Place | None,
    settings: Settings,
) -> Place:
    """The likeliest prior that climbing finds: of all powers, or from `start`, of its power alone."""
    if settings.backend == "native":
        from fastexplain._core import odd_tune

        grid = np.array(_POWERS), np.array(_STRENGTHS), np.array(_NUGGETS)
        return Place(*odd_tune(points, left, relevance, *grid, EXACT_NUGGET, EFFECTIVE_PLAYERS, start))
    search = _Search(_Likelihood(points, left, settings), relevance)
    return search.over_powers() if start is None else search.from_place(start)


# What follows is the twin of ``cpp/src/kernel/odd_process.cpp``.


class _Search:
    """Hill-climbing over strengths and nuggets."""

    def __init__(self, likelihood: _Likelihood, relevance: NDArray[np.float64]) -> None:
        self._likelihood, self._relevance = likelihood, relevance
        self._known: dict[Place, float] = {}
        self._best, self._highest = Place(0, 2, 1), -np.inf

    def over_powers(self) -> Place:
        """The best of one climb for each power of the relevance."""
        for power in range(len(_POWERS)):
            self._climb(power)
        return self._best

    def from_place(self, at: Place) -> Place:
        """The nearest place that no neighbour is likelier than."""
        while True:
            s, k = at.strength, at.nugget
            neighbours = [Place(at.power, *place) for place in ((s + 1, k), (s - 1, k), (s, k + 1), (s, k - 1))]
            inside = (p for p in neighbours if 0 <= p.strength < len(_STRENGTHS) and 0 <= p.nugget < len(_NUGGETS))
            likelier = next((p for p in inside if self._look(p) > self._look(at)), None)
            if likelier is None:
                return at
            at = likelier

    def _climb(self, power: int) -> None:
        """Start where the strengths sum to what the best so far has; neighbours first of strength, then of nugget."""
        sums = [Place(power, s, 0).prior(self._relevance).rho.sum() for s in range(len(_STRENGTHS))]
        target = self._best.prior(self._relevance).rho.sum()
        start = int(np.argmin([abs(total - target) for total in sums]))
        places = [Place(power, start, k) for k in range(len(_NUGGETS))]
        at = max(places, key=self._look)
        for step in (1, -1):
            while 0 <= at.strength + step < len(_STRENGTHS):
                further = at._replace(strength=at.strength + step)
                if self._look(further) <= self._look(at):
                    break
                at = further
        if at.strength != start:
            beside = [at._replace(nugget=k) for k in range(at.nugget - 1, at.nugget + 2) if 0 <= k < len(_NUGGETS)]
            at = max(beside, key=self._look)
        if self._look(at) > self._highest:
            self._highest, self._best = self._look(at), at

    def _look(self, place: Place) -> float:
        if place not in self._known:
            self._known[place] = self._likelihood(place.prior(self._relevance))
        return self._known[place]


class _Likelihood:
    """Restricted likelihood (REML) with the scale of each game profiled out (Harville 1977), up to a constant.

    Parameters
    ----------
    points : float64 array of shape (n_points, n_players)
        Signs of the coalitions; the full one is last.
    left : float64 array of shape (n_points, n_games)
        The games less their linear parts: the likelihood is the same, rounding is less.
    settings : Settings
    """

    def __init__(self, points: NDArray[np.float64], left: NDArray[np.float64], settings: Settings) -> None:
        self._points, self._left, self._settings = points, left, settings
        self._rho, self._kernel = np.empty(0), np.empty((0, 0))  # of the strengths looked at last

    def __call__(self, prior: Prior) -> float:
        if self._rho is not prior.rho and not np.array_equal(self._rho, prior.rho):
            scale = 1.0 / mean_diagonal(prior.rho)
            self._rho, self._kernel = (
                prior.rho,
                covariance(self._points, self._points, prior.rho, scale, self._settings),
            )
        noise = np.full(len(self._kernel), prior.nugget)
        noise[-1] = EXACT_NUGGET
        factor = cholesky(self._kernel, noise)
        n = self._points.shape[1]
        white = whitened(factor, np.concatenate([self._points / 2, self._left], axis=1))
        corner = upper(white)  # its last columns hold what the linear part leaves
        left = (corner[n:, n:] ** 2).sum(axis=0)
        logs = 0.5 * (len(self._left) - n) * np.log(np.maximum(left, 1e-300)).mean()
        return float(-logs - np.log(np.diag(factor)).sum() - np.log(np.abs(np.diag(corner)[:n])).sum())


def _relevance(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much each player matters, pooled over games; the largest is 1."""
    shares = np.abs(linear) / np.maximum(np.abs(linear).sum(axis=0), 1e-300)
    pooled = np.sqrt((shares**2).mean(axis=1))
    relevance: NDArray[np.float64] = np.maximum(pooled / max(pooled.max(), 1e-300), 1e-3)
    return relevance
