"""`DatasetWrapper` and `CustomTimestampFeaturizer`: ml-wrappers' own where it is installed, else ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastexplain.explainers.datasets import CustomTimestampFeaturizer, DatasetWrapper
else:
    try:
        from ml_wrappers import DatasetWrapper
        from ml_wrappers.dataset import CustomTimestampFeaturizer
    except ModuleNotFoundError as error:
        if error.name != "ml_wrappers":
            raise  # installed, but without something that it needs
        from fastexplain.explainers.datasets import CustomTimestampFeaturizer, DatasetWrapper

__all__ = ["CustomTimestampFeaturizer", "DatasetWrapper"]
