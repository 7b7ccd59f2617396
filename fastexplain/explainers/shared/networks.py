"""Outputs of a neural network for rows of a table, whichever library it is of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.explainers.shared.dispatch import class_names, explainer_kind

__all__ = ["as_rows", "is_network", "is_torch", "network_outputs"]


def as_rows(rows: Any) -> Any:
    """Rows of a torch or TensorFlow tensor as a NumPy array; anything else as it is."""
    if hasattr(rows, "detach"):
        return rows.detach().cpu().numpy()
    is_tensor = type(rows).__module__.startswith("tensorflow.") and hasattr(rows, "numpy")
    return rows.numpy() if is_tensor else rows


def is_network(model: Any) -> bool:
    """Whether a model is a torch module or a Keras model."""
    return explainer_kind(model) == "deep"


def is_torch(model: Any) -> bool:
    """Whether a model is a torch module."""
    return "torch.nn.modules.module.Module" in class_names(model)


def network_outputs(model: Any, X: Any) -> NDArray[np.float64]:
    """What the network returns in evaluation mode: (n_rows,) or (n_rows, n_outputs).

    Raises
    ------
    UnsupportedModelError
        The network returns something else.
    """
    rows = np.array(X, dtype=np.float64)  # a copy: torch warns of arrays that are read-only
    outputs = _torch_outputs(model, rows) if is_torch(model) else np.asarray(model(rows.astype(np.float32)))
    if outputs.ndim not in (1, 2) or len(outputs) != len(rows):
        raise UnsupportedModelError(
            f"{type(model).__name__} returned shape {outputs.shape} for {len(rows)} rows; expected (n_rows,) or "
            "(n_rows, n_outputs)."
        )
    return outputs.astype(np.float64)


def _torch_outputs(model: Any, rows: NDArray[np.float64]) -> NDArray[Any]:
    import torch

    like = next(model.parameters(), None)
    dtype, device = (torch.float32, None) if like is None else (like.dtype, like.device)
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            outputs = model(torch.as_tensor(rows, dtype=dtype, device=device))
    finally:
        for module, mode in training.items():
            module.training = mode
    if not isinstance(outputs, torch.Tensor):
        raise UnsupportedModelError(f"{type(model).__name__} returned {type(outputs).__name__}; expected one tensor.")
    return np.asarray(outputs.detach().cpu().double().numpy())
