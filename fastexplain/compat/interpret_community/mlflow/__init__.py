"""Explanations in MLflow runs, loaded when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastexplain._lazy import lazy

if TYPE_CHECKING:
    from fastexplain.store.mlflow import _load_pyfunc, get_explanation, log_explanation, save_model

__all__ = ["_load_pyfunc", "get_explanation", "log_explanation", "save_model"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "_load_pyfunc": "fastexplain.store.mlflow",
        "get_explanation": "fastexplain.store.mlflow",
        "log_explanation": "fastexplain.store.mlflow",
        "save_model": "fastexplain.store.mlflow",
    },
)
