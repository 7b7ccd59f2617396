"""shap's explainers by their own names, arguments and shapes (shap >= 0.45), computed by our engine.

>>> from fastexplain.compat import shap                                   # doctest: +SKIP
>>> explainer = shap.KernelExplainer(model.predict_proba, shap.kmeans(X_train, 10))   # doctest: +SKIP
>>> explainer.shap_values(X_test).shape                                   # doctest: +SKIP
(114, 30, 2)

One default differs: ``l1_reg`` is False, so no feature's value is set to zero; pass ``l1_reg="num_features(10)"`` for
shap's. Pictures, data sets and whatever else of shap's is not here are its own, where it is installed.
"""

from __future__ import annotations

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from fastexplain.compat.shap import datasets, explainers, links, maskers, plots, utils
    from fastexplain.compat.shap._cohorts import Cohorts
    from fastexplain.compat.shap._explanation import Explanation
    from fastexplain.compat.shap.explainers._additive import AdditiveExplainer
    from fastexplain.compat.shap.explainers._deep import DeepExplainer
    from fastexplain.compat.shap.explainers._exact import ExactExplainer
    from fastexplain.compat.shap.explainers._explainer import Explainer
    from fastexplain.compat.shap.explainers._gpu_tree import GPUTreeExplainer
    from fastexplain.compat.shap.explainers._kernel import KernelExplainer
    from fastexplain.compat.shap.explainers._linear import LinearExplainer
    from fastexplain.compat.shap.explainers._partition import PartitionExplainer
    from fastexplain.compat.shap.explainers._permutation import PermutationExplainer
    from fastexplain.compat.shap.explainers._sampling import SamplingExplainer
    from fastexplain.compat.shap.explainers._tree import TreeExplainer
    from fastexplain.compat.shap.utils._background import kmeans, sample

# public name -> module that defines it, or that it is; loaded on first use
_EXPORTS = {
    "AdditiveExplainer": "explainers._additive",
    "Cohorts": "_cohorts",
    "DeepExplainer": "explainers._deep",
    "ExactExplainer": "explainers._exact",
    "Explainer": "explainers._explainer",
    "Explanation": "_explanation",
    "GPUTreeExplainer": "explainers._gpu_tree",
    "KernelExplainer": "explainers._kernel",
    "LinearExplainer": "explainers._linear",
    "PartitionExplainer": "explainers._partition",
    "PermutationExplainer": "explainers._permutation",
    "SamplingExplainer": "explainers._sampling",
    "TreeExplainer": "explainers._tree",
    "datasets": "datasets",
    "explainers": "explainers",
    "kmeans": "utils._background",
    "links": "links",
    "maskers": "maskers",
    "plots": "plots",
    "sample": "utils._background",
    "utils": "utils",
}

__all__ = [
    "AdditiveExplainer",
    "Cohorts",
    "DeepExplainer",
    "ExactExplainer",
    "Explainer",
    "Explanation",
    "GPUTreeExplainer",
    "KernelExplainer",
    "LinearExplainer",
    "PartitionExplainer",
    "PermutationExplainer",
    "SamplingExplainer",
    "TreeExplainer",
    "datasets",
    "explainers",
    "kmeans",
    "links",
    "maskers",
    "plots",
    "sample",
    "utils",
]

# Names that are shap's own, where it is installed: older names of pictures, and what is not about tables.
_THEIRS = (
    "ActionOptimizer",
    "CoalitionExplainer",
    "GradientExplainer",
    "actions",
    "approximate_interactions",
    "bar_plot",
    "decision_plot",
    "dependence_plot",
    "embedding_plot",
    "force_plot",
    "getjs",
    "group_difference_plot",
    "heatmap_plot",
    "image_plot",
    "initjs",
    "models",
    "monitoring_plot",
    "multioutput_decision_plot",
    "other",
    "partial_dependence_plot",
    "save_html",
    "summary_plot",
    "text_plot",
    "violin_plot",
    "waterfall_plot",
)


def __getattr__(name: str) -> _typing.Any:
    if name == "__version__":
        return _version()
    if name in _THEIRS:
        from fastexplain.compat.shap._installed import required_shap

        return getattr(required_shap(f"shap.{name}"), name)
    if name not in _EXPORTS:
        raise AttributeError(f"module 'fastexplain.compat.shap' has no attribute {name!r}")
    module = _importlib.import_module(f"{__name__}.{_EXPORTS[name]}")
    return module if name == _EXPORTS[name] else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*__all__, *_THEIRS, "__version__"})


def _version() -> str:
    """That of the shap that is installed, else of the one that the interface is written after."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("shap")
    except PackageNotFoundError:
        return "0.54.1"
