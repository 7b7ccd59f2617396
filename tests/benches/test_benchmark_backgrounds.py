"""The benchmark of backgrounds compares with all rows, and in its small form says what its table says."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from conftest import TESTS

import fastexplain

pytest.importorskip("pandas")
sys.path.append(str(TESTS.parent))  # benchmarks are not part of the package

from benchmarks.kernel.backgrounds import CHOICES, Case, compare

X = np.exp(np.random.default_rng(0).normal(size=(200, 3)))


def test_all_rows_are_no_way_off_and_chosen_rows_a_short_one() -> None:
    case = Case("additive", lambda rows: np.abs(rows - 1.0).sum(axis=1), X, X[:5])
    whole = fastexplain.kernel_shap(case.predict, case.rows, case.train)
    same = compare(case, lambda case, seed: case.train, whole, seeds=1)
    assert same is not None
    assert (same.base, same.values, same.signs) == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    found = {name: compare(case, make, whole, seeds=2) for name, make in CHOICES.items()}
    own, ten = found["KernelExplainer's 100 rows"], found["10 k-means centres"]
    assert own is not None
    assert ten is not None
    assert own.base < 0.2 < ten.base
    assert own.values < 0.3 * ten.values
