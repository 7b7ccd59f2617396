"""An artifact's files in one zip: the plain part of the format, read and written.

Plain: no comments, no encryption, no volumes, no zip64, nothing before or after; entries are files in no folder,
deflated or stored, of which none overlaps another. What else the format knows has been a way to have two programs see
two different contents. Entries are never extracted: they are inflated into memory, and names only ever compared.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import stat
import struct
import zlib
from collections.abc import Iterable
from typing import IO, Any, NamedTuple

from fastexplain.scoring.artifact.directory import SMALL, hash_exactly
from fastexplain.scoring.artifact.limits import Limits
from fastexplain.scoring.artifact.manifest import ArraySpec, Manifest
from fastexplain.scoring.artifact.place import DAMAGED, MANIFEST, Place

__all__ = ["LARGEST_ZIP", "ZipFiles", "write_zip"]

LARGEST_ZIP = 2**32 - 2**20  # sizes and offsets have 32 bits

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_STORED, _DEFLATED = 0, 8
_UNIX = 3
_VERSION = 20  # of the format: 2.0, with deflate
_MIDNIGHT = (0, 0x21)  # 1 January 1980: the same content gives the same zip
# Level of deflate (1, 2), sizes behind the data (3), names in UTF-8 (11): all that writers of plain zips set.
_KNOWN_FLAGS = 0x080E
_ALIGNMENT = 64
_MOST_EXTRA = 1024

_ENTRY_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}")


class Entry(NamedTuple):
    """What the zip's directory says of a file."""

    name: str
    method: int
    packed: int  # bytes in the zip
    size: int  # bytes of the file
    offset: int  # of its own header


