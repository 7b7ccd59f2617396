"""Where something is wrong: every error of this package names the artifact, the file in it, and the field."""

from __future__ import annotations

from typing import NamedTuple

from fastexplain.exceptions import ArtifactError

__all__ = ["DAMAGED", "MANIFEST", "Place"]

MANIFEST = "manifest.json"
DAMAGED = "The artifact was damaged or changed: fetch it again, or save it anew."


class Place(NamedTuple):
    """A file of an artifact, or with None the artifact itself."""

    path: str
    file: str | None = None

    def at(self, file: str) -> Place:
        """Another file of the same artifact."""
        return Place(self.path, file)

    def error(self, text: str, field: str | None = None) -> ArtifactError:
        """The error to raise; `text` says what was found, what was expected and what to do."""
        parts = [self.path, *(part for part in (self.file, field) if part is not None and part != "file"), text]
        # names come from the file: shown so that they cannot write on a terminal what they like
        return ArtifactError(": ".join(map(printable, parts)), self.file, field)


def printable(text: str) -> str:
    """The text with everything that a terminal would obey, rather than show, written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
