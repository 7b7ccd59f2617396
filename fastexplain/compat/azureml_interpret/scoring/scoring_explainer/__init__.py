"""azureml-interpret's scoring explainers, with `save` and `load`."""

from __future__ import annotations

from fastexplain.scoring import (
    DeepScoringExplainer,
    DirectoryExistsException,
    InitDatasetMissingException,
    KernelScoringExplainer,
    LinearScoringExplainer,
    MissingRawTransformationsException,
    TreeScoringExplainer,
    UnsupportedModelException,
    load,
    save,
)

__all__ = [
    "DeepScoringExplainer",
    "DirectoryExistsException",
    "InitDatasetMissingException",
    "KernelScoringExplainer",
    "LinearScoringExplainer",
    "MissingRawTransformationsException",
    "TreeScoringExplainer",
    "UnsupportedModelException",
    "load",
    "save",
]
