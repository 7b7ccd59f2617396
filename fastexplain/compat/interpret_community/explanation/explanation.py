"""Classes of explanations under interpret-community's names; ``_does_quack`` tells them apart.

What explainers return are ordinary classes of ours, which have the members of several of these.
"""

from __future__ import annotations

from fastexplain.explanation import GlobalExplanation, LocalExplanation
from fastexplain.explanation.files.saving import load_explanation, save_explanation
from fastexplain.explanation.interpret.factories import create_global_explanation as _create_global_explanation
from fastexplain.explanation.interpret.factories import create_local_explanation as _create_local_explanation
from fastexplain.explanation.interpret.quacks import (
    BaseExplanation,
    ClassesMixin,
    ExpectedValuesMixin,
    FeatureImportanceExplanation,
    PerClassMixin,
    _DatasetsMixin,
    _ModelIdMixin,
)

__all__ = [
    "BaseExplanation",
    "ClassesMixin",
    "ExpectedValuesMixin",
    "FeatureImportanceExplanation",
    "GlobalExplanation",
    "LocalExplanation",
    "PerClassMixin",
    "_DatasetsMixin",
    "_ModelIdMixin",
    "_create_global_explanation",
    "_create_local_explanation",
    "load_explanation",
    "save_explanation",
]
