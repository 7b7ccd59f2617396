"""``shap.explainers``: the explainers by their long names and by shap's short ones (`Kernel` for `KernelExplainer`)."""

from __future__ import annotations

from typing import Any

from fastexplain.compat.shap._installed import handed_over

# class -> module of this package
MODULES = {
    "AdditiveExplainer": "_additive",
    "DeepExplainer": "_deep",
    "ExactExplainer": "_exact",
    "GPUTreeExplainer": "_gpu_tree",
    "KernelExplainer": "_kernel",
    "LinearExplainer": "_linear",
    "PartitionExplainer": "_partition",
    "PermutationExplainer": "_permutation",
    "SamplingExplainer": "_sampling",
    "TreeExplainer": "_tree",
}

_get, _names = handed_over(__name__, {name: f"{__name__}.{module}" for name, module in MODULES.items()})


def __getattr__(name: str) -> Any:
    return _get(f"{name}Explainer" if f"{name}Explainer" in MODULES else name)


def __dir__() -> list[str]:
    return sorted({*_names(), *(name.removesuffix("Explainer") for name in MODULES)})
