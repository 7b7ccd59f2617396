"""What predicts: functions of rows, and models by their methods, with every answer checked in one place.

`PredictFunction` is one such function. `PredictingModel` is a model with all of its methods, for callers that choose
among them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.njit import is_njit, njit_predict
from fastexplain.exceptions import FastExplainError, PredictionError, UnsupportedModelError
from fastexplain.models.networks.forward import is_torch, network_forward
from fastexplain.rows.arrays import plain_array

__all__ = [
    "ASKED_TWICE",
    "RESPONSES",
    "PredictFunction",
    "PredictingModel",
    "check_repeatable",
    "estimator_kind",
    "fitted_labels",
    "predicting_model",
    "without_scale",
]

RESPONSES = ("predict", "predict_proba", "decision_function")
# Rows that are asked for twice, and how far apart the answers may be, as a part of the largest prediction: rounding of
# single precision, and of a library that adds up another number of rows in another order.
ASKED_TWICE = 8
_REPEATABLE = 1e-4


class _WrongShapeError(PredictionError, UnsupportedModelError):
    """Not one prediction per row: the function's fault, and nothing that can be explained."""


class PredictFunction:
    """A model's prediction as a checked function: rows in, float64 array (n_rows, n_outputs) out.

    A fitted classifier is explained by its ``predict_proba``; one without, and an outlier detector, by its
    ``decision_function``; any other model by its ``predict``, a callable as it is. Safe from several
    threads if the model is.

    Parameters
    ----------
    model_or_predict : object
        A fitted model, a torch module, or a callable of rows.

    Attributes
    ----------
    function : callable
        What is called: rows -> predictions.
    owner : object or None
        The model behind the function, also where a bound method was given; None for plain functions.
    method : str or None
        Name of the owner's method, e.g. ``"predict_proba"``.
    name : str
        As messages give it, e.g. ``"SVC.predict_proba"``.
    labels : array or None
        Sorted labels that predictions are, which then come back as their positions.
    text_labels : array or None
        The same for predictions that are text; numbers stay numbers. Become `labels` when text comes.
    finite : bool
        Refuse infinite values, not only NaN.

    Raises
    ------
    TypeError
        The object neither predicts nor can be called, or predicts nothing but labels.
    """

    labels: NDArray[Any] | None = None
    text_labels: NDArray[Any] | None = None
    finite: bool = True
    # whether rows are as the model takes them, not as a function in its place does
    _of_model: bool = True

    def __init__(self, model_or_predict: Any) -> None:
        self.function, self.owner, self.method = _resolve(model_or_predict)
        if self.owner is not None and self.method is not None:
            self.name = f"{type(self.owner).__qualname__}.{self.method}"
        else:
            self.name = _name_of(self.function if self.owner is None else self.owner)

    @classmethod
    def named(cls, function: Callable[[Any], Any], name: str, **attributes: Any) -> PredictFunction:
        """Any function of rows as it is, under a name for messages; `attributes` are those above."""
        found = cls.__new__(cls)
        found.function, found.owner, found.method, found.name = function, None, None, name
        vars(found).update(attributes)
        return found

    def around(self, function: Callable[[Any], Any]) -> PredictFunction:
        """Another function under the same name: what is left of this one when transformations are peeled off."""
        other = copy.copy(self)
        other.function, other._of_model = function, False
        return other

    def __call__(self, rows: Any, n_rows: int | None = None, n_outputs: int | None = None) -> NDArray[np.float64]:
        """Predict rows.

        Parameters
        ----------
        rows : array or table of shape (n_rows, n_features)
        n_rows : int, optional
            Default: the length of `rows`.
        n_outputs : int, optional
            Outputs that earlier calls gave; another number is an error.

        Returns
        -------
        float64 array of shape (n_rows, n_outputs)

        Raises
        ------
        PredictionError
            The function raised (its exception is the cause), or returned something that is not one finite number per
            row and output; the message names the function and the shapes.
        """
        return self.checked(self.returned(rows), _shape(rows)[0] if n_rows is None else n_rows, n_outputs)

    def returned(self, rows: Any) -> Any:
        """What the function returns, unchecked; PredictionError where it raises."""
        from fastexplain.models.trees.registry import rows_for_library

        owner = getattr(self.function, "__self__", None) if self.owner is None else self.owner
        try:
            return self.function(rows_for_library(owner, rows) if self._of_model else rows)
        except FastExplainError:  # says what is wrong itself
            raise
        except Exception as error:
            if type(error).__name__ == "NotFittedError":  # as scikit-learn's own functions let it through
                raise
            raise PredictionError(
                f"{self.name} raised {type(error).__name__} on rows of shape {_shape(rows)} ({_kind(rows)}): {error}"
            ) from error

    def checked(self, returned: Any, n_rows: int, n_outputs: int | None = None) -> NDArray[np.float64]:
        """What was returned for rows as a checked array; as `__call__`."""
        output = self._numbers(returned, n_rows)
        if output.ndim == 2 and not output.shape[1]:
            raise _WrongShapeError(f"{self.name} returned shape {output.shape}: no outputs to explain.")
        output = output[:, None] if output.ndim == 1 else output
        if n_outputs is not None and output.shape[1] != n_outputs:
            raise PredictionError(
                f"{self.name} returned {output.shape[1]} columns for {n_rows} rows after {n_outputs} columns in an "
                "earlier call; the number of outputs must not change."
            )
        wrong = ~np.isfinite(output) if self.finite else np.isnan(output)
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            raise PredictionError(
                f"{self.name} returned {float(output[row, column])!r} in row {row}, output {column} of shape "
                f"{output.shape}; predictions must be {'finite' if self.finite else 'numbers'}."
            )
        return output

    def _numbers(self, returned: Any, n_rows: int) -> NDArray[np.float64]:
        """One number, or several, per row: of labels their positions."""
        if np.ma.is_masked(returned):
            raise PredictionError(f"{self.name} returned masked values; every prediction must be a number.")
        if isinstance(returned, list) and returned and all(np.ndim(each) == 2 for each in returned):
            raise _WrongShapeError(
                f"{self.name} returned a list of {len(returned)} arrays, one for each target. Explain one target at a "
                "time, the first by passing lambda rows: model.predict_proba(rows)[0] as the model."
            )
        output = plain_array(returned)
        if output.ndim == 0 and n_rows == 1:
            output = output.reshape(1, 1)
        if output.ndim not in (1, 2) or len(output) != n_rows:
            raise _WrongShapeError(
                f"{self.name} returned shape {output.shape} for {n_rows} rows; expected ({n_rows},) or "
                f"({n_rows}, n_outputs): one prediction per row."
            )
        if self.labels is None and self.text_labels is not None and output.dtype.kind in "OUS":
            self.labels = self.text_labels
        if self.labels is not None:
            output = _positions(output, self.labels, self.name)
        return _as_float64(output, returned, self.name)


