"""What the tree surrogates share: Tree SHAP values of the converted estimator, dense or sparse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.tree.tree_shap import tree_shap
from fastexplain.explainers.mimic.surrogates._base import Surrogate, SurrogateValues
from fastexplain.explainers.options import ExplainableModelType
from fastexplain.models import Forest, TreeModel, load_model
from fastexplain.rows.kinds import is_sparse

__all__ = ["TreeSurrogate"]

# Dense rows and values that one block of sparse rows is worked on with.
_BLOCK_BYTES = 32 * 2**20


class TreeSurrogate(Surrogate):
    """A tree estimator, explained by exact path-dependent Tree SHAP."""

    _converted: TreeModel | None = None

    def fit(self, dataset: Any, labels: Any, **kwargs: Any) -> Any:
        """Train on rows (n_rows, n_features) and labels (n_rows,)."""
        self._converted = None
        return super().fit(dataset, labels, **kwargs)

    def explain_global(self, **kwargs: Any) -> NDArray[Any]:
        """The estimator's own ``feature_importances_``, (n_features,)."""
        return np.asarray(self._estimator.feature_importances_)

    @staticmethod
    def explainable_model_type() -> ExplainableModelType:
        """``ExplainableModelType.TREE_EXPLAINABLE_MODEL_TYPE``."""
        return ExplainableModelType.TREE_EXPLAINABLE_MODEL_TYPE

    def _trees(self) -> TreeModel:
        if self._converted is None:
            self._converted = load_model(self._estimator)
        return self._converted

    def _raw_values(self, rows: Any) -> SurrogateValues:
        if is_sparse(rows):
            return _sparse_values(self._trees().forest, rows.tocsr(), self.n_threads)
        return SurrogateValues(*tree_shap(self._trees(), rows, n_threads=self.n_threads))

    def _base_values(self) -> NDArray[np.float64]:
        return self._trees().forest.expected_values()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_converted": None}


def _sparse_values(forest: Forest, X: Any, n_threads: int | None) -> SurrogateValues:
    """Values of csr rows: only columns that the trees split on are ever dense, a block of rows at a time.

    An entry that is not stored is 0.0, as the libraries read it.
    """
    import scipy.sparse

    if X.shape[1] != forest.n_features:
        raise ValueError(f"evaluation_examples has {X.shape[1]} columns; the surrogate has {forest.n_features}.")
    used = np.unique(forest.feature[forest.feature >= 0])
    if not len(used):
        empty = [scipy.sparse.csr_matrix(X.shape, dtype=np.float64) for _ in range(forest.n_outputs)]
        return SurrogateValues(empty, forest.expected_values())
    narrow = np.full(forest.n_features, -1, dtype=np.int32)
    narrow[used] = np.arange(len(used))
    feature = np.where(forest.feature >= 0, narrow[forest.feature], -1)
    compact = replace(forest, n_features=len(used), feature=feature)
    step = max(1, _BLOCK_BYTES // (8 * len(used) * (1 + forest.n_outputs)))
    blocks: list[list[Any]] = [[] for _ in range(forest.n_outputs)]
    for start in range(0, max(X.shape[0], 1), step):
        dense = np.ascontiguousarray(X[start : start + step][:, used].toarray(), dtype=np.float64)
        values = tree_shap(compact, dense, n_threads=n_threads).values
        for k in range(forest.n_outputs):
            block = scipy.sparse.csr_matrix(values[:, :, k])
            block.indices = used[block.indices].astype(block.indices.dtype)  # used is sorted, so the rows stay sorted
            wide = (block.data, block.indices, block.indptr)
            blocks[k].append(scipy.sparse.csr_matrix(wide, shape=(values.shape[0], X.shape[1])))
    stacked = [scipy.sparse.vstack(parts, format="csr") for parts in blocks]
    return SurrogateValues(stacked, forest.expected_values())
