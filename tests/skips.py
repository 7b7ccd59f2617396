"""Tests that are skipped: each reason is counted and explained; in CI one that is not listed here fails the run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from install_torch import NOTE

__all__ = ["explained", "summary"]

# A pattern for the reason that pytest shows -> why that is all right.
EXPECTED = {
    r"could not import 'torch'": "see below",
    r"no CUDA device": "the CUDA path of torch needs a device",
}


def explained(reason: str) -> str | None:
    """Why a test may be skipped for this reason; None where it may not."""
    if "torch" in reason and re.search(r"could not import 'torch'", reason):
        return NOTE.read_text() if NOTE.exists() else None
    return next((why for pattern, why in EXPECTED.items() if re.search(pattern, reason)), None)


def summary(reasons: Iterable[str]) -> tuple[list[str], bool]:
    """One line for each reason, the most frequent first, and whether all of them are explained."""
    lines, complete = [], True
    for reason, count in Counter(reasons).most_common():
        why = explained(reason)
        complete &= why is not None
        lines.append(f"{count:>5} skipped: {reason} [{why or 'UNEXPECTED: not listed in tests/skips.py'}]")
    return lines, complete
