"""What tests of permutation importance share: rows, a call that returns one result, comparison of two."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastexplain
from fastexplain.engine.backends import core

# Of sums in another order.
ROUNDING = 1e-10
BACKENDS = ["numba"] + (["native"] if core() else [])
Array = NDArray[Any]


def data(n: int = 300, p: int = 5, seed: int = 0) -> tuple[Array, Array]:
    """Rows of which two columns have few values, and a target."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    X[:, 1] = rng.integers(2, size=n)
    X[:, 2] = rng.integers(4, size=n)
    return X, X[:, 0] * 2 + X[:, 1] - X[:, 0] * X[:, 2] + 0.1 * rng.normal(size=n)


def run(*args: Any, **options: Any) -> fastexplain.PermutationImportanceResult:
    """Importances by one metric."""
    result = fastexplain.permutation_importance(*args, **options)
    assert isinstance(result, fastexplain.PermutationImportanceResult)
    return result


def same(a: fastexplain.PermutationImportanceResult, b: fastexplain.PermutationImportanceResult) -> None:
    """Fail unless two results hold the same numbers."""
    np.testing.assert_allclose(a.importances, b.importances, rtol=1e-9, atol=1e-12)
