"""Product and sigmoid games as array functions: against enumeration, in every backend, with any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import run_python
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_games import naive_shapley
from numpy.typing import NDArray

from fastexplain.engine.formulas.product_game import exponential_shap_values, product_shap_values
from fastexplain.engine.formulas.rules import pair_rules, sine_rules
from fastexplain.engine.formulas.sine_expansion import LARGEST_MARGIN, largest_margin, sigmoid_shap_values

Float = NDArray[np.float64]

BACKENDS = ["native", "numba"]
PRODUCT_TOLERANCE = 1e-14  # of the largest product, times the sum of the coefficients
SIGMOID_TOLERANCE = 1e-13  # the sums of sines are good to 1e-14


def sigmoid(t: Float) -> Float:
    small = np.exp(-np.abs(t))
    return np.asarray(np.where(t >= 0, 1, small) / (1 + small))


def naive_product(a: Float, c: Float, coefficients: Float, w: Float) -> Float:
    def v(coalition: frozenset[int]) -> Float:
        kept = np.isin(np.arange(a.shape[-1]), list(coalition))
        return np.asarray(np.einsum("b,bj,jo->o", w, np.where(kept, a, c).prod(axis=-1), coefficients))

    return naive_shapley(v, a.shape[-1])


def naive_sum(function: object, x: Float, background: Float, offset: float, w: Float) -> Float:
    def v(coalition: frozenset[int]) -> float:
        kept = np.isin(np.arange(len(x)), list(coalition))
        return float(w @ function(np.where(kept, x, background).sum(axis=1) + offset))  # type: ignore[operator]

    return naive_shapley(v, len(x))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("n_players", [1, 2, 3, 5, 9])
def test_product_equals_enumeration(backend: str, n_players: int) -> None:
    random = np.random.default_rng(n_players)
    a, c = random.normal(size=(2, 11, n_players)), random.normal(size=(3, 11, n_players))
    coefficients, w = random.normal(size=(11, 2)), np.array([0.5, 0.2, 0.3])
    values = product_shap_values(a, c, coefficients, w, backend=backend)
    scale = np.maximum(np.abs(a[:, None]), np.abs(c)).prod(axis=-1).max() * np.abs(coefficients).sum()
    for row in range(2):
        expected = naive_product(a[row], c, coefficients, w)
        np.testing.assert_allclose(values[row], expected, rtol=0, atol=PRODUCT_TOLERANCE * scale)


@given(st.data())
@settings(max_examples=30)
def test_product_of_any_factors(data: st.DataObject) -> None:
    """Zeros, equal factors, and factors of any size: no division, and no player who changes nothing has a value."""
    n_players = data.draw(st.integers(1, 7))
    factor = st.sampled_from([0.0, 1.0, 1.0, 1e-200, 1e3, -2.0, 0.3, 1e-9])
    rows = st.lists(st.lists(factor, min_size=n_players, max_size=n_players), min_size=3, max_size=3)
    a, *others = np.array(data.draw(rows))
    c = np.array(others)
    one = np.ones((1, 1))
    values = product_shap_values(a[None, None], c[:, None], one, backend="native")[0]
    expected = naive_product(a[None], c[:, None], one, np.full(2, 0.5))
    scale = np.maximum(np.abs(a), np.abs(c)).prod(axis=1).max()
    np.testing.assert_allclose(values, expected, rtol=0, atol=PRODUCT_TOLERANCE * scale)
    assert (values[(a == c).all(axis=0)] == 0).all()
    twin = product_shap_values(a[None, None], c[:, None], one, backend="numba")[0]
    np.testing.assert_allclose(twin, values, rtol=0, atol=PRODUCT_TOLERANCE * scale)


@pytest.mark.parametrize("backend", BACKENDS)
def test_rules_are_exact_for_many_players(backend: str) -> None:
    """Against a rule of far more nodes, with factors that need few nodes and factors that need all of them."""
    random = np.random.default_rng(0)
    for spread in (1e-3, 0.1, 1.0, 8.0):
        a, c = np.exp(-spread * random.random((2, 61)) ** 2)
        value = product_shap_values(a[None, None], c[None, None], np.ones((1, 1)), backend=backend)[0, :, 0]
        u, weight = np.polynomial.legendre.leggauss(80)
        factors = np.outer((1 + u) / 2, a) + np.outer((1 - u) / 2, c)
        expected = [(a[i] - c[i]) * weight @ np.delete(factors, i, 1).prod(axis=1) / 2 for i in range(61)]
        np.testing.assert_allclose(value, expected, rtol=0, atol=1e-15 + 1e-13 * np.abs(expected).max())


def test_rules_reach_further_with_more_nodes() -> None:
    rules = pair_rules(61)
    assert (np.diff(rules.reach) > 0).all()
    assert 4 * rules.n_pairs[-1] >= 61
    for n, start in zip(rules.n_pairs, rules.starts, strict=True):
        assert rules.weights[start : start + n].sum() == pytest.approx(0.5, abs=1e-15)


def test_products_of_thousands_of_players() -> None:
    """Against the integral of a power: all factors alike."""
    assert 2 * pair_rules(5000).n_pairs[-1] == 512
    for absent in (0.999, 0.9, 0.5, 0.0):
        value = product_shap_values(np.ones((1, 1, 5000)), np.full((1, 1, 5000), absent), np.ones((1, 1)))
        expected = (1 - absent**5000) / 5000  # efficiency, and symmetry
        np.testing.assert_allclose(value, expected, rtol=1e-11)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("spread", [1e-3, 0.3, 1.0, 4.0, 12.0, 60.0, 200.0])
def test_sigmoid_equals_enumeration(backend: str, spread: float) -> None:
    random = np.random.default_rng(1)
    X, background = spread * random.normal(size=(2, 8)), spread * random.normal(size=(20, 8))
    background[3] = X[0]  # nothing changes
    background[4, 1:] = X[0, 1:]  # one player does
    w = random.random(20)
    w /= w.sum()
    values = sigmoid_shap_values(X, background, 0.3, w, backend=backend)
    for row in range(2):
        expected = naive_sum(sigmoid, X[row], background, 0.3, w)
        np.testing.assert_allclose(values[row], expected, rtol=0, atol=SIGMOID_TOLERANCE)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("offset", [-60.0, -9.0, 25.0, 700.0])
def test_sigmoid_far_from_zero(backend: str, offset: float) -> None:
    random = np.random.default_rng(2)
    X, background = 3 * random.normal(size=(1, 6)), 3 * random.normal(size=(4, 6))
    w = np.full(4, 0.25)
    values = sigmoid_shap_values(X, background, offset, w, backend=backend)
    expected = naive_sum(sigmoid, X[0], background, offset, w)
    np.testing.assert_allclose(values[0], expected, rtol=0, atol=SIGMOID_TOLERANCE)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sigmoid_of_many_players_is_additive(backend: str) -> None:
    random = np.random.default_rng(3)
    X, background = random.normal(size=(3, 150)), random.normal(size=(40, 150))
    w = np.full(40, 1 / 40)
    values = sigmoid_shap_values(X, background, 0.0, w, backend=backend)
    gain = sigmoid(X.sum(axis=1)) - w @ sigmoid(background.sum(axis=1))
    np.testing.assert_allclose(values.sum(axis=1), gain, rtol=0, atol=SIGMOID_TOLERANCE)


def test_every_sum_of_sines_is_the_odd_part() -> None:
    fits, series = sine_rules(3)
    for fit in fits:
        s = np.linspace(0, fit.reach, 500)
        for c in (0.0, 1.0, 3.0, fit.reach / 2, fit.reach, fit.reach + 20):
            points = 0.5 * fit.sinh / (fit.cosh + np.cosh(c))
            coefficients = (points @ fit.first) @ fit.second
            got = np.sin(np.outer(s, fit.base * (2 * np.arange(len(coefficients)) + 1))) @ coefficients
            np.testing.assert_allclose(got, (sigmoid(c + s) - sigmoid(c - s)) / 2, rtol=0, atol=2e-14)
    for each in series:
        frequencies = each.base * (2 * np.arange(len(each.coefficients)) + 1)
        for share in (0.0, 0.3, 0.9):
            c = share * each.reach
            s = np.linspace(0, each.reach - c, 500)
            got = np.sin(np.outer(s, frequencies)) @ (each.coefficients * np.cos(frequencies * c))
            np.testing.assert_allclose(got, (sigmoid(c + s) - sigmoid(c - s)) / 2, rtol=0, atol=1e-14)


@pytest.mark.parametrize("backend", BACKENDS)
def test_exponential_equals_enumeration(backend: str) -> None:
    random = np.random.default_rng(4)
    X, background = random.normal(size=(3, 7)), random.normal(size=(13, 7))
    w = random.random(13)
    w /= w.sum()
    values = exponential_shap_values(X, background, -1.0, w, backend=backend)
    for row in range(3):
        expected = naive_sum(np.exp, X[row], background, -1.0, w)
        np.testing.assert_allclose(values[row], expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("backend", BACKENDS)
def test_thread_count_does_not_change_bits(backend: str) -> None:
    random = np.random.default_rng(5)
    a, c, coefficients = random.random((3, 200, 6)), random.random((5, 200, 6)), random.normal(size=(200, 2))
    X, background, w = random.normal(size=(3, 6)), random.normal(size=(50, 6)), np.full(50, 0.02)
    one, many = (
        (
            product_shap_values(a, c, coefficients, n_threads=n, backend=backend),
            sigmoid_shap_values(X, background, 0.0, w, n_threads=n, backend=backend),
        )
        for n in (1, 3)
    )
    np.testing.assert_array_equal(one[0], many[0])
    np.testing.assert_array_equal(one[1], many[1])


def test_every_instruction_set_gives_the_same_bits(isas: list[str]) -> None:
    code = """
