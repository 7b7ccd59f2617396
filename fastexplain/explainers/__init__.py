"""The facade: a model and rows in, an explanation out. Each explainer is loaded when used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastexplain.explainers.tabular import TabularExplainer
from fastexplain.explainers.tree import TreeExplainer

if TYPE_CHECKING:
    from fastexplain.explainers.deep import DeepExplainer
    from fastexplain.explainers.gpu_kernel import GPUKernelExplainer
    from fastexplain.explainers.kernel import KernelExplainer
    from fastexplain.explainers.lime import LIMEExplainer
    from fastexplain.explainers.linear import LinearExplainer
    from fastexplain.explainers.mimic import MimicExplainer
    from fastexplain.explainers.pfi import PFIExplainer

__all__ = [
    "DeepExplainer",
    "GPUKernelExplainer",
    "KernelExplainer",
    "LIMEExplainer",
    "LinearExplainer",
    "MimicExplainer",
    "PFIExplainer",
    "TabularExplainer",
    "TreeExplainer",
]

_MODULES = {
    "DeepExplainer": "deep",
    "GPUKernelExplainer": "gpu_kernel",
    "KernelExplainer": "kernel",
    "LIMEExplainer": "lime",
    "LinearExplainer": "linear",
    "MimicExplainer": "mimic",
    "PFIExplainer": "pfi",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"fastexplain.explainers.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'fastexplain.explainers' has no attribute {name!r}")
