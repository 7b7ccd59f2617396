"""Reads explanations out of one file: those that `parquet` writes, of this format version and of the first."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.files.arrow_data import filled_rows, from_columns, shaped
from fastexplain.explanation.files.arrow_files import TableFile
from fastexplain.explanation.files.arrow_layout import FORMAT_VERSION, METADATA_KEY
from fastexplain.explanation.files.record import Record, put_together
from fastexplain.explanation.numbers.aggregation import mean_abs, sparse_mean_abs

__all__ = ["read_one_file"]


def read_one_file(path: str | os.PathLike[str]) -> Explanation:
    """Read an explanation from a Parquet or an Arrow file; see `fastexplain.explanation.read_parquet`."""
    with TableFile(path) as file, file.damage_told():
        facts = _metadata(file)
        shown = _shown(file, facts["columns"])
        hidden = {name: file.embedded(name, entry) for name, entry in facts["embedded"].items()}
        try:
            return put_together(_record(facts, shown, hidden))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file.path!r} is damaged: its columns and metadata disagree: {error}") from error


def _metadata(file: TableFile) -> dict[str, Any]:
    stored = (file.schema.metadata or {}).get(METADATA_KEY)
    if stored is None:
        raise ValueError(f"{file.path!r} holds no fastexplain explanation (no 'fastexplain' in its metadata).")
    try:
        facts: dict[str, Any] = json.loads(stored)
        version = facts["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file.path!r} is damaged: its 'fastexplain' metadata cannot be read: {error!r}") from error
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{file.path!r} has format version {version}; this fastexplain reads up to {FORMAT_VERSION}. "
            "Please upgrade: pip install -U fastexplain"
        )
    return _from_version_1(facts) if version == 1 else facts


def _from_version_1(facts: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had values, base values and predictions only, and facts beside the names."""
    own = ("format_version", "fastexplain_version", "has_predictions", "features", "classes", "base_values")
    n_outputs = len(facts["base_values"])
    columns = [["values", len(facts["features"]) * n_outputs, {}], ["base_values", n_outputs, {}]]
    if facts["has_predictions"]:
        columns.append(["prediction", 1, None])
    return {
        "kind": "global_local" if facts.get("kind") == "global" else "local",
        "single_row": facts.get("single_row", False),
        "features": facts["features"],
        "classes": facts["classes"],
        "n_outputs": n_outputs,
        "base_values": facts["base_values"],
        "facts": {key: value for key, value in facts.items() if key not in (*own, "kind", "single_row")},
        "importances_ndim": 2,
        "columns": columns,
        "embedded": {},
    }


def _shown(file: TableFile, parts: list[Any]) -> list[tuple[str, Any, Any]]:
    """(name, description, content) of each group of columns; dense numbers are read straight into one array."""
    pa = optional("pyarrow", "arrow", "Reading an explanation from one file")
    schema, n_rows = file.schema, file.n_rows
    if sum(n for _, n, _ in parts) > len(schema):
        raise ValueError(f"{file.path!r} is damaged: it has {len(schema)} columns, fewer than its metadata tell.")
    arrays: list[NDArray[Any] | None] = []
    left = 0
    for _, n, description in parts:
        arrays.append(_room(file, left, n, n_rows) if _is_dense(description) else None)
        left += n
    chunks: list[list[Any]] = [[] for _ in schema]
    row = 0
    for table in file.tables():
        left = 0
        for out, (_, n, _) in zip(arrays, parts, strict=True):
            columns = table.columns[left : left + n]
            if out is not None:
                filled_rows(out[row : row + table.num_rows], columns)
            else:
                for i, column in enumerate(columns):
                    chunks[left + i].extend(column.chunks)
            left += n
        row += table.num_rows
    found = []
    left = 0
    for out, (name, n, description) in zip(arrays, parts, strict=True):
        columns = [pa.chunked_array(chunks[i], type=schema.field(i).type) for i in range(left, left + n)]
        found.append((name, description, columns if out is None else out))
        left += n
    return found


def _is_dense(description: dict[str, Any] | None) -> bool:
    """Whether columns are the numbers of one matrix."""
    if description is None:
        return False
    return description.get("container", "array") == "array" and "encodings" not in description


def _room(file: TableFile, left: int, n: int, n_rows: int) -> NDArray[Any]:
    """An array for the numbers of some columns."""
    pa = optional("pyarrow", "arrow", "Reading an explanation from one file")
    types = {column.type for column in list(file.schema)[left : left + n]}
    if any(not (pa.types.is_floating(t) or pa.types.is_integer(t) or pa.types.is_boolean(t)) for t in types):
        raise ValueError(f"{file.path!r} is damaged: column {file.schema.field(left).name!r} does not hold numbers.")
    return np.empty((n_rows, n), dtype=np.result_type(*(t.to_pandas_dtype() for t in types)) if types else np.float64)


def _record(facts: dict[str, Any], shown: list[tuple[str, Any, Any]], hidden: dict[str, Any]) -> Record:
    found = {name: _content(content, description) for name, description, content in shown if name != "sparse_values"}
    matrices = [from_columns(content, description) for name, description, content in shown if name == "sparse_values"]
    for name, table in hidden.items():
        if table is not None:
            found[name] = _content(table.columns, facts["embedded"][name]["description"])
    base = facts["base_values"]
    record = Record(
        {**facts["facts"], "features": facts["features"], "classes": facts["classes"]},
        None if base is None else np.array(base, dtype=np.float64),
        single_row=facts["single_row"],
        predictions=(found.get("prediction"), found.get("probability")),
        init_data=found.get("init_data"),
        eval_data=found.get("eval_data"),
    )
    shape = (len(facts["features"]), facts["n_outputs"])
    if matrices:
        record.values = matrices
    elif facts["kind"] != "global":
        record.values = found["values"].reshape(len(found["values"]), *shape)
    if "standard_errors" in found:
        record.standard_errors = found["standard_errors"].reshape(len(found["standard_errors"]), *shape)
    for name in ("importance_errors", "global_importances"):
        if name in found:
            setattr(record, name, found[name][:, 0])
    record.repeats = found.get("repeats")
    if facts["kind"] != "local":
        record.importances = _importances(facts, found, record)
    return record


def _content(content: Any, description: dict[str, Any] | None) -> Any:
    """What some columns were: an array of numbers, read already or not, or another data set."""
    if description is None:  # predictions of version 1
        return np.concatenate([chunk.to_numpy(zero_copy_only=False) for chunk in content[0].chunks] or [np.empty(0)])
    if isinstance(content, np.ndarray):
        if "container" not in description:
            return content
        return shaped(content.astype(np.dtype(description["dtype"]), copy=False), description)
    if "container" in description:
        return from_columns(content, description)
    out = np.empty((len(content[0]) if content else 0, len(content)))
    filled_rows(out, content)
    return out


def _importances(facts: dict[str, Any], found: dict[str, Any], record: Record) -> NDArray[np.float64]:
    ndim = facts["importances_ndim"]
    if "importances" in found:
        by_output = np.ascontiguousarray(found["importances"].T)
        return by_output if ndim == 2 else by_output[0]
    if record.values is None:
        whole: NDArray[np.float64] = np.ascontiguousarray(found["importance"][:, 0])
        return whole[np.newaxis] if ndim == 2 else whole
    # version 1, a table from `to_arrow`, or a file that was rewritten
    return sparse_mean_abs(record.values) if record.is_sparse else mean_abs(record.values)
