"""Look at an artifact without loading it: what it says of itself, and all that is wrong with it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from fastexplain.exceptions import ArtifactError
from fastexplain.scoring.artifact.limits import LIMITS, Limits
from fastexplain.scoring.artifact.manifest import Manifest, canonical
from fastexplain.scoring.artifact.place import MANIFEST
from fastexplain.scoring.artifact.reading import Files, load_array, open_manifest, opened
from fastexplain.scoring.artifact.zipped import ZipFiles

__all__ = ["Finding", "schema", "show", "verify"]


class Finding(NamedTuple):
    """Something about an artifact that its reader may want to know.

    Attributes
    ----------
    is_error : bool
        Whether `read` refuses the artifact for it.
    message : str
    file, field : str or None
        What of the artifact it is about.
    """

    is_error: bool
    message: str
    file: str | None
    field: str | None


def show(path: str | os.PathLike[str], *, limits: Limits = LIMITS) -> dict[str, Any]:
    """What the artifact at `path` says of itself; the manifest is read and checked, arrays are not.

    Returns
    -------
    dict
        ``path``, ``container`` ("directory" or "zip"), ``id``, ``bytes`` (of its files), ``stored_bytes`` (as they lie
        there), ``other_files`` (names beside those of the artifact), and ``manifest``, all of it.
    """
    with opened(path, limits) as files:
        manifest = open_manifest(files, limits)
        n_bytes = manifest.n_bytes + sum(spec.n_bytes for spec in manifest.arrays.values())
        return {
            "path": os.fspath(path),
            "container": files.kind,
            "id": manifest.id,
            "bytes": n_bytes,
            "stored_bytes": files.size if isinstance(files, ZipFiles) else n_bytes,
            "other_files": _others(files, manifest),
            "manifest": manifest.document,
        }


def _others(files: Files, manifest: Manifest) -> list[str]:
    return sorted(set(files.names()) - {MANIFEST} - {spec.file for spec in manifest.arrays.values()})


def verify(path: str | os.PathLike[str], *, id: str | None = None, limits: Limits = LIMITS) -> list[Finding]:
    """Check all that `read` checks, and go on after an error.

    Returns
    -------
    list of Finding
        Empty for an artifact as `write` leaves it. The container only: what an array means is checked where it is used.
    """
    try:
        with opened(path, limits) as files:
            manifest = open_manifest(files, limits)
            return [*_findings(files, manifest, id, limits)]
    except ArtifactError as error:  # nothing can be said of the rest
        return [_finding(error)]


def _finding(error: ArtifactError) -> Finding:
    return Finding(True, str(error), error.file, error.field)


def _findings(files: Files, manifest: Manifest, id: str | None, limits: Limits) -> list[Finding]:
    found = []
    try:
        manifest.check_id(id, files.place.at(MANIFEST))
    except ArtifactError as error:
        found.append(_finding(error))
    place = files.place.at(MANIFEST)
    if canonical(manifest.document) != files.manifest_bytes(limits):
        text = "is not in canonical form: the same content, saved again, has another id"
        found.append(Finding(False, str(place.error(text)), MANIFEST, None))
    is_zip = files.kind == "zip"
    text = "the manifest names no such file" if is_zip else "lies beside the artifact's files, and is never read"
    found += [
        Finding(is_zip, str(files.place.at(name).error(f"{text}.")), name, "name") for name in _others(files, manifest)
    ]
    for spec in manifest.arrays.values():
        try:
            load_array(files, spec)
        except ArtifactError as error:
            found.append(_finding(error))
    return found


def schema() -> dict[str, Any]:
    """The JSON Schema of manifest.json, as it is published with the package."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
    return loaded
