"""Surrogates: models that learn another model's outputs, and explain themselves. Each is loaded when used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastexplain.explainers.mimic.surrogates._base import BaseExplainableModel

if TYPE_CHECKING:
    from fastexplain.explainers.mimic.surrogates.decision_tree import DecisionTreeExplainableModel
    from fastexplain.explainers.mimic.surrogates.lightgbm import LGBMExplainableModel
    from fastexplain.explainers.mimic.surrogates.linear import LinearExplainableModel
    from fastexplain.explainers.mimic.surrogates.sgd import SGDExplainableModel

__all__ = [
    "BaseExplainableModel",
    "DecisionTreeExplainableModel",
    "LGBMExplainableModel",
    "LinearExplainableModel",
    "SGDExplainableModel",
]

_MODULES = {
    "DecisionTreeExplainableModel": "decision_tree",
    "LGBMExplainableModel": "lightgbm",
    "LinearExplainableModel": "linear",
    "SGDExplainableModel": "sgd",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"fastexplain.explainers.mimic.surrogates.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'fastexplain.explainers.mimic.surrogates' has no attribute {name!r}")