class ZipFiles:
    """The files of one zip, which is open as `file` and closed with this."""

    kind = "zip"

    def __init__(self, path: str, file: IO[bytes], limits: Limits) -> None:
        self.place = Place(path)
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        if self.size > min(limits.total_bytes, LARGEST_ZIP):
            raise self.place.error(
                f"{self.size:,} bytes; at most {min(limits.total_bytes, LARGEST_ZIP):,} are read.", "size"
            )
        self.entries = self._directory(limits)
        total, most = sum(entry.size for entry in self.entries.values()), limits.inflated(self.size)
        if total > most:
            raise self.place.error(
                f"would inflate from {self.size:,} to {total:,} bytes; at most {most:,} are made. "
                "If you trust its source, pass larger `limits`.",
                "size",
            )

    def close(self) -> None:
        self._file.close()

    def replaced(self) -> bool:
        """An open file stays what it is."""
        return False

    def names(self) -> list[str]:
        """Entries of the zip."""
        return sorted(self.entries)

    def check_names(self, manifest: Manifest) -> None:
        """A zip is made at once: nothing else has business in it."""
        for name in sorted(self.entries.keys() - {MANIFEST} - {spec.file for spec in manifest.arrays.values()}):
            raise self.place.at(name).error(f"the manifest names no such file. {DAMAGED}", "name")

    def manifest_bytes(self, limits: Limits) -> bytes:
        entry = self._entry(MANIFEST)
        place = self.place.at(MANIFEST)
        if entry.size > limits.manifest_bytes:
            raise place.error(f"{entry.size:,} bytes; at most {limits.manifest_bytes:,} are read.", "size")
        return self._inflate(entry, self._data_offset(entry), place)

    def load(self, spec: ArraySpec, memory_map: bool) -> tuple[Any, str]:
        """The bytes of an array's file, in memory or mapped, and their SHA-256."""
        place = self.place.at(spec.file)
        entry = self._entry(spec.file)
        if entry.size != spec.n_bytes:
            raise place.error(f"{entry.size:,} bytes; the manifest says {spec.n_bytes:,}. {DAMAGED}", "bytes")
        offset = self._data_offset(entry)
        if memory_map and entry.method == _STORED and entry.size >= SMALL and offset % _ALIGNMENT == 0:
            mapped = self._map(entry, offset)
            if mapped is not None:
                self._file.seek(offset)
                return mapped, hash_exactly(self._file, entry.size, place)
        data = self._inflate(entry, offset, place)
        return data, hashlib.sha256(data).hexdigest()

    # ------------------------------------------------------------------------------------------------------- the parts

    def _read(self, offset: int, size: int, place: Place) -> bytes:
        self._file.seek(offset)
        data = self._file.read(size)
        if len(data) != size:
            raise place.error(f"ended {size - len(data):,} bytes early: it was cut short. {DAMAGED}", "size")
        return data

    def _entry(self, name: str) -> Entry:
        entry = self.entries.get(name)
        if entry is None:
            raise self.place.at(name).error(f"is missing. {DAMAGED}", "file")
        return entry

    def _directory(self, limits: Limits) -> dict[str, Entry]:
        place = self.place
        if self.size < _END.size:
            raise place.error(f"{self.size} bytes, which is no zip. {DAMAGED}", "size")
        end = _END.unpack(self._read(self.size - _END.size, _END.size, place))
        mark, disk, first_disk, here, n_entries, size, offset, comment = end
        if mark != _END_MARK or comment:
            raise place.error(f"does not end as a plain zip does: it is none, or was cut off. {DAMAGED}", "end")
        if disk or first_disk or here != n_entries or offset + size != self.size - _END.size:
            raise place.error(f"its directory is not where its end says, right before it. {DAMAGED}", "directory")
        if n_entries > limits.n_arrays + 1:
            raise place.error(f"{n_entries:,} entries; at most {limits.n_arrays + 1:,} are read.", "entries")
        if size > n_entries * (_CENTRAL.size + 120 + _MOST_EXTRA):
            raise place.error(f"its directory has {size:,} bytes for {n_entries} entries. {DAMAGED}", "directory")
        entries = _parsed(self._read(offset, size, place), n_entries, place)
        _refuse_overlaps(entries.values(), offset, place)
        return entries

    def _data_offset(self, entry: Entry) -> int:
        """Where an entry's data begin, if its own header names it as the zip's directory does."""
        place = self.place.at(entry.name)
        mark, _, flags, method, *_, n_name, n_extra = _LOCAL.unpack(self._read(entry.offset, _LOCAL.size, place))
        name = self._read(entry.offset + _LOCAL.size, n_name, place)
        if mark != _LOCAL_MARK or name != entry.name.encode() or method != entry.method or flags & ~_KNOWN_FLAGS:
            raise place.error(f"its own header is not as the zip's directory says. {DAMAGED}", "header")
        return entry.offset + _LOCAL.size + int(n_name) + int(n_extra)

    def _inflate(self, entry: Entry, offset: int, place: Place) -> bytes:
        packed = self._read(offset, entry.packed, place)
        if entry.method == _STORED:
            return packed
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = inflater.decompress(packed, entry.size + 1)  # one more than it may have shows that there are more
        except zlib.error as error:
            raise place.error(f"cannot be inflated: {error}. {DAMAGED}", "data") from error
        if len(data) != entry.size or not inflater.eof or inflater.unused_data:
            found = "more" if len(data) > entry.size else f"{len(data):,}" if inflater.eof else "an unended stream"
            raise place.error(f"inflates to {found}; expected {entry.size:,} bytes. {DAMAGED}", "size")
        return data

    def _map(self, entry: Entry, offset: int) -> memoryview | None:
        """The data in the file itself; None where the zip is no file of the system."""
        try:
            descriptor = self._file.fileno()
        except OSError:
            return None
        begin = offset - offset % mmap.ALLOCATIONGRANULARITY
        mapped = mmap.mmap(descriptor, offset - begin + entry.size, access=mmap.ACCESS_READ, offset=begin)
        return memoryview(mapped)[offset - begin :]


def _parsed(directory: bytes, n_entries: int, place: Place) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    at = 0
    for _ in range(n_entries):
        if at + _CENTRAL.size > len(directory):
            raise place.error(f"its directory ends before its {n_entries} entries. {DAMAGED}", "directory")
        mark, made_by, version, flags, method, _, _, _, packed, size, *more = _CENTRAL.unpack_from(directory, at)
        n_name, n_extra, n_comment, disk, _, modes, offset = more
        raw_name = directory[at + _CENTRAL.size : at + _CENTRAL.size + n_name]
        at += _CENTRAL.size + n_name + n_extra + n_comment
        if mark != _CENTRAL_MARK or at > len(directory) or n_comment or disk:
            raise place.error(f"its directory is not one of a plain zip. {DAMAGED}", "directory")
        name = _entry_name(raw_name, entries, place)
        entries[name] = Entry(name, method, packed, size, offset)
        _check_entry(entries[name], version, flags, modes >> 16 if made_by >> 8 == _UNIX else 0, place)
    if at != len(directory):
        raise place.error(f"its directory has {len(directory) - at} bytes after its last entry. {DAMAGED}", "directory")
    return entries


