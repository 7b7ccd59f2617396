"""Read an artifact: check all of it, then hand out its content and arrays."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import ArtifactError
from fastexplain.scoring.artifact.directory import DirectoryFiles
from fastexplain.scoring.artifact.limits import LIMITS, Limits
from fastexplain.scoring.artifact.manifest import ArraySpec, Manifest, manifest_of
from fastexplain.scoring.artifact.npy import DTYPES, data_offset
from fastexplain.scoring.artifact.place import DAMAGED, MANIFEST, Place
from fastexplain.scoring.artifact.zipped import ZipFiles

__all__ = ["Artifact", "Files", "load_array", "open_manifest", "opened", "read"]

Files = DirectoryFiles | ZipFiles

# A directory that another artifact replaces while it is read is read anew, so often.
_ATTEMPTS = 3


@dataclass(frozen=True, eq=False)
class Artifact:
    """What was read.

    Attributes
    ----------
    path : str
        Where from.
    id : str
        SHA-256 of the manifest, and through it of everything.
    content : dict
        As given to `write`, in the types that JSON has.
    arrays : mapping of str to array
        Read-only; checked against the manifest. Those of 64 KiB and more are mapped, unless they were inflated.
    manifest : dict
        All of manifest.json.
    """

    path: str
    id: str
    content: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    manifest: dict[str, Any]


def read(
    path: str | os.PathLike[str], *, id: str | None = None, limits: Limits = LIMITS, memory_map: bool = True
) -> Artifact:
    """Read an artifact, without executing anything of it.

    Parameters
    ----------
    path : path-like
        A directory or a zip that `write` made.
    id : str, optional
        The id that it must have.
    limits : Limits
        How large what is read may be.
    memory_map : bool
        Map arrays of 64 KiB and more, so that processes share them. They must not be written to while they are in use.
        With False all is read into memory, and what becomes of the files afterwards does not matter.

    Returns
    -------
    Artifact

    Raises
    ------
    ArtifactError
        Damaged, forged, beyond the limits, of a newer format, or of another id. The message names file and field.
    OSError
        There is nothing at `path`, or it cannot be read.
    """
    for attempt in range(_ATTEMPTS):
        with opened(path, limits) as files:
            try:
                return _read(files, id, limits, memory_map)
            except ArtifactError:
                if attempt + 1 == _ATTEMPTS or not files.replaced():
                    raise
    raise AssertionError("unreachable")


@contextmanager
def opened(path: str | os.PathLike[str], limits: Limits) -> Iterator[Files]:
    """The files of the artifact at `path`."""
    name = os.fspath(path)
    place = Place(name)
    if os.name == "nt" and os.path.isdir(name):  # where directories have no handles
        yield DirectoryFiles(name, None)
        return
    # a pipe is not waited for
    descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        files: Files = DirectoryFiles(name, descriptor)
    elif stat.S_ISREG(mode):
        file = os.fdopen(descriptor, "rb")
        try:
            files = ZipFiles(name, file, limits)
        except BaseException:
            file.close()
            raise
    else:
        os.close(descriptor)
        raise place.error("is neither a directory nor a file; expected an artifact.")
    try:
        yield files
    finally:
        files.close()


def open_manifest(files: Files, limits: Limits) -> Manifest:
    """The manifest among the files, checked."""
    return manifest_of(files.manifest_bytes(limits), limits, files.place.at(MANIFEST))


def _read(files: Files, id: str | None, limits: Limits, memory_map: bool) -> Artifact:
    manifest = open_manifest(files, limits)
    manifest.check_id(id, files.place.at(MANIFEST))
    files.check_names(manifest)
    arrays = {name: load_array(files, spec, memory_map) for name, spec in manifest.arrays.items()}
    return Artifact(files.place.path, manifest.id, manifest.content, arrays, manifest.document)


def load_array(files: Files, spec: ArraySpec, memory_map: bool = True) -> NDArray[Any]:
    """One array, if its file is what the manifest says."""
    place = files.place.at(spec.file)
    try:
        data, sha256 = files.load(spec, memory_map)
    except OSError as error:
        if error.errno == errno.ENODEV:  # a file system that maps nothing
            data, sha256 = files.load(spec, False)
        else:
            raise
    if sha256 != spec.sha256:
        raise place.error(f"{sha256}; the manifest says {spec.sha256}. {DAMAGED}", "sha256")
    offset = data_offset(data, spec.dtype, spec.shape, place)
    if offset + spec.data_bytes != spec.n_bytes:
        raise place.error(
            f"{spec.n_bytes - offset:,} bytes of data; shape {spec.shape} has {spec.data_bytes:,}. {DAMAGED}", "bytes"
        )
    return _array(data, offset, spec, place)


def _array(data: Any, offset: int, spec: ArraySpec, place: Place) -> NDArray[Any]:
    dtype = DTYPES[spec.dtype]
    if not spec.data_bytes:
        array = np.empty(spec.shape, dtype)
        array.flags.writeable = False
        return array
    if dtype == np.bool_:
        found = np.frombuffer(data, np.uint8, offset=offset)
        if found.max() > 1:  # which NumPy and the kernels would take for anything
            raise place.error(f"holds {found.max()} for True or False; expected 1 or 0. {DAMAGED}", "data")
    array = np.frombuffer(data, dtype, offset=offset, count=spec.data_bytes // dtype.itemsize).reshape(spec.shape)
    if not array.flags.aligned:
        array = array.copy()
        array.flags.writeable = False
    return array
