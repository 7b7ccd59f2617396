"""Damaged and forged artifacts: an ArtifactError that names file and field, from `read` and from `verify` alike."""

from __future__ import annotations

import io
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from artifact_files import CONTENT, MANIFEST, Files, edited, files_of, lay, npy, sealed

from fastexplain.scoring.artifact import ArtifactError, Limits, read, show, verify, write

LEFT, FLAG, LARGE = "tree.left.npy", "tree.flag.npy", "tree.large.npy"
INTS = np.arange(12, dtype="<i4").tobytes()
FLAGS_HEADER = "{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }"
GOOD_HEADER = "{'descr': '<i4', 'fortran_order': False, 'shape': (3, 4), }"

# A name for the case -> what is done to the files, the file that the error names, and some of its words.
Case = tuple[Callable[[Files], Files], str, str]


def entry(name: str, key: str, value: Any) -> Callable[[Files], Files]:
    """The manifest says something else of an array."""
    return lambda files: edited(files, lambda document: document["arrays"][name].__setitem__(key, value))


def top(key: str, value: Any) -> Callable[[Files], Files]:
    """The manifest says something else."""
    return lambda files: edited(files, lambda document: document.__setitem__(key, value))


def without(key: str) -> Callable[[Files], Files]:
    return lambda files: edited(files, lambda document: document.pop(key))


def renamed(name: Any) -> Callable[[Files], Files]:
    """An array of another name."""
    return lambda files: edited(
        files, lambda document: document["arrays"].__setitem__(name, document["arrays"]["tree.left"])
    )


def text(text: str) -> Callable[[Files], Files]:
    return lambda files: files | {MANIFEST: text.encode("utf-8", "surrogatepass")}


def inserted(fragment: str) -> Callable[[Files], Files]:
    """A manifest with something more at the start of its content."""
    return lambda files: files | {MANIFEST: files[MANIFEST].replace(b'"content":{', b'"content":{' + fragment.encode())}


def array(data: bytes, name: str = LEFT) -> Callable[[Files], Files]:
    """An array's file with other bytes, and the manifest's hash of them."""
    return lambda files: sealed(files, name, data)


def damaged(name: str, change: Callable[[bytes], bytes]) -> Callable[[Files], Files]:
    """A file with other bytes, of which the manifest knows nothing."""
    return lambda files: files | {name: change(files[name])}


def saved_by_numpy(values: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, values, **options)
    return file.getvalue()


