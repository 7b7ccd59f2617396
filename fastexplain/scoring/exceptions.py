"""Errors of scoring explainers, under the names that azureml-interpret gave them."""

from __future__ import annotations

from fastexplain.exceptions import FastExplainError

__all__ = [
    "DirectoryExistsException",
    "InitDatasetMissingException",
    "MissingRawTransformationsException",
    "UnsupportedModelException",
]


class DirectoryExistsException(FastExplainError, FileExistsError):
    """The place to save in exists already."""


class InitDatasetMissingException(FastExplainError, ValueError):
    """The explainer needs initialization examples, and has none."""


class MissingRawTransformationsException(FastExplainError, ValueError):
    """Values of raw features were asked for, and no transformations or feature maps say what they are."""


class UnsupportedModelException(FastExplainError, TypeError):
    """The model cannot be saved in the way that was asked for."""
