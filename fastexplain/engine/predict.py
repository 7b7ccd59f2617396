"""The function that is explained: what a model or a callable predicts, checked on every call."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.njit import is_njit, njit_predict
from fastexplain.exceptions import PredictionError

__all__ = ["PredictFunction"]


class PredictFunction:
    """A model's prediction as a checked function: rows in, float64 array (n_rows, n_outputs) out.

    A fitted classifier is explained by its ``predict_proba``, any other model by its ``predict``, a callable as it is
    (``model.decision_function``, say). Immutable; safe from several threads if the model is.

    Parameters
    ----------
    model_or_predict : object
        A fitted model with ``predict_proba`` or ``predict``, a torch module, or a callable of rows.

    Attributes
    ----------
    owner : object or None
        The model behind the function, also where a bound method was given; None for plain functions.
    method : str or None
        Name of the owner's method, e.g. ``"predict_proba"``.
    name : str
        As messages give it, e.g. ``"SVC.predict_proba"``.

    Raises
    ------
    TypeError
        The object neither predicts nor can be called, or is a classifier without probabilities.
    """

    def __init__(self, model_or_predict: Any) -> None:
        self.function, self.owner, self.method = _resolve(model_or_predict)
        if self.owner is not None and self.method is not None:
            self.name = f"{type(self.owner).__qualname__}.{self.method}"
        else:
            self.name = _name_of(self.function if self.owner is None else self.owner)

    def around(self, function: Callable[[Any], Any]) -> PredictFunction:
        """Another function under the same name: what is left of this one when transformations are peeled off."""
        other = copy.copy(self)
        other.function = function
        return other

    def __call__(self, rows: Any, n_rows: int, n_outputs: int | None = None) -> NDArray[np.float64]:
        """Predict rows.

        Parameters
        ----------
        rows : array or table of shape (n_rows, n_features)
        n_rows : int
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
        try:
            returned = self.function(rows)
        except Exception as error:
            raise PredictionError(
                f"{self.name} raised {type(error).__name__} on rows of shape {_shape(rows)} ({_kind(rows)}): {error}"
            ) from error
        output = _as_array(returned, self.name)
        if output.ndim == 0 and n_rows == 1:
            output = output.reshape(1, 1)
        if output.ndim not in (1, 2) or len(output) != n_rows:
            raise PredictionError(
                f"{self.name} returned shape {output.shape} for {n_rows} rows; expected ({n_rows},) or "
                f"({n_rows}, n_outputs): one prediction per row."
            )
        if output.ndim == 2 and not output.shape[1]:
            raise PredictionError(f"{self.name} returned shape {output.shape}: no outputs to explain.")
        output = output[:, None] if output.ndim == 1 else output
        if n_outputs is not None and output.shape[1] != n_outputs:
            raise PredictionError(
                f"{self.name} returned {output.shape[1]} columns for {n_rows} rows after {n_outputs} columns in an "
                "earlier call; the number of outputs must not change."
            )
        if not np.isfinite(output).all():
            row, column = (int(i) for i in np.argwhere(~np.isfinite(output))[0])
            raise PredictionError(
                f"{self.name} returned {float(output[row, column])!r} in row {row}, output {column} of shape "
                f"{output.shape}; predictions must be finite."
            )
        return output


def _resolve(target: Any) -> tuple[Callable[[Any], Any], Any, str | None]:
    """The function to call, the model that owns it, and the name of its method."""
    owner = getattr(target, "__self__", None)
    if callable(target) and owner is not None and not isinstance(owner, type) and not _is_module(owner):
        return target, owner, target.__name__
    if any(cls.__module__.startswith("torch.nn.") for cls in type(target).__mro__):
        return _torch_function(target), target, "forward"
    if isinstance(target, type):
        raise TypeError(f"{target.__qualname__} is a class; pass a fitted model of it, or a function of rows.")
    if is_njit(target):
        return partial(njit_predict, target), target, None
    if callable(target) and not hasattr(target, "fit"):
        return target, None, None  # a function, whatever else it carries
    if hasattr(target, "predict_proba"):
        return target.predict_proba, target, "predict_proba"
    if getattr(target, "_estimator_type", None) == "classifier" or _is_sklearn_classifier(target):
        others = [name for name in ("decision_function", "predict") if hasattr(target, name)]
        raise TypeError(
            f"{type(target).__qualname__} is a classifier without predict_proba, so what to explain must be said: "
            f"pass {' or '.join(f'model.{name}' for name in others) or 'a function of rows'}."
        )
    if hasattr(target, "predict"):
        return target.predict, target, "predict"
    raise TypeError(
        f"{type(target).__module__}.{type(target).__qualname__} has neither predict nor predict_proba and is not "
        "callable; pass a fitted model, or a function that takes rows and returns predictions."
    )


def _name_of(function: Any) -> str:
    return getattr(function, "__qualname__", None) or getattr(function, "__name__", None) or type(function).__qualname__


def _is_module(owner: Any) -> bool:
    """Built-in functions have their module as __self__."""
    return type(owner).__name__ == "module"


def _is_sklearn_classifier(model: Any) -> bool:
    return any(cls.__module__ == "sklearn.base" and cls.__name__ == "ClassifierMixin" for cls in type(model).__mro__)


def _torch_function(module: Any) -> Callable[[Any], Any]:
    """A torch module as a function of float arrays; evaluated without gradients, in the module's own precision."""

    def forward(rows: Any) -> Any:
        import torch

        first = next(module.parameters(), torch.zeros(0))
        with torch.no_grad():
            tensor = torch.as_tensor(np.asarray(rows), dtype=first.dtype, device=first.device)
            return module(tensor).detach().cpu().numpy()

    return forward


def _as_array(returned: Any, name: str) -> NDArray[np.float64]:
    if hasattr(returned, "detach"):  # a torch tensor
        returned = returned.detach().cpu()
    if hasattr(returned, "toarray"):
        returned = returned.toarray()
    if np.ma.is_masked(returned):
        raise PredictionError(f"{name} returned masked values; every prediction must be a number.")
    try:
        output = np.asarray(returned)
        if output.dtype.kind in "USmMc" or (output.dtype.kind == "O" and any(isinstance(v, str) for v in output.flat)):
            raise TypeError(f"dtype {output.dtype}")
        return np.array(output, dtype=np.float64)  # a copy: the function may fill one buffer in every call
    except (TypeError, ValueError) as error:
        raise PredictionError(
            f"{name} returned a {type(returned).__qualname__} that does not hold numbers ({error}). Pass a function "
            "that returns scores or probabilities, such as model.predict_proba, in place of one that returns labels."
        ) from error


def _shape(rows: Any) -> Any:
    return tuple(rows.shape) if hasattr(rows, "shape") else len(rows)


def _kind(rows: Any) -> str:
    return f"{type(rows).__module__.partition('.')[0]} {type(rows).__name__}"
