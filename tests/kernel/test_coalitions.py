"""The sampling design: every pair once, sizes in turn, the same for any backend and number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastexplain.engine.kernel.coalitions import all_coalitions, make_design, n_pairs_in_all, pairs_of_size


def design(n_players: int, n_pairs: int, seed: int = 0, n_threads: int = 1, backend: str = "native"):
    return make_design(n_players, n_pairs, seed=seed, n_threads=n_threads, backend=backend)


@pytest.mark.parametrize("n_players", range(2, 11))
@pytest.mark.parametrize("backend", ["native", "numba"])
def test_a_whole_design_holds_every_coalition_once(n_players: int, backend: str) -> None:
    masks = design(n_players, 10**6, backend=backend).masks
    both = np.vstack([masks, ~masks])
    assert len(masks) == n_pairs_in_all(n_players)
    assert len(np.unique(both, axis=0)) == 2**n_players - 2 == len(both)


@given(n_players=st.integers(2, 70), n_pairs=st.integers(1, 400), seed=st.integers(0, 2**63))
def test_numba_draws_the_same_coalitions(n_players: int, n_pairs: int, seed: int) -> None:
    native, numba = (design(n_players, n_pairs, seed, 2, backend) for backend in ("native", "numba"))
    assert (native.masks == numba.masks).all()


@given(n_players=st.integers(2, 40), n_pairs=st.integers(1, 600), seed=st.integers(0, 100))
def test_no_pair_repeats_and_sizes_take_turns(n_players: int, n_pairs: int, seed: int) -> None:
    masks = design(n_players, n_pairs, seed).masks
    assert len(masks) == min(n_pairs, n_pairs_in_all(n_players))
    assert len(np.unique(masks, axis=0)) == len(masks)
    sizes = masks.sum(axis=1)
    assert (sizes >= 1).all()
    assert (2 * sizes <= n_players).all()
    assert masks[2 * sizes == n_players, 0].all()  # player 0's side stands for a pair of halves
    counts = np.bincount(sizes, minlength=n_players // 2 + 1)[2:]
    room = np.array([pairs_of_size(n_players, s) for s in range(2, n_players // 2 + 1)])
    open_sizes = counts[counts < room]
    if len(open_sizes):
        assert np.ptp(open_sizes) <= 1  # as often as any other that is not used up
        assert counts.max(initial=0) <= open_sizes.max() + 1


def test_singletons_come_first() -> None:
    assert (design(20, 50).masks[:20] == np.eye(20, dtype=bool)[np.argmax(design(20, 50).masks[:20], axis=1)]).all()
    assert design(20, 20).masks.sum() == 20


def test_a_prefix_is_the_smaller_design() -> None:
    large, small = design(30, 500, seed=3), design(30, 120, seed=3)
    assert (large.masks[:120] == small.masks).all()


def test_threads_change_nothing_and_the_seed_does() -> None:
    one, three, other = design(33, 300, n_threads=1), design(33, 300, n_threads=3), design(33, 300, seed=1)
    assert (one.masks == three.masks).all()
    assert (one.masks != other.masks).any()


def test_players_of_sizes_beyond_numbering_are_uniform() -> None:
    masks = design(300, 40_000).masks
    large = masks[masks.sum(axis=1) > 100]
    shares = large.mean(axis=0) / large.mean()
    assert np.abs(shares - 1).max() < 0.05


def test_a_size_is_drawn_uniformly() -> None:
    counts = np.zeros(45)
    for seed in range(400):
        masks = design(10, 10 + 4, seed).masks[10:]
        for mask in masks[masks.sum(axis=1) == 2]:
            i, j = np.flatnonzero(mask)
            counts[i * (19 - i) // 2 + j - i - 1] += 1
    expected = counts.sum() / 45
    assert ((counts - expected) ** 2 / expected).sum() < 90  # chi-squared, 44 degrees: 1e-4


def test_weights_carry_the_shapley_kernel() -> None:
    whole = design(8, 10**6)
    sizes = whole.masks.sum(axis=1)
    kernel = np.array([1 / (pairs_of_size(8, s) * (2 if 2 * s == 8 else 1) * s * (8 - s)) for s in sizes])
    kernel[2 * sizes == 8] *= 1.0
    ratio = whole.weights / kernel
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)


def test_drawn_share_is_one_where_a_size_is_complete() -> None:
    part = design(12, 12 + 200)
    sizes = part.masks.sum(axis=1)
    for size in np.unique(sizes):
        share = part.drawn_share[sizes == size]
        assert share == pytest.approx((sizes == size).sum() / pairs_of_size(12, int(size)))
    assert (part.drawn_share[sizes == 1] == 1).all()


def test_all_coalitions_count_in_binary() -> None:
    assert all_coalitions(3).tolist() == [[bool(s >> i & 1) for i in range(3)] for s in range(8)]
