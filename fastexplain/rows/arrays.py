"""Data of any container as a NumPy array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.rows.kinds import is_sparse

__all__ = ["dense", "plain_array", "plain_rows"]


def dense(data: Any) -> Any:
    """A sparse matrix as an array; anything else as it is."""
    return data.toarray() if is_sparse(data) else data


def plain_rows(data: Any) -> Any:
    """Values of a tensor (also one that needs a gradient), a series, a table or a list as an array; sparse: CSR."""
    if is_sparse(data):
        return data.tocsr()
    if hasattr(data, "detach"):
        data = data.detach().cpu()
    return np.asarray(data.to_numpy() if hasattr(data, "to_numpy") else data)


def plain_array(data: Any) -> NDArray[Any]:
    """The same, sparse matrices as an array too."""
    return np.asarray(dense(plain_rows(data)))
