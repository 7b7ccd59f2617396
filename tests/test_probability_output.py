"""``shap_values_output="probability"``: margins made to add up to probabilities."""

from __future__ import annotations


import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from fastexplain.explainers._probability import BLOCK_ROWS, scaled_to_probability

ROUNDING = 1e-12


def naive(values: NDArray[np.float64], base: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rule of the contract's section 3, a row and a class at a time."""
    scaled = np.empty_like(values)
    n_rows, n_features, n_classes = values.shape
    for i in range(n_rows):
        for k in range(n_classes):
            v = values[i, :, k]
            error = target[i, k] - v.sum() - base[k]
            size = np.abs(v).sum()
            shared = min(abs(error), size)
            left = abs(error) - shared
            for j in range(n_features):
                part = shared * abs(v[j]) / size if size > 0 else 0.0
                scaled[i, j, k] = v[j] + np.sign(error) * (part + left / n_features)
    return scaled


def random_case(n_rows: int, n_outputs: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.Generator(np.random.Philox(3))
    values = rng.normal(size=(n_rows, 4, n_outputs)) * rng.choice([0.01, 1.0], size=(n_rows, 1, 1))
    target = rng.dirichlet(np.ones(max(2, n_outputs)), size=n_rows)
    return values, rng.normal(size=n_outputs), target


def test_scaling_equals_the_rule_row_by_row() -> None:
    values, base, target = random_case(50, 3)
    values[7] = 0.0
    scaled, same_base = scaled_to_probability(values, base, target)
    assert_allclose(scaled, naive(values, base, target), atol=ROUNDING)
    assert_allclose(same_base, base)


def test_scaled_values_add_up_to_the_probability() -> None:
    values, base, target = random_case(BLOCK_ROWS + 3, 3)
    values[5] = 0.0
    before = values.copy()
    scaled, base = scaled_to_probability(values, base, target)
    assert_allclose(scaled.sum(axis=1) + base, target, atol=ROUNDING)
    assert_allclose(values, before)


def test_a_single_margin_becomes_both_classes() -> None:
    values, base, target = random_case(20, 1)
    scaled, both = scaled_to_probability(values, base, target)
    assert_allclose(both, [-base[0], base[0]])
    assert_allclose(scaled, naive(np.concatenate([-values, values], axis=2), both, target), atol=ROUNDING)


def test_other_shapes_are_named() -> None:
    values, base, target = random_case(5, 3)
    with pytest.raises(ValueError, match=r"probabilities \(5, 2\)"):
        scaled_to_probability(values, base, target[:, :2])
