"""Networks of torch, scikit-learn and Keras as dense layers: the same function, or a clear refusal."""

from __future__ import annotations

import types
import warnings
from typing import Any

import numpy as np
import pytest
from conftest import run_python
from naive_deep_lift import activation, naive_forward
from networks import PARAMETERS, random_network
from numpy.testing import assert_allclose

import fastexplain
from fastexplain.models.networks.network import ACTIVATIONS, Activation, Layer, Network, load_network

# Sums of a few dozen products of order 1.
RTOL, ATOL = 1e-12, 1e-12


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activation_and_slope(kind: str) -> None:
    act = Activation(kind, PARAMETERS.get(kind, ()))
    z = np.linspace(-4, 4, 41) + 0.013
    one = activation(kind, act.parameters)
    assert_allclose(act(z), [one(v) for v in z], rtol=RTOL, atol=ATOL)
    assert_allclose(act.slope(z), [(one(v + 1e-6) - one(v - 1e-6)) / 2e-6 for v in z], atol=1e-7)
    far = np.array([-800.0, 0.0, 700.0])
    assert np.isfinite(act(far)).all()
    assert np.isfinite(act.slope(far)).all()


@pytest.mark.parametrize(
    "kinds", [("relu", "tanh", "softmax"), ("gelu", "elu", "sigmoid"), ("silu", "softplus", "identity")]
)
def test_forward_equals_naive(kinds: tuple[str, ...]) -> None:
    network = random_network(5, 7, 4, 3, kinds=kinds)
    X = np.random.default_rng(1).normal(size=(6, 5))
    expected = np.array([naive_forward(network, x)[1] for x in X])
    assert_allclose(network.forward(X), expected, rtol=RTOL, atol=ATOL)
    first = X @ network.layers[0].weight + network.layers[0].bias
    assert_allclose(network.forward_from_first_preactivation(first), expected, rtol=RTOL, atol=ATOL)
    assert_allclose(network.preactivations(X)[-1][2], naive_forward(network, X[2])[0][-1], rtol=RTOL, atol=ATOL)
    assert (network.n_features, network.n_outputs, network.n_units) == (5, 3, 14)
    assert repr(network) == f"Network(5-7-4-3, {', '.join(kinds)})"


def test_bad_layers_are_named() -> None:
    one = Layer(np.ones((2, 3)), np.ones(3), Activation("relu"))
    with pytest.raises(ValueError, match="Layer 0 has 3 outputs and layer 1 takes 2 inputs"):
        Network([one, one])
    with pytest.raises(ValueError, match="NaN or infinite"):
        Network([Layer(np.full((2, 3), np.nan), np.ones(3), Activation("relu"))])
    with pytest.raises(ValueError, match=r"expected \(n_in, n_out\)"):
        Network([Layer(np.ones(3), np.ones(3), Activation("relu"))])
    with pytest.raises(ValueError, match="at least one layer"):
        Network([])
    with pytest.raises(ValueError, match="softmax, which only the last"):
        Network([Layer(np.ones((2, 2)), np.ones(2), Activation("softmax"))] * 2)
    with pytest.raises(ValueError, match="'sin' is unknown"):
        Activation("sin")
    with pytest.raises(ValueError, match="takes 1 parameters"):
        Activation("elu", (1.0, 2.0))


# ------------------------------------------------------------------------------------------------------- scikit-learn


