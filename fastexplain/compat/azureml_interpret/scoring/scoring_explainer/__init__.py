"""azureml-interpret's scoring explainers, with `save` and `load`."""

from __future__ import annotations

from fastexplain.scoring import (
    DirectoryExistsException,
    InitDatasetMissingException,
    LinearScoringExplainer,
    MissingRawTransformationsException,
    TreeScoringExplainer,
    UnsupportedModelException,
    load,
    save,
)

__all__ = [
    "DirectoryExistsException",
    "InitDatasetMissingException",
    "LinearScoringExplainer",
    "MissingRawTransformationsException",
    "TreeScoringExplainer",
    "UnsupportedModelException",
    "load",
    "save",
]
