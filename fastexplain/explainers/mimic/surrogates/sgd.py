"""`SGDExplainableModel`: a linear surrogate trained by stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from fastexplain.explainers.mimic.surrogates._base import RANDOM_STATE
from fastexplain.explainers.mimic.surrogates._linear import LinearSurrogate
from fastexplain.explainers.options import ShapValuesOutput

__all__ = ["SGDExplainableModel"]


class SGDExplainableModel(LinearSurrogate):
    """A linear surrogate trained by stochastic gradient descent: ``SGDClassifier`` (multi-class) or ``SGDRegressor``.

    Parameters
    ----------
    multiclass : bool, default False
    random_state : int, default 123
    classification : bool, default True
        Whether a surrogate that is not multi-class stands for a binary classifier.
    **kwargs
        Parameters of the scikit-learn class. Columns on very different scales make it diverge: scale them first.
    """

    _method = "sgd"

    def __init__(
        self, multiclass: bool = False, random_state: Any = RANDOM_STATE, classification: bool = True, **kwargs: Any
    ) -> None:
        from sklearn.linear_model import SGDClassifier, SGDRegressor

        estimator = (SGDClassifier if multiclass else SGDRegressor)(random_state=random_state, **kwargs)
        super().__init__(estimator, multiclass, random_state, classification, ShapValuesOutput.DEFAULT)
