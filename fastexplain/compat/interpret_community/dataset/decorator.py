"""Decorators that wrap an explainer's rows in a `DatasetWrapper`, for user classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from fastexplain.compat.interpret_community.dataset.dataset_wrapper import DatasetWrapper

__all__ = ["init_tabular_decorator", "tabular_decorator", "wrap_dataset"]


def wrap_dataset(dataset: Any) -> DatasetWrapper:
    """Rows in a `DatasetWrapper`; one that is wrapped already is returned as it is."""
    return dataset if isinstance(dataset, DatasetWrapper) else DatasetWrapper(dataset)


def tabular_decorator(explain_func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate ``method(self, evaluation_examples, ...)``: the examples come wrapped."""

    @wraps(explain_func)
    def wrapped(self: Any, evaluation_examples: Any, *args: Any, **kwargs: Any) -> Any:
        return explain_func(self, wrap_dataset(evaluation_examples), *args, **kwargs)

    return wrapped


def init_tabular_decorator(init_func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate ``__init__(self, model, initialization_examples, ...)``: the examples come wrapped."""

    @wraps(init_func)
    def wrapped(self: Any, model: Any, initialization_examples: Any, *args: Any, **kwargs: Any) -> Any:
        return init_func(self, model, wrap_dataset(initialization_examples), *args, **kwargs)

    return wrapped
