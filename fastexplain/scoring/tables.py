"""Rows of numbers as the pandas table that a black box takes. pandas is imported when one is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import ArtifactError, PredictionError

__all__ = ["InTable", "TableForm"]

# Types of a column of labels; any other one is NumPy's, of numbers.
_LABELS = ("object", "str", "string", "category")


@dataclass(frozen=True)
class TableForm:
    """How columns of numbers become a table's.

    Parameters
    ----------
    names : tuple of str
    dtypes : tuple of str
        As pandas names them.
    labels : mapping of int to sequence
        Columns whose numbers are positions among labels.

    Raises
    ------
    ArtifactError
        A type is none of a number, or of labels where there are any.
    """

    names: tuple[str, ...]
    dtypes: tuple[str, ...]
    labels: Mapping[int, Sequence[Any]]

    def __post_init__(self) -> None:
        for i, dtype in enumerate(self.dtypes):
            if dtype not in _LABELS if i in self.labels else not _is_number(dtype):
                raise ArtifactError(f"Column {self.names[i]!r} of the table is of type {dtype!r}, which is not known.")

    def as_json(self) -> dict[str, Any]:
        """Names and types; labels are those of the rows' encoding."""
        return {"names": list(self.names), "dtypes": list(self.dtypes)}

    def frame(self, rows: NDArray[np.float64]) -> Any:
        """The table of rows (n_rows, n_columns)."""
        try:
            import pandas
        except ImportError as error:
            raise PredictionError(
                "The model was explained on pandas tables, and takes them; install pandas."
            ) from error
        cells = {i: self._column(pandas, rows[:, i], i) for i in range(len(self.names))}
        table = pandas.DataFrame(cells)
        table.columns = list(self.names)
        return table

    def _column(self, pandas: Any, column: NDArray[np.float64], i: int) -> Any:
        dtype = self.dtypes[i]
        if i not in self.labels:
            whole = np.dtype(dtype).kind in "iub" and not np.isfinite(column).all()
            return column.copy() if whole else column.astype(dtype)
        values = np.empty(len(column), dtype=object)
        known = ~np.isnan(column)
        labels = np.empty(len(self.labels[i]), dtype=object)
        labels[:] = list(self.labels[i])
        values[known] = labels[column[known].astype(np.intp)]
        values[~known] = np.nan if dtype == "object" else None
        if dtype == "category":
            return pandas.Categorical(values, categories=list(self.labels[i]))
        return pandas.Series(values, dtype=dtype)


def _is_number(dtype: str) -> bool:
    try:
        return np.dtype(dtype).kind in "fiub"
    except TypeError:
        return False


class InTable:
    """A function of tables as one of rows of numbers."""

    def __init__(self, function: Callable[[Any], Any], form: TableForm) -> None:
        self.function, self.form = function, form

    def __call__(self, rows: NDArray[np.float64]) -> Any:
        """What the function returns for the table of these rows."""
        return self.function(self.form.frame(rows))
