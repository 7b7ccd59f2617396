"""Explanations as Arrow tables and as one file: columns that any table engine reads.

`write_parquet` and `to_arrow` lay out an explanation as `_arrow_layout` says: a row for each explained row, with a
column for each feature and output, and the data beside them. `ParquetWriter` writes the same layout batch by batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastexplain import _files
from fastexplain._optional import optional
from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.files.arrow_data import to_columns
from fastexplain.explanation.files.arrow_files import ParquetSink, embedded, sink_for
from fastexplain.explanation.files.arrow_layout import Layout, Parts, parts_of
from fastexplain.explanation.files.record import Record, take_apart
from fastexplain.explanation.local_explanation import LocalExplanation
from fastexplain.rows.kinds import is_pandas

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["ParquetWriter", "read_parquet", "to_arrow", "to_pandas", "write_parquet"]

# Values gathered before a row group is written: large enough to compress and scan well, small beside a model.
_ROW_GROUP_BYTES = 32 * 2**20


class HasValues(Protocol):
    """Anything with the engine's two arrays: a `LocalExplanation`, a `TreeShapResult`."""

    @property
    def values(self) -> NDArray[np.floating[Any]]: ...

    @property
    def base_values(self) -> NDArray[np.floating[Any]]: ...


class ParquetWriter:
    """Writes explanations of many rows, batch by batch, with bounded memory.

    The file appears under its name only when the writer is closed without an error: until then it is a hidden
    temporary file beside it. Columns of numbers are zstd-compressed with BYTE_STREAM_SPLIT, which halves the size that
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
        Further keywords of `Explanation` for `read_parquet` to restore: ``method``, ``model_task``, ``model_type``,
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
        self._layout = Layout(list(features), len(base), base, classes, dtype, facts)
        optional("pyarrow.parquet", "arrow", "Writing Parquet")
        # None once the writer is closed
        self._temporary: Path | None = _files.hidden_name(self.path)
        self._sink: ParquetSink | None = None
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
        parts = self._layout.values(np.asarray(values))
        n_rows = len(values)
        if predictions is not None:
            predicted = np.asarray(predictions)
            if len(predicted) != n_rows:
                raise ValueError(f"predictions has {len(predicted)} entries for {n_rows} rows.")
            parts.append(("prediction", to_columns(predicted, [], what="prediction")))
        table = self._layout.table(parts, slice(0, n_rows), extra=extra)
        sink = self._open(table.schema)
        if table.schema.names != self._schema.names:
            raise ValueError(
                f"This batch has the columns {table.schema.names[-5:]} at its end; the first had "
                f"{self._schema.names[-5:]}. Give predictions and extra with every batch, or with none."
            )
        if not n_rows:
            return
        self.n_rows += n_rows
        self._pending.append(table.cast(self._schema))
        self._pending_bytes += table.nbytes
        if self._pending_bytes >= _ROW_GROUP_BYTES:
            self._flush(sink)

    def close(self) -> None:
        """Write what is left and give the file its name; a writer that is closed already stays closed."""
        if self._temporary is None:
            return
        nothing = np.empty((0, len(self._layout.features), self._layout.n_outputs))
        sink = self._open(self._layout.table(self._layout.values(nothing), slice(0, 0)).schema)
        self._flush(sink)
        sink.close()
        _files.flush(self._temporary)
        os.replace(self._temporary, self.path)
        self._temporary = None

    def discard(self) -> None:
        """Close without a file."""
        if self._temporary is None:
            return
        if self._sink is not None:
            self._sink.close()
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

    def _open(self, schema: pa.Schema) -> ParquetSink:
        """The sink, opened by the first batch."""
        if self._temporary is None:
            raise ValueError(f"The writer of {self.path} is closed.")
        if self._sink is None:
            self._sink = ParquetSink(self._temporary)
            self._schema = schema
            self._sink.open(schema)
        return self._sink

    def _flush(self, sink: ParquetSink) -> None:
        if self._pending:
            pa = optional("pyarrow", "arrow", "Writing Parquet")
            sink.write(pa.concat_tables(self._pending))
            self._pending, self._pending_bytes = [], 0


def to_arrow(
    source: Explanation | HasValues,
    *,
    features: Sequence[Any] | None = None,
    classes: Sequence[Any] | None = None,
    predictions: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
    include_eval_data: bool = False,
    include_data: bool | None = None,
) -> pa.Table:
    """An explanation as an Arrow table.

    Parameters
    ----------
    source : Explanation, or anything with `values` and `base_values`
        E.g. what `fastexplain.tree_shap` returns.
    features, classes : sequence, optional
        Names, where the source has none.
    predictions : array of shape (n_rows,), optional
        Default: the explanation's own.
    dtype : float64 or float32, optional
        Default: that of the values.
    include_eval_data : bool, default False
        Whether to add the columns of the explained rows.
    include_data : bool, optional
        Its former name.

    Returns
    -------
    pyarrow.Table
        A row for each explained row: columns ``phi_<feature>`` (``phi_<class>_<feature>`` where there are several
        outputs), ``base_value``, ``raw_prediction`` (their sum, unless only some features are explained), and where
        they are known ``prediction``, ``probability_<class>`` and ``standard_error_<feature>``; the command line writes
        columns of the same names. Of sparse values the columns ``phi_indices`` and ``phi``, which hold lists. A
        global explanation without local values has a row for each feature, with columns ``feature``, ``importance``
        and, where they are known, ``standard_error`` and ``importance_<class>``.

    Raises
    ------
    ValueError
        Names do not fit the values.
    TypeError
        The data hold what Arrow has no type for.
    MissingDependencyError
        pyarrow is not installed.
    """
    include = include_eval_data if include_data is None else include_data
    layout, record = _described(source, features, classes, predictions, dtype, (include, False))
    shown, _ = parts_of(layout, record)
    if record.values is not None:
        shown[_after_base(shown) : _after_base(shown)] = layout.raw_predictions(record.values)
    return layout.table(shown, slice(0, shown[0][1].n_rows))


def to_pandas(
    source: Explanation | HasValues,
    *,
    features: Sequence[Any] | None = None,
    classes: Sequence[Any] | None = None,
    predictions: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
    include_eval_data: bool = False,
    include_data: bool | None = None,
) -> pd.DataFrame:
    """An explanation as a pandas data frame, made without pyarrow.

    Columns, parameters and errors are those of `to_arrow`. Explained rows that came as a pandas frame give the frame
    their index.
    """
    optional("pandas", "pandas", "A pandas data frame")
    from fastexplain.explanation.files.frames import data_frame

    include = include_eval_data if include_data is None else include_data
    layout, record = _described(source, features, classes, predictions, dtype, (include, False))
    frame = data_frame(layout, record)
    rows: Any = source._eval_data if isinstance(source, LocalExplanation) else None
    if is_pandas(rows) and len(rows) == len(frame):
        frame.index = rows.index
    return frame


def write_parquet(
    source: Explanation | HasValues,
    path: str | os.PathLike[str],
    *,
    features: Sequence[Any] | None = None,
    classes: Sequence[Any] | None = None,
    predictions: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
    include_eval_data: bool = True,
    include_init_data: bool = True,
    include_data: bool | None = None,
) -> None:
    """Write an explanation as one file, which replaces one that is there; `read_parquet` returns it.

    Numbers come back to the last bit, NaN and infinities included, and data in the types that they have. An error or
    a crash half-way leaves nothing under `path`, or the file that was there.

    Parameters
    ----------
    source : Explanation, or anything with `values` and `base_values`
    path : path-like
        ``.arrow``, ``.feather`` or ``.ipc`` makes an Arrow file, everything else a Parquet file.
    features, classes, predictions, dtype
        As in `to_arrow`.
    include_eval_data, include_init_data : bool, default True
        As in `fastexplain.save_explanation`. Rows that the explainer was built on are no columns of the table: they
        stand in a part of the file that other programs do not see.
    include_data : bool, optional
        Both at once.

    Raises
    ------
    ValueError
        Names do not fit the values.
    TypeError
        The data hold what Arrow has no type for.
    MissingDependencyError
        pyarrow is not installed.
    """
    path = Path(path)
    include = (include_eval_data, include_init_data) if include_data is None else (include_data, include_data)
    layout, record = _described(source, features, classes, predictions, dtype, include)
    kind = sink_for(path)
    shown, hidden = parts_of(layout, record)
    entries, blob = embedded(hidden, kind.start)
    n_rows = shown[0][1].n_rows
    row_bytes = sum(c.matrix[:1].nbytes if c.matrix is not None else 16 for _, c in shown)
    with _files.whole_file(path) as temporary:
        sink = kind(temporary)
        try:
            sink.open(layout.table(shown, slice(0, 0), embedded=entries).schema, blob)
            for rows in _slices(n_rows, max(1, _ROW_GROUP_BYTES // max(1, row_bytes))):
                sink.write(layout.table(shown, rows, embedded=entries))
        finally:
            sink.close()


def read_parquet(path: str | os.PathLike[str]) -> Explanation:
    """Read an explanation that `write_parquet` or `ParquetWriter` wrote, as Parquet or as an Arrow file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Explanation
        Of the class that was written. Extra columns of a `ParquetWriter` are not in it.

    Raises
    ------
    ValueError
        The file is not one of ours, is damaged, or is a newer version's.
    MissingDependencyError
        pyarrow is not installed, or the library of a data frame that the file holds.

    Warns
    -----
    UserWarning
        Another program has rewritten the file and dropped what stood beside its table.
    """
    from fastexplain.explanation.files.arrow_reader import read_one_file

    return read_one_file(path)


def _described(
    source: Explanation | HasValues,
    features: Sequence[Any] | None,
    classes: Sequence[Any] | None,
    predictions: ArrayLike | None,
    dtype: DTypeLike | None,
    include: tuple[bool, bool],
) -> tuple[Layout, Record]:
    """Layout and parts of a source; what is given here wins over what the source says.

    `include` says whether the explained rows, and those that the explainer was built on, are among the parts.
    """
    if isinstance(source, Explanation):
        record = take_apart(source, include_eval_data=include[0], include_init_data=include[1])
        n_outputs = source._n_outputs
    else:
        record = Record({}, np.array(source.base_values, dtype=np.float64, ndmin=1), np.asarray(source.values))
        n_outputs = int(record.values.shape[2])
    if predictions is not None:
        record.predictions = (np.asarray(predictions), record.predictions[1])
    known = record.values if record.importances is None or record.values is not None else record.importances
    first = known[0] if record.is_sparse else known
    n_features = first.shape[-1] if record.values is None else first.shape[1]
    names = record.facts.pop("features", None) if features is None else list(features)
    names = list(range(n_features)) if names is None else names
    if len(names) != n_features:
        raise ValueError(f"features has {len(names)} names; the values have {n_features} features.")
    labels = record.facts.pop("classes", None) if classes is None else list(classes)
    kept = {key: value for key, value in record.facts.items() if key not in ("features", "classes")}
    if dtype is None:
        dtype = np.float32 if first.dtype == np.float32 else np.float64
    kind = "local" if record.importances is None else "global" if record.values is None else "global_local"
    ndim = 2 if record.importances is None else record.importances.ndim
    return Layout(names, n_outputs, record.base_values, labels, dtype, kept, kind, record.single_row, ndim), record


def _after_base(shown: Parts) -> int:
    """Where the raw predictions go: behind values and base values."""
    return sum(name in ("values", "sparse_values", "base_values") for name, _ in shown)


def _slices(n_rows: int, size: int) -> Iterator[slice]:
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))
