"""scikit-learn's IsolationForest as the sum of trees that its score is made of: the mean length of a row's paths.

The score itself, ``-2 ** (-mean length / expected length)``, is no sum of trees, so that `load_model` refuses these
forests; shap's TreeExplainer explains the length.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.models.trees.check import check_conversion, probe_rows
from fastexplain.models.trees.forest import Forest
from fastexplain.models.trees.sklearn_trees import SklearnTreeModel, accepts_missing, fitted_names, node_arrays

__all__ = ["IsolationPaths", "load_isolation_paths"]


def load_isolation_paths(model: Any) -> IsolationPaths:
    """Convert a fitted IsolationForest, and check the result against its scores.

    Raises
    ------
    UnsupportedModelError
        The trees were grown on single rows: their paths have no expected length.
    ModelConversionError
        The converted trees and the model disagree.
    sklearn.exceptions.NotFittedError
        The model has not been fitted.
    """
    paths = IsolationPaths(model)
    check_conversion(paths, probe_rows(paths.forest))
    return paths


class IsolationPaths(SklearnTreeModel):
    """The mean length of a row's paths through an IsolationForest, in splits; short ones are anomalies."""

    def __init__(self, model: Any) -> None:
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(model)
        self.model = model
        self.task = "regression"
        self.feature_names = fitted_names(model)
        self._expected_length = float(_remaining_length(np.array([model.max_samples_]))[0])
        if not self._expected_length > 0:
            raise UnsupportedModelError(
                f"IsolationForest with max_samples={model.max_samples_} has paths of one node; nothing explains them."
            )
        self.forest = _paths_forest(model)
        self._last_tree = model.estimators_[-1]

    @property
    def is_current(self) -> bool:
        return self.model.estimators_[-1] is self._last_tree

    def _raw(self, model: Any, X: Any) -> NDArray[np.float64]:
        if len(X) == 0:
            return np.empty((0, 1))
        lengths: NDArray[np.float64] = -np.log2(-np.asarray(model.score_samples(X))) * self._expected_length
        return lengths.reshape(-1, 1)


def _paths_forest(model: Any) -> Forest:
    trees = [estimator.tree_ for estimator in model.estimators_]
    arrays = node_arrays(trees, 1, 1.0, False)
    for i, (tree, columns) in enumerate(zip(trees, model.estimators_features_, strict=True)):
        at = slice(arrays["tree_offsets"][i], arrays["tree_offsets"][i + 1])
        feature = arrays["feature"][at]
        arrays["feature"][at] = np.where(feature < 0, -1, np.asarray(columns)[feature])
        length = tree.compute_node_depths() - 1.0 + _remaining_length(tree.n_node_samples)  # its root has depth 1
        arrays["values"][at, 0] = length / len(trees)
    return Forest(
        n_features=model.n_features_in_,
        n_outputs=1,
        tree_output=np.zeros(len(trees), dtype=np.int32),
        base_offset=np.zeros(1),
        float32_input=True,
        allow_nan=accepts_missing(model.estimators_[0]),
        allow_inf=False,
        **arrays,
    )


def _remaining_length(n_rows: NDArray[Any]) -> NDArray[np.float64]:
    """Expected splits that would tell apart so many rows (Liu, Ting and Zhou 2008, equation 1)."""
    n = np.maximum(np.asarray(n_rows, dtype=np.float64), 2.0)
    length = 2.0 * (np.log(np.maximum(n - 1.0, 1.0)) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    return np.where(np.asarray(n_rows) > 2, length, np.where(np.asarray(n_rows) == 2, 1.0, 0.0))
