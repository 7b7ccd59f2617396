"""Counter-based random numbers: known answers, and that the Numba twin's streams do what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from fastexplain.engine.numba.random import below, next_u32, open_stream, shuffle


def test_philox_gives_the_published_answer() -> None:
    # Salmon et al. 2011, Random123's kat_vectors: philox4x32-10 of an all-zero counter and key
    stream = open_stream(0, 0, 0)
    assert [int(next_u32(stream)) for _ in range(4)] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


@pytest.mark.parametrize("other", [(2, 3, 4), (1, 2, 4), (1, 3, 3), (1 + 2**40, 3, 4), (1, 3, 4 + 2**40)])
def test_streams_differ_in_every_part_of_their_name(other: tuple[int, int, int]) -> None:
    first, second = open_stream(1, 3, 4), open_stream(*other)
    assert [next_u32(first) for _ in range(8)] != [next_u32(second) for _ in range(8)]


def test_below_is_uniform() -> None:
    stream = open_stream(7, 0, 0)
    counts = np.bincount([below(stream, 6) for _ in range(60_000)], minlength=6)
    assert len(counts) == 6
    assert np.abs(counts - 10_000).max() < 5 * np.sqrt(60_000 * 5 / 36)  # five standard deviations


def test_shuffle_is_a_permutation_and_repeatable() -> None:
    values = np.arange(100)
    shuffle(open_stream(5, 1, 2), values)
    again = np.arange(100)
    shuffle(open_stream(5, 1, 2), again)
    assert (values == again).all()
    assert sorted(values.tolist()) == list(range(100))
    assert (values != np.arange(100)).sum() > 80
