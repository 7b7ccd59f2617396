"""All Numba kernels of permutation importance under the names that ``fastexplain._core`` has."""

from __future__ import annotations

from fastexplain.engine.metrics.numba_metrics import argmax, confusion, log_losses, roc_auc, row_losses
from fastexplain.engine.permutation.numba_permutation import ReplacementPredictor, latin_permutations, row_effects

__all__ = [
    "ReplacementPredictor",
    "argmax",
    "confusion",
    "latin_permutations",
    "log_losses",
    "roc_auc",
    "row_effects",
    "row_losses",
]
