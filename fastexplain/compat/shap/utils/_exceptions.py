"""shap's exceptions. Where shap is installed ours extend its own, so that ``except`` with either name catches ours."""

from __future__ import annotations

from typing import Any

from fastexplain.compat.shap._installed import shap_class
from fastexplain.exceptions import UnsupportedModelError

__all__ = [
    "ConvergenceError",
    "DimensionError",
    "ExplainerError",
    "InvalidAction",
    "InvalidAlgorithmError",
    "InvalidClusteringError",
    "InvalidFeaturePerturbationError",
    "InvalidMaskerError",
    "InvalidModelError",
]


def _theirs(name: str, default: type[Exception]) -> Any:
    return shap_class(f"utils._exceptions.{name}", type(name, (default,), {}))


class DimensionError(_theirs("DimensionError", Exception), ValueError):  # type: ignore[misc]
    """Rows, or an explanation, have a wrong number of axes or columns."""


class ExplainerError(_theirs("ExplainerError", Exception), ValueError):  # type: ignore[misc]
    """An explainer cannot do what is asked of it."""


class ConvergenceError(_theirs("ConvergenceError", Exception)):  # type: ignore[misc]
    """An optimisation has not converged."""


class InvalidAction(_theirs("InvalidAction", Exception)):  # type: ignore[misc]
    """An action is none."""


class InvalidAlgorithmError(_theirs("InvalidAlgorithmError", ValueError)):  # type: ignore[misc]
    """`Explainer` knows no such algorithm."""


class InvalidClusteringError(_theirs("InvalidClusteringError", ValueError)):  # type: ignore[misc]
    """A clustering of features is neither the name of a distance nor a linkage matrix."""


class InvalidFeaturePerturbationError(_theirs("InvalidFeaturePerturbationError", ValueError)):  # type: ignore[misc]
    """There is no such way of hiding features."""


class InvalidMaskerError(_theirs("InvalidMaskerError", ValueError), TypeError):  # type: ignore[misc]
    """The explainer cannot work with the masker."""


class InvalidModelError(_theirs("InvalidModelError", ValueError), UnsupportedModelError):  # type: ignore[misc]
    """The explainer cannot work with the model."""
