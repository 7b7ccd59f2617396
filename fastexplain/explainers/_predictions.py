"""The model's own predictions of the explained rows, for the explanation's ``eval_y_predicted``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.models import TreeModel

__all__ = ["model_predictions"]


def model_predictions(model: TreeModel, X: Any) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """Predictions, and class probabilities where the model gives them.

    Parameters
    ----------
    model : TreeModel
    X : array-like or table of shape (n_rows, n_features)

    Returns
    -------
    predictions : array of shape (n_rows,)
        What ``predict`` of a scikit-learn style model returns. A bare booster has no such method: there, the class
        with the largest raw output (its index, or its label if known), or the raw output of a regression.
    probabilities : float64 array of shape (n_rows, n_classes), or None
        ``predict_proba``; None for regressions and bare boosters.
    """
    if not hasattr(model.model, "get_params"):  # a bare booster
        return _from_raw(model, model.raw_predict(X)), None
    probabilities = None
    if model.task == "classification" and hasattr(model.model, "predict_proba"):
        probabilities = np.asarray(model.model.predict_proba(X), dtype=np.float64)
    return np.asarray(model.model.predict(X)), probabilities


def _from_raw(model: TreeModel, raw: NDArray[np.float64]) -> NDArray[Any]:
    if model.task == "regression":
        return raw[:, 0] if raw.shape[1] == 1 else raw
    index = (raw[:, 0] > 0).astype(np.int64) if model.single_margin else raw.argmax(axis=1)
    return index if model.classes is None else np.asarray(model.classes)[index]
