"""An artifact's files in a directory.

All are opened below one handle of the directory: when another artifact takes the directory's place meanwhile, what is
read is still of one. Nothing is followed: a symbolic link, a device or a pipe in place of a file is an error.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import stat
from typing import Any

from fastexplain.scoring.artifact.limits import Limits
from fastexplain.scoring.artifact.manifest import ArraySpec, Manifest
from fastexplain.scoring.artifact.place import DAMAGED, MANIFEST, Place

__all__ = ["SMALL", "DirectoryFiles", "hash_exactly"]

# Smaller files are read into memory: that is quicker than to map them, takes no handle, and a page is 4 KiB anyway.
SMALL = 64 * 2**10
_CHUNK = 256 * 2**10

# A pipe is not waited for, nor is a link followed; where the system lacks a flag, `_regular` looks.
_FLAGS = os.O_RDONLY
for _name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)
_HANDLES = os.open in os.supports_dir_fd


class DirectoryFiles:
    """The files of one directory; `handle` is an open descriptor of it, or None where the system has none."""

    kind = "directory"

    def __init__(self, path: str, handle: int | None) -> None:
        self.place = Place(path)
        self._path = path
        self._handle = handle

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def replaced(self) -> bool:
        """Whether the path has come to name another directory."""
        if self._handle is None:
            return False
        try:
            return not os.path.samestat(os.fstat(self._handle), os.stat(self._path))
        except OSError:
            return True

    def names(self) -> list[str]:
        """All that is in the directory."""
        return sorted(os.listdir(self._path if self._handle is None else self._handle))

    def check_names(self, manifest: Manifest) -> None:
        """Other files may lie in a directory, such as those of a deployment: they are never opened."""

    def manifest_bytes(self, limits: Limits) -> bytes:
        place = self.place.at(MANIFEST)
        descriptor = self._open(MANIFEST)
        try:
            size = os.fstat(descriptor).st_size
            if size > limits.manifest_bytes:
                raise place.error(f"{size:,} bytes; at most {limits.manifest_bytes:,} are read.", "size")
            return _read_exactly(descriptor, size, place)
        finally:
            os.close(descriptor)

    def load(self, spec: ArraySpec, memory_map: bool) -> tuple[Any, str]:
        """The bytes of an array's file, in memory or mapped, and their SHA-256."""
        place = self.place.at(spec.file)
        descriptor = self._open(spec.file)
        try:
            size = os.fstat(descriptor).st_size
            if size != spec.n_bytes:
                raise place.error(f"{size:,} bytes; the manifest says {spec.n_bytes:,}. {DAMAGED}", "bytes")
            if size < SMALL or not memory_map:
                data = _read_exactly(descriptor, size, place)
                return data, hashlib.sha256(data).hexdigest()
            # Hashed as it is read, not where it is mapped: pages that nobody has touched take no memory of the process.
            with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
                sha256 = hash_exactly(file, size, place)
            return mmap.mmap(descriptor, size, access=mmap.ACCESS_READ), sha256
        finally:
            os.close(descriptor)

    def _open(self, name: str) -> int:
        place = self.place.at(name)
        try:
            descriptor = self._descriptor(name)
        except FileNotFoundError:
            what = "expected an artifact, which has one." if name == MANIFEST else DAMAGED
            raise place.error(f"is missing; {what}", "file") from None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK):
                raise place.error(f"is a symbolic link; expected a file of its own. {DAMAGED}", "file") from None
            if error.errno in (errno.EISDIR, errno.ENXIO, errno.ENODEV):
                raise place.error(f"is no regular file. {DAMAGED}", "file") from None
            raise
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise place.error(f"is no regular file. {DAMAGED}", "file")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _descriptor(self, name: str) -> int:
        if self._handle is not None:
            return os.open(name, _FLAGS, dir_fd=self._handle)
        path = os.path.join(self._path, name)
        if os.path.islink(path):
            raise OSError(errno.ELOOP, "symbolic link", path)
        return os.open(path, _FLAGS)


def _read_exactly(descriptor: int, size: int, place: Place) -> bytes:
    """So many bytes from where the descriptor stands; `size` is that of an existing file."""
    data = os.read(descriptor, size)
    if len(data) == size:
        return data
    parts, missing = [data], size - len(data)  # the system gives less than 2 GiB at once
    while missing and parts[-1]:
        parts.append(os.read(descriptor, missing))
        missing -= len(parts[-1])
    if missing:
        raise place.error(f"ended {missing:,} bytes early: it was cut short while it was read. {DAMAGED}", "bytes")
    return b"".join(parts)


def hash_exactly(file: Any, size: int, place: Place) -> str:
    """SHA-256 of so many bytes from where the file stands, read piece by piece."""
    sha256 = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    left = size
    while left:
        n = file.readinto(buffer[: min(left, _CHUNK)])
        if not n:
            raise place.error(f"ended {left:,} bytes early: it was cut short while it was read. {DAMAGED}", "bytes")
        sha256.update(buffer[:n])
        left -= n
    return sha256.hexdigest()
