"""azureml-interpret's exceptions."""

from __future__ import annotations

from fastexplain.scoring.exceptions import (
    DirectoryExistsException,
    InitDatasetMissingException,
    MissingRawTransformationsException,
    UnsupportedModelException,
)

__all__ = [
    "DirectoryExistsException",
    "InitDatasetMissingException",
    "MissingRawTransformationsException",
    "UnsupportedModelException",
]
