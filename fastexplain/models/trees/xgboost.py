"""XGBoost from 2.0 on: Booster, the scikit-learn classes and their random-forest and Dask kin.

The trees come from `Booster.save_raw`. Formats and rules were compared with the running library in 2.1, 3.0, 3.1, 3.2
and 3.4; a comment says where those differ.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.exceptions import ModelConversionError, UnsupportedModelError
from fastexplain.models.trees import ubjson
from fastexplain.models.trees.answers import Answers
from fastexplain.models.trees.base import TreeModel
from fastexplain.models.trees.forest import Forest
from fastexplain.models.trees.xgboost_document import (
    MAX_CATEGORY,
    check_document,
    damaged,
    integer_field,
    joined,
    read_document,
)
from fastexplain.rows.encoding import RowEncoding
from fastexplain.rows.matrix import as_matrix, categorical_columns

__all__ = ["XGBoostModel", "load", "read_file"]

# The model file keeps base_score as a prediction; the margin is its link. All other known objectives: the same number.
LOGIT_LINK = {"binary:logistic", "reg:logistic"}
LOG_LINK = {"count:poisson", "reg:gamma", "reg:tweedie", "survival:aft", "survival:cox"}
IDENTITY_LINK = {
    "binary:hinge",
    "binary:logitraw",
    "multi:softmax",
    "multi:softprob",
    "rank:map",
    "rank:ndcg",
    "rank:pairwise",
    "reg:absoluteerror",
    "reg:linear",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "reg:squarederror",
    "reg:squaredlogerror",
}
# From 3.4 on; with several alphas the first margin is the lowest expectile, the others are softplus steps above it.
EXPECTILE = "reg:expectileerror"
# XGBoost keeps a probability this far from 0 and 1 before taking its logit, and the expectiles this far apart.
LINK_EPS = np.float32(1e-6)
# A model of at most so many bytes is kept after it was read.
_KEPT_BYTES = 2**23
# A child's sum of hessians is its parent's minus its sibling's, so that an empty one may end a little below zero.
COVER_ROUNDING = 1e-6

Labels = Mapping[int, Sequence[Any]]


def load(model: Any) -> XGBoostModel:
    """Convert an XGBoost model.

    Parameters
    ----------
    model : xgboost.Booster or xgboost.XGBModel
        Or anything derived from them: classifier, regressor, ranker, random forests, Dask's wrappers.

    Returns
    -------
    XGBoostModel

    Raises
    ------
    UnsupportedModelError
        A linear booster, a model without node covers, an unknown objective, or a base score without a finite margin.
    ModelConversionError
        The model comes from a damaged file: the message names what no model of XGBoost has.
    """
    return XGBoostModel(model)


def read_file(path: Path) -> Any:
    """Read a file that ``Booster.save_model`` wrote, after checking what XGBoost takes for granted of it.

    Parameters
    ----------
    path : Path
        ``.json`` or ``.ubj``.

    Returns
    -------
    xgboost.Booster

    Raises
    ------
    ModelConversionError
        The file is damaged.
    UnsupportedModelError
        As `load`.
    MissingDependencyError
        XGBoost is not installed.
    """
    xgboost = optional("xgboost", "xgboost", "Reading an XGBoost model")
    try:
        document = read_document(path.read_bytes(), path.suffix.lower())
        learner, ensemble, trees, weights = check_document(document)
        # raises where XGBoost would follow a number out of its memory
        _forest(learner, ensemble, trees, weights, 0, float("nan"))
        return xgboost.Booster(model_file=str(path))
    except xgboost.core.XGBoostError as error:
        raise ModelConversionError(f"{path} is not a readable XGBoost model: {_first_line(error)}") from error
    except ValueError as error:
        raise ModelConversionError(f"{path} is not a readable XGBoost model: {error}") from error


def _first_line(error: Exception) -> str:
    """Without the C++ stack trace that follows, and the place in the source that precedes."""
    text = str(error).strip().split("\n")[0]
    return text.split(": ", 1)[-1] if text.startswith("[") else text


class _Read(NamedTuple):
    """What a booster's bytes say."""

    forest: Forest
    labels: Labels
    objective: str


