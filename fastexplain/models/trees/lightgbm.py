"""LightGBM models -> `Forest`.

Read from the model text (``Booster.model_to_string``), which holds every threshold and leaf value to the last bit.
Routing rules: LightGBM 4, include/LightGBM/tree.h (NumericalDecision, CategoricalDecision) and
src/application/predictor.hpp (values within `ZERO_THRESHOLD` of zero become 0.0 before any tree sees them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import ModelConversionError, UnsupportedModelError
from fastexplain.models.trees.base import TreeModel
from fastexplain.models.trees.forest import ZERO_THRESHOLD, Forest
from fastexplain.rows.matrix import as_matrix

__all__ = ["LightGBMModel", "load"]

LIBRARY = "LightGBM"
CLASSIFICATION_OBJECTIVES = {"binary", "multiclass", "multiclassova"}
# Bits of a node's decision_type.
CATEGORICAL, DEFAULT_LEFT, MISSING_SHIFT = 1, 2, 2
MISSING_NONE, MISSING_ZERO = 0, 1  # 2 is NaN

_Fields = dict[str, str]


def load(model: Any) -> TreeModel:
    """Convert a fitted LightGBM model.

    Parameters
    ----------
    model : lightgbm.Booster or lightgbm.LGBMModel
        Trained, loaded from a file, or unpickled. With early stopping, the trees up to the best iteration count, as
        in ``predict``.

    Returns
    -------
    LightGBMModel

    Raises
    ------
    UnsupportedModelError
        Another class of the library (a Dataset, say), linear trees, a leaf value that is not finite, or a model
        without node counts.
    ValueError
        The model is not fitted.
    """
    return LightGBMModel(model)


class LightGBMModel(TreeModel):
    """A LightGBM model and its `Forest`; see `TreeModel` for the attributes.

    Parameters
    ----------
    model : lightgbm.Booster or lightgbm.LGBMModel

    Raises
    ------
    UnsupportedModelError, ValueError
        As `load`.
    """

    library = LIBRARY

    def __init__(self, model: Any) -> None:
        self.model = model
        self._booster = _booster(model)
        header, trees = _read_text(self._booster.model_to_string())
        self._n_averaged = _n_averaged(header, trees)
        self.forest = _forest(header, trees)
        names = tuple(self._booster.feature_name())
        fitted_on_array = names == tuple(f"Column_{i}" for i in range(len(names)))
        self.feature_names = None if fitted_on_array else names
        # Labels of each category column in code order; empty where the model was fitted on numbers only.
        self._category_lists: list[list[Any]] = list(self._booster.pandas_categorical or [])
        self._is_numerical = [info.startswith("[") for info in header.get("feature_infos", "").split(" ")]
        self._set_task(header)

    def _set_task(self, header: _Fields) -> None:
        import lightgbm

        num_class = int(header["num_class"])
        objective = header.get("objective", "").partition(" ")[0]
        if isinstance(self.model, lightgbm.LGBMClassifier):
            self.n_classes, self.classes = len(self.model.classes_), np.asarray(self.model.classes_).tolist()
            if self.n_classes == 1:  # predict_proba has two columns all the same; the second label does not exist
                self.n_classes, self.classes = 2, None
        elif objective in CLASSIFICATION_OBJECTIVES or num_class > 1:  # num_class is a parameter of classifiers only
            self.n_classes = max(num_class, 2)
        self.task = "regression" if self.n_classes is None else "classification"
        self.single_margin = self.task == "classification" and self.forest.n_outputs == 1

    def prepare(self, X: Any) -> NDArray[np.floating]:
        """Rows as the user has them -> float array (n_rows, n_features) in the encoding that `forest` routes.

        Parameters
        ----------
        X : array-like or table of shape (n_rows, n_features)
            In an array, category columns hold codes already, and integers are rounded to float32, as LightGBM does.
            In a table, columns of category type (pandas, polars, pyarrow) and text columns are matched in their order
            with the pandas categories that the model was fitted on; a label that the model does not know becomes NaN,
            as in LightGBM. LightGBM writes ``_`` for spaces in column names; either spelling is understood.

        Returns
        -------
        float32 or float64 array of shape (n_rows, n_features)

        Raises
        ------
        ValueError
            X has another width, other column names or another order, or its category columns are not as many as the
            model's.
        """
        matrix = as_matrix(
            X, self.forest.n_features, self._names_as_in(X), LIBRARY, categories=self._categories_by_column(X)
        )
        if self._is_read_as_float32(X):
            with np.errstate(over="ignore"):
                return matrix.astype(np.float32)
        return matrix

    def _is_read_as_float32(self, X: Any) -> bool:
        """Whether LightGBM rounds these rows: arrays that are not of a float type (basic.py, _np2d_to_np1d)."""
        if not isinstance(X, (np.ndarray, list, tuple)):
            return False
        kind = np.asarray(X).dtype.kind
        # Of objects the scikit-learn classes make float64 first.
        return kind in "iub" or (kind == "O" and self.model is self._booster)

    def raw_predict(self, X: Any) -> NDArray[np.float64]:
        """LightGBM's own raw prediction of the user's rows, of shape (n_rows, n_outputs).

        That is ``predict(raw_score=True)``; with ``boosting="rf"`` its mean over iterations, which is what ``predict``
        passes through the link (``raw_score=True`` leaves it a sum).
        """
        return self.raw_predict_prepared(self.prepare(X))

    def raw_predict_prepared(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """As `raw_predict`, of rows that `prepare` returned."""
        raw = np.asarray(self._booster.predict(X, raw_score=True), dtype=np.float64)
        return raw.reshape(len(X), self.forest.n_outputs) / self._n_averaged

    def _names_as_in(self, X: Any) -> Sequence[str] | None:
        """The model's feature names, spelt as X spells them where only spaces differ."""
        if self.feature_names is None or not hasattr(X, "columns"):
            return self.feature_names
        given = getattr(X, "column_names", X.columns)  # pyarrow's columns are the data
        spelling = {name.replace(" ", "_"): name for name in given if isinstance(name, str)}
        return [spelling.get(name, name) for name in self.feature_names]

    def _categories_by_column(self, X: Any) -> Mapping[int, list[Any]] | None:
        """Column -> the model's labels for it. Pairs them in order, as LightGBM does: it keeps no column names."""
        found = self._label_columns(X)
        if found is None:
            return None
        if found and not self._category_lists:
            raise ValueError(
                f"X has {len(found)} columns of categories (columns {found[:10]}), but the LightGBM model was not "
                "fitted on pandas categories; encode them as the model's training data was."
            )
        if len(found) != len(self._category_lists):
            raise ValueError(
                f"X has {len(found)} columns of categories or text (columns {found[:10]}); the LightGBM model was "
                f"fitted on {len(self._category_lists)}. Give those columns the category type, for example "
                "X[column].astype('category'), or pass an array that holds the model's codes."
            )
        return dict(zip(found, self._category_lists, strict=True)) or None

    def _label_columns(self, X: Any) -> list[int] | None:
        """Columns of a table that hold labels; None for arrays, and for tables whose width `as_matrix` will refuse.

        Those are the columns of category type and, where the model splits by category, text: text elsewhere is left
        for `as_matrix` to refuse.
        """
        if not hasattr(X, "columns"):
            return None
        import narwhals as nw

        frame = nw.from_native(X, pass_through=True, eager_only=True)
        if not isinstance(frame, nw.DataFrame) or frame.shape[1] != self.forest.n_features:
            return None
        dtypes = [frame[:, i].dtype for i in range(frame.shape[1])]
        text = nw.String if self._category_lists else None
        return [
            i
            for i, dtype in enumerate(dtypes)
            if dtype in (nw.Categorical, nw.Enum) or (dtype == text and not self._is_numerical[i])
        ]