MANIFESTS: dict[str, Case] = {
    "missing": (lambda files: {k: v for k, v in files.items() if k != MANIFEST}, MANIFEST, "is missing"),
    "empty": (text(""), MANIFEST, "is not valid"),
    "cut": (damaged(MANIFEST, lambda data: data[:-40]), MANIFEST, "is not valid"),
    "list": (text("[]"), MANIFEST, "holds a list; expected an object"),
    "number": (text("3"), MANIFEST, "holds a int; expected an object"),
    "not_utf8": (damaged(MANIFEST, lambda data: data + b"\xff"), MANIFEST, "is not valid"),
    "utf16": (damaged(MANIFEST, lambda data: data.decode().encode("utf-16")), MANIFEST, "is not valid"),
    "byte_order_mark": (damaged(MANIFEST, lambda data: b"\xef\xbb\xbf" + data), MANIFEST, "is not valid"),
    "nan": (inserted('"a":NaN,'), MANIFEST, "NaN is no JSON"),
    "infinity": (inserted('"a":-Infinity,'), MANIFEST, "-Infinity is no JSON"),
    "beyond_floats": (inserted('"a":1e999,'), MANIFEST, "1e999 is beyond"),
    "endless_integer": (inserted(f'"a":{"9" * 5000},'), MANIFEST, "is not valid"),
    "half_of_a_pair": (inserted(r'"a":"\ud800",'), MANIFEST, "is not valid"),
    "half_of_a_pair_as_key": (inserted(r'"\uD800":1,'), MANIFEST, "is not valid"),
    "key_twice": (inserted('"a":1,"a":2,'), MANIFEST, "the key 'a' comes twice"),
    "nested": (inserted(f'"a":{"[" * 70}{"]" * 70},'), MANIFEST, "are nested 72 deep; at most 64"),
    "nested_to_the_end_of_the_stack": (inserted('"a":' + "[" * 1_000_000), MANIFEST, "deep; at most 64"),
    "nested_objects": (inserted('"a":' + '{"a":' * 100_000), MANIFEST, "deep; at most 64"),
    "other_format": (top("format", "skops"), MANIFEST, "format: 'skops'; expected 'fastexplain-scoring'"),
    "no_format": (without("format"), MANIFEST, "format: missing"),
    "newer": (top("format_version", 2), MANIFEST, "format_version: 2; this fastexplain reads up to 1.*upgrade"),
    "version_zero": (top("format_version", 0), MANIFEST, "format_version: 0; expected"),
    "version_true": (top("format_version", True), MANIFEST, "format_version: True; expected"),
    "version_text": (top("format_version", "1"), MANIFEST, "format_version: '1'; expected"),
    "no_content": (without("content"), MANIFEST, "content: is missing"),
    "no_arrays": (without("arrays"), MANIFEST, "arrays: is missing"),
    "content_is_a_list": (top("content", []), MANIFEST, "content: is a list; expected an object"),
    "arrays_are_a_list": (top("arrays", []), MANIFEST, "arrays: is a list; expected an object"),
    "versions_are_numbers": (top("created_with", {"numpy": 2}), MANIFEST, "created_with"),
    "unknown_field": (top("code", "import os"), MANIFEST, "'code' is unknown"),
    "trusts_what_it_likes": (top("trusted", ["os.system"]), MANIFEST, "'trusted' is unknown"),
    "control_characters": (top("\x1b[2J", 1), MANIFEST, r"'\\\\?x1b\[2J' is unknown"),
}

