"""The published JSON Schema of an artifact's content takes what `save` writes, and refuses forged content."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

import fastexplain
from fastexplain.scoring import content_schema, save, scoring_explainer
from fastexplain.scoring.artifact import read
from tests.scoring.models import MODELS, X

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema.Draft202012Validator.check_schema(content_schema())
    return jsonschema.Draft202012Validator(content_schema())


def content_of(name: str, folder: Path) -> Any:
    scorer = scoring_explainer(fastexplain.TabularExplainer(MODELS[name](), X))
    save(scorer.with_reasons(groups={"g": [0, 1]}, texts={2: ("R", "t")}), folder / "a")
    return read(folder / "a").content


@pytest.mark.parametrize("name", MODELS)
def test_what_is_written(tmp_path: Path, validator: Any, name: str) -> None:
    validator.validate(content_of(name, tmp_path))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kind", "os.system"),
        ("task", None),
        ("classes", [{}]),
        ("model", []),
        ("model.n_features", -1),
        ("model.n_outputs", 0),
        ("model.answers.link", "eval"),
        ("model.answers.slope", 0),
        ("model.form", "any"),
        ("model.more", 1),
        ("rows.unknown", "guess"),
        ("rows.allow_nan", 1),
        ("features.columns", [{}]),
        ("features.blanks", None),
        ("subset", [-1]),
        ("reasons.groups", [{"name": 1, "features": []}]),
        ("more", 1),
    ],
)
def test_what_is_refused(tmp_path: Path, validator: Any, path: str, value: Any) -> None:
    content = copy.deepcopy(content_of("tree", tmp_path))
    holder, keys = content, path.split(".")
    for key in keys[:-1]:
        holder = holder[key]
    holder[keys[-1]] = value
    assert not validator.is_valid(content)


@pytest.mark.parametrize("field", ["kind", "rows", "model.answers", "features.names", "reasons.texts"])
def test_what_is_missing(tmp_path: Path, validator: Any, field: str) -> None:
    content = copy.deepcopy(content_of("ridge", tmp_path) if "answers" not in field else content_of("tree", tmp_path))
    holder, keys = content, field.split(".")
    for key in keys[:-1]:
        holder = holder[key]
    del holder[keys[-1]]
    assert not validator.is_valid(content)


def test_it_is_plain_json() -> None:
    assert json.loads(json.dumps(content_schema())) == content_schema()
