"""What calls of single rows save: designs that are kept, a compiled search and solver, no thread for little work."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import run_python
from numpy.typing import NDArray

import fastexplain.engine.helper_thread as helper_thread
import fastexplain.engine.kernel.coalition_games as coalition_games
from fastexplain._core import odd_tune
from fastexplain.engine.kernel.coalitions import make_design
from fastexplain.engine.kernel.kernel_shap import kernel_shap
from fastexplain.engine.kernel.odd_gp import odd_gp
from fastexplain.engine.kernel.odd_kernel import Settings
from fastexplain.engine.kernel.odd_search import Tuning

Array = NDArray[np.float64]


def smooth_games(n_players: int, n_pairs: int, n_games: int, seed: int = 0) -> tuple[Array, Array, Array, Array]:
    """Signs of a design, pair values, totals and least-squares values of sums through a tanh."""
    design = make_design(n_players, n_pairs, seed=0, n_threads=1, backend="native")
    weights = np.random.default_rng(seed).normal(size=(n_players, n_games))
    y = (np.tanh(design.masks @ weights) - np.tanh(~design.masks @ weights)) / 2
    total = np.tanh(weights.sum(axis=0))
    return design.signs, y, total, design.least_squares.solve(y, total)


@pytest.mark.parametrize(("n_players", "n_pairs"), [(5, 12), (9, 40), (20, 80), (60, 130)])
@pytest.mark.parametrize("n_games", [1, 3])
def test_the_search_finds_the_place_that_its_twin_finds(n_players: int, n_pairs: int, n_games: int) -> None:
    for seed in range(3):
        games = smooth_games(n_players, n_pairs, n_games, seed)
        native, numba = Tuning(), Tuning()
        first, second = native(*games, Settings(1, "native")), numba(*games, Settings(1, "numba"))
        assert native._place == numba._place
        np.testing.assert_array_equal(first.rho, second.rho)
        more = smooth_games(n_players, 2 * n_pairs, n_games, seed)  # from where the first search ended
        native(*more, Settings(1, "native")), numba(*more, Settings(1, "numba"))
        assert native._place == numba._place


def test_a_later_search_keeps_the_power_of_the_first() -> None:
    tuning = Tuning()
    tuning(*smooth_games(15, 60, 1), Settings(1, "native"))
    first = tuning._place
    tuning(*smooth_games(15, 120, 1), Settings(1, "native"))
    assert first is not None
    assert tuning._place is not None
    assert tuning._place.power == first.power


def test_a_later_search_does_no_worse_than_one_from_scratch() -> None:
    ratios = []
    for seed in range(8):
        signs, y, total, linear = smooth_games(12, 48, 1, seed)
        design = make_design(12, 96, seed=0, n_threads=1, backend="native")
        tuning = Tuning()
        tuning(signs, y, total, linear, Settings(1, "native"))
        _, y, total, _ = smooth_games(12, 96, 1, seed)
        task = design.signs, design.weights, design.drawn_share, y, total
        every = make_design(12, 2**11, seed=0, n_threads=1, backend="native")
        _, *pairs, truth = smooth_games(12, 2**11, 1, seed)
        assert len(every.masks) == len(pairs[0])
        later, anew = (
            odd_gp(*task, n_threads=1, backend="native", tuning=given).values - truth for given in (tuning, None)
        )
        ratios.append((later**2).sum() / (anew**2).sum())
    assert np.exp(np.mean(np.log(ratios))) < 1.2


def test_a_start_outside_the_grid_is_refused() -> None:
    signs, y, total, linear = smooth_games(5, 12, 1)
    points = np.vstack([signs, np.ones((1, 5))])
    left = np.vstack([y - signs / 2 @ linear, (total - linear.sum(axis=0)) / 2])
    grid = np.array([0.0, 1.0]), np.array([0.1, 0.2, 0.3]), np.array([0.1, 1.0])
    with pytest.raises(ValueError, match=r"start must be the numbers .* got \(2, 0, 0\)"):
        odd_tune(points, left, np.full(5, 0.5), *grid, 1e-10, 16.0, (2, 0, 0))
    with pytest.raises(ValueError, match=r"nuggets\[1\] is 0.1; expected positive numbers that rise"):
        odd_tune(points, left, np.full(5, 0.5), *grid[:2], np.array([0.1, 0.1]), 1e-10, 16.0, None)


def test_small_designs_are_kept_and_cannot_be_written_to() -> None:
    first, second = (make_design(15, 60, seed=3, n_threads=1, backend="native") for _ in range(2))
    assert first is second
    with pytest.raises(ValueError, match="read-only"):
        first.masks[0, 0] = True
    large = make_design(200, 400, seed=3, n_threads=1, backend="native")
    assert large is not make_design(200, 400, seed=3, n_threads=1, backend="native")


def explained(n_background: int) -> Array:
    rng = np.random.default_rng(0)
    background, row = rng.normal(size=(n_background, 15)), rng.normal(size=(1, 15))
    return kernel_shap(lambda X: np.tanh(X @ np.linspace(-1, 1, 15)), row, background, see_through=False).values


def test_little_work_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Counting(helper_thread.ThreadPoolExecutor):
        def __init__(self, *args: object, **options: object) -> None:
            started.append(args)
            super().__init__(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(helper_thread, "ThreadPoolExecutor", Counting)
    alone = explained(50)
    assert not started
    monkeypatch.setattr(coalition_games, "_LITTLE_WORK", 1000)
    np.testing.assert_array_equal(explained(50), alone)
    assert started


def test_one_row_has_the_same_bits_under_every_instruction_set(isas: list[str]) -> None:
    code = """
import numpy as np
from fastexplain import kernel_shap
rng = np.random.default_rng(0)
row, background = rng.normal(size=(1, 15)), rng.normal(size=(20, 15))
found = kernel_shap(lambda X: np.tanh(X @ np.linspace(-1, 1, 15)), row, background, see_through=False)
print(found.values.tobytes().hex(), found.standard_errors.tobytes().hex())
"""
    assert len({run_python(code, FASTEXPLAIN_ISA=isa) for isa in isas}) == 1