ENTRIES: dict[str, Case] = {
    "no_object": (
        lambda files: edited(files, lambda d: d["arrays"].__setitem__("tree.left", 3)),
        MANIFEST,
        "tree.left: is a int",
    ),
    "folder_above": (renamed("../evil"), MANIFEST, "'../evil' is no name of an array"),
    "absolute": (renamed("/etc/passwd"), MANIFEST, "'/etc/passwd' is no name of an array"),
    "backslash": (renamed("..\\evil"), MANIFEST, "is no name of an array"),
    "upper_case": (renamed("tree.Left"), MANIFEST, "is no name of an array"),
    "dots": (renamed("tree..left"), MANIFEST, "is no name of an array"),
    "zero_byte": (renamed("tree\x00left"), MANIFEST, "is no name of an array"),
    "empty_name": (renamed(""), MANIFEST, "is no name of an array"),
    "newline": (renamed("tree.left\n"), MANIFEST, "is no name of an array"),
    "long_name": (renamed("a" * 101), MANIFEST, "is no name of an array"),
    "file_elsewhere": (
        entry("tree.left", "file", "../tree.left.npy"),
        MANIFEST,
        "tree.left.file: '../tree.left.npy'; exp",
    ),
    "file_of_another": (entry("tree.left", "file", FLAG), MANIFEST, "tree.left.file: 'tree.flag.npy'; expected"),
    "file_is_a_number": (entry("tree.left", "file", 3), MANIFEST, "tree.left.file: 3; expected"),
    "objects": (entry("tree.left", "dtype", "|O"), MANIFEST, r"tree.left.dtype: '\|O'; expected one of"),
    "big_endian": (entry("tree.left", "dtype", ">i4"), MANIFEST, "tree.left.dtype: '>i4'; expected one of"),
    "text": (entry("tree.left", "dtype", "<U3"), MANIFEST, "tree.left.dtype: '<U3'; expected one of"),
    "dtype_is_a_list": (entry("tree.left", "dtype", ["<i4"]), MANIFEST, "tree.left.dtype"),
    "negative_length": (entry("tree.left", "shape", [-3, -4]), MANIFEST, r"tree.left.shape: \[-3, -4\]; expected"),
    "fraction": (entry("tree.left", "shape", [3.0, 4]), MANIFEST, "tree.left.shape"),
    "length_true": (entry("tree.left", "shape", [True]), MANIFEST, "tree.left.shape"),
    "shape_is_a_number": (entry("tree.left", "shape", 12), MANIFEST, "tree.left.shape: 12; expected"),
    "dimensions": (entry("tree.left", "shape", [1] * 9), MANIFEST, "tree.left.shape"),
    "shape_overflows": (entry("tree.left", "shape", [2**62, 2**62]), MANIFEST, "tree.left.shape"),
    "empty_overflows": (entry("tree.left", "shape", [0, 2**62, 2**62]), MANIFEST, "tree.left.shape"),
    "beyond_memory": (entry("tree.left", "shape", [2**50]), MANIFEST, "tree.left.bytes"),
    "negative_size": (entry("tree.left", "bytes", -1), MANIFEST, "tree.left.bytes: -1; expected"),
    "size_of_a_header": (entry("tree.left", "bytes", 48), MANIFEST, "tree.left.bytes: 48; expected"),
    "size_true": (entry("tree.left", "bytes", True), MANIFEST, "tree.left.bytes: True; expected"),
    "size_beyond_the_limit": (
        entry("tree.left", "bytes", 2**40),
        MANIFEST,
        "tree.left.bytes: 1,099,511,627,776; at most",
    ),
    "hash_is_short": (entry("tree.left", "sha256", "ab"), MANIFEST, "tree.left.sha256: 'ab'; expected"),
    "hash_in_capitals": (entry("tree.left", "sha256", "A" * 64), MANIFEST, "tree.left.sha256"),
    "hash_is_null": (entry("tree.left", "sha256", None), MANIFEST, "tree.left.sha256: None; expected"),
    "unknown": (entry("tree.left", "loader", "pickle"), MANIFEST, "'loader' is unknown"),
    "one_less": (
        lambda files: edited(files, lambda d: d["arrays"]["tree.left"].pop("shape")),
        MANIFEST,
        "shape: is missing",
    ),
}

DATA: dict[str, Case] = {
    "missing": (lambda files: {k: v for k, v in files.items() if k != LEFT}, LEFT, "is missing"),
    "cut": (damaged(LARGE, lambda data: data[:-1]), LARGE, "bytes: 80,127 bytes; the manifest says 80,128"),
    "longer": (damaged(LEFT, lambda data: data + b"\x00"), LEFT, "bytes: 177 bytes; the manifest says 176"),
    "empty": (damaged(LEFT, lambda data: b""), LEFT, "bytes: 0 bytes; the manifest says 176"),
    "changed": (damaged(LEFT, lambda data: data[:-1] + b"\x01"), LEFT, "sha256: .*; the manifest says"),
    "large_changed": (damaged(LARGE, lambda data: data[:-1] + b"\x01"), LARGE, "sha256: .*; the manifest says"),
    "hash_of_another": (entry("tree.left", "sha256", "0" * 64), LEFT, "sha256: .*; the manifest says 0000"),
    "array_is_shorter": (array(npy(GOOD_HEADER, INTS[:-4])), LEFT, "44 bytes of data; shape"),
    "array_is_longer": (array(npy(GOOD_HEADER, INTS + INTS)), LEFT, "bytes: 96 bytes of data; shape"),
    "pickle": (
        array(pickle.dumps(os.system) + bytes(200)),
        LEFT,
        "magic: .*it looks like a pickle, which is never loaded",
    ),
    "not_npy": (array(bytes(176)), LEFT, "magic: begins with"),
    "zip_of_arrays": (array(b"PK\x03\x04" + bytes(172)), LEFT, "magic: begins with"),
    "version_2": (array(npy(GOOD_HEADER, INTS, b"\x02\x00")), LEFT, "magic: .*of another version"),
    "fortran": (
        array(saved_by_numpy(np.asfortranarray(np.zeros((3, 4), "<i4")))),
        LEFT,
        "fortran_order: True; expected False",
    ),
    "big_endian": (
        array(saved_by_numpy(np.zeros((3, 4), ">i4"))),
        LEFT,
        r"dtype: '>i4' \(big-endian\); expected '<i4'",
    ),
    "floats": (array(saved_by_numpy(np.zeros((3, 4), "<f4"))), LEFT, "dtype: '<f4'; expected '<i4'"),
    "objects": (array(npy(GOOD_HEADER.replace("<i4", "|O"), INTS)), LEFT, r"dtype: '\|O' \(Python objects"),
    "records": (array(saved_by_numpy(np.zeros((3, 4), [("a", "<i4")]))), LEFT, "dtype: .*expected '<i4'"),
    "other_shape": (array(saved_by_numpy(np.zeros((4, 3), "<i4"))), LEFT, r"shape: \(4, 3\); expected \(3, 4\)"),
    "code_in_the_header": (array(npy("__import__('os').system('true')", INTS + bytes(64))), LEFT, "is not the header"),
    "header_of_lists": (array(npy("[" * 60, INTS + bytes(64))), LEFT, "is not the header"),
    "header_beyond_the_file": (array(b"\x93NUMPY\x01\x00\xff\xff" + bytes(166)), LEFT, "is not the header"),
    "length_with_zeros": (array(npy(GOOD_HEADER.replace("3, 4", "03, 4"), INTS)), LEFT, "is not the header"),
    "header_with_more": (array(npy(GOOD_HEADER[:-1] + "'x': 1}", INTS)), LEFT, "is not the header"),
    "bool_of_two": (array(npy(FLAGS_HEADER, b"\x00\x01\x02"), FLAG), FLAG, "holds 2 for True or False"),
}

