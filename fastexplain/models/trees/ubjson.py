"""Reader of Universal Binary JSON, the format in which XGBoost keeps its models."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

__all__ = ["decode"]

# Numbers are big-endian (Universal Binary JSON, draft 12). Marker: one number, many, and many as this machine has them.
_NUMBERS = {
    marker: (struct.Struct(code), np.dtype(stored), np.dtype(stored[-2:]))
    for marker, code, stored in (
        (b"i", "b", "i1"),
        (b"U", "B", "u1"),
        (b"I", ">h", ">i2"),
        (b"l", ">i", ">i4"),
        (b"L", ">q", ">i8"),
        (b"d", ">f", ">f4"),
        (b"D", ">d", ">f8"),
    )
}
_LENGTH = struct.Struct(">q")
_INT64, _TYPE, _COUNT = ord("L"), ord("$"), ord("#")
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}


def decode(data: bytes | bytearray | memoryview) -> Any:
    """Python objects of one document; arrays that state their number type become NumPy arrays.

    Parameters
    ----------
    data : bytes-like

    Returns
    -------
    dict, list, str, int, float, bool, None or numpy.ndarray
        Typed arrays are native-endian NumPy arrays; arrays without a type are lists.

    Raises
    ------
    ValueError
        The bytes are not a whole Universal Binary JSON document; the message gives the position.
    """
    reader = _Reader(memoryview(data))
    try:
        value = reader.value(reader.marker())
    except RecursionError as error:
        raise ValueError("Universal Binary JSON that is nested too deeply.") from error
    except (struct.error, IndexError) as error:
        raise ValueError(f"Universal Binary JSON ends early, at byte {reader.at} of {len(data)}.") from error
    if reader.at != len(data):
        raise ValueError(f"Universal Binary JSON has {len(data) - reader.at} bytes after its end at {reader.at}.")
    return value


class _Reader:
    """A position in the bytes, and one method per kind of value."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.end = len(data)
        self.at = 0

    def take(self, n: int) -> memoryview:
        taken = self.data[self.at : self.at + n]
        if n < 0 or len(taken) != n:
            raise IndexError(n)
        self.at += n
        return taken

    def marker(self) -> bytes:
        return bytes(self.take(1))

    def value(self, marker: bytes) -> Any:
        if marker in _NUMBERS:
            number = _NUMBERS[marker][0]
            return number.unpack(self.take(number.size))[0]
        if marker == b"S":
            return self.text()
        if marker == b"C":
            return self.decoded(self.at, self.take(1), "ascii")
        if marker == b"{":
            return self.mapping()
        if marker == b"[":
            return self.array()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        raise ValueError(f"Universal Binary JSON: unknown marker {marker!r} at byte {self.at - 1}.")

    def length(self) -> int:
        at = self.at
        if self.data[at] == _INT64 and at + 9 <= self.end:  # as XGBoost writes all lengths
            n = _LENGTH.unpack_from(self.data, at + 1)[0]
            self.at = at + 9
        else:
            n = self.value(self.marker())
            if not isinstance(n, int) or isinstance(n, bool):
                raise ValueError(f"Universal Binary JSON: the length at byte {self.at} is {n!r}, not an integer.")
        # every entry takes a byte at least, and memory for the entries is taken by this number
        if not 0 <= n <= self.end - self.at:
            raise ValueError(f"Universal Binary JSON: {n} entries at byte {self.at} of {self.end}.")
        return int(n)

    def text(self) -> str:
        n, at = self.length(), self.at
        self.at = at + n  # which `length` has found to be there
        return self.decoded(at, self.data[at : at + n], "utf-8")

    @staticmethod
    def decoded(at: int, data: memoryview, encoding: str) -> str:
        try:
            return str(data, encoding)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"Universal Binary JSON: byte 0x{data[error.start]:02x} at {at + error.start} is no {encoding} text."
            ) from None

    def header(self) -> tuple[bytes | None, int | None]:
        """The optional ``$type`` and ``#count`` of an array or object."""
        kind = count = None
        if self.data[self.at] == _TYPE:
            kind = bytes(self.data[self.at + 1 : self.at + 2])
            self.at += 2
        if self.data[self.at] == _COUNT:
            self.at += 1
            count = self.length()
        elif kind is not None:
            raise ValueError(f"Universal Binary JSON: an array with a type but no count at byte {self.at}.")
        return kind, count

    def array(self) -> Any:
        kind, count = self.header()
        if count is None:
            items = []
            while self.data[self.at] != ord("]"):
                items.append(self.value(self.marker()))
            self.take(1)
            return items
        if kind in _NUMBERS:
            _, stored, native = _NUMBERS[kind]
            return np.frombuffer(self.take(count * stored.itemsize), dtype=stored).astype(native)
        return [self.value(self.marker() if kind is None else kind) for _ in range(count)]

    def mapping(self) -> dict[str, Any]:
        kind, count = self.header()
        items: dict[str, Any] = {}
        while len(items) < count if count is not None else self.data[self.at] != ord("}"):
            key = self.text()
            if key in items:
                raise ValueError(f"Universal Binary JSON: {key!r} twice in one object, at byte {self.at}.")
            items[key] = self.value(self.marker() if kind is None else kind)
        if count is None:
            self.take(1)
        return items
