"""scikit-learn's decision trees, forests and gradient boosting (`GradientBoosting*`) -> `Forest`.

These estimators round rows to float32 and compare with float64 thresholds. Each threshold is therefore replaced by the
largest float32 that does not exceed it, which routes every float32 value the same way.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.models.trees.answers import Answers
from fastexplain.models.trees.base import TreeModel
from fastexplain.models.trees.forest import Forest
from fastexplain.rows.fitted import rows_as_fitted
from fastexplain.rows.matrix import as_matrix, refuse_non_finite

__all__ = [
    "SklearnTreeModel",
    "accepts_missing",
    "fitted_names",
    "float32_at_most",
    "load",
    "node_arrays",
    "without_names",
]

# Why estimators that are built of trees are refused; looked up along the model's base classes.
_REASONS = {
    "RandomTreesEmbedding": "it is a transformer and has no output to explain",
    "IsolationForest": "its score is a non-linear function of the trees' mean path length",
    "AdaBoostClassifier": "its output is a weighted vote of its members, not a sum of their leaves",
    "AdaBoostRegressor": "its output is a weighted median of its members, not a sum of their leaves",
    "BaseBagging": "its members may be any estimator on any subset of the columns",
    "_BaseVoting": "its members may be any estimator",
    "_BaseStacking": "its output is another estimator's function of its members",
}


def load(model: Any) -> TreeModel:
    """Convert a fitted scikit-learn tree, forest or `GradientBoosting*` estimator.

    Parameters
    ----------
    model : DecisionTree*, ExtraTree*, RandomForest*, ExtraTrees* or GradientBoosting* regressor or classifier

    Returns
    -------
    SklearnTreeModel

    Raises
    ------
    UnsupportedModelError
        Another ensemble; a classifier with several targets; gradient boosting whose initial prediction depends on the
        row; covers that are negative.
    sklearn.exceptions.NotFittedError
        The model has not been fitted.
    """
    return SklearnTreeModel(model)


class SklearnTreeModel(TreeModel):
    """A decision tree, a forest (mean of its trees) or gradient boosting (sum of its trees) of scikit-learn.

    Raw output: `predict` for regression (one output per target), `predict_proba` for trees and forests that classify
    (one output per class), `decision_function` for gradient boosting that classifies (one margin for two classes,
    else one per class).
    """

    library = "scikit-learn"

    def __init__(self, model: Any) -> None:
        from sklearn.base import is_classifier
        from sklearn.utils.validation import check_is_fitted

        _refuse_unsupported(model)
        check_is_fitted(model)
        self.model = model
        self.task = "classification" if is_classifier(model) else "regression"
        self.feature_names = fitted_names(model)
        if self.task == "classification":
            if getattr(model, "n_outputs_", 1) > 1:
                raise UnsupportedModelError(
                    f"{type(model).__name__} was fitted on {model.n_outputs_} targets. Classifiers with several "
                    "targets are not supported: each target has its own classes. Fit one classifier per target, or "
                    "explain one target at a time, the first by KernelExplainer(lambda rows: "
                    "model.predict_proba(rows)[0], rows)."
                )
            self.classes = model.classes_.tolist()
            self.n_classes = len(self.classes)
        self._boosting = hasattr(model, "init_")
        self.single_margin = self._boosting and self.n_classes == 2
        self.gives_probabilities = self.task == "classification" and not self._boosting
        self.forest = _boosting_forest(model) if self._boosting else _mean_forest(model, self.n_classes)
        self._last_tree = _last_tree(model)

    @property
    def logistic_slope(self) -> float | None:
        if not self.single_margin:
            return None
        return 2.0 if self.model.loss == "exponential" else 1.0

    @property
    def predicts_raw(self) -> bool:
        return self.task == "regression"

    @property
    def answers(self) -> Answers:
        if self.gives_probabilities:
            return Answers(decision="largest", votes=self.forest.n_trees)
        if self.task == "regression":
            return Answers()
        slope = self.logistic_slope
        if slope is None:
            return Answers("softmax", decision="largest_raw")
        return Answers("logistic", slope, "not_negative")

    def votes(self) -> NDArray[np.float64] | None:
        """Class fractions of all nodes, as the trees hold them."""
        if not self.gives_probabilities:
            return None
        trees = [estimator.tree_ for estimator in getattr(self.model, "estimators_", [self.model])]
        return np.concatenate([tree.value[:, 0, :] for tree in trees])

    @property
    def is_current(self) -> bool:
        return _last_tree(self.model) is self._last_tree

    def prepare(self, X: Any) -> NDArray[np.floating]:
        rows = as_matrix(X, self.forest.n_features, self.feature_names, self.library, labels_are_numbers=True)
        refuse_non_finite(
            rows, allow_nan=self.forest.allow_nan, allow_inf=False, names=self.feature_names, float32=True
        )
        return rows

    def raw_predict(self, X: Any) -> NDArray[np.float64]:
        return self._raw(self.model, rows_as_fitted(self.model, X))

    def raw_predict_prepared(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        return self._raw(without_names(self.model), X)

    def _raw(self, model: Any, X: Any) -> NDArray[np.float64]:
        if len(X) == 0:  # scikit-learn refuses to predict nothing
            return np.empty((0, self.forest.n_outputs))
        if self.task == "regression":
            raw = model.predict(X)
        else:
            raw = model.decision_function(X) if self._boosting else model.predict_proba(X)
        return np.asarray(raw, dtype=np.float64).reshape(len(X), self.forest.n_outputs)


def fitted_names(model: Any) -> tuple[str, ...] | None:
    """Column names that a scikit-learn estimator was fitted on; None if it saw none."""
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else tuple(str(name) for name in names)


def without_names(model: Any) -> Any:
    """A shallow copy of the estimator that knows no column names, so that it takes arrays without a warning."""
    if not hasattr(model, "feature_names_in_"):
        return model
    nameless = copy.copy(model)
    del nameless.feature_names_in_
    return nameless


def float32_at_most(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 that does not exceed each threshold."""
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    np.nextafter(nearest, np.float32(-np.inf), out=nearest, where=nearest > threshold)
    return nearest


