"""Tables on disk, read in batches of rows: Parquet (a file or a folder) and CSV.

Memory is bounded by the batch and what Arrow buffers: a few pages of each needed Parquet column, up to 32 CSV blocks.
"""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fastexplain._optional import optional

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

__all__ = ["Table", "open_table"]

# A CSV column's type is taken from the first block. Arrow reads up to 32 blocks ahead, so they cannot be much larger.
CSV_BLOCK_BYTES = 1 << 20

READ_BUFFER_BYTES = 1 << 20  # of each Parquet column that is being read

_SUFFIXES = (".parquet", ".pq", ".csv", ".csv.gz")


class Table(abc.ABC):
    """A table on disk.

    Attributes
    ----------
    path : Path
    schema : pyarrow.Schema
        Names and types of all columns.
    n_rows : int or None
        None where it is not known before the end (CSV).
    """

    path: Path
    schema: pa.Schema
    n_rows: int | None

    @abc.abstractmethod
    def batches(self, columns: Sequence[str], numeric: Sequence[str], batch_size: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order as batches of `batch_size` rows; the last one may be smaller.

        Parameters
        ----------
        columns : sequence of str
            Columns to read, in the order wanted.
        numeric : sequence of str
            Those of them that become float64 where the file leaves it open (integers in CSV; a CSV column that starts
            with missing values).
        batch_size : int

        Raises
        ------
        ValueError
            A column occurs twice, or the file is damaged.
        """

    def check_columns(self, columns: Sequence[str]) -> None:
        """Raise a `ValueError` where a column to be read by its name occurs twice in the table."""
        counts = Counter(self.schema.names)
        for name in columns:
            if counts[name] > 1:
                raise ValueError(
                    f"{self.path} has {counts[name]} columns named {name!r}; rename or remove all but one."
                )


class ParquetTable(Table):
    """One Parquet file, or all of a folder; folders named ``key=value`` become columns."""

    def __init__(self, path: Path) -> None:
        import pyarrow.dataset as ds

        self.path = path
        if path.is_dir() and not any(path.rglob("*.parquet")):
            raise ValueError(f"{path} is a folder without any .parquet file.")
        source = sorted(map(str, path.rglob("*.parquet"))) if path.is_dir() else str(path)
        base = {"partitioning": "hive", "partition_base_dir": str(path)} if path.is_dir() else {}
        self._dataset = ds.dataset(source, format="parquet", **base)
        self.schema = self._dataset.schema
        self.n_rows = self._dataset.count_rows()

    def batches(self, columns: Sequence[str], numeric: Sequence[str], batch_size: int) -> Iterator[pa.RecordBatch]:
        self.check_columns(columns)
        fragments = self._dataset.get_fragments()
        return _rebatch((b for f in fragments for b in self._of_file(f, columns, batch_size)), batch_size)

    def _of_file(self, fragment: ds.Fragment, columns: Sequence[str], batch_size: int) -> Iterator[pa.RecordBatch]:
        """One file's rows in the table's types, with the columns that its folder's name stands for."""
        import pyarrow as pa
        import pyarrow.dataset as ds
        import pyarrow.parquet as pq

        keys = ds.get_partition_keys(fragment.partition_expression)
        fields = [self.schema.field(name) for name in columns]
        # Not the dataset's own scanner: it reads ahead of a slow consumer without bound.
        with pq.ParquetFile(fragment.path, pre_buffer=False, buffer_size=READ_BUFFER_BYTES) as file:
            stored = [name for name in columns if name not in keys]
            absent = [name for name in stored if name not in file.schema_arrow.names]
            if absent:
                raise ValueError(f"{fragment.path} has no column {absent[0]!r}, unlike other files of {self.path}.")
            for batch in file.iter_batches(batch_size, columns=stored):
                arrays = [
                    pa.repeat(pa.scalar(keys[f.name], f.type), batch.num_rows)
                    if f.name in keys
                    else batch.column(f.name).cast(f.type)
                    for f in fields
                ]
                yield pa.record_batch(arrays, schema=pa.schema(fields))


class CsvTable(Table):
    """A CSV file with a header line, plain or gzipped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_rows = None
        self.schema = self._open([], []).schema

    def batches(self, columns: Sequence[str], numeric: Sequence[str], batch_size: int) -> Iterator[pa.RecordBatch]:
        self.check_columns(columns)
        return _rebatch(self._read(columns, self._types(numeric)), batch_size)

    def _types(self, numeric: Sequence[str]) -> list[tuple[str, pa.DataType]]:
        import pyarrow as pa

        loose = {name for name in numeric if _is_loose(self.schema.field(name).type)}
        return [(name, pa.float64()) for name in loose]

    def _read(self, columns: Sequence[str], types: list[tuple[str, pa.DataType]]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        try:
            yield from self._open(columns, types)
        except pa.ArrowInvalid as error:
            raise ValueError(
                f"{self.path}: {error}. (A CSV column's type is taken from the first "
                f"{CSV_BLOCK_BYTES >> 20} MiB of the file; a Parquet file states it.)"
            ) from error

    def _open(self, columns: Sequence[str], types: list[tuple[str, pa.DataType]]) -> pa.RecordBatchReader:
        import pyarrow as pa
        import pyarrow.csv

        try:
            return pa.csv.open_csv(
                str(self.path),
                read_options=pa.csv.ReadOptions(block_size=CSV_BLOCK_BYTES),
                convert_options=pa.csv.ConvertOptions(
                    column_types=dict(types),
                    include_columns=list(columns),
                    strings_can_be_null=True,  # an empty text is a missing category, as pandas reads it
                ),
            )
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise ValueError(f"{self.path} is not a readable CSV table in UTF-8: {error}.") from error


def open_table(path: Path) -> Table:
    """Open a table by its suffix.

    Raises
    ------
    FileNotFoundError, ValueError
        The file is absent, empty or damaged, or its suffix is not one of .parquet, .pq, .csv, .csv.gz.
    MissingDependencyError
        pyarrow is not installed.
    """
    if not path.exists():
        raise FileNotFoundError(f"--data {path} does not exist.")
    name = path.name.lower()
    if not path.is_dir() and not name.endswith(_SUFFIXES):
        raise ValueError(
            f"--data {path}: expected a folder of Parquet files or a file ending in {', '.join(_SUFFIXES)}."
        )
    pa = optional("pyarrow", "arrow", "Reading a table")

    if name.endswith((".csv", ".csv.gz")) and not path.is_dir():
        return CsvTable(path)
    try:
        return ParquetTable(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is not a readable Parquet table: {error}") from error


def _is_loose(dtype: pa.DataType) -> bool:
    """Whether later rows of a CSV column may well be floats although the first ones were not."""
    import pyarrow as pa

    return bool(pa.types.is_integer(dtype) or pa.types.is_null(dtype))


def _rebatch(batches: Iterator[pa.RecordBatch], size: int) -> Iterator[pa.RecordBatch]:
    """Cut and join batches to exactly `size` rows each, except the last."""
    waiting: list[pa.RecordBatch] = []
    n_waiting = 0
    for batch in batches:
        offset = 0
        while n_waiting + batch.num_rows - offset >= size:
            take = size - n_waiting
            yield _joined([*waiting, batch.slice(offset, take)])
            waiting, n_waiting = [], 0
            offset += take
        if offset < batch.num_rows:
            waiting.append(batch.slice(offset))
            n_waiting += batch.num_rows - offset
    if n_waiting:
        yield _joined(waiting)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    import pyarrow as pa

    if len(batches) == 1:
        return batches[0]
    table = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()
    return table.to_batches()[0]
