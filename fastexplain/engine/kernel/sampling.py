"""How the coalition games of a call are played: which rows are enumerated, which sampled, and when to stop."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import one_blas_thread
from fastexplain.engine.kernel.antithetic import antithetic_estimate, draw_permutations, prefix_masks
from fastexplain.engine.kernel.coalition_games import CoalitionGame, Request
from fastexplain.engine.kernel.coalitions import Design, all_coalitions, make_design, n_pairs_in_all
from fastexplain.engine.kernel.enumeration import MAX_ENUMERATED_PLAYERS, shapley_values
from fastexplain.engine.kernel.odd_gp import odd_gp
from fastexplain.engine.kernel.odd_search import Tuning
from fastexplain.engine.kernel.selection import selected_wls
from fastexplain.engine.kernel.wls import Estimate
from fastexplain.engine.links import Link

__all__ = ["METHODS", "Played", "Rules", "play"]

METHODS = ("auto", "exact", "odd_gp", "wls", "permutation")
# With n_samples="auto", games of up to so many players are enumerated.
AUTO_EXACT_PLAYERS = 14
# Evaluations per player of the first look at a game; each further look doubles them.
_FIRST_LOOK = 8
# Part of the predictions that counts as rounding: no error is smaller, whatever the tolerance.
_ROUNDING = 1e-12
# Coalitions and values of games that are enumerated together: 32 MiB.
_ENUMERATED_BYTES = 2**25
# Multiplications of a product that linear algebra computes on one thread, whoever made it.
_SMALL_PRODUCT = 2**13
# Pair values of a group of rows that are solved together: 64 MiB.
_GROUP_VALUES = 2**23


class Rules(NamedTuple):
    """How to play.

    Attributes
    ----------
    method : one of METHODS
    n_samples : int or None
        Most coalitions evaluated per row; None: 2 * n_players + 2048, and enumeration of small games.
    tol : float
        A row is done when its largest standard error is below `tol` times the range of its values.
    l1_reg
        As `fastexplain.engine.kernel.selection.checked_l1_reg` returns it.
    link : callable
    linear_link : bool
        The link is the identity: games of single background rows may be added up.
    seed, n_threads, backend
    """

    method: str
    n_samples: int | None
    tol: float
    l1_reg: Any
    link: Link
    linear_link: bool
    seed: int
    n_threads: int
    backend: str


class Played(NamedTuple):
    """Shapley values of every row; shapes as in `KernelShapResult`."""

    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    n_evaluations: NDArray[np.int64]
    converged: NDArray[np.bool_]
    estimator: str


_Place = tuple[int, NDArray[np.intp], NDArray[np.intp] | None]  # row, players, background rows


class _Plan(NamedTuple):
    """One row: background rows whose own small games are enumerated, and those that share a sampled game."""

    row: int
    enumerated: list[tuple[NDArray[np.intp], NDArray[np.intp]]]  # (players, background rows) with the same players
    whole: bool  # enumerate the game of all background rows together
    players: NDArray[np.intp]  # of the sampled, or whole, game
    background: NDArray[np.intp] | None  # of the sampled game; None: all

    def games(self) -> list[tuple[NDArray[np.intp], NDArray[np.intp] | None]]:
        """Players and background rows of the games to enumerate."""
        return [(self.players, None)] if self.whole else list(self.enumerated)


class _Work:
    """What is left to do for each row; a progress bar hears of it.

    Work is counted in predictions, of which a sampled game has as many as it may have at most.
    """

    def __init__(self, game: CoalitionGame, bar: Callable[[float], Any]) -> None:
        self._bar, self._n_background = bar, len(game.weights)
        self._left = np.ones(game.n_rows)
        self._size = np.zeros(game.n_rows)

    def plan(self, plan: _Plan, budget: int) -> None:
        """Note what a row takes."""
        for players, background in plan.games():
            self._size[plan.row] += self._predictions(_n_coalitions(len(players)), background)
        if len(plan.players) and not plan.whole:
            self._size[plan.row] += self._predictions(budget, plan.background)

    def did(self, row: int, n_coalitions: float, background: NDArray[np.intp] | None) -> None:
        """So many more coalitions of a row have been evaluated."""
        share = min(self._predictions(n_coalitions, background) / self._size[row], self._left[row])
        self._left[row] -= share
        self._bar(share)

    def finish(self, rows: NDArray[np.intp]) -> None:
        """There is nothing left to do for some rows."""
        self._bar(float(self._left[rows].sum()))
        self._left[rows] = 0.0

    def _predictions(self, n_coalitions: float, background: NDArray[np.intp] | None) -> float:
        return n_coalitions * (self._n_background if background is None else len(background))


def play(game: CoalitionGame, rules: Rules, bar: Callable[[float], Any]) -> Played:
    """Shapley values of all rows of a game.

    Parameters
    ----------
    game : CoalitionGame
    rules : Rules
    bar : callable
        Called with a number of rows, or part of one, when so many more are done.

    Raises
    ------
    ValueError
        ``method="exact"`` and a row has too many players that matter, or `n_samples` is too small for the players.
    """
    played = Played(
        np.zeros((game.n_rows, game.n_players, game.n_outputs)),
        np.zeros((game.n_rows, game.n_players, game.n_outputs)),
        np.zeros(game.n_rows, dtype=np.int64),
        np.ones(game.n_rows, dtype=bool),
        "exact",
    )
    plans = (_plan(game, row, rules) for row in range(game.n_rows))
    work = _Work(game, bar)
    estimator = "exact"
    for batch in _batches(plans, game, rules):
        for plan in batch:
            work.plan(plan, 2 * _most_pairs(len(plan.players), rules))
        _enumerate(game, [plan for plan in batch if plan.enumerated or plan.whole], rules, played, work)
        sampled = [plan for plan in batch if len(plan.players) and not plan.whole]
        for group in _alike(sampled):
            _sample(game, group, rules, played, work)
        if sampled:
            estimator = "odd_gp" if rules.method == "auto" else rules.method
            estimator = "wls" if rules.l1_reg and estimator == "odd_gp" else estimator
        work.finish(np.array([plan.row for plan in batch]))
    return played._replace(estimator=estimator)


def _batches(plans: Iterator[_Plan], game: CoalitionGame, rules: Rules) -> Iterator[list[_Plan]]:
    """Rows whose games are evaluated and solved together; the same for any chunk size or number of threads."""
    n_pairs = _most_pairs(game.n_players, rules)
    step = int(np.clip(_GROUP_VALUES // max(1, n_pairs * game.n_outputs), 1, 1024))
    while batch := list(itertools.islice(plans, step)):
        yield batch


def _alike(plans: list[_Plan]) -> list[list[_Plan]]:
    """Plans by the players of their sampled game."""
    groups: dict[bytes, list[_Plan]] = {}
    for plan in plans:
        groups.setdefault(plan.players.tobytes(), []).append(plan)
    return list(groups.values())


def _most_pairs(n_players: int, rules: Rules) -> int:
    budget = 2 * n_players + 2048 if rules.n_samples is None else rules.n_samples
    return max(1, min(budget // 2, n_pairs_in_all(min(n_players, 40)) if n_players > 1 else 1))


# ------------------------------------------------------------------------------------------------------- enumeration


def _plan(game: CoalitionGame, row: int, rules: Rules) -> _Plan:
    differs = game.differs(row) & (game.weights > 0)[:, None]
    players = np.flatnonzero(differs.any(axis=0))
    if len(players) < 2:
        return _Plan(row, [], len(players) == 1, players, None)
    budget = 2 * len(players) + 2048 if rules.n_samples is None else rules.n_samples
    may_enumerate = rules.method in ("auto", "exact") and not rules.l1_reg
    small = rules.n_samples is None and len(players) <= AUTO_EXACT_PLAYERS
    exact = may_enumerate and (rules.method == "exact" or small or _n_coalitions(len(players)) <= budget)
    if may_enumerate and rules.linear_link and game.by_background:
        rest, enumerated = _split(differs, None if exact else budget)
        _check_enumerable([len(own) for own, _ in enumerated])
        if enumerated:
            players = np.flatnonzero(differs[rest].any(axis=0))
            plan = _Plan(row, enumerated, False, players, rest)
        else:
            plan = _Plan(row, [], False, players, None)
    else:
        if exact:
            _check_enumerable([len(players)])
        plan = _Plan(row, [], exact, players, None)
    if len(plan.players) and not plan.whole:
        _check_budget(row, len(plan.players), budget)
    return plan


def _n_coalitions(n_players: int) -> int:
    """Coalitions to be evaluated in an enumeration: all but the empty and the full one."""
    return (1 << n_players) - 2


def _check_budget(row: int, n_players: int, budget: int) -> None:
    least = min(2 * n_players, _n_coalitions(n_players))
    if budget < least:
        raise ValueError(
            f"n_samples={budget} is too small for row {row}, in which {n_players} players differ from the background; "
            f"give at least {least} (two for each player), or group features."
        )


def _split(
    differs: NDArray[np.bool_], budget: int | None
) -> tuple[NDArray[np.intp], list[tuple[NDArray[np.intp], NDArray[np.intp]]]]:
    """Background rows to be sampled, and those to be enumerated, by the players that differ there.

    A background row with d players that differ has a game of 2^d coalitions of its own. Enumerating it pays where that
    is no more than the `budget` of coalitions that sampling would take; None: always.
    """
    if differs.all():  # one pattern: sorting for it would take as long as all else that is planned
        patterns, of_row = differs[:1], np.zeros(len(differs), dtype=np.intp)
    else:
        patterns, of_row = np.unique(differs, axis=0, return_inverse=True)
        of_row = of_row.reshape(-1)
    enumerated, rest = [], [np.empty(0, dtype=np.intp)]
    for pattern, players in enumerate(np.flatnonzero(mask) for mask in patterns):
        rows = np.flatnonzero(of_row == pattern)
        if not len(players):
            continue  # the same as the explained row: nobody has anything to add
        if budget is None or _n_coalitions(len(players)) <= budget:
            enumerated.append((players, rows))
        else:
            rest.append(rows)
    return np.sort(np.concatenate(rest)), enumerated


def _check_enumerable(sizes: list[int]) -> None:
    if sizes and max(sizes) > MAX_ENUMERATED_PLAYERS:
        raise ValueError(
            f"method='exact' would enumerate 2^{max(sizes)} coalitions; it is for at most {MAX_ENUMERATED_PLAYERS} "
            "players that differ from the background. Use method='auto', or group features."
        )


def _enumerate(game: CoalitionGame, plans: list[_Plan], rules: Rules, played: Played, work: _Work) -> None:
    """Exact values of whole games, and of games of single background rows."""
    requests: list[Request] = []
    places: list[_Place] = []
    held = 0
    for plan in plans:
        for players, background in plan.games():
            inside = all_coalitions(len(players))[1:-1]
            masks = np.zeros((len(inside), game.n_players), dtype=bool)
            masks[:, players] = inside
            requests.append(Request(plan.row, masks, background))
            places.append((plan.row, players, background))
            held += len(masks) * (game.n_players + 8 * game.n_outputs)
            if held > _ENUMERATED_BYTES:
                _solve(game, requests, places, rules, played, work)
                requests, places, held = [], [], 0
    _solve(game, requests, places, rules, played, work)


def _solve(
    game: CoalitionGame, requests: list[Request], places: list[_Place], rules: Rules, played: Played, work: _Work
) -> None:
    """Evaluate games whose coalitions are all there, and add their values."""

    def done(position: int, n: float) -> None:
        row, _, background = places[position]
        work.did(row, n, background)

    for (row, players, background), inner in zip(places, game.evaluate(requests, done), strict=True):
        weights = game.weights if background is None else game.weights[background]
        without = game.without_of(row) if background is None else game.without_of(row)[background]
        ends = (weights @ without)[None], (weights.sum() * game.full[row])[None]
        values = np.concatenate([ends[0], inner, ends[1]])
        if background is None:
            values = rules.link(values)
        played.values[row, players] += shapley_values(values)
        share = len(weights) / len(game.weights)
        played.n_evaluations[row] += int(np.ceil(len(inner) * share))


# ---------------------------------------------------------------------------------------------------------- sampling


class _Group:
    """Rows that share players, and so a design, with what is known of their games so far."""

    def __init__(self, game: CoalitionGame, plans: list[_Plan], rules: Rules, work: _Work) -> None:
        self.game, self.plans, self.rules, self.work = game, plans, rules, work
        self.players = plans[0].players
        self.n = len(self.players)
        self.total = np.stack([self._total(plan) for plan in plans])  # (n_rows, n_outputs)

    def _total(self, plan: _Plan) -> NDArray[np.float64]:
        game, link = self.game, self.rules.link
        without = game.without_of(plan.row)
        if plan.background is None:
            total: NDArray[np.float64] = link(game.full[plan.row]) - link(game.weights @ without)
            return total
        weights = game.weights[plan.background]
        return np.asarray(weights.sum() * game.full[plan.row] - weights @ without[plan.background])

    def pair_values(self, masks: NDArray[np.bool_], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """(v(S) - v(complement)) / 2 of some of the rows: (n_rows, n_pairs, n_outputs)."""
        both = np.zeros((2 * len(masks), self.game.n_players), dtype=bool)
        both[: len(masks), self.players] = masks
        both[len(masks) :, self.players] = ~masks
        requests = [Request(self.plans[i].row, both, self.plans[i].background) for i in rows]

        def done(position: int, n: float) -> None:
            plan = self.plans[rows[position]]
            self.work.did(plan.row, n, plan.background)

        linked = [self.rules.link(sums) for sums in self.game.evaluate(requests, done)]
        return np.stack([(v[: len(masks)] - v[len(masks) :]) / 2 for v in linked])


def _sample(game: CoalitionGame, plans: list[_Plan], rules: Rules, played: Played, work: _Work) -> None:
    """Values of rows that share a design: more pairs for those whose errors are still above the tolerance."""
    group = _Group(game, plans, rules, work)
    budget = 2 * group.n + 2048 if rules.n_samples is None else rules.n_samples
    looks = _permutation_looks if rules.method == "permutation" else _design_looks
    waiting = np.arange(len(plans))
    pair_values = np.empty((len(plans), 0, game.n_outputs))
    for look in looks(group.n, budget, rules):
        pair_values = np.concatenate([pair_values, group.pair_values(look.masks, waiting)], axis=1)
        y = np.moveaxis(pair_values, 1, 0).reshape(pair_values.shape[1], -1)
        total = group.total[waiting].reshape(-1)
        scale = _scale(y, total, rules)
        # no library starts threads for products as small as that, and asking for one takes a tenth of a row's time
        small = group.n * y.size <= _SMALL_PRODUCT
        with nullcontext() if small else one_blas_thread():
            estimate = look.estimate(y / scale, total / scale)
        values, errors = (
            np.moveaxis((part * scale).reshape(group.n, len(waiting), game.n_outputs), 0, 1) for part in estimate
        )
        rows = np.array([plans[i].row for i in waiting])
        every = played.values[rows]  # what background rows that were enumerated have added so far
        every[:, group.players] += values
        spread = np.ptp(every, axis=1)
        rounding = _ROUNDING * (np.abs(game.full[rows]) + np.abs([game.weights @ game.without_of(row) for row in rows]))
        done = (errors.max(axis=1) <= np.maximum(rules.tol * spread, rounding)).all(axis=1)
        ended = done | look.last
        played.values[rows[ended]] = every[ended]
        played.standard_errors[np.ix_(rows[ended], group.players)] = errors[ended]
        played.n_evaluations[rows[ended]] += 2 * pair_values.shape[1]
        played.converged[rows] = done
        work.finish(rows[ended])
        pair_values, waiting = pair_values[~ended], waiting[~ended]
        if not len(waiting):
            return


def _scale(y: NDArray[np.float64], total: NDArray[np.float64], rules: Rules) -> NDArray[np.float64]:
    """A power of two near each game's size, for squares of 1e-200 and 1e200 are no doubles. A lasso keeps its units."""
    if rules.l1_reg:
        return np.ones_like(total)
    largest = np.maximum(np.abs(y).max(axis=0, initial=0.0), np.abs(total))
    scale: NDArray[np.float64] = np.ldexp(1.0, np.maximum(np.frexp(largest)[1], -1021))
    return scale


