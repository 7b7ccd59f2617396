"""The user's rows as a surrogate takes them: time stamps and categories as numbers, and back to the columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.explainers.mimic.categories import Categories, OneHot, numbers_or_none
from fastexplain.explainers.mimic.timestamps import PARTS, is_timestamp, seconds, time_parts
from fastexplain.rows.kinds import is_pandas, is_sparse, is_table
from fastexplain.rows.tables import column_of, count_columns, count_rows

__all__ = ["SurrogateRows", "reset_rows"]

Float = NDArray[np.float64]


class SurrogateRows:
    """How rows of the user's columns become a matrix of numbers, learnt from the initialization examples.

    The columns stay in place, time stamps as seconds since the earliest, categories as codes; the parts of time stamps
    follow at the end. With `one_hot`, indicators of the categories come first instead, then all other columns. csr
    rows stay csr.

    Parameters
    ----------
    rows : array, csr or table of shape (n_rows, n_columns)
    categorical : sequence of int
        Columns of categories.
    one_hot : bool
        Whether categories become indicators.
    names : list, optional
        Of the columns, for messages.

    Attributes
    ----------
    n_columns : int
    source : int array of shape (n_inputs,)
        The user's column that each column of the matrix comes from.
    identity : bool
        The matrix has the user's columns, one to one.

    Raises
    ------
    ValueError
        Columns that are not in `categorical` hold text; the message names them.
    """

    def __init__(
        self, rows: Any, categorical: Sequence[int], one_hot: bool, names: Sequence[Any] | None = None
    ) -> None:
        self.n_columns = count_columns(rows)
        self._names = list(range(self.n_columns)) if names is None else list(names)
        sparse = is_sparse(rows)
        self.stamps = [] if sparse else [j for j in range(self.n_columns) if is_timestamp(column_of(rows, j))]
        self.earliest = {j: _smallest(seconds(column_of(rows, j))) for j in self.stamps}
        encoded = [j for j in categorical if j not in self.earliest]
        self.categories = {j: Categories(_dense_column(rows, j), self._names[j]) for j in encoded}
        if not sparse:
            self._refuse_text(rows)
        indicators = None
        if one_hot and encoded:
            indicators = OneHot(np.column_stack([self._encoded(rows, j) for j in encoded]))
        self._arrange(indicators)

    def _arrange(self, indicators: OneHot | None) -> None:
        """Settle the order of the matrix's columns."""
        self._indicators = indicators
        coded = list(self.categories)
        indicated = [] if indicators is None else [coded[i] for i in indicators.source.tolist()]
        self.n_indicators = len(indicated)
        self._others = [j for j in range(self.n_columns) if indicators is None or j not in self.categories]
        parts = [j for j in self.stamps for _ in PARTS]
        self.source = np.array([*indicated, *self._others, *parts], dtype=np.intp)
        self.identity = len(self.source) == self.n_columns and bool((self.source == np.arange(self.n_columns)).all())

    def state(self) -> dict[str, Any]:
        """What was learnt, for JSON; ValueError with indicators."""
        if self._indicators is not None:
            raise ValueError("Indicators of categories cannot be saved; LightGBM has none.")
        return {
            "n_columns": self.n_columns,
            "names": self._names,
            "earliest": [[j, self.earliest[j]] for j in self.stamps],
            "categories": [[j, categories.labels] for j, categories in self.categories.items()],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> SurrogateRows:
        """What `state` has told."""
        rows = cls.__new__(cls)
        rows.n_columns, rows._names = state["n_columns"], state["names"]
        rows.earliest = {j: float(earliest) for j, earliest in state["earliest"]}
        rows.stamps = list(rows.earliest)
        rows.categories = {j: Categories.of_labels(labels, rows._names[j]) for j, labels in state["categories"]}
        rows._arrange(None)
        return rows

    def matrix(self, rows: Any) -> Any:
        """Rows as a float64 array, or csr of csr rows, of shape (n_rows, n_inputs).

        A float64 array without categories is returned as it is.

        Raises
        ------
        ValueError
            Rows have another number of columns, or text where there were numbers.
        """
        if count_columns(rows) != self.n_columns:
            raise ValueError(
                f"evaluation_examples has {count_columns(rows)} columns; the surrogate was trained on {self.n_columns}."
            )
        if is_sparse(rows):
            return self._sparse(rows.tocsr())
        plain = not self.stamps and not self.categories
        if plain and not is_table(rows):
            self._refuse_text(rows)
            return np.asarray(rows, dtype=np.float64)
        filled = np.empty((count_rows(rows), len(self.source)), order="F")
        if self._indicators is not None:
            codes = np.column_stack([self._encoded(rows, j) for j in self.categories])
            filled[:, : self.n_indicators] = self._indicators.indicators(codes)
        at = self.n_indicators
        for j in self._others:
            filled[:, at] = self._encoded(rows, j)
            at += 1
        for j in self.stamps:
            for part in time_parts(column_of(rows, j)):
                filled[:, at] = part
                at += 1
        return np.ascontiguousarray(filled)

    def fold(self, values: Float | list[Any]) -> Float | list[Any]:
        """Values of the matrix's columns, added up to those of the user's columns.

        Parameters
        ----------
        values : array of shape (n_rows, n_inputs, n_outputs), or list of csr (n_rows, n_inputs)

        Returns
        -------
        array of shape (n_rows, n_columns, n_outputs), or list of csr
        """
        if self.identity:
            return values
        if isinstance(values, list):
            import scipy.sparse

            ones, inputs = np.ones(len(self.source)), np.arange(len(self.source))
            members = scipy.sparse.csr_matrix((ones, (inputs, self.source)), shape=(len(self.source), self.n_columns))
            return [(each @ members).tocsr() for each in values]
        folded = np.zeros((len(values), self.n_columns, values.shape[2]))
        for i, j in enumerate(self.source.tolist()):
            folded[:, j] += values[:, i]
        return folded

    def fold_importances(self, importances: Any) -> Float:
        """One importance per column of the matrix -> one per column of the user's.

        Of the several that a category or a time stamp has, the sizes are added up: as opposite signs they would cancel
        out. All others keep their signs.
        """
        given = np.asarray(importances, dtype=np.float64)
        several = np.bincount(self.source, minlength=self.n_columns)[self.source] > 1
        folded = np.zeros(self.n_columns)
        np.add.at(folded, self.source, np.where(several, np.abs(given), given))
        return folded

    def _encoded(self, rows: Any, j: int) -> Float:
        """Column j as numbers."""
        column = _dense_column(rows, j)
        if j in self.categories:
            return self.categories[j].codes(column)
        if j in self.earliest:
            if not is_timestamp(column):
                raise ValueError(f"Column {self._names[j]!r} held time stamps where the explainer was built.")
            return seconds(column) - self.earliest[j]
        numbers = numbers_or_none(column)
        if numbers is None:
            raise ValueError(_text_message([self._names[j]]))
        return numbers

    def _refuse_text(self, rows: Any) -> None:
        if isinstance(rows, np.ndarray) and rows.dtype.kind in "fiub":
            return
        known = [*self.categories, *self.earliest]
        text = [
            self._names[j]
            for j in range(self.n_columns)
            if j not in known and numbers_or_none(column_of(rows, j)) is None
        ]
        if text:
            raise ValueError(_text_message(text))

    def _sparse(self, rows: Any) -> Any:
        if self._indicators is None:
            return rows
        import scipy.sparse

        codes = np.column_stack([self._encoded(rows, j) for j in self.categories])
        indicators = scipy.sparse.csr_matrix(self._indicators.indicators(codes))
        return scipy.sparse.hstack([indicators, rows[:, self._others]], format="csr")


def reset_rows(rows: Any, index_names: list[Any] | None = None) -> tuple[Any, list[Any]]:
    """A pandas table with its index as columns at the end, and their names; not if that is plain 0, 1, 2, ...

    Parameters
    ----------
    rows : pandas.DataFrame or other rows
    index_names : list, optional
        Names that the index columns had where the explainer was built: the index becomes columns of these names,
        whatever it holds.

    Raises
    ------
    ValueError
        `index_names` are given, but rows have no index of so many levels.
    """
    index = getattr(rows, "index", None) if is_pandas(rows) else None
    if index_names is None:
        n_rows = count_rows(rows)
        if index is None or (index.nlevels == 1 and index.dtype.kind in "iu" and (index == np.arange(n_rows)).all()):
            return rows, []
    elif index_names and (index is None or index.nlevels != len(index_names)):
        raise ValueError(
            f"reset_index needs a pandas table with the index {index_names!r}, as the explainer was built."
        )
    if not index_names and index_names is not None:
        return rows, []
    columns = list(rows.columns)
    flat = rows.reset_index() if index_names is None else rows.reset_index(names=index_names)
    names = list(flat.columns)[: flat.shape[1] - len(columns)]
    return flat[[*columns, *names]], names


def _dense_column(rows: Any, j: int) -> Any:
    column = column_of(rows, j)
    return column.toarray().ravel() if is_sparse(column) else column


def _smallest(stamps: Float) -> float:
    known = stamps[~np.isnan(stamps)]
    return float(known.min()) if len(known) else 0.0


def _text_message(names: list[Any]) -> str:
    shown = ", ".join(repr(name) for name in names)
    return (
        f"could not convert string to float in columns {shown}: name them in categorical_features, or pass rows in "
        "which they are numbers."
    )
