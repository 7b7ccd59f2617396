"""`GPUKernelExplainer`: there is none, and constructing one says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastexplain.explainers.kernel import KernelExplainer

__all__ = ["GPUKernelExplainer"]


class GPUKernelExplainer(KernelExplainer):
    """Kernel SHAP on a GPU, which this package does not have; interpret-community's needs cuML.

    Raises
    ------
    RuntimeError
        Always; the message names what computes the same values.
    """

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        explain_subset: Sequence[int | str] | None = None,
        is_function: bool = False,
        nsamples: int | str = "auto",
        features: Sequence[Any] | None = None,
        classes: Sequence[Any] | None = None,
        nclusters: int = 10,
        show_progress: bool = False,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        model_task: str = "unknown",
    ) -> None:
        raise RuntimeError(
            "fastexplain has no GPU backend, so there is no GPUKernelExplainer. KernelExplainer computes the same "
            "values on the CPU, by closed forms where the model has one."
        )
