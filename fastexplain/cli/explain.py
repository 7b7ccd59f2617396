"""``fastexplain explain``: a model file and a table in, a Parquet file of SHAP values out, batch by batch."""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastexplain.cli.columns import Columns, choose_columns, listed
from fastexplain.cli.console import say, seconds, write_note
from fastexplain.cli.models import read_model
from fastexplain.cli.report import rate
from fastexplain.cli.tables import Table, open_table
from fastexplain.engine.progress import progress
from fastexplain.exceptions import ModelConversionError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from fastexplain.models import TreeModel

__all__ = ["explain_table", "run"]

BATCH_ROWS = 65_536
BATCH_BYTES = 128 << 20  # of values, where no batch size is given
CHECKED_ROWS = 1_000
STEP_SECONDS = 0.5  # how often the progress bar moves
LEAST_STEP_ROWS = 256  # fewer rows would leave threads idle
# Largest gap between base value + values and the library's own raw prediction, relative to the sum of the magnitudes:
# float32 lanes and models round at 1e-7 and add thousands of leaves; the float64 kernel stays below 1e-9.
SUM_TOLERANCE = {"float32": 2e-5, "float64": 1e-7}


def run(arguments: argparse.Namespace) -> int:
    """Run ``fastexplain explain``; what is wrong with the files or columns is raised as an exception."""
    from fastexplain.models import load_model

    out, data = Path(arguments.out), Path(arguments.data)
    _check_out(out, data, force=arguments.force)
    model = load_model(read_model(Path(arguments.model), allow_pickle=arguments.allow_pickle))
    table = open_table(data)
    columns = choose_columns(
        table.schema.names,
        feature_names=model.feature_names,
        n_features=model.forest.n_features,
        left_out=[*arguments.target, *arguments.drop],
        keep=arguments.keep,
    )
    if columns.ignored:
        n = len(columns.ignored)
        write_note(
            f"ignoring {n} column{'s' if n > 1 else ''} that the model does not know: {listed(columns.ignored)}."
        )
    begin = time.perf_counter()
    n_rows = explain_table(
        model,
        table,
        columns,
        out,
        batch_size=arguments.batch_size,
        n_threads=arguments.n_threads,
        dtype=arguments.dtype,
        show_progress=arguments.progress,
    )
    duration = time.perf_counter() - begin
    say(
        f"{out}: {n_rows:,} rows x {len(columns.features)} features ({model.library} model) "
        f"explained in {seconds(duration)} ({rate(n_rows, duration)}, reading and writing included)."
    )
    return 0


