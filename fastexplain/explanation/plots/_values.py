"""Numbers of pictures: the values of one output, dense or sparse, and the columns of the explained rows."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.explanation.explanation import Explanation, wanted_for_rows
from fastexplain.explanation.numbers.aggregation import mean_abs, sparse_mean_abs
from fastexplain.rows.arrays import plain_array
from fastexplain.rows.kinds import is_pandas, is_sparse
from fastexplain.rows.tables import column_of

__all__ = [
    "Columns",
    "Values",
    "as_numbers",
    "base_value",
    "columns",
    "finite",
    "has_rows",
    "is_missing",
    "n_outputs",
    "output_importances",
    "row_outputs",
]


class Values:
    """Local values of one output; sparse ones become dense only where they are looked at.

    Parameters
    ----------
    explanation : Explanation
    column : int
        The output.
    sign : float
        What to multiply with.

    Raises
    ------
    ValueError
        The explanation has no local values, or no rows.
    """

    def __init__(self, explanation: Explanation, column: int = 0, sign: float = 1.0) -> None:
        if not has_rows(explanation):
            raise ValueError(
                f"This picture needs local values, and this {type(explanation).__name__} has none: "
                f"{wanted_for_rows(explanation)}"
            )
        values: Any = explanation.values  # type: ignore[attr-defined]
        self._matrix = values[column] if isinstance(values, list) else values[:, :, column]
        self._sign = sign
        self.n_rows, self.n_features = self._matrix.shape
        if not self.n_rows:
            raise ValueError("The explanation has no rows to draw.")

    def row(self, row: int) -> NDArray[np.float64]:
        """Values of one row: (n_features,)."""
        return finite(self.take(np.array([row]))[0])

    def take(self, rows: NDArray[np.intp], features: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Values of some rows, and of some features or all: (n_rows, n_features)."""
        if is_sparse(self._matrix):
            part = self._matrix[rows]
            dense = (part if features is None else part[:, features]).toarray()
        else:
            dense = self._matrix[rows] if features is None else self._matrix[rows[:, None], features]
        signed: NDArray[np.float64] = self._sign * np.asarray(dense, dtype=np.float64)
        return signed

    def totals(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Sum of all values of some rows: (n_rows,)."""
        sums: NDArray[np.float64] = np.asarray(self._matrix[rows].sum(axis=1), dtype=np.float64).ravel()
        return self._sign * sums

    def importances(self, rows: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Mean |value| of each feature over some rows, or all."""
        matrix = self._matrix if rows is None else self._matrix[rows]
        means: NDArray[np.float64] = _mean_abs([matrix])[0]
        return means


def finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values themselves; ValueError where some are NaN or infinite, which have no place in the picture."""
    if not np.isfinite(values).all():
        features = np.unique(np.nonzero(~np.isfinite(values))[-1]).tolist()
        raise ValueError(f"Values of the features at {features} are NaN or infinite: this picture cannot show them.")
    return values


def _mean_abs(matrices: Any) -> NDArray[np.float64]:
    """Mean |value| over rows for a list of matrices, or for an array of outputs last."""
    if not isinstance(matrices, list):
        return mean_abs(matrices)
    if is_sparse(matrices[0]):
        return sparse_mean_abs(matrices)
    return np.concatenate([mean_abs(matrix[:, :, None]) for matrix in matrices])


def has_rows(explanation: Explanation) -> bool:
    """Whether there are local values, be it of no rows."""
    return hasattr(explanation, "values")


def n_outputs(explanation: Explanation) -> int:
    """Outputs that have numbers of their own."""
    if has_rows(explanation):
        values: Any = explanation.values  # type: ignore[attr-defined]
        return len(values) if isinstance(values, list) else values.shape[2]
    importances: NDArray[np.float64] = explanation._importances  # type: ignore[attr-defined]
    return len(importances) if importances.ndim == 2 else 1


def output_importances(explanation: Explanation, *, whole: bool = False) -> NDArray[np.float64]:
    """Importances of each output: (n_outputs, n_features).

    Parameters
    ----------
    explanation : Explanation
    whole : bool
        Return importances of the model as a whole, which are one-dimensional, where the explanation has such.

    Raises
    ------
    ValueError
        There are neither importances nor rows.
    """
    known: NDArray[np.float64] | None = getattr(explanation, "_importances", None)
    if known is not None and (known.ndim == 2 or whole):
        return known
    Values(explanation)  # raises where there is nothing to average
    return _mean_abs(explanation.values)  # type: ignore[attr-defined]


def row_outputs(explanation: Explanation, row: int) -> NDArray[np.float64]:
    """What the values of one row and the base values add up to: (n_outputs,)."""
    sums = np.array([Values(explanation, i).row(row).sum() for i in range(n_outputs(explanation))])
    base = explanation._base_values
    return sums if base is None else sums + base


def base_value(explanation: Explanation, column: int, sign: float) -> float | None:
    """Where the values of an output start from; None where the method has no base values."""
    base = explanation._base_values
    return None if base is None else sign * float(base[column])


class Columns:
    """Columns of the explained rows, by the position of the explained feature.

    Parameters
    ----------
    rows : array or table
        2-D.
    positions : sequence of int
        Column of each explained feature.
    """

    def __init__(self, rows: Any, positions: Sequence[int]) -> None:
        self._rows = rows
        self._positions = positions

    def __call__(self, feature: int) -> NDArray[Any]:
        """Value of every row."""
        column = column_of(self._rows, self._positions[feature])
        return plain_array(column.to_pylist() if hasattr(column, "to_pylist") else column).ravel()

    def numbers(self, feature: int, rows: NDArray[np.intp]) -> NDArray[np.float64] | None:
        """Some rows' values as numbers, NaN where missing; None for categories."""
        return None if self.categories(feature) is not None else as_numbers(self(feature)[rows])

    def categories(self, feature: int) -> list[Any] | None:
        """Categories of a pandas column, in its own order; None for all other columns."""
        if not is_pandas(self._rows):
            return None
        dtype = self._rows.iloc[:, self._positions[feature]].dtype
        return list(dtype.categories) if hasattr(dtype, "categories") else None


def columns(explanation: Explanation, X: Any, n_rows: int) -> Columns | None:
    """The explained rows' columns; None where the rows are not known.

    Raises
    ------
    ValueError
        X was given and has other rows or columns than the explanation.
    """
    rows = explanation._eval_data if X is None else X
    if rows is None or isinstance(rows, str):  # a data set's id, in explanations from elsewhere
        return None
    if not hasattr(rows, "shape"):
        rows = np.array(rows, dtype=object)
    if len(rows.shape) == 1:
        rows = np.asarray(rows, dtype=object).reshape(1, -1)
    n_features, positions = explanation.num_features, explanation._feature_columns
    if rows.shape[1] == n_features:
        positions = range(n_features)
    elif positions is None or rows.shape[1] <= max(positions):
        positions = _positions_by_name(rows, explanation.features)
    if rows.shape[0] == n_rows and positions is not None:
        return Columns(rows, positions)
    if X is None:  # data kept of other rows, or from before a transformation: these rows' values are not known
        return None
    if rows.shape[0] != n_rows:
        raise ValueError(f"X has {rows.shape[0]} rows; the explanation has {n_rows}.")
    raise ValueError(f"X has {rows.shape[1]} columns; the explanation has {n_features} features.")


def _positions_by_name(rows: Any, features: list[Any]) -> list[int] | None:
    """Where a table has the features' columns, if it has all of them."""
    names = list(getattr(rows, "column_names", getattr(rows, "columns", [])))
    return [names.index(name) for name in features] if names and all(name in names for name in features) else None


def is_missing(x: Any) -> bool:
    """Whether a value stands for none."""
    if x is None or x is np.ma.masked or type(x).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(x, np.datetime64 | np.timedelta64):
        return bool(np.isnat(x))
    return isinstance(x, float | np.floating) and bool(np.isnan(x))


def as_numbers(column: NDArray[Any]) -> NDArray[np.float64] | None:
    """Values as float64, NaN where missing; None for categories. Dates become what they count in."""
    if column.dtype.kind in "fiub":
        return column.astype(np.float64)
    if column.dtype.kind in "mM":
        return np.where(np.isnat(column), np.nan, column.astype(np.int64).astype(np.float64))
    if column.dtype.kind != "O":
        return None
    values = [None if is_missing(x) else x for x in column.tolist()]
    if not all(x is None or isinstance(x, Number) for x in values):
        return None
    return np.array([np.nan if x is None else x for x in values], dtype=np.float64)
