"""Module paths of version 0.1 that hold public names: old pickles, and code that imports them, find what has moved."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["FORMER_PATHS", "install"]

# Below "fastexplain.": where a module was -> where it is.
FORMER_PATHS = {
    "engine.deep_lift": "engine.deep.deep_lift",
    "engine.expected_gradients": "engine.deep.expected_gradients",
    "engine.kernel_shap": "engine.kernel.kernel_shap",
    "engine.linear_shap": "engine.linear.linear_shap",
    "engine.permutation_importance": "engine.permutation.permutation_importance",
    "engine.tree_shap": "engine.tree.tree_shap",
    "explainers.surrogates": "explainers.mimic.surrogates",
    "explainers.surrogates.decision_tree": "explainers.mimic.surrogates.decision_tree",
    "explainers.surrogates.lightgbm": "explainers.mimic.surrogates.lightgbm",
    "explainers.surrogates.linear": "explainers.mimic.surrogates.linear",
    "explainers.surrogates.sgd": "explainers.mimic.surrogates.sgd",
    "explanation.adapter": "explanation.interpret.adapter",
    "explanation.factories": "explanation.interpret.factories",
    "explanation.feature_maps": "explanation.numbers.feature_maps",
    "explanation.fidelity": "explanation.numbers.fidelity",
    "explanation.parquet": "explanation.files.parquet",
    "explanation.ranking_metrics": "compat.interpret_community._ranking_metrics",
    "explanation.saving": "explanation.files.saving",
    "models.base": "models.trees.base",
    "models.forest": "models.trees.forest",
    "models.lightgbm": "models.trees.lightgbm",
    "models.registry": "models.trees.registry",
    "models.sklearn_hist": "models.trees.sklearn_hist",
    "models.sklearn_trees": "models.trees.sklearn_trees",
    "models.xgboost": "models.trees.xgboost",
}


class _FormerPaths:
    """Finds a module by its former path: one module object under two names."""

    @staticmethod
    def find_spec(fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        package, _, rest = fullname.partition(".")
        return ModuleSpec(fullname, _FormerPaths) if package == "fastexplain" and rest in FORMER_PATHS else None  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType | None:
        return None  # an empty module, which exec_module replaces

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        package, _, rest = module.__name__.partition(".")
        # the import system takes what stands in sys.modules afterwards
        sys.modules[module.__name__] = importlib.import_module(f"{package}.{FORMER_PATHS[rest]}")


def install() -> None:
    """Let former paths be found. A second call changes nothing."""
    if _FormerPaths not in sys.meta_path:
        sys.meta_path.insert(0, _FormerPaths)  # before the finder of files, which would load moved files a second time
