"""``manifest.json``: what an artifact says of itself, checked before anything is made of it.

Its bytes are canonical JSON, and their SHA-256 is the artifact's id: the manifest holds the SHA-256 of every array, so
that the id stands for all of the artifact.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastexplain.scoring.artifact.limits import Limits
from fastexplain.scoring.artifact.npy import DTYPES, LONGEST_HEADER
from fastexplain.scoring.artifact.place import DAMAGED, Place

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "ArraySpec",
    "Manifest",
    "array_name",
    "canonical",
    "entry_of",
    "manifest_of",
    "plain",
]

FORMAT = "fastexplain-scoring"
FORMAT_VERSION = 1

_FIELDS = {"format", "format_version", "created_with", "content", "arrays"}
_ARRAY_FIELDS = {"file", "dtype", "shape", "bytes", "sha256"}
# Lower case: file systems that do not tell cases apart would make one file of two.
_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME = 100
_MOST_DIMENSIONS = 8
_MOST_VERSIONS = 100


class ArraySpec(NamedTuple):
    """What the manifest says of one array."""

    name: str
    file: str
    dtype: str
    shape: tuple[int, ...]
    n_bytes: int  # of the file, header included
    sha256: str

    @property
    def data_bytes(self) -> int:
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


@dataclass(frozen=True, eq=False)
class Manifest:
    """A manifest that was checked: `document` is all of it, the rest its parts."""

    id: str
    document: dict[str, Any]
    content: dict[str, Any]
    created_with: dict[str, str]
    arrays: dict[str, ArraySpec]
    n_bytes: int

    def check_id(self, id: str | None, place: Place) -> None:
        """Refuse all but the artifact that was asked for; None asks for any."""
        if id is not None and id != self.id:
            raise place.error(f"{self.id}; asked for was {id!r:.80}. It is another artifact, or was changed.", "id")


# ------------------------------------------------------------------------------------------------------------- to bytes


def canonical(document: dict[str, Any]) -> bytes:
    """The one form in which a manifest is written: sorted keys, no spaces, UTF-8, floats by their shortest digits."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def plain(value: Any, place: Place, field: str, depth: int) -> Any:
    """The same value in the types that come back from JSON; an error for what would come back as something else."""
    if depth < 0:
        raise place.error("is nested too deeply; store it flat.", field)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, place, field)
    if isinstance(value, int) and type(value) is int:
        return value
    if isinstance(value, float) and type(value) is float:
        if not math.isfinite(value):
            raise place.error(f"is {value}, which JSON has not; store it in an array.", field)
        return value
    if isinstance(value, list | tuple):
        return [plain(item, place, f"{field}[{i}]", depth - 1) for i, item in enumerate(value)]
    if isinstance(value, dict):
        return {_key(key, place, field): plain(item, place, f"{field}.{key}", depth - 1) for key, item in value.items()}
    raise place.error(
        f"is a {type(value).__name__} ({value!r:.60}); expected None, bool, int, float, str, list or dict. "
        "Arrays go into `arrays`.",
        field,
    )


def _key(key: Any, place: Place, field: str) -> str:
    if not isinstance(key, str):
        raise place.error(f"has the key {key!r}; keys must be strings.", field)
    return _text(key, place, field)


def _text(text: str, place: Place, field: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise place.error(f"{text!r:.60} has half of a surrogate pair, which UTF-8 cannot hold.", field) from None
    return str(text)


# ----------------------------------------------------------------------------------------------------------- from bytes


def manifest_of(data: bytes, limits: Limits, place: Place) -> Manifest:
    """Parse the bytes of a manifest, and check all that the container goes by."""
    document = _document(data, limits, place)
    _check_version(document, place)
    _check_fields(document, _FIELDS, None, place)
    created_with, content, arrays = (_object(document, name, place) for name in ("created_with", "content", "arrays"))
    if len(created_with) > _MOST_VERSIONS or not all(isinstance(version, str) for version in created_with.values()):
        raise place.error(f"expected at most {_MOST_VERSIONS} versions, as strings. {DAMAGED}", "created_with")
    if len(arrays) > limits.n_arrays:
        raise place.error(f"{len(arrays)} arrays; at most {limits.n_arrays} are read. {_RAISE}", "arrays")
    specs = {name: _spec(name, entry, limits, place) for name, entry in arrays.items()}
    total = sum(spec.n_bytes for spec in specs.values())
    if total > limits.total_bytes:
        raise place.error(f"{total:,} bytes in all; at most {limits.total_bytes:,} are read. {_RAISE}", "arrays")
    return Manifest(hashlib.sha256(data).hexdigest(), document, content, created_with, specs, len(data))


_RAISE = "If you trust its source, pass larger `limits`."


def _document(data: bytes, limits: Limits, place: Place) -> dict[str, Any]:
    if len(data) > limits.manifest_bytes:
        raise place.error(f"over {limits.manifest_bytes:,} bytes, the most that is read. {_RAISE}")
    depth = _depth(data)
    if depth > limits.depth:
        raise place.error(f"lists and objects are nested {depth} deep; at most {limits.depth} are read. {DAMAGED}")
    try:
        document = json.loads(
            data.decode(), object_pairs_hook=_distinct, parse_float=_finite, parse_constant=_no_constant
        )
        if b"\\ud" in data or b"\\uD" in data:  # halves of surrogate pairs may stand alone, and are then no text
            canonical({"": document})
    except (ValueError, RecursionError) as error:
        raise place.error(f"is not valid: {error}. {DAMAGED}") from error
    if not isinstance(document, dict):
        raise place.error(f"holds a {type(document).__name__}; expected an object. {DAMAGED}")
    return document


def _depth(data: bytes) -> int:
    """How deep brackets are nested outside strings, without parsing: a parser would need as much of the stack."""
    if b"\\" in data:
        data = re.sub(rb"\\.", b"", data, flags=re.DOTALL)
    outside = b"".join(data.split(b'"')[::2])
    codes = np.frombuffer(outside, np.uint8)
    opened = (codes == ord("[")) | (codes == ord("{"))
    closed = (codes == ord("]")) | (codes == ord("}"))
    steps = opened.astype(np.int8) - closed.astype(np.int8)
    return int(np.cumsum(steps, dtype=np.int64).max(initial=0))


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"the key {twice!r} comes twice in one object")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text:.40} is beyond the numbers that float64 holds")
    return value


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _check_version(document: dict[str, Any], place: Place) -> None:
    if document.get("format") != FORMAT:
        found = repr(document["format"])[:80] if "format" in document else "missing"
        raise place.error(f"{found}; expected {FORMAT!r}. This is no artifact of a scoring explainer.", "format")
    version = document.get("format_version")
    if type(version) is not int or version < 1:
        raise place.error(f"{version!r:.80}; expected a number from 1 to {FORMAT_VERSION}. {DAMAGED}", "format_version")
    if version > FORMAT_VERSION:
        created_with = document.get("created_with")
        writer = created_with.get("fastexplain") if isinstance(created_with, dict) else None
        raise place.error(
            f"{version}; this fastexplain reads up to {FORMAT_VERSION}. It was written by a newer one"
            + (f", {writer}" if isinstance(writer, str) else "")
            + ": upgrade fastexplain here, or save it with an older one.",
            "format_version",
        )


