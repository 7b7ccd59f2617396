"""shap's GPUTreeExplainer, which is not there."""

from __future__ import annotations

from typing import Any

__all__ = ["GPUTreeExplainer"]


class GPUTreeExplainer:
    """``shap.GPUTreeExplainer``: refused, there is no GPU path. `TreeExplainer` gives the same values."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("GPUTreeExplainer is not supported: there is no GPU path. TreeExplainer gives its values.")
