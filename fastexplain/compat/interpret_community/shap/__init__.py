"""Explainers by SHAP. Each is loaded when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastexplain._lazy import lazy

if TYPE_CHECKING:
    from fastexplain.compat.interpret_community.shap.deep_explainer import DeepExplainer
    from fastexplain.compat.interpret_community.shap.gpu_kernel_explainer import GPUKernelExplainer
    from fastexplain.compat.interpret_community.shap.kernel_explainer import KernelExplainer
    from fastexplain.compat.interpret_community.shap.linear_explainer import LinearExplainer
    from fastexplain.compat.interpret_community.shap.tree_explainer import TreeExplainer

__all__ = ["DeepExplainer", "GPUKernelExplainer", "KernelExplainer", "LinearExplainer", "TreeExplainer"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "DeepExplainer": "fastexplain.compat.interpret_community.shap.deep_explainer",
        "GPUKernelExplainer": "fastexplain.compat.interpret_community.shap.gpu_kernel_explainer",
        "KernelExplainer": "fastexplain.compat.interpret_community.shap.kernel_explainer",
        "LinearExplainer": "fastexplain.compat.interpret_community.shap.linear_explainer",
        "TreeExplainer": "fastexplain.compat.interpret_community.shap.tree_explainer",
    },
)
