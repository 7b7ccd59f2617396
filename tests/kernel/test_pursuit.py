"""Games of few high-order terms: found exactly, and nothing found where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from naive_games import naive_shapley
from numpy.typing import NDArray

from fastexplain import kernel_shap
from fastexplain.engine.kernel.coalitions import Design, all_coalitions, make_design
from fastexplain.engine.kernel.enumeration import shapley_values
from fastexplain.engine.kernel.odd_gp import odd_gp
from fastexplain.engine.kernel.pursuit import Terms, pursue
from fastexplain.engine.kernel.wls import Estimate

Array = NDArray[np.float64]


def design_of(n_players: int, n_pairs: int, seed: int = 0) -> Design:
    return make_design(n_players, n_pairs, seed=seed, n_threads=1, backend="native")


def estimated(game: Array, design: Design, backend: str = "native") -> Estimate:
    """Of tabulated games (2^n, n_games)."""
    number = 1 << np.arange(design.masks.shape[1])
    y = (game[design.masks @ number] - game[~design.masks @ number]) / 2
    task = design.signs, design.weights, design.drawn_share, y, game[-1] - game[0]
    return odd_gp(*task, n_threads=1, backend=backend)


def parity(n_players: int, members: list[int], seed: int = 0) -> Array:
    """Parity of some players and a linear rest, of all coalitions: (2^n, 1)."""
    masks = all_coalitions(n_players)
    weights = 0.2 * np.random.default_rng(seed).normal(size=n_players)
    return np.asarray(masks[:, members].sum(axis=1) % 2 + masks @ weights)[:, None]


def test_values_of_terms_are_their_shapley_values() -> None:
    terms = Terms([np.array([0, 2, 3]), np.array([0, 1, 2, 3, 4])], np.array([0.7, -0.4]))

    def v(players: frozenset[int]) -> float:
        signs = np.array([[1.0 if i in players else -1.0 for i in range(6)]])
        return float(terms.at(signs)[0])

    expected = naive_shapley(lambda s: np.array([v(frozenset(s))]), 6)
    np.testing.assert_allclose(terms.values(6)[:, None], expected, atol=1e-12)


@pytest.mark.parametrize("members", [[1, 4, 7], [0, 2, 5, 8, 9]])
@pytest.mark.parametrize("backend", ["native", "numba"])
def test_a_parity_is_found(members: list[int], backend: str) -> None:
    game = parity(12, members)
    found = estimated(game, design_of(12, 80), backend)
    np.testing.assert_allclose(found.values, shapley_values(game), atol=1e-9)
    assert found.standard_errors.max() < 1e-6


def test_two_terms_among_games_that_have_none() -> None:
    masks, rng = all_coalitions(11), np.random.default_rng(1)
    signs = np.where(masks, 1.0, -1.0)
    two = 0.5 * signs[:, [1, 3, 5]].prod(axis=1) - 0.6 * signs[:, [0, 2, 4, 6, 8]].prod(axis=1) + 0.1 * masks[:, 7]
    game = np.stack([rng.normal(size=len(masks)), two, np.tanh(masks @ rng.normal(size=11))], axis=1)
    design = design_of(11, 120)
    alone, together = estimated(game[:, [1]], design), estimated(game, design)
    truth = shapley_values(game)
    np.testing.assert_allclose(alone.values, truth[:, [1]], atol=1e-9)
    np.testing.assert_allclose(together.values[:, 1], truth[:, 1], atol=1e-9)


@pytest.mark.parametrize("n_pairs", [60, 100, 300])
def test_nothing_is_found_in_noise_or_in_votes(n_pairs: int) -> None:
    rng = np.random.default_rng(2)
    masks = all_coalitions(12)
    votes = rng.integers(1, 12, size=(12, 20))
    game = np.hstack([rng.normal(size=(len(masks), 20)), (masks @ votes > votes.sum(axis=0) / 2).astype(float)])
    design = design_of(12, n_pairs)
    number = 1 << np.arange(12)
    y = (game[design.masks @ number] - game[~design.masks @ number]) / 2
    assert not pursue(design.signs, y, design.least_squares.solve(y, game[-1] - game[0]))


def test_few_pairs_and_few_players_are_not_searched() -> None:
    game = parity(12, [1, 4, 7])
    design = design_of(12, 48)
    number = 1 << np.arange(12)
    y = (game[design.masks @ number] - game[~design.masks @ number]) / 2
    assert not pursue(design.signs, y, np.zeros((12, 1)))
    assert not pursue(design.signs[:, :4], y, np.zeros((4, 1)))


def test_a_model_of_one_interaction_needs_few_coalitions() -> None:
    rng = np.random.default_rng(3)
    weights = 0.2 * rng.normal(size=20)

    def predict(X: Array) -> Array:
        return np.asarray(X[:, [2, 3, 11, 12, 19]].sum(axis=1) % 2 + X @ weights)

    found = kernel_shap(predict, np.ones((1, 20)), np.zeros((1, 20)), see_through=False, n_samples=2000)
    expected = weights.copy()
    expected[[2, 3, 11, 12, 19]] += 0.2
    np.testing.assert_allclose(found.values[0, :, 0], expected, atol=1e-9)
    assert found.converged.all()
    assert found.n_evaluations[0] <= 640  # all 2,000 before, and errors of a tenth
