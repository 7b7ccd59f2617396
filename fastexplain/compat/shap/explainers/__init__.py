"""``shap.explainers``: the explainers by their long names and by shap's short ones (`Kernel` for `KernelExplainer`)."""

from __future__ import annotations

from typing import Any

from fastexplain.compat.shap._installed import handed_over

_MODULES = {
    "Additive": "_additive",
    "Deep": "_deep",
    "Exact": "_exact",
    "GPUTree": "_gpu_tree",
    "Kernel": "_kernel",
    "Linear": "_linear",
    "Partition": "_partition",
    "Permutation": "_permutation",
    "Sampling": "_sampling",
    "Tree": "_tree",
}
_OWN = {f"{name}Explainer": f"{__name__}.{module}" for name, module in _MODULES.items()}

_get, _names = handed_over(__name__, _OWN)


def __getattr__(name: str) -> Any:
    return _get(f"{name}Explainer" if name in _MODULES else name)


def __dir__() -> list[str]:
    return sorted({*_names(), *_MODULES})