import hashlib
import numpy as np
from fastexplain.engine.formulas.product_game import product_shap_values
from fastexplain.engine.formulas.sine_expansion import sigmoid_shap_values
random = np.random.default_rng(0)
a, c = random.random((2, 77, 23)), random.random((9, 77, 23))
values = product_shap_values(a, c, random.normal(size=(77, 2)), backend="native")
X, background = random.normal(size=(3, 23)), random.normal(size=(40, 23))
many = [sigmoid_shap_values(scale * X, scale * background, 0.1, np.full(40, 1 / 40)) for scale in (0.1, 1, 30)]
print(hashlib.sha256(values.tobytes() + np.array(many).tobytes()).hexdigest())
"""
    assert len({run_python(code, FASTEXPLAIN_ISA=isa) for isa in isas}) == 1


def test_margins_that_are_too_large_are_refused() -> None:
    X, background = np.full((1, 2), LARGEST_MARGIN), np.zeros((1, 2))
    assert largest_margin(X, background, 0.0) == 2 * LARGEST_MARGIN
    with pytest.raises(ValueError, match=r"may reach 8192; the closed form takes at most 4096"):
        sigmoid_shap_values(X, background, 0.0, np.ones(1))


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"got shapes \(1, 2, 3\) and \(1, 2, 4\)"):
        product_shap_values(np.ones((1, 2, 3)), np.ones((1, 2, 4)), np.ones((2, 1)))
    with pytest.raises(ValueError, match=r"coefficients has shape \(3, 1\); expected \(2, n_outputs\)"):
        product_shap_values(np.ones((1, 2, 3)), np.ones((1, 2, 3)), np.ones((3, 1)))


def test_no_rows() -> None:
    for backend in BACKENDS:
        assert sigmoid_shap_values(np.ones((0, 3)), np.ones((2, 3)), 0.0, np.full(2, 0.5), backend=backend).shape == (
            0,
            3,
        )
        empty = product_shap_values(np.ones((0, 2, 3)), np.ones((1, 2, 3)), np.ones((2, 1)), backend=backend)
        assert empty.shape == (0, 3, 1)