def _refuse_unsupported(model: Any) -> None:
    for cls in type(model).__mro__:
        if cls.__module__.startswith("sklearn.") and cls.__name__ in _REASONS:
            name, reason = type(model).__name__, _REASONS[cls.__name__]
            instead = " KernelExplainer(model, rows) explains what it predicts." if hasattr(model, "predict") else ""
            raise UnsupportedModelError(f"{name} is not supported by Tree SHAP: {reason}.{instead}")


def _mean_forest(model: Any, n_classes: int | None) -> Forest:
    """A single tree, or the mean of a forest's trees."""
    estimators = getattr(model, "estimators_", [model])
    trees = [estimator.tree_ for estimator in estimators]
    n_outputs = trees[0].value.shape[1] if n_classes is None else n_classes
    return Forest(
        n_features=model.n_features_in_,
        n_outputs=n_outputs,
        tree_output=np.zeros(len(trees), dtype=np.int32),
        base_offset=np.zeros(n_outputs),
        float32_input=True,
        allow_nan=accepts_missing(estimators[0]),
        allow_inf=False,
        **node_arrays(trees, n_outputs, 1.0 / len(trees), n_classes is not None),
    )


def _boosting_forest(model: Any) -> Forest:
    """`estimators_` is (n_iterations, n_outputs); each tree serves the output of its column."""
    trees = [estimator.tree_ for estimator in model.estimators_.ravel()]
    n_iterations, n_outputs = model.estimators_.shape
    return Forest(
        n_features=model.n_features_in_,
        n_outputs=n_outputs,
        tree_output=np.tile(np.arange(n_outputs, dtype=np.int32), n_iterations),
        base_offset=_initial_raw(model),
        float32_input=True,
        allow_nan=False,  # its trees would accept them, but the estimator refuses
        allow_inf=False,
        **node_arrays(trees, 1, float(model.learning_rate), False),
    )