def explain_table(
    model: TreeModel,
    table: Table,
    columns: Columns,
    out: Path,
    *,
    batch_size: int | None = None,
    n_threads: int | None = None,
    dtype: str | None = None,
    show_progress: bool | None = None,
) -> int:
    """Explain every row of a table and write the values as one Parquet file.

    The columns are those of `fastexplain.explanation.ParquetWriter` (``phi_...``, ``base_value...``), then
    ``raw_prediction`` (or ``raw_prediction_<class>``), then the kept columns. The file appears only once it is whole.
    Memory: a batch of the columns read and its values.

    Parameters
    ----------
    model : TreeModel
    table : Table
    columns : Columns
    out : Path
    batch_size : int, optional
        Rows held at a time. Default: 65,536, or as many as have 128 MiB of values.
    n_threads, dtype
        As in `fastexplain.tree_shap`.
    show_progress : bool, optional
        None: where stderr is a terminal.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    ValueError
        A kept column is named like one of the output's own, or the table holds what the model does not accept.
    ModelConversionError
        Base value and values do not add up to the library's own raw prediction of the table's first rows.
    """
    from fastexplain.explanation import ParquetWriter

    n_features, n_outputs = model.forest.n_features, model.forest.n_outputs
    batch_size = batch_size or max(256, min(BATCH_ROWS, BATCH_BYTES // (8 * max(1, n_features * n_outputs))))
    engine = _Engine(model, n_threads, dtype)
    writer = ParquetWriter(
        out,
        columns.names,
        engine.base_values,
        classes=model.classes,
        method="shap_tree",
        model_task=model.task,
        model_type=str(type(model.model)),
        units=model.units,
    )
    with writer, progress(table.n_rows, "explaining", show_progress, always=True, leave=False) as advance:
        for batch in table.batches(columns.to_read, columns.features, batch_size):
            rows = _features(batch, columns)
            values = engine.values(rows, advance)
            raw = values.sum(axis=1) + engine.base_values
            if writer.n_rows == 0:
                _check_sums(model, rows.slice(0, CHECKED_ROWS), values[:CHECKED_ROWS], engine.base_values, dtype)
            writer.write_batch(values, extra=_extra(model, raw, batch.select(columns.keep)))
        if writer.n_rows == 0:  # a table without rows has the same columns
            nothing = table.schema.empty_table().select(columns.keep)
            writer.write_batch(
                np.empty((0, n_features, n_outputs)), extra=_extra(model, np.empty((0, n_outputs)), nothing)
            )
    return writer.n_rows


class _Engine:
    """Explains batches in steps of about `STEP_SECONDS`, so that the progress bar moves on slow models too."""

    def __init__(self, model: TreeModel, n_threads: int | None, dtype: str | None) -> None:
        from fastexplain.engine import tree_shap

        self._explain = partial(tree_shap, model, n_threads=n_threads, dtype=dtype, show_progress=False)
        self._shape = (model.forest.n_features, model.forest.n_outputs)
        self._step = LEAST_STEP_ROWS
        self.base_values: NDArray[np.float64] = self._explain(np.empty((0, self._shape[0]))).base_values

    def values(self, rows: pa.Table, advance: Callable[[int], object]) -> NDArray[np.float64]:
        """Values of the rows, of shape (n_rows, n_features, n_outputs)."""
        out = np.empty((rows.num_rows, *self._shape))
        start = 0
        while start < rows.num_rows:
            begin = time.perf_counter()
            part = self._explain(rows.slice(start, self._step)).values
            out[start : start + len(part)] = part
            start += len(part)
            advance(len(part))
            per_row = (time.perf_counter() - begin) / len(part)
            # at most four times as many as before: one quick step says little
            self._step = int(np.clip(STEP_SECONDS / per_row, LEAST_STEP_ROWS, 4 * self._step))
        return out


def _check_out(out: Path, data: Path, *, force: bool) -> None:
    if out.suffix.lower() not in (".parquet", ".pq"):
        raise ValueError(f"--out {out}: expected a file name ending in .parquet or .pq.")
    if out.is_dir() or not out.parent.is_dir():
        raise ValueError(f"--out {out}: {'is a folder' if out.is_dir() else f'folder {out.parent} does not exist'}.")
    if out.exists() and data.exists() and (out.samefile(data) or data.resolve() in out.resolve().parents):
        raise ValueError(f"--out {out} is (part of) the table to explain; choose another file.")
    if out.exists() and not force:
        raise FileExistsError(f"--out {out} exists; add --force to replace it.")


def _features(batch: pa.RecordBatch, columns: Columns) -> pa.Table:
    """The model's columns of a batch, in its order and under its names."""
    import pyarrow as pa

    return pa.Table.from_batches([batch]).select(columns.features).rename_columns(columns.names)


def _extra(model: TreeModel, raw: NDArray[np.float64], keep: pa.Table | pa.RecordBatch) -> pa.Table:
    """Columns of the output beside values and base values."""
    import pyarrow as pa

    from fastexplain.explanation.files.arrow_layout import output_names

    names = output_names("raw_prediction", raw.shape[1], model.classes)
    arrays = [pa.array(np.ascontiguousarray(column)) for column in raw.T]
    return pa.table([*arrays, *keep.columns], names=[*names, *keep.schema.names])


def _check_sums(
    model: TreeModel, rows: pa.Table, values: NDArray[np.float64], base: NDArray[np.float64], dtype: str | None
) -> None:
    """Compare with the library's own raw prediction of the same rows."""
    gap = np.abs(values.sum(axis=1) + base - model.raw_predict(rows))
    scale = max(1.0, float((np.abs(values).sum(axis=1) + np.abs(base)).max(initial=0.0)))
    tolerance = scale * SUM_TOLERANCE["float32" if model.forest.float32_model or dtype == "float32" else "float64"]
    if not (gap <= tolerance).all():
        row = int(gap.max(axis=1).argmax())
        raise ModelConversionError(
            f"The values do not add up to {model.library}'s own raw prediction: in row {row} they are off by "
            f"{gap.max():.3g} (tolerance {tolerance:.1e}). Please report the model's library version and parameters."
        )
