"""`save_explanation` and `load_explanation`: by the path, a directory of JSON files or one Parquet or Arrow file."""

from __future__ import annotations

import os
from pathlib import Path

from fastexplain.explanation.explanation import Explanation

__all__ = ["load_explanation", "save_explanation"]


def save_explanation(explanation: Explanation, path: str | os.PathLike[str], exist_ok: bool = False) -> None:
    """Save an explanation, with its data and predictions.

    Parameters
    ----------
    explanation : Explanation
        Predictions that were not computed yet are computed, once.
    path : path-like
        A directory in interpret-community's form: a JSON file for each property. Directories above it are made.
    exist_ok : bool, default False
        Whether `path` may exist. Its files of an explanation are then replaced, others in a directory are kept.

    Raises
    ------
    FileExistsError
        `path` exists and `exist_ok` is False.
    TypeError
        The data hold objects that the form has no place for, or this is no explanation of fastexplain.

    Notes
    -----
    An error or a crash half-way leaves nothing under `path`, or what was there before. While files of an existing
    directory are being replaced, it has no ``explanation_metadata.json`` and is refused by `load_explanation`.
    """
    from fastexplain.explanation.json_directory import write_directory

    write_directory(explanation, Path(path), exist_ok=exist_ok)


def load_explanation(path: str | os.PathLike[str]) -> Explanation:
    """Load an explanation that `save_explanation` or interpret-community saved.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Explanation
        Of the class, and with the id, that was saved. Every member works, and no model is needed.

    Raises
    ------
    FileNotFoundError
        There is nothing at `path`.
    ValueError
        What is there is no explanation, is damaged, or was written by a newer version; the message names the file and
        what is wrong with it.
    """
    from fastexplain.explanation.json_reader import read_directory

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no explanation at {path}: no such file or directory.")
    return read_directory(path)
