"""Write an artifact: all of it is prepared and checked, written beside its place, and renamed."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from fastexplain._files import name_anew, new_directory, trade, whole_file
from fastexplain.exceptions import ArtifactError
from fastexplain.scoring.artifact.limits import LIMITS, Limits
from fastexplain.scoring.artifact.manifest import (
    FORMAT,
    FORMAT_VERSION,
    ArraySpec,
    array_name,
    canonical,
    entry_of,
    manifest_of,
    plain,
)
from fastexplain.scoring.artifact.npy import as_plain, header, raw
from fastexplain.scoring.artifact.place import MANIFEST, Place
from fastexplain.scoring.artifact.reading import open_manifest, opened
from fastexplain.scoring.artifact.zipped import LARGEST_ZIP, write_zip

__all__ = ["write"]


def write(
    path: str | os.PathLike[str],
    content: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    *,
    exist_ok: bool = False,
    created_with: Mapping[str, str] | None = None,
    compressed: bool = True,
    limits: Limits = LIMITS,
) -> str:
    """Write an artifact, as a zip where the path ends in ``.zip``, else as a directory.

    Parameters
    ----------
    path : path-like
        Its name appears when all is written, and never names a part of it.
    content : mapping
        None, bool, int, finite float, str, lists and dicts of them. `read` gives the same, tuples as lists.
    arrays : mapping of str to array
        By names such as ``tree.threshold``: a-z, digits, underscores and single dots. Numbers and bool; what else
        there is to keep, such as another library's file, goes in as an array of its bytes.
    exist_ok : bool
        Replace an artifact at `path`, in one step where the system has one. Other files, and directories that hold
        anything besides an artifact, are never replaced.
    created_with : mapping of str to str, optional
        Versions of further libraries that had a part in it.
    compressed : bool
        Deflate the entries of a zip. Those that are stored as they are can be mapped.
    limits : Limits
        What exceeds these is refused, since `read` would.

    Returns
    -------
    str
        The id: the same content and arrays, written with the same versions, give the same one.

    Raises
    ------
    ArtifactError
        Something cannot be stored; the message names it.
    FileExistsError
        There is something at `path`.
    """
    target = Path(path)
    place = Place(os.fspath(path))
    former = _former(target, exist_ok, limits)
    files = _prepared(content, arrays, created_with, limits, place)
    if _is_zip(target):
        _write_zip(target, files, former, compressed, limits)
    else:
        _write_directory(target, files, former)
    return hashlib.sha256(files[MANIFEST][0]).hexdigest()


def _is_zip(target: Path) -> bool:
    return target.suffix.lower() == ".zip"


# -------------------------------------------------------------------------------------------------------- what to write


def _prepared(
    content: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    created_with: Mapping[str, str] | None,
    limits: Limits,
    place: Place,
) -> dict[str, list[Any]]:
    """The bytes of all files, each in parts, the manifest first."""
    files: dict[str, list[Any]] = {MANIFEST: []}
    entries = {}
    for name, values in arrays.items():
        file = f"{array_name(name, place)}.npy"
        array = as_plain(values, place.at(file))
        parts: list[Any] = [header(array), raw(array)]
        sha256 = hashlib.sha256(parts[0])
        sha256.update(parts[1])
        n_bytes = sum(map(len, parts))
        entries[name] = entry_of(ArraySpec(name, file, array.dtype.str, array.shape, n_bytes, sha256.hexdigest()))
        files[file] = parts
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "created_with": plain({"fastexplain": _version(), **(created_with or {})}, place, "created_with", 1),
        "content": plain(dict(content), place, "content", limits.depth - 1),
        "arrays": entries,
    }
    data = canonical(document)
    manifest_of(data, limits, place.at(MANIFEST))  # what is written can be read
    files[MANIFEST] = [data]
    return files


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("fastexplain")
    except PackageNotFoundError:  # a source tree that is only on the path
        return "unknown"


# -------------------------------------------------------------------------------------------------------- where it goes


class _Former(NamedTuple):
    """An artifact that is replaced."""

    names: list[str]


def _former(target: Path, exist_ok: bool, limits: Limits) -> _Former | None:
    """What is replaced at the path, None if nothing is there; an error if it has to stay."""
    if not os.path.lexists(target):
        return None
    if not exist_ok:
        raise _exists(target, "exists already; pass exist_ok=True to replace an artifact, or choose another path")
    if target.is_symlink():
        raise _exists(target, "is a symbolic link; write to what it names, or choose another path")
    if target.is_dir() and not any(target.iterdir()):
        return _Former([])
    if target.is_dir() == (_is_zip(target)):
        what = "is a directory, and a name in .zip is one file" if target.is_dir() else "is a file, not a directory"
        raise _exists(target, f"{what}; choose another path")
    try:
        with opened(target, limits) as files:
            manifest = open_manifest(files, limits)
            names = [MANIFEST, *(spec.file for spec in manifest.arrays.values())]
            others = sorted(set(files.names()) - set(names))
    except ArtifactError as error:
        raise _exists(target, f"is no artifact ({error}), and only those are replaced; choose another path") from error
    if others:
        raise _exists(target, f"holds other things than an artifact, such as {others[0]!r}; choose another path")
    return _Former(names)


def _exists(target: Path, text: str) -> FileExistsError:
    return FileExistsError(errno.EEXIST, text, os.fspath(target))


def _write_directory(target: Path, files: dict[str, list[Any]], former: _Former | None) -> None:
    try:
        with new_directory(target, os.rename if former is None else trade) as folder:
            for name, parts in files.items():
                with _named_errors(folder / name), open(folder / name, "xb") as file:
                    for part in parts:
                        file.write(part)
    except OSError as error:
        if former is None and error.errno in (errno.EEXIST, errno.ENOTEMPTY):  # made by another process meanwhile
            raise _meanwhile(target) from error
        raise
    if former is not None:
        _discard(folder, former.names)


def _discard(folder: Path, names: list[str]) -> None:
    """Remove a former artifact. What was put beside it after it was looked at is not ours to remove."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """A full disk raises without saying of which file."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise


def _write_zip(
    target: Path, files: dict[str, list[Any]], former: _Former | None, compressed: bool, limits: Limits
) -> None:
    total = sum(len(part) for parts in files.values() for part in parts)
    if total > LARGEST_ZIP - 2**20:
        what = f"{total:,} bytes are too many for a zip; save it as a directory: a path without .zip."
        raise Place(os.fspath(target)).error(what, "size")
    target.parent.mkdir(parents=True, exist_ok=True)
    put = name_anew if former is None else os.replace
    try:
        with whole_file(target, put) as temporary, _named_errors(temporary), open(temporary, "xb") as file:
            write_zip(file, files.items(), compressed)
            if total > limits.inflated(file.tell()):  # hardly anything but constants: it would be taken for an attack
                file.seek(0)
                file.truncate()
                write_zip(file, files.items(), compressed=False)
    except FileExistsError as error:
        raise _meanwhile(target) from error


def _meanwhile(target: Path) -> FileExistsError:
    """Another process was quicker."""
    return _exists(target, "has come into being meanwhile; choose another path")
