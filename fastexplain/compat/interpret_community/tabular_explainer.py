"""`TabularExplainer` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.deep import DeepExplainer
from fastexplain.explainers.gpu_kernel import GPUKernelExplainer
from fastexplain.explainers.kernel import KernelExplainer
from fastexplain.explainers.linear import LinearExplainer
from fastexplain.explainers.tabular import TabularExplainer
from fastexplain.explainers.tree import TreeExplainer

__all__ = ["TabularExplainer", "_get_uninitialized_explainers"]


def _get_uninitialized_explainers(use_gpu: bool) -> list[type]:
    """Classes that `TabularExplainer` chooses from, in the order in which interpret-community tries them."""
    return [GPUKernelExplainer] if use_gpu else [TreeExplainer, DeepExplainer, LinearExplainer, KernelExplainer]