CASES = {
    f"{group}_{name}": case
    for group, cases in (("manifest", MANIFESTS), ("entry", ENTRIES), ("data", DATA))
    for name, case in cases.items()
}


def refuses(path: Path, file: str | None, words: str, **options: Any) -> ArtifactError:
    """The error that reading raises, which has to name path and file, and which `verify` has to find too."""
    with pytest.raises(ArtifactError, match=words) as caught:
        read(path, **options)
    error = caught.value
    assert str(error).startswith(f"{path}: " if file is None else f"{path}: {file}: ")
    assert error.file == file
    assert str(error).isprintable()
    if not options:
        assert str(error) in [finding.message for finding in verify(path) if finding.is_error]
    return error


@pytest.mark.parametrize("form", ["a", "a.zip"])
@pytest.mark.parametrize("case", CASES)
def test_bad_files_are_refused(tmp_path: Path, case: str, form: str) -> None:
    change, file, words = CASES[case]
    path = lay(change(files_of(tmp_path)), tmp_path / form)
    refuses(path, file, words)


@pytest.mark.parametrize("form", ["a", "a.zip"])
def test_the_files_that_are_damaged_are_read_when_they_are_not(tmp_path: Path, form: str) -> None:
    path = lay(files_of(tmp_path), tmp_path / form)
    assert read(path).content == CONTENT
    assert verify(path) == []
    # a manifest that someone has laid out for reading is another artifact, and a good one
    path = lay(edited(files_of(tmp_path / "b"), lambda document: None), tmp_path / f"pretty_{form}")
    assert read(path).content == CONTENT
    assert [finding.is_error for finding in verify(path)] == [False]


@pytest.mark.parametrize("form", ["a", "a.zip"])
@pytest.mark.parametrize(
    ("limits", "file", "words"),
    [
        (Limits(manifest_bytes=100), MANIFEST, "at most 100 are read"),
        (Limits(depth=1), MANIFEST, "nested 4 deep; at most 1"),
        (Limits(n_arrays=2), MANIFEST, "3 arrays; at most 2"),
        (Limits(array_bytes=80_000), MANIFEST, "tree.large.bytes: 80,128; at most 80,000"),
        (Limits(total_bytes=80_200), MANIFEST, "arrays: 80,435 bytes in all; at most 80,200"),
    ],
)
def test_limits_are_the_callers(tmp_path: Path, form: str, limits: Limits, file: str, words: str) -> None:
    path = lay(files_of(tmp_path), tmp_path / form)
    if form == "a.zip" and (limits.n_arrays == 2 or limits.total_bytes == 80_200):
        file, words = None, "4 entries; at most 3|would inflate from"  # a zip tells before its manifest is read
    error = refuses(path, file, words, limits=limits)
    assert "limits" in str(error) or "at most" in str(error)
    read(path, limits=Limits(n_arrays=3, depth=4, array_bytes=80_128))