Estimator = Callable[[NDArray[np.float64], NDArray[np.float64]], Estimate]


class _Look(NamedTuple):
    """New coalitions to evaluate, how to estimate from all so far, and whether there will be no further look."""

    masks: NDArray[np.bool_]
    estimate: Estimator
    last: bool


def _design_looks(n: int, budget: int, rules: Rules) -> Iterator[_Look]:
    most = min(budget // 2, n_pairs_in_all(n))
    # Without a tolerance nothing stops earlier.
    before, n_pairs = 0, most if rules.tol <= 0 else min(most, _FIRST_LOOK * n // 2)
    tuning = Tuning()
    while before < most:
        # A prefix of a design is the design of fewer pairs: the evaluated ones come first again.
        design = make_design(n, n_pairs, seed=rules.seed, n_threads=rules.n_threads, backend=rules.backend)
        yield _Look(design.masks[before:], partial(_estimate, design, rules, tuning), n_pairs == most)
        before, n_pairs = n_pairs, min(2 * n_pairs, most)


def _estimate(
    design: Design, rules: Rules, tuning: Tuning, y: NDArray[np.float64], total: NDArray[np.float64]
) -> Estimate:
    signs, share = design.signs, design.drawn_share
    if rules.l1_reg and (rules.l1_reg != "auto" or len(signs) < 0.2 * n_pairs_in_all(min(signs.shape[1], 40))):
        return selected_wls(signs, design.weights, share, y, total, rules.l1_reg)
    if rules.method == "wls" or rules.l1_reg or len(signs) == n_pairs_in_all(signs.shape[1]):
        solver = design.least_squares
        values = solver.solve(y, total)
        return Estimate(values, solver.standard_errors(y, values))
    return odd_gp(
        signs,
        design.weights,
        share,
        y,
        total,
        n_threads=rules.n_threads,
        backend=rules.backend,
        least_squares=design.least_squares,
        tuning=tuning,
    )


def _permutation_looks(n: int, budget: int, rules: Rules) -> Iterator[_Look]:
    most = max(1, budget // (2 * (n - 1)))
    permutations = draw_permutations(n, most, rules.seed)
    before, count = 0, most if rules.tol <= 0 else min(most, _FIRST_LOOK // 2)
    while before < most:
        new = prefix_masks(permutations[before:count])
        yield _Look(new, partial(antithetic_estimate, permutations[:count]), count == most)
        before, count = count, min(2 * count, most)