def _booster(model: Any) -> Any:
    import lightgbm

    if isinstance(model, lightgbm.Booster):
        return model
    name = type(model).__qualname__
    if not isinstance(model, lightgbm.LGBMModel):
        raise UnsupportedModelError(f"lightgbm.{name} is not a fitted model; expected a Booster or an LGBMModel.")
    if not model.__sklearn_is_fitted__():
        raise ValueError(f"This {name} is not fitted yet; call fit before explaining it.")
    return model.booster_


# ---------------------------------------------------------------------------------------------------------- text


def _read_text(text: str) -> tuple[_Fields, list[_Fields]]:
    """Model text -> ``key=value`` pairs of its header, and of each tree."""
    end = text.find("\nend of trees")
    if end < 0:
        raise ModelConversionError("LightGBM's model text has no 'end of trees' line; please report the version.")
    header, *trees = text[:end].split("\nTree=")
    return _pairs(header), [_pairs(tree) for tree in trees]


def _pairs(block: str) -> _Fields:
    return {key: value for key, _, value in (line.partition("=") for line in block.split("\n"))}


def _numbers(trees: Sequence[_Fields], key: str, n_expected: int, dtype: Any = np.int64) -> NDArray[Any]:
    """One field of all trees, end to end: parsed in one go, since a model has some 10,000 such lines."""
    text = " ".join(tree.get(key, "") for tree in trees)
    # fromstring rounds as float() does; of an empty text it would make [0.0] in some versions of NumPy.
    numbers = np.fromstring(text, dtype=dtype, sep=" ") if text.strip() else np.empty(0, dtype=dtype)
    if len(numbers) != n_expected:
        raise ModelConversionError(
            f"LightGBM's model text has {len(numbers)} numbers for {key!r}; its trees need {n_expected}. "
            "Please report the library version."
        )
    return numbers