def test_data_that_are_not_aligned_are_copied(tmp_path: Path) -> None:
    header = GOOD_HEADER + " " * (117 - len(GOOD_HEADER)) + "\n"  # 10 + 118: the data begin at a multiple of 64, or not
    for length in (118, 119):
        text = header.rjust(length).lstrip() if length == 118 else header[:-1] + " \n"
        data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + INTS
        array = read(lay(sealed(files_of(tmp_path / str(length)), LEFT, data), tmp_path / f"a{length}")).arrays[
            "tree.left"
        ]
        assert array.flags.aligned
        assert not array.flags.writeable
        assert array.ravel().tolist() == list(range(12))


def test_a_large_manifest_is_read_in_time(tmp_path: Path) -> None:
    content = {"categories": [f'"{i}" \\ [{{é' for i in range(200_000)]}
    write(tmp_path / "a", content, {})
    assert read(tmp_path / "a").content == content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a": {"b": [1, float("nan")]}}, r"content.a.b\[1\]: is nan, which JSON has not"),
        ({"a": np.float64(1)}, "content.a: is a float64"),
        ({"a": np.arange(3)}, "content.a: is a ndarray"),
        ({"a": {1: 2}}, "content.a: has the key 1; keys must be strings"),
        ({"a": "\ud800"}, "content.a: .*surrogate pair"),
        ({"a": {1, 2}}, "content.a: is a set"),
        ({"a": b"x"}, "content.a: is a bytes"),
    ],
)
def test_content_that_would_come_back_as_something_else_is_not_written(
    tmp_path: Path, content: dict[str, Any], words: str
) -> None:
    with pytest.raises(ArtifactError, match=words):
        write(tmp_path / "a", content, {})
    assert not list(tmp_path.iterdir())


def test_content_without_end_is_not_written(tmp_path: Path) -> None:
    content: dict[str, Any] = {}
    content["a"] = content
    with pytest.raises(ArtifactError, match="nested too deeply"):
        write(tmp_path / "a", content, {})


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("a", np.array([object()]), "object arrays are not stored"),
        ("a", np.array(["x"]), "are not stored; expected one of bool"),
        ("a", np.zeros(2, np.float16), "float16 arrays are not stored"),
        ("a", np.zeros(2, complex), "complex128 arrays are not stored"),
        ("a", np.zeros(2, "M8[s]"), "are not stored"),
        ("A", np.zeros(2), "'A' is no name of an array"),
        ("../a", np.zeros(2), "'../a' is no name of an array"),
        (3, np.zeros(2), "3 is no name of an array"),
    ],
)
def test_arrays_that_cannot_be_read_are_not_written(tmp_path: Path, name: Any, values: np.ndarray, words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        write(tmp_path / "a", {}, {name: values})
    assert not list(tmp_path.iterdir())


def test_what_exceeds_the_limits_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="2 arrays; at most 1"):
        write(tmp_path / "a", {}, {"a": np.zeros(1), "b": np.zeros(1)}, limits=Limits(n_arrays=1))
    assert not list(tmp_path.iterdir())


def test_show_checks_the_manifest(tmp_path: Path) -> None:
    path = lay(MANIFESTS["newer"][0](files_of(tmp_path)), tmp_path / "a")
    with pytest.raises(ArtifactError, match="upgrade fastexplain"):
        show(path)
    assert json.loads((path / MANIFEST).read_text())["format_version"] == 2
