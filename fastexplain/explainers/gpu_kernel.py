"""`GPUKernelExplainer`: interpret-community's name for Kernel SHAP by cuML, which this package does not run."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

from fastexplain.explainers.kernel import KernelExplainer

__all__ = ["GPUKernelExplainer", "refuse_gpu"]


def refuse_gpu(instead: str) -> None:
    """Raise the RuntimeError that says why there is no explainer on the GPU, and what to do `instead`."""
    if importlib.util.find_spec("cuml") is None:
        reason = "cuML is required to use GPU explainers, and is not installed; even with it,"
    else:
        reason = "cuML is installed, but"
    raise RuntimeError(
        f"{reason} fastexplain has no GPU path: it computes Kernel SHAP on the CPU. {instead} A torch network is "
        "explained on the device where its weights are."
    )


class GPUKernelExplainer(KernelExplainer):
    """Not available: Kernel SHAP runs on the CPU here. The constructor says so.

    Parameters are those of interpret-community, in their order.

    Raises
    ------
    RuntimeError
        Always: cuML is not installed, or it is and is not used.
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
        show_progress: bool | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        model_task: str = "unknown",
    ) -> None:
        refuse_gpu("Use KernelExplainer, which takes the same arguments by name.")
