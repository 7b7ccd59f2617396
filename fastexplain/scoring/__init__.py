"""Explanations beside predictions: explainers for production, and the artifact that they are saved as.

Loading and scoring import NumPy, the standard library and the compiled core alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastexplain._lazy import lazy

if TYPE_CHECKING:
    from fastexplain.scoring.exceptions import (
        DirectoryExistsException,
        InitDatasetMissingException,
        MissingRawTransformationsException,
        UnsupportedModelException,
    )
    from fastexplain.scoring.explainer import ScoringExplainer
    from fastexplain.scoring.explainers import (
        DeepScoringExplainer,
        KernelScoringExplainer,
        LinearScoringExplainer,
        TreeScoringExplainer,
        scoring_explainer,
    )
    from fastexplain.scoring.reasons import Reason
    from fastexplain.scoring.remote import RemotePredictor
    from fastexplain.scoring.saving import content_schema, load, save
    from fastexplain.scoring.scores import Scores

__all__ = [
    "DeepScoringExplainer",
    "DirectoryExistsException",
    "InitDatasetMissingException",
    "KernelScoringExplainer",
    "LinearScoringExplainer",
    "MissingRawTransformationsException",
    "Reason",
    "RemotePredictor",
    "Scores",
    "ScoringExplainer",
    "TreeScoringExplainer",
    "UnsupportedModelException",
    "content_schema",
    "load",
    "save",
    "scoring_explainer",
]

_EXPORTS = {
    "DeepScoringExplainer": "fastexplain.scoring.explainers",
    "DirectoryExistsException": "fastexplain.scoring.exceptions",
    "InitDatasetMissingException": "fastexplain.scoring.exceptions",
    "KernelScoringExplainer": "fastexplain.scoring.explainers",
    "LinearScoringExplainer": "fastexplain.scoring.explainers",
    "MissingRawTransformationsException": "fastexplain.scoring.exceptions",
    "Reason": "fastexplain.scoring.reasons",
    "RemotePredictor": "fastexplain.scoring.remote",
    "Scores": "fastexplain.scoring.scores",
    "ScoringExplainer": "fastexplain.scoring.explainer",
    "TreeScoringExplainer": "fastexplain.scoring.explainers",
    "UnsupportedModelException": "fastexplain.scoring.exceptions",
    "content_schema": "fastexplain.scoring.saving",
    "load": "fastexplain.scoring.saving",
    "save": "fastexplain.scoring.saving",
    "scoring_explainer": "fastexplain.scoring.explainers",
}
__getattr__, __dir__ = lazy(__name__, _EXPORTS, __all__)
