"""LightGBM's model text: parsed, and refused where it is damaged.

The text comes from ``Booster.model_to_string``, or from a file that LightGBM has not seen yet. LightGBM reads files as
if they could not be wrong, and some damage ends the process, so that `check_file_text` asks first for what its writer
guarantees.
"""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import ModelConversionError
from fastexplain.models.trees.structure import check_sizes

__all__ = [
    "Fields",
    "check_header",
    "check_pandas_categories",
    "checked_file_text",
    "damaged",
    "integer_field",
    "numbers",
    "read_text",
]

Fields = dict[str, str]

# Number of entries of each field of a tree, by the number of its leaves.
_PER_INNER_NODE = (
    "split_feature",
    "split_gain",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "internal_value",
    "internal_weight",
    "internal_count",
)
_PER_LEAF = ("leaf_value", "leaf_weight", "leaf_count")
_NEEDED = ("num_leaves", "num_cat", "leaf_value")
_NEEDED_TO_SPLIT = ("split_feature", "threshold", "decision_type", "left_child", "right_child")

_END = "\nend of trees"
_PANDAS_CATEGORIES = "pandas_categorical:"


def read_text(text: str) -> tuple[Fields, list[Fields]]:
    """Model text -> ``key=value`` pairs of its header, and of each tree."""
    end = text.find(_END)
    if end < 0:
        raise damaged("its text has no 'end of trees' line")
    header, *trees = text[:end].split("\nTree=")
    return _pairs(header), [_pairs(tree) for tree in trees]


def _pairs(block: str) -> Fields:
    return {key: value for key, _, value in (line.partition("=") for line in block.split("\n"))}


def numbers(trees: Sequence[Fields], key: str, n_expected: int, dtype: Any = np.int64) -> NDArray[Any]:
    """One field of all trees, end to end: parsed in one go, since a model has some 10,000 such lines."""
    text = " ".join(tree.get(key, "") for tree in trees)
    found = _parsed(text, key, dtype)
    if len(found) != n_expected:
        raise damaged(f"its trees have {len(found)} numbers for {key!r} and need {n_expected}")
    return found


def _parsed(text: str, key: str, dtype: Any) -> NDArray[Any]:
    if not text.strip():
        return np.empty(0, dtype=dtype)  # fromstring makes [0.0] of it in some versions of NumPy
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # NumPy's word for "stopped at something else"
            return np.fromstring(text, dtype=dtype, sep=" ")  # rounds as float() does
    except (ValueError, DeprecationWarning):
        raise damaged(f"{key!r} holds something that is not a number") from None


def integer_field(fields: Fields, key: str) -> int:
    """A field that is one whole number."""
    text = fields.get(key, "")
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise damaged(f"{key}={text!r}, where a whole number belongs")
    return int(text)


def check_header(header: Fields, n_trees: int) -> None:
    """Refuse a header whose numbers contradict each other: memory for the rows and outputs goes by them."""
    n_features = integer_field(header, "max_feature_idx") + 1
    n_outputs = integer_field(header, "num_tree_per_iteration")
    check_sizes("LightGBM", n_features, n_outputs, n_trees)
    if n_trees % n_outputs:
        raise damaged(f"it has {n_trees} trees for {n_outputs} outputs, which must all have as many")
    if integer_field(header, "num_class") != n_outputs:
        raise damaged(f"num_class={header['num_class']}, but it has {n_outputs} trees per iteration")
    # the library transforms as many outputs as the objective says
    stated = re.search(r"\bnum_class:(\S*)", header.get("objective", ""))
    if stated and stated[1] != str(n_outputs):
        raise damaged(f"its objective is of {stated[1]} classes, but it has {n_outputs} trees per iteration")
    for key in ("feature_names", "feature_infos"):
        found = len(header[key].split()) if key in header else n_features
        if found != n_features:
            raise damaged(f"{key} has {found} entries for {n_features} features")


# ------------------------------------------------------------------------------------------------------------- files


