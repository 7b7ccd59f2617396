"""Explanations in MLflow runs under interpret-community's names."""

from __future__ import annotations

from fastexplain.store.mlflow import _load_pyfunc, get_explanation, log_explanation, save_model

__all__ = ["_load_pyfunc", "get_explanation", "log_explanation", "save_model"]
