"""A stored tree model as content and arrays, and back: nothing that is read is believed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.models.trees.answers import DECISIONS, LINKS, OF_TWO_CLASSES, Answers
from fastexplain.models.trees.forest import Forest
from fastexplain.models.trees.stored import StoredTreeModel
from fastexplain.models.trees.structure import MAX_FEATURES, MAX_OUTPUTS, NodeTable
from fastexplain.rows.encoding import RowEncoding
from fastexplain.scoring.fields import Fields

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
# Those that every node has an entry of, besides the numbers.
_PER_NODE = {
    "children_left": "int32",
    "children_right": "int32",
    "feature": "int32",
    "default_left": "bool",
    "cover": "float64",
}
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
        "n_classes": model.n_classes,
    }
    return content, arrays


def tree_from_parts(content: Fields, encoding: RowEncoding) -> StoredTreeModel:
    """The model again.

    Raises
    ------
    ArtifactError, ValueError
        A number, index or shape that no forest has; the message names the field.
    """
    fields, task = content.object("model"), content.text("task", ("classification", "regression"))
    n_features, n_outputs = fields.integer("n_features", 0, MAX_FEATURES), fields.integer("n_outputs", 1, MAX_OUTPUTS)
    if n_features != encoding.n_features:
        raise fields.error("n_features", f"is {n_features}; the rows have {encoding.n_features} columns.")
    forest = _forest(fields, n_features, n_outputs)
    n_classes = classes = None
    if task == "classification":
        n_classes = fields.integer("n_classes", 1, MAX_OUTPUTS)
        if n_classes != max(2, n_outputs) and not (n_classes == n_outputs == 1):
            raise fields.error("n_classes", f"is {n_classes}; the forest has {n_outputs} outputs.")
        classes = content.labels_or_none("classes", n_classes)
    votes = None
    if fields.has_array("tree.votes"):
        votes = fields.array("tree.votes", "float64", forest.values.shape)
    slope = fields.number("logistic_slope") if fields.present("logistic_slope") else None
    return StoredTreeModel(
        forest,
        encoding,
        _answers(fields.object("answers"), task, n_outputs, n_classes == 1),
        task=task,
        classes=classes,
        n_classes=n_classes,
        votes=votes,
        predicts_raw=fields.flag("predicts_raw"),
        logistic_slope=slope,
        gives_probabilities=fields.flag("gives_probabilities"),
    )


def _forest(fields: Fields, n_features: int, n_outputs: int) -> Forest:
    offsets = fields.array("tree.tree_offsets", "int64", (None,))
    n_nodes = len(fields.array("tree.feature", "int32", (None,)))
    arrays: dict[str, Any] = {
        name: fields.array(f"tree.{name}", dtype, (n_nodes,)) for name, dtype in _PER_NODE.items()
    }
    arrays["threshold"] = fields.array("tree.threshold", "float64", (n_nodes,), finite=False)
    arrays["values"] = fields.array("tree.values", "float64", (n_nodes, None))
    arrays["tree_output"] = fields.array("tree.tree_output", "int32", (max(0, len(offsets) - 1),))
    arrays["base_offset"] = fields.array("tree.base_offset", "float64", (n_outputs,))
    arrays |= {name: fields.flag(name) for name in _FLAGS}
    optional: dict[str, tuple[str, tuple[int | None, ...]]] = {
        "zero_is_missing": ("bool", (n_nodes,)),
        "category_set": ("int32", (n_nodes,)),
        "category_set_offsets": ("int64", (None,)),
        "category_set_members": ("int32", (None,)),
    }
    for name, (dtype, shape) in optional.items():
        if fields.has_array(f"tree.{name}"):
            arrays[name] = fields.array(f"tree.{name}", dtype, shape)
    forest = Forest(
        n_features=n_features,
        n_outputs=n_outputs,
        tree_offsets=offsets,
        missing_value=float(fields.array("tree.missing_value", "float64", (1,), finite=False)[0]),
        **arrays,
    )
    _check_trees(forest)
    return forest


def _check_trees(forest: Forest) -> None:
    """Refuse nodes that hang nowhere, and circles: `Forest` itself sees children out of range and second parents."""
    left, right = (getattr(forest, name).astype(np.int64) for name in ("children_left", "children_right"))
    leaf = left < 0
    table = NodeTable("stored", forest.tree_offsets)
    parent = table.check_links(left, right, leaf)
    is_root = np.zeros(forest.n_nodes, dtype=bool)
    is_root[forest.tree_offsets[:-1]] = True
    table.refuse((parent < 0) & leaf & ~is_root, "hangs nowhere")


def _answers(fields: Fields, task: str, n_outputs: int, single: bool) -> Answers:
    decision = fields.text("decision", tuple(DECISIONS)) if fields.present("decision") else None
    if (decision is not None) != (task == "classification"):
        raise fields.error("decision", f"is {decision!r}, of a model for {task}.")
    if decision is not None and (decision in OF_TWO_CLASSES) != (n_outputs == 1 and not single):
        raise fields.error("decision", f"is {decision!r}, of a model with {n_outputs} outputs.")
    return Answers(
        fields.text("link", tuple(LINKS)),
        fields.number("slope"),
        decision,
        fields.text("arithmetic", ("float64", "float32")),
        fields.integer("votes", 1),
    )
