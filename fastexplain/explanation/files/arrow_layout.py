"""What an explanation looks like as a table: names of the columns, and the metadata that turn them back.

Explained rows are the rows of the table, and its columns are, in this order and as far as they are known::

    phi_<feature> or phi_<class>_<feature>      values, features first, then outputs
    base_value or base_value_<class>
    raw_prediction or raw_prediction_<class>    base value plus values; in tables, not in saved explanations
    prediction, probability_<class>
    standard_error_<feature> or standard_error_<class>_<feature>
    <column of the explained data>
    columns of the caller's own

Sparse values are two columns of lists for each output, ``phi_indices`` and ``phi``. A global explanation without local
values has a row for each feature: ``feature``, ``importance``, ``standard_error``, ``importance_<class>``. Which
columns are what, and all that is not a number per row, is JSON in the schema's metadata, under ``fastexplain``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.explanation.files.arrow_data import Columns, matrix_columns, sparse_columns, to_columns
from fastexplain.explanation.files.record import Record, package_version, plain_name
from fastexplain.rows.names import check_distinct, unique

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FORMAT_VERSION", "METADATA_KEY", "Layout", "Parts", "global_importances", "output_names", "parts_of"]

FORMAT_VERSION = 2
METADATA_KEY = b"fastexplain"

Parts = list[tuple[str, Columns]]


def output_names(prefix: str, n_outputs: int, classes: Sequence[Any] | None) -> list[str]:
    """Names of columns that are there once for each output: one output adds nothing to the prefix, several a label."""
    if n_outputs == 1:
        return [prefix]
    return [f"{prefix}_{label}" for label in (classes or range(n_outputs))]


@dataclass
class Layout:
    """Names and types of what belongs to a table of explained rows, and its metadata.

    Parameters
    ----------
    features : list
    n_outputs : int
    base_values : array of shape (n_outputs,), or None
    classes : list, optional
    dtype : float64 or float32
        Type of the values' columns.
    facts : dict
        What the constructors of explanations take besides, as JSON can hold it.
    kind : {"local", "global_local", "global"}
    single_row : bool
    importances_ndim : {1, 2}
        1: of the model as a whole.
    """

    features: list[Any]
    n_outputs: int
    base_values: NDArray[np.float64] | None
    classes: list[Any] | None = None
    dtype: Any = np.float64
    facts: dict[str, Any] = field(default_factory=dict)
    kind: str = "local"
    single_row: bool = False
    importances_ndim: int = 2

    def __post_init__(self) -> None:
        if np.dtype(self.dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
            raise ValueError(f"dtype must be float32 or float64; got {self.dtype!r}.")
        check_distinct(self.features)
        if self.n_outputs > 1 and self.classes is not None and len(self.classes) != self.n_outputs:
            raise ValueError(f"classes has {len(self.classes)} labels; there are {self.n_outputs} outputs.")

    @property
    def outputs(self) -> list[str]:
        """What the outputs add to a column's name; one output adds nothing."""
        return output_names("", self.n_outputs, self.classes)

    def names(self, prefix: str) -> list[str]:
        """A name for each feature and output, in the order of ``values.reshape(n_rows, -1)``."""
        return [f"{prefix}{output}_{feature}" for feature in self.features for output in self.outputs]

    def values(self, values: NDArray[Any]) -> Parts:
        """Columns of dense values, and of the base values.

        Raises
        ------
        ValueError
            The shape is not (n_rows, n_features, n_outputs).
        """
        expected = (len(self.features), self.n_outputs)
        if values.ndim != 3 or values.shape[1:] != expected:
            raise ValueError(f"values has shape {values.shape}; expected (n_rows, {expected[0]}, {expected[1]}).")
        flat = values.reshape(len(values), expected[0] * expected[1])
        return [
            ("values", matrix_columns(flat.astype(self.dtype, copy=False), self.names("phi"))),
            *self.base(len(values)),
        ]

    def sparse_values(self, matrices: Sequence[Any]) -> Parts:
        """Columns of sparse values, and of the base values."""
        parts: Parts = [
            ("sparse_values", sparse_columns(matrix, [f"phi_indices{output}", f"phi{output}"]))
            for matrix, output in zip(matrices, self.outputs, strict=True)
        ]
        return [*parts, *self.base(matrices[0].shape[0])]

    def base(self, n_rows: int) -> Parts:
        """Columns of the base values, which are the same in every row."""
        if self.base_values is None:
            return []
        repeated = np.broadcast_to(self.base_values.astype(self.dtype), (n_rows, self.n_outputs))
        names = output_names("base_value", self.n_outputs, self.classes)
        return [("base_values", matrix_columns(repeated, names))]

    def raw_predictions(self, values: Any) -> Parts:
        """Columns of what values and base values add up to; none where they are of some of the features only."""
        if self.base_values is None or self.facts.get("feature_columns") is not None:
            return []
        if isinstance(values, list):
            sums = np.column_stack([np.asarray(matrix.sum(axis=1)).ravel() for matrix in values])
        else:
            sums = values.sum(axis=1)
        names = output_names("raw_prediction", self.n_outputs, self.classes)
        with np.errstate(invalid="ignore"):  # of infinite values
            sums = sums + self.base_values
        return [("raw_predictions", matrix_columns(sums.astype(self.dtype, copy=False), names))]

    def error_columns(self, standard_errors: NDArray[Any]) -> Columns:
        """Columns of the values' standard errors."""
        flat = standard_errors.reshape(len(standard_errors), -1).astype(self.dtype, copy=False)
        return matrix_columns(flat, self.names("standard_error"))

    def metadata(self, parts: Parts, embedded: Mapping[str, Any]) -> str:
        """JSON that says what the columns of a table are."""
        return json.dumps(
            {
                "format_version": FORMAT_VERSION,
                "fastexplain_version": package_version(),
                "kind": self.kind,
                "single_row": self.single_row,
                "importances_ndim": self.importances_ndim,
                "features": [plain_name(name) for name in self.features],
                "classes": None if self.classes is None else [plain_name(label) for label in self.classes],
                "n_outputs": self.n_outputs,
                "base_values": None if self.base_values is None else self.base_values.tolist(),
                "facts": self.facts,
                "columns": [[name, len(columns.names), columns.description] for name, columns in parts],
                "embedded": dict(embedded),
            }
        )

    def table(
        self, parts: Parts, rows: slice, *, extra: Any = None, embedded: Mapping[str, Any] | None = None
    ) -> pa.Table:
        """Some rows as an Arrow table, metadata included.

        Raises
        ------
        ValueError
            `extra`, a table of further columns, has another number of rows, or a column named like another.
        """
        pa = optional("pyarrow", "arrow", "An Arrow table")
        arrays = [array for _, columns in parts for array in columns.rows(rows.start, rows.stop)]
        names = unique([name for _, columns in parts for name in columns.names])
        if extra is not None:
            if extra.num_rows != rows.stop - rows.start:
                raise ValueError(f"extra has {extra.num_rows} rows for {rows.stop - rows.start} rows of values.")
            own, names = set(names), [*names, *extra.schema.names]
            arrays += extra.columns
            twice = {name for name in extra.schema.names if name in own or names.count(name) > 1}
            if twice:
                raise ValueError(
                    f"extra holds columns named like others of the file: {sorted(twice)}; rename or drop them."
                )
        metadata = {METADATA_KEY: self.metadata(parts, embedded or {})}
        return pa.table(arrays, names=names).replace_schema_metadata(metadata)


