"""A stored tree model as content and arrays, and back: nothing that is read is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.models.trees.answers import Answers
from fastexplain.models.trees.forest import Forest
from fastexplain.models.trees.stored import StoredTreeModel
from fastexplain.rows.encoding import RowEncoding

__all__ = ["tree_from_parts", "tree_parts"]

_ARRAYS = (
    "tree_offsets",
    "children_left",
    "children_right",
    "feature",
    "threshold",
    "default_left",
    "cover",
    "values",
    "tree_output",
    "base_offset",
    "zero_is_missing",
    "category_set",
    "category_set_offsets",
    "category_set_members",
)
_FLAGS = ("float32_input", "float32_model", "allow_nan", "allow_inf")


def tree_parts(model: StoredTreeModel) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Content and arrays of a tree model. Entries that the forest ignores are zero: equal forests have equal files."""
    forest = model.forest
    arrays = {f"tree.{name}": getattr(forest, name) for name in _ARRAYS if getattr(forest, name) is not None}
    leaf = forest.children_left < 0
    arrays["tree.threshold"] = np.where(leaf | forest._categorical_nodes(), 0.0, forest.threshold)
    arrays["tree.values"] = np.where(leaf[:, None], forest.values, 0.0)
    votes = model.votes()
    if votes is not None:
        arrays["tree.votes"] = np.where(leaf[:, None], votes, 0.0)
    arrays["tree.missing_value"] = np.array([forest.missing_value])
    content = {
        "n_features": forest.n_features,
        "n_outputs": forest.n_outputs,
        **{name: getattr(forest, name) for name in _FLAGS},
        "answers": asdict(model.answers),
        "predicts_raw": model.predicts_raw,
        "logistic_slope": model.logistic_slope,
        "gives_probabilities": model.gives_probabilities,
        "task": model.task,
        "n_classes": model.n_classes,
        "classes": model.classes,
    }
    return content, arrays


def tree_from_parts(
    content: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], encoding: RowEncoding
) -> StoredTreeModel:
    """The model again.

    Raises
    ------
    ValueError
        A number, index or shape that no forest has; the message names the field.
    """
    given = {name: arrays[f"tree.{name}"] for name in _ARRAYS if f"tree.{name}" in arrays}
    forest = Forest(
        n_features=content["n_features"],
        n_outputs=content["n_outputs"],
        missing_value=float(arrays["tree.missing_value"][0]),
        **{name: content[name] for name in _FLAGS},
        **given,
    )
    return StoredTreeModel(
        forest,
        encoding,
        Answers(**content["answers"]),
        task=content["task"],
        classes=content["classes"],
        n_classes=content["n_classes"],
        votes=arrays.get("tree.votes"),
        predicts_raw=content["predicts_raw"],
        logistic_slope=content["logistic_slope"],
        gives_probabilities=content["gives_probabilities"],
    )
