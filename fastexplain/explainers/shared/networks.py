"""Outputs of a neural network for rows of a table, whichever library it is of."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.predict import PredictFunction
from fastexplain.explainers.shared.dispatch import explainer_kind
from fastexplain.models.networks.forward import network_forward
from fastexplain.rows.tables import count_rows

__all__ = ["as_rows", "is_network", "network_outputs"]


def as_rows(rows: Any) -> Any:
    """Rows of a torch or TensorFlow tensor as a NumPy array; anything else as it is."""
    if hasattr(rows, "detach"):
        return rows.detach().cpu().numpy()
    is_tensor = type(rows).__module__.startswith("tensorflow.") and hasattr(rows, "numpy")
    return rows.numpy() if is_tensor else rows


def is_network(model: Any) -> bool:
    """Whether a model is a torch module or a Keras model."""
    return explainer_kind(model) == "deep"


def network_outputs(model: Any, X: Any) -> NDArray[np.float64]:
    """What the network returns in evaluation mode: (n_rows,) or (n_rows, n_outputs).

    Raises
    ------
    UnsupportedModelError
        The network returns something else.
    PredictionError
        It raises, or returns NaN or infinite values.
    """
    predict = PredictFunction.named(partial(network_forward, model), type(model).__name__)
    returned = predict.returned(X)
    return predict.checked(returned, count_rows(X)).reshape(returned.shape)
