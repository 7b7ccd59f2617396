"""`GPUKernelExplainer` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.gpu_kernel import GPUKernelExplainer

__all__ = ["GPUKernelExplainer"]
