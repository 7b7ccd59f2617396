"""Local values of any surrogate in one shape, whatever class it is of, and their means over rows."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.explainers.mimic.surrogates._base import (
    BaseExplainableModel,
    Surrogate,
    SurrogateValues,
    scaled_surrogate,
)
from fastexplain.explainers.mimic.surrogates._trees import TreeSurrogate
from fastexplain.explainers.options import ShapValuesOutput
from fastexplain.explanation.numbers.aggregation import MeanAbs
from fastexplain.explanation.numbers.feature_maps import map_values
from fastexplain.rows.kinds import is_sparse

__all__ = [
    "SurrogateMeans",
    "both_classes",
    "filled",
    "of_raw_features",
    "raw_importances",
    "surrogate_values",
    "takes_output",
]

Float = NDArray[np.float64]


def takes_output(explainable_model: type[BaseExplainableModel]) -> bool:
    """Whether a surrogate's class takes ``shap_values_output``, and so scales its values itself."""
    if issubclass(explainable_model, TreeSurrogate):
        return True
    return "shap_values_output" in inspect.signature(explainable_model).parameters


def surrogate_values(
    surrogate: BaseExplainableModel, matrix: Any, probabilities: Float | None, output: str, classification: bool
) -> SurrogateValues:
    """Local values of rows, one output per class or a single one.

    Parameters
    ----------
    matrix : array or csr of shape (n_rows, n_inputs)
    probabilities : array of shape (n_rows,) or (n_rows, n_classes), optional
        The teacher's, with ``output="teacher_probability"``.
    output : {"default", "probability", "teacher_probability"}
    classification : bool

    Returns
    -------
    SurrogateValues
        A single output stands for class 1 of two classes, or for a regression.
    """
    if isinstance(surrogate, Surrogate):
        values = surrogate.attribute(matrix, probabilities)
    else:
        extra = {} if probabilities is None else {"probabilities": probabilities}
        values = _from_lists(surrogate.explain_local(matrix, **extra), surrogate, matrix.shape[0])
    if output == ShapValuesOutput.DEFAULT or takes_output(type(surrogate)):
        return values
    return scaled_surrogate(surrogate, values, matrix, probabilities, output, classification)


def both_classes(values: SurrogateValues) -> SurrogateValues:
    """Of the probability of class 1, those of both classes."""
    base = np.concatenate([1.0 - values.base_values, values.base_values])
    if isinstance(values.values, list):
        return SurrogateValues([-values.values[0], values.values[0]], base)
    return SurrogateValues(np.concatenate([-values.values, values.values], axis=2), base)


def of_raw_features(values: SurrogateValues, feature_map: Any) -> SurrogateValues:
    """Of engineered columns, those of the raw features; sparse values stay sparse."""
    if isinstance(values.values, list):
        return SurrogateValues([(each @ feature_map.T).tocsr() for each in values.values], values.base_values)
    mapped = np.asarray(map_values(values.values, feature_map), dtype=np.float64)
    return SurrogateValues(mapped, values.base_values)


def raw_importances(importances: Float, feature_map: Any) -> Float:
    """A surrogate's own importances of engineered columns, added up to those of the raw features.

    Where a feature has several columns, their sizes are: coefficients of opposite signs, as a category's columns have
    them, would cancel out.
    """
    of_several = (feature_map > 0).astype(np.float64).T @ (feature_map.getnnz(axis=1) > 1)
    return np.asarray(feature_map @ np.where(of_several > 0, np.abs(importances), importances))


def filled(values: SurrogateValues) -> SurrogateValues:
    """Dense values of sparse ones, if more than a third of the cells are filled."""
    if not isinstance(values.values, list):
        return values
    n_cells = sum(each.shape[0] * each.shape[1] for each in values.values)
    if sum(each.nnz for each in values.values) <= n_cells / 3:
        return values
    return SurrogateValues(np.stack([each.toarray() for each in values.values], axis=2), values.base_values)


class SurrogateMeans:
    """Running mean of |values| over rows, dense or sparse."""

    def __init__(self, n_features: int, n_outputs: int) -> None:
        self._dense = MeanAbs(n_features, n_outputs)
        self._sums = np.zeros((n_outputs, n_features))
        self._n_sparse = 0

    def add(self, values: Float | list[Any]) -> None:
        """Add rows: (n_rows, n_features, n_outputs), or a list of csr."""
        if not isinstance(values, list):
            self._dense.add(values)
            return
        self._n_sparse += values[0].shape[0]
        for k, each in enumerate(values):
            self._sums[k] += np.asarray(abs(each).sum(axis=0)).ravel()

    def result(self) -> Float:
        """Mean of |values|, (n_outputs, n_features)."""
        return self._sums / self._n_sparse if self._n_sparse else self._dense.result()


def _from_lists(local: Any, surrogate: BaseExplainableModel, n_rows: int) -> SurrogateValues:
    """What a user's surrogate returns: an array or csr, a list of them per class, or a 3-D array, classes first."""
    if is_sparse(local):
        values: Float | list[Any] = [local.tocsr()]
    elif isinstance(local, list) and local and is_sparse(local[0]):
        values = [each.tocsr() for each in local]
    else:
        array = np.asarray(local, dtype=np.float64)
        values = array[:, :, None] if array.ndim == 2 else np.moveaxis(array, 0, 2)
    n_outputs = len(values) if isinstance(values, list) else values.shape[2]
    base = np.ravel(np.asarray(surrogate.expected_values, dtype=np.float64))
    if n_outputs == 1 and len(base) == 2:  # [-e, e] of two classes
        base = base[1:]
    shape = values[0].shape if isinstance(values, list) else values.shape
    if shape[0] != n_rows or len(base) != n_outputs:
        raise ValueError(
            f"explain_local of {type(surrogate).__name__} returned values of {shape[0]} rows and {n_outputs} outputs, "
            f"with {len(base)} expected values; expected {n_rows} rows and one expected value per output."
        )
    return SurrogateValues(values, base)
