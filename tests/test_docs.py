"""The README and the documents are true: Python blocks run and print what they say, commands run, links lead somewhere.

Blocks of a document run one after the other, in one namespace. A block marked ``text`` directly after a Python block is
what it prints. The README's blocks begin with `PREAMBLE`, the documents' with nothing.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import shlex
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from fastexplain.cli import main

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")
# What the README takes for granted: a model, its training rows and others.
PREAMBLE = """
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor

X, y = load_diabetes(return_X_y=True, as_frame=True)
X_train, y_train, X_test, y_test = X[:300], y[:300], X[300:], y[300:]
background = X_train[:20]
model = HistGradientBoostingRegressor(max_iter=10, random_state=0).fit(X_train, y_train)
"""


class Block(NamedTuple):
    """A Python block, its first line in the document, and the text that it is said to print."""

    line: int
    code: str
    printed: str | None


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    fences = list(FENCE.finditer(text))
    found = []
    for fence, after in itertools.zip_longest(fences, fences[1:]):
        if fence[1] == "python":
            follows = after is not None and after[1] == "text" and not text[fence.end() : after.start()].strip()
            line = text.count("\n", 0, fence.start()) + 2
            found.append(Block(line, fence[2], after[2] if after is not None and follows else None))
    return found


def same_output(printed: str, expected: str) -> bool:
    """Whether words are the same and numbers agree to 3%, or to their last digit but one.

    Models differ a little between versions of their libraries; what a document says of them may not.
    """
    words, words_expected = ([" ".join(word.split()) for word in NUMBER.split(text)] for text in (printed, expected))
    numbers, numbers_expected = NUMBER.findall(printed), NUMBER.findall(expected)
    return words == words_expected and all(map(same_number, numbers, numbers_expected))


def same_number(printed: str, expected: str) -> bool:
    found, wanted = (float(text.replace(",", "")) for text in (printed, expected))
    digits = len(expected.partition(".")[2].partition("e")[0])
    return found == wanted if digits == 0 else abs(found - wanted) <= max(2 * 10.0**-digits, 0.03 * abs(wanted))


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if blocks(text_of(name))])
def test_blocks_run_and_print_what_they_say(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": document}
    if document == "README.md":
        exec(PREAMBLE, names)
    for block in blocks(text_of(document)):
        where = f"{document}:{block.line}"
        stream = io.StringIO()
        # as many lines before it as in the document, so that a traceback names the line there
        code = compile("\n" * (block.line - 1) + block.code, str(ROOT / document), "exec")
        with contextlib.redirect_stdout(stream), warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            exec(code, names)
        if block.printed is not None:
            printed = stream.getvalue()
            assert same_output(printed, block.printed), f"{where} prints\n{printed}\ninstead of\n{block.printed}"
    plt.close("all")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(document)):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (ROOT / document).parent / path if path else ROOT / document
        assert target.exists(), f"{document} links to {link}"
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), f"{document} links to {link}"


def anchors(text: str) -> set[str]:
    """Anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_commands_of_the_documents_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lightgbm, pandas = pytest.importorskip("lightgbm"), pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(100, 3))
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    frame.to_parquet("rows.parquet")
    lightgbm.LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1).fit(frame, X[:, 0]).booster_.save_model("model.txt")
    lines = [line for name in DOCUMENTS for line in re.findall(r"^    (fastexplain (?!demo).*)$", text_of(name), re.M)]
    assert any(line.startswith("fastexplain explain ") for line in lines)
    for line in lines:
        with contextlib.redirect_stdout(io.StringIO()):
            assert main(shlex.split(line, comments=True)[1:]) == 0, line


def test_make_knows_the_targets_of_the_documents() -> None:
    targets = set(re.findall(r"^([\w-]+):", text_of("Makefile"), re.M))
    for document in DOCUMENTS:
        for line in re.findall(r"^    ((?:\w+=\S+ )*make .*)$", text_of(document), re.M):
            assert set(re.findall(r"make ([\w-]+)", line)) <= targets, f"{document}: {line}"


def test_files_that_the_architecture_names_are_there() -> None:
    parts = ("fastexplain", "cpp", "tests", "benchmarks")
    files = [f"/{path.relative_to(ROOT)}" for part in parts for path in (ROOT / part).rglob("*.*")]
    named = set(re.findall(r"`([\w/.-]+\.(?:py|pyi|cpp|h|inc|md))`", text_of("docs/architecture.md")))
    assert named
    assert not [name for name in named if not any(file.endswith(f"/{name}") for file in files)]


def test_blocks_are_found_with_what_they_print() -> None:
    text = "a\n```python\nprint(1)\n```\n\n```text\n1\n```\n```python\nx = 2\n```\nor\n```text\nnot its\n```\n"
    assert blocks(text) == [Block(3, "print(1)\n", "1\n"), Block(10, "x = 2\n", None)]


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        ("base  0.512\nrows 3\n", True),
        ("base 0.511\nrows 3", True),
        ("base 0.6\nrows 3", False),
        ("base 0.512\nrows 4", False),
        ("base -0.512\nrows 3", False),
        ("bass 0.512\nrows 3", False),
        ("base 0.512\nrows 3\n4", False),
    ],
)
def test_outputs_are_compared_by_words_and_about_by_numbers(printed: str, same: bool) -> None:
    assert same_output(printed, "base 0.512\nrows 3\n") is same
