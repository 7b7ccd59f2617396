"""The published JSON Schema of the manifest says what the reader checks, no more and no less."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from artifact_files import MANIFEST, files_of
from test_artifact_bad_files import ENTRIES, MANIFESTS

from fastexplain.scoring.artifact import schema

jsonschema = pytest.importorskip("jsonschema")

# What a schema cannot say: one field has to fit another, numbers have to fit this machine, 3.0 is no whole number.
BEYOND = {
    "file_of_another",
    "shape_overflows",
    "empty_overflows",
    "beyond_memory",
    "size_of_a_header",
    "size_beyond_the_limit",
    "fraction",
    "newline",  # Python's $ takes a newline before it, JavaScript's does not
}
# Manifests of which the text is refused, not what it says.
OF_THE_TEXT = ("is not valid", "is no JSON", "is beyond", "comes twice", "deep; at most", "are nested")


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def test_the_schema_takes_what_is_written(tmp_path: Path, validator: jsonschema.Draft202012Validator) -> None:
    assert validator.is_valid(json.loads(files_of(tmp_path)[MANIFEST]))


@pytest.mark.parametrize("case", [*MANIFESTS, *ENTRIES])
def test_the_schema_refuses_what_the_reader_refuses(
    tmp_path: Path, case: str, validator: jsonschema.Draft202012Validator
) -> None:
    change, _, words = (MANIFESTS | ENTRIES)[case]
    files = change(files_of(tmp_path))
    if MANIFEST in files and not any(text in words for text in OF_THE_TEXT):
        assert validator.is_valid(json.loads(files[MANIFEST])) == (case in BEYOND)