def _check_fields(found: dict[str, Any], expected: set[str], field: str | None, place: Place) -> None:
    for name in sorted(expected - found.keys()):
        raise place.error(f"is missing. {DAMAGED}", name if field is None else f"{field}.{name}")
    for name in sorted(found.keys() - expected):
        known = ", ".join(sorted(expected))
        raise place.error(f"{name!r:.80} is unknown; expected {known}. {DAMAGED}", field or "fields")


def _object(document: dict[str, Any], name: str, place: Place) -> dict[str, Any]:
    found = document[name]
    if not isinstance(found, dict):
        raise place.error(f"is a {type(found).__name__}; expected an object. {DAMAGED}", name)
    return found


def array_name(name: str, place: Place) -> str:
    """The name itself, if an array may have it."""
    if not (isinstance(name, str) and len(name) <= _LONGEST_NAME and _NAME.fullmatch(name)):
        raise place.error(
            f"{name!r:.120} is no name of an array; "
            f"expected at most {_LONGEST_NAME} of a-z, 0-9, _ and single dots between them.",
            "arrays",
        )
    return name


def _spec(name: str, entry: Any, limits: Limits, place: Place) -> ArraySpec:
    array_name(name, place)
    field = f"arrays.{name}"
    if not isinstance(entry, dict):
        raise place.error(f"is a {type(entry).__name__}; expected an object. {DAMAGED}", field)
    _check_fields(entry, _ARRAY_FIELDS, field, place)
    # No other name is possible, so that none can lead out of the artifact, and no two arrays share a file.
    _require(entry["file"] == f"{name}.npy", entry, "file", repr(f"{name}.npy"), field, place)
    dtype, shape, n_bytes, sha256 = (entry[key] for key in ("dtype", "shape", "bytes", "sha256"))
    _require(isinstance(dtype, str) and dtype in DTYPES, entry, "dtype", f"one of {', '.join(DTYPES)}", field, place)
    _require(_is_shape(shape), entry, "shape", f"at most {_MOST_DIMENSIONS} lengths, none negative", field, place)
    _require(type(n_bytes) is int and n_bytes >= 0, entry, "bytes", "a size in bytes", field, place)
    _require(
        isinstance(sha256, str) and bool(_SHA256.fullmatch(sha256)),
        entry,
        "sha256",
        "64 hexadecimal digits",
        field,
        place,
    )
    spec = ArraySpec(name, entry["file"], dtype, tuple(shape), n_bytes, sha256)
    if n_bytes > limits.array_bytes:
        raise place.error(f"{n_bytes:,}; at most {limits.array_bytes:,} are read. {_RAISE}", f"{field}.bytes")
    fits = 0 < n_bytes - spec.data_bytes <= LONGEST_HEADER
    _require(fits, entry, "bytes", f"{spec.data_bytes:,} for shape {spec.shape} and a header", field, place)
    return spec


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, list)
        and len(shape) <= _MOST_DIMENSIONS
        and all(type(length) is int and length >= 0 for length in shape)
        and math.prod(max(length, 1) for length in shape) < 2**60  # NumPy counts bytes so even where a length is 0
    )


def _require(holds: bool, entry: dict[str, Any], key: str, expected: str, field: str, place: Place) -> None:
    if not holds:
        raise place.error(f"{entry[key]!r:.120}; expected {expected}. {DAMAGED}", f"{field}.{key}")


def entry_of(spec: ArraySpec) -> dict[str, Any]:
    """What the manifest says of an array, as JSON."""
    return {
        "file": spec.file,
        "dtype": spec.dtype,
        "shape": list(spec.shape),
        "bytes": spec.n_bytes,
        "sha256": spec.sha256,
    }
