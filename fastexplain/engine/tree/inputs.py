"""Models and rows as the kernels of Tree SHAP take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.models import Forest, TreeModel, load_model

__all__ = ["aligned", "loaded", "prepared"]


def loaded(model: Any) -> Forest | TreeModel:
    """A Forest as it is, anything else as the TreeModel that it is or becomes."""
    return model if isinstance(model, Forest) else load_model(model)


def prepared(model: Forest | TreeModel, X: Any, name: str = "X") -> tuple[Forest, NDArray[np.floating]]:
    """The forest, and rows in its encoding. Of a Forest, X holds that encoding itself.

    Raises
    ------
    ValueError, TypeError
        The rows do not fit; the message calls them `name`.
    """
    if isinstance(model, Forest):
        rows = np.asarray(X)
        if rows.dtype not in (np.float32, np.float64):
            raise TypeError(f"With a Forest, {name} must be a float32 or float64 array; got dtype {rows.dtype}.")
        if rows.ndim != 2 or rows.shape[1] != model.n_features:
            raise ValueError(f"{name} has shape {rows.shape}; expected (n_rows, {model.n_features}).")
        return model, rows
    return model.forest, model.prepare(model.dense(X))


def aligned(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """Rows whose items the kernels can read in place; those of a packed record, say, are copied."""
    return rows if rows.flags.aligned else rows.copy()
