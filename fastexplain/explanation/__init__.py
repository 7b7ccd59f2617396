"""Explanation objects: numbers, rankings, pictures and files. Imports NumPy only; the rest when used."""

from __future__ import annotations

from fastexplain.explanation.adapter import ExplanationAdapter
from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.factories import (
    create_global_explanation,
    create_global_from_local,
    create_local_explanation,
)
from fastexplain.explanation.feature_maps import get_raw_explanation, get_raw_feature_importances
from fastexplain.explanation.global_explanation import GlobalExplanation, GlobalLocalExplanation
from fastexplain.explanation.local_explanation import LocalExplanation
from fastexplain.explanation.parquet import ParquetWriter, read_parquet, to_arrow, to_pandas, write_parquet
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
from fastexplain.explanation.saving import load_explanation, save_explanation
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
