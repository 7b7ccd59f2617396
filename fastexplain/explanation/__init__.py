"""Explanation objects: numbers, rankings, pictures and files. Imports NumPy only; the rest when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastexplain._lazy import lazy
from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.global_explanation import GlobalExplanation, GlobalLocalExplanation
from fastexplain.explanation.local_explanation import LocalExplanation

if TYPE_CHECKING:
    from fastexplain.explanation.files.parquet import ParquetWriter, read_parquet, to_arrow, to_pandas, write_parquet
    from fastexplain.explanation.files.saving import load_explanation, save_explanation
    from fastexplain.explanation.interpret.adapter import ExplanationAdapter
    from fastexplain.explanation.interpret.factories import (
        create_global_explanation,
        create_global_from_local,
        create_local_explanation,
    )
    from fastexplain.explanation.numbers.feature_maps import get_raw_explanation, get_raw_feature_importances
    from fastexplain.explanation.permutation_explanation import PermutationExplanation
    from fastexplain.explanation.plots import (
        plot_bar,
        plot_beeswarm,
        plot_decision,
        plot_force,
        plot_heatmap,
        plot_scatter,
        plot_waterfall,
    )
    from fastexplain.explanation.sparse_explanation import SparseGlobalLocalExplanation, SparseLocalExplanation

__all__ = [
    "Explanation",
    "ExplanationAdapter",
    "GlobalExplanation",
    "GlobalLocalExplanation",
    "LocalExplanation",
    "ParquetWriter",
    "PermutationExplanation",
    "SparseGlobalLocalExplanation",
    "SparseLocalExplanation",
    "create_global_explanation",
    "create_global_from_local",
    "create_local_explanation",
    "get_raw_explanation",
    "get_raw_feature_importances",
    "load_explanation",
    "plot_bar",
    "plot_beeswarm",
    "plot_decision",
    "plot_force",
    "plot_heatmap",
    "plot_scatter",
    "plot_waterfall",
    "read_parquet",
    "save_explanation",
    "to_arrow",
    "to_pandas",
    "write_parquet",
]

# loaded when used: a service that explains rows needs none of them
_EXPORTS = {
    "ExplanationAdapter": "fastexplain.explanation.interpret.adapter",
    "ParquetWriter": "fastexplain.explanation.files.parquet",
    "PermutationExplanation": "fastexplain.explanation.permutation_explanation",
    "SparseGlobalLocalExplanation": "fastexplain.explanation.sparse_explanation",
    "SparseLocalExplanation": "fastexplain.explanation.sparse_explanation",
    "create_global_explanation": "fastexplain.explanation.interpret.factories",
    "create_global_from_local": "fastexplain.explanation.interpret.factories",
    "create_local_explanation": "fastexplain.explanation.interpret.factories",
    "get_raw_explanation": "fastexplain.explanation.numbers.feature_maps",
    "get_raw_feature_importances": "fastexplain.explanation.numbers.feature_maps",
    "load_explanation": "fastexplain.explanation.files.saving",
    "plot_bar": "fastexplain.explanation.plots",
    "plot_beeswarm": "fastexplain.explanation.plots",
    "plot_decision": "fastexplain.explanation.plots",
    "plot_force": "fastexplain.explanation.plots",
    "plot_heatmap": "fastexplain.explanation.plots",
    "plot_scatter": "fastexplain.explanation.plots",
    "plot_waterfall": "fastexplain.explanation.plots",
    "read_parquet": "fastexplain.explanation.files.parquet",
    "save_explanation": "fastexplain.explanation.files.saving",
    "to_arrow": "fastexplain.explanation.files.parquet",
    "to_pandas": "fastexplain.explanation.files.parquet",
    "write_parquet": "fastexplain.explanation.files.parquet",
}
__getattr__, __dir__ = lazy(__name__, _EXPORTS, __all__)
