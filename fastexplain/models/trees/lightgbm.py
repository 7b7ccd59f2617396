"""LightGBM models -> `Forest`.

Read from the model text (``Booster.model_to_string``), which holds every threshold and leaf value to the last bit.
Routing rules: LightGBM 4, include/LightGBM/tree.h (NumericalDecision, CategoricalDecision) and
src/application/predictor.hpp (values within `ZERO_THRESHOLD` of zero become 0.0 before any tree sees them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.exceptions import ModelConversionError, UnsupportedModelError
from fastexplain.models.trees.answers import Answers
from fastexplain.models.trees.base import TreeModel
from fastexplain.models.trees.forest import ZERO_THRESHOLD, Forest
from fastexplain.models.trees.lightgbm_text import (
    Fields,
    check_header,
    check_pandas_categories,
    checked_file_text,
    damaged,
    integer_field,
    numbers,
    read_text,
)
from fastexplain.models.trees.structure import NodeTable
from fastexplain.rows.encoding import RowEncoding
from fastexplain.rows.matrix import as_matrix, plain_pandas_dtypes

__all__ = ["LightGBMModel", "load", "read_file"]

LIBRARY = "LightGBM"
IDENTITY_OBJECTIVES = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
# Objective -> the link of its prediction, where that is not the margin.
_LINKS = {
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
    "cross_entropy_lambda": "log1p_exp",
    "xentlambda": "log1p_exp",
}
CLASSIFICATION_OBJECTIVES = {"binary", "multiclass", "multiclassova"}
# Bits of a node's decision_type.
CATEGORICAL, DEFAULT_LEFT, MISSING_SHIFT = 1, 2, 2
MISSING_NONE, MISSING_ZERO = 0, 1  # 2 is NaN
LAST_DECISION = (2 << MISSING_SHIFT) + DEFAULT_LEFT + CATEGORICAL


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
    ModelConversionError
        The model comes from a damaged file: the message names what no model of LightGBM has.
    ValueError
        The model is not fitted.
    """
    return LightGBMModel(model)


