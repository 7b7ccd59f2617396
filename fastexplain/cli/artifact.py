"""``fastexplain artifact show|verify``: what a saved scoring explainer says of itself, and whether it is whole.

Nothing is loaded. What comes from the file is printed so that a terminal shows it, whatever it is.
"""

from __future__ import annotations

import argparse
import json
import math
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from fastexplain.cli.console import WIDTH, clip, say

__all__ = ["run"]

DAMAGED = 2  # the input is at fault
_LABEL = 12
_NAMES = 12  # features and classes that are named
_DTYPES = {"b": "bool", "i": "int", "u": "uint", "f": "float"}


def run(arguments: argparse.Namespace) -> int:
    """Carry out ``show`` or ``verify``."""
    from fastexplain.scoring.artifact import show

    if arguments.action == "verify":
        return _verify(arguments.path, arguments.id, arguments.json)
    shown = show(arguments.path)
    if arguments.json:
        say(json.dumps(shown, indent=2))
    else:
        for line in _lines(shown):
            say(line)
    return 0


# ----------------------------------------------------------------------------------------------------------------- show


def _lines(shown: Mapping[str, Any]) -> Iterable[str]:
    manifest = shown["manifest"]
    content, arrays = manifest["content"], manifest["arrays"]
    what = "a zip" if shown["container"] == "zip" else "a directory"
    packed = "" if shown["stored_bytes"] >= shown["bytes"] else f", {_size(shown['stored_bytes'])} as it lies there"
    yield _safe(f"{shown['path']} is {what} of {_count(len(arrays) + 1, 'file')}, {_size(shown['bytes'])}{packed}.")
    yield ""
    yield _row("id", shown["id"])
    yield _row("kind", ", ".join(str(content[name]) for name in ("kind", "task") if isinstance(content.get(name), str)))
    yield _row("features", _features(content.get("features")))
    yield _row("raw features", _listed(content.get("raw_features")))
    yield _row("classes", _listed(content.get("classes")))
    yield _row("further", ", ".join(_further(content)))
    versions = " ".join(f"{name} {version}," for name, version in manifest["created_with"].items()).rstrip(",")
    yield _row("written with", f"{versions} (format version {manifest['format_version']})")
    if shown["other_files"]:
        yield _row("beside it", f"{_listed(shown['other_files'])}; never read")
    if arrays:
        yield ""
        yield from _table(arrays)


def _row(label: str, text: str) -> str:
    """A line, or as many as the text takes."""
    indent = " " * (_LABEL + 2)
    lines = textwrap.wrap(_safe(text) or "-", WIDTH, initial_indent=indent, subsequent_indent=indent)
    return f"{label:<{_LABEL}}  " + "\n".join(lines).removeprefix(indent)


def _features(features: Any) -> str:
    """Names, or the number of columns where they have none."""
    if isinstance(features, Mapping):
        names, columns = features.get("names"), features.get("columns")
        if not isinstance(names, list) and isinstance(columns, list):
            return f"{len(columns)} without names"
        return _listed(names)
    return _listed(features)


def _listed(values: Any) -> str:
    """The number of values, and the first of them."""
    if not isinstance(values, list):
        return ""
    first = ", ".join(value if isinstance(value, str) else json.dumps(value) for value in values[:_NAMES])
    return f"{len(values)}: {first}{', ...' if len(values) > _NAMES else ''}" if values else "none"


def _further(content: Mapping[str, Any]) -> list[str]:
    """Parts of the content that have no line of their own."""
    lined = {"kind", "task", "features", "raw_features", "classes"}
    return [name for name, value in content.items() if name not in lined and value is not None]


def _table(arrays: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    width = min(max(len("array"), *map(len, arrays)), WIDTH - 45)
    yield f"{'array':<{width}}  {'type':<8}  {'shape':<18}  {'size':>9}"
    for name, entry in arrays.items():
        _, kind, digits = entry["dtype"]
        dtype = _DTYPES[kind] + ("" if kind == "b" else str(8 * int(digits)))
        shape = " x ".join(f"{length:,}" for length in entry["shape"]) or "one number"
        yield f"{clip(name, width):<{width}}  {dtype:<8}  {shape:<18}  {_size(entry['bytes']):>9}"


# --------------------------------------------------------------------------------------------------------------- verify


def _verify(path: str, id: str | None, as_json: bool) -> int:
    from fastexplain.scoring.artifact import show, verify

    findings = verify(path, id=id)
    errors = [finding for finding in findings if finding.is_error]
    if as_json:
        say(json.dumps([finding._asdict() for finding in findings], indent=2))
        return DAMAGED if errors else 0
    for finding in findings:
        say(_safe(f"{'error' if finding.is_error else 'note'}: {finding.message}"))
    if errors:
        say(_safe(f"{path} has {_count(len(errors), 'error')}: it would not be loaded."))
        return DAMAGED
    shown = show(path)
    n_files = len(shown["manifest"]["arrays"]) + 1
    say(_safe(f"{path} is whole: {_count(n_files, 'file')}, {_size(shown['bytes'])}, id {shown['id']}."))
    return 0


# ---------------------------------------------------------------------------------------------------------------- words


def _safe(text: str) -> str:
    from fastexplain.scoring.artifact.place import printable

    return printable(text)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _size(n_bytes: int) -> str:
    """Bytes to three figures: ``812 bytes``, ``24.4 KB``, ``1.36 MB``."""
    if n_bytes < 1000:
        return f"{n_bytes} bytes"
    power = min(int(math.log10(n_bytes)) // 3, 4)
    value = n_bytes / 1000**power
    return f"{value:.{max(0, 2 - int(math.log10(value)))}f} {('', 'KB', 'MB', 'GB', 'TB')[power]}"
