"""interpret-community's form of a saved explanation: a directory of JSON files, read and written.

There is a file for each property that is not None, and ``explanation_metadata.json``. interpret-community reads what is
written here. A further file, ``fastexplain.json``, which it ignores, holds what its layout has no place for: units,
path, types of the data's columns, whether one margin stands for two classes, and the checksums of all files: a digit
that has changed is still JSON.
"""

from __future__ import annotations

import errno
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from fastexplain import _files
from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.files.json_values import described, write_value
from fastexplain.explanation.files.record import Record, package_version, take_apart
from fastexplain.explanation.global_explanation import GlobalExplanation
from fastexplain.explanation.local_explanation import LocalExplanation

__all__ = [
    "DATA",
    "ELSEWHERE",
    "METADATA_FILE",
    "OWN_FILE",
    "OWN_VERSION",
    "PROPERTIES",
    "SERIALIZATION_VERSION",
    "explanation_metadata",
    "is_sealed",
    "sealed",
    "write_directory",
]

METADATA_FILE = "explanation_metadata.json"
OWN_FILE = "fastexplain.json"
SERIALIZATION_VERSION = 1
OWN_VERSION = 1

DATA = ("init_data", "eval_data", "eval_y_predicted", "eval_y_predicted_proba")
PROPERTIES = (
    "features",
    "local_importance_values",
    "expected_values",
    "classes",
    "global_importance_names",
    "global_importance_rank",
    "global_importance_values",
    "per_class_names",
    "per_class_rank",
    "per_class_values",
    *DATA,
)
_ERRORS = "standard_errors"
_FILES = [METADATA_FILE, OWN_FILE, *(f"{name}.json" for name in (*PROPERTIES, _ERRORS))]
# facts that interpret-community's own files hold
ELSEWHERE = frozenset({"features", "classes", "model_task", "model_type", "method", "is_raw", "is_engineered", "id"})
_EXISTS = "The directory specified by path already exists. Please pass in a new directory or set exists_ok=True."


def explanation_metadata(explanation: Explanation) -> dict[str, Any]:
    """What ``explanation_metadata.json`` holds, under interpret-community's keys.

    Parameters
    ----------
    explanation : Explanation

    Returns
    -------
    dict
        As JSON can hold it.
    """
    is_classifier = explanation.model_task == "classification"
    local = explanation if isinstance(explanation, LocalExplanation) else None
    return {
        "explanation_id": explanation.id,
        "model_type": "classification" if is_classifier else "regression",
        "data_type": "tabular",
        "model_task": explanation.model_task,
        "method": explanation.method,
        "model_class": explanation.model_type,
        "is_raw": bool(explanation.is_raw),
        "is_engineered": bool(explanation.is_engineered),
        "global": isinstance(explanation, GlobalExplanation),
        "local": local is not None,
        "num_classes": explanation.num_classes if is_classifier else 1,
        "num_examples": 0 if local is None else local.num_examples,
        "num_features": explanation.num_features,
        "is_local_sparse": local is not None and local.is_local_sparse,
        "serialization_version": SERIALIZATION_VERSION,
    }


def write_directory(
    explanation: Explanation,
    path: Path,
    *,
    exist_ok: bool = False,
    include_eval_data: bool = True,
    include_init_data: bool = True,
) -> None:
    """Write a directory of JSON files; see `fastexplain.save_explanation`."""
    if path.exists() and not exist_ok:
        raise FileExistsError(_EXISTS)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"{path} is a file; an explanation is saved as a directory, or as a .parquet file.")
    record = take_apart(explanation, include_eval_data=include_eval_data, include_init_data=include_init_data)
    if path.is_dir():
        with _files.filled_directory(path, METADATA_FILE, _FILES) as folder:
            _write_files(explanation, record, folder)
        return
    try:
        with _files.new_directory(path) as folder:
            _write_files(explanation, record, folder)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):  # made by another process meanwhile
            raise FileExistsError(_EXISTS) from error
        raise


def _write_files(explanation: Explanation, record: Record, folder: Path) -> None:
    for name, (kind, value) in _property_values(explanation, record).items():
        _write(folder, name, kind, value)
    descriptions = {}
    predicted, probabilities = record.predictions
    for name, data in zip(DATA, (record.init_data, record.eval_data, predicted, probabilities), strict=True):
        if data is not None:
            kind, value, descriptions[name] = described(data)
            _write(folder, name, kind, value)
    if record.standard_errors is not None:
        _write(folder, _ERRORS, "ndarray", record.standard_errors)
    own = {
        "format_version": OWN_VERSION,
        "fastexplain_version": package_version(),
        "explanation_id": explanation.id,
        "facts": {key: value for key, value in record.facts.items() if key not in ELSEWHERE},
        "n_outputs": explanation._n_outputs,
        "single_row": record.single_row,
        "dtype": None
        if record.values is None
        else str((record.values[0] if record.is_sparse else record.values).dtype),
        "base_values": _listed(record.base_values),
        "importances": _listed(record.importances),
        "global_importances": _listed(record.global_importances),
        "importance_errors": _listed(record.importance_errors),
        "repeats": _listed(record.repeats),
        "data": descriptions,
    }
    if record.is_sparse:
        own["n_stored"] = [int(matrix.nnz) for matrix in record.values]
    (folder / METADATA_FILE).write_text(json.dumps(explanation_metadata(explanation)), encoding="utf-8")
    own["checksums"] = {file.name: zlib.crc32(file.read_bytes()) for file in sorted(folder.iterdir())}
    (folder / OWN_FILE).write_bytes(sealed(json.dumps(own)))


def sealed(text: str) -> bytes:
    """The text of a JSON object with the checksum of the rest as its first entry; see `is_sealed`."""
    rest = text[1:].encode()
    return f'{{"crc32": {zlib.crc32(rest)}, '.encode() + rest


def is_sealed(content: bytes) -> bool | None:
    """Whether bytes are as `sealed` made them; None where they have no checksum."""
    found = re.match(rb'\{"crc32": (\d+), ', content)
    return None if found is None else zlib.crc32(content[found.end() :]) == int(found[1])


def _property_values(explanation: Explanation, record: Record) -> dict[str, tuple[str, Any]]:
    """Kind and value of each property but the data, under interpret-community's names."""
    values: dict[str, tuple[str, Any]] = {"features": ("list", record.facts["features"])}
    if record.facts["classes"] is not None:
        values["classes"] = ("list", record.facts["classes"])
    if record.base_values is not None:
        values["expected_values"] = ("list", explanation.expected_values)
    if isinstance(explanation, LocalExplanation):
        local = explanation._local_importance_values
        values["local_importance_values"] = ("sparse" if record.is_sparse else "list", local)
    if isinstance(explanation, GlobalExplanation):
        values["global_importance_rank"] = ("list", explanation.global_importance_rank)
        values["global_importance_values"] = ("list", explanation.global_importance_values)
        if hasattr(explanation, "per_class_values"):
            values["per_class_rank"] = ("list", explanation.per_class_rank)
            values["per_class_values"] = ("list", explanation.per_class_values)
    return values


def _write(folder: Path, name: str, kind: str, value: Any) -> None:
    with open(folder / f"{name}.json", "w", encoding="utf-8") as file:
        try:
            write_value(file, kind, value)
        except TypeError as error:
            raise TypeError(f"{name} cannot be saved as JSON. {error}") from error


def _listed(array: Any) -> Any:
    return None if array is None else np.asarray(array).tolist()
