"""`KernelExplainer` under interpret-community's name."""

from __future__ import annotations

from fastexplain.explainers.kernel import KernelExplainer

__all__ = ["KernelExplainer"]