def _entry_name(raw_name: bytes, entries: dict[str, Entry], place: Place) -> str:
    name = raw_name.decode("latin-1")
    if name.endswith(f"/{MANIFEST}") and ".." not in name:
        raise place.error(f"{name!r} lies in a folder; zip the files themselves, not their folder.", "name")
    if not _ENTRY_NAME.fullmatch(name):
        raise place.error(f"{name!r:.150} is no name of a file here; expected one without folders. {DAMAGED}", "name")
    if name in entries:
        raise place.at(name).error(f"comes twice. {DAMAGED}", "name")
    return name


def _check_entry(entry: Entry, version: int, flags: int, mode: int, place: Place) -> None:
    place = place.at(entry.name)
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        what = "a symbolic link" if stat.S_ISLNK(mode) else "no regular file"
        raise place.error(f"is {what}; expected a file of its own. {DAMAGED}", "mode")
    if flags & ~_KNOWN_FLAGS:
        raise place.error(f"{flags:#06x}: it is encrypted, or packed in a way that is not read. {DAMAGED}", "flags")
    if entry.method not in (_STORED, _DEFLATED):
        raise place.error(f"{entry.method}; expected {_STORED}, stored, or {_DEFLATED}, deflated. {DAMAGED}", "method")
    if version > _VERSION:
        raise place.error(f"{version}: it asks for more of the format than is read. {DAMAGED}", "version")
    if entry.method == _STORED and entry.packed != entry.size:
        raise place.error(f"stored, with {entry.packed:,} bytes for {entry.size:,}. {DAMAGED}", "size")


def _refuse_overlaps(entries: Iterable[Entry], end: int, place: Place) -> None:
    """Entries that share bytes have a zip inflate to many times what limits on each would allow."""
    free = 0
    for entry in sorted(entries, key=lambda entry: entry.offset):
        if entry.offset < free:
            raise place.at(entry.name).error(f"shares bytes with another entry. {DAMAGED}", "offset")
        free = entry.offset + _LOCAL.size + len(entry.name) + entry.packed
    if free > end:
        raise place.error(f"an entry reaches into its directory. {DAMAGED}", "offset")


# ------------------------------------------------------------------------------------------------------------- to write


def write_zip(file: IO[bytes], contents: Iterable[tuple[str, list[Any]]], compressed: bool) -> None:
    """Write a zip of (name, parts of its bytes).

    Stored entries begin at multiples of 64 bytes, so that arrays can be mapped where they lie.
    """
    directory = []
    for name, parts in contents:
        size = sum(len(part) for part in parts)
        crc = 0
        for part in parts:
            crc = zlib.crc32(part, crc)
        packed = _deflated(parts) if compressed else parts
        n_packed = sum(len(part) for part in packed)
        method = _DEFLATED if compressed else _STORED
        offset = file.tell()
        extra = b"" if compressed else _padding(offset + _LOCAL.size + len(name))
        common = (0, method, *_MIDNIGHT, crc, n_packed, size, len(name))
        file.write(_LOCAL.pack(_LOCAL_MARK, _VERSION, *common, len(extra)) + name.encode() + extra)
        for part in packed:
            file.write(part)
        mode = (stat.S_IFREG | 0o644) << 16
        directory.append(
            _CENTRAL.pack(_CENTRAL_MARK, _UNIX << 8 | _VERSION, _VERSION, *common, 0, 0, 0, 0, mode, offset)
            + name.encode()
        )
    begin = file.tell()
    file.write(b"".join(directory))
    n_entries, size = len(directory), file.tell() - begin
    file.write(_END.pack(_END_MARK, 0, 0, n_entries, n_entries, size, begin, 0))


def _deflated(parts: list[Any]) -> list[Any]:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return [*(deflater.compress(part) for part in parts), deflater.flush()]


def _padding(offset: int) -> bytes:
    """An extra field that has the data begin at a multiple of 64; readers skip fields that they do not know."""
    missing = -offset % _ALIGNMENT
    if not missing:
        return b""
    missing += _ALIGNMENT if missing < 4 else 0  # a field's own header takes four bytes
    return struct.pack("<2H", 0xFE64, missing - 4) + bytes(missing - 4)
