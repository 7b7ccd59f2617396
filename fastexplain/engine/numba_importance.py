"""All Numba kernels of permutation importance under the names that ``fastexplain._core`` has."""

from __future__ import annotations

from fastexplain.engine.numba_metrics import (
    argmax,
    average_precision,
    class_losses,
    confusion,
    discounted_gain,
    roc_auc,
    row_losses,
)
from fastexplain.engine.numba_permutation import ReplacementPredictor, latin_permutations, row_effects

__all__ = [
    "ReplacementPredictor",
    "argmax",
    "average_precision",
    "class_losses",
    "confusion",
    "discounted_gain",
    "latin_permutations",
    "roc_auc",
    "row_effects",
    "row_losses",
]
