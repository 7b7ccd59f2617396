"""One array as bytes: NumPy's own format 1.0, of which only the plain part is written and read.

Plain: a closed list of types, little-endian, in C order. The header is compared with what the manifest says of the
array; nothing of it is evaluated.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.scoring.artifact.place import DAMAGED, Place

__all__ = ["DTYPES", "LONGEST_HEADER", "as_plain", "data_offset", "header", "raw"]

# Codes as NumPy writes them: byte order, kind, bytes.
_CODES = ("|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f4", "<f8")
DTYPES = {code: np.dtype(code) for code in _CODES}

_MAGIC = b"\x93NUMPY\x01\x00"
_ALIGNMENT = 64  # of the data in the file, and so in memory that it is mapped to
LONGEST_HEADER = len(_MAGIC) + 2 + 0xFFFF

# As NumPy writes it, to the space.
_LENGTH = r"(?:0|[1-9]\d{0,18})"
_HEADER = re.compile(
    r"\{'descr': (?P<dtype>'[^']*'|\[.*\]), 'fortran_order': (?P<fortran>True|False), "
    rf"'shape': \((?P<shape>|{_LENGTH},|{_LENGTH}(?:, {_LENGTH})+)\), \}} *\n"
)


def as_plain(values: NDArray[Any], place: Place) -> NDArray[Any]:
    """The array in C order and little-endian; an error where its type is none that is written."""
    array = np.asarray(values, order="C")
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.dtype.str not in DTYPES:
        raise place.error(f"{array.dtype} arrays are not stored; expected one of {_names()}.", "dtype")
    return array


def _names() -> str:
    return ", ".join(str(dtype) for dtype in DTYPES.values())


def header(array: NDArray[Any]) -> bytes:
    """What stands before the data of a plain array."""
    shape = ", ".join(map(str, array.shape)) + ("," if array.ndim == 1 else "")
    text = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': ({shape}), }}"
    unpadded = len(_MAGIC) + 2 + len(text) + 1
    text += " " * (-unpadded % _ALIGNMENT) + "\n"
    return _MAGIC + len(text).to_bytes(2, "little") + text.encode("ascii")


def raw(array: NDArray[Any]) -> memoryview:
    """The data of a plain array as bytes."""
    return array.reshape(-1).view(np.uint8).data


def data_offset(file: Any, dtype: str, shape: tuple[int, ...], place: Place) -> int:
    """Where the data begin, if the file's header says of the array what the manifest does.

    Parameters
    ----------
    file : bytes, mmap or memoryview
        All of the file.
    dtype, shape
        As in the manifest.
    place : Place
        For errors.
    """
    begin = len(_MAGIC) + 2
    start = bytes(file[:begin])
    if not start.startswith(_MAGIC):
        raise place.error(
            f"begins with {start[:8]!r}; expected {_MAGIC!r}, NumPy's format 1.0{_guess(start)}. {DAMAGED}", "magic"
        )
    offset = begin + int.from_bytes(start[len(_MAGIC) :], "little")
    text = bytes(file[begin:offset]).decode("latin-1")
    match = _HEADER.fullmatch(text)
    if match is None or len(text) != offset - begin:
        raise place.error(f"{text[:120]!r} is not the header of an array. {DAMAGED}", "header")
    _compare(match, dtype, shape, place)
    return offset


def _compare(match: re.Match[str], dtype: str, shape: tuple[int, ...], place: Place) -> None:
    found = match["dtype"].strip("'")
    if found != dtype:
        raise place.error(f"{found!r}{_kind(found)}; expected {dtype!r}, as the manifest says. {DAMAGED}", "dtype")
    if match["fortran"] == "True":
        raise place.error(f"True; expected False: arrays are stored in C order. {DAMAGED}", "fortran_order")
    lengths = tuple(int(length) for length in match["shape"].split(",") if length)
    if lengths != shape:
        raise place.error(f"{lengths}; expected {shape}, as the manifest says. {DAMAGED}", "shape")


def _kind(dtype: str) -> str:
    """What a foreign type is in words."""
    if dtype.startswith(">"):
        return " (big-endian)"
    return " (Python objects, stored as a pickle)" if dtype == "|O" else ""


def _guess(start: bytes) -> str:
    """What the file is instead, where that is easily seen."""
    if start[:1] == b"\x80":
        return " (it looks like a pickle, which is never loaded)"
    if start.startswith(b"\x93NUMPY"):
        return " (it is of another version)"
    return ""
