"""`ModelSummary`: the parts of an explanation that an upload gathers."""

from __future__ import annotations

from typing import Any

__all__ = ["ModelSummary"]


class ModelSummary:
    """Artifacts and metadata of an explanation, gathered part by part."""

    def __init__(self) -> None:
        self.artifacts: list[dict[str, Any]] = []
        self.meta_dict: dict[str, dict[str, Any]] = {}

    def add_from_get_model_summary(
        self, name: str, artifact_metadata_tuple: tuple[list[dict[str, Any]], dict[str, Any]]
    ) -> None:
        """Add one part.

        Parameters
        ----------
        name : str
            Key of the part's metadata.
        artifact_metadata_tuple : (list of dict, dict)
            The part's artifacts and metadata.
        """
        artifacts, self.meta_dict[name] = artifact_metadata_tuple
        self.artifacts = [*self.artifacts, *artifacts]

    def get_artifacts(self) -> list[dict[str, Any]]:
        """Return the artifacts of all parts, in order."""
        return self.artifacts

    def get_metadata_dictionary(self) -> dict[str, dict[str, Any]]:
        """Return the metadata: name of a part -> its metadata."""
        return self.meta_dict