def checked_file_text(text: str) -> tuple[str, Fields, list[Fields]]:
    """Check what LightGBM's reader takes for granted, before it reads.

    Parameters
    ----------
    text : str
        The whole file.

    Returns
    -------
    text : str
        What to give to the library: header, trees and pandas categories. Without ``tree_sizes`` it reads the trees one
        after the other, and answers what it still finds wrong with an error; threads of its own would end the process.
        Training parameters are left out: predictions need none, and their reader trusts them as blindly.
    header, trees
        As `read_text`.

    Raises
    ------
    ModelConversionError
    """
    text = text.replace("\r\n", "\n")
    if not text.startswith("tree\n"):
        raise damaged("its first line is not 'tree', which Booster.save_model writes")
    if "\0" in text:
        raise damaged("it holds a NUL character")
    end = text.find(_END + "\n")
    if end < 0:
        raise damaged("it ends before its line 'end of trees'")
    if "\nparameters:\n" in text[end:] and "\nend of parameters\n" not in text[end:]:
        raise damaged("it ends before its line 'end of parameters'")
    _check_blocks(text[:end])
    header, trees = read_text(text)
    _check_tree_sizes(header, text[:end])
    for i, tree in enumerate(trees):
        _check_tree(i, tree)
    kept = [line for line in text[:end].split("\n") if not line.startswith("tree_sizes=")]
    return "\n".join(kept) + f"{_END}\n\n{_pandas_line(text[end:])}\n", header, trees


def _check_blocks(text: str) -> None:
    header, *trees = text.split("\nTree=")
    _check_lines(header, "its header")
    for i, tree in enumerate(trees):
        number, _, rest = tree.partition("\n")
        if number.strip() != str(i):
            raise damaged(f"tree {i} is numbered {number!r}")
        _check_lines(rest, f"tree {i}")


def _check_lines(block: str, where: str) -> None:
    lines = block.rstrip("\n").split("\n")
    blank = "" in lines
    if blank and where != "its header":  # there the library stops reading a tree
        raise damaged(f"{where} has a blank line within")
    key, times = Counter(line.partition("=")[0] for line in lines if line).most_common(1)[0]
    if times > 1:
        raise damaged(f"{where} has {key!r} {times} times")


def _check_tree_sizes(header: Fields, text: str) -> None:
    """The library finds the trees by these sizes, in bytes."""
    if "tree_sizes" not in header:
        return
    data = text.encode()
    start = data.find(b"\nTree=") + 1
    sizes = _parsed(header["tree_sizes"], "tree_sizes", np.int64).tolist()
    starts = [match.start() + 1 for match in re.finditer(rb"\nTree=", data)]
    for i, size in enumerate(sizes[: len(starts)]):
        if start != starts[i] or size <= 0:
            raise damaged(f"tree_sizes does not lead to tree {i}")
        start += size
    if len(sizes) != len(starts):
        raise damaged(f"tree_sizes is of {len(sizes)} trees, and there are {len(starts)}")


def _check_tree(i: int, tree: Fields) -> None:
    n_leaves = integer_field(tree, "num_leaves")
    missing = [key for key in (*_NEEDED, *(_NEEDED_TO_SPLIT if n_leaves > 1 else ())) if key not in tree]
    if missing:
        raise damaged(f"tree {i} has no {missing[0]!r}")
    expected = dict.fromkeys(_PER_INNER_NODE, n_leaves - 1) | dict.fromkeys(_PER_LEAF, n_leaves)
    if n_leaves <= 1:
        expected = {"leaf_value": 1}  # of single leaves not all versions write all fields
    for key, n in expected.items():
        found = len(tree[key].split()) if key in tree else n
        if found != n:
            raise damaged(f"tree {i} has {found} numbers for {key!r}, and needs {n}")


def _pandas_line(rest: str) -> str:
    """The file's last line, which holds the categories of pandas columns; nothing where there is no such line."""
    lines = [line for line in rest.split("\n") if line.startswith(_PANDAS_CATEGORIES)]
    if not lines:
        return ""
    try:
        categories = json.loads(lines[-1].removeprefix(_PANDAS_CATEGORIES))
    except (ValueError, RecursionError):
        raise damaged("its pandas_categorical line is not JSON") from None
    check_pandas_categories(categories)
    return lines[-1]


def check_pandas_categories(categories: Any) -> None:
    """Refuse anything but a list of the labels of each category column, or None."""
    is_list = isinstance(categories, list) and all(isinstance(labels, list) for labels in categories)
    if categories is not None and not is_list:
        raise damaged("pandas_categorical is not a list of the labels of each column")
    for labels in categories or ():
        if any(isinstance(label, list | dict) for label in labels):
            raise damaged("pandas_categorical holds a label that is no plain value")


def damaged(what: str) -> ModelConversionError:
    """The error for a model text that LightGBM cannot have written."""
    return ModelConversionError(f"The LightGBM model is damaged: {what}.")
