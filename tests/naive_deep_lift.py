"""DeepLIFT's rescale rule straight from its definition: one row, one background row, one step at a time.

Nothing here is shared with the package but the arrays of a `Network`: activations are written out again with `math`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastexplain.models.networks.network import Network

__all__ = ["activation", "naive_deep_lift", "naive_forward", "naive_integrated_gradients"]

Array = NDArray[np.float64]


def activation(kind: str, parameters: tuple[float, ...]) -> Callable[[float], float]:
    """An activation of one number."""
    p = parameters
    sigmoid = lambda z: 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))  # noqa: E731
    functions: dict[str, Callable[[float], float]] = {
        "identity": lambda z: z,
        "relu": lambda z: max(z, 0.0),
        "leaky_relu": lambda z: z if z > 0 else p[0] * z,
        "clip": lambda z: min(max(z, p[0]), p[1]),
        "elu": lambda z: z if z > 0 else p[0] * math.expm1(z),
        "selu": lambda z: (
            1.0507009873554804934193349852946 * (z if z > 0 else 1.6732632423543772848170429916717 * math.expm1(z))
        ),
        "gelu": lambda z: 0.5 * z * (1 + math.erf(z / math.sqrt(2))),
        "gelu_tanh": lambda z: 0.5 * z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
        "silu": lambda z: z * sigmoid(z),
        "sigmoid": sigmoid,
        "tanh": math.tanh,
        "softplus": lambda z: math.log1p(math.exp(p[0] * z)) / p[0] if p[0] * z < min(p[1], 700) else z,
        "exp": math.exp,
    }
    return functions[kind]


def naive_forward(network: Network, x: Array) -> tuple[list[Array], Array]:
    """Pre-activations of every layer, and the outputs, of one row."""
    found = []
    for layer in network.layers:
        z = np.array(
            [sum(x[i] * layer.weight[i, j] for i in range(len(x))) + layer.bias[j] for j in range(len(layer.bias))]
        )
        found.append(z)
        if layer.activation.kind == "softmax":
            e = [math.exp(v - max(z)) for v in z]
            x = np.array([v / sum(e) for v in e])
        else:
            f = activation(layer.activation.kind, layer.activation.parameters)
            x = np.array([f(v) for v in z])
    return found, x


def _rescaled(f: Callable[[float], float], z: float, other: float) -> float:
    if z == other:
        return (f(z + 1e-6) - f(z - 1e-6)) / 2e-6
    return (f(z) - f(other)) / (z - other)


def _softmax_multipliers(z: Array, other: Array) -> Array:
    """Centre, exponentiate, add, take the logarithm, subtract, exponentiate: each step by its own rule."""
    n = len(z)
    centre = np.eye(n) - 1 / n
    z, other = centre @ z, centre @ other
    exponentials = np.diag([_rescaled(math.exp, z[j], other[j]) for j in range(n)])
    total, total_b = sum(math.exp(v) for v in z), sum(math.exp(v) for v in other)
    logarithm = _rescaled(math.log, total, total_b)
    log_p = np.eye(n) - np.ones((n, 1)) * logarithm @ (np.ones((1, n)) @ exponentials)
    u, v = z - math.log(total), other - math.log(total_b)
    return np.diag([_rescaled(math.exp, u[k], v[k]) for k in range(n)]) @ log_p @ centre


def naive_deep_lift(network: Network, X: Array, background: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Values (n_rows, n_features, n_outputs) and base values (n_outputs,)."""
    weights = np.full(len(background), 1 / len(background)) if weights is None else weights / weights.sum()
    values = np.zeros((len(X), network.n_features, network.n_outputs))
    for r, x in enumerate(X):
        mine, _ = naive_forward(network, x)
        for b, other in enumerate(background):
            theirs, _ = naive_forward(network, other)
            multipliers = np.eye(network.n_outputs)
            for layer, z, z_b in zip(network.layers[::-1], mine[::-1], theirs[::-1], strict=True):
                if layer.activation.kind == "softmax":
                    multipliers = multipliers @ _softmax_multipliers(z, z_b)
                else:
                    f = activation(layer.activation.kind, layer.activation.parameters)
                    multipliers = multipliers * [_rescaled(f, z[i], z_b[i]) for i in range(len(z))]
                multipliers = multipliers @ layer.weight.T
            values[r] += weights[b] * (x - other)[:, None] * multipliers.T
    base = sum(w * naive_forward(network, b)[1] for w, b in zip(weights, background, strict=True))
    return values, np.asarray(base)


def naive_integrated_gradients(
    network: Network, x: Array, background: Array, weights: Array, n_points: int = 400
) -> Array:
    """Expected gradients' limit (n_features, n_outputs): midpoint rule along every line, gradients by differences."""
    values = np.zeros((network.n_features, network.n_outputs))
    for w, b in zip(weights / weights.sum(), background, strict=True):
        at = b + (np.arange(n_points)[:, None] + 0.5) / n_points * (x - b)
        for j in range(network.n_features):
            step = np.zeros(network.n_features)
            step[j] = 1e-5
            slope = (network.forward(at + step) - network.forward(at - step)) / 2e-5
            values[j] += w * (x - b)[j] * slope.mean(axis=0)
    return values
