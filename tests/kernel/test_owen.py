"""Owen values and interactions from values of coalitions, against their definitions; see also tests/compat."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from fastexplain.engine.kernel.enumeration import interaction_values, shapley_values
from fastexplain.engine.kernel.owen import MAX_OWEN_COALITIONS, OwenGame

# Sums of at most 2^6 numbers of order 1.
EXACT = 1e-12


def random_hierarchy(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Any two nodes that are left are joined."""
    left = list(range(n))
    linkage = []
    for i in range(n - 1):
        a, b = (left.pop(int(rng.integers(len(left)))) for _ in range(2))
        linkage.append([a, b, i + 1.0, 0])
        left.append(n + i)
    return np.array(linkage).reshape(-1, 4)


def orders(linkage: NDArray[np.float64]) -> list[list[int]]:
    """All orders of the features that keep every branch together."""
    n = len(linkage) + 1
    found = [[[i]] for i in range(n)]
    for a, b, *_ in linkage:
        pairs = list(itertools.product(found[int(a)], found[int(b)]))
        found.append([x + y for x, y in pairs] + [y + x for x, y in pairs])
    return found[-1]


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("seed", range(3))
def test_owen_values_are_means_over_orders_that_keep_branches_together(n: int, seed: int) -> None:
    rng = np.random.default_rng([n, seed])
    linkage = random_hierarchy(n, rng)
    game = rng.normal(size=(2**n, 2))  # by the coalition's bits
    owen = OwenGame(linkage)
    values = owen.values(game[owen.masks @ (1 << np.arange(n))])
    expected = np.zeros((n, 2))
    kept = orders(linkage)
    for order in kept:
        coalition = 0
        for i in order:
            expected[i] += game[coalition | 1 << i] - game[coalition]
            coalition |= 1 << i
    np.testing.assert_allclose(values, expected / len(kept), atol=EXACT)
    assert len(np.unique(owen.masks, axis=0)) == len(owen.masks)


def test_owen_values_of_two_features_are_shapley_values() -> None:
    game = np.random.default_rng(0).normal(size=(4, 1))
    owen = OwenGame(np.array([[0.0, 1, 1, 2]]))
    np.testing.assert_allclose(owen.values(game[owen.masks @ [1, 2]]), shapley_values(game), atol=EXACT)


def test_hierarchies_that_are_too_deep_are_refused() -> None:
    n = 18
    chain = np.array([[n + i - 1 if i else 0, i + 1, i + 1.0, 0] for i in range(n - 1)])
    with pytest.raises(ValueError, match=f"18 features, 17 levels deep, has 262144 .* at most {MAX_OWEN_COALITIONS}"):
        OwenGame(chain)
    wide = np.array([[2 * i, 2 * i + 1, 0, 0] for i in range(127)], dtype=float)  # 128 features, balanced
    assert OwenGame(wide).masks.shape[1] == 128


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_interactions_are_those_of_the_definition(n: int) -> None:
    game = np.random.default_rng(n).normal(size=(2**n, 2))
    values = interaction_values(game)
    assert values.shape == (n, n, 2)
    for i, j in itertools.product(range(n), repeat=2):
        if i == j:
            np.testing.assert_allclose(values[i, i], game[1 << i] - game[0], atol=EXACT)
            continue
        expected = np.zeros(2)
        for s in range(2**n):
            if not s >> i & 1 and not s >> j & 1:
                gain = game[s | 1 << i | 1 << j] - game[s | 1 << i] - game[s | 1 << j] + game[s]
                expected += gain / (n * math.comb(n - 1, s.bit_count()))
        np.testing.assert_allclose(values[i, j], expected, atol=EXACT)
    np.testing.assert_allclose(values.sum(axis=(0, 1)), game[-1] - game[0], atol=EXACT)
