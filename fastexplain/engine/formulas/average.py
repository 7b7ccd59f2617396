"""Averages of models with a known formula, such as soft votes; and wrappers that only pass a call on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.known import Columns, FormulaModel, Game, Peeled, equal_weights, find
from fastexplain.engine.formulas.linear import LinearModel, linear_model
from fastexplain.engine.formulas.support_vectors import support_vector_model
from fastexplain.engine.progress import progress

__all__ = ["AverageModel", "average_formula", "calibrated_formula", "inside_formula"]

Float = NDArray[np.float64]


class AverageModel(FormulaModel):
    """A weighted sum of models with the same rows and outputs.

    Attributes
    ----------
    models : list of FormulaModel
    weights : float64 array of shape (n_models,)
    """

    def __init__(self, models: list[FormulaModel], weights: Float) -> None:
        self.models, self.weights = models, weights
        self.n_features, self.n_outputs = models[0].n_features, models[0].n_outputs
        self.rtol = max(model.rtol for model in models)
        paths = sorted({model.path for model in models})
        self.path = f"average({', '.join(paths)})"

    def predict(self, X: Float) -> Float:
        return np.asarray(sum(w * model.predict(X) for w, model in zip(self.weights, self.models, strict=True)))

    def bind(self, background: Float, weights: Float | None = None, groups: Columns | None = None) -> Game:
        weights = equal_weights(len(background), weights)
        return _Game([model.bind(background, weights, groups) for model in self.models], self.weights)


class _Game(Game):
    """Shapley values, and coalition values, of a sum of games are the sums of theirs."""

    def __init__(self, games: list[Game], weights: Float) -> None:
        self.closed_form = all(game.closed_form for game in games)
        self._games, self._weights = games, weights

    def shap_values(self, X: Float, *, n_threads: int | None = None, backend: str | None = None) -> Float:
        if not self.closed_form:
            return super().shap_values(X)
        values = (game.shap_values(X, n_threads=n_threads, backend=backend) for game in self._games)
        return np.asarray(sum(w * each for w, each in zip(self._weights, values, strict=True)))

    def closed_form_rows(self, X: Float) -> NDArray[np.bool_]:
        return np.asarray(np.all([game.closed_form_rows(X) for game in self._games], axis=0))

    def coalition_values(
        self, x: Float, masks: NDArray[np.bool_], *, n_threads: int | None = None, backend: str | None = None
    ) -> Float:
        values: list[Float] = []
        with progress(len(self._games), "average", None, unit=" models") as bar:
            for game in self._games:
                with bar.part(1):
                    values.append(game.coalition_values(x, masks, n_threads=n_threads, backend=backend))
        return np.asarray(sum(w * each for w, each in zip(self._weights, values, strict=True)))


def average_formula(owner: Any, method: str | None, background: Any) -> FormulaModel | None:
    """Loader: scikit-learn's VotingClassifier (soft) and VotingRegressor, where all members have a known formula."""
    if method == "predict_proba" and getattr(owner, "voting", None) != "soft":
        return None
    if method not in ("predict", "predict_proba") or (method == "predict" and hasattr(owner, "classes_")):
        return None
    found = [find(estimator, method, background) for estimator in owner.estimators_]
    models = [model for model in found if isinstance(model, FormulaModel)]
    if len(models) < len(found):
        return None
    weights = [1.0] * len(models) if owner.weights is None else owner._weights_not_none
    return AverageModel(models, np.asarray(weights, dtype=np.float64) / np.sum(weights))


def calibrated_formula(owner: Any, method: str | None, background: Any) -> FormulaModel | None:
    """Loader: scikit-learn's CalibratedClassifierCV of two classes by sigmoids, over linear models and SVMs."""
    if method != "predict_proba" or len(owner.classes_) != 2:
        return None
    models = [_calibrated(each) for each in owner.calibrated_classifiers_]
    known = [model for model in models if model is not None]
    return AverageModel(known, np.full(len(known), 1 / len(known))) if len(known) == len(models) else None


def _calibrated(calibrated: Any) -> FormulaModel | None:
    """1 / (1 + exp(a f + b)) of a decision f that is linear, or a sum of kernels."""
    sigmoid = calibrated.calibrators[0]
    if not hasattr(sigmoid, "a_") or not hasattr(calibrated.estimator, "decision_function"):
        return None
    slope, shift = -float(sigmoid.a_), -float(sigmoid.b_)
    if getattr(calibrated.estimator, "kernel", "linear") == "linear":
        linear = linear_model(calibrated.estimator)
        if linear is None or len(linear.coef) != 1:
            return None
        return LinearModel(slope * linear.coef, slope * linear.offset + shift, "sigmoid")
    machine = support_vector_model(calibrated.estimator, "decision_function")
    return None if machine is None else machine.calibrated(slope, shift)


def inside_formula(owner: Any, method: str | None, background: Any) -> FormulaModel | Peeled | None:
    """Loader: searches and threshold tuners of scikit-learn, which pass the call to one fitted model."""
    inner = getattr(owner, "best_estimator_", None) or getattr(owner, "estimator_", None)
    return None if inner is None else find(inner, method, background)
