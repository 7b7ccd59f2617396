"""scikit-learn's MLPClassifier and MLPRegressor -> `Network`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.models.networks.network import Activation, LayerBuilder, Network

__all__ = ["read"]

_KINDS = {
    "identity": "identity",
    "relu": "relu",
    "tanh": "tanh",
    "logistic": "sigmoid",
    "softmax": "softmax",
    "exp": "exp",
}


def read(model: Any, output: str) -> tuple[Network, Callable[[NDArray[np.float64]], NDArray[np.float64]], str]:
    """The network, the model's own forward, and the floating-point type that it computes in.

    Raises
    ------
    UnsupportedModelError
        The model is not an MLP, or is not fitted.
    """
    name = type(model).__name__
    if not hasattr(model, "activation") or not hasattr(model, "hidden_layer_sizes"):
        raise UnsupportedModelError(f"{name} is not a multilayer perceptron; expected MLPClassifier or MLPRegressor.")
    if not hasattr(model, "coefs_"):
        raise UnsupportedModelError(f"This {name} is not fitted yet; call fit first.")
    builder = LayerBuilder()
    classifier = hasattr(model, "predict_proba")
    logit = classifier and output == "logit"
    last = len(model.coefs_) - 1
    for i, (weight, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        if i == last and classifier and not logit and _two_columns(model):
            # predict_proba has a column for each class: sigmoid(-z) and sigmoid(z)
            weight, bias = np.hstack([-weight, weight]), np.concatenate([-bias, bias])
        builder.dense(weight, bias)
        kind = model.out_activation_ if i == last else model.activation
        builder.activate(Activation("identity" if i == last and logit else _KINDS[kind]))

    def forward(X: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = X.astype(model.coefs_[0].dtype)
        if classifier and not logit:
            return np.asarray(model.predict_proba(_named(model, rows)), dtype=np.float64)
        if not classifier:
            return np.asarray(model.predict(_named(model, rows)), dtype=np.float64)
        return _logits(np.asarray(model.predict_proba(_named(model, rows)), dtype=np.float64), model, X)

    return builder.build(), forward, str(np.dtype(model.coefs_[0].dtype))


def _two_columns(model: Any) -> bool:
    """Binary classifier: one logistic unit, two columns of probabilities. (Multi-label ones have a unit per column.)"""
    return bool(model.out_activation_ == "logistic" and model.n_outputs_ == 1)


def _logits(probabilities: NDArray[np.float64], model: Any, X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pre-activations of the last layer, by the model's own weights; NaN where they are not those of its probabilities.

    Written out, because predict_proba cannot be inverted where it saturates.
    """
    values = X
    hidden = Activation(_KINDS[model.activation])
    for weight, bias in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        values = hidden(values @ weight + bias)
    logits = values @ model.coefs_[-1] + model.intercepts_[-1]
    columns = np.hstack([-logits, logits]) if _two_columns(model) else logits
    implied = Activation(_KINDS[model.out_activation_])(columns)
    return np.where(np.abs(implied - probabilities).max() < 1e-4, logits, np.nan)


def _named(model: Any, X: NDArray[np.floating]) -> Any:
    """Rows as the model was fitted: a table where it knows column names, so that it does not warn."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        return X
    import pandas as pd

    return pd.DataFrame(X, columns=names)
