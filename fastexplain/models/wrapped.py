"""One interface for any model: ``predict`` returns labels or numbers, ``predict_proba`` one column per class.

The names and results of ml-wrappers, for tabular models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.models.networks.forward import is_torch, torch_forward
from fastexplain.models.task import plain_task
from fastexplain.rows.arrays import plain_array
from fastexplain.rows.kinds import is_sparse, is_table

__all__ = ["WrappedClassificationModel", "WrappedPytorchModel", "WrappedRegressionModel", "with_predict", "wrap_model"]

_KERAS = ("keras.", "tensorflow.python.keras.", "tf_keras.")


def wrap_model(
    model: Any, examples: Any, model_task: str = "unknown"
) -> WrappedClassificationModel | WrappedRegressionModel:
    """Give a model one interface, found out from its outputs of some rows.

    Parameters
    ----------
    model : object
        A fitted model with ``predict`` or ``predict_proba``, a torch module or a Keras model.
    examples : array-like or table of shape (n_rows, n_features)
        Rows that the model predicts on. The first is predicted; all are, where the only output of a classifier must
        be seen to be a probability.
    model_task : {"unknown", "classification", "regression"}, default "unknown"
        Unknown: classification if the model has ``predict_proba``, class labels (``classes_``) or several outputs.

    Returns
    -------
    WrappedClassificationModel or WrappedRegressionModel

    Raises
    ------
    TypeError
        The model has neither ``predict`` nor ``predict_proba``.
    ValueError
        There are no rows, the task cannot be told from a single output column, or outputs contradict the task.
    """
    wrapped: WrappedClassificationModel | WrappedRegressionModel
    wrapped, _ = _wrap_model(model, examples, model_task, is_function=False)
    return wrapped


def _wrap_model(model: Any, examples: Any, model_task: Any, is_function: bool) -> tuple[Any, str]:
    """A function (`is_function`) with outputs of a fixed shape, or a wrapped model; and its task.

    ml-wrappers' own name, and part of what interpret-community re-exports.
    """
    task = plain_task(model_task)
    rows = _rows_of(examples)
    if is_function:
        return _outputs(model, rows, task)
    model = _with_predict(model, task)
    # a regression may ask for predict although there are probabilities
    by_probabilities = hasattr(model, "predict_proba") and task != "regression"
    outputs, task = _outputs(model.predict_proba if by_probabilities else model.predict, rows, task)
    wrapper = WrappedClassificationModel if task == "classification" else WrappedRegressionModel
    return wrapper(model, outputs), task


def with_predict(model: Any, task: str, outputs: Callable[[Any], Any]) -> Any:
    """The model itself, or, of a torch module, which has no ``predict``, one that has.

    Parameters
    ----------
    model : object
    task : {"classification", "regression"}
    outputs : callable
        Rows -> predictions (n_rows,), or class probabilities (n_rows, n_classes).
    """
    if hasattr(model, "predict") or not any(
        f"{cls.__module__}.".startswith("torch.nn.") for cls in type(model).__mro__
    ):
        return model
    wrapper = WrappedClassificationModel if task == "classification" else WrappedRegressionModel
    return wrapper(WrappedPytorchModel(model), _Outputs(outputs))


class _WrappedModel:
    """A model and the function that gives its outputs; pickles as they do."""

    _model_task: str

    def __init__(self, model: Any, eval_function: Callable[[Any], Any], examples: Any = None) -> None:
        self._model = model
        self._eval_function = eval_function

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model!r})"


class WrappedClassificationModel(_WrappedModel):
    """A classifier with ``predict`` and ``predict_proba``.

    Parameters
    ----------
    model : object
        With ``predict``.
    eval_function : callable
        Rows -> class probabilities, (n_rows, n_classes).
    examples : optional
        Has no effect: nothing needs to be found out again after unpickling.
    """

    _model_task = "classification"

    def predict(self, dataset: Any) -> NDArray[Any]:
        """Predicted classes.

        Parameters
        ----------
        dataset : array-like or table of shape (n_rows, n_features), or one row of shape (n_features,)

        Returns
        -------
        array of shape (n_rows,)
            As the model labels them; their indices where it gives probabilities only.
        """
        if isinstance(self._model, _Network):
            return self._model.predict_classes(dataset).ravel()
        if not hasattr(self._model, "predict_proba"):
            indices: NDArray[Any] = self.predict_proba(dataset).argmax(axis=1)
            return indices
        return plain_array(self._model.predict(_two_dimensional(dataset))).ravel()

    def predict_proba(self, dataset: Any) -> NDArray[Any]:
        """Class probabilities.

        Parameters
        ----------
        dataset : array-like or table of shape (n_rows, n_features), or one row of shape (n_features,)

        Returns
        -------
        array of shape (n_rows, n_classes)
        """
        return plain_array(self._eval_function(dataset))


class WrappedRegressionModel(_WrappedModel):
    """A regressor with ``predict``.

    Parameters
    ----------
    model : object
        As it was wrapped.
    eval_function : callable
        Rows -> predictions, (n_rows,) or (n_rows, 1).
    examples : optional
        Has no effect: nothing needs to be found out again after unpickling.
    """

    _model_task = "regression"

    def predict(self, dataset: Any) -> NDArray[Any]:
        """Predicted numbers.

        Parameters
        ----------
        dataset : array-like or table of shape (n_rows, n_features), or one row of shape (n_features,)

        Returns
        -------
        array of shape (n_rows,)
        """
        return plain_array(self._eval_function(dataset)).ravel()


class _Network:
    """A network with a model's methods; its outputs are numbers of a regression, or class probabilities."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, dataset: Any) -> NDArray[Any]:
        """Return the network's outputs, (n_rows, n_outputs) or (n_rows,)."""
        return np.asarray(self._model.predict(_plain(_two_dimensional(dataset))))

    def predict_proba(self, dataset: Any) -> NDArray[Any]:
        """Return the network's outputs, as probabilities."""
        return self.predict(dataset)

    def predict_classes(self, dataset: Any) -> NDArray[Any]:
        """Index of the largest output of each row; of a single output, whether it is above 0.5."""
        outputs = self.predict(dataset)
        if outputs.ndim == 1 or outputs.shape[1] == 1:
            return np.where(outputs > 0.5, 1, 0)
        indices: NDArray[Any] = outputs.argmax(axis=1)
        return indices


