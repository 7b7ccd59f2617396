"""To shap's own Explanation, for its plots, and back from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.explanation.interpret.data import explained_rows
from fastexplain.explanation.local_explanation import LocalExplanation
from fastexplain.rows.arrays import dense

__all__ = ["from_shap", "to_shap"]

# Base values of several rows that differ by no more than this share are one: the same sum in another order.
_BASE_TOLERANCE = 1e-9


def to_shap(explanation: LocalExplanation) -> Any:
    """What `LocalExplanation.to_shap` returns; see there."""
    shap = optional("shap", "shap", "Explanation.to_shap")
    if explanation.is_local_sparse:
        raise ValueError("shap's Explanation holds dense values, and these are sparse: call to_dense() first.")
    single = explanation._single_row

    def shaped(array: Any) -> Any:
        if array is None:
            return None
        array = array[..., 0] if explanation._n_outputs == 1 else array
        return array[0] if single else array

    lower, upper = (None, None) if explanation.standard_errors is None else explanation.intervals()
    base = explanation._base_values
    data, display = _data(explanation)
    names, outputs = explanation.features, _output_names(explanation)
    converted = shap.Explanation(
        shaped(explanation.values),
        base_values=None if base is None else shaped(np.tile(base, (explanation.num_examples, 1))),
        data=data[0] if single and data is not None else data,
        display_data=display[0] if single and display is not None else display,
        feature_names=None if names == list(range(len(names))) else [str(name) for name in names],
        output_names=None if isinstance(outputs, str) else outputs,
        error_std=shaped(explanation.standard_errors),
        lower_bounds=shaped(lower),
        upper_bounds=shaped(upper),
    )
    if isinstance(outputs, str):  # shap's constructor takes one name of one row for a name of each feature
        converted.output_names = outputs
    return converted


def _output_names(explanation: LocalExplanation) -> list[str] | str | None:
    """Labels of the outputs; of one margin the label of class 1, which it is of."""
    classes = None if explanation.model_task == "regression" else explanation.classes
    if classes is None:
        return None
    if explanation._n_outputs == 1:
        return str(classes[-1])
    return [str(label) for label in classes]


def _data(explanation: LocalExplanation) -> tuple[NDArray[np.float64] | None, NDArray[Any] | None]:
    """The explained rows as numbers, which shap colours by; and as they are, where some are no numbers."""
    given = explanation._eval_data
    if given is None or isinstance(given, str):
        return None, None
    rows = explained_rows(given)
    rows = np.atleast_2d(dense(rows))
    if explanation._feature_columns is not None:
        rows = rows[:, list(explanation._feature_columns)]
    if len(rows) != explanation.num_examples:
        return None, None
    if rows.dtype.kind in "fiub":
        return rows.astype(np.float64, copy=False), None
    numbers = np.empty(rows.shape)
    for j in range(rows.shape[1]):
        try:
            numbers[:, j] = rows[:, j].astype(np.float64)
        except (TypeError, ValueError):  # categories: their order in the alphabet
            numbers[:, j] = np.unique(rows[:, j].astype(str), return_inverse=True)[1]
    return numbers, rows


def from_shap(
    explanation: Any,
    *,
    classes: Sequence[Any] | None = None,
    model_task: str | None = None,
    **context: Any,
) -> LocalExplanation:
    """What `Explanation.from_shap` returns; see there."""
    if not hasattr(explanation, "values") or not hasattr(explanation, "base_values"):
        raise TypeError(
            f"from_shap takes a shap.Explanation; got {type(explanation).__name__}. "
            "ExplanationAdapter takes arrays of values."
        )
    given = np.asarray(explanation.values)
    if given.dtype.kind not in "fiub":
        raise TypeError(f"The explanation's values are {given.dtype}; expected numbers.")
    if given.ndim not in (1, 2, 3):
        raise ValueError(
            f"The explanation's values have shape {given.shape}; expected (n_rows, n_features) or (n_rows, n_features, "
            "n_outputs). Take one output of interaction values first."
        )
    values = given if given.dtype in (np.float64, np.float32) else given.astype(np.float64)
    base = explanation.base_values
    # one row has lost its axis: values (n_features,), or (n_features, n_outputs) with one base value per output
    single = given.ndim == 1 or (given.ndim == 2 and np.ndim(base) == 1 and _is_one_row(explanation, given))
    values = values[np.newaxis] if single else values
    values = values[:, :, np.newaxis] if values.ndim == 2 else values
    n_outputs = values.shape[2]
    if model_task is None:
        model_task = "classification" if classes is not None or n_outputs > 1 else "regression"
    if classes is None and model_task == "classification" and n_outputs > 1:
        classes = _listed(getattr(explanation, "output_names", None), n_outputs)
    context.setdefault("features", _listed(explanation.feature_names, values.shape[1]))
    context.setdefault("method", "shap")
    shown = getattr(explanation, "display_data", None)
    data = explanation.data if shown is None else shown
    if data is not None:
        context.setdefault("eval_data", np.atleast_2d(np.asarray(data)))
    errors = getattr(explanation, "error_std", None)
    return LocalExplanation(
        values,
        _one_base(base, len(values), n_outputs),
        single_row=single,
        standard_errors=None if errors is None else np.asarray(errors, dtype=np.float64).reshape(values.shape),
        classes=classes,
        model_task=model_task,
        **context,
    )


def _is_one_row(explanation: Any, values: NDArray[Any]) -> bool:
    """Whether 2-D values are features x outputs of one row, and not rows x features."""
    return explanation.data is not None and np.ndim(explanation.data) == 1 and len(explanation.data) == len(values)


def _listed(names: Any, expected: int) -> list[Any] | None:
    if names is None or isinstance(names, str):
        return None
    names = list(names)
    return names if len(names) == expected else None


def _one_base(base: Any, n_rows: int, n_outputs: int) -> NDArray[np.float64] | None:
    """One base value per output, of base values that may be given for each row.

    Raises
    ------
    ValueError
        They differ from row to row.
    """
    if base is None:
        return None
    array = np.asarray(base, dtype=np.float64)
    if array.size == n_outputs:
        return array.reshape(n_outputs)
    array = array.reshape(n_rows, -1)
    if array.shape[1] != n_outputs or not n_rows:
        raise ValueError(f"base_values has shape {np.shape(base)}; the values have {n_rows} rows, {n_outputs} outputs.")
    if not np.allclose(array, array[0], rtol=_BASE_TOLERANCE, atol=0):
        raise ValueError(
            f"base_values differ from row to row (from {array.min()} to {array.max()}); an explanation here has one "
            "per output. Convert rows of the same base value together."
        )
    first: NDArray[np.float64] = array[0].copy()
    return first
