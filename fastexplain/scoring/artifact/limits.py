"""How large what is read may be. Every number in a file is held against these before anything is made of it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LIMITS", "Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds for `read`; a caller with larger artifacts passes larger ones.

    Attributes
    ----------
    manifest_bytes : int
        Size of manifest.json.
    depth : int
        Lists and objects of the manifest within each other.
    n_arrays : int
        Arrays, each a file.
    array_bytes, total_bytes : int
        Size of one array, and of all.
    inflation : int
        All files of a zip may together be so many times as large as the zip, and 16 MiB more: no deflated model comes
        near it, and a zip that was made to fill the memory is far beyond.
    """

    manifest_bytes: int = 16 * 2**20
    depth: int = 64
    n_arrays: int = 1_000
    array_bytes: int = 4 * 2**30
    total_bytes: int = 16 * 2**30
    inflation: int = 100

    def inflated(self, zip_bytes: int) -> int:
        """Bytes that the files of a zip of this size may have together."""
        return min(self.total_bytes, self.inflation * zip_bytes + 16 * 2**20)


LIMITS = Limits()