class WrappedPytorchModel(_Network):
    """A torch module with ``predict``, ``predict_proba`` and ``predict_classes`` of arrays and data frames.

    Rows go to the device and take the precision of the module's weights; no gradients are kept.

    Parameters
    ----------
    model : torch.nn.Module
        Put in evaluation mode, for its dropout and batch normalisation.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        model.eval()

    def predict(self, dataset: Any) -> NDArray[Any]:
        """Outputs of the module.

        Parameters
        ----------
        dataset : array, tensor or table of shape (n_rows, n_features), or one row of shape (n_features,)

        Returns
        -------
        array of shape (n_rows, n_outputs) or (n_rows,)
        """
        rows = _plain(_two_dimensional(dataset))
        if not hasattr(rows, "detach"):
            rows = np.array(rows)  # a copy: tensors cannot share memory that is read-only, as data frames' may be
        return torch_forward(self._model, rows)


class _OneHot:
    """A classifier that has no probabilities: 1 for the predicted class, 0 for the others."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.classes_ = np.asarray(model.classes_)

    def predict(self, dataset: Any) -> Any:
        return self._model.predict(dataset)

    def predict_proba(self, dataset: Any) -> NDArray[np.float64]:
        chosen: NDArray[np.bool_] = plain_array(self.predict(dataset)).reshape(-1, 1) == self.classes_
        return chosen.astype(np.float64)


