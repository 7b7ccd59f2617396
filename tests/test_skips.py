"""What CI says of tests that are skipped, and when torch is installed for them."""

from __future__ import annotations

from pathlib import Path

import install_torch
import pytest
import skips


def test_an_unknown_reason_is_counted_and_told() -> None:
    lines, complete = skips.summary(["no CUDA device", "the moon is full", "the moon is full"])
    assert lines[0].startswith("    2 skipped: the moon is full [UNEXPECTED")
    assert "[torch's path over CUDA needs a device]" in lines[1]
    assert not complete


def test_known_reasons_are_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_REQUIREMENTS", raising=False)
    assert skips.summary(["shapiq is not installed"])[1]
    monkeypatch.setenv("TEST_REQUIREMENTS", "benchmarks/requirements.txt")
    assert not skips.summary(["shapiq is not installed"])[1]  # asked for, and still not there


def test_torch_may_be_missing_only_where_its_installation_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    monkeypatch.setattr(skips, "NOTE", note)
    assert skips.explained("could not import 'torch': No module named 'torch'") is None
    note.write_text("only with CUDA")
    assert skips.explained("could not import 'torch': No module named 'torch'") == "only with CUDA"


@pytest.mark.parametrize(
    ("plan", "asked", "reason"),
    [
        (["torch", "sympy"], "", None),
        (["torch", "nvidia-cublas", "cuda-toolkit"], "", "CUDA build of torch (with 2 packages"),
        (["torch", "nvidia-cublas", "cuda-toolkit"], "cuda", None),
        ("pip finds none for this Python (ERROR: no)", "cuda", "pip finds none"),
    ],
)
def test_a_cuda_build_is_taken_only_on_request(
    plan: list[str] | str, asked: str, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install_torch, "planned", lambda requirement: plan)
    monkeypatch.setenv("FASTEXPLAIN_TORCH", asked)
    found = install_torch.reason_against("torch")
    assert (found is None) if reason is None else reason in found
