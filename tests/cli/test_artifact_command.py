"""``fastexplain artifact``: what it prints of a saved artifact, and what it says of a damaged one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fastexplain.cli import main
from fastexplain.scoring.artifact import write

CONTENT = {
    "kind": "tree",
    "task": "classification",
    "classes": ["no", 1, True],
    "features": {"names": ["age", "\x1b[31mred\n", *(f"column_{i}" for i in range(20))], "columns": [{}] * 22},
    "raw_features": None,
    "model": {"n_outputs": 1},
}
ARRAYS = {"tree.values": np.zeros((6100, 1)), "tree.flag": np.ones(3, bool), "tree.number": np.array(1, np.uint8)}


@pytest.fixture(params=["credit", "credit.zip"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write(tmp_path / request.param, CONTENT, ARRAYS, created_with={"lightgbm": "4.7.0"})
    return tmp_path / request.param


def printed(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> str:
    assert main(["artifact", *map(str, arguments)]) == status
    return capsys.readouterr().out


def test_show_prints_kind_id_features_sizes_and_versions(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "show", path)
    for text in (
        "4 files, 50.",
        json.loads(printed(capsys, "show", path, "--json"))["id"],
        "tree, classification",
        "22: age, ",
        "column_9, ...",
        "3: no, 1, true",
        "lightgbm 4.7.0",
        "format version 1",
        "6,100 x 1",
        "48.9 KB",
        "one number",
        "uint8",
    ):
        assert text in out
    assert ("as it lies there" in out) == (path.suffix == ".zip")
    assert max(map(len, out.splitlines()[1:])) <= 100


def test_names_cannot_write_on_the_terminal(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "show", path)
    assert "\\x1b[31mred\\n" in out
    assert "\x1b" not in out


def test_show_reads_content_of_any_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # content is checked where it is loaded: here it may be anything
    for i, content in enumerate(({}, {"features": 3, "classes": {}, "kind": []}, {"features": {"columns": [1, 2]}})):
        write(tmp_path / str(i), content, {})
        assert "features" in printed(capsys, "show", tmp_path / str(i))


def test_verify_finds_nothing_wrong(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{path} is whole: 4 files" in printed(capsys, "verify", path)
    assert json.loads(printed(capsys, "verify", path, "--json")) == []


def test_verify_tells_all_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "credit"
    write(path, CONTENT, ARRAYS)
    (path / "tree.flag.npy").unlink()
    (path / "tree.number.npy").write_bytes(b"")
    (path / "notes.txt").touch()
    out = printed(capsys, "verify", path, "--id", "0" * 64, status=2)
    assert out.count("error: ") == 3
    assert "note: " in out
    assert "has 3 errors" in out
    found = json.loads(printed(capsys, "verify", path, "--json", status=2))
    assert [finding["file"] for finding in found] == ["notes.txt", "tree.flag.npy", "tree.number.npy"]


def test_nothing_at_the_path_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for action in ("show", "verify"):
        assert main(["artifact", action, str(tmp_path / "absent")]) == 2
        assert "absent: No such file or directory" in capsys.readouterr().err
