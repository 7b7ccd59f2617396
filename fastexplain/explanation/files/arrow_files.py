"""Parquet and Arrow files with tables beside the one that other programs see.

Both formats find their parts by offsets from the end of the file, so that bytes between the first few and the first
part are nobody's. The checksum of the file is put there (`seal`), and further tables as compressed Arrow streams; the
metadata say where, and how to tell that they are still what they were. A program that rewrites the file drops both.
"""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastexplain._optional import optional
from fastexplain.explanation.files.arrow_data import Columns
from fastexplain.explanation.files.seal import SEAL_LENGTH, UNSEALED, is_intact, seal

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ArrowSink", "ParquetSink", "TableFile", "embedded", "is_one_file", "sink_for"]

_PARQUET_SUFFIXES = (".parquet", ".pq")
_ARROW_SUFFIXES = (".arrow", ".feather", ".ipc")
_PARQUET_MAGIC, _ARROW_MAGIC = b"PAR1", b"ARROW1"
# what the formats' writers put first: Parquet's refuses to begin anywhere but at the start of a file
_PARQUET_START, _ARROW_START = len(_PARQUET_MAGIC), 8


def is_one_file(path: Path) -> bool:
    """Whether a path's suffix stands for one file rather than a directory."""
    return path.suffix.lower() in (*_PARQUET_SUFFIXES, *_ARROW_SUFFIXES)


def sink_for(path: Path) -> type[ParquetSink] | type[ArrowSink]:
    """The writer of the format that a path's suffix stands for."""
    return ArrowSink if path.suffix.lower() in _ARROW_SUFFIXES else ParquetSink


class _Sink:
    """Writes a file.

    Attributes
    ----------
    sealed_at, start : int
        Offsets of the checksum, and of what `embedded` makes.
    """

    sealed_at: int
    start: int

    def __init__(self, path: Path) -> None:
        pa = optional("pyarrow", "arrow", "Writing an explanation as one file")
        self._path = path
        self._file = pa.OSFile(str(path), "wb")
        self._writer: Any = None

    def close(self) -> None:
        """End the file and put its checksum in."""
        if self._writer is not None:
            self._writer.close()
        self._file.close()
        if self._writer is not None:
            seal(self._path, self.sealed_at)


class ParquetSink(_Sink):
    """Writes tables of one schema, a row group each. Floating point columns are zstd over BYTE_STREAM_SPLIT.

    That halves the size that dictionary encoding gives for such numbers.
    """

    sealed_at = _PARQUET_START
    start = sealed_at + SEAL_LENGTH

    def open(self, schema: pa.Schema, blob: bytes = b"") -> None:
        pq = optional("pyarrow.parquet", "arrow", "Writing Parquet")
        floats = set(_floating(schema))
        names = _leaves(schema)
        self._writer = pq.ParquetWriter(
            self._file,
            schema,
            compression="zstd",
            write_page_checksum=True,  # for other programs, which know nothing of the seal
            use_dictionary=[name for name in names if name not in floats],
            use_byte_stream_split=[name for name in names if name in floats],
        )
        self._file.write(UNSEALED + blob)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))


