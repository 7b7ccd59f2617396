"""What the linear surrogates share: coefficient times the distance from a centre, dense or sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.background import summarize_background
from fastexplain.engine.linear.linear_shap import linear_shap
from fastexplain.explainers.mimic.surrogates._base import Surrogate, SurrogateValues
from fastexplain.explainers.options import ExplainableModelType
from fastexplain.rows.kinds import is_sparse

__all__ = ["LinearSurrogate"]

Float = NDArray[np.float64]

# Clusters whose centres give the mean of dense training rows, where there are more than ten rows for each.
_CLUSTERS = 10
_ROWS_PER_CLUSTER = 10


class LinearSurrogate(Surrogate):
    """A linear estimator, explained exactly: coefficient times the distance from a centre.

    The centre of dense training rows is the mean of ten k-means centres (of the rows themselves, up to 100 of them),
    that of sparse rows the median of each column: interpret-community's choice.
    """

    _centre: Float

    def fit(self, dataset: Any, labels: Any, **kwargs: Any) -> Any:
        """Train on rows (n_rows, n_features) and labels (n_rows,), and keep the centre of the rows."""
        self._refuse_missing(dataset)
        super().fit(dataset, labels, **kwargs)
        if not self._only_predicts:
            self._centre = _centre_of(dataset)
        return self

    def _refuse_missing(self, dataset: Any) -> None:
        """Raise ValueError for NaN, for which a linear model has no coefficient."""
        cells = dataset.data if is_sparse(dataset) else np.asarray(dataset)
        if cells.dtype.kind == "f" and np.isnan(cells).any():
            raise ValueError(
                f"{type(self).__name__} takes no missing values, and the rows hold {int(np.isnan(cells).sum()):,} "
                "(NaN). LGBMExplainableModel and DecisionTreeExplainableModel take them; or fill them in, in a copy of "
                "initialization_examples."
            )

    def explain_global(self, **kwargs: Any) -> Float:
        """Coefficients (n_features,), signed; their mean over the classes of a multi-class surrogate."""
        coef: Float = self._coefficients()[0].mean(axis=0)
        return coef

    @staticmethod
    def explainable_model_type() -> ExplainableModelType:
        """``ExplainableModelType.LINEAR_EXPLAINABLE_MODEL_TYPE``."""
        return ExplainableModelType.LINEAR_EXPLAINABLE_MODEL_TYPE

    def _coefficients(self) -> tuple[Float, Float]:
        """Coefficients (n_outputs, n_features) and intercepts (n_outputs,)."""
        coef = np.atleast_2d(np.asarray(self._estimator.coef_, dtype=np.float64))
        intercept = np.atleast_1d(np.asarray(self._estimator.intercept_, dtype=np.float64))
        return coef, np.broadcast_to(intercept, (len(coef),))

    def _raw_values(self, rows: Any) -> SurrogateValues:
        coef, intercept = self._coefficients()
        if is_sparse(rows):
            return SurrogateValues(_sparse_values(rows.tocsr(), coef, self._centre), self._base_values())
        return SurrogateValues(*linear_shap((coef, intercept), rows, mean=self._centre, n_threads=self.n_threads))

    def _base_values(self) -> Float:
        coef, intercept = self._coefficients()
        return np.asarray(coef @ self._centre + intercept)


def _centre_of(dataset: Any) -> Float:
    if is_sparse(dataset):
        return np.asarray(summarize_background(dataset).data.toarray()[0], dtype=np.float64)
    rows = np.asarray(dataset, dtype=np.float64)
    if len(rows) > _CLUSTERS * _ROWS_PER_CLUSTER:
        rows = np.asarray(summarize_background(rows, _CLUSTERS).data)
    centre: Float = rows.mean(axis=0)
    return centre


def _sparse_values(X: Any, coef: Float, centre: Float) -> list[Any]:
    """One csr (n_rows, n_features) per output, stored where coefficient and distance from the centre are not zero."""
    import scipy.sparse

    distance = scipy.sparse.csr_matrix(X, dtype=np.float64)
    moved = scipy.sparse.csr_matrix(centre[None, :])
    if moved.nnz:
        ones = scipy.sparse.csr_matrix(np.ones((X.shape[0], 1)))
        distance = distance - ones @ moved
    distance.sum_duplicates()
    values = []
    for weights in coef:
        each = distance.copy()
        each.data = each.data * weights[each.indices]
        each.eliminate_zeros()
        values.append(each)
    return values
