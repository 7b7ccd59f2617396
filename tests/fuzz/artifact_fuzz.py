"""Fuzzing of the artifact's reader: manifests, zips and array files.

    python tests/fuzz/artifact_fuzz.py manifest|zip|array --seconds 600

changes files of the corpus at random and has the reader look at them. Whatever it raises but ArtifactError ends the
run, and so does an answer that another reader (json, zipfile, numpy.load) would not give. With `--atheris`, where that
is installed, coverage guides the changes; further arguments are libFuzzer's, such as a folder for what it finds.
`test_fuzz.py` runs a few seconds of each.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import sys
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from fastexplain.scoring.artifact import ArtifactError, Limits
from fastexplain.scoring.artifact.manifest import ArraySpec, canonical, manifest_of
from fastexplain.scoring.artifact.npy import DTYPES
from fastexplain.scoring.artifact.place import MANIFEST, Place
from fastexplain.scoring.artifact.reading import load_array, open_manifest
from fastexplain.scoring.artifact.zipped import ZipFiles

__all__ = ["CORPUS", "TARGETS", "changed", "corpus", "fuzz"]

CORPUS = Path(__file__).parent / "corpus"
# Small, so that what is slow is found: nothing of these sizes may take more than a moment.
LIMITS = Limits(manifest_bytes=2**16, n_arrays=20, array_bytes=2**20, total_bytes=2**22)
SLOW = 2.0  # seconds


# -------------------------------------------------------------------------------------------------------------- targets


def look_at_manifest(data: bytes) -> None:
    """A manifest that is taken says the same to Python's own parser, and is written and read again as it was."""
    manifest = manifest_of(data, LIMITS, Place("fuzz", MANIFEST))
    assert json.loads(data) == manifest.document
    again = manifest_of(canonical(manifest.document), LIMITS, Place("fuzz", MANIFEST))
    assert again.arrays == manifest.arrays
    for spec in manifest.arrays.values():
        assert spec.file.isascii()
        assert "/" not in spec.file


def look_at_zip(data: bytes) -> None:
    """A zip that is taken holds the same for Python's own reader."""
    files = ZipFiles("fuzz.zip", io.BytesIO(data), LIMITS)
    manifest = open_manifest(files, LIMITS)
    files.check_names(manifest)
    arrays = {name: load_array(files, spec) for name, spec in manifest.arrays.items()}
    with zipfile.ZipFile(io.BytesIO(data)) as other:
        assert sorted(other.namelist()) == files.names()
        try:
            assert other.read(MANIFEST) == files.manifest_bytes(LIMITS)
            for name, array in arrays.items():
                assert np.load(other.open(f"{name}.npy")).tobytes() == array.tobytes()
        except zipfile.BadZipFile:  # its checksums, in place of which the manifest has better ones; fields that we skip
            pass


def look_at_array(data: bytes) -> None:
    """An array that is taken is the same to numpy.load. The first two bytes choose what the manifest says."""
    if len(data) < 2:
        return
    dtype = list(DTYPES)[data[0] % len(DTYPES)]
    shape = [(3,), (), (0,), (2, 3), (1, 1, 4), (5, 0)][data[1] % 6]
    file = data[2:]
    spec = ArraySpec("a", "a.npy", dtype, shape, len(file), hashlib.sha256(file).hexdigest())
    array = load_array(_OneFile(file), spec)  # type: ignore[arg-type]
    other = np.load(io.BytesIO(file), allow_pickle=False)
    assert (array.dtype, array.shape) == (other.dtype, other.shape)
    assert array.tobytes() == other.tobytes()


class _OneFile:
    place = Place("fuzz")

    def __init__(self, data: bytes) -> None:
        self._data = data

    def load(self, spec: ArraySpec, memory_map: bool) -> tuple[bytes, str]:
        return self._data, spec.sha256


TARGETS: dict[str, Callable[[bytes], None]] = {
    "manifest": look_at_manifest,
    "zip": look_at_zip,
    "array": look_at_array,
}


def refused_or_right(target: str, data: bytes) -> bool:
    """Whether the reader takes the data. Anything else than taking or refusing them is an error."""
    begin = time.process_time()
    try:
        TARGETS[target](data)
    except ArtifactError as error:
        said = str(error)
    else:
        said = None
    assert time.process_time() - begin < SLOW, "slow"
    assert said is None or said.isprintable(), repr(said)
    return said is None


# -------------------------------------------------------------------------------------------------------------- changes