@dataclass(frozen=True)
class _Outputs:
    """A function whose outputs have one shape for one row and for many, and can be pickled as the function can.

    Attributes
    ----------
    function : callable
    shape : {"given", "flat", "column", "two_columns"}
        Of ``p``: as it is, (n_rows,), (n_rows, 1), or ``[1 - p, p]``.
    """

    function: Callable[[Any], Any]
    shape: str = "given"

    def __call__(self, rows: Any) -> NDArray[Any]:
        rows = _two_dimensional(rows)
        n_rows = len(rows) if isinstance(rows, list) else rows.shape[0]
        outputs = plain_array(self.function(rows))
        if outputs.ndim > 2 or (outputs.size % n_rows if n_rows else outputs.size):
            raise ValueError(f"The model returned shape {outputs.shape} for {n_rows} rows; expected one output a row.")
        if n_rows and outputs.shape[:1] != (n_rows,):  # some models drop the axis of a single row
            outputs = outputs.reshape(n_rows, -1)
        if self.shape == "flat":
            return outputs.ravel()
        if self.shape == "column":
            return outputs.reshape(-1, 1)
        if self.shape == "two_columns":
            return np.stack([1 - outputs.ravel(), outputs.ravel()], axis=1)
        return outputs


def _outputs(function: Callable[[Any], Any], rows: Any, task: str) -> tuple[_Outputs, str]:
    """The function with outputs of a fixed shape, and its task."""
    first = function(rows[:1])
    outputs = _Outputs(lambda _: first)(rows[:1])
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        if task == "regression":
            raise ValueError(
                f"Invalid shape for prediction: Regression function cannot output 2D array with multiple columns; got "
                f"{outputs.shape[1]} columns."
            )
        return _Outputs(function), "classification"
    if task == "classification":
        return _Outputs(function, _probability_shape(_Outputs(function, "flat")(rows))), task
    if task == "unknown" and outputs.ndim == 2 and not is_table(first):
        raise ValueError(
            "Please specify model_task to disambiguate model type since result of calling function is 2D array of one "
            "column: model_task='classification' or 'regression'."
        )
    return _Outputs(function, "flat"), "regression"


def _probability_shape(outputs: NDArray[Any]) -> str:
    """Shape for a classifier's only output: a column for each class, or one where there is one class only."""
    try:
        p = outputs.astype(np.float64)
    except ValueError as error:
        raise ValueError(f"Classification needs probabilities; the model returned {outputs.tolist()[0]!r}.") from error
    wrong = ~((p >= 0) & (p <= 1))
    if wrong.any():
        raise ValueError(f"Probability values outside of valid range: {float(p[wrong][0])!r}; expected 0 to 1.")
    return "two_columns" if (p < 1).any() else "column"


def _with_predict(model: Any, task: str) -> Any:
    """The model, or a stand-in that predicts as models do."""
    names = [f"{cls.__module__}." for cls in type(model).__mro__]
    if is_torch(model):
        return WrappedPytorchModel(model)
    if any(name.startswith(_KERAS) for name in names):
        return _Network(model)
    if not hasattr(model, "predict") and not hasattr(model, "predict_proba"):
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        raise TypeError(f"{kind} has neither predict nor predict_proba; expected a fitted model or a network.")
    if task != "regression" and hasattr(model, "classes_") and not hasattr(model, "predict_proba"):
        return _OneHot(model)
    return model


def _rows_of(examples: Any) -> Any:
    """Rows of a dataset or a wrapper of one, 2-D and at least one."""
    for holder in ("original_dataset_with_type", "group_names"):  # DatasetWrapper; shap's DenseData
        if hasattr(examples, holder):
            examples = examples.data if holder == "group_names" else examples.original_dataset_with_type
    rows = _two_dimensional(np.asarray(examples) if isinstance(examples, list | tuple) else examples)
    if not hasattr(rows, "shape") or len(rows.shape) != 2:
        raise TypeError(f"examples must hold rows: an array or a table; got {type(examples).__qualname__}.")
    if not rows.shape[0]:
        raise ValueError("examples has no rows; the model's output of at least one is needed.")
    return rows


def _two_dimensional(rows: Any) -> Any:
    """One row as a table of one row; all else as it is."""
    if getattr(rows, "ndim", 2) != 1:
        return rows
    return rows.to_frame().T.infer_objects() if hasattr(rows, "to_frame") else rows.reshape(1, -1)


def _plain(rows: Any) -> Any:
    """Rows of a data frame or sparse matrix as an array, for networks."""
    if is_sparse(rows):
        return rows.toarray()
    return rows.to_numpy() if hasattr(rows, "to_numpy") else rows
