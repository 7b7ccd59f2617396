"""Functions compiled by Numba, fused into the loop over coalitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import pytest
from naive_coalitions import naive_coalition_values, random_masks
from numba import njit as numba_njit

from fastexplain.engine.formulas.known import known_formula
from fastexplain.engine.kernel.kernel_shap import kernel_shap
from fastexplain.exceptions import PredictionError

F = TypeVar("F", bound=Callable[..., Any])


def njit(function: F) -> F:
    """As Numba's own, with a type."""
    return cast(F, numba_njit(function))


@njit
def number_of_row(row: Any) -> Any:
    return row[0] * row[1] + np.sin(row[2])


declared = numba_njit("float64(float64[:])")(lambda row: row[0] * row[1] + np.sin(row[2]))


@njit
def writes_to_its_row(row: Any) -> Any:
    row[0] *= row[1]
    return row[0] + np.sin(row[2])


@njit
def pair_of_row(row: Any) -> Any:
    return row[0] * row[1], row[2] + 1


@njit
def array_of_row(row: Any) -> Any:
    return np.array([row[0] * row[1], row[2] + 1])


@njit
def vector_of_matrix(rows: Any) -> Any:
    return 1 / (1 + np.exp(-rows[:, 0] * rows[:, 1]))


@njit
def matrix_of_matrix(rows: Any) -> Any:
    out = np.empty((len(rows), 2))
    for i in range(len(rows)):
        out[i, 0], out[i, 1] = rows[i, 0] * rows[i, 1], rows[i].sum()
    return out


Predict = Callable[[Any], Any]
PRODUCT_AND_SINE: Predict = lambda X: X[:, 0] * X[:, 1] + np.sin(X[:, 2])  # noqa: E731
PAIR: Predict = lambda X: np.stack([X[:, 0] * X[:, 1], X[:, 2] + 1], axis=1)  # noqa: E731
CASES: dict[str, tuple[Any, Predict]] = {
    "number of row": (number_of_row, PRODUCT_AND_SINE),
    "declared": (declared, PRODUCT_AND_SINE),
    "writes to its row": (writes_to_its_row, PRODUCT_AND_SINE),
    "pair of row": (pair_of_row, PAIR),
    "array of row": (array_of_row, PAIR),
    "vector of matrix": (vector_of_matrix, lambda X: 1 / (1 + np.exp(-X[:, 0] * X[:, 1]))),
    "matrix of matrix": (matrix_of_matrix, lambda X: np.stack([X[:, 0] * X[:, 1], X.sum(axis=1)], axis=1)),
}


@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize("n_rows", [4, 5, 12])  # also as many rows as columns
def test_coalition_values_equal_python(name: str, n_rows: int) -> None:
    function, python = CASES[name]
    random = np.random.default_rng(0)
    background, x = random.normal(size=(n_rows, 5)), random.normal(size=5)
    seen = known_formula(function, None, python, background)
    assert seen is not None
    assert seen.path == "njit"
    assert seen.model is not None
    weights = np.arange(1.0, n_rows + 1) / (n_rows * (n_rows + 1) / 2)
    masks = random_masks(20, 5)
    game = seen.model.bind(background, weights)
    got = game.coalition_values(x, masks, n_threads=1)
    np.testing.assert_allclose(
        got, naive_coalition_values(python, x, background, weights, masks), rtol=1e-12, atol=1e-14
    )
    assert game.coalition_values(x, masks, n_threads=3).tobytes() == got.tobytes()


def test_kernel_shap_takes_functions_of_rows() -> None:
    random = np.random.default_rng(1)
    X, background = random.normal(size=(3, 5)), random.normal(size=(6, 5))
    groups = [[0, 2], [1], [3, 4]]
    fused = kernel_shap(number_of_row, X, background, groups=groups)
    asked = kernel_shap(PRODUCT_AND_SINE, X, background, groups=groups)
    assert fused.method == "njit+exact"
    np.testing.assert_allclose(fused.values, asked.values, rtol=1e-12, atol=1e-14)


def test_function_of_nothing_that_we_have_is_named() -> None:
    @njit
    def of_two(a: Any, b: Any) -> Any:
        return a + b

    with pytest.raises(PredictionError, match="of_two"):
        kernel_shap(of_two, np.ones((2, 3)), np.zeros((2, 3)))
