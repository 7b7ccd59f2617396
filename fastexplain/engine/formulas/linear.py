"""The formulas of scikit-learn's linear and generalised linear models."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.additive import AdditiveModel
from fastexplain.engine.formulas.known import FormulaModel
from fastexplain.rows.arrays import dense

__all__ = ["LinearModel", "linear_formula", "linear_model"]

Float = NDArray[np.float64]

# Classes whose predict_proba is a softmax of the margins where there are more than two classes.
SOFTMAX = ("LogisticRegression", "LogisticRegressionCV", "LinearDiscriminantAnalysis")


class LinearModel(AdditiveModel):
    """A response of ``X @ coef.T + intercept``.

    Attributes
    ----------
    coef : float64 array of shape (n_margins, n_features)
    offset : float64 array of shape (n_margins,)
        The intercept.
    """

    def __init__(self, coef: Float, intercept: Float, response: str = "identity") -> None:
        self.coef = np.ascontiguousarray(np.atleast_2d(coef), dtype=np.float64)
        offset = np.broadcast_to(np.asarray(intercept, dtype=np.float64).ravel(), (len(self.coef),))
        super().__init__(self.coef.shape[1], offset, response)

    def contributions(self, X: Float) -> Float:
        return X[:, :, None] * self.coef.T

    def margins(self, X: Float) -> Float:
        return X @ self.coef.T + self.offset


def linear_formula(owner: Any, method: str | None, background: Any) -> FormulaModel | None:
    """Loader: scikit-learn's linear models, whichever response `method` gives."""
    if hasattr(owner, "estimator_") and not hasattr(owner, "coef_"):  # RANSACRegressor
        return linear_formula(owner.estimator_, method, background) if method == "predict" else None
    response = _response(owner, method)
    if response is None:
        return None
    return linear_model(owner, response)


def linear_model(owner: Any, response: str = "identity") -> LinearModel | None:
    """The margins of a fitted linear model under a response; None where it has no coefficients."""
    coef = getattr(owner, "coef_", None)
    if coef is None:
        return None
    coef = np.atleast_2d(np.asarray(dense(coef), dtype=np.float64))
    if hasattr(owner, "offset_"):  # SGDOneClassSVM
        intercept = -np.asarray(owner.offset_, dtype=np.float64)
    else:
        intercept = np.asarray(getattr(owner, "intercept_", 0.0), dtype=np.float64)
    if hasattr(owner, "x_scores_") and hasattr(owner, "_x_mean"):  # PLS centres the rows first
        intercept = intercept - coef @ np.asarray(owner._x_mean, dtype=np.float64)
    if response == "sigmoid" and getattr(owner, "multi_class", None) == "multinomial":
        coef, intercept = 2 * coef, 2 * intercept  # a softmax of (-m, m)
    return LinearModel(coef, intercept, response)


def _response(owner: Any, method: str | None) -> str | None:
    """Key of `RESPONSES` for what the method returns; None where it is no response of linear margins."""
    if method == "decision_function":
        return "identity"
    classes = getattr(owner, "classes_", None)
    if method == "predict" and classes is None:
        return "exp" if _has_log_link(owner) else "identity"
    if method != "predict_proba" or classes is None:
        return None
    loss = getattr(owner, "loss", "log_loss")
    if len(classes) == 2:
        return {"log_loss": "sigmoid", "modified_huber": "modified_huber"}.get(loss)
    if loss != "log_loss":
        return None
    names = {cls.__name__ for cls in type(owner).__mro__}
    one_versus_rest = getattr(owner, "multi_class", None) == "ovr" or getattr(owner, "solver", None) == "liblinear"
    return "softmax" if names.intersection(SOFTMAX) and not one_versus_rest else "normalized_sigmoid"


def _has_log_link(owner: Any) -> bool:
    """Of PoissonRegressor and GammaRegressor always, of TweedieRegressor by its parameters."""
    names = {cls.__name__ for cls in type(owner).__mro__}
    if names.intersection(("PoissonRegressor", "GammaRegressor")):
        return True
    if "TweedieRegressor" not in names:
        return False
    return bool(owner.link == "log" or (owner.link == "auto" and owner.power > 0))
