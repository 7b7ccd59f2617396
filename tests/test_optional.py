"""What is said where an optional package is missing can be done."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastexplain
from fastexplain import MissingDependencyError
from fastexplain._optional import optional

PACKAGE = Path(fastexplain.__file__).parent


def named_extras() -> Iterator[tuple[str, str]]:
    """Extras that the code names, in calls of `optional` and in messages, and where."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text()
        yield from ((extra, path.name) for extra in re.findall(r"fastexplain\[([a-z]+)\]", text))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "optional":
                given = node.args[1]
                if isinstance(given, ast.Constant) and given.value is not None:
                    yield str(given.value), path.name


def test_every_extra_that_is_named_exists() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    known = project["optional-dependencies"]
    assert not [(extra, where) for extra, where in named_extras() if extra not in known]


def test_what_to_install_is_named() -> None:
    with pytest.raises(MissingDependencyError, match=r"A picture needs nowhere: pip install 'fastexplain\[plot\]'"):
        optional("nowhere", "plot", "A picture")
    with pytest.raises(MissingDependencyError, match=r"A frame needs nowhere: pip install nowhere$"):
        optional("nowhere.deep", None, "A frame")
