"""Zips that were forged or cut: an error that names the entry, before anything is inflated."""

from __future__ import annotations

import io
import stat
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from artifact_files import MANIFEST, Files, files_of, lay, sealed

from fastexplain.scoring.artifact import ArtifactError, Limits, read, show, verify, write

# Offsets within an entry of the zip's directory, and within its end.
FLAGS, METHOD, SIZE, COMMENT, DISK, OFFSET = 8, 10, 24, 32, 34, 42
END_ENTRIES, END_SIZE, END_OFFSET, END_COMMENT = 8, 12, 16, 20


def zip_of(entries: list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as made:
        warnings.simplefilter("ignore")  # about names that come twice
        for name, data in entries:
            made.writestr(name, data)
    return file.getvalue()


@contextmanager
def little_memory() -> Iterator[None]:
    """The block may not take 5 MB at any time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return files_of(tmp_path)


def refused(tmp_path: Path, data: bytes, words: str, **options: Any) -> None:
    path = tmp_path / "bad.zip"
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match=words):
        read(path, **options)
    if not options:
        assert [finding for finding in verify(path) if finding.is_error]


@pytest.mark.parametrize(
    "name",
    [
        "../evil.npy",
        "/etc/passwd",
        "..\\evil.npy",
        "C:\\evil.npy",
        "folder/evil.npy",
        "folder/",
        "..",
        ".hidden",
        "a" * 200,
        "\u202eevil.npy",
        "evil\x1b[2J.npy",
        "CON:",
    ],
)
def test_entries_have_plain_names(tmp_path: Path, files: Files, name: str) -> None:
    refused(tmp_path, zip_of([*files.items(), (name, b"x")]), "is no name of a file here")


def test_zero_byte_in_a_name(tmp_path: Path, files: Files) -> None:
    data = zip_of([*files.items(), ("evilx.npy", b"x")]).replace(b"evilx.npy", b"evil\x00.npy")
    refused(tmp_path, data, "is no name of a file here")


def test_a_zipped_folder_is_told_from_a_forgery(tmp_path: Path, files: Files) -> None:
    entries: list[tuple[str | zipfile.ZipInfo, bytes]] = [(f"model/{name}", data) for name, data in files.items()]
    entries.sort(key=lambda entry: MANIFEST not in str(entry[0]))
    refused(tmp_path, zip_of(entries), "lies in a folder; zip the files themselves")


def test_entries_that_the_manifest_does_not_name(tmp_path: Path, files: Files) -> None:
    refused(tmp_path, zip_of([*files.items(), ("model.pkl", b"x")]), "model.pkl: name: the manifest names no such file")


def test_names_that_come_twice(tmp_path: Path, files: Files) -> None:
    for name in (MANIFEST, "tree.left.npy"):
        refused(tmp_path, zip_of([*files.items(), (name, files[name])]), f"{name}: name: comes twice")


@pytest.mark.parametrize(
    ("mode", "words"), [(stat.S_IFLNK, "is a symbolic link"), (stat.S_IFIFO, "is no regular file")]
)
def test_entries_that_are_no_files(tmp_path: Path, files: Files, mode: int, words: str) -> None:
    info = zipfile.ZipInfo("tree.left.npy")
    info.create_system, info.external_attr = 3, (mode | 0o777) << 16
    entries: list[tuple[str | zipfile.ZipInfo, bytes]] = [
        (name, data) for name, data in files.items() if name != info.filename
    ]
    refused(tmp_path, zip_of([*entries, (info, b"/etc/passwd")]), f"tree.left.npy: mode: {words}")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_to_pack(tmp_path: Path, files: Files, method: int) -> None:
    refused(tmp_path, zip_of([*files.items()], method), "method: 1[24]; expected 0, stored, or 8, deflated")


def test_a_thousandfold_ratio_takes_no_memory(tmp_path: Path, files: Files) -> None:
    bomb = np.zeros(60_000_000, np.uint8)
    data = files["tree.left.npy"][:128] + bomb.tobytes()
    path = lay(sealed(files, "tree.left.npy", data), tmp_path / "bomb.zip")
    assert path.stat().st_size < 100_000
    del data, bomb
    with little_memory(), pytest.raises(ArtifactError, match=r"would inflate from [\d,]+ to 60,[\d,]+ bytes; at most"):
        read(path)
    with pytest.raises(ArtifactError, match=r"tree\.left"):  # as large as is said, but no array
        read(path, limits=Limits(inflation=2000))


def test_more_than_is_said_is_not_inflated(tmp_path: Path, files: Files) -> None:
    data = bytearray(
        zip_of([("tree.left.npy", bytes(15_000_000)), *((n, d) for n, d in files.items() if "left" not in n)])
    )
    for at in directory_entries(data):
        if data[at + 46 :].startswith(b"tree.left.npy"):
            struct.pack_into("<I", data, at + SIZE, 176)
    with little_memory():
        refused(tmp_path, bytes(data), "tree.left.npy: size: inflates to more; expected 176 bytes")


def test_less_than_is_said(tmp_path: Path, files: Files) -> None:
    data = bytearray(zip_of([*files.items()]).replace(files[MANIFEST], files[MANIFEST]))
    for at in directory_entries(data):
        if data[at + 46 :].startswith(MANIFEST.encode()):
            struct.pack_into("<I", data, at + SIZE, len(files[MANIFEST]) + 1)
    refused(tmp_path, bytes(data), "manifest.json: size: inflates to [0-9,]+; expected")


def test_entries_that_share_bytes(tmp_path: Path, files: Files) -> None:
    data = bytearray(zip_of([*files.items()]))
    entries = list(directory_entries(data))
    for at in entries[1:]:
        struct.pack_into("<I", data, at + OFFSET, struct.unpack_from("<I", data, entries[0] + OFFSET)[0])
    refused(tmp_path, bytes(data), "shares bytes with another entry")


def directory_entries(data: bytes | bytearray) -> Iterator[int]:
    """Offsets of the entries of a zip's directory."""
    at = struct.unpack_from("<I", data, len(data) - 22 + END_OFFSET)[0]
    while data[at : at + 4] == b"PK\x01\x02":
        yield at
        at += 46 + sum(struct.unpack_from("<3H", data, at + 28))


Forgery = Callable[[bytearray], Any]


def in_entry(offset: int, form: str, value: int) -> Forgery:
    """Another number in the first entry of the zip's directory."""
    return lambda data: struct.pack_into(form, data, next(directory_entries(data)) + offset, value)


def in_end(offset: int, form: str, value: int) -> Forgery:
    return lambda data: struct.pack_into(form, data, len(data) - 22 + offset, value)


def in_own_header(offset: int, form: str, value: int) -> Forgery:
    return lambda data: struct.pack_into(form, data, offset, value)


def entry_comes_in(data: bytearray, more: int) -> None:
    """The end tells of fewer or more entries than the directory has."""
    for at in (END_ENTRIES, END_ENTRIES + 2):
        struct.pack_into("<H", data, len(data) - 22 + at, 4 - more)


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (in_entry(FLAGS, "<H", 1), "flags: 0x0001: it is encrypted"),
        (in_entry(FLAGS, "<H", 0x40), "flags: .*encrypted"),
        (in_entry(METHOD, "<H", 0), "size: stored, with"),
        (in_entry(6, "<H", 45), "version: 45: it asks for more"),
        (in_entry(COMMENT, "<H", 9), "is not one of a plain zip"),
        (in_entry(DISK, "<H", 1), "is not one of a plain zip"),
        (in_entry(28, "<H", 60_000), "is not one of a plain zip"),
        (in_entry(0, "<I", 0), "is not one of a plain zip"),
        (lambda data: entry_comes_in(data, -1), "ends before its 5 entries"),
        (lambda data: entry_comes_in(data, 1), "has [0-9]+ bytes after its last entry"),
        (in_entry(OFFSET, "<I", 2**32 - 1), "reaches into its directory|shares bytes"),
        (in_entry(OFFSET, "<I", 1), "own header is not as the zip's directory says|shares bytes"),
        (in_entry(SIZE, "<I", 2**32 - 1), "would inflate from"),
        (in_end(END_ENTRIES, "<H", 3), "is not where its end says"),
        (in_end(END_SIZE, "<I", 2**32 - 1), "is not where its end says"),
        (in_end(END_OFFSET, "<I", 0), "is not where its end says"),
        (in_end(END_COMMENT, "<H", 1), "does not end as a plain zip"),
        (in_end(4, "<H", 1), "is not where its end says"),
        (lambda data: data.extend(b"\x00"), "does not end as a plain zip"),
        (lambda data: data.__setitem__(slice(0, 0), b"#!/bin/sh\n"), "is not where its end says"),
        (in_own_header(0, "<I", 0), "own header is not"),
        (in_own_header(6, "<H", 1), "own header is not"),
        (in_own_header(8, "<H", 0), "own header is not"),
        (in_own_header(26, "<H", 3), "own header is not"),
        (in_own_header(26, "<H", 60_000), "own header is not|cut short"),
        (in_own_header(30, "<B", 0x58), "own header is not"),
        (in_own_header(28, "<H", 60_000), "cannot be inflated|inflates to|cut short"),
    ],
)
def test_zips_whose_parts_disagree(tmp_path: Path, files: Files, forge: Forgery, words: str) -> None:
    data = bytearray(zip_of([*files.items()]))
    forge(data)
    refused(tmp_path, bytes(data), words)


