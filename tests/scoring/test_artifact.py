"""The container of scoring artifacts: what is written is read again, the same from a directory and from either zip."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import run_python

from fastexplain.scoring.artifact import ArtifactError, read, show, verify, write

CONTENT = {"kind": "tree", "numbers": [1, -2, 0.1, 1e-300, None, True], "nested": {"ü": "line\nbreak\x00"}}
FORMS = {"directory": ("a", True), "zip": ("a.zip", True), "stored zip": ("a.zip", False)}
forms = pytest.mark.parametrize("form", FORMS)


def arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    found: dict[str, np.ndarray] = {
        f"every.{code[1:]}": random.integers(0, 2, 7).astype(code)
        for code in ("|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f4", "<f8")
    }
    return found | {
        "large": random.normal(size=(100, 300)),
        "large_bool": random.integers(0, 2, 100_000).astype(bool),
        "scalar": np.array(3.5),
        "empty": np.zeros((0, 3), np.float32),
        "special": np.array([np.nan, np.inf, -0.0, 5e-324]),
        "fortran": np.asfortranarray(random.normal(size=(5, 7))),
        "strided": np.arange(20)[::-3],
        "big_endian": np.arange(4, dtype=">i4"),
    }


def saved(folder: Path, form: str, given: dict[str, np.ndarray] | None = None, **options: Any) -> Path:
    name, compressed = FORMS[form]
    write(folder / name, CONTENT, arrays() if given is None else given, compressed=compressed, **options)
    return folder / name


@forms
def test_what_is_written_is_read(tmp_path: Path, form: str) -> None:
    found = read(saved(tmp_path, form))
    assert found.content == CONTENT
    assert found.arrays.keys() == arrays().keys()
    for name, wanted in arrays().items():
        array = found.arrays[name]
        assert array.dtype == wanted.dtype.newbyteorder("<")
        assert array.shape == wanted.shape
        assert array.tobytes() == wanted.astype(array.dtype).tobytes()  # the same bits, NaN and -0.0 too
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert not array.flags.writeable


@forms
def test_the_id_is_the_hash_of_the_manifest_and_the_same_in_every_form(tmp_path: Path, form: str) -> None:
    path = saved(tmp_path, form)
    data = zipfile.ZipFile(path).read("manifest.json") if path.is_file() else (path / "manifest.json").read_bytes()
    assert read(path).id == hashlib.sha256(data).hexdigest() == write(tmp_path / "again", CONTENT, arrays())
    assert read(path, id=read(path).id).manifest == json.loads(data)


@forms
def test_another_id_is_refused(tmp_path: Path, form: str) -> None:
    path = saved(tmp_path, form)
    with pytest.raises(ArtifactError, match="asked for was '0000"):
        read(path, id="0" * 64)


@forms
def test_nothing_is_found_in_what_was_written(tmp_path: Path, form: str) -> None:
    path = saved(tmp_path, form)
    assert verify(path) == []
    shown = show(path)
    assert shown["container"] == form.split()[-1]
    assert shown["manifest"]["content"] == CONTENT
    assert shown["other_files"] == []


def test_others_read_the_files(tmp_path: Path) -> None:
    path = saved(tmp_path, "directory")
    for name, wanted in arrays().items():
        array = np.load(path / f"{name}.npy", allow_pickle=False)
        assert array.tobytes() == wanted.astype(array.dtype).tobytes()
    for form in ("zip", "stored zip"):
        with zipfile.ZipFile(saved(tmp_path, form, exist_ok=True)) as file:
            assert file.testzip() is None
            assert sorted(file.namelist()) == sorted(["manifest.json", *(f"{name}.npy" for name in arrays())])


def test_the_same_content_gives_the_same_zip(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", {"a": 1, "b": 2}, {"x": np.arange(3), "y": np.arange(4)})
    write(tmp_path / "b.zip", {"b": 2, "a": 1}, {"x": np.arange(3), "y": np.arange(4)})
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_reading_imports_numpy_alone(tmp_path: Path) -> None:
    path = saved(tmp_path, "zip")
    code = f"""
import sys
import numpy, numpy.typing
known = set(sys.modules)
from fastexplain.scoring.artifact import read
read({str(path)!r})
print({{name.partition(".")[0] for name in set(sys.modules) - known}} - sys.stdlib_module_names)
"""
    assert run_python(code) == "{'fastexplain'}\n"


def test_arrays_that_nobody_touches_take_no_memory(tmp_path: Path) -> None:
    write(tmp_path / "a", {}, {"a": np.arange(5e6), "b": np.arange(5e6)})  # 40 MB each
    code = f"""
from pathlib import Path
from conftest import peak_bytes
from fastexplain.scoring.artifact import read, write
import numpy as np
write({str(tmp_path / "small")!r}, {{}}, {{"a": np.arange(100)}})
read({str(tmp_path / "small")!r})
before = peak_bytes()
found = read({str(tmp_path / "a")!r})
print((peak_bytes() - before) / 1e6)
found.arrays["a"].sum()
print((peak_bytes() - before) / 1e6)
"""
    untouched, touched = map(float, run_python(code).split())
    assert untouched < 4
    assert touched < 44
