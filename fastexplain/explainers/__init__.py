"""The facade: a model and rows in, an explanation out. Each explainer is loaded when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastexplain._lazy import lazy
from fastexplain.explainers.tabular import TabularExplainer
from fastexplain.explainers.tree import TreeExplainer

if TYPE_CHECKING:
    from fastexplain.explainers.deep import DeepExplainer
    from fastexplain.explainers.gpu_kernel import GPUKernelExplainer
    from fastexplain.explainers.kernel import KernelExplainer
    from fastexplain.explainers.lime.explainer import LIMEExplainer
    from fastexplain.explainers.linear import LinearExplainer
    from fastexplain.explainers.mimic.explainer import MimicExplainer
    from fastexplain.explainers.pfi.explainer import PFIExplainer

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

_EXPORTS = {
    "DeepExplainer": "fastexplain.explainers.deep",
    "GPUKernelExplainer": "fastexplain.explainers.gpu_kernel",
    "KernelExplainer": "fastexplain.explainers.kernel",
    "LIMEExplainer": "fastexplain.explainers.lime.explainer",
    "LinearExplainer": "fastexplain.explainers.linear",
    "MimicExplainer": "fastexplain.explainers.mimic.explainer",
    "PFIExplainer": "fastexplain.explainers.pfi.explainer",
}
__getattr__, __dir__ = lazy(__name__, _EXPORTS, __all__)