class _Latest:
    """The model that was read last: calls on one model, one after the other, read it once.

    It is known by a digest of its bytes, so that a booster that was trained on, or changed otherwise, is read again.
    """

    def __init__(self) -> None:
        self._kept: tuple[Any, _Read] | None = None

    def read(self, raw: bytes | bytearray, n_iterations: int, missing: float) -> _Read:
        """As the bytes say, up to so many iterations (0: all)."""
        key = hashlib.blake2b(raw, digest_size=32).digest(), n_iterations, repr(missing)
        kept = self._kept
        if kept is not None and kept[0] == key:
            return kept[1]
        learner, ensemble, trees, weights = check_document(ubjson.decode(raw))
        forest = _forest(learner, ensemble, trees, weights, n_iterations, missing)
        read = _Read(forest, _labels(ensemble.get("cats")), learner["objective"]["name"])
        if len(raw) <= _KEPT_BYTES:
            self._kept = key, read
        return read


_latest = _Latest()


class XGBoostModel(TreeModel):
    """An XGBoost model and its forest.

    A Booster predicts with all its trees; the scikit-learn classes stop at ``best_iteration`` where early stopping set
    it. Both are matched. A ``base_margin`` given with the rows is not part of the model.

    Models trained from a pandas, polars or Arrow table by XGBoost 3.1 or newer keep the labels of their categorical
    columns; tables are then matched by label. Without labels, and in arrays, categories are the codes.
    """

    library = "XGBoost"

    def __init__(self, model: Any) -> None:
        import xgboost

        self.model = model
        self._booster = model if isinstance(model, xgboost.Booster) else model.get_booster()
        wrapped = model is not self._booster
        missing = getattr(model, "missing", None) if wrapped else None
        self._missing = float("nan") if missing is None else float(np.float32(missing))
        self._n_iterations = _best_iterations(model) if wrapped else 0
        with xgboost.config_context(verbosity=0):
            raw = self._booster.save_raw("ubj")
        read = _latest.read(raw, self._n_iterations, self._missing)
        self.forest, self._labels = read.forest, read.labels
        self.feature_names = tuple(self._booster.feature_names or ()) or None
        self._rules = self.encoding()
        self._set_task(read.objective)

    @property
    def explained_methods(self) -> tuple[str, ...]:
        """``predict`` gives the margins too, on request."""
        return ("predict", "predict_proba")

    def dense(self, X: Any) -> Any:
        """Sparse rows as a dense array; what XGBoost finds not stored is missing to it, not 0."""
        return self._rules.dense(X)

    def rows_to_predict(self, X: Any) -> Any:
        """A Booster takes a DMatrix."""
        if self.model is not self._booster:
            return X
        import xgboost

        names = {} if hasattr(X, "columns") else self._description
        return xgboost.DMatrix(X, missing=self._missing, enable_categorical=True, **names)

    def prepare(self, X: Any) -> NDArray[np.floating]:
        """Rows in the forest's encoding; see `TreeModel.prepare`.

        Raises
        ------
        ValueError
            Width or names differ from the model's, a value is infinite (also after rounding to float32), a table has
            categories where the model has numbers or the reverse, or a label that the model has not seen.
        """
        own = categorical_columns(X)
        if own:
            types = self._booster.feature_types or []  # a call of the library
            own = {i: labels for i, labels in own.items() if i < len(types) and types[i] == "c"}
        rows = as_matrix(X, self.forest.n_features, self.feature_names, "XGBoost", categories=own or None)
        if hasattr(X, "columns") and self._labels:
            for i in self._labels.keys() - own.keys():
                raise ValueError(
                    f"{self._column(i)} holds numbers; the XGBoost model was trained on categories there, and knows "
                    "them by label. Give the column the training data's categorical type."
                )
        for i, labels in own.items():
            rows[:, i] = self._model_codes(rows[:, i], i, labels, X)
        return self._rules.finished(rows)

    @property
    def answers(self) -> Answers:
        objective, decision = self._objective, None
        if objective.startswith("multi:"):
            return Answers("softmax", decision="largest", arithmetic="float32")
        if self.task == "classification":
            decision = "over_half" if objective in LOGIT_LINK else "raw_over_half"
        link = "logistic" if objective in LOGIT_LINK else "exp" if objective in LOG_LINK else "identity"
        if objective == "binary:hinge":
            link, decision = "step", "positive"
        if objective == EXPECTILE and self.forest.n_outputs > 1:
            link = "expectiles"
        return Answers(link, decision=decision, arithmetic="float32")

    def own_outputs(self, X: NDArray[np.floating]) -> NDArray[np.float64] | None:
        # of a booster with this objective, predict returns classes
        return None if self.is_bare and self._objective == "multi:softmax" else super().own_outputs(X)

    def encoding(self, examples: Any = None) -> RowEncoding:
        checked: tuple[int, ...] = ()
        if self.forest.has_categories:
            assert self.forest.category_set is not None
            checked = tuple(np.unique(self.forest.feature[self.forest.category_set >= 0]).tolist())
        return self._encoding(
            categories={i: list(labels) for i, labels in self._labels.items()},
            unknown="error",
            checked_categories=checked,
            largest_category=MAX_CATEGORY,
            unstored=float("nan"),
        )

    @property
    def is_current(self) -> bool:
        return self.model is self._booster or self.model.get_booster() is self._booster

    def raw_predict(self, X: Any) -> NDArray[np.float64]:
        """The library's margins of the user's rows; see `TreeModel.raw_predict`.

        Arrays and pandas frames are handed to XGBoost as they are. Its versions differ in the other tables that they
        read, so those go through `prepare`.
        """
        if _is_pandas(X):
            return self._predict(X)
        if isinstance(X, np.ndarray) and X.dtype.kind in "fiub":
            as_matrix(X, self.forest.n_features, self.feature_names, "XGBoost")  # XGBoost takes narrower rows silently
            return self._predict(X, **self._description)
        return self.raw_predict_prepared(self.prepare(X))

    def raw_predict_prepared(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """The library's margins of prepared rows; see `TreeModel.raw_predict_prepared`."""
        # XGBoost recodes the categories of tables only: in an array they are the model's own codes already.
        return self._predict(X, **self._description)

    @property
    def _description(self) -> dict[str, Any]:
        return {"feature_names": self._booster.feature_names, "feature_types": self._booster.feature_types}

    def _predict(self, X: Any, **described: Any) -> NDArray[np.float64]:
        import xgboost

        with xgboost.config_context(verbosity=0):
            rows = xgboost.DMatrix(X, missing=self._missing, enable_categorical=True, **described)
            # of the library's class: a subclass may have a predict of its own
            margin = xgboost.Booster.predict(
                self._booster, rows, output_margin=True, iteration_range=(0, self._n_iterations)
            )
        return np.asarray(margin, dtype=np.float64).reshape(len(X), self.forest.n_outputs)

    def _set_task(self, objective: str) -> None:
        from sklearn.base import ClassifierMixin

        self._objective, n_outputs = objective, self.forest.n_outputs
        is_classifier = isinstance(self.model, ClassifierMixin) or objective.startswith(("binary:", "multi:"))
        # Several outputs without classes: several targets (or labels), each a score of its own.
        if not is_classifier or (n_outputs > 1 and self._n_classes(objective) != n_outputs):
            self.task = "regression"
            return
        self.task = "classification"
        self.n_classes = max(2, n_outputs)
        self.single_margin = n_outputs == 1
        classes = getattr(self.model, "classes_", None)
        if classes is not None and len(classes) == self.n_classes:
            self.classes = np.asarray(classes).tolist()

    @property
    def logistic_slope(self) -> float | None:
        return 1.0 if self.forest.n_outputs == 1 and self._objective in LOGIT_LINK | {"binary:logitraw"} else None

    @property
    def predicts_raw(self) -> bool:
        return self._objective in IDENTITY_LINK and self._objective.startswith("reg:")

    def _n_classes(self, objective: str) -> int | None:
        if objective.startswith("multi:"):
            return self.forest.n_outputs
        return getattr(self.model, "n_classes_", None)

    def _model_codes(self, codes: NDArray[np.floating], i: int, labels: Sequence[Any], X: Any) -> NDArray[np.floating]:
        """Codes of the table's own labels -> the model's codes of the same labels."""
        known = self._labels.get(i)
        if known is None:
            if not _is_pandas(X):
                raise ValueError(
                    f"{self._column(i)} holds categories, and this XGBoost model keeps codes only (it was trained on "
                    "codes, or before XGBoost 3.1). Pass codes as numbers, or a pandas column with the categories in "
                    "the order of the training data."
                )
            return codes
        position = {label: code for code, label in enumerate(known)}
        table = np.array([position.get(label, -1) for label in labels] + [0], dtype=np.float64)
        if 0 <= self._missing < len(table) and (table[:-1] != np.arange(len(labels))).any():
            raise ValueError(
                f"{self._column(i)} has its categories in another order than the training data, and the model's "
                f"missing={self._missing:g} is also the code of a category: the row's meaning is not defined. Order "
                "the categories as in the training data."
            )
        absent = np.isnan(codes)
        mapped = table[np.where(absent, len(labels), codes).astype(np.int64)]
        unknown = np.flatnonzero(mapped < 0)
        if len(unknown):
            label = labels[int(codes[unknown[0]])]
            raise ValueError(
                f"{self._column(i)} holds the category {label!r} in row {unknown[0]}, which the XGBoost model did not "
                "see in training; replace it by a known one or by a missing value."
            )
        return np.where(absent, np.nan, mapped)

    def _column(self, i: int) -> str:
        return f"Column {i}" if self.feature_names is None else f"Column {i} ({self.feature_names[i]!r})"


def _is_pandas(X: Any) -> bool:
    return type(X).__module__.split(".")[0] == "pandas"  # pandas 3 names no sub-module


def _best_iterations(model: Any) -> int:
    """Boosting rounds that the scikit-learn class predicts with; 0 means all."""
    try:
        return int(model.best_iteration) + 1
    except AttributeError:  # XGBoost's way to say that training did not stop early
        return 0


def _labels(cats: Mapping[str, Any] | None) -> Labels:
    """Column -> labels in the order of the model's codes, for columns whose labels the model keeps (3.1 and newer)."""
    labels: dict[int, list[Any]] = {}
    for i, column in enumerate(cats["enc"] if cats else ()):
        values = np.asarray(column["values"])
        if "offsets" not in column:
            labels[i] = values.tolist()
        elif len(column["offsets"]):
            text = values.astype(np.int8).tobytes()
            ends = np.asarray(column["offsets"]).tolist()
            labels[i] = [text[a:b].decode("utf-8") for a, b in pairwise(ends)]
    return {i: known for i, known in labels.items() if known}


# ------------------------------------------------------------------------------------------------------ the forest


class _Nodes(NamedTuple):
    """Node arrays of all trees in a row; children are counted within their tree."""

    offsets: NDArray[np.int64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    condition: NDArray[np.float32]
    default_left: NDArray[np.bool_]
    cover: NDArray[np.float64]
    categorical: NDArray[np.bool_]
    values: NDArray[np.float64]


def _forest(
    learner: Mapping[str, Any],
    ensemble: Mapping[str, Any],
    trees: list[dict[str, Any]],
    weights: Any,
    n_iterations: int,
    missing: float,
) -> Forest:
    params = learner["learner_model_param"]
    n_outputs = max(1, int(params["num_class"]), int(params.get("num_target", 1)))
    n_trees = int(ensemble["iteration_indptr"][n_iterations]) if n_iterations else len(trees)
    trees = trees[:n_trees]
    nodes = _nodes(trees, n_outputs)
    values = nodes.values
    if weights is not None and len(weights):
        tree_weight = np.asarray(weights, dtype=np.float64)[:n_trees]
        values = values * np.repeat(tree_weight, np.diff(nodes.offsets))[:, None]
    tree_output = np.asarray(ensemble["tree_info"], dtype=np.int32)[:n_trees]
    if values.shape[1] > 1:
        tree_output = np.zeros(n_trees, dtype=np.int32)
    categorical = nodes.categorical
    return Forest(
        n_features=int(params["num_feature"]),
        n_outputs=n_outputs,
        tree_offsets=nodes.offsets,
        # Listed categories go right in XGBoost and left in Forest: the children and the default change sides.
        children_left=np.where(categorical, nodes.right, nodes.left),
        children_right=np.where(categorical, nodes.left, nodes.right),
        feature=nodes.feature,
        # x < t in float32 is x <= the next float32 below t.
        threshold=np.nextafter(nodes.condition, np.float32(-np.inf)),
        default_left=nodes.default_left ^ categorical,
        cover=nodes.cover,
        values=values,
        tree_output=tree_output,
        base_offset=_base_offset(learner, n_outputs),
        **_category_sets(trees, nodes),
        float32_input=True,
        float32_model=True,
        missing_value=missing,
        allow_inf=bool(np.isinf(missing)),  # only with missing=inf does a DMatrix take infinite values
    )


def _nodes(trees: Sequence[Mapping[str, Any]], n_outputs: int) -> _Nodes:
    sizes = [len(tree["left_children"]) for tree in trees]
    left = joined(trees, "left_children", np.int32)
    leaf = left < 0
    vector = bool(trees) and integer_field(trees[0]["tree_param"], "size_leaf_vector", "1") > 1
    if vector and not all("leaf_weights" in tree and "sum_hessian" in tree for tree in trees):
        raise UnsupportedModelError(
            "This XGBoost model has vector leaves (multi_strategy='multi_output_tree') and comes from a version before "
            "3.2, which does not keep the training weight of such nodes; train it again with XGBoost 3.2 or newer, or "
            "with multi_strategy='one_output_per_tree'."
        )
    right = joined(trees, "right_children", np.int32)
    condition = joined(trees, "split_conditions", np.float32)
    categorical = joined(trees, "split_type", np.bool_) & ~leaf
    if vector:  # a leaf's right child is the number of its row in leaf_weights
        values = np.zeros((len(left), n_outputs))
        rows = [tree["leaf_weights"].reshape(-1, n_outputs) for tree in trees]
        first = np.repeat(np.cumsum([0] + [len(r) for r in rows[:-1]]), sizes)
        values[leaf] = np.concatenate(rows)[(first + right)[leaf]]
    else:
        values = np.where(leaf, condition, np.float32(0)).astype(np.float64)[:, None]
    cover = joined(trees, "sum_hessian", np.float64)
    if not np.isfinite(cover).all() or (cover < -COVER_ROUNDING * cover.max(initial=0.0)).any():
        raise UnsupportedModelError(
            "This XGBoost model has nodes with a negative or infinite sum of hessians, as a custom objective can give; "
            "path-dependent SHAP needs those sums as weights. Clip the hessians at zero in training."
        )
    return _Nodes(
        offsets=np.cumsum([0, *sizes]),
        left=left,
        right=np.where(leaf, np.int32(-1), right),
        feature=np.where(leaf, np.int32(-1), joined(trees, "split_indices", np.int32)),
        condition=np.where(categorical, np.float32(0), condition),  # may be NaN there
        default_left=joined(trees, "default_left", np.bool_) & ~leaf,
        cover=np.maximum(cover, 0.0),
        categorical=categorical,
        values=values,
    )


def _category_sets(trees: Sequence[Mapping[str, Any]], nodes: _Nodes) -> dict[str, Any]:
    """Forest's category arrays: one set per categorical node, of the categories that XGBoost lists there."""
    if not nodes.categorical.any():
        return {}
    sets_per_tree = [len(tree["categories_nodes"]) for tree in trees]
    node = joined(trees, "categories_nodes", np.int64) + np.repeat(nodes.offsets[:-1], sets_per_tree)
    sizes = joined(trees, "categories_sizes", np.int64)
    members = joined(trees, "categories", np.int32)
    members_before = np.cumsum([0] + [len(tree["categories"]) for tree in trees[:-1]])
    begin = joined(trees, "categories_segments", np.int64) + np.repeat(members_before, sets_per_tree)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    category_set = np.full(len(nodes.left), -1, dtype=np.int32)
    category_set[node] = np.arange(len(node))
    category_set[~nodes.categorical] = -1
    return {
        "category_set": category_set,
        "category_set_offsets": offsets,
        "category_set_members": members[np.repeat(begin - offsets[:-1], sizes) + np.arange(offsets[-1])],
    }


def _base_offset(learner: Mapping[str, Any], n_outputs: int) -> NDArray[np.float64]:
    """The margin of ``base_score``, which is a number before XGBoost 3.1 and a vector since."""
    text = learner["learner_model_param"].get("base_score")
    try:
        score = np.atleast_1d(np.asarray(json.loads(text), dtype=np.float32))
    except (TypeError, ValueError, RecursionError):
        raise damaged(f"base_score is {text!r}, where one number or a list of them belongs") from None
    if score.shape not in ((1,), (n_outputs,)):
        raise damaged(f"base_score has {score.size} numbers for {n_outputs} outputs")
    objective = learner["objective"]["name"]
    with np.errstate(divide="ignore", invalid="ignore"):
        margin = _margin(score, objective)
    if not np.isfinite(margin).all():
        raise UnsupportedModelError(f"XGBoost's base_score={text} has no finite margin under objective {objective!r}.")
    return np.broadcast_to(margin.astype(np.float64), (n_outputs,)).copy()


def _margin(score: NDArray[np.float32], objective: str) -> NDArray[np.float32]:
    """In float32 arithmetic, as the library: near the clamps it differs from float64 in the second decimal."""
    if objective in IDENTITY_LINK:
        return score
    one, margin = np.float32(1), score.copy()
    if objective in LOGIT_LINK:
        margin[:] = -np.log(one / np.clip(score, LINK_EPS, one - LINK_EPS) - one)
        return margin
    if objective in LOG_LINK:
        margin[:] = np.log(score)
        return margin
    if objective == EXPECTILE:
        step = np.maximum(np.diff(score) - LINK_EPS, LINK_EPS)
        margin[1:] = step + np.log(-np.expm1(-step))  # softplus of it is the step; written so that it cannot overflow
        return margin
    raise UnsupportedModelError(
        f"XGBoost objective {objective!r} is not known to this version of fastexplain, so the margin of its base score "
        "is not either. Please report it with the XGBoost version."
    )