def parts_of(layout: Layout, record: Record) -> tuple[Parts, dict[str, Columns]]:
    """What a record is shown as, and what belongs to it besides.

    Parameters
    ----------
    layout : Layout
    record : Record

    Returns
    -------
    shown : list of (name, Columns)
        All of one number of rows: the explained rows, or the features of a global explanation.
    hidden : dict of Columns
        What has other rows.
    """
    data = _data_columns(layout, record)
    hidden: dict[str, Columns] = {}
    if record.values is None:
        shown = _feature_columns(layout, record)
        hidden.update(data)
    else:
        shown = layout.sparse_values(record.values) if record.is_sparse else layout.values(record.values)
        n_rows = shown[0][1].n_rows
        for name, columns in data.items():
            if columns.names and columns.n_rows == n_rows:
                shown.append((name, columns))
            else:
                hidden[name] = columns
        hidden.update(_importance_columns(record))
    if record.global_importances is not None:
        hidden["global_importances"] = matrix_columns(record.global_importances[:, np.newaxis], ["importance"])
    if record.init_data is not None:
        hidden["init_data"] = to_columns(record.init_data, layout.features, what="init_data")
    return shown, hidden


def _data_columns(layout: Layout, record: Record) -> dict[str, Columns]:
    """Predictions, class probabilities, standard errors and explained data as columns, as far as they are known."""
    labels = layout.classes or range(2 if layout.n_outputs == 1 else layout.n_outputs)
    found: dict[str, Columns] = {}
    for what, data in zip(("prediction", "probability"), record.predictions, strict=True):
        if data is not None:
            found[what] = to_columns(data, [f"{what}_{label}" for label in labels], what=what)
    if record.standard_errors is not None:
        found["standard_errors"] = layout.error_columns(record.standard_errors)
    data = record.eval_data
    if data is None:
        return found
    chosen = record.facts.get("feature_columns")
    names = layout.features if chosen is None or list(chosen) == list(range(len(chosen))) else []
    is_row = record.single_row and isinstance(data, np.ndarray) and data.ndim == 1
    found["eval_data"] = to_columns(data[np.newaxis] if is_row else data, names, what="eval_data")
    found["eval_data"].description["is_row"] = is_row
    return found