def _initial_raw(model: Any) -> NDArray[np.float64]:
    """The prediction that boosting started from, of shape (n_outputs,), where it is the same for every row."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    init = model.init_
    zero = isinstance(init, str) and init == "zero"
    constant = type(init) in (DummyClassifier, DummyRegressor) and init.strategy != "stratified"
    if not (zero or constant):
        raise UnsupportedModelError(
            f"{type(model).__name__} was fitted with init={init!r}, whose prediction is not the same for every row, so "
            "that the trees alone do not explain the output. Fit with init=None or init='zero', or explain what the "
            "model predicts: KernelExplainer(model, rows)."
        )
    raw = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))
    return np.asarray(raw, dtype=np.float64).reshape(-1)


def _last_tree(model: Any) -> Any:
    """The tree that was fitted last: another fit makes new ones, and a warm start goes on after it."""
    trees = getattr(model, "estimators_", None)
    if trees is None:
        return model.tree_
    last = trees[-1]
    return last[-1] if isinstance(last, np.ndarray) else last


def accepts_missing(tree: Any) -> bool:
    """Whether the estimator predicts rows with NaN (whatever it was fitted on, if its class and options allow it)."""
    if not hasattr(tree.tree_, "missing_go_to_left"):  # before scikit-learn 1.3
        return False
    return bool(tree._support_missing_values(np.empty((0, 0))))


def node_arrays(trees: list[Any], n_columns: int, scale: float, normalise: bool) -> dict[str, Any]:
    """Node arrays of `Forest` from scikit-learn's `Tree` objects, filled in place: no other copy is made."""
    offsets = np.zeros(len(trees) + 1, dtype=np.int64)
    np.cumsum([tree.node_count for tree in trees], out=offsets[1:])
    n = int(offsets[-1])
    arrays: dict[str, Any] = {
        "tree_offsets": offsets,
        "children_left": np.empty(n, dtype=np.int32),
        "children_right": np.empty(n, dtype=np.int32),
        "feature": np.empty(n, dtype=np.int32),
        "threshold": np.empty(n, dtype=np.float64),
        "default_left": np.zeros(n, dtype=np.bool_),
        "cover": np.empty(n, dtype=np.float64),
        "values": np.empty((n, n_columns), dtype=np.float64),
    }
    for i, tree in enumerate(trees):
        at = slice(offsets[i], offsets[i + 1])
        left = tree.children_left
        leaf = left < 0
        arrays["children_left"][at] = left
        arrays["children_right"][at] = tree.children_right
        arrays["feature"][at] = np.where(leaf, -1, tree.feature)
        arrays["threshold"][at] = float32_at_most(tree.threshold)
        arrays["cover"][at] = tree.weighted_n_node_samples
        if hasattr(tree, "missing_go_to_left"):
            arrays["default_left"][at] = tree.missing_go_to_left.astype(bool) & ~leaf
        _write_values(tree.value, scale, normalise, arrays["values"][at])
    if n and arrays["cover"].min() < 0:
        raise UnsupportedModelError(
            f"A node's training weight is negative ({arrays['cover'].min():g}): the model was fitted with negative "
            "sample weights, and path-dependent explanations average over nodes by their weight."
        )
    return arrays


def _write_values(value: NDArray[np.float64], scale: float, normalise: bool, out: NDArray[np.float64]) -> None:
    """`Tree.value`, (n_nodes, n_targets, n_classes or 1), scaled into the forest's (n_nodes, n_columns)."""
    if not normalise:
        np.multiply(value[:, :, 0], scale, out=out)
        return
    # Class counts before scikit-learn 1.3, fractions since. A node without weight has only zeros: leave them.
    total = value[:, 0, :].sum(axis=1, keepdims=True)
    total[total == 0.0] = 1.0
    np.multiply(value[:, 0, :], scale / total, out=out)