def test_a_zip_that_was_cut_off_anywhere(tmp_path: Path, files: Files) -> None:
    data = zip_of([*files.items()])
    for length in {*range(0, len(data), max(1, len(data) // 200)), *range(len(data) - 30, len(data))}:
        refused(tmp_path, data[:length], "does not end as a plain zip|which is no zip")


def test_damaged_deflate_streams(tmp_path: Path, files: Files) -> None:
    data = zip_of([(MANIFEST, files[MANIFEST])])
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = packed.compress(files[MANIFEST]) + packed.flush()
    assert data.count(stream[:40]) <= 1
    begin = 30 + len(MANIFEST)
    refused(tmp_path, data[:begin] + b"\xff\xff\xff" + data[begin + 3 :], "manifest.json: data: cannot be inflated")


def test_numbers_of_entries_are_limited(tmp_path: Path, files: Files) -> None:
    many: list[tuple[str | zipfile.ZipInfo, bytes]] = [(f"a{i}.npy", b"") for i in range(1_100)]
    refused(tmp_path, zip_of([*files.items(), *many]), "entries: 1,104 entries; at most 1,001")


def test_what_hardly_holds_anything_is_stored(tmp_path: Path) -> None:
    # deflated, these zeros would be a thousandth of their size, and taken for an attack
    write(tmp_path / "a.zip", {}, {"a": np.zeros(20_000_000, np.uint8)})
    assert (tmp_path / "a.zip").stat().st_size > 20_000_000
    assert read(tmp_path / "a.zip").arrays["a"].sum() == 0
    write(tmp_path / "b.zip", {}, {"a": np.zeros(10_000_000, np.uint8)})
    assert (tmp_path / "b.zip").stat().st_size < 100_000
    assert show(tmp_path / "b.zip")["stored_bytes"] < 100_000


def test_stored_arrays_are_mapped_where_they_lie(tmp_path: Path) -> None:
    values = np.arange(100_000.0)
    write(tmp_path / "a.zip", {}, {"a": values, "b": values[::-1]}, compressed=False)
    for memory_map in (True, False):
        found = read(tmp_path / "a.zip", memory_map=memory_map).arrays
        for name, wanted in (("a", values), ("b", values[::-1])):
            assert found[name].flags.aligned
            np.testing.assert_array_equal(found[name], wanted)
            assert ("mmap" in type(root_of(found[name])).__name__) is memory_map


def root_of(array: np.ndarray) -> Any:
    """What holds an array's memory in the end."""
    base: Any = array
    while isinstance(base, np.ndarray | memoryview):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    return base
