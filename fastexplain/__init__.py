"""Exact, fast explanations of tabular models.

An explanation costs about as much as the prediction it explains, and it is right.

>>> import fastexplain
>>> explainer = fastexplain.TabularExplainer(model, X_train)          # doctest: +SKIP
>>> explanation = explainer.explain_global(X_test)                    # doctest: +SKIP
>>> explanation.get_feature_importance_dict(top_k=5)                  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastexplain._former_paths import install as _install_former_paths

if TYPE_CHECKING:
    from fastexplain._threads import (
        get_num_threads,
        set_num_threads,
    )
    from fastexplain.compat.install import (
        install_as,
    )
    from fastexplain.engine import (
        Background,
        DeepLiftResult,
        ExpectedGradientsResult,
        InterventionalTreeShap,
        KernelShapResult,
        LinearShapResult,
        PermutationImportanceResult,
        TreeShapResult,
        deep_lift,
        expected_gradients,
        kernel_shap,
        linear_shap,
        permutation_importance,
        summarize_background,
        tree_shap,
    )
    from fastexplain.exceptions import (
        BackgroundWarning,
        FastExplainError,
        MissingDependencyError,
        ModelConversionError,
        PoorFidelityWarning,
        PredictionError,
        RescaledValuesWarning,
        ScenarioNotSupportedException,
        UnsupportedModelError,
    )
    from fastexplain.explainers import (
        DeepExplainer,
        KernelExplainer,
        LIMEExplainer,
        LinearExplainer,
        MimicExplainer,
        PFIExplainer,
        TabularExplainer,
        TreeExplainer,
    )
    from fastexplain.explainers.datasets import DatasetWrapper
    from fastexplain.explainers.mimic.surrogates import (
        BaseExplainableModel,
        DecisionTreeExplainableModel,
        LGBMExplainableModel,
        LinearExplainableModel,
        SGDExplainableModel,
    )
    from fastexplain.explainers.options import (
        MetricConstants,
        ModelTask,
        SamplingPolicy,
        ShapValuesOutput,
    )
    from fastexplain.explanation import (
        Explanation,
        ExplanationAdapter,
        load_explanation,
        save_explanation,
    )
    from fastexplain.explanation.numbers.fidelity import (
        FidelityReport,
    )
    from fastexplain.models import (
        load_model,
    )
    from fastexplain.models.wrapped import (
        wrap_model,
    )

# public name -> module that defines it; loaded on first use, so that `import fastexplain` costs no more than NumPy
_EXPORTS = {
    "Background": "fastexplain.engine",
    "BaseExplainableModel": "fastexplain.explainers.mimic.surrogates",
    "DatasetWrapper": "fastexplain.explainers.datasets",
    "DecisionTreeExplainableModel": "fastexplain.explainers.mimic.surrogates",
    "DeepExplainer": "fastexplain.explainers",
    "DeepLiftResult": "fastexplain.engine",
    "ExpectedGradientsResult": "fastexplain.engine",
    "Explanation": "fastexplain.explanation",
    "ExplanationAdapter": "fastexplain.explanation",
    "FastExplainError": "fastexplain.exceptions",
    "FidelityReport": "fastexplain.explanation.numbers.fidelity",
    "InterventionalTreeShap": "fastexplain.engine",
    "KernelExplainer": "fastexplain.explainers",
    "KernelShapResult": "fastexplain.engine",
    "LGBMExplainableModel": "fastexplain.explainers.mimic.surrogates",
    "LIMEExplainer": "fastexplain.explainers",
    "LinearExplainableModel": "fastexplain.explainers.mimic.surrogates",
    "LinearExplainer": "fastexplain.explainers",
    "LinearShapResult": "fastexplain.engine",
    "MetricConstants": "fastexplain.explainers.options",
    "MimicExplainer": "fastexplain.explainers",
    "MissingDependencyError": "fastexplain.exceptions",
    "ModelConversionError": "fastexplain.exceptions",
    "ModelTask": "fastexplain.explainers.options",
    "PFIExplainer": "fastexplain.explainers",
    "PermutationImportanceResult": "fastexplain.engine",
    "BackgroundWarning": "fastexplain.exceptions",
    "PoorFidelityWarning": "fastexplain.exceptions",
    "PredictionError": "fastexplain.exceptions",
    "RescaledValuesWarning": "fastexplain.exceptions",
    "SGDExplainableModel": "fastexplain.explainers.mimic.surrogates",
    "SamplingPolicy": "fastexplain.explainers.options",
    "ScenarioNotSupportedException": "fastexplain.exceptions",
    "ShapValuesOutput": "fastexplain.explainers.options",
    "TabularExplainer": "fastexplain.explainers",
    "TreeExplainer": "fastexplain.explainers",
    "TreeShapResult": "fastexplain.engine",
    "UnsupportedModelError": "fastexplain.exceptions",
    "deep_lift": "fastexplain.engine",
    "expected_gradients": "fastexplain.engine",
    "get_num_threads": "fastexplain._threads",
    "install_as": "fastexplain.compat.install",
    "kernel_shap": "fastexplain.engine",
    "linear_shap": "fastexplain.engine",
    "load_explanation": "fastexplain.explanation",
    "load_model": "fastexplain.models",
    "permutation_importance": "fastexplain.engine",
    "save_explanation": "fastexplain.explanation",
    "set_num_threads": "fastexplain._threads",
    "summarize_background": "fastexplain.engine",
    "tree_shap": "fastexplain.engine",
    "wrap_model": "fastexplain.models.wrapped",
}

__all__ = [
    "Background",
    "BackgroundWarning",
    "BaseExplainableModel",
    "DatasetWrapper",
    "DecisionTreeExplainableModel",
    "DeepExplainer",
    "DeepLiftResult",
    "ExpectedGradientsResult",
    "Explanation",
    "ExplanationAdapter",
    "FastExplainError",
    "FidelityReport",
    "InterventionalTreeShap",
    "KernelExplainer",
    "KernelShapResult",
    "LGBMExplainableModel",
    "LIMEExplainer",
    "LinearExplainableModel",
    "LinearExplainer",
    "LinearShapResult",
    "MetricConstants",
    "MimicExplainer",
    "MissingDependencyError",
    "ModelConversionError",
    "ModelTask",
    "PFIExplainer",
    "PermutationImportanceResult",
    "PoorFidelityWarning",
    "PredictionError",
    "RescaledValuesWarning",
    "SGDExplainableModel",
    "SamplingPolicy",
    "ScenarioNotSupportedException",
    "ShapValuesOutput",
    "TabularExplainer",
    "TreeExplainer",
    "TreeShapResult",
    "UnsupportedModelError",
    "__version__",
    "deep_lift",
    "expected_gradients",
    "get_num_threads",
    "install_as",
    "kernel_shap",
    "linear_shap",
    "load_explanation",
    "load_model",
    "permutation_importance",
    "save_explanation",
    "set_num_threads",
    "summarize_background",
    "tree_shap",
    "wrap_model",
]

_install_former_paths()


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("fastexplain")
    if name in _EXPORTS:
        value = getattr(importlib.import_module(_EXPORTS[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'fastexplain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
