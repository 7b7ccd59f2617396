"""What a model does: classification or regression, as users name it."""

from __future__ import annotations

from typing import Any

__all__ = ["TASKS", "plain_task"]

TASKS = ("unknown", "classification", "regression")


def plain_task(model_task: Any) -> str:
    """The task as a plain string, from a string or a str enum such as interpret-community's ModelTask."""
    task = str(getattr(model_task, "value", model_task))
    if task not in TASKS:
        raise ValueError(f"model_task must be 'unknown', 'classification' or 'regression'; got {model_task!r}.")
    return task