def _feature_columns(layout: Layout, record: Record) -> Parts:
    """Columns of the features of a global explanation: names and importances."""
    names = to_columns(_feature_names(layout.features), [], what="feature")
    return [("feature", names), *global_importances(layout, record)]


def global_importances(layout: Layout, record: Record) -> Parts:
    """Columns of numbers of the features of a global explanation."""
    importances = record.importances
    assert importances is not None
    means = record.global_importances
    if means is None:
        means = importances if importances.ndim == 1 else importances.mean(axis=0)
    parts: Parts = [("importance", matrix_columns(means[:, np.newaxis], ["importance"]))]
    if record.importance_errors is not None:
        parts.append(("importance_errors", matrix_columns(record.importance_errors[:, np.newaxis], ["standard_error"])))
    by_output = np.atleast_2d(importances)
    if len(by_output) > 1 or record.global_importances is not None:
        names = [f"importance{output}" for output in layout.outputs] if len(by_output) > 1 else ["importance_output"]
        parts.append(("importances", matrix_columns(by_output.T, names)))
    if record.repeats is not None:
        names = [f"importance_repeat_{i}" for i in range(record.repeats.shape[1])]
        parts.append(("repeats", matrix_columns(record.repeats, names)))
    return parts


def _feature_names(features: list[Any]) -> NDArray[Any]:
    plain = [plain_name(name) for name in features]
    return np.array(plain if {type(name) for name in plain} == {int} else [str(name) for name in plain])


def _importance_columns(record: Record) -> dict[str, Columns]:
    """Importances beside local values: not the mean of these for every method."""
    if record.importances is None:
        return {}
    by_output = np.atleast_2d(record.importances)
    parts = {"importances": matrix_columns(by_output.T, [str(i) for i in range(len(by_output))])}
    if record.importance_errors is not None:
        parts["importance_errors"] = matrix_columns(record.importance_errors[:, np.newaxis], ["standard_error"])
    return parts
