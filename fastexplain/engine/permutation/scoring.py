"""The user's model as functions rows -> float64 (n_rows, n_outputs), each checked at every call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import PredictionError

__all__ = ["Response", "ScoredModel", "scored_model"]

RESPONSES = ("predict", "predict_proba", "decision_function")


class Response:
    """One prediction method, with its answers checked and made float64 (n_rows, n_outputs).

    Parameters
    ----------
    name : {"predict", "predict_proba", "decision_function", "callable"}
    function : callable
    label : str
        How messages name the function.
    classes : array, optional
        Labels that predictions are, which then come back as their positions.
    possible : array, optional
        Labels that predictions may be: text is taken for them, numbers stay numbers.

    Attributes
    ----------
    gives_labels : bool
        Answers are positions of labels.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[Any], Any],
        label: str,
        classes: NDArray[Any] | None = None,
        possible: NDArray[Any] | None = None,
    ) -> None:
        self._possible, self.gives_labels = possible, classes is not None
        self.name, self.label, self.classes = name, label, classes
        self._function = function
        self._n_outputs: int | None = None

    def __call__(self, X: Any) -> NDArray[np.float64]:
        """Predict rows.

        Raises
        ------
        ValueError
            The answer has the wrong number of rows, is not numeric, holds NaN, or has another width than before.
        PredictionError
            The function itself raised; its exception is the cause.
        """
        n = X.shape[0]
        try:
            found = self._function(X)
        except Exception as error:
            raise PredictionError(
                f"{self.label} raised {type(error).__name__} on {type(X).__name__} rows of shape {tuple(X.shape)}: "
                f"{error}"
            ) from error
        out = self._as_matrix(found, n)
        if np.isnan(out).any():
            row = int(np.flatnonzero(np.isnan(out).any(axis=1))[0])
            raise PredictionError(f"{self.label} returned NaN (first in row {row} of rows of shape {tuple(X.shape)}).")
        if self._n_outputs is not None and out.shape[1] != self._n_outputs:
            raise PredictionError(
                f"{self.label} returned {out.shape[1]} columns for rows of shape {tuple(X.shape)}, and "
                f"{self._n_outputs} before."
            )
        self._n_outputs = out.shape[1]
        return out

    def _as_matrix(self, found: Any, n: int) -> NDArray[np.float64]:
        values = found.to_numpy() if hasattr(found, "to_numpy") else np.asarray(found)
        if values.ndim == 0 or len(values) != n or values.ndim > 2:
            raise PredictionError(
                f"{self.label} returned shape {values.shape} for {n} rows; expected ({n},) or ({n}, n_outputs)."
            )
        if self.classes is None and self._possible is not None and values.dtype.kind in "OUS":
            self.classes, self.gives_labels = self._possible, True
        if self.classes is not None:
            values = _codes(values.reshape(n, -1), self.classes, self.label)
        try:
            return np.ascontiguousarray(values, dtype=np.float64).reshape(n, -1)
        except (TypeError, ValueError) as error:
            raise PredictionError(f"{self.label} returned values of type {values.dtype}; expected numbers.") from error


def _codes(labels: NDArray[Any], classes: NDArray[Any], label: str) -> NDArray[np.int64]:
    at = np.searchsorted(classes, labels)
    at = np.minimum(at, len(classes) - 1)
    unknown = classes[at] != labels
    if unknown.any():
        raise ValueError(
            f"{label} returned the label {labels[unknown].ravel()[0]!r}, which is not among {classes.tolist()}."
        )
    return np.asarray(at)


@dataclass
class ScoredModel:
    """A model and what it can be asked.

    Attributes
    ----------
    owner : object or None
        The fitted model; None for a plain function.
    responses : dict of str to Response
    is_classifier : bool
    classes : array or None
        Labels that the model was fitted on, in the order of its outputs.
    tree_model : TreeModel or None
        The model as loaded already, where the user passed one.
    """

    owner: Any
    responses: dict[str, Response]
    is_classifier: bool
    classes: NDArray[Any] | None = None
    tree_model: Any = None
    extra: dict[str, Any] = field(default_factory=dict)


def scored_model(model: Any, y: NDArray[Any]) -> ScoredModel:
    """What the user passed as model -> ScoredModel.

    Raises
    ------
    TypeError
        Neither a callable nor an object with ``predict``.
    """
    from fastexplain.models.trees.base import TreeModel

    tree_model = model if isinstance(model, TreeModel) else None
    owner = tree_model.model if tree_model is not None else model
    kind = f"{type(owner).__module__}.{type(owner).__qualname__}"
    if kind in ("xgboost.core.Booster", "lightgbm.basic.Booster"):
        return _from_booster(owner, kind, tree_model)
    if not hasattr(owner, "predict"):
        if not callable(owner):
            raise TypeError(
                f"model must be a fitted model with predict, or a function of rows; got {type(model).__name__}."
            )
        possible = np.unique(y) if y.dtype.kind in "OUS" and y.ndim == 1 else None
        bound_to = getattr(owner, "__self__", None)
        name = getattr(owner, "__name__", type(owner).__name__)
        if bound_to is not None and name in RESPONSES and hasattr(bound_to, "predict"):
            return _from_estimator(bound_to, (name,), None)
        return ScoredModel(
            None, {"callable": Response("callable", owner, str(name), possible=possible)}, is_classifier=False
        )
    return _from_estimator(owner, RESPONSES, tree_model)


def _from_estimator(owner: Any, names: tuple[str, ...], tree_model: Any) -> ScoredModel:
    classes = getattr(owner, "classes_", None)
    several_targets = isinstance(classes, list)  # multi-output classifiers keep one array per target
    found = None if classes is None or several_targets else np.asarray(classes)
    is_classifier = found is not None
    responses = {}
    for name in names:
        method = getattr(owner, name, None)
        if callable(method):
            labels = found if name == "predict" and is_classifier else None
            responses[name] = Response(name, method, f"{type(owner).__name__}.{name}", labels)
    return ScoredModel(owner, responses, is_classifier, found, tree_model)


def _from_booster(owner: Any, kind: str, tree_model: Any) -> ScoredModel:
    """Boosters predict probabilities, margins or values by their objective, from one method."""
    from fastexplain.models import load_model

    loaded = tree_model or load_model(owner)
    function = owner.predict
    if kind.startswith("xgboost"):

        def function(X: Any) -> Any:
            import xgboost

            return owner.predict(
                xgboost.DMatrix(X, feature_names=owner.feature_names, feature_types=owner.feature_types)
            )

    name = "predict_proba" if loaded.task == "classification" else "predict"
    response = Response(name, function, f"{type(owner).__name__}.predict")
    classes = None if loaded.classes is None else np.asarray(loaded.classes)
    return ScoredModel(owner, {name: response}, loaded.task == "classification", classes, loaded)