@dataclass(frozen=True)
class PredictingModel:
    """A model and what it can be asked.

    Attributes
    ----------
    owner : object or None
        The fitted model; None for a plain function.
    responses : dict of str to PredictFunction
        By method: ``"predict"``, ``"predict_proba"``, ``"decision_function"``; ``"callable"`` for a plain function.
    is_classifier : bool
    classes : array or None
        Labels that the model was fitted on, in the order of its outputs.
    tree_model : TreeModel or None
        The model as loaded already, where the user passed one.
    """

    owner: Any
    responses: dict[str, PredictFunction]
    is_classifier: bool
    classes: NDArray[Any] | None = None
    tree_model: Any = None


def predicting_model(model: Any, possible_labels: NDArray[Any] | None = None) -> PredictingModel:
    """What the user passed as model, by its methods.

    Parameters
    ----------
    model : object
        A fitted model, one of its bound methods, a bare booster, a TreeModel, or a function of rows.
    possible_labels : array, optional
        Sorted labels that a plain function may return as text.

    Raises
    ------
    TypeError
        Neither a callable nor an object with ``predict``.
    """
    from fastexplain.models.trees.base import TreeModel
    from fastexplain.models.trees.registry import is_bare

    tree_model = model if isinstance(model, TreeModel) else None
    owner = model if tree_model is None else tree_model.model
    if is_bare(owner):
        return _from_booster(owner, tree_model)
    if hasattr(owner, "predict"):
        return _from_estimator(owner, RESPONSES, tree_model)
    if not callable(owner):
        raise TypeError(
            f"model must be a fitted model with predict, or a function of rows; got {type(model).__name__}."
        )
    bound_to, name = getattr(owner, "__self__", None), str(getattr(owner, "__name__", type(owner).__name__))
    if bound_to is not None and name in RESPONSES and hasattr(bound_to, "predict"):
        return _from_estimator(bound_to, (name,), None)
    function = PredictFunction.named(owner, name, text_labels=possible_labels, finite=False)
    return PredictingModel(None, {"callable": function}, is_classifier=False)


