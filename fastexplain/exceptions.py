"""Errors raised by fastexplain. All derive from `FastExplainError`."""

from __future__ import annotations

__all__ = [
    "ArtifactError",
    "BackgroundWarning",
    "FastExplainError",
    "MissingDependencyError",
    "ModelConversionError",
    "PoorFidelityWarning",
    "PredictionError",
    "RescaledValuesWarning",
    "ScenarioNotSupportedException",
    "UnsupportedModelError",
]


class FastExplainError(Exception):
    """Base class of the package's own errors."""


class UnsupportedModelError(FastExplainError, TypeError):
    """The model, or one of its options, cannot be explained; the message says which and why."""


class ModelConversionError(FastExplainError, ValueError):
    """The converted model does not reproduce the library's own raw prediction."""


class PredictionError(FastExplainError, ValueError):
    """The explained function raised, or returned something else than one finite number per row and output."""


class ArtifactError(FastExplainError, ValueError):
    """A saved artifact is damaged, forged, beyond the limits, or not the one that was asked for.

    Attributes
    ----------
    file, field : str or None
        Where the fault lies: a file of the artifact, and what of it. The message names both.
    """

    def __init__(self, message: str, file: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.field = field


class MissingDependencyError(FastExplainError, ImportError):
    """An optional package is needed; the message holds the pip command that installs it."""


class ScenarioNotSupportedException(FastExplainError, ValueError):
    """What was asked for does not exist in this case, such as the R2 of a single row."""


class BackgroundWarning(UserWarning):
    """The background's mean output is not that of the examples it stands for, so that values start from elsewhere."""


class PoorFidelityWarning(UserWarning):
    """A surrogate does not predict its teacher well, so its explanations say little of the teacher."""


class RescaledValuesWarning(UserWarning):
    """Values of a margin are stretched to add up to a probability: they are no Shapley values of the probability."""
