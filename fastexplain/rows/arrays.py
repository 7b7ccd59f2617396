"""Data of any container as a NumPy array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["plain_array"]


def plain_array(data: Any) -> NDArray[Any]:
    """Values of a tensor (also one that needs a gradient), a sparse matrix, a series, a table or a list."""
    if hasattr(data, "detach"):
        data = data.detach().cpu()
    if hasattr(data, "toarray"):
        data = data.toarray()
    return np.asarray(data.to_numpy() if hasattr(data, "to_numpy") else data)
