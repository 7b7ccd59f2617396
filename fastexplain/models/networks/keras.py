"""Keras Sequential -> `Network`. Works on the layers' attributes; Keras itself is never imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.models.networks.network import Activation, LayerBuilder, Network

__all__ = ["read"]

_PASS = {"InputLayer", "Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "Flatten"}
# Keras's names of activation functions, where they take no parameter
_KINDS = {
    "linear": "identity",
    "relu": "relu",
    "elu": "elu",
    "selu": "selu",
    "gelu": "gelu",
    "silu": "silu",
    "swish": "silu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "softplus": "softplus",
    "exponential": "exp",
    "softmax": "softmax",
}


def read(model: Any, output: str) -> tuple[Network, Callable[[NDArray[np.float64]], NDArray[np.float64]], str]:
    """The network, the model's own predict, and the floating-point type that it computes in.

    Raises
    ------
    UnsupportedModelError
        The model is not a Sequential, or a layer is not one that a `Network` can hold; the message names it.
    """
    del output  # the model's own output is what is explained
    if type(model).__name__ != "Sequential":
        raise UnsupportedModelError(
            f"Keras {type(model).__name__} is not supported; expected a Sequential of Dense layers."
        )
    builder = LayerBuilder()
    for layer in model.layers:
        _append(builder, layer)

    def forward(X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(model(X.astype(np.float32), training=False), dtype=np.float64)

    return builder.build(), forward, "float32"


def _append(builder: LayerBuilder, layer: Any) -> None:
    kind = type(layer).__name__
    if kind == "Dense":
        weights = [np.asarray(values, dtype=np.float64) for values in layer.get_weights()]
        builder.dense(weights[0], weights[1] if len(weights) > 1 else None)
        builder.activate(_activation(layer))
    elif kind == "Activation":
        builder.activate(_activation(layer))
    elif kind == "BatchNormalization":
        builder.scale(*_batch_normalization(layer))
    elif kind == "ReLU" and not layer.negative_slope and not layer.threshold:
        top = np.inf if layer.max_value is None else float(layer.max_value)
        builder.activate(Activation("relu") if top == np.inf else Activation("clip", (0.0, top)))
    elif kind == "LeakyReLU":
        slope = getattr(layer, "negative_slope", None)  # Keras 3; alpha in Keras 2
        builder.activate(Activation("leaky_relu", (float(layer.alpha if slope is None else slope),)))
    elif kind == "ELU":
        builder.activate(Activation("elu", (float(layer.alpha),)))
    elif kind == "Softmax" and layer.axis in (-1, 1):
        builder.activate(Activation("softmax"))
    elif kind not in _PASS:
        raise UnsupportedModelError(
            f"Keras layer {getattr(layer, 'name', kind)!r} ({kind}) is not one that a Network can hold: Dense, "
            "Activation, BatchNormalization, Dropout, Flatten, ReLU, LeakyReLU, ELU, Softmax."
        )


def _activation(layer: Any) -> Activation:
    name = getattr(layer.activation, "__name__", str(layer.activation))
    if name not in _KINDS:
        raise UnsupportedModelError(
            f"Activation {name!r} of Keras layer {getattr(layer, 'name', '?')!r} is not supported: {', '.join(_KINDS)}."
        )
    return Activation(_KINDS[name])


def _batch_normalization(layer: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale and shift in inference mode; get_weights() lists gamma and beta where used, then mean and variance."""
    weights = [np.asarray(values, dtype=np.float64) for values in layer.get_weights()]
    gamma = weights.pop(0) if layer.scale else 1.0
    beta = weights.pop(0) if layer.center else 0.0
    mean, variance = weights
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return np.broadcast_to(scale, mean.shape), beta - mean * scale
