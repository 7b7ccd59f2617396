"""Model files, by suffix: LightGBM text, XGBoost JSON and UBJSON, and pickles where they are allowed."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from fastexplain.exceptions import MissingDependencyError

__all__ = ["read_model"]

_PICKLES = (".pkl", ".pickle", ".joblib")


def read_model(path: Path, *, allow_pickle: bool = False) -> Any:
    """Read a fitted model from a file.

    Parameters
    ----------
    path : Path
        ``.txt`` (LightGBM), ``.json`` or ``.ubj`` (XGBoost) or what else is registered, ``.pkl``, ``.pickle`` or
        ``.joblib``.
    allow_pickle : bool, default False
        Load the last three, which can run any code that their author put in.

    Returns
    -------
    object
        The library's own model object.

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such file, its suffix is unknown, it holds no model, or it is a pickle and `allow_pickle` is False.
    MissingDependencyError
        The model's library is not installed.
    """
    if not path.is_file():
        raise FileNotFoundError(f"--model {path} does not exist, or is not a file.")
    from fastexplain.models.trees.registry import read_model_file, readable_files

    suffix = path.suffix.lower()
    if suffix in readable_files():
        return read_model_file(path)
    if suffix in _PICKLES:
        if not allow_pickle:
            raise ValueError(
                f"{path} is a pickle, and loading a pickle can execute any code that its author put in; if you trust "
                "where it comes from, add --allow-pickle, else save the model as LightGBM .txt or XGBoost .json/.ubj."
            )
        return _read_pickle(path)
    known = ", ".join(f"{suffix} ({library})" for suffix, library in readable_files().items())
    raise ValueError(f"--model {path}: expected a file ending in {known}, .pkl, .pickle or .joblib.")


def _read_pickle(path: Path) -> Any:
    import joblib

    try:
        return joblib.load(path)  # reads plain pickles too
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{path} holds an object of module {error.name!r}, which is not installed."
        ) from error
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, ValueError) as error:
        # what a damaged file or another version of the model's library ends in
        raise ValueError(f"{path} cannot be unpickled: {type(error).__name__}: {error}") from error
