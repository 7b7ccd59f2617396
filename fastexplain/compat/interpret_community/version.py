"""The version of interpret-community whose interface these modules have; fastexplain's own is another."""

from __future__ import annotations

__all__ = ["name", "version"]

name = "interpret_community"
version = "0.32.0"
