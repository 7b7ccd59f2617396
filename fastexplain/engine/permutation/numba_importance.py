"""All Numba kernels of permutation importance under the names that ``fastexplain._core`` has."""

from __future__ import annotations

from fastexplain.engine.metrics.numba_metrics import (
    argmax,
    average_precision,
    class_losses,
    confusion,
    discounted_gain,
    roc_auc,
    row_losses,
)
from fastexplain.engine.permutation.numba_permutation import TreePermuter, latin_permutations, row_effects

__all__ = [
    "TreePermuter",
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
