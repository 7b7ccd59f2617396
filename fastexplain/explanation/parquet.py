"""Local explanations as Arrow tables and Parquet files: a column per feature and output, that any table engine reads.

The columns are ``phi_<feature>``, or ``phi_<class>_<feature>`` where there are several outputs; then ``base_value`` or
``base_value_<class>``; then ``prediction`` where predictions are known; then columns of the caller's own. What is not
a number per row (names, method, base values, version) is JSON in the schema's metadata, under ``fastexplain``.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastexplain._optional import optional
from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.global_explanation import GlobalLocalExplanation
from fastexplain.explanation.local_explanation import LocalExplanation

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["ParquetWriter", "read_parquet", "to_arrow", "to_pandas", "write_parquet"]

FORMAT_VERSION = 1
_METADATA_KEY = b"fastexplain"
# Values gathered before a row group is written: large enough to compress and scan well, small beside a model.
_ROW_GROUP_BYTES = 32 * 2**20


class HasValues(Protocol):
    """Anything with the engine's two arrays: a `LocalExplanation`, a `TreeShapResult`."""

    @property
    def values(self) -> NDArray[np.floating[Any]]: ...

    @property
    def base_values(self) -> NDArray[np.floating[Any]]: ...


@dataclass(frozen=True)
class _Layout:
    """Names and types of the columns, and the metadata."""

    features: list[Any]
    base_values: NDArray[np.float64]
    classes: list[Any] | None = None
    dtype: Any = np.float64
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if np.dtype(self.dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
            raise ValueError(f"dtype must be float32 or float64; got {self.dtype!r}.")
        if self.n_outputs > 1 and self.classes is not None and len(self.classes) != self.n_outputs:
            raise ValueError(f"classes has {len(self.classes)} labels; there are {self.n_outputs} outputs.")

    @property
    def n_outputs(self) -> int:
        return len(self.base_values)

    @property
    def outputs(self) -> list[str]:
        """What the outputs add to a column's name; one output adds nothing."""
        if self.n_outputs == 1:
            return [""]
        return [f"_{label}" for label in (self.classes or range(self.n_outputs))]

    def column_names(self) -> list[str]:
        """Names of the numeric columns, in the order of ``values.reshape(n_rows, -1)``, then the base values."""
        phi = [f"phi{output}_{feature}" for feature in self.features for output in self.outputs]
        return _unique([*phi, *(f"base_value{output}" for output in self.outputs)])

    def metadata(self, *, has_predictions: bool) -> dict[str, Any]:
        return {
            "format_version": FORMAT_VERSION,
            "fastexplain_version": _version(),
            "has_predictions": has_predictions,
            "features": [_plain(name) for name in self.features],
            "classes": None if self.classes is None else [_plain(label) for label in self.classes],
            "base_values": self.base_values.tolist(),
            **self.facts,
        }

    def table(self, values: NDArray[np.floating[Any]], predictions: NDArray[Any] | None, extra: Any = None) -> pa.Table:
        """Some rows as an Arrow table, metadata included."""
        pa = optional("pyarrow", "arrow", "An Arrow table")
        expected = (len(self.features), self.n_outputs)
        if values.ndim != 3 or values.shape[1:] != expected:
            raise ValueError(f"values has shape {values.shape}; expected (n_rows, {expected[0]}, {expected[1]}).")
        by_column = np.ascontiguousarray(values.reshape(len(values), expected[0] * expected[1]).T, dtype=self.dtype)
        arrays = [pa.array(column) for column in by_column]
        arrays += [pa.array(np.full(len(values), base, dtype=self.dtype)) for base in self.base_values]
        names = self.column_names()
        if predictions is not None:
            if len(predictions) != len(values):
                raise ValueError(f"predictions has {len(predictions)} entries for {len(values)} rows.")
            arrays.append(pa.array(predictions))
            names.append("prediction")
        if extra is not None:
            if extra.num_rows != len(values):
                raise ValueError(f"extra has {extra.num_rows} rows for {len(values)} rows of values.")
            arrays += extra.columns
            names += extra.schema.names
        twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
        if twice:
            raise ValueError(
                f"extra holds columns named like others of the file: {sorted(twice)}; rename or drop them."
            )
        metadata = json.dumps(self.metadata(has_predictions=predictions is not None))
        return pa.table(arrays, names=names).replace_schema_metadata({_METADATA_KEY: metadata})


class ParquetWriter:
    """Writes explanations of many rows, batch by batch, with bounded memory.

    The file appears under its name only when the writer is closed without an error: until then it is a hidden
    temporary file beside it. Columns are zstd-compressed with BYTE_STREAM_SPLIT, which halves the size that
    dictionary encoding gives for such numbers. Memory: up to 32 MiB of gathered rows, and the batch itself.

    Parameters
    ----------
    path : path-like
    features : sequence
        Names of the features.
    base_values : array of shape (n_outputs,)
    classes : sequence, optional
        Labels of a classifier's classes.
    dtype : float64 (default) or float32
        Type of the columns.
    **facts
        Further entries of the metadata that `read_parquet` restores: ``method``, ``model_task``, ``model_type``,
        ``units``, ``id``, ...

    Raises
    ------
    MissingDependencyError
        pyarrow is not installed.

    Examples
    --------
    >>> with ParquetWriter("shap.parquet", features, result.base_values) as writer:  # doctest: +SKIP
    ...     for X in batches:
    ...         writer.write_batch(fastexplain.tree_shap(model, X).values)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        features: Sequence[Any],
        base_values: ArrayLike,
        *,
        classes: Sequence[Any] | None = None,
        dtype: DTypeLike = np.float64,
        **facts: Any,
    ) -> None:
        self.path = Path(path)
        self.n_rows = 0
        classes = None if classes is None else list(classes)
        base = np.array(base_values, dtype=np.float64, ndmin=1)
        self._layout = _Layout(list(features), base, classes, dtype, facts)
        self._pq = optional("pyarrow.parquet", "arrow", "Writing Parquet")
        # None once the writer is closed
        self._temporary: Path | None = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex[:8]}.tmp")
        self._writer: Any = None
        self._schema: Any = None
        self._pending: list[Any] = []
        self._pending_bytes = 0

    def write_batch(
        self,
        values: NDArray[np.floating[Any]],
        predictions: ArrayLike | None = None,
        *,
        extra: pa.Table | pa.RecordBatch | None = None,
    ) -> None:
        """Add rows.

        Parameters
        ----------
        values : array of shape (n_rows, n_features, n_outputs)
        predictions : array of shape (n_rows,), optional
            The model's predictions; every batch has them, or none.
        extra : pyarrow.Table or RecordBatch, optional
            Columns of the caller's own, written after ours as they are; the same in every batch.

        Raises
        ------
        ValueError
            The shape differs from that of the features and base values, lengths differ, an extra column is named
            like another, or the columns differ from the first batch's.
        """
        predictions = None if predictions is None else np.asarray(predictions)
        table = self._layout.table(np.asarray(values), predictions, extra)
        if self._writer is None:
            self._open(table.schema)
        if table.schema.names != self._schema.names:
            raise ValueError(
                f"This batch has the columns {table.schema.names[-5:]} at its end; the first had "
                f"{self._schema.names[-5:]}. Give predictions and extra with every batch, or with none."
            )
        if not len(values):
            return
        self.n_rows += len(values)
        self._pending.append(table.cast(self._schema))
        self._pending_bytes += table.nbytes
        if self._pending_bytes >= _ROW_GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what is left and give the file its name; a writer that is closed already stays closed."""
        if self._temporary is None:
            return
        if self._writer is None:
            shape = (0, len(self._layout.features), self._layout.n_outputs)
            self._open(self._layout.table(np.empty(shape), None).schema)
        self._flush()
        self._writer.close()
        with open(self._temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(self._temporary, self.path)
        self._temporary = None

    def discard(self) -> None:
        """Close without a file."""
        if self._temporary is None:
            return
        if self._writer is not None:
            self._writer.close()
        self._temporary.unlink(missing_ok=True)
        self._temporary = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    def _open(self, schema: pa.Schema) -> None:
        self._schema = schema
        numeric = self._layout.column_names()
        self._writer = self._pq.ParquetWriter(
            str(self._temporary),
            schema,
            compression="zstd",
            use_dictionary=[name for name in schema.names if name not in set(numeric)],
            use_byte_stream_split=numeric,
        )

    def _flush(self) -> None:
        if not self._pending:
            return
        pa = optional("pyarrow", "arrow", "Writing Parquet")
        table = pa.concat_tables(self._pending)
        self._writer.write_table(table, row_group_size=table.num_rows)
        self._pending, self._pending_bytes = [], 0


def to_arrow(
    source: HasValues,
    *,
    features: Sequence[Any] | None = None,
    classes: Sequence[Any] | None = None,
    predictions: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
) -> pa.Table:
    """Local values as an Arrow table.

    Parameters
    ----------
    source : LocalExplanation, or anything with `values` and `base_values`
        E.g. what `fastexplain.tree_shap` returns.
    features, classes : sequence, optional
        Names, where the source has none.
    predictions : array of shape (n_rows,), optional
        Default: the explanation's own.
    dtype : float64 or float32, optional
        Default: that of the values.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    ValueError
        The explanation has no local values, or names do not fit them.
    MissingDependencyError
        pyarrow is not installed.
    """
    layout, predicted = _described(source, features, classes, predictions, dtype)
    return layout.table(source.values, predicted)


def to_pandas(source: HasValues, **options: Any) -> pd.DataFrame:
    """Local values as a pandas data frame; parameters and errors as in `to_arrow`."""
    optional("pandas", "pandas", "A pandas data frame")
    return to_arrow(source, **options).to_pandas()


def write_parquet(
    source: HasValues,
    path: str | os.PathLike[str],
    *,
    features: Sequence[Any] | None = None,
    classes: Sequence[Any] | None = None,
    predictions: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
) -> None:
    """Write local values as one Parquet file; `read_parquet` returns them, to the last bit.

    Parameters
    ----------
    source : LocalExplanation, or anything with `values` and `base_values`
    path : path-like
    features, classes, predictions, dtype
        As in `to_arrow`.

    Raises
    ------
    ValueError
        The explanation has no local values, or names do not fit them.
    MissingDependencyError
        pyarrow is not installed.
    """
    layout, predicted = _described(source, features, classes, predictions, dtype)
    writer = ParquetWriter(
        path, layout.features, layout.base_values, classes=layout.classes, dtype=layout.dtype, **layout.facts
    )
    with writer:
        row_bytes = max(1, source.values[:1].nbytes)
        for rows in _slices(len(source.values), max(1, _ROW_GROUP_BYTES // row_bytes)):
            writer.write_batch(source.values[rows], None if predicted is None else predicted[rows])


def read_parquet(path: str | os.PathLike[str]) -> LocalExplanation:
    """Read an explanation that `write_parquet` or `ParquetWriter` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    LocalExplanation
        A `GlobalLocalExplanation` if that was written. Data and class probabilities are not in the file; extra
        columns are, but not in the explanation.

    Raises
    ------
    ValueError
        The file is not one of ours, or a newer version's.
    MissingDependencyError
        pyarrow is not installed.
    """
    pq = optional("pyarrow.parquet", "arrow", "Reading Parquet")
    with pq.ParquetFile(path) as file:
        facts = _metadata(file.schema_arrow, path)
        base_values = np.array(facts.pop("base_values"), dtype=np.float64)
        shape = (file.metadata.num_rows, len(facts["features"]), len(base_values))
        n_phi = shape[1] * shape[2]
        has_predictions = facts.pop("has_predictions")
        flat = np.empty((shape[0], n_phi), dtype=file.schema_arrow.field(0).type.to_pandas_dtype())
        predicted = []
        row = 0
        for group in range(file.num_row_groups):
            # all columns, by position: selecting by name takes "a.b" along with "a"
            table = file.read_row_group(group)
            for i, column in enumerate(table.columns[:n_phi]):
                flat[row : row + table.num_rows, i] = column.to_numpy()
            row += table.num_rows
            if has_predictions:
                predicted.append(table.columns[n_phi + shape[2]].to_numpy())
    values = flat.reshape(shape)
    predictions = np.concatenate(predicted) if predicted else None
    kind = facts.pop("kind", "local")
    single_row = facts.pop("single_row", False)
    if predictions is not None:
        facts["predict"] = lambda: (predictions, None)
    if kind == "global":
        return GlobalLocalExplanation(values, base_values, **facts)
    return LocalExplanation(values, base_values, single_row=single_row, **facts)


# What the metadata holds besides the layout's own entries, and the reader passes on to the explanation.
_FACTS = ("method", "model_task", "model_type", "units", "is_raw", "is_engineered", "id")


def _described(
    source: Any,
    features: Sequence[Any] | None,
    classes: Sequence[Any] | None,
    predictions: ArrayLike | None,
    dtype: DTypeLike | None,
) -> tuple[_Layout, NDArray[Any] | None]:
    """Layout and predictions of a source; what is given here wins over what the source says."""
    facts: dict[str, Any] = {}
    if isinstance(source, Explanation):
        if not isinstance(source, LocalExplanation):
            raise ValueError(
                "This explanation has no local values to write: call explain_local, or explain_global with "
                "include_local=True."
            )
        features = source.features if features is None else features
        if classes is None and source.model_task == "classification":
            classes = source.classes
        if predictions is None:
            predictions = source._eval_y_predicted
        facts = {name: getattr(source, name) for name in _FACTS}
        facts["kind"] = "global" if isinstance(source, GlobalLocalExplanation) else "local"
        facts["single_row"] = source._single_row
    values = source.values
    names = list(range(values.shape[1])) if features is None else list(features)
    if len(names) != values.shape[1]:
        raise ValueError(f"features has {len(names)} names; the values have {values.shape[1]} features.")
    labels = None if classes is None else list(classes)
    layout = _Layout(names, np.asarray(source.base_values), labels, values.dtype if dtype is None else dtype, facts)
    predicted = None if predictions is None else np.asarray(predictions)
    # a regression with several outputs predicts a matrix, which is no column
    return layout, predicted if predicted is None or predicted.ndim == 1 else None


def _metadata(schema: Any, path: str | os.PathLike[str]) -> dict[str, Any]:
    stored = (schema.metadata or {}).get(_METADATA_KEY)
    if stored is None:
        raise ValueError(f"{os.fspath(path)!r} holds no fastexplain explanation (no 'fastexplain' in its metadata).")
    facts: dict[str, Any] = json.loads(stored)
    version = facts.pop("format_version")
    facts.pop("fastexplain_version", None)
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{os.fspath(path)!r} has format version {version}; this fastexplain reads up to {FORMAT_VERSION}. "
            "Please upgrade: pip install -U fastexplain"
        )
    return facts


def _unique(names: Sequence[str]) -> list[str]:
    """Columns of one table need different names: the second ``a`` becomes ``a_2``."""
    taken = set(names)
    seen: set[str] = set()
    result = []
    for name in names:
        unique, n = name, 1
        while unique in seen or (n > 1 and unique in taken):
            n += 1
            unique = f"{name}_{n}"
        seen.add(unique)
        result.append(unique)
    return result


def _plain(name: Any) -> Any:
    """A name as JSON can hold it."""
    if isinstance(name, np.generic):
        name = name.item()
    return name if isinstance(name, str | int | float | bool) else str(name)


def _slices(n_rows: int, size: int) -> Iterator[slice]:
    for start in range(0, max(n_rows, 1), size):
        yield slice(start, start + size)


def _version() -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("fastexplain")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return None