# ---------------------------------------------------------------------------------------------------------- forest


def _forest(header: _Fields, trees: list[_Fields]) -> Forest:
    if any(tree.get("is_linear", "0").strip() == "1" for tree in trees):
        raise UnsupportedModelError(
            "The LightGBM model was trained with linear_tree=True: its leaves are linear functions of the features, "
            "and Tree SHAP is exact for constant leaves only. Train with linear_tree=False."
        )
    n_outputs = int(header["num_tree_per_iteration"])
    n_leaves = _numbers(trees, "num_leaves", len(trees))
    offsets = np.concatenate([[0], np.cumsum(2 * n_leaves - 1)])
    inner, leaf = _node_positions(n_leaves, offsets)
    n_nodes = int(offsets[-1])

    children = []
    for key in ("left_child", "right_child"):
        child = _numbers(trees, key, len(inner))
        # ~child counts the leaves, which follow the tree's inner nodes here.
        child = np.where(child >= 0, child, np.repeat(n_leaves - 1, n_leaves - 1) + ~child)
        children.append(_scatter(n_nodes, inner, child, np.int32, fill=-1))

    return Forest(
        n_features=int(header["max_feature_idx"]) + 1,
        n_outputs=n_outputs,
        tree_offsets=offsets,
        children_left=children[0],
        children_right=children[1],
        feature=_scatter(n_nodes, inner, _numbers(trees, "split_feature", len(inner)), np.int32, fill=-1),
        cover=_cover(trees, n_nodes, inner, leaf, offsets),
        values=_scatter(n_nodes, leaf, _leaf_values(header, trees, len(leaf)), np.float64),
        tree_output=np.arange(len(trees), dtype=np.int32) % n_outputs,
        base_offset=np.zeros(n_outputs),  # boost_from_average is folded into the first tree of each output
        **_splits(trees, n_nodes, inner),
    )


