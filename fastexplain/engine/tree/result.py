"""What Tree SHAP returns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["TreeShapResult"]


class TreeShapResult(NamedTuple):
    """What `tree_shap` returns.

    Attributes
    ----------
    values : float64 array of shape (n_rows, n_features, n_outputs)
        Attributions in the units of the explained output.
    base_values : float64 array of shape (n_outputs,)
        Expected output: over the training data, by node cover, or over the background where there is one.
    """

    values: NDArray[np.float64]
    base_values: NDArray[np.float64]
