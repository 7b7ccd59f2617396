"""The facade: a model and rows in, an explanation out. Each explainer is loaded when used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastexplain.explainers.tabular import TabularExplainer
from fastexplain.explainers.tree import TreeExplainer

if TYPE_CHECKING:
    from fastexplain.explainers.deep import DeepExplainer
    from fastexplain.explainers.kernel import KernelExplainer
    from fastexplain.explainers.linear import LinearExplainer
    from fastexplain.explainers.mimic import MimicExplainer

__all__ = ["DeepExplainer", "KernelExplainer", "LinearExplainer", "MimicExplainer", "TabularExplainer", "TreeExplainer"]

_MODULES = {
    "DeepExplainer": "deep",
    "KernelExplainer": "kernel",
    "LinearExplainer": "linear",
    "MimicExplainer": "mimic",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"fastexplain.explainers.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'fastexplain.explainers' has no attribute {name!r}")
