"""Files and directories that appear under their names only once they are whole."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["filled_directory", "flush", "hidden_name", "name_anew", "new_directory", "trade", "whole_file"]


@contextmanager
def whole_file(path: Path, put: Callable[[Path, Path], Any] = os.replace) -> Iterator[Path]:
    """A temporary name beside `path`; what is written under it is moved to `path` when the block ends.

    An error inside the block, or a crash, leaves nothing under `path`, or the file that was there before. `put` gives
    the name; with `name_anew` it replaces nothing.
    """
    temporary = hidden_name(path)
    try:
        yield temporary
        flush(temporary)
        put(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    flush(path.parent)


@contextmanager
def new_directory(path: Path, put: Callable[[Path, Path], Any] = os.rename) -> Iterator[Path]:
    """A hidden directory beside `path`, which gets that name when the block ends without an error.

    `put` gives the name. With `trade`, a directory that has it already is afterwards found under the yielded name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = hidden_name(path)
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.iterdir():
            flush(file)
        flush(temporary)
        put(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    flush(path.parent)


@contextmanager
def filled_directory(path: Path, marker: str, known: Iterable[str]) -> Iterator[Path]:
    """A hidden directory inside `path`, whose files replace those of `path` when the block ends without an error.

    Files named in `known` that the new set lacks are removed, others stay. The file named `marker` is taken away first
    and put in last, so that a set of files with the marker is never a mixture.
    """
    temporary = hidden_name(path / "new")
    temporary.mkdir()
    try:
        yield temporary
        names = sorted(file.name for file in temporary.iterdir())
        for name in names:
            flush(temporary / name)
        (path / marker).unlink(missing_ok=True)
        for name in set(known) - set(names):
            (path / name).unlink(missing_ok=True)
        for name in sorted(names, key=lambda name: name == marker):
            os.replace(temporary / name, path / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    flush(path)


def name_anew(temporary: Path, path: Path) -> None:
    """Give a file a name that nothing has; FileExistsError where something has come to have it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        os.replace(temporary, path)


def trade(new: Path, old: Path) -> None:
    """Have two directories trade their names, where the system can in one step, so that neither name is ever free."""
    if _exchange(new, old):
        return
    aside = hidden_name(old)
    os.rename(old, aside)
    try:
        os.rename(new, old)
    except OSError:
        os.rename(aside, old)
        raise
    os.rename(aside, new)


def _exchange(first: Path, second: Path) -> bool:
    """Linux's renameat2 with RENAME_EXCHANGE, which `os` lacks; False where there is none, or it refuses."""
    import ctypes

    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):  # another libc, or Windows
        return False
    in_working_directory, exchange = -100, 2
    result: int = renameat2(
        in_working_directory, os.fsencode(first), in_working_directory, os.fsencode(second), ctypes.c_uint(exchange)
    )
    return result == 0


def hidden_name(path: Path) -> Path:
    """A name beside `path` that nothing else has."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")


def flush(path: Path) -> None:
    """Have the disk hold a file, or the names in a directory, before the next step."""
    if os.name == "nt":  # opens no directories, and flushes no file that is open for reading
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