class ArrowSink(_Sink):
    """Writes tables of one schema, a record batch each, as an Arrow IPC file compressed with lz4."""

    sealed_at = _ARROW_START
    start = sealed_at + SEAL_LENGTH

    def open(self, schema: pa.Schema, blob: bytes = b"") -> None:
        pa = optional("pyarrow", "arrow", "Writing an Arrow file")
        self._file.write(_ARROW_MAGIC.ljust(_ARROW_START, b"\0") + UNSEALED)
        self._file.write(blob.ljust(-(-len(blob) // 8) * 8, b"\0"))
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._writer = pa.ipc.new_file(self._file, schema, options=options)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table.combine_chunks())


def _leaves(schema: pa.Schema) -> list[str]:
    """Paths of the columns as Parquet has them: a list's values are a column below it."""
    pa = optional("pyarrow", "arrow", "Writing Parquet")
    lists = (pa.types.is_list, pa.types.is_large_list)
    return [f"{f.name}.list.element" if any(is_it(f.type) for is_it in lists) else f.name for f in schema]


def _floating(schema: pa.Schema) -> Iterator[str]:
    pa = optional("pyarrow", "arrow", "Writing Parquet")
    for leaf, column in zip(_leaves(schema), schema, strict=True):
        kind = column.type if leaf == column.name else column.type.value_type
        if pa.types.is_float32(kind) or pa.types.is_float64(kind):
            yield leaf


def embedded(parts: Mapping[str, Columns], start: int) -> tuple[dict[str, Any], bytes]:
    """Tables as the bytes to put into a file at `start`, and the metadata that find them."""
    pa = optional("pyarrow", "arrow", "An Arrow table")
    entries: dict[str, Any] = {}
    blobs: list[bytes] = []
    offset = start
    for name, columns in parts.items():
        arrays = columns.rows(0, columns.n_rows)
        table = pa.table(arrays, names=[str(i) for i in range(len(arrays))])
        stream = pa.BufferOutputStream()
        with pa.ipc.new_stream(stream, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_table(table)
        blobs.append(stream.getvalue().to_pybytes())
        entries[name] = {
            "offset": offset,
            "length": len(blobs[-1]),
            "crc32": zlib.crc32(blobs[-1]),
            "description": columns.description,
        }
        offset += len(blobs[-1])
    return entries, b"".join(blobs)


class TableFile:
    """A Parquet or an Arrow file, told apart by its first bytes, opened for reading.

    Raises
    ------
    ValueError
        It is neither, or damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._pa = optional("pyarrow", "arrow", "Reading an explanation from one file")
        self.path = os.fspath(path)
        with open(path, "rb") as file:
            first = file.read(_ARROW_START)
        if first.startswith(_PARQUET_MAGIC):
            self.format = "Parquet"
        elif first.startswith(_ARROW_MAGIC):
            self.format = "Arrow"
        else:
            raise ValueError(f"{self.path!r} is neither a Parquet nor an Arrow file.")
        self._is_intact = is_intact(path, _PARQUET_START if self.format == "Parquet" else _ARROW_START)
        if self._is_intact is False:
            raise ValueError(
                f"{self.path!r} is a damaged {self.format} file: its bytes have changed since it was written (they "
                "differ from its checksum). Please take it from a backup, or make it again."
            )
        self._reader: Any = None

    def __enter__(self) -> TableFile:
        with self.damage_told():
            if self.format == "Parquet":
                pq = optional("pyarrow.parquet", "arrow", "Reading Parquet")
                self._reader = pq.ParquetFile(self.path, memory_map=True, page_checksum_verification=True)
            else:
                self._reader = self._pa.ipc.open_file(self._pa.memory_map(self.path))
        return self

    def __exit__(self, *_: object) -> None:
        if self.format == "Parquet":
            self._reader.close()

    @property
    def schema(self) -> pa.Schema:
        return self._reader.schema_arrow if self.format == "Parquet" else self._reader.schema

    @property
    def n_rows(self) -> int:
        if self.format == "Parquet":
            return int(self._reader.metadata.num_rows)
        with self.damage_told():
            return sum(self._reader.get_batch(i).num_rows for i in range(self._reader.num_record_batches))

    def tables(self) -> Iterator[pa.Table]:
        """The rows, a piece at a time."""
        is_parquet = self.format == "Parquet"
        for i in range(self._reader.num_row_groups if is_parquet else self._reader.num_record_batches):
            with self.damage_told():
                # all columns, by position: selecting by name takes "a.b" along with "a"
                if is_parquet:
                    table = self._reader.read_row_group(i)
                else:
                    table = self._pa.Table.from_batches([self._reader.get_batch(i)])
                if not self._is_intact:
                    table.validate(full=True)  # lists and texts that reach beyond their data would be read
            yield table

    def embedded(self, name: str, entry: Mapping[str, Any]) -> pa.Table | None:
        """One of the tables beside, or None, with a warning, where another program's rewriting has lost it."""
        with open(self.path, "rb") as file:
            file.seek(entry["offset"])
            blob = file.read(entry["length"])
        if zlib.crc32(blob) != entry["crc32"] or len(blob) != entry["length"]:
            warnings.warn(
                f"{self.path!r} has lost its {name}: the file was rewritten by another program, or is damaged.",
                stacklevel=2,
            )
            return None
        with self.damage_told():
            return self._pa.ipc.open_stream(blob).read_all()

    @contextmanager
    def damage_told(self) -> Iterator[None]:
        """Whatever reading a damaged file raises becomes a ValueError that names the file.

        Arrow's errors are of many classes, as are those of Python objects made from columns that are not what the
        metadata tell.
        """
        try:
            yield
        except (ImportError, MemoryError) as error:
            # a whole file that does not fit, or lacks a library, is not damaged; sizes in an unsealed one are unknown
            if self._is_intact or isinstance(error, ImportError):
                raise
            raise ValueError(f"{self.path!r} is a damaged {self.format} file, or larger than the memory.") from error
        except Exception as error:
            if isinstance(error, ValueError) and repr(self.path) in str(error):
                raise
            raise ValueError(f"{self.path!r} is a damaged {self.format} file: {_words(error)}") from error


def _words(error: Exception) -> str:
    """An error's message, with its class where that is more than a value that is wrong."""
    return str(error) if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {error}"
