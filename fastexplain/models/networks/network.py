"""Feed-forward networks of any library as a list of dense layers in float64, and the way to their readers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import ModelConversionError, UnsupportedModelError
from fastexplain.models.agreement import disagreement
from fastexplain.models.class_registry import ClassRegistry, imported

__all__ = ["ACTIVATIONS", "Activation", "Layer", "Network", "load_network", "try_load_network"]

Array = NDArray[np.float64]

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017
N_PROBE_ROWS = 64
# Relative to the largest output: the rounding of the library's own forward.
TOLERANCE = {"float32": 2e-4, "float64": 1e-9}

# Where an activation's slope jumps, for the rescale rule: nowhere, at 0 only, or between pieces that are straight
# lines.
SMOOTH, KINK_AT_ZERO, PIECEWISE = 0, 1, 2


def _sigmoid(z: Array) -> Array:
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1.0 + small)


# Nodes of the normal distribution's expansions, and the largest argument: beyond it, one less it is below rounding.
_CDF_STEP, _CDF_END, _CDF_TERMS = 1 / 16, 9.0, 9


@cache
def _cdf_expansions() -> Array:
    """Taylor coefficients of the normal distribution function around each node, (n_nodes, n_terms).

    Its derivatives are the density times Hermite polynomials, H_(j+1) = x H_j - j H_(j-1), with alternating signs.
    """
    nodes = np.arange(-_CDF_END, _CDF_END + _CDF_STEP, _CDF_STEP)
    coefficients = [np.array([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in nodes.tolist()])]
    before, hermite = np.zeros_like(nodes), np.exp(-0.5 * nodes * nodes) / math.sqrt(2.0 * math.pi)
    for j in range(_CDF_TERMS):
        coefficients.append((-1) ** j * hermite / math.factorial(j + 1))
        before, hermite = hermite, nodes * hermite - j * before
    return np.stack(coefficients, axis=1)


def _normal_cdf(z: Array) -> Array:
    inside = np.clip(z, -_CDF_END, _CDF_END)
    nearest = np.rint((inside + _CDF_END) / _CDF_STEP)
    away = inside - (nearest * _CDF_STEP - _CDF_END)
    expansions = _cdf_expansions()[nearest.astype(np.intp)]
    found = expansions[..., -1]
    for j in range(_CDF_TERMS - 1, -1, -1):
        found = found * away + expansions[..., j]
    return np.asarray(found, dtype=np.float64)


def _softplus(z: Array, beta: float, threshold: float) -> Array:
    return np.where(z * beta > threshold, z, np.logaddexp(0.0, z * beta) / beta)


def _elu(z: Array, alpha: float, scale: float) -> Array:
    return np.asarray(scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0))), dtype=np.float64)


def _elu_slope(z: Array, alpha: float, scale: float) -> Array:
    return np.asarray(scale * np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0.0))), dtype=np.float64)


_GELU_C, _GELU_CUBE = np.sqrt(2.0 / np.pi), 0.044715  # Hendrycks and Gimpel 2016, the tanh form


def _gelu_tanh(z: Array) -> Array:
    return np.asarray(0.5 * z * (1.0 + np.tanh(_GELU_C * (z + _GELU_CUBE * z**3))), dtype=np.float64)


def _gelu_tanh_slope(z: Array) -> Array:
    t = np.tanh(_GELU_C * (z + _GELU_CUBE * z**3))
    return np.asarray(
        0.5 * (1.0 + t) + 0.5 * z * (1.0 - t * t) * _GELU_C * (1.0 + 3.0 * _GELU_CUBE * z * z), dtype=np.float64
    )


@dataclass(frozen=True)
class _Kind:
    """An elementwise activation: value and slope of (z, *parameters), default parameters, where the slope jumps."""

    value: Callable[..., Array]
    slope: Callable[..., Array]
    defaults: tuple[float, ...] = ()
    kink: int = SMOOTH


ACTIVATIONS: dict[str, _Kind] = {
    "identity": _Kind(lambda z: z, np.ones_like, kink=PIECEWISE),
    "relu": _Kind(lambda z: np.maximum(z, 0.0), lambda z: (z > 0).astype(np.float64), kink=KINK_AT_ZERO),
    "leaky_relu": _Kind(
        lambda z, slope: np.where(z > 0, z, slope * z),
        lambda z, slope: np.where(z > 0, 1.0, slope),
        (0.01,),
        KINK_AT_ZERO,
    ),
    "clip": _Kind(
        lambda z, low, high: np.clip(z, low, high),
        lambda z, low, high: ((z > low) & (z < high)).astype(np.float64),
        (-1.0, 1.0),
        PIECEWISE,
    ),
    "elu": _Kind(
        lambda z, alpha: _elu(z, alpha, 1.0), lambda z, alpha: _elu_slope(z, alpha, 1.0), (1.0,), KINK_AT_ZERO
    ),
    "selu": _Kind(
        lambda z: _elu(z, SELU_ALPHA, SELU_SCALE), lambda z: _elu_slope(z, SELU_ALPHA, SELU_SCALE), kink=KINK_AT_ZERO
    ),
    "gelu": _Kind(
        lambda z: z * _normal_cdf(z), lambda z: _normal_cdf(z) + z * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    ),
    "gelu_tanh": _Kind(_gelu_tanh, _gelu_tanh_slope),
    "silu": _Kind(lambda z: z * _sigmoid(z), lambda z: _sigmoid(z) * (1.0 + z * _sigmoid(-z))),
    "sigmoid": _Kind(_sigmoid, lambda z: _sigmoid(z) * _sigmoid(-z)),
    "tanh": _Kind(np.tanh, lambda z: 1.0 - np.tanh(z) ** 2),
    "softplus": _Kind(_softplus, lambda z, beta, _threshold: _sigmoid(z * beta), (1.0, np.inf)),
    "exp": _Kind(np.exp, np.exp),
}


def log_softmax(z: Array) -> Array:
    """Logarithm of the softmax over the last axis."""
    shifted = z - z.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), dtype=np.float64)


@dataclass(frozen=True)
class Activation:
    """What a layer does to its pre-activations.

    Attributes
    ----------
    kind : str
        A key of `ACTIVATIONS`, or ``"softmax"`` (over the layer's units; last layer of a network only).
    parameters : tuple of float
        Of the kind: slope of leaky_relu, alpha of elu, (beta, threshold) of softplus, (low, high) of clip.
    """

    kind: str
    parameters: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind != "softmax" and self.kind not in ACTIVATIONS:
            raise ValueError(
                f"Activation {self.kind!r} is unknown; expected softmax or one of {', '.join(ACTIVATIONS)}."
            )
        defaults = () if self.kind == "softmax" else ACTIVATIONS[self.kind].defaults
        if not self.parameters:
            object.__setattr__(self, "parameters", defaults)
        if len(self.parameters) != len(defaults):
            raise ValueError(f"Activation {self.kind!r} takes {len(defaults)} parameters; got {self.parameters}.")

    def __call__(self, z: Array) -> Array:
        """Values of pre-activations `z` of shape (..., n_units)."""
        if self.kind == "softmax":
            return np.asarray(np.exp(log_softmax(z)), dtype=np.float64)
        return ACTIVATIONS[self.kind].value(z, *self.parameters)

    def slope(self, z: Array) -> Array:
        """Derivative at `z`, elementwise (of "softmax" there is none: it is not elementwise)."""
        return ACTIVATIONS[self.kind].slope(z, *self.parameters)

    @property
    def kink(self) -> int:
        """Where the slope jumps: `SMOOTH`, `KINK_AT_ZERO` or `PIECEWISE`."""
        return ACTIVATIONS[self.kind].kink


@dataclass(frozen=True)
class Layer:
    """``activation(x @ weight + bias)``.

    Attributes
    ----------
    weight : float64 array of shape (n_in, n_out)
    bias : float64 array of shape (n_out,)
    activation : Activation
    """

    weight: Array
    bias: Array
    activation: Activation

    def __call__(self, x: Array) -> Array:
        return self.activation(x @ self.weight + self.bias)


class Network:
    """A feed-forward network: dense layers in float64, whichever library trained it. Immutable.

    Parameters
    ----------
    layers : sequence of Layer
        From the features to the outputs. Softmax is allowed on the last one only.

    Attributes
    ----------
    layers : tuple of Layer
    n_features, n_outputs : int

    Raises
    ------
    ValueError
        There is no layer, or widths do not match, or weights are not finite; the message names the layer.
    """

    def __init__(self, layers: list[Layer] | tuple[Layer, ...]) -> None:
        self.layers = tuple(_checked(i, layer, i == len(layers) - 1) for i, layer in enumerate(layers))
        if not self.layers:
            raise ValueError("A network needs at least one layer.")
        for i, (before, after) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            if before.weight.shape[1] != after.weight.shape[0]:
                raise ValueError(
                    f"Layer {i} has {before.weight.shape[1]} outputs and layer {i + 1} takes "
                    f"{after.weight.shape[0]} inputs."
                )
        self.n_features: int = self.layers[0].weight.shape[0]
        self.n_outputs: int = self.layers[-1].weight.shape[1]

    def __repr__(self) -> str:
        widths = "-".join(str(width) for width in (self.n_features, *(len(layer.bias) for layer in self.layers)))
        return f"Network({widths}, {', '.join(layer.activation.kind for layer in self.layers)})"

    @cached_property
    def n_units(self) -> int:
        """Units of all layers together, the outputs included."""
        return sum(len(layer.bias) for layer in self.layers)

    def forward(self, X: Array) -> Array:
        """Outputs of shape (n_rows, n_outputs) of float64 rows of shape (n_rows, n_features)."""
        return self.forward_from_first_preactivation(X @ self.layers[0].weight + self.layers[0].bias)

    def forward_from_first_preactivation(self, H: Array) -> Array:
        """Outputs from the first layer's pre-activations, ``X @ layers[0].weight + layers[0].bias``.

        Where rows are mixtures of a few others, `H` is one product of masks and weights, and most of the work is saved.

        Parameters
        ----------
        H : float64 array of shape (n_rows, n_units_of_the_first_layer)

        Returns
        -------
        float64 array of shape (n_rows, n_outputs)
        """
        values = self.layers[0].activation(H)
        for layer in self.layers[1:]:
            values = layer(values)
        return values

    def preactivations(self, X: Array) -> list[Array]:
        """Pre-activations of every layer, each of shape (n_rows, n_units_of_the_layer)."""
        found = [X @ self.layers[0].weight + self.layers[0].bias]
        for before, layer in zip(self.layers, self.layers[1:], strict=False):
            found.append(before.activation(found[-1]) @ layer.weight + layer.bias)
        return found


def _checked(i: int, layer: Layer, last: bool) -> Layer:
    weight = np.ascontiguousarray(layer.weight, dtype=np.float64)
    bias = np.ascontiguousarray(layer.bias, dtype=np.float64)
    if weight.ndim != 2 or bias.shape != weight.shape[1:] or 0 in weight.shape:
        raise ValueError(
            f"Layer {i} has weights {weight.shape} and biases {bias.shape}; expected (n_in, n_out) and (n_out,)."
        )
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise ValueError(f"Layer {i} has weights or biases that are NaN or infinite; the model was not trained well.")
    if layer.activation.kind == "softmax" and not last:
        raise ValueError(f"Layer {i} has a softmax, which only the last layer may have.")
    return Layer(weight, bias, layer.activation)


class LayerBuilder:
    """Collects what the libraries' modules do, in order, and folds it into as few dense layers as possible."""

    def __init__(self, n_features: int | None = None) -> None:
        self._layers: list[Layer] = []
        self._width = n_features
        # the diagonal affine map that waits for a dense layer to its right: y = x * scale + shift
        self._scale: Array | None = None
        self._shift: Array | None = None

    def dense(self, weight: Any, bias: Any) -> None:
        """Append ``x @ weight + bias``; `weight` (n_in, n_out), `bias` (n_out,) or None."""
        weight = np.asarray(weight, dtype=np.float64)
        bias = np.zeros(weight.shape[1]) if bias is None else np.asarray(bias, dtype=np.float64)
        if self._scale is not None and self._shift is not None:
            bias = bias + self._shift @ weight
            weight = self._scale[:, None] * weight
            self._scale = self._shift = None
        self._layers.append(Layer(weight, bias, Activation("identity")))
        self._width = weight.shape[1]

    def scale(self, scale: Any, shift: Any) -> None:
        """Append ``x * scale + shift``, one number per unit: batch normalisation in eval mode."""
        scale, shift = np.asarray(scale, dtype=np.float64), np.asarray(shift, dtype=np.float64)
        if self._scale is not None and self._shift is not None:
            self._scale, self._shift = self._scale * scale, self._shift * scale + shift
        elif self._layers and self._layers[-1].activation.kind == "identity":
            last = self._layers[-1]
            self._layers[-1] = Layer(last.weight * scale, last.bias * scale + shift, last.activation)
        else:
            self._scale, self._shift = scale, shift
        self._width = len(scale)

    def activate(self, activation: Activation) -> None:
        """Append an activation."""
        if activation.kind == "identity":
            return
        self._flush()
        if not self._layers or self._layers[-1].activation.kind != "identity":
            if self._width is None:
                raise UnsupportedModelError("The network begins with an activation, so that its width is unknown.")
            self.dense(np.eye(self._width), None)
        self._layers[-1] = Layer(self._layers[-1].weight, self._layers[-1].bias, activation)

    def _flush(self) -> None:
        if self._scale is not None:
            self.dense(np.eye(len(self._scale)), None)

    def build(self) -> Network:
        """The network; an UnsupportedModelError where there is nothing in it, or a softmax inside."""
        self._flush()
        if not self._layers:
            raise UnsupportedModelError("The network has no dense layer.")
        if any(layer.activation.kind == "softmax" for layer in self._layers[:-1]):
            raise UnsupportedModelError("The network has a softmax before its last layer.")
        return Network(self._layers)


# "module:function" that reads a network: (model, output) -> (Network, its own forward, its dtype).
_READERS: ClassRegistry[str] = ClassRegistry(
    {
        "torch.nn.modules.": "fastexplain.models.networks.torch:read",
        "sklearn.neural_network.": "fastexplain.models.networks.sklearn:read",
        "keras.": "fastexplain.models.networks.keras:read",
        "tensorflow.python.keras.": "fastexplain.models.networks.keras:read",
        "tf_keras.": "fastexplain.models.networks.keras:read",
    }
)


def load_network(model: Any, *, output: str = "probability", check: bool = True) -> Network:
    """A feed-forward network of torch, scikit-learn or Keras as a `Network`, checked against the library's own forward.

    The result is a snapshot: a model that is trained on must be loaded again.

    Parameters
    ----------
    model : object
        A ``torch.nn.Sequential`` (nested ones too) of Linear, BatchNorm1d, Dropout, Flatten, Identity and activations;
        a scikit-learn MLPClassifier or MLPRegressor; a Keras Sequential of Dense, Activation, BatchNormalization and
        Dropout; or a `Network`, returned as it is. Batch normalisation and dropout as in evaluation mode.
    output : {"probability", "logit"}
        What a scikit-learn classifier's network gives: the columns of ``predict_proba``, or what goes into the
        logistic function (one column for two classes) or the softmax. Modules of torch and Keras keep their own output.
    check : bool, default True
        Compare with the library's own forward on random rows.

    Returns
    -------
    Network

    Raises
    ------
    UnsupportedModelError
        The model is not such a network; the message says what is in the way.
    ModelConversionError
        The network does not reproduce the library's own forward; the message gives both values.
    ValueError
        `output` is unknown.
    """
    if output not in ("probability", "logit"):
        raise ValueError(f"output must be 'probability' or 'logit'; got {output!r}.")
    if isinstance(model, Network):
        return model
    network, forward, dtype = _reader(model)(model, output)
    if check:
        _check(network, forward, dtype, type(model).__name__)
    return network


def try_load_network(model: Any) -> Network | None:
    """The network, or None where `load_network` would say that the model is not one. A failed check still raises."""
    try:
        return load_network(model)
    except UnsupportedModelError:
        return None


def _reader(model: Any) -> Callable[[Any, str], tuple[Network, Callable[[Array], Array], str]]:
    target = _READERS.find(model)
    if target is not None:
        return imported(target)
    raise UnsupportedModelError(
        f"{type(model).__module__}.{type(model).__qualname__} is not a network that can be read. Supported: "
        "torch.nn.Sequential of Linear and activations, scikit-learn MLPClassifier and MLPRegressor, Keras "
        "Sequential of Dense."
    )


def _check(network: Network, forward: Callable[[Array], Array], dtype: str, name: str) -> None:
    """Compare on rows of several scales, so that both sides of every activation are seen."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_PROBE_ROWS, network.n_features)) * np.logspace(-1, 1, N_PROBE_ROWS)[:, None]
    X = X.astype(np.float32).astype(np.float64)  # so that a float32 model sees the same rows
    ours = network.forward(X)
    theirs = np.asarray(forward(X), dtype=np.float64)
    if theirs.ndim == 1:
        theirs = theirs[:, None]
    found = disagreement(ours, theirs, TOLERANCE[dtype], floor=1.0)
    if found is not None:
        raise ModelConversionError(f"The converted {name} does not reproduce the library's own forward: {found}.")
