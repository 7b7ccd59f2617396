"""The container that scoring explainers are saved in: JSON and plain arrays, in a directory or one zip, without code.

What the format is, and what is refused, stands in docs/artifact.md. The container knows nothing of models: `content`
is its callers'.
"""

from __future__ import annotations

from fastexplain._lazy import lazy
from fastexplain.exceptions import ArtifactError
from fastexplain.scoring.artifact.limits import LIMITS, Limits
from fastexplain.scoring.artifact.reading import Artifact, read

__all__ = ["LIMITS", "Artifact", "ArtifactError", "Finding", "Limits", "read", "schema", "show", "verify", "write"]

_EXPORTS = {
    "Finding": "fastexplain.scoring.artifact.inspection",
    "schema": "fastexplain.scoring.artifact.inspection",
    "show": "fastexplain.scoring.artifact.inspection",
    "verify": "fastexplain.scoring.artifact.inspection",
    "write": "fastexplain.scoring.artifact.writing",
}
__getattr__, __dir__ = lazy(__name__, _EXPORTS, __all__)