@pytest.fixture(scope="module")
def table() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4))
    return X, X[:, 0] * X[:, 1] + X[:, 2]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("hidden", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("target", ["binary", "three classes", "two labels", "regression", "two targets"])
def test_sklearn_mlp(hidden: str, target: str, table: tuple[np.ndarray, np.ndarray]) -> None:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    X, y = table
    targets: dict[str, Any] = {
        "binary": y > 0,
        "three classes": np.digitize(y, [-0.5, 0.5]),
        "two labels": np.column_stack([y > 0, X[:, 3] > 0]),
        "regression": y,
        "two targets": np.column_stack([y, -y]),
    }
    kind = MLPRegressor if target in ("regression", "two targets") else MLPClassifier
    model = kind(hidden_layer_sizes=(6, 5), activation=hidden, max_iter=15, random_state=0).fit(X, targets[target])
    network = load_network(model)
    expected = model.predict(X) if kind is MLPRegressor else model.predict_proba(X)
    assert_allclose(network.forward(X), np.reshape(expected, (len(X), -1)), rtol=1e-10, atol=1e-12)
    if kind is MLPClassifier:
        logits = load_network(model, output="logit")
        assert logits.n_outputs == (1 if target == "binary" else network.n_outputs)
        act = Activation("softmax" if target == "three classes" else "sigmoid")
        probability = act(logits.forward(X))
        assert_allclose(probability[:, -1], np.asarray(expected)[:, -1], rtol=1e-10)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_sklearn_mlp_that_knows_names_is_checked_without_a_warning(table: tuple[np.ndarray, np.ndarray]) -> None:
    pd = pytest.importorskip("pandas")
    from sklearn.neural_network import MLPRegressor

    X, y = table
    model = MLPRegressor(hidden_layer_sizes=(3,), max_iter=5, random_state=0).fit(
        pd.DataFrame(X, columns=list("abcd")), y
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_network(model).n_features == 4


def test_what_is_not_a_network_is_refused() -> None:
    from sklearn.neural_network import BernoulliRBM, MLPClassifier

    with pytest.raises(fastexplain.UnsupportedModelError, match="not fitted yet"):
        load_network(MLPClassifier())
    with pytest.raises(fastexplain.UnsupportedModelError, match="not a multilayer perceptron"):
        load_network(BernoulliRBM())
    with pytest.raises(fastexplain.UnsupportedModelError, match=r"builtins\.dict is not a network"):
        load_network({})
    with pytest.raises(ValueError, match="output must be 'probability' or 'logit'; got 'margin'"):
        load_network({}, output="margin")


# -------------------------------------------------------------------------------------------------------------- keras


class FakeLayer:
    """The attributes of a Keras layer that the reader looks at (Keras itself is not among the test requirements)."""

    def __init__(self, *weights: np.ndarray, **attributes: Any) -> None:
        self._weights = list(weights)
        self.__dict__.update(attributes)

    def get_weights(self) -> list[np.ndarray]:
        return self._weights


def keras_stand_in(layers: list[FakeLayer], call: Any) -> Any:
    cls = type("Sequential", (), {"__module__": "keras.src.models.sequential"})
    model = cls()
    model.layers = layers
    cls.__call__ = lambda self, X, training=None: call(X)
    return model


def fake(kind: str, *weights: np.ndarray, **attributes: Any) -> FakeLayer:
    return type(kind, (FakeLayer,), {})(*weights, **attributes)


def named(name: str) -> Any:
    return types.SimpleNamespace(__name__=name)


def test_keras_stand_in() -> None:
    rng = np.random.default_rng(0)
    w1, b1, w2 = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(4, 2))
    gamma, beta, mean, variance = rng.normal(size=4), rng.normal(size=4), rng.normal(size=4), rng.random(4)
    layers = [
        fake("InputLayer"),
        fake("Dense", w1, b1, activation=named("linear")),
        fake("LeakyReLU", negative_slope=0.3),
        fake("Dropout"),
        fake("BatchNormalization", gamma, beta, mean, variance, scale=True, center=True, epsilon=1e-3),
        fake("Dense", w2, activation=named("softmax")),
    ]

    def call(X: np.ndarray) -> np.ndarray:
        h = X @ w1 + b1
        h = np.where(h > 0, h, 0.3 * h)
        h = gamma * (h - mean) / np.sqrt(variance + 1e-3) + beta
        e = np.exp(h @ w2)
        return e / e.sum(axis=1, keepdims=True)

    X = rng.normal(size=(5, 3))
    network = load_network(keras_stand_in(layers, call))
    assert_allclose(network.forward(X), call(X), rtol=1e-10)
    assert len(network.layers) == 2  # batch normalisation is folded

    with pytest.raises(
        fastexplain.ModelConversionError, match="does not reproduce the library's own forward: on probe row"
    ):
        load_network(keras_stand_in(layers, lambda X: call(X) + 0.01))
    with pytest.raises(fastexplain.UnsupportedModelError, match=r"Keras layer 'conv' \(Conv1D\)"):
        load_network(keras_stand_in([fake("Conv1D", name="conv")], call))
    with pytest.raises(fastexplain.UnsupportedModelError, match="Activation 'mish'"):
        load_network(keras_stand_in([fake("Dense", w1, b1, activation=named("mish"))], call))


def test_readers_import_no_torch() -> None:
    code = """
import sys, numpy as np
from sklearn.neural_network import MLPRegressor
import fastexplain
X = np.random.default_rng(0).normal(size=(50, 3))
model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=300, random_state=0).fit(X, X[:, 0])
fastexplain.deep_lift(model, X[:3], X)
fastexplain.expected_gradients(model, X[:3], X)
print("torch" in sys.modules)
"""
    assert run_python(code, PYTHONWARNINGS="ignore").strip() == "False"


# -------------------------------------------------------------------------------------------------------------- torch


def test_torch_sequential() -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    for end in ([], [nn.Softmax(dim=1)], [nn.Sigmoid(), nn.Dropout()]):
        model = nn.Sequential(
            nn.Flatten(), nn.BatchNorm1d(5), nn.Linear(5, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Identity(),
            nn.Sequential(nn.Linear(8, 6, bias=False), nn.ELU(0.7), nn.BatchNorm1d(6, affine=False), nn.Dropout(0.5)),
            nn.Softplus(beta=2.0), nn.Linear(6, 6), nn.GELU(approximate="tanh"), nn.BatchNorm1d(6), nn.BatchNorm1d(6),
            nn.Linear(6, 4), nn.Hardtanh(-0.5, 0.5), nn.Linear(4, 3), *end,
        )  # fmt: skip
        model(torch.randn(64, 5) * 2 + 1)  # running statistics
        X = torch.randn(10, 5)
        for module in (model, model.double()):
            dtype = next(module.parameters()).dtype
            network = load_network(module)
            assert all(part.training for part in module.modules())
            module.eval()
            expected = module(X.to(dtype)).detach().double().numpy()
            module.train()
            tolerance = 1e-5 if dtype == torch.float32 else 1e-12
            assert_allclose(network.forward(X.double().numpy()), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "name", ["ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "GELU", "SiLU", "Sigmoid", "Tanh", "Softplus", "Hardtanh"]
)
def test_torch_activation(name: str) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), getattr(torch.nn, name)()).double()
    X = torch.linspace(-50, 50, 60).double().reshape(20, 3)
    assert_allclose(load_network(model).forward(X.numpy()), model(X).detach().numpy(), rtol=1e-12, atol=1e-12)


def test_torch_modules_that_do_not_fit_are_refused() -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Doubled(nn.Sequential):
        def forward(self, x: Any) -> Any:
            return 2 * super().forward(x)

    def refused(model: Any, match: str) -> None:
        with pytest.raises(fastexplain.UnsupportedModelError, match=match):
            load_network(model)

    refused(Doubled(nn.Linear(2, 2)), "Doubled")
    refused(nn.Sequential(nn.Linear(2, 2), nn.Softmax(dim=1), nn.Linear(2, 2)), "Softmax")
    refused(nn.Sequential(nn.Conv1d(1, 1, 1)), "Conv1d")
    refused(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, track_running_stats=False)), "keeps no running statistics")
    refused(nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), "begins with an activation")
    refused(nn.Sequential(nn.Dropout()), "no dense layer")
    hooked = nn.Sequential(nn.Linear(2, 2))
    hooked[0].register_forward_hook(lambda module, args, output: output + 1)
    refused(hooked, "forward hooks")


def test_torch_module_whose_forward_was_replaced_fails_the_check() -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    model.forward = lambda x: torch.nn.Sequential.forward(model, x) + 1
    with pytest.raises(fastexplain.ModelConversionError, match="does not reproduce"):
        load_network(model)
