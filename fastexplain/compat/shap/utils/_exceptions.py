"""shap's exceptions. Where shap is installed ours extend its own, so that ``except`` with either name catches ours."""

from __future__ import annotations

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

_PATH = "utils._exceptions"


class DimensionError(shap_class(f"{_PATH}.DimensionError", Exception), ValueError):  # type: ignore[misc]
    """Rows, or an explanation, have a wrong number of axes or columns."""


class ExplainerError(shap_class(f"{_PATH}.ExplainerError", Exception), ValueError):  # type: ignore[misc]
    """An explainer cannot do what is asked of it."""


class ConvergenceError(shap_class(f"{_PATH}.ConvergenceError", Exception)):  # type: ignore[misc]
    """An optimisation has not converged."""


class InvalidAction(shap_class(f"{_PATH}.InvalidAction", Exception)):  # type: ignore[misc]
    """An action is none."""


class InvalidAlgorithmError(shap_class(f"{_PATH}.InvalidAlgorithmError", ValueError)):  # type: ignore[misc]
    """`Explainer` knows no such algorithm."""


class InvalidClusteringError(shap_class(f"{_PATH}.InvalidClusteringError", ValueError)):  # type: ignore[misc]
    """A clustering of features is neither the name of a distance nor a linkage matrix."""


class InvalidFeaturePerturbationError(
    shap_class(f"{_PATH}.InvalidFeaturePerturbationError", ValueError)  # type: ignore[misc]
):
    """There is no such way of hiding features."""


class InvalidMaskerError(shap_class(f"{_PATH}.InvalidMaskerError", ValueError), TypeError):  # type: ignore[misc]
    """The explainer cannot work with the masker."""


class InvalidModelError(  # type: ignore[misc]
    shap_class(f"{_PATH}.InvalidModelError", ValueError), UnsupportedModelError
):
    """The explainer cannot work with the model."""
