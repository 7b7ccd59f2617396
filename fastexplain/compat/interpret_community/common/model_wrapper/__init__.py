"""Wrappers of models: ml-wrappers' own where it is installed, else ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastexplain.models.wrapped import (
        WrappedClassificationModel,
        WrappedPytorchModel,
        WrappedRegressionModel,
        _wrap_model,
        wrap_model,
    )
else:
    try:
        from ml_wrappers.model import (
            WrappedClassificationModel,
            WrappedPytorchModel,
            WrappedRegressionModel,
            _wrap_model,
            wrap_model,
        )
    except ModuleNotFoundError as error:
        if error.name != "ml_wrappers":
            raise  # installed, but without something that it needs
        from fastexplain.models.wrapped import (
            WrappedClassificationModel,
            WrappedPytorchModel,
            WrappedRegressionModel,
            _wrap_model,
            wrap_model,
        )

__all__ = ["WrappedClassificationModel", "WrappedPytorchModel", "WrappedRegressionModel", "_wrap_model", "wrap_model"]
