"""A few seconds of the fuzzing of artifacts, the same in every run, and all inputs that were worth keeping."""

from __future__ import annotations

from pathlib import Path

import artifact_fuzz
import pytest


@pytest.mark.parametrize(("target", "n_inputs"), [("manifest", 4_000), ("zip", 1_500), ("array", 6_000)])
def test_changed_inputs_are_refused_or_read_right(
    target: str, n_inputs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where an input that fails is kept
    tried, taken = artifact_fuzz.fuzz(target, 0, range(n_inputs))
    assert tried > n_inputs / 2
    assert 0 < taken < tried / 2


@pytest.mark.parametrize("target", artifact_fuzz.TARGETS)
def test_the_corpus_is_refused_or_read_right(target: str) -> None:
    taken = [artifact_fuzz.refused_or_right(target, data) for data in artifact_fuzz.corpus(target)]
    assert any(taken)


def test_the_corpus_stays_small() -> None:
    assert sum(path.stat().st_size for path in artifact_fuzz.CORPUS.rglob("*") if path.is_file()) < 100_000


def test_a_fault_of_the_reader_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def fail(data: bytes) -> None:
        if b"NaN" in data:
            raise KeyError("NaN")

    monkeypatch.setitem(artifact_fuzz.TARGETS, "manifest", fail)
    with pytest.raises(KeyError):
        artifact_fuzz.fuzz("manifest", 0, range(100_000))
    assert b"NaN" in (tmp_path / "fuzz-manifest.bin").read_bytes()
