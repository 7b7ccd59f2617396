"""`LinearExplainableModel`: a linear surrogate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.explainers.mimic.surrogates._base import RANDOM_STATE
from fastexplain.explainers.mimic.surrogates._linear import LinearSurrogate
from fastexplain.explainers.options import ShapValuesOutput
from fastexplain.rows.kinds import is_sparse

__all__ = ["LinearExplainableModel"]


class LinearExplainableModel(LinearSurrogate):
    """A linear surrogate: ``LogisticRegression`` for a multi-class teacher, else ``LinearRegression``.

    Parameters
    ----------
    multiclass : bool, default False
    random_state : int, default 123
        Of the logistic regression.
    classification : bool, default True
        Whether a surrogate that is not multi-class stands for a binary classifier.
    sparse_data : bool, default False
        Fit a ``Lasso`` in place of ``LinearRegression``.
    **kwargs
        Parameters of the scikit-learn class. ``solver="liblinear"`` and ``multi_class="ovr"``, which newer versions of
        scikit-learn refuse with more than two classes, fit one model per class here, as they always did.
    """

    _method = "linear"

    def __init__(
        self,
        multiclass: bool = False,
        random_state: Any = RANDOM_STATE,
        classification: bool = True,
        sparse_data: bool = False,
        **kwargs: Any,
    ) -> None:
        self._sparse_data = sparse_data
        self._exact = False
        if multiclass:
            estimator = _logistic(random_state, kwargs)
        else:
            from sklearn.linear_model import Lasso, LinearRegression

            estimator = Lasso(**kwargs) if sparse_data else LinearRegression(**kwargs)
            self._exact = not sparse_data and "tol" not in kwargs and "tol" in estimator.get_params()
        super().__init__(estimator, multiclass, random_state, classification, ShapValuesOutput.DEFAULT)

    def fit(self, dataset: Any, labels: Any, **kwargs: Any) -> Any:
        """Train on rows (n_rows, n_features) and labels (n_rows,), and keep the centre of the rows."""
        if self._exact and not is_sparse(dataset):
            # scikit-learn 1.9 drops directions below 1e-6 of the largest: all columns beside one of seconds, say. Those
            # of columns that depend on each other are no larger than rounding errors, and must be dropped.
            self._estimator.set_params(tol=float(max(np.shape(dataset)) * np.finfo(np.float64).eps))
        return super().fit(dataset, labels, **kwargs)

    def _coefficients(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if hasattr(self._estimator, "coef_"):
            return super()._coefficients()
        binary = self._estimator.estimators_  # one per class
        coef = np.vstack([each.coef_ for each in binary]).astype(np.float64)
        return coef, np.concatenate([np.atleast_1d(each.intercept_) for each in binary]).astype(np.float64)


def _logistic(random_state: Any, kwargs: dict[str, Any]) -> Any:
    """A multi-class logistic regression on any scikit-learn: 1.8 has no ``multi_class`` any more."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    how = kwargs.pop("multi_class", "auto")
    if how not in ("auto", "ovr", "multinomial"):
        raise ValueError(f"multi_class must be 'auto', 'ovr' or 'multinomial'; got {how!r}.")
    solver = kwargs.pop("solver", "lbfgs")
    estimator = LogisticRegression(solver=solver, random_state=random_state, **kwargs)
    one_per_class = how == "ovr" or (how == "auto" and solver == "liblinear")
    return OneVsRestClassifier(estimator) if one_per_class else estimator
