"""The columns that a scoring explainer takes, and rows in any container as these columns, matched by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.rows.kinds import is_sparse

__all__ = ["Feature", "FeatureSchema", "GivenRows"]

_SHOWN = 10
_FEW_ROWS = 8


@dataclass(frozen=True)
class Feature:
    """A column of the rows.

    Parameters
    ----------
    dtype : str
        NumPy's name of the type that it was built with, ``"float64"``, or ``"category"`` or ``"object"`` of labels.
    lowest, highest : float or None
        Range of the numbers that were seen when the explainer was built; None where none were, or of labels.
    categories : tuple or None
        Labels that were seen; None of numbers.
    """

    dtype: str
    lowest: float | None = None
    highest: float | None = None
    categories: tuple[Any, ...] | None = None


class GivenRows(NamedTuple):
    """Rows as they came, with columns in the schema's order.

    Attributes
    ----------
    data : object
        An array or sparse matrix (n_rows, n_features), a table, or a list of columns.
    n_rows : int
    single : bool
        One row without an axis of rows.
    by_column : bool
        `data` is a list of columns.
    """

    data: Any
    n_rows: int
    single: bool = False
    by_column: bool = False

    def only_row(self) -> Any:
        """The values of the only row."""
        return [column[0] for column in self.data] if self.by_column else self.data[0]

    def columns(self) -> list[Any]:
        """The columns, one sequence each."""
        data = self.data
        if self.by_column:
            return list(data)
        if is_sparse(data):
            data = data.toarray()
        if isinstance(data, list):
            return list(map(list, zip(*data, strict=True)))
        if isinstance(data, np.ndarray):
            return list(data.T)
        names = list(getattr(data, "column_names", data.columns))
        if hasattr(data, "column_names"):  # Arrow
            return [data.column(name).to_pylist() for name in names]
        if self.n_rows <= _FEW_ROWS:  # what a table asks of each column takes longer than scoring a row
            return list(data.to_numpy().T)
        return [data[name].to_numpy() for name in names]


@dataclass(frozen=True)
class FeatureSchema:
    """Names and types of the columns that are taken.

    Parameters
    ----------
    names : tuple of str, or None
        None: there are none, and columns count by position.
    features : tuple of Feature
    blanks : bool
        Names match with ``_`` in place of blanks too: LightGBM writes those of its columns so.
    others : tuple of str, or None
        Names that rows may have in place of `names`: those of the model's own table, where ``features=`` gave others.
    """

    names: tuple[str, ...] | None
    features: tuple[Feature, ...]
    blanks: bool = False
    others: tuple[str, ...] | None = None

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.features)

    def rows(self, rows: Any) -> GivenRows:
        """Rows of any container, their columns in order.

        Parameters
        ----------
        rows : array, sparse matrix, pandas, polars or Arrow table, dict, or list
            A dict maps names to values: of one row, or to columns of many. A list holds rows: lists or dicts; or the
            values of one row.

        Raises
        ------
        ValueError
            Another number of columns, or columns that are missing or not known, which are named.
        TypeError
            `rows` is nothing that holds rows.
        """
        if isinstance(rows, np.ndarray):
            return self._array(rows)
        if is_sparse(rows):  # before mappings: a matrix of keys is one
            self._check_width(rows.shape[1])
            return GivenRows(rows.tocsr(), rows.shape[0])
        if isinstance(rows, Mapping):
            return self._mapping(rows)
        if isinstance(rows, (list, tuple)):
            return self._listed(rows)
        if (hasattr(rows, "num_rows") or hasattr(rows, "__len__")) and hasattr(rows, "columns"):
            return self._table(rows)
        if _is_series(rows):
            return self._mapping(rows.to_dict()) if self._has_labels(rows) else self._array(rows.to_numpy())
        if hasattr(rows, "__array__") and np.ndim(rows):
            return self._array(np.asarray(rows))
        raise TypeError(
            f"rows is a {type(rows).__module__}.{type(rows).__qualname__}; expected an array, a table of pandas, "
            "polars or Arrow (collect a lazy or distributed one first), a dict of names and values, or a list of rows."
        )

    def _has_labels(self, series: Any) -> bool:
        return self.names is not None and any(isinstance(label, str) for label in series.index)

    def _array(self, rows: NDArray[Any]) -> GivenRows:
        if rows.ndim == 1:
            if len(rows) != self.n_features:
                raise ValueError(f"The row has {len(rows)} values; expected {self.n_features}.{self._named()}")
            return GivenRows(rows[None, :], 1, single=True)
        if rows.ndim != 2:
            raise ValueError(f"rows has shape {rows.shape}; expected (n_rows, {self.n_features}).")
        self._check_width(rows.shape[1])
        return GivenRows(rows, len(rows))

    def _check_width(self, width: int) -> None:
        if width != self.n_features:
            raise ValueError(f"rows has {width} columns; expected {self.n_features}.{self._named()}")

    def _named(self) -> str:
        return "" if self.names is None else f" They are {_listed(self.names)}."

    def _mapping(self, row: Mapping[Any, Any]) -> GivenRows:
        names = self._known_names("a dict")
        try:
            values = [row[name] for name in names]
        except KeyError:
            own = self._own_names(list(row))
            if own is not None:
                return self._mapping(dict(zip(own, row.values(), strict=True)))
            self._refuse_names(list(row))
            raise
        if len(row) != len(names):
            self._refuse_names(list(row))
        lengths = {len(value) for value in values if _is_column(value)}
        if not lengths:
            return GivenRows([[value] for value in values], 1, single=True, by_column=True)
        for name, value in zip(names, values, strict=True):
            if getattr(value, "ndim", 1) > 1:
                raise ValueError(f"Column {name!r} has shape {value.shape}; expected one value for each row.")
        single = [name for name, value in zip(names, values, strict=True) if not _is_column(value)]
        if single:
            columns = [name for name in names if name not in single]
            raise ValueError(
                f"{_listed(columns)} hold a list of values each, and {_listed(single)} a single one; expected one "
                "value of every name, or a list of every name."
            )
        if len(lengths) > 1:
            lists = [f"{name!r} {len(value)}" for name, value in zip(names, values, strict=True)]
            more = f", ... ({len(lists)} in all)" if len(lists) > _SHOWN else ""
            raise ValueError(f"The columns differ in length: {', '.join(lists[:_SHOWN])}{more}.")
        return GivenRows(values, lengths.pop(), by_column=True)

    def _listed(self, rows: Sequence[Any]) -> GivenRows:
        if not rows:
            return GivenRows(np.empty((0, self.n_features)), 0)
        if any(_is_series(row) and self._has_labels(row) for row in rows):
            rows = [row.to_dict() if _is_series(row) else row for row in rows]
        if isinstance(rows[0], Mapping):
            return self._records(rows)
        if not _is_column(rows[0]):
            if len(rows) != self.n_features:
                raise ValueError(f"The row has {len(rows)} values; expected {self.n_features}.{self._named()}")
            return GivenRows([list(rows)], 1, single=True)
        for i, row in enumerate(rows):
            if not _is_column(row) or len(row) != self.n_features:
                size = f"{len(row)} values" if _is_column(row) else f"the value {row!r}"
                raise ValueError(f"Row {i} has {size}; expected {self.n_features}.{self._named()}")
        return GivenRows([list(row) for row in rows], len(rows))

    def _records(self, rows: Sequence[Mapping[Any, Any]]) -> GivenRows:
        names = self._known_names("dicts")
        found = []
        for i, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise TypeError(f"Row {i} is a {type(row).__name__}; the first row is a dict, so expected another one.")
            if len(row) != len(names) or any(name not in row for name in names):
                own = self._own_names(list(row))
                if own is None:
                    self._refuse_names(list(row), f" in row {i}")
                else:
                    row = dict(zip(own, row.values(), strict=True))
            found.append(row)
        return GivenRows([[row[name] for row in found] for name in names], len(rows), by_column=True)

    def _table(self, rows: Any) -> GivenRows:
        given = list(getattr(rows, "column_names", rows.columns))  # pyarrow's columns are the data
        n_rows = rows.num_rows if hasattr(rows, "num_rows") else len(rows)
        if self.names is None or given == list(self.names):
            self._check_width(len(given))
            return GivenRows(rows, n_rows)
        own = self._own_names(given)
        if own is not None:
            return self._table(_renamed(rows, own))
        if given == list(range(len(given))):  # columns without names: by position
            self._check_width(len(given))
            return GivenRows(rows.to_numpy() if hasattr(rows, "to_numpy") else rows, n_rows)
        self._refuse_names(given)
        names = list(self.names)
        return GivenRows(rows.select(names) if hasattr(rows, "select") else rows[names], n_rows)

    def _known_names(self, container: str) -> tuple[str, ...]:
        if self.names is None:
            raise ValueError(
                f"rows is {container}, but this explainer knows no names of its {self.n_features} columns; pass an "
                "array, or build it from an explainer with features=."
            )
        return self.names

    def _own_names(self, given: list[Any]) -> list[str] | None:
        """The schema's names of columns with `others`, blanks for ``_``, or labels that are no text; None for more."""
        if self.names is None or len(given) != len(self.names) or set(given) == set(self.names):
            return None
        for names in (self.names, self.others or ()):
            own = {self.written(name): ours for name, ours in zip(names, self.names, strict=bool(names))}
            found = [own.get(self.written(name), "") for name in given]
            if sorted(found) == sorted(self.names):
                return found
        return None

    def written(self, name: Any) -> str:
        """A name as it is compared."""
        return str(name).replace(" ", "_") if self.blanks else str(name)

    def _refuse_names(self, given: list[Any], where: str = "") -> None:
        """Raise ValueError where names are missing or not known."""
        assert self.names is not None
        known, present = set(self.names), set(given)
        missing = [name for name in self.names if name not in present]
        extra = [name for name in given if name not in known]
        if len(given) != len(present):
            twice = next(name for name in given if given.count(name) > 1)
            raise ValueError(f"The rows have more than one column named {twice!r}; give each its own name.")
        if missing or extra:
            parts = [f"missing: {_listed(missing)}"] if missing else []
            parts += [f"not known: {_listed(extra)}"] if extra else []
            raise ValueError(
                f"The columns do not fit{where}; {'; '.join(parts)}. Expected the {self.n_features} columns "
                f"{_listed(self.names)}, in any order."
            )


def _renamed(table: Any, names: list[str]) -> Any:
    """A table under other names: of pandas, Arrow or polars."""
    if hasattr(table, "set_axis"):
        return table.set_axis(names, axis=1)
    if hasattr(table, "rename_columns"):
        return table.rename_columns(names)
    return table.rename(dict(zip(table.columns, names, strict=True)))


def _is_series(value: Any) -> bool:
    """Whether it is a pandas Series."""
    return hasattr(value, "index") and hasattr(value, "to_dict") and getattr(value, "ndim", 0) == 1


def _is_column(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes, Mapping)) and getattr(value, "ndim", 1) > 0


def _listed(names: Sequence[Any]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return shown + (f", ... ({len(names)} in all)" if len(names) > _SHOWN else "")
