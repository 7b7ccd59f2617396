"""How rows become the numbers that a model computes with, as data: what its library does, without the library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.rows.kinds import is_sparse
from fastexplain.rows.matrix import as_matrix, encode_categories, objects_to_float, refuse_non_finite

__all__ = ["UNKNOWN", "RowEncoding"]

# What becomes of a category that the model has not seen.
UNKNOWN = ("missing", "error")


@dataclass(frozen=True)
class RowEncoding:
    """Rows -> float matrix of a model's own numbers, by rules that are data.

    Parameters
    ----------
    library : str
        As messages give it.
    n_features : int
    names : tuple of str or None
        Columns that the model was fitted on; None if it saw no names.
    categories : mapping of int to sequence
        Column -> the labels that the model knows, in the order of their codes. Such columns of tables hold labels; of
        arrays, codes.
    unknown : {"missing", "error"}
        What becomes of labels that it does not know.
    labels_in_arrays : bool
        Columns of arrays hold labels as well (scikit-learn).
    integers_as_float32 : bool
        Arrays of integers are rounded to float32, as LightGBM does.
    checked_categories : tuple of int
        Columns of categories where fractions below 0 and numbers from `largest_category` on are no categories, and
        become -1 (XGBoost).
    largest_category : int
    unstored : float
        What the cells of a sparse row that are not stored hold: 0, or NaN.
    allow_nan, allow_inf : bool
        Whether the library takes such numbers.
    float32 : bool
        It rounds them to float32, so that those beyond its range are infinite too.
    missing_value : float
        A number that means missing besides NaN; NaN for none.
    """

    library: str
    n_features: int
    names: tuple[str, ...] | None = None
    categories: Mapping[int, Sequence[Any]] = field(default_factory=dict)
    unknown: str = "missing"
    labels_in_arrays: bool = False
    integers_as_float32: bool = False
    checked_categories: tuple[int, ...] = ()
    largest_category: int = 0
    unstored: float = 0.0
    allow_nan: bool = True
    allow_inf: bool = True
    float32: bool = False
    missing_value: float = float("nan")

    def matrix(self, X: Any) -> NDArray[np.floating]:
        """Rows as the model's numbers.

        Parameters
        ----------
        X : array, list of rows, or table of shape (n_rows, n_features)

        Raises
        ------
        ValueError
            Width, names or values do not fit; the message says which.
        """
        labelled = self.labels_in_arrays or hasattr(X, "columns")
        categories = dict(self.categories) if labelled and self.categories else None
        if categories is not None and self.unknown == "error":
            self._refuse_unknown(X, categories)
        rows = as_matrix(
            X, self.n_features, self.names, self.library, categories=categories, labels_are_numbers=not categories
        )
        if self.integers_as_float32 and _is_integral(X):
            with np.errstate(over="ignore"):
                rows = rows.astype(np.float32)
        return self.finished(rows)

    def dense(self, X: Any) -> Any:
        """Sparse rows as an array; anything else as it is."""
        if not is_sparse(X):
            return X
        stored = X.tocoo()
        rows = np.full(X.shape, self.unstored)
        rows[stored.row, stored.col] = stored.data
        return rows

    def columns(self, columns: Sequence[Any]) -> NDArray[np.floating]:
        """Rows given as columns, one sequence each, as a table's: columns of categories hold labels."""
        rows = np.empty((len(columns[0]) if columns else 0, len(columns)), order="F")
        for i, column in enumerate(columns):
            labels = self.categories.get(i)
            rows[:, i] = self._numbers(column, i) if labels is None else self._codes(column, i, labels)
        return self.finished(rows)

    def finished(self, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        """The last checks of a matrix whose labels are codes already; a copy where it changes."""
        refuse_non_finite(
            rows,
            allow_nan=self.allow_nan,
            allow_inf=self.allow_inf,
            names=self.names,
            float32=self.float32,
        )
        own = False
        for i in self.checked_categories:
            x = rows[:, i].astype(np.float32)
            invalid = (((x < 0) & (x > -1)) | (x >= self.largest_category)) & (x != self.missing_value)
            if invalid.any():
                rows = rows if own else rows.copy()
                own = True
                rows[invalid, i] = -2.0 if self.missing_value == -1.0 else -1.0
        return rows

    def column_name(self, i: int) -> str:
        """A column as messages give it."""
        return f"Column {i}" if self.names is None else f"Column {i} ({self.names[i]!r})"

    def _numbers(self, column: Any, i: int) -> NDArray[np.floating]:
        numbers = np.asarray(column)
        if numbers.dtype.kind in "fiub":
            return numbers
        return objects_to_float(
            numbers if numbers.dtype.kind in "mM" else np.asarray(column, dtype=object), i, self.names
        )

    def _codes(self, column: Any, i: int, labels: Sequence[Any]) -> NDArray[np.float64]:
        codes = encode_categories(column, labels)
        if self.unknown == "error":
            _refuse_unknown_in(column, codes, self.column_name(i), self.library)
        return codes

    def _refuse_unknown(self, X: Any, categories: Mapping[int, Sequence[Any]]) -> None:
        for i, labels in categories.items():
            column = X.iloc[:, i] if hasattr(X, "iloc") else X[:, i]
            self._codes(column, i, labels)


def _refuse_unknown_in(column: Any, codes: NDArray[np.float64], name: str, library: str) -> None:
    for row in np.flatnonzero(np.isnan(codes)).tolist():
        label = column.iloc[row] if hasattr(column, "iloc") else column[row]
        if not (label is None or label != label or type(label).__name__ in ("NAType", "NaTType")):
            raise ValueError(
                f"{name} holds the category {label!r} in row {row}, which the {library} model did not see in training; "
                "replace it by a known one or by a missing value."
            )


def _is_integral(X: Any) -> bool:
    return isinstance(X, (np.ndarray, list, tuple)) and np.asarray(X).dtype.kind in "iub"
