"""Predictions of the explained rows that are made when they are asked for, if they still belong to the values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import PredictionError
from fastexplain.explanation.explanation import Predictions
from fastexplain.rows.tables import slice_rows

__all__ = ["LaterPredictions", "Outputs", "agree", "first_sums", "model_has_changed", "returned"]

# Rows whose values are compared with the model as it is: another fit changes the output of one of them.
CHECKED_ROWS = 256
# Largest difference between a row's output and its base value plus values, as a share of the largest of these: models
# and kernels of float32 round at 1e-7 and add thousands of terms. A model that was fitted again is off by far more.
ADDED_RTOL = 1e-4
# Values of so many features are kept as they are, of more only the rows' sums.
_KEPT_FEATURES = 512

# rows as the model takes them, and its predictions of them -> outputs that values and base values add up to
Outputs = Callable[[Any, Predictions], NDArray[Any]]


class LaterPredictions:
    """The model's predictions of the explained rows, made on the first call.

    Making them with every explanation would take longer than the values: LightGBM predicts a row three times as
    slowly as Tree SHAP explains it. So they are made later, by the model as it is then, and compared with the values.

    Parameters
    ----------
    predict : callable
        Rows as the model takes them -> (predictions, class probabilities or None).
    rows : object
        Not to be changed by others, or `check_rows` raises.
    check_rows : callable or None
        As `fastexplain.rows.kept.kept_rows` returns it.
    outputs : callable or None
        What the values add up to; None where they add up to nothing that the model can be asked for.
    sums : tuple or None
        What `first_sums` returns.
    transform : callable, optional
        Rows -> rows as the model takes them. Default: they are that already.
    """

    __slots__ = ("_check_rows", "_outputs", "_predict", "_rows", "_sums", "_transform")

    def __init__(
        self,
        predict: Callable[[Any], Predictions],
        rows: Any,
        check_rows: Callable[[], None] | None,
        outputs: Outputs | None,
        sums: tuple[NDArray[Any], NDArray[np.float64]] | None,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self._predict, self._rows, self._check_rows = predict, rows, check_rows
        self._outputs, self._sums, self._transform = outputs, sums, transform

    def __call__(self) -> Predictions:
        """The predictions.

        Raises
        ------
        ValueError
            The rows are no longer those that were explained.
        PredictionError
            The model is no longer the one that was explained.
        """
        if self._check_rows is not None:
            self._check_rows()
        rows = self._rows if self._transform is None else self._transform(self._rows)
        predictions = self._predict(rows)
        if self._outputs is not None and self._sums is not None:
            self._check_model(self._outputs, self._sums, rows, predictions)
        return predictions

    def _check_model(
        self, outputs: Outputs, sums: tuple[NDArray[Any], Any], rows: Any, predictions: Predictions
    ) -> None:
        values, base_values = sums
        n_rows = len(values)
        if not n_rows:
            return
        first = tuple(None if data is None else data[:n_rows] for data in predictions)
        expected = values.sum(axis=1, dtype=np.float64) + base_values
        found = np.asarray(outputs(slice_rows(rows, 0, n_rows), first), dtype=np.float64)  # type: ignore[arg-type]
        if not agree(found.reshape(expected.shape), expected, np.abs(values).sum(axis=1)):
            raise model_has_changed()


def first_sums(
    values: NDArray[Any], base_values: NDArray[np.float64] | None
) -> tuple[NDArray[Any], NDArray[np.float64]] | None:
    """What the first rows' outputs are found of: values (n_checked, n_features or 1, n_outputs), and base values.

    Summed up here only where there are many values: of a single row, a sum takes longer than all else that explaining
    it does in Python. None without base values.
    """
    if base_values is None:
        return None
    if len(values) > CHECKED_ROWS:
        values = values[:CHECKED_ROWS]
        values = values.copy() if values.shape[1] <= _KEPT_FEATURES else values.sum(axis=1, keepdims=True)
    return values, base_values


def model_has_changed() -> PredictionError:
    """The error for a model whose predictions would contradict the values."""
    return PredictionError(
        "The model was refitted or changed since it was explained (or predicts the same rows differently each time), "
        "so that its predictions would contradict the values. Make a new explainer and explain the rows again; or read "
        "eval_y_predicted, or save the explanation, before the model is changed."
    )


def returned(predictions: Predictions) -> Predictions:
    """Predictions that are at hand, for where a callable is asked for."""
    return predictions


def agree(found: NDArray[np.float64], expected: NDArray[np.float64], *sizes: NDArray[Any]) -> bool:
    """Whether outputs are those expected, up to the rounding of the largest of all and of `sizes`."""
    scale = max(np.abs(array[np.isfinite(array)]).max(initial=0.0) for array in (found, expected, *sizes))
    return bool(np.isclose(found, expected, rtol=0.0, atol=ADDED_RTOL * scale, equal_nan=True).all())
