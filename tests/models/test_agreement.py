"""Two ways to the same numbers: what counts as agreement, and how a difference is told."""

from __future__ import annotations

import numpy as np
import pytest

from fastexplain.models.agreement import agrees, disagreement

THEIRS = np.array([[1.0, 1000.0], [2.0, -500.0], [0.5, 10.0]])


def moved(row: int, output: int, by: float) -> np.ndarray:
    ours = THEIRS.copy()
    ours[row, output] += by
    return ours


def test_rounding_is_relative_to_the_largest_output() -> None:
    assert agrees(moved(0, 0, 9e-4), THEIRS, 1e-6)
    assert not agrees(moved(0, 0, 2e-3), THEIRS, 1e-6)
    assert not agrees(moved(0, 0, 9e-4), THEIRS, 1e-6, apart=True)  # 2 is the largest of its own output
    assert agrees(moved(0, 1, 9e-4), THEIRS, 1e-6, apart=True)
    assert not agrees(np.full((2, 1), 1e-7), np.zeros((2, 1)), 1e-6)
    assert agrees(np.full((2, 1), 1e-7), np.zeros((2, 1)), 1e-6, floor=1.0)
    assert agrees(np.zeros((2, 1)), np.zeros((2, 1)), 0.0)
    assert agrees(np.zeros((0, 2)), np.zeros((0, 2)), 1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_agrees_with_nothing(value: float) -> None:
    ours = THEIRS.copy()
    ours[1, 1] = value
    assert not agrees(ours, THEIRS, 1e-3)
    assert not agrees(ours, ours, 1e-3)
    assert not agrees(THEIRS, ours, 1e-3)
    found = disagreement(ours, THEIRS, 1e-3)
    assert found is not None
    assert found.startswith("on probe row 1, output 1, it gives")


def test_a_difference_names_the_worst_row_and_both_values() -> None:
    found = disagreement(moved(2, 1, 5.0) + 0.01, THEIRS, 1e-6)
    assert found is not None
    assert "on probe row 2, output 1" in found
    assert "15.01" in found
    assert "the library 10.0 (tolerance 1.0e-03)" in found
    assert disagreement(THEIRS[:, :1], THEIRS, 1e-6) == "its outputs have shape (3, 1), and the library's (3, 2)"
