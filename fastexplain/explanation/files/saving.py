"""`save_explanation` and `load_explanation`: by the path, a directory of JSON files or one Parquet or Arrow file."""

from __future__ import annotations

import os
from pathlib import Path

from fastexplain.explanation.explanation import Explanation

__all__ = ["load_explanation", "save_explanation"]

# Suffixes by which a user means one file of a kind that explanations are not saved as.
_OTHER_FILES = frozenset(
    {".json", ".pkl", ".pickle", ".csv", ".npz", ".npy", ".joblib", ".html", ".txt", ".zip", ".h5"}
)


def save_explanation(
    explanation: Explanation,
    path: str | os.PathLike[str],
    exist_ok: bool = False,
    *,
    include_eval_data: bool = True,
    include_init_data: bool = True,
) -> None:
    """Save an explanation, with its data and predictions.

    Parameters
    ----------
    explanation : Explanation
        Predictions that were not computed yet are computed, once.
    path : path-like
        Ends in ``.parquet`` or ``.pq``: one Parquet file, the small and fast form, which table engines read.
        ``.arrow``, ``.feather`` or ``.ipc``: one Arrow file. Anything else: a directory in interpret-community's form,
        a JSON file for each property. Directories above it are made.
    exist_ok : bool, default False
        Whether `path` may exist. Its files of an explanation are then replaced, others in a directory are kept.
    include_eval_data : bool, default True
        Whether the explained rows are saved, with their index. Values, predictions and names always are.
    include_init_data : bool, default True
        Whether the rows that the explainer was built on are saved, where the explanation holds them: explainers give
        them only if they are made with ``include_init_data=True``.

    Raises
    ------
    FileExistsError
        `path` exists and `exist_ok` is False.
    MissingDependencyError
        One file is asked for and pyarrow is not installed.
    TypeError
        The data hold objects that the form has no place for, or this is no explanation of fastexplain.
    ValueError
        `path` has the suffix of another kind of file, as ``.json`` or ``.pkl``: a directory so named surprises.

    Notes
    -----
    An error or a crash half-way leaves nothing under `path`, or what was there before. While files of an existing
    directory are being replaced, it has no ``explanation_metadata.json`` and is refused by `load_explanation`.
    """
    from fastexplain.explanation.files.arrow_files import is_one_file

    path = Path(path)
    if path.suffix.lower() in _OTHER_FILES and not path.is_dir():
        raise ValueError(
            f"{path} looks like one file, but {path.suffix} is no form of a saved explanation: name a .parquet or an "
            ".arrow file, or a directory without a suffix for JSON files. pickle.dump makes pickles."
        )
    if not is_one_file(path):
        from fastexplain.explanation.files.json_directory import write_directory

        write_directory(
            explanation,
            path,
            exist_ok=exist_ok,
            include_eval_data=include_eval_data,
            include_init_data=include_init_data,
        )
        return
    from fastexplain.explanation.files.parquet import write_parquet

    if path.exists() and not exist_ok:
        raise FileExistsError(f"{path} already exists. Please pass in a new file or set exist_ok=True.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory; an explanation with this suffix is saved as one file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(explanation, Explanation):
        raise TypeError(f"Only explanations of fastexplain can be saved; got {type(explanation)!r}.")
    write_parquet(explanation, path, include_eval_data=include_eval_data, include_init_data=include_init_data)


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
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no explanation at {path}: no such file or directory.")
    if path.is_dir():
        from fastexplain.explanation.files.json_reader import read_directory

        return read_directory(path)
    from fastexplain.explanation.files.arrow_reader import read_one_file

    return read_one_file(path)
