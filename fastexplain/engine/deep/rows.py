"""Rows, background and weights as the functions for networks take them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.weights import checked_weights
from fastexplain.rows.matrix import as_matrix, refuse_non_finite

__all__ = ["TOLERANCE", "background_weights", "chunks", "completeness_warning", "is_torch_module", "rows_of"]

Array = NDArray[np.float64]

# Largest completeness error that passes without a warning, relative to the largest change of the output.
TOLERANCE = {"float64": 1e-6, "float32": 1e-3}


def is_torch_module(model: Any) -> bool:
    """Whether this is a ``torch.nn.Module``; torch is not imported for it."""
    return any(cls.__module__ == "torch.nn.modules.module" and cls.__name__ == "Module" for cls in type(model).__mro__)


def rows_of(X: Any, name: str, n_features: int | None) -> Array:
    """Array, table or torch tensor -> finite C-contiguous float64 rows of shape (n_rows, n_features).

    Raises
    ------
    ValueError
        `X` is not 2-D, not as wide as the network, or holds NaN or infinite values; the message begins with its name.
    """
    if type(X).__module__.split(".")[0] == "torch" and hasattr(X, "detach"):
        X = X.detach().cpu().numpy()
    width = n_features
    if width is None:
        shape = getattr(X, "shape", None) or np.shape(X)
        if len(shape) != 2:
            raise ValueError(f"{name} has shape {tuple(shape)}; expected (n_rows, n_features).")
        width = int(shape[1])
    try:
        rows = np.ascontiguousarray(as_matrix(X, width, None, "network"), dtype=np.float64)
        refuse_non_finite(rows, allow_nan=False, allow_inf=False)
    except (TypeError, ValueError) as error:
        if name == "X":
            raise
        raise type(error)(f"{name}: {error}") from error
    return rows


def background_weights(background: Array, weights: Any) -> tuple[Array, Array]:
    """Background rows of positive weight, and their weights, which sum to 1.

    Raises
    ------
    ValueError
        The background is empty, or the weights do not fit it, are negative or NaN, or sum to 0.
    """
    if len(background) == 0:
        raise ValueError("background has no rows; pass at least one.")
    found = checked_weights(weights, len(background))
    keep = found > 0
    return np.ascontiguousarray(background[keep]), found[keep]


def completeness_warning(errors: Array, changes: Array, tolerance: float) -> str | None:
    """What to warn of where attributions do not sum to the change of the output; None where they do.

    `errors` and `changes` (output less base value) have shape (n_rows, n_outputs); `tolerance` is relative to the
    largest change.
    """
    scale = float(np.abs(changes).max(initial=0.0))
    worst = float(np.abs(errors).max(initial=0.0))
    if worst <= tolerance * scale or worst < 1e-12:
        return None
    row, output = (int(i) for i in np.unravel_index(int(np.abs(errors).argmax()), errors.shape))
    relative = worst / scale if scale else np.inf
    return (
        f"The attributions of row {row}, output {output}, miss the change of the output by {worst:.3g}, which is "
        f"{relative:.2%} of the largest change (expected below {tolerance:.2%}). See completeness_errors; "
        "expected_gradients does not depend on how the model is written."
    )


def chunks(n_rows: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` rows."""
    return (slice(begin, min(begin + size, n_rows)) for begin in range(0, n_rows, size))
