"""Surrogates of `MimicExplainer`, loaded when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastexplain._lazy import lazy

if TYPE_CHECKING:
    from fastexplain.compat.interpret_community.mimic.models.explainable_model import BaseExplainableModel
    from fastexplain.compat.interpret_community.mimic.models.lightgbm_model import LGBMExplainableModel
    from fastexplain.compat.interpret_community.mimic.models.linear_model import (
        LinearExplainableModel,
        SGDExplainableModel,
    )
    from fastexplain.compat.interpret_community.mimic.models.tree_model import DecisionTreeExplainableModel

__all__ = [
    "BaseExplainableModel",
    "DecisionTreeExplainableModel",
    "LGBMExplainableModel",
    "LinearExplainableModel",
    "SGDExplainableModel",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "BaseExplainableModel": "fastexplain.compat.interpret_community.mimic.models.explainable_model",
        "DecisionTreeExplainableModel": "fastexplain.compat.interpret_community.mimic.models.tree_model",
        "LGBMExplainableModel": "fastexplain.compat.interpret_community.mimic.models.lightgbm_model",
        "LinearExplainableModel": "fastexplain.compat.interpret_community.mimic.models.linear_model",
        "SGDExplainableModel": "fastexplain.compat.interpret_community.mimic.models.linear_model",
    },
)
