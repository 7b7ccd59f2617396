"""Coalition values by their definition: every masked row is built, and the model asked. The judge of every scorer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["naive_coalition_values", "random_masks"]


def naive_coalition_values(
    predict: Callable[[Any], Any],
    x: NDArray[Any],
    background: NDArray[Any],
    weights: NDArray[np.float64],
    masks: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Weighted mean prediction for masks (n_masks, n_columns): (n_masks, n_outputs)."""
    values = []
    for mask in masks:
        outputs = np.asarray(predict(np.where(mask, x, background)), dtype=np.float64)
        values.append(weights @ outputs.reshape(len(background), -1))
    return np.stack(values)


def random_masks(n_masks: int, n_players: int, seed: int = 0) -> NDArray[np.bool_]:
    """Of all sizes; the first is empty and the second full."""
    random = np.random.default_rng(seed)
    masks: NDArray[np.bool_] = random.random((n_masks, n_players)) < random.random((n_masks, 1))
    masks[0], masks[1] = False, True
    return masks
