"""What a network returns for rows of a table, whichever library it is of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import UnsupportedModelError

__all__ = ["is_torch", "network_forward", "torch_forward"]


def is_torch(model: Any) -> bool:
    """Whether a model is a torch module."""
    return any(
        f"{cls.__module__}.{cls.__qualname__}" == "torch.nn.modules.module.Module" for cls in type(model).__mro__
    )


def network_forward(model: Any, rows: Any) -> NDArray[Any]:
    """Outputs of a torch module or a Keras model in evaluation mode."""
    numbers = np.array(rows, dtype=np.float64)  # a copy: torch warns of arrays that are read-only
    return torch_forward(model, numbers) if is_torch(model) else np.asarray(model(numbers.astype(np.float32)))


def torch_forward(module: Any, rows: Any) -> NDArray[Any]:
    """Outputs of a torch module, without gradients, in evaluation mode and the precision of its weights.

    Its modules are in the mode that they were in before when it returns.

    Parameters
    ----------
    module : torch.nn.Module
    rows : array or tensor

    Raises
    ------
    UnsupportedModelError
        It returns something else than one tensor.
    """
    import torch

    weights = next(module.parameters(), torch.zeros(0))
    training = [part for part in module.modules() if part.training]
    if training:
        module.eval()
    try:
        with torch.no_grad():
            outputs = module(torch.as_tensor(rows, dtype=weights.dtype, device=weights.device))
    finally:
        for part in training:
            part.training = True
    if not isinstance(outputs, torch.Tensor):
        raise UnsupportedModelError(f"{type(module).__name__} returned {type(outputs).__name__}; expected one tensor.")
    outputs = outputs.detach().cpu()
    return np.asarray((outputs if outputs.dtype in (torch.float32, torch.float64) else outputs.double()).numpy())
