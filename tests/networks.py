"""Small random networks with known weights, that several test modules share."""

from __future__ import annotations

import itertools

import numpy as np

from fastexplain.models.networks.network import Activation, Layer, Network

PARAMETERS = {"leaky_relu": (0.2,), "clip": (-0.5, 0.7), "elu": (0.6,), "softplus": (2.0, 20.0)}


def random_network(*widths: int, kinds: tuple[str, ...], seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    layers = []
    for (n_in, n_out), kind in zip(itertools.pairwise(widths), kinds, strict=True):
        weight, bias = rng.normal(size=(n_in, n_out)) / np.sqrt(n_in), rng.normal(size=n_out)
        layers.append(Layer(weight, bias, Activation(kind, PARAMETERS.get(kind, ()))))
    return Network(layers)


NETWORKS = {
    "one layer": random_network(5, 3, kinds=("identity",)),
    "logistic": random_network(5, 1, kinds=("sigmoid",)),
    "softmax": random_network(5, 3, kinds=("softmax",)),
    "relu": random_network(6, 13, 9, 3, kinds=("relu", "relu", "identity")),
    "relu softmax": random_network(6, 13, 9, 4, kinds=("relu", "relu", "softmax")),
    "kinks": random_network(4, 9, 8, 7, 2, kinds=("leaky_relu", "elu", "selu", "clip")),
    "smooth": random_network(4, 9, 8, 7, 17, 2, kinds=("gelu", "gelu_tanh", "silu", "softplus", "sigmoid")),
    "tanh softmax": random_network(3, 5, 2, kinds=("tanh", "softmax")),
    "linear inside": random_network(3, 5, 4, 2, kinds=("identity", "tanh", "exp")),
    "many outputs": random_network(3, 9, 40, kinds=("relu", "softmax")),
}


def rows(network: Network, n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, network.n_features))
