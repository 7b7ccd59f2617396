"""``scoring_explainer.pkl``: what azureml-interpret wrote, for scripts; read only where that is asked for."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

from fastexplain.exceptions import ArtifactError
from fastexplain.scoring.exceptions import DirectoryExistsException
from fastexplain.scoring.explainer import ScoringExplainer

__all__ = ["PICKLE", "holds_pickle", "read_pickle", "write_pickle"]

PICKLE = "scoring_explainer.pkl"
_MANIFEST = "manifest.json"


def write_pickle(explainer: ScoringExplainer, directory: str | os.PathLike[str], exist_ok: bool) -> str:
    """Write the file into a directory, which is made; return its path.

    Raises
    ------
    DirectoryExistsException
        The directory exists, and `exist_ok` is False; or it holds an artifact.
    """
    from fastexplain._files import whole_file

    folder = Path(directory)
    if (folder / _MANIFEST).exists():
        raise DirectoryExistsException(f"{folder} holds an artifact; choose another directory for a pickle.")
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
    except FileExistsError as error:
        raise DirectoryExistsException(f"{folder} exists; pass exist_ok=True to write into it.") from error
    with whole_file(folder / PICKLE) as beside:
        beside.write_bytes(pickle.dumps(explainer, protocol=5))
    return str(folder / PICKLE)


def holds_pickle(directory: str | os.PathLike[str]) -> bool:
    """Whether there is such a file, and no artifact."""
    return (Path(directory) / PICKLE).is_file() and not (Path(directory) / _MANIFEST).exists()


def read_pickle(directory: str | os.PathLike[str], id: str | None, allow_pickle: bool) -> ScoringExplainer:
    """Read the file, where the caller allows it.

    Raises
    ------
    ArtifactError
        It is not allowed, an id is asked for, which pickles have not got, or it holds something else.
    """
    path = Path(directory) / PICKLE
    if not allow_pickle or id is not None:
        raise ArtifactError(
            f"{path} is a pickle, which executes what its writer put into it, and has no id; pass allow_pickle=True if "
            "you trust the writer as yourself, or save the explainer as an artifact (the default of save)."
        )
    with path.open("rb") as file:
        explainer = pickle.load(file)
    if not isinstance(explainer, ScoringExplainer):
        raise ArtifactError(f"{path} holds a {type(explainer).__qualname__}; expected a scoring explainer.")
    return explainer