def _node_positions(
    n_leaves: NDArray[np.int64], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each inner node and each leaf goes: a tree's inner nodes first (the root is the first), then its leaves."""
    position = np.arange(offsets[-1])
    within = position - np.repeat(offsets[:-1], 2 * n_leaves - 1)
    is_inner = within < np.repeat(n_leaves - 1, 2 * n_leaves - 1)
    return position[is_inner], position[~is_inner]


def _scatter(n_nodes: int, at: NDArray[np.int64], values: NDArray[Any], dtype: Any, fill: Any = 0) -> NDArray[Any]:
    out = np.full(n_nodes, fill, dtype=dtype)
    out[at] = values
    return out


def _leaf_values(header: _Fields, trees: list[_Fields], n_leaves: int) -> NDArray[np.float64]:
    values = _numbers(trees, "leaf_value", n_leaves, np.float64)
    if not np.isfinite(values).all():
        raise UnsupportedModelError(
            "The LightGBM model has leaf values that are NaN or infinite, as does its prediction."
        )
    return values / _n_averaged(header, trees)


def _n_averaged(header: _Fields, trees: list[_Fields]) -> int:
    """Iterations that predict averages over: with boosting="rf" all of them, else it sums.

    predict(raw_score=True) and pred_contrib leave out the division (LightGBM issue 6217); predict does not.
    """
    if "average_output" not in header:
        return 1
    return max(1, len(trees) // int(header["num_tree_per_iteration"]))


def _cover(
    trees: list[_Fields],
    n_nodes: int,
    inner: NDArray[np.int64],
    leaf: NDArray[np.int64],
    offsets: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Rows (not weights) that reached each node, as LightGBM's pred_contrib counts."""
    # Some versions write no count for a tree that is one leaf; any positive number says the same there.
    counted = [tree if tree["num_leaves"] != "1" else {"leaf_count": "1"} for tree in trees]
    cover = _scatter(n_nodes, leaf, _numbers(counted, "leaf_count", len(leaf)), np.float64)
    cover[inner] = _numbers(trees, "internal_count", len(inner))
    if not (cover[offsets[:-1]] > 0).all():
        raise UnsupportedModelError(
            "The LightGBM model has no node counts (internal_count), so there is no cover to average over."
        )
    return cover


def _splits(trees: list[_Fields], n_nodes: int, inner: NDArray[np.int64]) -> dict[str, Any]:
    """Thresholds, missing rules and category sets of the inner nodes, in `Forest`'s terms."""
    threshold = _numbers(trees, "threshold", len(inner), np.float64)
    decision = _numbers(trees, "decision_type", len(inner))
    categorical = (decision & CATEGORICAL) != 0
    missing = decision >> MISSING_SHIFT

    sets = np.full(len(inner), -1)
    n_inner = _numbers(trees, "num_leaves", len(trees)) - 1
    n_sets = _numbers(trees, "num_cat", len(trees))
    first_set = np.repeat(np.cumsum(n_sets) - n_sets, n_inner)  # of each node's tree
    sets[categorical] = threshold[categorical].astype(np.int64) + first_set[categorical]

    # predict replaces every |x| <= ZERO_THRESHOLD by 0.0, so such values all go the way of 0.0.
    near_zero = np.abs(threshold) <= ZERO_THRESHOLD
    below = np.nextafter(-ZERO_THRESHOLD, -np.inf)
    threshold = np.where(near_zero, np.where(threshold >= 0.0, ZERO_THRESHOLD, below), threshold)
    # Without a missing type NaN becomes 0.0. At categorical nodes NaN always goes right.
    default_left = np.where(missing == MISSING_NONE, threshold >= 0.0, (decision & DEFAULT_LEFT) != 0)
    zero_is_missing = (missing == MISSING_ZERO) & ~categorical

    out: dict[str, Any] = {
        "threshold": _scatter(n_nodes, inner, np.where(categorical, 0.0, threshold), np.float64),
        "default_left": _scatter(n_nodes, inner, default_left & ~categorical, np.bool_),
    }
    if zero_is_missing.any():
        out["zero_is_missing"] = _scatter(n_nodes, inner, zero_is_missing, np.bool_)
    if categorical.any():
        offsets, members = _category_sets(trees, n_sets)
        out["category_set"] = _scatter(n_nodes, inner, sets, np.int32, fill=-1)
        out["category_set_offsets"], out["category_set_members"] = offsets, members
    return out


def _category_sets(trees: list[_Fields], n_sets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Bitsets of 32-bit words -> members, in the order of the sets over all trees."""
    with_sets = [tree for tree, n in zip(trees, n_sets, strict=True) if n]
    n_bounds = n_sets[n_sets > 0] + 1
    bounds = _numbers(with_sets, "cat_boundaries", int(n_bounds.sum()))
    ends_a_set = np.ones(len(bounds), dtype=bool)
    ends_a_set[np.cumsum(n_bounds) - n_bounds] = False  # each tree's boundaries start at 0 again
    n_words = np.diff(bounds, prepend=0)[ends_a_set]
    words = _numbers(with_sets, "cat_threshold", int(n_words.sum())).astype("<u4")

    set_of_word = np.repeat(np.arange(len(n_words)), n_words)
    first_category = 32 * (np.arange(len(words)) - np.repeat(np.cumsum(n_words) - n_words, n_words))
    used = np.flatnonzero(words)  # most words of a large set are empty
    bits = np.unpackbits(words[used].view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
    word, bit = np.nonzero(bits)
    members = first_category[used][word] + bit
    n_members = np.bincount(set_of_word[used][word], minlength=len(n_words))
    return np.concatenate([[0], np.cumsum(n_members)]), members.astype(np.int32)