def _from_estimator(owner: Any, names: tuple[str, ...], tree_model: Any) -> PredictingModel:
    found = fitted_labels(owner)
    responses = {}
    for name in names:
        method = getattr(owner, name, None)
        if callable(method):
            labels = found if name == "predict" else None
            label = f"{type(owner).__name__}.{name}"
            responses[name] = PredictFunction.named(
                method, label, owner=owner, method=name, labels=labels, finite=False
            )
    return PredictingModel(owner, responses, found is not None, found, tree_model)


def _from_booster(owner: Any, tree_model: Any) -> PredictingModel:
    """Boosters predict probabilities, margins or values by their objective, from one method."""
    from fastexplain.models import load_model
    from fastexplain.models.trees.registry import rows_for_library

    loaded = tree_model or load_model(owner)

    def function(X: Any) -> Any:
        return owner.predict(loaded.rows_to_predict(rows_for_library(owner, X)))

    name = "predict_proba" if loaded.task == "classification" else "predict"
    response = PredictFunction.named(function, f"{type(owner).__name__}.predict", finite=False)
    classes = None if loaded.classes is None else np.asarray(loaded.classes)
    return PredictingModel(owner, {name: response}, loaded.task == "classification", classes, loaded)


def _resolve(target: Any) -> tuple[Callable[[Any], Any], Any, str | None]:
    """The function to call, the model that owns it, and the name of its method."""
    owner = getattr(target, "__self__", None)
    if callable(target) and owner is not None and not isinstance(owner, type) and not _is_module(owner):
        return target, owner, target.__name__
    if is_torch(target):
        return partial(network_forward, target), target, "forward"
    if isinstance(target, type):
        raise TypeError(f"{target.__qualname__} is a class; pass a fitted model of it, or a function of rows.")
    if is_njit(target):
        return partial(njit_predict, target), target, None
    if callable(target) and not hasattr(target, "fit"):
        return target, None, None  # a function, whatever else it carries
    if hasattr(target, "predict_proba"):
        return target.predict_proba, target, "predict_proba"
    kind = estimator_kind(target)
    if kind in ("classifier", "outlier_detector") and hasattr(target, "decision_function"):
        return target.decision_function, target, "decision_function"
    if kind in ("classifier", "clusterer"):
        raise TypeError(without_scale(target, kind))
    if hasattr(target, "predict"):
        return target.predict, target, "predict"
    raise TypeError(
        f"{type(target).__module__}.{type(target).__qualname__} has neither predict nor predict_proba and is not "
        "callable; pass a fitted model, or a function that takes rows and returns predictions."
    )


def without_scale(model: Any, kind: str) -> str:
    """What to say of a classifier or clusterer that predicts labels alone: that it has no scale, and what has one."""
    name = type(model).__qualname__
    if kind == "classifier":
        return (
            f"{name} has neither predict_proba nor decision_function: class labels alone have no scale. Explain a "
            "function of your choice, e.g. lambda rows: model.predict(rows) == label."
        )
    if hasattr(model, "transform"):
        instead = "the distances to its centres, lambda rows: model.transform(rows)"
    elif hasattr(model, "predict"):
        instead = "which rows belong to one cluster, lambda rows: model.predict(rows) == label"
    else:
        instead = "a classifier of them, trained on model.labels_"
    return f"{name} numbers clusters, and the numbers have no scale. Explain a function that has one, e.g. {instead}."


