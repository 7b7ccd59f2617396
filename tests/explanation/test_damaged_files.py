"""Files that were damaged: one changed bit, anywhere, is told by a ValueError that names the file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved_explanations import FRAME, MAKERS, ROWS, assert_same, regression

from fastexplain import load_explanation, save_explanation
from fastexplain.explanation import Explanation

pa = pytest.importorskip("pyarrow")

# Bits changed of each file, besides those of its ends.
N_FLIPS = 150
OLD = Path(__file__).parent.parent / "fixtures" / "parquet_v1"

SAVED: dict[str, Callable[[], Explanation]] = {
    "local": lambda: regression(eval_data=FRAME, init_data=ROWS),
    "classes": MAKERS["classes_global"],
    "sparse": MAKERS["sparse"],
    "permutation": MAKERS["permutation"],
    "objects": MAKERS["mixed_data"],
}


def flips(size: int, seed: int) -> Iterator[tuple[int, int]]:
    """Places and bits to change: the first and last 32 bytes, and a sample of the rest."""
    random = np.random.default_rng(seed)
    ends = [*range(min(32, size)), *range(max(0, size - 32), size)]
    places = [*ends, *random.integers(0, size, N_FLIPS).tolist()]
    yield from zip(places, random.integers(0, 8, len(places)).tolist(), strict=True)


def load_flipped(file: Path, place: int, bit: int, folder: Path) -> Any:
    """What loading gives when a bit of one file is changed; the file is mended afterwards.

    Any error but a ValueError that names the file fails the test.
    """
    whole = file.read_bytes()
    changed = bytearray(whole)
    changed[place] ^= 1 << bit
    file.write_bytes(bytes(changed))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load_explanation(folder)
    except Exception as error:
        if isinstance(error, ValueError) and str(folder) in str(error):
            return error
        raise AssertionError(f"{file.name}, byte {place}, bit {bit}: {type(error).__name__}: {error}") from error
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("kind", SAVED)
def test_a_changed_bit_in_one_file_is_told(tmp_path: Path, kind: str, suffix: str) -> None:
    original = SAVED[kind]()
    path = tmp_path / f"e{suffix}"
    save_explanation(original, path)
    for place, bit in flips(path.stat().st_size, len(kind)):
        found = load_flipped(path, place, bit, path)
        if not isinstance(found, ValueError):  # a bit of the mark that says where the checksum is
            assert place < 32
            assert_same(found, original)


@pytest.mark.parametrize("kind", SAVED)
def test_a_changed_bit_in_a_folder_is_told(tmp_path: Path, kind: str) -> None:
    original = SAVED[kind]()
    save_explanation(original, tmp_path / "saved")
    again = load_explanation(tmp_path / "saved")
    for file in sorted((tmp_path / "saved").iterdir()):
        for place, bit in list(flips(file.stat().st_size, len(kind)))[::6]:
            found = load_flipped(file, place, bit, tmp_path / "saved")
            if not isinstance(found, ValueError):  # a bit of the key under which the checksum is
                assert (file.name, place < 32) == ("fastexplain.json", True)
                assert_same(found, again)


@pytest.mark.parametrize("kind", ["regression.parquet", "classes_global.parquet"])
def test_a_changed_bit_in_a_file_without_a_checksum_is_a_value_error_or_nothing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    path.write_bytes((OLD / kind).read_bytes())
    for place, bit in flips(path.stat().st_size, 1):
        load_flipped(path, place, bit, path)


@pytest.mark.parametrize("kind", SAVED)
def test_a_changed_bit_in_an_arrow_file_without_a_checksum_is_a_value_error_or_nothing(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "e.arrow"
    table = SAVED[kind]().to_arrow(include_data=True)
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    for place, bit in flips(path.stat().st_size, 2):
        load_flipped(path, place, bit, path)
