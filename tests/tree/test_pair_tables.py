"""Outputs that follow from a margin, by tables of pairs: equal to the definition and to walks, and the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import run_python
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import naive_interventional, naive_predict
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.special import expit
from strategies import forests, random_forest, random_rows, rows_for

from fastexplain import tree_shap
from fastexplain.engine.backends import core
from fastexplain.models import Forest

pytestmark = pytest.mark.skipif(core() is None, reason="this install has no compiled core")

MANY_ROWS = 1 << 30
Array = NDArray[np.float64]


def explained(forest: Forest, X: Array, background: Array, n_rows_of_call: int = MANY_ROWS, **how: Any) -> Array:
    """Squared losses at the label 1: their quotient is exact wherever the margins lie."""
    weights = how.pop("weights", np.full(len(background), 1 / len(background)))
    n_threads = how.pop("n_threads", 1)
    kernel = core().TransformedShap(forest, background, weights=weights, n_threads=n_threads, **how)
    values = np.full((len(X), forest.n_features, 1), np.nan)
    arguments = {"transform": "squared_loss", "slope": 1.0, "offset": 0.5, "labels": np.ones(len(X))}
    kernel.explain(X, values=values, n_threads=n_threads, n_rows_of_call=n_rows_of_call, **arguments)
    return values


def by_definition(forest: Forest, X: Array, background: Array, weights: Array) -> Array:
    offset = forest.base_offset[0] - 0.5
    margins, others = naive_predict(forest, X)[:, 0] - offset, naive_predict(forest, background)[:, 0] - offset
    values = np.zeros((len(X), forest.n_features, 1))
    for row, other, weight in zip(background, others, weights, strict=True):
        of_pairs = naive_interventional(forest, X, row[None], np.ones(1))[0]
        values += weight * of_pairs * (margins + other - 2)[:, None, None]
    return values


@settings(max_examples=100)
@given(st.data(), forests(n_outputs=1, vector_leaves=False), st.sampled_from((2, 8, 256)))
def test_tables_equal_the_definition(data: st.DataObject, forest: Forest, max_states: int) -> None:
    X, background = data.draw(rows_for(forest)), data.draw(rows_for(forest))
    background = np.vstack([background, background[:1]])  # a row twice
    weights = np.arange(1.0, len(background) + 1)
    weights /= weights.sum()
    values = explained(forest, X, background, weights=weights, max_states=max_states)
    expected = by_definition(forest, X, background, weights)
    assert_allclose(values, expected, rtol=0, atol=1e-12 * max(1.0, np.abs(expected).max(initial=0)))


def shallow(n_trees: int = 30, **changes: Any) -> tuple[np.random.Generator, Forest]:
    rng = np.random.default_rng(3)
    how = {"n_features": 10, "n_leaves": 20, "max_depth": 5, "p_categorical": 0.2, **changes}
    return rng, random_forest(rng, n_trees=n_trees, **how)


@pytest.mark.parametrize("n_background", [1, 2, 64, 100, 257])
def test_calls_around_the_number_of_rows_that_pays(n_background: int) -> None:
    rng, forest = shallow()
    background = random_rows(rng, forest, n_background)
    kernel = core().TransformedShap(forest, background, weights=np.full(n_background, 1 / n_background), n_threads=1)
    least = next(n for n in range(1, 3000) if kernel.turn(n) > 0)
    assert least > 1
    X = random_rows(rng, forest, least + 1)
    walked = explained(forest, X, background, table_bytes=0)
    scale = np.abs(walked).max()
    for n_rows in (1, least - 1, least, least + 1):
        values = explained(forest, X[:n_rows], background, 0)
        if n_rows < least:
            assert_array_equal(values, walked[:n_rows])
        else:
            assert_allclose(values, walked[:n_rows], rtol=0, atol=1e-13 * scale)
            assert_array_equal(explained(forest, X[:1], background, n_rows), values[:1])  # a part of the call
            assert not np.array_equal(values, walked[:n_rows])  # another way, another rounding


def test_large_calls_agree_with_single_rows() -> None:
    rng, forest = shallow()
    X, background = random_rows(rng, forest, 900), random_rows(rng, forest, 80)
    kernel = core().TransformedShap(forest, background, weights=np.full(80, 1 / 80), n_threads=1)
    assert kernel.turn(900) > 0
    values = explained(forest, X, background, 0)
    for row in (0, 450, 899):
        alone = explained(forest, X[row : row + 1], background, 0)
        assert_allclose(alone[0], values[row], rtol=0, atol=1e-13 * np.abs(values).max())


def test_a_background_of_the_row_itself_gives_zeros() -> None:
    rng, forest = shallow()
    x = random_rows(rng, forest, 1)
    assert_array_equal(explained(forest, x, np.repeat(x, 40, axis=0)), np.zeros((1, 10, 1)))


def test_weights_are_repetitions() -> None:
    rng, forest = shallow()
    X, background = random_rows(rng, forest, 40), random_rows(rng, forest, 30)
    counts = np.arange(30) % 4
    values = explained(forest, X, background, weights=counts / counts.sum())
    again = explained(forest, X, np.repeat(background, counts, axis=0))
    assert_allclose(values, again, rtol=0, atol=1e-13 * np.abs(values).max())


@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_threads_do_not_change_a_bit(n_threads: int) -> None:
    rng, forest = shallow()
    X, background = random_rows(rng, forest, 700), random_rows(rng, forest, 70)
    assert_array_equal(explained(forest, X, background, n_threads=n_threads), explained(forest, X, background))


_DIGEST = """
import hashlib
import numpy as np
from strategies import random_forest, random_rows
from fastexplain.engine.backends import core
rng = np.random.default_rng(3)
forest = random_forest(rng, n_trees=20, n_features=10, n_leaves=20, max_depth=5, p_categorical=0.2)
X, background = random_rows(rng, forest, 100), random_rows(rng, forest, 70)
kernel = core().TransformedShap(forest, background, weights=np.full(70, 1 / 70), n_threads=2)
values = np.empty((100, 10, 1))
kernel.explain(X, transform="probability", slope=0.5, offset=0.0, labels=np.zeros(100), values=values, n_threads=2,
               n_rows_of_call=1 << 30)
assert kernel.turn(1 << 30) > 0
print(hashlib.sha256(values.tobytes()).hexdigest())
"""


def test_instruction_sets_do_not_change_a_bit() -> None:
    assert len({run_python(_DIGEST, FASTEXPLAIN_ISA=isa) for isa in core().available_isas()}) == 1


def test_probabilities_of_many_rows_of_a_classifier() -> None:
    from sklearn.ensemble import GradientBoostingClassifier

    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 6))
    model = GradientBoostingClassifier(n_estimators=30, random_state=0).fit(X, X[:, 0] * X[:, 1] + X[:, 2] > 0)
    values, base_values = tree_shap(model, X, background=X[:50], model_output="probability")
    assert_allclose(values.sum(axis=1)[:, 0] + base_values, expit(model.decision_function(X)), atol=1e-10)
    few = tree_shap(model, X[:3], background=X[:50], model_output="probability").values
    assert_allclose(few, values[:3], rtol=0, atol=1e-13 * np.abs(values).max())