def estimator_kind(model: Any) -> str | None:
    """What a scikit-learn estimator, or one that follows its conventions, says of itself; None if it says nothing.

    A pipeline, or a search, is what its last step is.
    """
    if all(f"{cls.__module__}.{cls.__qualname__}" != "sklearn.base.BaseEstimator" for cls in type(model).__mro__):
        return getattr(model, "_estimator_type", None)
    import sklearn.base

    for kind in ("classifier", "regressor", "outlier_detector", "clusterer"):
        check = getattr(sklearn.base, f"is_{kind}", None)  # is_clusterer is younger than the others
        if check is not None and check(model):
            return kind
    return "clusterer" if isinstance(model, sklearn.base.ClusterMixin) else None


def fitted_labels(model: Any) -> NDArray[Any] | None:
    """Labels that a classifier was fitted on, in the order of its outputs; None without any, or of several targets."""
    known = getattr(model, "classes_", None)
    several = isinstance(known, list) and any(np.ndim(label) for label in known)  # one array per target
    return None if known is None or several else np.asarray(known)


def _name_of(function: Any) -> str:
    return getattr(function, "__qualname__", None) or getattr(function, "__name__", None) or type(function).__qualname__


def _is_module(owner: Any) -> bool:
    """Built-in functions have their module as __self__."""
    return type(owner).__name__ == "module"


def _as_float64(output: NDArray[Any], returned: Any, name: str) -> NDArray[np.float64]:
    try:
        if output.dtype.kind in "USmMc" or (output.dtype.kind == "O" and any(isinstance(v, str) for v in output.flat)):
            raise TypeError(f"dtype {output.dtype}")
        # a copy, for the function may fill one buffer in every call; of one layout, for sums go by it
        return np.array(output, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise PredictionError(
            f"{name} returned a {type(returned).__qualname__} that does not hold numbers ({error}). Pass a function "
            "that returns scores or probabilities, such as model.predict_proba, in place of one that returns labels."
        ) from error


def _positions(output: NDArray[Any], labels: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Where each predicted label stands among the sorted ones."""
    at = np.minimum(np.searchsorted(labels, output), len(labels) - 1)
    unknown = labels[at] != output
    if unknown.any():
        raise PredictionError(
            f"{name} returned the label {output[unknown].ravel()[0]!r}, which is not among {labels.tolist()}."
        )
    return np.asarray(at)


def _shape(rows: Any) -> tuple[int, ...]:
    return tuple(rows.shape) if hasattr(rows, "shape") else (len(rows),)


def _kind(rows: Any) -> str:
    return f"{type(rows).__module__.partition('.')[0]} {type(rows).__name__}"


def check_repeatable(predict: PredictFunction, rows: Any, answers: NDArray[np.float64], what: str) -> None:
    """Ask for the first few rows of `answers` once more: numbers made of answers that change mean nothing.

    Parameters
    ----------
    predict : PredictFunction
    rows : array, table or sparse matrix
        At most `ASKED_TWICE` of them.
    answers : float64 array of shape (n_rows, n_outputs)
        What `predict` returned for these rows, and others after them.
    what : str
        What a row is called in the message.
    """
    n_again = int(rows.shape[0])
    again = predict(rows, n_again, answers.shape[1])
    off = np.abs(again - answers[:n_again])
    worst = np.unravel_index(int(off.argmax()), off.shape)
    if off[worst] > _REPEATABLE * np.abs(answers).max():
        raise PredictionError(
            f"{predict.name} answers differently when it is asked again: {float(answers[worst])!r}, then "
            f"{float(again[worst])!r} for {what} {worst[0]}, output {worst[1]}. What it returns for a row must "
            "not depend on chance or on the rows beside it: fix its seed, or put a network in evaluation mode "
            "(model.eval())."
        )
