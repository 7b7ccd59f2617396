"""DeepLIFT and expected gradients of dense networks: both backends against the definition."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from naive_deep_lift import naive_deep_lift, naive_integrated_gradients
from networks import NETWORKS, random_network, rows
from numpy.testing import assert_allclose, assert_array_equal

import fastexplain
from fastexplain import deep_lift, expected_gradients
from fastexplain.engine.backends import core
from fastexplain.engine.deep.deep_lift import THRESHOLD
from fastexplain.engine.philox import words
from fastexplain.models.networks.network import Activation, Layer, Network

BACKENDS = [
    pytest.param("native", marks=pytest.mark.skipif(core() is None, reason="this install has no compiled core")),
    "numba",
]
# Quotients of differences of order 0.1: a few digits fewer than the sums themselves.
RTOL, ATOL = 1e-9, 1e-10
COMPLETE = 1e-12


def single(weight: list[list[float]], kind: str, bias: float = 0.0) -> Network:
    """One layer of one output, of the activation given."""
    return Network([Layer(np.array(weight), np.array([bias]), Activation(kind))])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_equals_naive(name: str, backend: str) -> None:
    network = NETWORKS[name]
    X, background = rows(network, 4, 1), rows(network, 5, 2)
    weights = np.array([1.0, 0.0, 2.0, 0.5, 3.0])
    values, base = naive_deep_lift(network, X, background, weights)
    result = deep_lift(network, X, background, weights=weights, backend=backend)
    assert_allclose(result.values, values, rtol=RTOL, atol=ATOL)
    assert_allclose(result.base_values, base, rtol=RTOL)
    assert np.abs(result.completeness_errors).max() < COMPLETE
    assert_allclose(result.values.sum(axis=1) + result.base_values, network.forward(X), rtol=0, atol=COMPLETE)
    assert result.method == "network"


@pytest.mark.skipif(core() is None, reason="this install has no compiled core")
@pytest.mark.parametrize("name", NETWORKS)
def test_backends_agree_to_rounding(name: str) -> None:
    network = NETWORKS[name]
    X, background = rows(network, 40, 3), rows(network, 33, 4)
    native, numba = (deep_lift(network, X, background, backend=backend) for backend in ("native", "numba"))
    assert_allclose(native.values, numba.values, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("backend", BACKENDS)
def test_thread_count_and_chunks_do_not_change_bits(backend: str) -> None:
    network = NETWORKS["relu softmax"]
    X, background = rows(network, 65, 5), rows(network, 20, 6)
    one = deep_lift(network, X, background, backend=backend, n_threads=1)
    for n_threads in (2, 3, 7):
        assert_array_equal(deep_lift(network, X, background, backend=backend, n_threads=n_threads).values, one.values)
    # BLAS may order the forward's sums by the number of rows
    tiny = deep_lift(network, X, background, backend=backend, chunk_bytes=1, show_progress=True)
    assert_allclose(tiny.values, one.values, rtol=1e-12, atol=1e-15)


@pytest.mark.skipif(core() is None, reason="this install has no compiled core")
def test_every_instruction_set_gives_the_same_bits(isas: list[str]) -> None:
    from conftest import run_python

    code = """
import hashlib, numpy as np
from networks import NETWORKS, rows
from fastexplain import deep_lift
from fastexplain.engine.backends import core
digest = hashlib.sha256()
for network in NETWORKS.values():
    digest.update(deep_lift(network, rows(network, 9, 1), rows(network, 31, 2), backend="native").values.tobytes())
