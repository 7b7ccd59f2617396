"""XGBoost's model document (JSON or Universal Binary JSON): read, and refused where it is damaged.

XGBoost reads numbers of nodes, categories and columns as if they could not be wrong, and some damage ends the process.
`check_document` therefore asks for what its writer guarantees, of files before XGBoost reads them, and of boosters
before they predict.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import ModelConversionError, UnsupportedModelError
from fastexplain.models.trees import ubjson
from fastexplain.models.trees.structure import NodeTable, check_sizes

__all__ = ["MAX_CATEGORY", "check_document", "damaged", "integer_field", "joined", "read_document"]

# What XGBoost writes as the parent of a root.
NO_PARENT = (-1, 2**31 - 1)
# Categories from here on are invalid, as negative ones are: they go where categories that are not listed go.
MAX_CATEGORY = 2**24

# The arrays of a tree that have an entry for each node; kinds of NumPy numbers that may stand there.
_INTEGERS, _NUMBERS = "iub", "iubf"
_PER_NODE = {
    "left_children": _INTEGERS,
    "right_children": _INTEGERS,
    "parents": _INTEGERS,
    "split_indices": _INTEGERS,
    "split_conditions": _NUMBERS,
    "split_type": _INTEGERS,
    "default_left": _INTEGERS,
    "base_weights": _NUMBERS,
    "loss_changes": _NUMBERS,
    "sum_hessian": _NUMBERS,
}
# Versions differ in what these hold in trees with vectors in their leaves; some have none.
_FREE_IN_VECTOR_TREES = ("base_weights", "loss_changes", "sum_hessian")


def read_document(data: bytes, suffix: str) -> Any:
    """The document in a model file.

    Parameters
    ----------
    data : bytes
    suffix : {".json", ".ubj"}

    Raises
    ------
    ValueError
        The file is cut short, or no document.
    """
    try:
        if suffix == ".json":
            return json.loads(data, object_pairs_hook=_without_repeats)
        return ubjson.decode(data)
    except RecursionError:
        raise ValueError("its document is nested too deeply") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ in which of two entries of one name they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it has {next(name for name in names if names.count(name) > 1)!r} twice in one place")
    return found


def ensemble_of(document: Any) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """The parts of a document that hold the model.

    Returns
    -------
    learner, ensemble : dict
    weights : array-like or None
        Of DART's trees. Before 3.4 the trees are in "gbtree" and their weights beside it, since then both in "model".

    Raises
    ------
    UnsupportedModelError
        The booster has no trees.
    ModelConversionError
        A part is missing.
    """
    learner = _part(document, "learner")
    booster = _part(learner, "gradient_booster")
    name = _text(booster, "name")
    if name == "gblinear":
        raise UnsupportedModelError(
            "This XGBoost model has booster='gblinear', which has no trees. Train with booster='gbtree' or 'dart', or "
            "explain its margin, a linear function: KernelExplainer(lambda rows: model.predict(rows, "
            "output_margin=True), rows); a Booster's predict takes xgboost.DMatrix(rows)."
        )
    nested = name == "dart" and "gbtree" in booster
    ensemble = _part(_part(booster, "gbtree") if nested else booster, "model")
    return learner, ensemble, (booster if name == "dart" else ensemble).get("weight_drop")


def integer_field(fields: Mapping[str, Any], key: str, default: str | None = None) -> int:
    """A parameter, which XGBoost writes as text, as a whole number."""
    text = fields.get(key, default)
    if not (isinstance(text, str) and text.isascii() and text.lstrip("-").isdigit() and len(text) < 19):
        raise damaged(f"{key} is {text!r}, where a whole number belongs")
    return int(text)


def joined(trees: Sequence[Mapping[str, Any]], key: str, dtype: Any) -> NDArray[Any]:
    """An array of all trees, end to end."""
    return np.concatenate([np.empty(0, dtype=dtype), *(tree[key].astype(dtype, copy=False) for tree in trees)])


def damaged(what: str) -> ModelConversionError:
    """The error for a model that XGBoost cannot have written."""
    return ModelConversionError(f"The XGBoost model is damaged: {what}.")


def check_document(document: Any) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]], Any]:
    """Refuse a document that XGBoost cannot have written.

    Returns
    -------
    learner, ensemble : dict
    trees : list of dict
        Their arrays as NumPy arrays, whose lengths agree, and whose numbers lead to nodes, features and categories
        that there are.
    weights : float64 array or None
        Of DART's trees.

    Raises
    ------
    ModelConversionError
        Names the tree and the node where it is about one.
    UnsupportedModelError
        The booster has no trees.
    """
    learner, ensemble, weights = ensemble_of(document)
    params = _part(learner, "learner_model_param")
    n_features = integer_field(params, "num_feature")
    n_outputs = max(1, integer_field(params, "num_class"), integer_field(params, "num_target", "1"))
    _text(_part(learner, "objective"), "name")
    for key in ("feature_names", "feature_types"):
        entries = learner.get(key, [])
        if not (isinstance(entries, list) and all(isinstance(entry, str) for entry in entries)):
            raise damaged(f"{key} is not a list of names")
        if len(entries) not in (0, n_features):
            raise damaged(f"{key} has {len(entries)} entries for {n_features} features")
    trees = [_arrays_of(i, tree) for i, tree in enumerate(_list(ensemble, "trees"))]
    n_values = len(trees) + sum(len(tree.get("leaf_weights", ())) for tree in trees)
    check_sizes("XGBoost", n_features, n_outputs, n_values)
    _check_nodes(trees, n_features, n_outputs)
    _check_ensemble(ensemble, len(trees), n_outputs)
    if weights is not None:
        weights = _numbers(weights, "weight_drop", _NUMBERS)
        if len(weights) not in (0, len(trees)):
            raise damaged(f"weight_drop has {len(weights)} weights for {len(trees)} trees")
    _check_labels(ensemble.get("cats"), n_features)
    return learner, ensemble, trees, weights


# ------------------------------------------------------------------------------------------------------------- trees


def _arrays_of(i: int, tree: Any) -> dict[str, Any]:
    """A tree with its arrays as NumPy arrays of the lengths that it states."""
    if not isinstance(tree, dict):
        raise damaged(f"tree {i} is a {type(tree).__name__}")
    if tree.get("id") != i:
        raise damaged(f"tree {i} is numbered {tree.get('id')!r}")
    params = _part(tree, "tree_param")
    n_nodes, found = integer_field(params, "num_nodes"), dict(tree)
    vector = integer_field(params, "size_leaf_vector", "1") > 1
    for key, kinds in _PER_NODE.items():
        free = vector and key in _FREE_IN_VECTOR_TREES
        if key in tree or not free:
            found[key] = _array(i, tree, key, kinds, None if free else n_nodes)
    for key in ("categories_nodes", "categories"):
        found[key] = _array(i, tree, key, _INTEGERS, None)
    for key in ("categories_segments", "categories_sizes"):
        found[key] = _array(i, tree, key, _INTEGERS, len(found["categories_nodes"]))
    if "leaf_weights" in tree:
        found["leaf_weights"] = _array(i, tree, "leaf_weights", _NUMBERS, None)
    if n_nodes < 1:
        raise damaged(f"tree {i} has {n_nodes} nodes")
    return found


def _array(i: int, tree: Mapping[str, Any], key: str, kinds: str, n: int | None) -> NDArray[Any]:
    stored = tree.get(key, ())
    fits = isinstance(stored, np.ndarray) and stored.ndim == 1 and stored.dtype.kind in kinds
    found: NDArray[Any] = stored if fits else _numbers(stored, f"{key} of tree {i}", kinds)
    if n is not None and len(found) != n:
        raise damaged(f"tree {i} has {len(found)} numbers in {key!r} and needs {n}")
    return found


def _numbers(values: Any, name: str, kinds: str) -> NDArray[Any]:
    """A list or array as a 1-D array of numbers of some kinds."""
    if not isinstance(values, np.ndarray):
        if not isinstance(values, list | tuple):
            raise damaged(f"{name} is a {type(values).__name__}, where a list belongs")
        try:
            values = np.asarray(values) if len(values) else np.empty(0, dtype=np.int32)
        except (ValueError, OverflowError):
            raise damaged(f"{name} holds something that is not a number") from None
    if values.ndim != 1 or values.dtype.kind not in kinds:
        raise damaged(f"{name} holds something that is not {'a whole' if kinds == _INTEGERS else 'a'} number")
    return np.asarray(values)


def _check_nodes(trees: list[dict[str, Any]], n_features: int, n_outputs: int) -> None:
    offsets = np.cumsum([0, *(len(tree["left_children"]) for tree in trees)])
    table = NodeTable("XGBoost", offsets)
    left, right = (joined(trees, key, np.int64) for key in ("left_children", "right_children"))
    leaf = left == -1
    parent = table.check_links(left, right, leaf)
    stated = joined(trees, "parents", np.int64)
    hangs = parent < 0  # roots, and nodes that XGBoost has pruned
    table.refuse(~hangs & (stated != parent), "has the parent {}, which has other children", stated)
    outside = (stated >= table.per_node(np.diff(offsets))) | (stated < 0)
    table.refuse(
        hangs & outside & ~np.isin(stated, NO_PARENT), "has the parent {}, which is no node of the tree", stated
    )
    feature = joined(trees, "split_indices", np.int64)
    problem = f"splits on feature {{}}, and the model has {n_features} features"
    table.refuse(~leaf & ((feature < 0) | (feature >= n_features)), problem, feature)
    side = joined(trees, "default_left", np.int64)
    table.refuse((side < 0) | (side > 1), "has default_left={}; expected 0 or 1", side)
    vector = np.array([integer_field(tree["tree_param"], "size_leaf_vector", "1") > 1 for tree in trees], dtype=bool)
    if vector.any() and not vector.all():
        raise damaged("some of its trees have vectors in their leaves, and some have not")
    if not vector.any():
        table.refuse(leaf & (right != -1), "is a leaf with the right child {}", right)
    elif all("leaf_weights" in tree for tree in trees):
        rows = np.array([len(tree["leaf_weights"]) // n_outputs for tree in trees])
        table.refuse(
            leaf & ((right < 0) | (right >= table.per_node(rows))), "is the leaf number {}, which has no values", right
        )
    _check_categories(trees, table)


def _check_categories(trees: list[dict[str, Any]], table: NodeTable) -> None:
    kind = joined(trees, "split_type", np.int64)
    table.refuse((kind < 0) | (kind > 1), "has split_type={}; expected 0 or 1", kind)
    n_sets = np.array([len(tree["categories_nodes"]) for tree in trees], dtype=np.int64)
    local, size = joined(trees, "categories_nodes", np.int64), np.repeat(np.diff(table.offsets), n_sets)
    of_tree = np.repeat(np.arange(len(trees)), n_sets)
    if ((local < 0) | (local >= size)).any():
        at = int(((local < 0) | (local >= size)).argmax())
        raise damaged(f"tree {of_tree[at]} has categories for node {local[at]}, which it does not have")
    node = table.offsets[of_tree] + local
    table_has = np.zeros(int(table.offsets[-1]), dtype=bool)
    table_has[node] = True
    # A pruned node stays of the categorical kind, with its categories. One without categories breaks the library.
    table.refuse((kind == 1) & ~table_has, "has split_type=1 and no categories")
    table.refuse((kind == 0) & table_has, "has categories and split_type=0")
    if (np.diff(node) <= 0).any():
        table.refuse_node(int(node[1:][np.diff(node) <= 0][0]), "is out of order in categories_nodes")
    begin, length = joined(trees, "categories_segments", np.int64), joined(trees, "categories_sizes", np.int64)
    n_members = np.array([len(tree["categories"]) for tree in trees], dtype=np.int64)[of_tree]
    outside = (begin < 0) | (length < 1) | (begin > n_members) | (length > n_members - begin)
    if outside.any():
        table.refuse_node(int(node[outside.argmax()]), "has a set of categories that is empty or not there")
    members = joined(trees, "categories", np.int64)
    invalid = (members < 0) | (members >= MAX_CATEGORY)
    if invalid.any():
        ends = np.cumsum([len(tree["categories"]) for tree in trees])
        at = int(invalid.argmax())
        tree, member = int(np.searchsorted(ends, at, side="right")), members[at]
        raise damaged(f"tree {tree} has the category {member}; expected 0 to {MAX_CATEGORY - 1}")


# ---------------------------------------------------------------------------------------------------- ensemble, labels


def _check_ensemble(ensemble: Mapping[str, Any], n_trees: int, n_outputs: int) -> None:
    stated = integer_field(_part(ensemble, "gbtree_model_param"), "num_trees")
    if stated != n_trees:
        raise damaged(f"it says that it has {stated} trees, and has {n_trees}")
    outputs = _numbers(ensemble.get("tree_info"), "tree_info", _INTEGERS)
    if len(outputs) != n_trees:
        raise damaged(f"tree_info has {len(outputs)} entries for {n_trees} trees")
    outside = (outputs < 0) | (outputs >= n_outputs)
    if outside.any():
        tree = int(outside.argmax())
        raise damaged(f"tree {tree} is for output {outputs[tree]}, and there are {n_outputs}")
    ends = _numbers(ensemble.get("iteration_indptr"), "iteration_indptr", _INTEGERS)
    if not len(ends) or ends[0] != 0 or ends[-1] != n_trees or (np.diff(ends.astype(np.int64)) < 0).any():
        raise damaged(f"iteration_indptr does not rise from 0 to {n_trees}, the number of trees")


def _check_labels(cats: Any, n_features: int) -> None:
    """The labels of category columns, which 3.1 and newer keep."""
    if cats is None:
        return
    if not isinstance(cats, dict):
        raise damaged(f"cats is a {type(cats).__name__}")
    columns = _list(cats, "enc")
    if len(columns) not in (0, n_features):
        raise damaged(f"it has labels for {len(columns)} columns of {n_features}")
    ends = _numbers(cats.get("feature_segments", ()), "feature_segments of cats", _INTEGERS).astype(np.int64)
    order = _numbers(cats.get("sorted_idx", ()), "sorted_idx of cats", _INTEGERS).astype(np.int64)
    sizes = np.array([_n_labels(i, column) for i, column in enumerate(columns)], dtype=np.int64)
    if len(ends) and not np.array_equal(ends, np.cumsum([0, *sizes.tolist()])):
        raise damaged("feature_segments of cats does not fit the labels of the columns")
    if len(order) != sizes.sum() or (order < 0).any() or (order >= np.repeat(sizes, sizes)).any():
        raise damaged("sorted_idx of cats does not number the labels of each column")


def _n_labels(i: int, column: Any) -> int:
    if not isinstance(column, dict):
        raise damaged(f"the labels of column {i} are a {type(column).__name__}")
    values = _numbers(column.get("values"), f"the labels of column {i}", _NUMBERS)
    if "offsets" not in column:
        return len(values)
    ends = _numbers(column["offsets"], f"the offsets of column {i}'s labels", _INTEGERS).astype(np.int64)
    if not len(ends):
        return 0
    if ends[0] != 0 or ends[-1] != len(values) or (np.diff(ends) < 0).any():
        raise damaged(f"the offsets of column {i}'s labels do not rise from 0 to {len(values)}")
    return len(ends) - 1


# ------------------------------------------------------------------------------------------------------------- parts


def _part(document: Any, key: str) -> dict[str, Any]:
    part = document.get(key) if isinstance(document, dict) else None
    if not isinstance(part, dict):
        raise damaged(f"it has no {key!r}")
    return part


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    part = document.get(key)
    if not isinstance(part, list):
        raise damaged(f"{key!r} is not a list")
    return part


def _text(document: Mapping[str, Any], key: str) -> str:
    text = document.get(key)
    if not isinstance(text, str):
        raise damaged(f"{key!r} is {text!r}, where a name belongs")
    return text
