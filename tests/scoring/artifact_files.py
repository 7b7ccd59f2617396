"""Artifacts as the bytes of their files, to damage them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastexplain.scoring.artifact import write

__all__ = ["ARRAYS", "CONTENT", "MANIFEST", "Files", "edited", "files_of", "lay", "npy", "sealed"]

MANIFEST = "manifest.json"
CONTENT = {"kind": "tree", "numbers": [1, 2.5, None], "name": "é"}
ARRAYS = {
    "tree.left": np.arange(12, dtype=np.int32).reshape(3, 4),
    "tree.flag": np.array([True, False, True]),
    "tree.large": np.arange(10_000.0),
}

Files = dict[str, bytes]


def files_of(folder: Path) -> Files:
    """Name -> bytes of a whole artifact, which is written into `folder`."""
    write(folder / "whole", CONTENT, ARRAYS)
    return {path.name: path.read_bytes() for path in (folder / "whole").iterdir()}


def lay(files: Files, path: Path) -> Path:
    """The files in a directory, or in one zip, as any program would make it."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in files.items():
                file.writestr(name, data)
    else:
        path.mkdir()
        for name, data in files.items():
            (path / name).write_bytes(data)
    return path


def edited(files: Files, change: Callable[[dict[str, Any]], Any]) -> Files:
    """The same files with another manifest: `change` gets the document and changes it."""
    document = json.loads(files[MANIFEST])
    change(document)
    return files | {MANIFEST: json.dumps(document).encode()}


def sealed(files: Files, name: str, data: bytes) -> Files:
    """The same files with another array file, of which the manifest has the right size and hash."""

    def seal(document: dict[str, Any]) -> None:
        entry = document["arrays"][name.removesuffix(".npy")]
        entry["bytes"], entry["sha256"] = len(data), hashlib.sha256(data).hexdigest()

    return edited(files | {name: data}, seal)


def npy(header: str, data: bytes, version: bytes = b"\x01\x00") -> bytes:
    """A .npy file with any header."""
    text = header.encode("latin-1")
    text += b" " * (-(11 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + data