def read_file(path: Path) -> Any:
    """Read a file that ``Booster.save_model`` wrote, after checking what LightGBM takes for granted of it.

    Returns
    -------
    lightgbm.Booster
        Without the parameters that it was trained with.

    Raises
    ------
    ModelConversionError
        The file is damaged.
    ValueError
        It is of another kind.
    UnsupportedModelError
        As `load`.
    MissingDependencyError
        LightGBM is not installed.
    """
    lightgbm = optional("lightgbm", "lightgbm", "Reading a LightGBM model")
    try:
        text = path.read_text(encoding="utf-8")
        if not text.startswith("tree"):
            raise ValueError(
                f"{path} is not a LightGBM model: its first line is not 'tree', which Booster.save_model writes."
            )
        text, header, trees = checked_file_text(text)
        _forest(header, trees)  # raises where LightGBM would follow a number out of its memory
        return lightgbm.Booster(model_str=text)
    except (ModelConversionError, UnicodeDecodeError, lightgbm.basic.LightGBMError) as error:
        raise ModelConversionError(f"{path} is not a readable LightGBM model: {error}") from error


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
        header, trees = read_text(self._booster.model_to_string())
        self.forest = _forest(header, trees)
        self._n_averaged = _n_averaged(header, trees)
        names = tuple(self._booster.feature_name())
        fitted_on_array = names == tuple(f"Column_{i}" for i in range(len(names)))
        self.feature_names = None if fitted_on_array else names
        check_pandas_categories(self._booster.pandas_categorical)
        # Labels of each category column in code order; empty where the model was fitted on numbers only.
        self._category_lists: list[list[Any]] = list(self._booster.pandas_categorical or [])
        self._is_numerical = [info.startswith("[") for info in header.get("feature_infos", "").split(" ")]
        self._set_task(header)

    def _set_task(self, header: Fields) -> None:
        import lightgbm

        num_class = integer_field(header, "num_class")
        self._objective = header.get("objective", "").split()
        objective = "".join(self._objective[:1])
        if isinstance(self.model, lightgbm.LGBMClassifier):
            self.n_classes, self.classes = len(self.model.classes_), np.asarray(self.model.classes_).tolist()
            if self.n_classes == 1:  # predict_proba has two columns all the same; the second label does not exist
                self.n_classes, self.classes = 2, None
        elif objective in CLASSIFICATION_OBJECTIVES or num_class > 1:  # num_class is a parameter of classifiers only
            self.n_classes = max(num_class, 2)
        self.task = "regression" if self.n_classes is None else "classification"
        self.single_margin = self.task == "classification" and self.forest.n_outputs == 1

    @property
    def logistic_slope(self) -> float | None:
        if self.forest.n_outputs != 1:
            return None
        match self._objective:
            case ["binary", *options]:
                stated = [float(option[8:]) for option in options if option.startswith("sigmoid:")]
                return stated[0] if stated else 1.0
            case ["cross_entropy" | "xentropy", *_]:
                return 1.0
        return None

    @property
    def predicts_raw(self) -> bool:
        return self._objective[:1] in [[name] for name in IDENTITY_OBJECTIVES] and "sqrt" not in self._objective

    @property
    def answers(self) -> Answers:
        name = "".join(self._objective[:1])
        slope = self.logistic_slope
        if self.task == "regression":
            if "sqrt" in self._objective:
                return Answers("signed_square")
            if slope is not None:
                return Answers("logistic", slope)
            return Answers(_LINKS.get(name, "identity"))
        if slope is not None:
            return Answers("logistic", slope, "more_likely")
        if name == "multiclassova":
            stated = [float(option[8:]) for option in self._objective[1:] if option.startswith("sigmoid:")]
            return Answers("logistic", stated[0] if stated else 1.0, "largest")
        return Answers("softmax", decision="largest")

    def encoding(self, examples: Any = None) -> RowEncoding:
        """See `TreeModel.encoding`.

        Raises
        ------
        UnsupportedModelError
            The model was fitted on categories, and neither it nor the examples say in which columns.
        """
        labels = self._category_columns(examples)
        return self._encoding(categories=labels, integers_as_float32=True)

    def _category_columns(self, examples: Any) -> dict[int, list[Any]]:
        if not self._category_lists:
            return {}
        found = self._label_columns(examples)
        if found is None:  # those that the trees may split by category; a constant column is of no kind
            found = [i for i, numerical in enumerate(self._is_numerical) if not numerical]
        if len(found) != len(self._category_lists):
            raise UnsupportedModelError(
                f"The LightGBM model was fitted on {len(self._category_lists)} columns of categories, and keeps no "
                "names of them; pass initialization_examples, a table whose columns have the category type."
            )
        return dict(zip(found, self._category_lists, strict=True))

    @property
    def explained_methods(self) -> tuple[str, ...]:
        """``predict`` gives the margins too, on request."""
        return ("predict", "predict_proba")

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

    @property
    def is_current(self) -> bool:
        return _booster(self.model) is self._booster

    def raw_predict(self, X: Any) -> NDArray[np.float64]:
        """LightGBM's own raw prediction of the user's rows, of shape (n_rows, n_outputs).

        That is ``predict(raw_score=True)``; with ``boosting="rf"`` its mean over iterations, which is what ``predict``
        passes through the link (``raw_score=True`` leaves it a sum).
        """
        return self.raw_predict_prepared(self.prepare(X))

    def raw_predict_prepared(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """As `raw_predict`, of rows that `prepare` returned."""
        import lightgbm

        # of the library's class: a subclass may have a predict of its own
        raw = np.asarray(lightgbm.Booster.predict(self._booster, X, raw_score=True), dtype=np.float64)
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
        plain = plain_pandas_dtypes(X)
        if plain is not None:
            right_width = len(plain) == self.forest.n_features
            return [i for i, dtype in enumerate(plain) if hasattr(dtype, "categories")] if right_width else None
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


# ---------------------------------------------------------------------------------------------------------- forest


def _forest(header: Fields, trees: list[Fields]) -> Forest:
    if any(tree.get("is_linear", "0").strip() == "1" for tree in trees):
        raise UnsupportedModelError(
            "The LightGBM model was trained with linear_tree=True: its leaves are linear functions of the features, "
            "and Tree SHAP is exact for constant leaves only. Train with linear_tree=False, or explain what the model "
            "predicts: KernelExplainer(model, rows)."
        )
    check_header(header, len(trees))
    n_features = integer_field(header, "max_feature_idx") + 1
    n_outputs = integer_field(header, "num_tree_per_iteration")
    n_leaves = _n_leaves(trees)
    offsets = np.concatenate([[0], np.cumsum(2 * n_leaves - 1)])
    inner, leaf = _node_positions(n_leaves, offsets)
    table = NodeTable(LIBRARY, offsets, partial(_node_name, n_leaves))
    left, right = (_children(trees, key, n_leaves, table, inner) for key in ("left_child", "right_child"))
    is_leaf = np.ones(len(left), dtype=bool)
    is_leaf[inner] = False
    table.refuse(
        (table.check_links(left, right, is_leaf) < 0) & is_leaf & (table.per_node(n_leaves) > 1), "hangs nowhere"
    )
    feature = _scatter(len(left), inner, numbers(trees, "split_feature", len(inner)), np.int64, fill=-1)
    table.refuse(
        ~is_leaf & ((feature < 0) | (feature >= n_features)),
        f"splits on feature {{}}, and the model has {n_features} features",
        feature,
    )
    return Forest(
        n_features=n_features,
        n_outputs=n_outputs,
        tree_offsets=offsets,
        children_left=left.astype(np.int32),
        children_right=right.astype(np.int32),
        feature=feature,
        cover=_cover(trees, table, inner, leaf),
        values=_scatter(len(left), leaf, _leaf_values(header, trees, len(leaf)), np.float64),
        tree_output=np.arange(len(trees), dtype=np.int32) % n_outputs,
        base_offset=np.zeros(n_outputs),  # boost_from_average is folded into the first tree of each output
        **_splits(trees, table, inner),
    )


def _n_leaves(trees: list[Fields]) -> NDArray[np.int64]:
    """Leaves of each tree, as many as have values: arrays are made of this size."""
    n_leaves: NDArray[np.int64] = numbers(trees, "num_leaves", len(trees))
    for i, (n, tree) in enumerate(zip(n_leaves.tolist(), trees, strict=True)):
        n_values = tree.get("leaf_value", "").count(" ") + 1
        if n != n_values:
            raise damaged(f"tree {i} has num_leaves={n}, and {n_values} leaf values")
    return n_leaves


def _children(
    trees: list[Fields], key: str, n_leaves: NDArray[np.int64], table: NodeTable, inner: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Children counted within their tree. In the file a leaf is ~number; here leaves follow the tree's inner nodes."""
    n_inner = np.repeat(n_leaves - 1, n_leaves - 1)
    child = numbers(trees, key, len(inner))
    outside = (child >= n_inner) | (~child > n_inner)
    if outside.any():
        at = int(outside.argmax())
        table.refuse_node(int(inner[at]), f"has {key}={child[at]}, which is neither a node nor a leaf of the tree")
    return _scatter(int(table.offsets[-1]), inner, np.where(child >= 0, child, n_inner + ~child), np.int64, fill=-1)


def _node_name(n_leaves: NDArray[np.int64], tree: int, node: int) -> str:
    """As LightGBM numbers them: inner nodes and leaves each from 0."""
    n_inner = int(n_leaves[tree]) - 1
    return f"node {node}" if node < n_inner else f"leaf {node - n_inner}"


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


def _leaf_values(header: Fields, trees: list[Fields], n_leaves: int) -> NDArray[np.float64]:
    values = numbers(trees, "leaf_value", n_leaves, np.float64)
    if not np.isfinite(values).all():
        raise UnsupportedModelError(
            "The LightGBM model has leaf values that are NaN or infinite, as does its prediction."
        )
    return values / _n_averaged(header, trees)


def _n_averaged(header: Fields, trees: list[Fields]) -> int:
    """Iterations that predict averages over: with boosting="rf" all of them, else it sums.

    predict(raw_score=True) and pred_contrib leave out the division (LightGBM issue 6217); predict does not.
    """
    if "average_output" not in header:
        return 1
    return max(1, len(trees) // integer_field(header, "num_tree_per_iteration"))


def _cover(
    trees: list[Fields], table: NodeTable, inner: NDArray[np.int64], leaf: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Rows (not weights) that reached each node, as LightGBM's pred_contrib counts."""
    # Some versions write no count for a tree that is one leaf; any positive number says the same there.
    counted = [tree if tree["num_leaves"] != "1" else {"leaf_count": "1"} for tree in trees]
    cover = _scatter(int(table.offsets[-1]), leaf, numbers(counted, "leaf_count", len(leaf)), np.float64)
    cover[inner] = numbers(trees, "internal_count", len(inner))
    table.refuse(cover < 0, "has the count {:.0f}, which is negative", cover)
    if not (cover[table.offsets[:-1]] > 0).all():
        raise UnsupportedModelError(
            "The LightGBM model has no node counts (internal_count), so there is no cover to average over."
        )
    return cover


def _splits(trees: list[Fields], table: NodeTable, inner: NDArray[np.int64]) -> dict[str, Any]:
    """Thresholds, missing rules and category sets of the inner nodes, in `Forest`'s terms."""
    n_nodes = int(table.offsets[-1])
    threshold = numbers(trees, "threshold", len(inner), np.float64)
    decision = _decisions(trees, table, inner, threshold)
    categorical = (decision & CATEGORICAL) != 0
    missing = decision >> MISSING_SHIFT
    # predict replaces every |x| <= ZERO_THRESHOLD by 0.0, so such values all go the way of 0.0.
    near_zero = np.abs(threshold) <= ZERO_THRESHOLD
    below = np.nextafter(-ZERO_THRESHOLD, -np.inf)
    numerical = np.where(near_zero, np.where(threshold >= 0.0, ZERO_THRESHOLD, below), threshold)
    # Without a missing type NaN becomes 0.0. At categorical nodes NaN always goes right.
    default_left = np.where(missing == MISSING_NONE, numerical >= 0.0, (decision & DEFAULT_LEFT) != 0)
    zero_is_missing = (missing == MISSING_ZERO) & ~categorical

    out: dict[str, Any] = {
        "threshold": _scatter(n_nodes, inner, np.where(categorical, 0.0, numerical), np.float64),
        "default_left": _scatter(n_nodes, inner, default_left & ~categorical, np.bool_),
    }
    if zero_is_missing.any():
        out["zero_is_missing"] = _scatter(n_nodes, inner, zero_is_missing, np.bool_)
    if categorical.any():
        out |= _categories(trees, table, inner, categorical, threshold)
    return out


def _decisions(
    trees: list[Fields], table: NodeTable, inner: NDArray[np.int64], threshold: NDArray[np.float64]
) -> NDArray[np.int64]:
    """How each inner node decides, where it is one of LightGBM's ways."""
    decision: NDArray[np.int64] = numbers(trees, "decision_type", len(inner))
    unknown = (decision < 0) | (decision > LAST_DECISION)
    if unknown.any():
        at = int(unknown.argmax())
        table.refuse_node(int(inner[at]), f"has decision_type={decision[at]}; expected 0 to {LAST_DECISION}")
    nowhere = np.isnan(threshold)
    if nowhere.any():
        table.refuse_node(int(inner[nowhere.argmax()]), "has a threshold that is NaN")
    return decision


def _categories(
    trees: list[Fields],
    table: NodeTable,
    inner: NDArray[np.int64],
    categorical: NDArray[np.bool_],
    threshold: NDArray[np.float64],
) -> dict[str, Any]:
    """Forest's category arrays. The threshold of a categorical node is the number of its set within the tree."""
    n_sets = numbers(trees, "num_cat", len(trees))
    if not n_sets.any():
        table.refuse_node(int(inner[categorical.argmax()]), "splits by category, and the model has no category sets")
    offsets, members = _category_sets(trees, n_sets)
    tree = np.searchsorted(table.offsets, inner, side="right") - 1
    whole = (threshold >= 0) & (threshold < n_sets[tree]) & (threshold == np.floor(threshold))
    outside = categorical & ~whole
    if outside.any():
        at = int(outside.argmax())
        n = n_sets[tree[at]]
        table.refuse_node(int(inner[at]), f"names the category set {threshold[at]:g}, and its tree has {n} of them")
    sets = np.full(len(inner), -1)
    sets[categorical] = threshold[categorical].astype(np.int64) + (np.cumsum(n_sets) - n_sets)[tree][categorical]
    return {
        "category_set": _scatter(int(table.offsets[-1]), inner, sets, np.int32, fill=-1),
        "category_set_offsets": offsets,
        "category_set_members": members,
    }


def _category_sets(trees: list[Fields], n_sets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Bitsets of 32-bit words -> members, in the order of the sets over all trees."""
    n_words = _words_per_set(trees, n_sets)
    words = numbers([tree for tree, n in zip(trees, n_sets, strict=True) if n], "cat_threshold", int(n_words.sum()))
    if words.min(initial=0) < 0 or words.max(initial=0) >= 1 << 32:
        raise damaged("cat_threshold holds a number that is no 32-bit word")
    words = words.astype("<u4")

    set_of_word = np.repeat(np.arange(len(n_words)), n_words)
    first_category = 32 * (np.arange(len(words)) - np.repeat(np.cumsum(n_words) - n_words, n_words))
    used = np.flatnonzero(words)  # most words of a large set are empty
    bits = np.unpackbits(words[used].view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
    word, bit = np.nonzero(bits)
    members = first_category[used][word] + bit
    n_members = np.bincount(set_of_word[used][word], minlength=len(n_words))
    return np.concatenate([[0], np.cumsum(n_members)]), members.astype(np.int32)


def _words_per_set(trees: list[Fields], n_sets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Words of each set: cat_boundaries counts them within its tree, from 0."""
    for i, (tree, n) in enumerate(zip(trees, n_sets.tolist(), strict=True)):
        if n and n != tree.get("cat_boundaries", "").count(" "):
            raise damaged(f"tree {i} has num_cat={n}, which is not what its cat_boundaries say")
    at = np.flatnonzero(n_sets)
    with_sets, ends = [trees[i] for i in at], np.cumsum(n_sets[at] + 1)
    bounds = numbers(with_sets, "cat_boundaries", int(ends[-1]))
    starts = ends - n_sets[at] - 1
    n_words = np.diff(bounds, prepend=0)
    n_words[starts] = 0
    stated = np.array([tree.get("cat_threshold", "").count(" ") + 1 for tree in with_sets])
    wrong = (bounds[starts] != 0) | (bounds[ends - 1] != stated) | (np.minimum.reduceat(n_words, starts) < 0)
    if wrong.any():
        first = int(wrong.argmax())
        raise damaged(
            f"tree {at[first]} has cat_boundaries that do not rise from 0 to {stated[first]}, its number of words"
        )
    return np.delete(n_words, starts)
