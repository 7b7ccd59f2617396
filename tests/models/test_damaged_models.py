"""Damaged model files are refused, before the library that wrote them dies of them.

The files and what they hold: tests/fixtures/damaged_models. They are touched in a process of its own, which prints the
name of each file before: should the process die, the last name is in the failure.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("lightgbm")
pytest.importorskip("xgboost")

FILES = Path(__file__).parent.parent / "fixtures" / "damaged_models"
EXPECTED = dict(line.split(": ", 1) for line in (FILES / "expected.words").read_text().splitlines())
KINDS = ["txt", "json", "ubj"]

# What the libraries load without a word: without the check they then die, or answer from outside of their memory.
# (Of some other boosters nothing can be told: their library dies when it writes them down, as for a pickle.)
LOADED_BY_THE_LIBRARY = {
    "txt": [
        "category_set_beyond",
        "category_set_fraction",
        "category_set_infinite",
        "child_beyond_leaves",
        "child_beyond_nodes",
        "child_is_itself",
        "child_is_root",
        "child_shared",
        "circle_off_the_root",
        "count_negative",
        "threshold_nan",
    ],
    "json": [
        "child_below_minus_one",
        "child_beyond",
        "child_is_itself",
        "child_is_root",
        "child_missing",
        "child_shared",
        "circle_off_the_root",
        "feature_beyond",
        "label_order_negative",
        "leaf_with_a_child",
        "output_beyond",
        "parent_of_others",
        "split_of_unknown_type",
    ],
}
LOADED_BY_THE_LIBRARY["ubj"] = LOADED_BY_THE_LIBRARY["json"]


CODE = """
import contextlib, io, sys
import lightgbm, xgboost
from pathlib import Path
from fastexplain.cli import main
from fastexplain.cli.models import read_model
from fastexplain.models import load_model

def answer(way, name, call):
    print("touching", name, way, flush=True)
    try:
        call()
        print(f"{way} {name}: loaded", flush=True)
    except Exception as error:
        print(f"{way} {name}: {type(error).__name__} {error}".replace("\\n", " "), flush=True)

def command_line(path):
    error = io.StringIO()
    with contextlib.redirect_stderr(error):
        status = main(["explain", "--model", path, "--data", "no.csv", "--out", "no.parquet"])  # the model comes first
    raise RuntimeError(f"{status} {error.getvalue().splitlines()[-1]}")

folder, loaded_by_the_library = sys.argv[1], sys.argv[2].split()
for name in sys.argv[3:]:
    path = f"{folder}/{name}"
    answer("read", name, lambda: load_model(read_model(Path(path))))
    answer("command", name, lambda: command_line(path))
    if name in loaded_by_the_library:
        booster = (lightgbm if name.endswith("txt") else xgboost).Booster(model_file=path)
        answer("loader", name, lambda: load_model(booster))
"""


@functools.cache
def answers(kind: str) -> dict[str, str]:
    """``"read"``, ``"command"`` or ``"loader"`` and the name of a file -> what came of it."""
    loaded = " ".join(f"{name}.{kind}" for name in LOADED_BY_THE_LIBRARY[kind])
    command = [sys.executable, "-c", CODE, str(FILES), loaded, f"intact.{kind}", *damaged(kind)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    touched = [line for line in done.stdout.splitlines() if line.startswith("touching ")]
    assert done.returncode == 0, f"died with {done.returncode}, {touched[-1:]}: {done.stderr[-2000:]}"
    lines = [line.partition(": ") for line in done.stdout.splitlines()]
    return {what: answer for what, _, answer in lines}


def damaged(kind: str) -> list[str]:
    return sorted(name for name in EXPECTED if name.endswith(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_at_least_twenty_damaged_files(kind: str) -> None:
    assert len(damaged(kind)) >= 20
    assert damaged(kind) == sorted(path.name for path in FILES.glob(f"*.{kind}") if path.stem != "intact")


@pytest.mark.parametrize("kind", KINDS)
def test_reading_refuses_every_damaged_file_in_its_words(kind: str) -> None:
    assert answers(kind)[f"read intact.{kind}"] == "loaded"
    for name in damaged(kind):
        answer = answers(kind)[f"read {name}"]
        assert EXPECTED[name] in answer, f"{name}: {answer}"
        expected = "UnsupportedModelError" if name.startswith("hessian") else "ModelConversionError"
        assert answer.startswith(expected), f"{name}: {answer}"


@pytest.mark.parametrize("kind", KINDS)
def test_command_line_ends_with_one_sentence(kind: str) -> None:
    assert "no.csv" in answers(kind)[f"command intact.{kind}"]
    for name in damaged(kind):
        answer = answers(kind)[f"command {name}"]
        assert answer.startswith("RuntimeError 2 fastexplain: error: "), f"{name}: {answer}"
        assert EXPECTED[name] in answer, f"{name}: {answer}"


@pytest.mark.parametrize("kind", KINDS)
def test_loader_refuses_a_booster_that_its_library_loaded(kind: str) -> None:
    for name in LOADED_BY_THE_LIBRARY[kind]:
        answer = answers(kind)[f"loader {name}.{kind}"]
        assert answer.startswith("ModelConversionError"), f"{name}: {answer}"
        assert EXPECTED[f"{name}.{kind}"] in answer, f"{name}: {answer}"