print(core().active_isa(), digest.hexdigest())
"""
    found = dict(run_python(code, FASTEXPLAIN_ISA=isa).split() for isa in isas)
    assert sorted(found) == sorted(isas)
    assert len(set(found.values())) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_more_background_rows_than_a_block_holds(backend: str) -> None:
    network = random_network(3, 700, 2, kinds=("relu", "identity"))  # 128 KiB hold 11 of them
    X, background = rows(network, 2, 1), rows(network, 50, 2)
    all_rows = deep_lift(network, X, background, backend=backend)
    one_by_one = np.mean([deep_lift(network, X, b[None], backend=backend).values for b in background], axis=0)
    assert_allclose(all_rows.values, one_by_one, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
def test_known_answers(backend: str) -> None:
    # relu(x0 + x1): from (-1, -1) to (1, 1) the unit goes from 0 to 2 as its input goes from -2 to 2, multiplier 1/2
    result = deep_lift(single([[1.0], [1.0]], "relu"), [[1.0, 1.0]], [[-1.0, -1.0]], backend=backend)
    assert_allclose(result.values[0, :, 0], [1.0, 1.0])
    # Shrikumar et al. 2017, section 2: y = 1 - relu(1 - x), x = 2 against 0: gradients give 0, DeepLIFT the change, 1
    network = Network([
        Layer(np.array([[-1.0]]), np.array([1.0]), Activation("relu")),
        Layer(np.array([[-1.0]]), np.array([1.0]), Activation("identity")),
    ])  # fmt: skip
    assert_allclose(deep_lift(network, [[2.0]], [[0.0]], backend=backend).values, [[[1.0]]])
    # min(x0, x1) = x0 - relu(x0 - x1) at (2, 1) against 0: their section 3.5.2's example gives (2 - 2 + ..) = (0, 1)
    network = Network([
        Layer(np.array([[1.0, 1.0], [0.0, -1.0]]), np.zeros(2), Activation("relu")),
        Layer(np.array([[1.0], [-1.0]]), np.zeros(1), Activation("identity")),
    ])  # fmt: skip
    assert_allclose(deep_lift(network, [[2.0, 1.0]], [[0.0, 0.0]], backend=backend).values[0, :, 0], [0.0, 1.0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_linear_network_gives_weight_times_distance_from_the_mean(backend: str) -> None:
    network = random_network(4, 6, 2, kinds=("identity", "identity"))
    X, background = rows(network, 3, 1), rows(network, 8, 2)
    slopes = network.layers[0].weight @ network.layers[1].weight
    expected = (X - background.mean(axis=0))[:, :, None] * slopes
    assert_allclose(deep_lift(network, X, background, backend=backend).values, expected, atol=1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_row_equal_to_its_background_gets_exactly_zero(backend: str) -> None:
    for network in NETWORKS.values():
        x = rows(network, 1, 1)
        result = deep_lift(network, x, x, backend=backend)
        assert_array_equal(result.values, np.zeros((1, network.n_features, network.n_outputs)))
        assert_allclose(result.base_values, network.forward(x)[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_are_repetitions(backend: str) -> None:
    network = NETWORKS["relu"]
    X, background = rows(network, 3, 1), rows(network, 3, 2)
    repeated = deep_lift(network, X, background[[0, 1, 1, 2, 2, 2]], backend=backend)
    weighted = deep_lift(network, X, background, weights=[1, 2, 3], backend=backend)
    assert_allclose(weighted.values, repeated.values, rtol=1e-11, atol=1e-14)
    assert_allclose(weighted.base_values, repeated.base_values)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "kind", ["relu", "leaky_relu", "elu", "selu", "clip", "tanh", "sigmoid", "gelu", "softplus", "exp"]
)
def test_small_changes_are_complete_and_close_to_the_gradient(kind: str, backend: str) -> None:
    network = single([[2.0], [-1.0]], kind, bias=0.3)
    x = np.array([[0.1, 0.2]])
    for size in (1e-3, 10 * THRESHOLD, 0.3 * THRESHOLD, 1e-9, 1e-13):
        result = deep_lift(network, x + np.array([[size, 0.5 * size]]), x, backend=backend)
        assert np.abs(result.completeness_errors).max() < 1e-15
        slope = network.layers[0].activation.slope(x @ network.layers[0].weight + 0.3)[0, 0]
        assert_allclose(
            result.values[0, :, 0], slope * np.array([2.0, -0.5]) * size, rtol=2 * size + 1e-6 + 1e-16 / size
        )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["relu", "leaky_relu", "elu", "selu"])
def test_small_changes_across_the_kink_are_complete(kind: str, backend: str) -> None:
    network = single([[1.0]], kind)
    for size in (1e-4, 1e-7, 1e-12):  # the mean slope would miss by a share of the step itself
        result = deep_lift(network, [[size]], [[-3 * size]], backend=backend)
        change = network.forward(np.array([[size]])) - network.forward(np.array([[-3 * size]]))
        assert_allclose(result.values[0, 0], change[0], rtol=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
def test_softmax_of_two_is_the_logistic_function(backend: str) -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(4, 2))
    softmax = Network([Layer(w, np.array([0.2, -0.4]), Activation("softmax"))])
    logistic = single((w[:, 1:] - w[:, :1]).tolist(), "sigmoid", bias=-0.6)
    X, background = rows(softmax, 4, 1), rows(softmax, 5, 2)
    two, one = (deep_lift(network, X, background, backend=backend) for network in (softmax, logistic))
    assert_allclose(two.values[:, :, 1], one.values[:, :, 0], rtol=RTOL, atol=1e-13)
    assert_allclose(two.values[:, :, 0], -one.values[:, :, 0], rtol=RTOL, atol=1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
def test_softmax_is_unmoved_by_what_moves_all_its_inputs(backend: str) -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(3, 4))
    w = np.vstack([w, np.full((1, 4), 2.5)])  # the last feature adds the same to every class
    network = Network([Layer(w, np.zeros(4), Activation("softmax"))])
    result = deep_lift(network, rows(network, 4, 1), rows(network, 5, 2), backend=backend)
    assert np.abs(result.values[:, 3]).max() < 1e-14
    assert np.abs(result.values[:, :3]).max() > 1e-2


@pytest.mark.parametrize("backend", BACKENDS)
def test_saturated_softmax_stays_finite_and_complete(backend: str) -> None:
    network = Network([Layer(np.eye(3), np.zeros(3), Activation("softmax"))])
    X = np.array([[800.0, 0.0, 0.0], [-900.0, 900.0, 0.0], [30.0, 30.0, -60.0], [1e5, 1e5, 1e5]])
    background = np.array([[0.0, 0.0, 700.0], [0.0, 0.0, 0.0], [-1e4, 5.0, 5.0]])
    result = deep_lift(network, X, background, backend=backend)
    assert np.isfinite(result.values).all()
    assert np.abs(result.completeness_errors).max() < COMPLETE * np.abs(result.values).max()
    # multipliers stay within -1 .. 1: nothing explodes and cancels
    changes = np.abs(X[:, None] - background).mean(axis=1)
    assert (np.abs(result.values) <= changes[:, :, None] * (1 + 1e-12)).all()


def test_inputs_of_every_kind_give_the_same() -> None:
    network = NETWORKS["relu"]
    X, background = rows(network, 3, 1), rows(network, 4, 2)
    expected = deep_lift(network, X, background).values
    pd = pytest.importorskip("pandas")
    names = list("abcdef")
    for convert in (
        lambda a: a.tolist(),
        np.asfortranarray,
        lambda a: pd.DataFrame(a, columns=names),
        lambda a: np.repeat(a, 2, axis=0)[::2],
    ):
        assert_array_equal(deep_lift(network, convert(X), convert(background)).values, expected)
    assert deep_lift(network, X[:0], background).values.shape == (0, 6, 3)
    assert expected_gradients(network, X[:0], background).values.shape == (0, 6, 3)


@pytest.mark.parametrize("function", [deep_lift, expected_gradients])
def test_bad_input_is_named(function: Any) -> None:
    network = NETWORKS["relu"]
    X, background = rows(network, 3, 1), rows(network, 4, 2)
    holes = X.copy()
    holes[1, 2] = np.nan

    def refused(match: str, *args: Any, error: type[Exception] = ValueError, **options: Any) -> None:
        with pytest.raises(error, match=match):
            function(*args, **options)

    refused("X is NaN in row 1, column 2", network, holes, background)
    refused("background: X is infinite in row 0", network, X, np.full((2, 6), np.inf))
    refused("X has 5 columns; the network model was fitted on 6", network, X[:, :5], background)
    refused("background: X has 5 columns", network, X, background[:, :5])
    refused("X is 1-D", network, X[0], background)
    refused("background has no rows", network, X, background[:0])
    refused(r"weights has shape \(2,\); background has 4 rows", network, X, background, weights=[1, 2])
    refused("weights of background are all zero", network, X, background, weights=np.zeros(4))
    refused("weights holds -1.0 at position 1", network, X, background, weights=[1, -1, 1, 1])
    refused("weights holds nan at position 2", network, X, background, weights=[1, 1, np.nan, 1])
    refused("chunk_bytes must be a positive whole number", network, X, background, chunk_bytes=0)
    refused("device is for torch modules", network, X, background, device="cpu")
    refused("n_threads must be", network, X, background, n_threads=0)
    refused("dict is not a network", {}, X, background, error=fastexplain.UnsupportedModelError)
    refused("LinearRegression", _linear(), X, background, error=fastexplain.UnsupportedModelError)


def _linear() -> Any:
    from sklearn.linear_model import LinearRegression

    return LinearRegression()


def test_unknown_backend_is_refused() -> None:
    with pytest.raises(ValueError, match="backend must be one of"):
        deep_lift(NETWORKS["relu"], np.zeros((1, 6)), np.zeros((1, 6)), backend="gpu")


def test_overflow_is_an_error_and_not_a_number() -> None:
    network = single([[1.0]], "exp")
    with pytest.raises(ValueError, match="not finite"), np.errstate(over="ignore"):
        deep_lift(network, [[1000.0]], [[0.0]])


@pytest.mark.skipif(core() is None, reason="this install has no compiled core")
def test_kernel_checks_what_it_is_given() -> None:
    make = core().DeepLift
    with pytest.raises(ValueError, match="one rule for each"):
        make([np.ones((2, 2))], [0, 0])
    with pytest.raises(ValueError, match=r"weights\[1\] has shape \(2, 3\); expected \(3, 3\)"):
        make([np.ones((2, 3)), np.ones((2, 3))], [0, 0])
    with pytest.raises(ValueError, match=r"rules\[0\] is 4, softmax, which is for the last layer"):
        make([np.ones((2, 2))] * 2, [4, 0])
    kernel = make([np.ones((2, 3))], [0])
    names = ("preactivations", "values", "slopes", "thresholds", "features")
    good = SimpleNamespace(**{name: np.zeros((1, 8)) for name in names})

    def spoilt(**changes: np.ndarray) -> SimpleNamespace:
        return SimpleNamespace(**{**vars(good), **changes})

    weights, values = np.ones(1), np.zeros((1, 2, 3))
    with pytest.raises(ValueError, match=r"rows.slopes has shape \(1, 7\); expected \(1, 8\)"):
        kernel.explain(spoilt(slopes=np.zeros((1, 7))), good, weights, values, n_threads=1)
    with pytest.raises(ValueError, match=r"values has shape \(1, 3, 3\); expected \(1, 2, 3\)"):
        kernel.explain(good, good, weights, np.zeros((1, 3, 3)), n_threads=1)
    with pytest.raises(TypeError, match=r"background\.features must hold float64; got float32"):
        kernel.explain(good, spoilt(features=np.zeros((1, 8), np.float32)), weights, values, n_threads=1)
    with pytest.raises(ValueError, match=r"weights has shape \(2,\); expected \(1,\)"):
        kernel.explain(good, good, np.ones(2), values, n_threads=1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_from_several_threads_agree(backend: str) -> None:
    network = NETWORKS["relu softmax"]
    X, background = rows(network, 30, 1), rows(network, 20, 2)
    expected = deep_lift(network, X, background, backend=backend).values
    found: list[np.ndarray] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(deep_lift(network, X, background, backend=backend, n_threads=2).values)
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for values in found:
        assert_array_equal(values, expected)


# ------------------------------------------------------------------------------------------------- expected gradients


@pytest.mark.parametrize("name", ["smooth", "tanh softmax", "relu softmax", "logistic", "linear inside"])
def test_expected_gradients_converge_within_their_standard_errors(name: str) -> None:
    network = NETWORKS[name]
    X, background, weights = rows(network, 2, 1), rows(network, 4, 2), np.array([1.0, 2.0, 0.0, 0.5])
    result = expected_gradients(network, X, background, weights=weights, n_samples=4000, seed=3)
    expected = np.array([naive_integrated_gradients(network, x, background, weights) for x in X])
    # 5 standard errors: one in a million for each of at most 60 values
    assert (np.abs(result.values - expected) < 5 * result.standard_errors + 1e-6).all()
    assert np.abs(result.values - expected).max() > 0
    assert_allclose(result.base_values, weights @ network.forward(background) / weights.sum())


def test_standard_errors_are_those_of_the_spread_over_seeds() -> None:
    network = NETWORKS["tanh softmax"]
    X, background = rows(network, 2, 1), rows(network, 5, 2)
    results = [expected_gradients(network, X, background, n_samples=50, seed=seed) for seed in range(200)]
    spread = np.std([result.values for result in results], axis=0)
    claimed = np.sqrt(np.mean([result.standard_errors**2 for result in results], axis=0))
    assert_allclose(claimed, spread, rtol=0.25)


def test_expected_gradients_of_a_linear_network_vary_with_the_background_alone() -> None:
    network = random_network(3, 2, kinds=("identity",))
    x, b = rows(network, 2, 1), rows(network, 1, 2)
    result = expected_gradients(network, x, b)
    assert_allclose(result.values, (x - b)[:, :, None] * network.layers[0].weight, rtol=1e-12)
    assert result.standard_errors.max() < 1e-15


def test_expected_gradients_do_not_depend_on_chunks_threads_or_other_rows() -> None:
    network = NETWORKS["relu softmax"]
    X, background = rows(network, 12, 1), rows(network, 6, 2)
    one = expected_gradients(network, X, background, seed=7, n_threads=1)
    assert_array_equal(expected_gradients(network, X, background, seed=7, n_threads=3).values, one.values)
    for chunk_bytes in (1, 300_000):
        other = expected_gradients(network, X, background, seed=7, chunk_bytes=chunk_bytes, n_threads=2)
        assert_allclose(other.values, one.values, rtol=1e-12, atol=1e-15)
        assert_allclose(other.standard_errors, one.standard_errors, rtol=1e-9, atol=1e-15)
    assert_allclose(
        expected_gradients(network, X[:5], background, seed=7).values, one.values[:5], rtol=1e-12, atol=1e-15
    )
    assert np.abs(expected_gradients(network, X, background, seed=8).values - one.values).max() > 1e-4


def test_seeded_call_leaves_global_rng_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    expected_gradients(NETWORKS["relu"], rows(NETWORKS["relu"], 2, 1), rows(NETWORKS["relu"], 2, 2))
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_bad_sampling_options_are_refused() -> None:
    X = np.zeros((1, 6))
    with pytest.raises(ValueError, match="at least 2"):
        expected_gradients(NETWORKS["relu"], X, X, n_samples=1)
    with pytest.raises(ValueError, match="seed must be"):
        expected_gradients(NETWORKS["relu"], X, X, seed=-1)


def test_philox_words_are_those_of_the_streams() -> None:
    from fastexplain.engine.numba.random import next_u32, open_stream

    seed, stream = 2**40 + 5, 17
    indices = np.array([0, 3, 2**33 + 1])
    found = words(seed, stream, indices, 11)
    for index, row in zip(indices, found, strict=True):
        state = open_stream(seed, stream, index)
        assert_array_equal(row, [next_u32(state) for _ in range(11)])
