"""Tests that are skipped: each reason is counted and explained; in CI one that is not listed here fails the run."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable

from install_torch import NOTE

__all__ = ["explained", "summary"]

# A pattern for the reason that pytest shows -> why that is all right.
EXPECTED = {
    r"does not explain \w+ models": "the rival has no kernel for them",
    r"shap's own kernel is wrong": "nothing to compare with",
    r"no CUDA device": "torch's path over CUDA needs a device",
    r"have covers from 3.2 on": "about older XGBoost",
    r"came with 3\.\d": "about newer XGBoost",
    r"does not support categorical splits": "the rival has no kernel for them",
}
RIVALS = re.compile(r"(shapiq|woodelf|lightshap) is not installed")


def explained(reason: str) -> str | None:
    """Why a test may be skipped for this reason; None where it may not."""
    if "could not import 'torch'" in reason:
        return NOTE.read_text() if NOTE.exists() else None
    if RIVALS.search(reason) and not os.environ.get("TEST_REQUIREMENTS"):
        return "make test-with-rivals installs it"
    return next((why for pattern, why in EXPECTED.items() if re.search(pattern, reason)), None)


def summary(reasons: Iterable[str]) -> tuple[list[str], bool]:
    """One line for each reason, the most frequent first, and whether all of them are explained."""
    lines, complete = [], True
    for reason, count in Counter(reasons).most_common():
        why = explained(reason)
        complete &= why is not None
        lines.append(f"{count:>5} skipped: {reason} [{why or 'UNEXPECTED: not listed in tests/skips.py'}]")
    return lines, complete