TOKENS = [
    *(b"{", b"}", b"[", b"]", b'"', b"\\", b":", b",", b"\\ud800", b"\\u0000", b"NaN", b"-Infinity", b"1e999", b"-0"),
    *(
        b"null",
        b"true",
        b"1.5",
        b"9" * 40,
        b"\xff",
        b"\x00",
        b"\xef\xbb\xbf",
        b"../",
        b'"sha256"',
        b'"bytes"',
        b">f8",
        b"|O",
    ),
    *(
        b"PK\x01\x02",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"PK\x06\x06",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x80",
        b"\x01\x00",
    ),
    *(b"(", b")", b"True", b"False", b"'descr'", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00", b"\n"),
]


def changed(data: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """The data with one to five changes."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        _change(found, chance, others)
    return bytes(found)


def _change(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    at = chance.randint(0, len(data))
    end = min(len(data), at + chance.choice((1, 1, 2, 4, 8, 30, 200)))
    kind = chance.randrange(8)
    if kind == 0 and at < len(data):
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1 and at < len(data):
        data[at] = chance.randrange(256)
    elif kind == 2:
        del data[at:end]
    elif kind == 3:
        data[at:at] = data[at:end]
    elif kind == 4:
        data[at:at] = chance.choice(TOKENS)
    elif kind == 5:
        token = chance.choice(TOKENS)
        data[at : at + len(token)] = token
    elif kind == 6 and at < end:
        value = int.from_bytes(data[at:end][:4], "little") + chance.choice((-1, 1, 64, -64))
        data[at : at + min(4, end - at)] = (value % 2**32).to_bytes(4, "little")[: end - at]
    else:
        other = chance.choice(others)
        begin = chance.randint(0, len(other))
        data[at:end] = other[begin : begin + end - at]


def resealed(data: bytes, chance: random.Random, others: list[bytes]) -> bytes | None:
    """A zip with one file changed, and its new hash and size in the manifest: what lies behind is looked at too.

    None for a zip of the corpus that is none.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            files = {name: file.read(name) for name in file.namelist()}
        document = json.loads(files[MANIFEST])
        arrays = dict(document["arrays"])
    except Exception:  # of Python's reader, which is not what is looked at here
        return None
    name = chance.choice(sorted(files))
    files[name] = changed(files[name], chance, others)
    entry = arrays.get(name.removesuffix(".npy"))
    if isinstance(entry, dict):
        entry["bytes"], entry["sha256"] = len(files[name]), hashlib.sha256(files[name]).hexdigest()
        files[MANIFEST] = json.dumps(document).encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", chance.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return made.getvalue()


def corpus(target: str) -> list[bytes]:
    """Inputs that are kept, always in the same order."""
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


def fuzz(target: str, seed: int, runs: Iterable[int]) -> tuple[int, int]:
    """Try changed inputs; numbers of those that were tried, and taken."""
    inputs, chance = corpus(target), random.Random(seed)
    tried = taken = 0
    for _ in runs:
        data = chance.choice(inputs)
        sealed = resealed(data, chance, inputs) if target == "zip" and chance.random() < 0.5 else None
        data = changed(data, chance, inputs) if sealed is None else sealed
        tried += 1
        try:
            taken += refused_or_right(target, data)
        except BaseException:
            Path(f"fuzz-{target}.bin").write_bytes(data)
            print(f"seed {seed}, input {tried}: kept in fuzz-{target}.bin", file=sys.stderr)
            raise
    return tried, taken


def _until(seconds: float) -> Iterable[int]:
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        yield (n := n + 1)


def _with_atheris(target: str, seconds: float, extra: list[str]) -> None:
    import atheris

    atheris.instrument_all()
    options = [f"-max_total_time={seconds:.0f}", "-max_len=8192", "-timeout=10", *extra, str(CORPUS / target)]
    atheris.Setup([sys.argv[0], *options], lambda data: refused_or_right(target, data) and None)
    atheris.Fuzz()


def main(arguments: list[str] | None = None) -> Any:
    """The command line."""
    parser = argparse.ArgumentParser(description="Fuzz the reader of artifacts.")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true", help="let coverage guide the changes")
    given, extra = parser.parse_known_args(arguments)
    if given.atheris:
        return _with_atheris(given.target, given.seconds, extra)
    tried, taken = fuzz(given.target, given.seed, _until(given.seconds))
    print(f"{given.target}: {tried:,} inputs, {taken:,} of them taken, all others refused")
    return None


if __name__ == "__main__":
    main()
