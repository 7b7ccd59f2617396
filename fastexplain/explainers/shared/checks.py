"""Checks of constructor arguments that all explainers share. Each error names the value and what was expected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.models.task import plain_task
from fastexplain.rows.names import check_distinct
from fastexplain.rows.tables import shape_of

__all__ = [
    "check_classes",
    "check_columns",
    "check_examples",
    "check_subset",
    "check_task",
    "distinct_names",
    "list_of_names",
    "plain_output",
    "plain_task",
    "refuse_rows_as_subset",
]

OUTPUTS = ("default", "probability", "teacher_probability")


def plain_output(shap_values_output: Any) -> str:
    """What values add up to as a plain string, from a string or a str enum such as ShapValuesOutput."""
    output = str(getattr(shap_values_output, "value", shap_values_output))
    if output not in OUTPUTS:
        raise ValueError(
            f"shap_values_output must be 'default', 'probability' or 'teacher_probability'; got {shap_values_output!r}."
        )
    return output


def check_task(model_task: Any, task: str, name: str) -> None:
    """Raise ValueError if `model_task` is no task, or contradicts the task of the model called `name`."""
    given = plain_task(model_task)
    if given not in ("unknown", task):
        raise ValueError(f"model_task is {given!r}, but the {name} model does {task}.")


def check_examples(examples: Any, n_features: int, transformed: bool = False) -> None:
    """Raise ValueError unless `examples` is None or 2-D with `n_features` columns; they may be `transformed` ones.

    TypeError where they are nothing that holds rows.
    """
    if examples is None:
        return
    shape = shape_of(examples)
    if len(shape) != 2:
        raise ValueError(f"initialization_examples must be 2-D; got shape {tuple(shape)}.")
    if shape[1] != n_features and transformed:
        raise ValueError(f"The transformations make {shape[1]} columns; the model has {n_features} features.")
    if shape[1] != n_features:
        raise ValueError(f"initialization_examples has {shape[1]} columns; the model has {n_features} features.")


def check_columns(names: list[str] | None, expected: list[str] | None) -> None:
    """Raise ValueError at the first column of the rows with another name than expected; None: they have no names."""
    if names is None or expected is None:
        return
    for i, (name, known) in enumerate(zip(names, expected, strict=False)):
        if name != known:
            raise ValueError(
                f"Column {i} of evaluation_examples is {name!r}, but {known!r} where the explainer was built; "
                "give the same columns in the same order."
            )


def list_of_names(given: Any, argument: str) -> list[Any] | None:
    """A list of what was given for `argument`; None for None. A single string is a TypeError."""
    if given is None:
        return None
    if isinstance(given, str):
        raise TypeError(f"{argument} must be a list of names; got the string {given!r}.")
    return given.tolist() if isinstance(given, np.ndarray) else list(given)


def distinct_names(given: Any, argument: str) -> list[Any] | None:
    """As `list_of_names`; ValueError where a name occurs twice."""
    names = list_of_names(given, argument)
    check_distinct(names or [], argument)
    return names


def check_classes(
    given: list[Any] | None, known: list[Any] | None, task: str, n_classes: int | None, name: str
) -> list[Any] | None:
    """The labels to show: those given, else those that the model knows. ValueError if their number is another."""
    if given is None:
        return None if known is None else list(known)
    if task != "classification":
        raise ValueError(f"classes has {len(given)} labels, but the {name} model does regression.")
    if len(given) != n_classes:
        raise ValueError(f"classes has {len(given)} labels; the model has {n_classes} classes.")
    return given


def refuse_rows_as_subset(subset: Any) -> None:
    """Raise ValueError for a table or 2-D array: TreeExplainer's second argument is taken for the training rows."""
    if getattr(subset, "ndim", 1) == 2 or hasattr(subset, "columns"):
        raise ValueError(
            f"explain_subset got rows ({type(subset).__name__} of shape {tuple(subset.shape)}); it takes names or "
            "indices of the features to explain. Pass rows by name: initialization_examples=rows."
        )


def check_subset(
    subset: Sequence[int | str] | None, features: list[Any] | None, n_features: int
) -> NDArray[np.intp] | None:
    """Column indices of the explained features; None for all."""
    refuse_rows_as_subset(subset)
    names = list_of_names(subset, "explain_subset")
    if names is None:
        return None
    if not names:
        raise ValueError("explain_subset is empty; pass None to explain all features.")
    positions = {name: i for i, name in enumerate(features or []) if isinstance(name, str)}
    indices = []
    for item in names:
        index = positions.get(item) if isinstance(item, str) else item
        if isinstance(index, bool) or not isinstance(index, int | np.integer) or not 0 <= index < n_features:
            raise ValueError(
                f"explain_subset holds {item!r}; expected feature names, or indices in 0..{n_features - 1}."
            )
        indices.append(int(index))
    if len(set(indices)) != len(indices):
        raise ValueError(f"explain_subset names a feature twice: {names!r}.")
    return np.array(indices, dtype=np.intp)
