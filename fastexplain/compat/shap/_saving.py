"""Files of explainers and explanations that hold no code: one NumPy archive of arrays and a JSON description.

The description is a tree of plain values. Arrays stand in it as ``{"array": i}`` and are the archive's members; tables,
sparse rows, backgrounds and maskers are dictionaries of those. Reading makes nothing but these kinds of things.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from typing import Any

import numpy as np

__all__ = ["FORMAT", "read", "write"]

# What NumPy, zip and JSON raise for files that are not theirs.
_DAMAGED = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    EOFError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)

FORMAT = "fastexplain.compat.shap"
_VERSION = 1
# What np.savez stores without pickle.
_NUMBERS = "biufcSU"


def write(out_file: Any, kind: str, content: dict[str, Any]) -> None:
    """Write named values of an object of some kind.

    Raises
    ------
    TypeError
        A value is of a kind that cannot be written without code; the message names it.
    """
    arrays: list[Any] = []
    tree = {name: _packed(value, name, arrays) for name, value in content.items()}
    head = {"format": FORMAT, "version": _VERSION, "kind": kind, "content": tree}
    named = {f"array_{i}": array for i, array in enumerate(arrays)}
    named["description"] = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
    if hasattr(out_file, "write"):
        np.savez_compressed(out_file, **named)
        return
    with open(out_file, "wb") as file:
        np.savez_compressed(file, **named)


def read(in_file: Any, kind: str | None = None) -> dict[str, Any]:
    """What `write` wrote; with ``kind=None`` the kind is under "kind", the values under "content".

    Raises
    ------
    ValueError
        The file is damaged, was not written by `write`, or holds another kind.
    """
    place = getattr(in_file, "name", in_file)
    try:
        with np.load(in_file, allow_pickle=False) as archive:
            head = json.loads(archive["description"].tobytes())
            known = head["format"] == FORMAT and head["version"] == _VERSION
            content = {name: _unpacked(value, archive) for name, value in head["content"].items()} if known else {}
    except _DAMAGED as error:
        raise ValueError(f"{place!r} is damaged, or is not a file that `save` of {FORMAT} wrote.") from error
    if not known:
        raise ValueError(f"{place!r} was written by version {head['version']} of {head['format']}; this reads 1.")
    if kind is None:
        return {"kind": head["kind"], "content": content}
    if head["kind"] != kind:
        raise ValueError(f"{place!r} holds {head['kind']}, not {kind}.")
    return content


def _packed(value: Any, name: str, arrays: list[Any]) -> Any:
    """A value as JSON, its arrays put aside."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float | np.number):
        return {"array": _aside(np.asarray(value), arrays)} if isinstance(value, np.number) else value
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        if value.dtype.kind in _NUMBERS:
            return {"array": _aside(value, arrays)}
        if value.dtype == object:
            return {"objects": [_packed(item, name, arrays) for item in value.ravel()], "shape": list(value.shape)}
    if hasattr(value, "tocsr"):
        rows = value.tocsr()
        parts = {part: {"array": _aside(getattr(rows, part), arrays)} for part in ("data", "indices", "indptr")}
        return {"sparse": parts, "shape": list(rows.shape)}
    if hasattr(value, "iloc") and hasattr(value, "columns"):
        columns = [_packed(_column(value, j), name, arrays) for j in range(value.shape[1])]
        return {"table": columns, "columns": _packed(list(value.columns), name, arrays)}
    if type(value).__name__ == "Background" and hasattr(value, "weights"):
        return {"background": [_packed(part, name, arrays) for part in (value.data, value.weights)]}
    if hasattr(value, "_saved_arguments"):  # one of our maskers
        given = {k: _packed(v, k, arrays) for k, v in value._saved_arguments().items()}
        return {"masker": type(value).__name__, "arguments": given}
    if isinstance(value, list | tuple) or type(value).__name__ == "Index":
        items = [_packed(item, name, arrays) for item in value]
        return {"tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _packed(item, name, arrays) for key, item in value.items()}}
    raise TypeError(
        f"{name} is a {type(value).__qualname__}, which cannot be saved without code. Numbers, strings, arrays, tables "
        "and this package's maskers can."
    )


def _aside(array: Any, arrays: list[Any]) -> int:
    arrays.append(array)
    return len(arrays) - 1


def _column(table: Any, j: int) -> Any:
    column = table.iloc[:, j]
    if type(column.dtype).__name__ == "CategoricalDtype":
        raise TypeError(f"Column {table.columns[j]!r} is categorical, which is not saved; pass the table at load.")
    return column.to_numpy()


def _unpacked(value: Any, archive: Any) -> Any:
    if isinstance(value, list):
        return [_unpacked(item, archive) for item in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        array = archive[f"array_{int(value['array'])}"]
        return array[()] if array.ndim == 0 else array
    if "objects" in value:
        array = np.empty(len(value["objects"]), dtype=object)
        array[:] = [_unpacked(item, archive) for item in value["objects"]]
        return array.reshape(value["shape"])
    if "dict" in value:
        return {key: _unpacked(item, archive) for key, item in value["dict"].items()}
    if "tuple" in value:
        return tuple(_unpacked(value["tuple"], archive))
    return _unpacked_rows(value, archive)


def _unpacked_rows(value: dict[str, Any], archive: Any) -> Any:
    """Sparse rows, a table, a background or a masker."""
    if "sparse" in value:
        from scipy.sparse import csr_matrix

        parts = tuple(_unpacked(value["sparse"][part], archive) for part in ("data", "indices", "indptr"))
        return csr_matrix(parts, shape=tuple(value["shape"]))
    if "table" in value:
        import pandas as pd

        table = pd.DataFrame({j: _unpacked(column, archive) for j, column in enumerate(value["table"])})
        table.columns = pd.Index(_unpacked(value["columns"], archive))
        return table
    if "background" in value:
        from fastexplain.engine.background import Background

        return Background(*(_unpacked(part, archive) for part in value["background"]))
    from fastexplain.compat.shap import maskers

    if value.get("masker") not in maskers.__all__:
        raise ValueError(f"unknown entry {sorted(value)}")
    given = {key: _unpacked(item, archive) for key, item in value["arguments"].items()}
    return getattr(maskers, value["masker"])(**given)
