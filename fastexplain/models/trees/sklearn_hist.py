"""scikit-learn's `HistGradientBoosting*` -> `Forest`.

Two things differ from the other tree estimators. Rows are compared in float64. And where the model has categorical
features, a preprocessor turns their labels into codes 0..254 and moves those columns to the front, so that the trees'
feature numbers are not the user's; here they are mapped back, and rows keep the user's column order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.models.trees.answers import Answers
from fastexplain.models.trees.base import TreeModel
from fastexplain.models.trees.forest import Forest
from fastexplain.models.trees.sklearn_trees import fitted_names, without_names
from fastexplain.rows.encoding import RowEncoding
from fastexplain.rows.fitted import rows_as_fitted
from fastexplain.rows.matrix import as_matrix

__all__ = ["SklearnHistModel", "load"]

N_CODES = 256  # a bitset holds 8 words of 32 bits


def load(model: Any) -> TreeModel:
    """Convert a fitted `HistGradientBoostingRegressor` or `HistGradientBoostingClassifier`.

    Parameters
    ----------
    model : HistGradientBoostingRegressor or HistGradientBoostingClassifier

    Returns
    -------
    SklearnHistModel

    Raises
    ------
    sklearn.exceptions.NotFittedError
        The model has not been fitted.
    """
    return SklearnHistModel(model)


class SklearnHistModel(TreeModel):
    """Histogram gradient boosting: sum of its trees and a constant, before the loss's link.

    Raw output: `decision_function` for classification (one margin for two classes, else one per class); for
    regression what `predict` computes before the inverse link (they are the same unless the loss is ``"poisson"`` or
    ``"gamma"``).

    In prepared rows a categorical column holds the model's own codes; a missing or unknown category is NaN, which
    is how the model treats it. An infinite number in such a column is an unknown category (scikit-learn refuses it).
    """

    library = "scikit-learn"

    def __init__(self, model: Any) -> None:
        from sklearn.base import is_classifier
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(model)
        self.model = model
        self.task = "classification" if is_classifier(model) else "regression"
        self.feature_names = fitted_names(model)
        if self.task == "classification":
            self.classes = model.classes_.tolist()
            self.n_classes = len(self.classes)
        self.single_margin = self.n_classes == 2
        self._order, self._categories = _column_order(model)
        self.forest = _forest(model, self._order)
        self._last_tree = model._predictors[-1][-1]

    @property
    def is_current(self) -> bool:
        return self.model._predictors[-1][-1] is self._last_tree

    @property
    def predicts_raw(self) -> bool:
        return self.task == "regression" and self.model.loss not in ("poisson", "gamma")

    @property
    def answers(self) -> Answers:
        if self.task == "regression":
            return Answers("exp" if self.model.loss in ("poisson", "gamma") else "identity")
        if self.single_margin:
            return Answers("logistic", decision="positive")
        return Answers("softmax", decision="largest_raw")

    def own_outputs(self, X: NDArray[np.floating]) -> NDArray[np.float64] | None:
        return None if self._categories else super().own_outputs(X)  # it takes labels, and prepared rows hold codes

    def encoding(self, examples: Any = None) -> RowEncoding:
        labels = {i: np.asarray(known).tolist() for i, known in self._categories.items()}
        return self._encoding(categories=labels, labels_in_arrays=True)

    def prepare(self, X: Any) -> NDArray[np.floating]:
        return as_matrix(
            X,
            self.forest.n_features,
            self.feature_names,
            self.library,
            categories=self._categories,
            labels_are_numbers=True,
        )

    def raw_predict(self, X: Any) -> NDArray[np.float64]:
        if isinstance(X, (list, tuple)):  # its preprocessor asks for X.shape
            X = np.array(X, dtype=object)
        return self._raw(self.model, rows_as_fitted(self.model, X))

    def raw_predict_prepared(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        if not self._categories:
            return self._raw(without_names(self.model), X)
        # Past the preprocessor, which knows labels and not codes.
        encoded = np.ascontiguousarray(X[:, self._order], dtype=np.float64)
        raw = np.empty((len(X), self.forest.n_outputs), order="F")
        raw[:] = self.model._baseline_prediction
        self.model._predict_iterations(encoded, self.model._predictors, raw, is_binned=False, n_threads=1)
        return raw

    def _raw(self, model: Any, X: Any) -> NDArray[np.float64]:
        if len(X) == 0:  # scikit-learn refuses to predict nothing
            return np.empty((0, self.forest.n_outputs))
        return np.asarray(model._raw_predict(X), dtype=np.float64)


def _column_order(model: Any) -> tuple[NDArray[np.intp], dict[int, Any]]:
    """The user's column behind each column of the trees, and the known labels of the user's categorical columns."""
    if getattr(model, "_preprocessor", None) is None:
        return np.arange(model.n_features_in_), {}
    categorical = np.flatnonzero(model.is_categorical_)
    encoder = model._preprocessor.named_transformers_["encoder"]
    labels = {int(column): known for column, known in zip(categorical, encoder.categories_, strict=True)}
    return np.concatenate([categorical, np.flatnonzero(~model.is_categorical_)]), labels


def _forest(model: Any, order: NDArray[np.intp]) -> Forest:
    predictors = [predictor for iteration in model._predictors for predictor in iteration]
    n_outputs = int(model.n_trees_per_iteration_)
    offsets = np.zeros(len(predictors) + 1, dtype=np.int64)
    np.cumsum([len(predictor.nodes) for predictor in predictors], out=offsets[1:])
    n = int(offsets[-1])
    arrays: dict[str, Any] = {
        "children_left": np.empty(n, dtype=np.int32),
        "children_right": np.empty(n, dtype=np.int32),
        "feature": np.empty(n, dtype=np.int32),
        "threshold": np.empty(n, dtype=np.float64),
        "default_left": np.empty(n, dtype=np.bool_),
        "cover": np.empty(n, dtype=np.float64),
        "values": np.empty((n, 1), dtype=np.float64),
    }
    for i, predictor in enumerate(predictors):
        at = slice(offsets[i], offsets[i + 1])
        nodes = predictor.nodes
        leaf = nodes["is_leaf"] != 0
        arrays["children_left"][at] = np.where(leaf, -1, nodes["left"].astype(np.int64))
        arrays["children_right"][at] = np.where(leaf, -1, nodes["right"].astype(np.int64))
        arrays["feature"][at] = np.where(leaf, -1, order[np.where(leaf, 0, nodes["feature_idx"])])
        arrays["threshold"][at] = nodes["num_threshold"]
        arrays["default_left"][at] = (nodes["missing_go_to_left"] != 0) & ~leaf
        arrays["cover"][at] = nodes["count"]
        arrays["values"][at, 0] = nodes["value"]
    return Forest(
        n_features=model.n_features_in_,
        n_outputs=n_outputs,
        tree_offsets=offsets,
        tree_output=np.tile(np.arange(n_outputs, dtype=np.int32), len(model._predictors)),
        base_offset=np.asarray(model._baseline_prediction, dtype=np.float64).reshape(n_outputs),
        **arrays,
        **_category_sets(model, predictors, n),
    )


def _category_sets(model: Any, predictors: list[Any], n_nodes: int) -> dict[str, Any]:
    """Codes that go left at each categorical node; empty if the model has no such node.

    The model sends a code that it did not see in training the way of missing values, so at nodes where those go left
    all unknown codes join the set.
    """
    bitsets, f_idx_map = model._bin_mapper.make_known_categories_bitsets()
    known = _bits(bitsets)
    node_set = np.full(n_nodes, -1, dtype=np.int32)
    members, counts = [], []
    begin = n_sets = 0
    for predictor in predictors:
        nodes = predictor.nodes
        at = np.flatnonzero((nodes["is_categorical"] != 0) & (nodes["is_leaf"] == 0))
        if len(at):
            left = _bits(predictor.raw_left_cat_bitsets)[nodes["bitset_idx"][at]]
            missing_left = nodes["missing_go_to_left"][at] != 0
            left |= missing_left[:, None] & ~known[f_idx_map[nodes["feature_idx"][at]]]
            node_set[begin + at] = np.arange(n_sets, n_sets + len(at))
            members.append(np.nonzero(left)[1].astype(np.int32))
            counts.append(left.sum(axis=1))
            n_sets += len(at)
        begin += len(nodes)
    if not n_sets:
        return {}
    return {
        "category_set": node_set,
        "category_set_offsets": np.concatenate([[0], np.cumsum(np.concatenate(counts))]),
        "category_set_members": np.concatenate(members),
    }


def _bits(bitsets: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """(n, 8) words of 32 bits -> (n, 256) booleans."""
    words = np.ascontiguousarray(bitsets, dtype="<u4").reshape(-1, N_CODES // 32)
    return np.unpackbits(words.view(np.uint8), axis=1, bitorder="little").astype(bool)
