"""Networks of dense layers as parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.networks import NetworkModel
from fastexplain.models.networks.network import ACTIVATIONS, Activation, Layer, Network
from fastexplain.scoring.formulas.reader import FormulaReader, Parts

__all__ = ["network_from", "network_model_from", "network_model_parts", "network_parts"]

_KINDS = (*ACTIVATIONS, "softmax")


def network_parts(network: Network) -> Parts:
    """``activation(x @ weight + bias)``, layer by layer."""
    layers: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    for i, layer in enumerate(network.layers):
        layers.append({"activation": layer.activation.kind})
        arrays |= {f"weight{i}": layer.weight, f"bias{i}": layer.bias}
        if layer.activation.parameters:  # in an array, for they may be infinite
            arrays[f"activation{i}"] = np.array(layer.activation.parameters, dtype=np.float64)
    return {"layers": layers}, arrays


def network_from(reader: FormulaReader) -> Network:
    """As `network_parts` wrote it."""
    layers: list[Layer] = []
    for i, fields in enumerate(reader.fields.objects("layers")):
        width = layers[-1].weight.shape[1] if layers else None
        weight = reader.floats(f"weight{i}", (width, None))
        kind = fields.text("activation", _KINDS)
        parameters: tuple[float, ...] = ()
        if reader.has_array(f"activation{i}"):
            found = reader.floats(f"activation{i}", (None,), finite=False)
            if np.isnan(found).any():
                raise reader.error(f"activation{i}", "holds NaN.")
            parameters = tuple(found.tolist())
        layers.append(Layer(weight, reader.floats(f"bias{i}", (weight.shape[1],)), Activation(kind, parameters)))
    return Network(layers)


def network_model_parts(model: NetworkModel) -> Parts:
    """Of the formula of a network."""
    return network_parts(model.network)


def network_model_from(reader: FormulaReader) -> NetworkModel:
    """As `network_model_parts` wrote it."""
    return NetworkModel(network_from(reader))
