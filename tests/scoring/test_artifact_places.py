"""Where artifacts are written and read: what is replaced, what a crash leaves, and what else may lie there."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from artifact_files import ARRAYS, CONTENT, MANIFEST, files_of, lay
from conftest import run_python

from fastexplain import _files
from fastexplain.scoring.artifact import LIMITS, ArtifactError, directory, read, reading, verify, write, writing

FORMS = ["a", "a.zip"]
BOTH = pytest.mark.parametrize("form", FORMS)


def everything(folder: Path) -> dict[str, bytes | None]:
    """All below a folder, hidden files too."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


# ------------------------------------------------------------------------------------------------------------ replacing


@BOTH
def test_what_exists_is_replaced_only_where_that_is_asked_for(tmp_path: Path, form: str) -> None:
    first = write(tmp_path / form, CONTENT, ARRAYS)
    before = everything(tmp_path)
    with pytest.raises(FileExistsError, match="exist_ok=True"):
        write(tmp_path / form, {}, {})
    assert everything(tmp_path) == before
    second = write(tmp_path / form, {}, {"b": np.zeros(1)}, exist_ok=True)
    assert read(tmp_path / form).id == second != first
    assert len(list(tmp_path.iterdir())) == 1


def test_a_directory_is_replaced_in_two_steps_where_one_is_not_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_files, "_exchange", lambda first, second: False)
    write(tmp_path / "a", CONTENT, ARRAYS)
    wanted = write(tmp_path / "a", {}, {}, exist_ok=True)
    assert read(tmp_path / "a").id == wanted
    assert [path.name for path in tmp_path.iterdir()] == ["a"]

    rename = os.rename

    def fail_at_the_second(source: Any, target: Any) -> None:
        if Path(target).name == "a" and MANIFEST in os.listdir(source) and read(source).id != wanted:
            raise OSError(errno.EIO, "broken")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_at_the_second)
    with pytest.raises(OSError, match="broken"):
        write(tmp_path / "a", CONTENT, ARRAYS, exist_ok=True)
    assert read(tmp_path / "a").id == wanted
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_empty_directory_is_filled(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(FileExistsError):
        write(tmp_path / "a", CONTENT, ARRAYS)
    write(tmp_path / "a", CONTENT, ARRAYS, exist_ok=True)
    assert verify(tmp_path / "a") == []


def make_other(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("mine")
    elif kind == "link":
        write(path.parent / "elsewhere", {}, {})
        path.symlink_to(path.parent / "elsewhere")
    elif kind == "folder":
        path.mkdir()
        (path / "photo.jpg").touch()
    else:
        write(path, {}, {})
        (path / kind).touch()


@pytest.mark.parametrize("kind", ["file", "link", "folder", "notes.txt", ".hidden"])
def test_other_things_are_never_replaced(tmp_path: Path, kind: str) -> None:
    make_other(tmp_path / "a", kind)
    before = everything(tmp_path)
    with pytest.raises(FileExistsError, match="choose another path"):
        write(tmp_path / "a", CONTENT, ARRAYS, exist_ok=True)
    assert everything(tmp_path) == before


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_nor_are_files_that_are_no_artifacts(tmp_path: Path, kind: str) -> None:
    make_other(tmp_path / "a.zip", kind)
    before = everything(tmp_path)
    with pytest.raises(FileExistsError, match="choose another path"):
        write(tmp_path / "a.zip", CONTENT, ARRAYS, exist_ok=True)
    assert everything(tmp_path) == before


def test_what_was_put_into_a_directory_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a", CONTENT, ARRAYS)
    prepared = writing._prepared

    def put_something_there(*arguments: Any) -> Any:
        (tmp_path / "a" / "mine").write_text("mine")
        return prepared(*arguments)

    monkeypatch.setattr(writing, "_prepared", put_something_there)
    write(tmp_path / "a", {}, {}, exist_ok=True)
    assert "mine" in [path.read_text() for path in tmp_path.rglob("mine")]


@BOTH
def test_two_that_write_at_once_leave_one_whole(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = writing._prepared

    def another_is_quicker(*arguments: Any) -> Any:
        monkeypatch.setattr(writing, "_prepared", prepared)
        write(tmp_path / form, {}, {})
        return prepared(*arguments)

    monkeypatch.setattr(writing, "_prepared", another_is_quicker)
    with pytest.raises(FileExistsError, match="has come into being meanwhile"):
        write(tmp_path / form, CONTENT, ARRAYS)
    assert read(tmp_path / form).content == {}
    assert [path.name for path in tmp_path.iterdir()] == [form]


# --------------------------------------------------------------------------------------------- crashes, and full disks

ENDLESS = """
import numpy as np, sys
from fastexplain.scoring.artifact import write
arrays = [{f"a{i}": np.full(20_000, k + i) for i in range(20)} for k in (0, 1)]
write(sys.argv[1], {"k": 0}, arrays[0], exist_ok=True)
print("begun", flush=True)
while True:
    for k in (0, 1):
        write(sys.argv[1], {"k": k}, arrays[k], exist_ok=True)
"""


@BOTH
def test_a_killed_save_leaves_the_former_or_the_new_one(tmp_path: Path, form: str) -> None:
    random = np.random.default_rng(0)
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, str(tmp_path / form)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(random.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert verify(tmp_path / form) == []
        found = read(tmp_path / form)
        assert all(found.arrays[f"a{i}"][-1] == found.content["k"] + i for i in range(20))
    # what a crash leaves lies under hidden names, and is in nobody's way
    assert all(path.name == form or path.name.startswith(f".{form}.") for path in tmp_path.iterdir())


@BOTH
def test_a_file_beyond_what_the_disk_holds(tmp_path: Path, form: str) -> None:
    # as a full disk, in its own process: the kernel writes a part of the file, then refuses
    code = f"""
import numpy as np, resource, signal
from fastexplain.scoring.artifact import read, write
write({str(tmp_path / form)!r}, {{}}, {{}})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
large = np.random.default_rng(0).normal(size=20_000)
for name, exist_ok in (({str(tmp_path / form)!r}, True), ({str(tmp_path / ("new" + form))!r}, False)):
    try:
        write(name, {{}}, {{"small": large[:10], "large": large}}, exist_ok=exist_ok)
    except OSError as error:
        print(error.strerror, error.filename is not None)
print(read({str(tmp_path / form)!r}).content)
"""
    assert run_python(code) == "File too large True\nFile too large True\n{}\n"
    assert [path.name for path in tmp_path.iterdir()] == [form]


@BOTH
@pytest.mark.parametrize("step", ["open", "write", "fsync", "rename"])
def test_a_failure_at_any_step_leaves_nothing(
    tmp_path: Path, form: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    steps = {"open": (writing, "open"), "fsync": (os, "fsync"), "rename": (os, "rename" if form == "a" else "link")}
    if step == "write":
        monkeypatch.setattr(writing, "open", FullDisk, raising=False)
    else:
        monkeypatch.setattr(*steps[step], fail, raising=False)
        monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left on device"):
        write(tmp_path / form, CONTENT, ARRAYS)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / form, CONTENT, ARRAYS)


class FullDisk(io.FileIO):
    """Takes ten bytes, and no more."""

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > 10:
            super().write(bytes(data)[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


# ----------------------------------------------------------------------------------------------- what else may be there


def refused(path: Path, words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        read(path)
    assert [finding for finding in verify(path) if finding.is_error]


@pytest.mark.parametrize("name", [MANIFEST, "tree.left.npy", "tree.large.npy"])
def test_nothing_but_regular_files_is_opened(tmp_path: Path, name: str) -> None:
    path = lay(files_of(tmp_path), tmp_path / "a")
    shutil.move(path / name, tmp_path / "target")
    (path / name).symlink_to(tmp_path / "target")
    refused(path, f"{name}: is a symbolic link")
    (path / name).unlink()
    os.mkfifo(path / name)  # which nobody ever writes to
    refused(path, f"{name}: is no regular file")
    (path / name).unlink()
    (path / name).mkdir()
    refused(path, f"{name}: is no regular file")
    (path / name).rmdir()
    (path / name).symlink_to("/dev/zero")
    refused(path, f"{name}: is a symbolic link")


def test_devices_and_pipes_are_no_artifacts(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        refused(path, "is neither a directory nor a file")


def test_other_files_may_lie_in_a_directory_and_are_not_opened(tmp_path: Path) -> None:
    path = lay(files_of(tmp_path), tmp_path / "a")
    (path / "MLmodel").write_text("flavors: {}")
    (path / "model.pkl").symlink_to("/etc/passwd")
    (path / "code").mkdir()
    assert read(path).content == CONTENT
    assert [(finding.is_error, finding.file) for finding in verify(path)] == [
        (False, "MLmodel"),
        (False, "code"),
        (False, "model.pkl"),
    ]


def test_a_link_to_an_artifact_is_followed(tmp_path: Path) -> None:
    path = lay(files_of(tmp_path), tmp_path / "a")
    (tmp_path / "current").symlink_to(path)
    assert read(tmp_path / "current").content == CONTENT


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "manifest.json: is missing; expected an artifact, which has one")


def test_what_may_not_be_read_is_told_by_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lay(files_of(tmp_path), tmp_path / "a")
    system_open = os.open

    def no_rights(name: Any, *arguments: Any, **options: Any) -> int:
        if name == "tree.left.npy":
            raise PermissionError(errno.EACCES, "Permission denied", name)
        return system_open(name, *arguments, **options)

    monkeypatch.setattr(os, "open", no_rights)
    with pytest.raises(PermissionError, match=r"tree\.left\.npy"):
        read(path)


# --------------------------------------------------------------------------------------------- changes under the reader


@pytest.fixture
def while_reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Functions put into this list are called one by one, each after a manifest was read."""
    functions: list[Any] = []
    opened = reading.open_manifest

    def open_and_change(*arguments: Any) -> Any:
        manifest = opened(*arguments)
        if functions:
            functions.pop(0)()
        return manifest

    monkeypatch.setattr(reading, "open_manifest", open_and_change)
    yield functions
    assert not functions


def test_a_directory_that_is_replaced_meanwhile_is_read_anew(tmp_path: Path, while_reading: list[Any]) -> None:
    write(tmp_path / "a", {"k": 0}, {"x": np.arange(3)})

    def replace(k: int) -> None:
        write(tmp_path / "a", {"k": k}, {"x": np.arange(3) + k}, exist_ok=True)

    while_reading[:] = [lambda: replace(1), lambda: replace(2)]
    found = read(tmp_path / "a")
    assert (found.content["k"], found.arrays["x"].tolist()) == (2, [2, 3, 4])


def test_a_directory_that_is_replaced_without_end_is_an_error(tmp_path: Path, while_reading: list[Any]) -> None:
    write(tmp_path / "a", {}, {"x": np.arange(3)})
    while_reading[:] = [lambda: write(tmp_path / "a", {}, {"x": np.arange(3)}, exist_ok=True)] * 3
    with pytest.raises(ArtifactError, match=r"x\.npy: is missing"):
        read(tmp_path / "a")


def test_a_directory_that_is_moved_aside_while_it_is_read_is_read_to_its_end(
    tmp_path: Path, while_reading: list[Any]
) -> None:
    write(tmp_path / "a", {"k": 0}, {"x": np.arange(3)})
    write(tmp_path / "b", {"k": 1}, {"x": np.arange(4)})

    def swap() -> None:
        os.rename(tmp_path / "a", tmp_path / "c")
        os.rename(tmp_path / "b", tmp_path / "a")

    while_reading.append(swap)
    found = read(tmp_path / "a")
    assert (found.content["k"], found.arrays["x"].tolist()) == (0, [0, 1, 2])


@pytest.mark.parametrize("name", ["tree.left.npy", "tree.large.npy"])
def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lay(files_of(tmp_path), tmp_path / "a")
    fstat = os.fstat
    size = (path / name).stat().st_size

    measured = []

    def shrink_when_it_was_measured(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        measured.append(status.st_size == size)
        if sum(measured) == 2:  # once to see that it is a file, once for its size
            os.truncate(path / name, 100)
        return status

    monkeypatch.setattr(os, "fstat", shrink_when_it_was_measured)
    with pytest.raises(ArtifactError, match=f"{name}: bytes: ended [0-9,]+ bytes early"):
        read(path)


def test_arrays_in_memory_stay_what_they_were(tmp_path: Path) -> None:
    path = lay(files_of(tmp_path), tmp_path / "a")
    found = read(path, memory_map=False).arrays["tree.large"]
    small = read(path).arrays["tree.left"]  # below 64 KiB: in memory anyway
    for file in path.iterdir():
        file.write_bytes(b"")
    np.testing.assert_array_equal(found, ARRAYS["tree.large"])
    np.testing.assert_array_equal(small, ARRAYS["tree.left"])


def test_a_replaced_artifact_stays_whole_for_those_who_have_it_mapped(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write(path, CONTENT, ARRAYS)
    found = read(path)
    write(path, {}, {"tree.large": np.zeros(10)}, exist_ok=True)
    np.testing.assert_array_equal(found.arrays["tree.large"], ARRAYS["tree.large"])


def test_handles_are_closed(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    paths = [lay(files, tmp_path / form) for form in FORMS]
    before = sorted(os.listdir("/proc/self/fd"))
    for path in paths:
        read(path)
        verify(path)
        with pytest.raises(ArtifactError):
            read(path, id="0")
        (tmp_path / "cut").write_bytes(b"PK")
        with pytest.raises(ArtifactError):
            read(tmp_path / "cut")
    assert sorted(os.listdir("/proc/self/fd")) == before


# ---------------------------------------------------------------------------------------------------- other systems


def test_directories_without_handles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lay(files_of(tmp_path), tmp_path / "a")
    files = directory.DirectoryFiles(str(path), None)  # as on Windows
    manifest = reading.open_manifest(files, LIMITS)
    for name, wanted in ARRAYS.items():
        np.testing.assert_array_equal(reading.load_array(files, manifest.arrays[name]), wanted)
    assert files.names() == sorted(file.name for file in path.iterdir())
    assert not files.replaced()
    shutil.move(path / "tree.left.npy", tmp_path / "target")
    (path / "tree.left.npy").symlink_to(tmp_path / "target")
    with pytest.raises(ArtifactError, match="is a symbolic link"):
        reading.load_array(files, manifest.arrays["tree.left"])


def test_systems_that_read_less_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lay(files_of(tmp_path), tmp_path / "a")
    system_read = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: system_read(descriptor, min(size, 1000)))
    np.testing.assert_array_equal(read(path, memory_map=False).arrays["tree.large"], ARRAYS["tree.large"])


def test_file_systems_that_map_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lay(files_of(tmp_path), tmp_path / "a")

    def no_maps(*arguments: Any, **options: Any) -> Any:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(directory.mmap, "mmap", no_maps)
    np.testing.assert_array_equal(read(path).arrays["tree.large"], ARRAYS["tree.large"])
