"""Explained rows and background rows, made one kind of container."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.rows.containers import table_rows
from fastexplain.rows.kinds import is_sparse, is_table, refuse_complex
from fastexplain.rows.tables import column_labels

__all__ = ["alike"]


def alike(X: Any, background: Any) -> tuple[Any, Any]:
    """Both as CSR matrices if one is sparse, as tables of one library if one is a table, else as NumPy arrays.

    Parameters
    ----------
    X, background : array-like, table or sparse matrix
        Where one is a table and the other an array, the array gets the table's column names and types.

    Raises
    ------
    ValueError
        They are not 2-D, or differ in width or in column names; the message gives both.
    TypeError
        They are nothing that holds rows, or tables of two libraries.
    """
    refuse_complex(X, "X")
    refuse_complex(background, "background")
    if is_sparse(X) or is_sparse(background):
        return _as_csr(X, background)
    table = next((t for t in (background, X) if _is_table(t)), None)
    if table is None:
        X, background = _as_array(X, "X"), _as_array(background, "background")
        _check_width(X.shape[1], background.shape[1])
        return X, background
    X, background = _as_table(X, table, "X"), _as_table(background, table, "background")
    _check_columns(column_labels(X) or [], column_labels(background) or [])
    return X, background


def _as_csr(X: Any, background: Any) -> tuple[Any, Any]:
    import scipy.sparse

    make = scipy.sparse.csr_array if isinstance(X, scipy.sparse.sparray) else scipy.sparse.csr_matrix
    X, background = make(X), make(background)
    _check_width(X.shape[1], background.shape[1])
    return X, background


def _is_table(X: Any) -> bool:
    return is_table(X) and hasattr(X, "shape")


def _library(table: Any) -> str:
    return type(table).__module__.split(".")[0]


def _as_array(X: Any, what: str) -> NDArray[Any]:
    if isinstance(X, str | bytes | dict) or X is None:
        raise TypeError(f"{what} is a {type(X).__qualname__}; expected an array, a table or a sparse matrix of rows.")
    if hasattr(X, "collect") and hasattr(X, "columns"):
        raise TypeError(f"{what} is a {type(X).__qualname__}; pass {what}.collect().")
    if np.ma.is_masked(X):
        raise ValueError(
            f"{what} has masked values; fill them with what the model takes, {what}.filled(numpy.nan) say."
        )
    if hasattr(X, "detach"):  # a torch tensor
        X = X.detach().cpu().numpy()
    rows = np.asarray(X)
    if rows.dtype.kind in "US" and isinstance(X, list | tuple):
        rows = np.array(X, dtype=object)  # numbers beside strings stay numbers
    if rows.ndim != 2:
        hint = f" For a single row pass {what}.reshape(1, -1)." if rows.ndim == 1 else ""
        raise ValueError(f"{what} has shape {rows.shape}; expected (n_rows, n_features).{hint}")
    if not rows.shape[1]:
        raise ValueError(f"{what} has shape {rows.shape}; at least one column is needed.")
    return rows


def _as_table(X: Any, table: Any, what: str) -> Any:
    """X as a table of the kind of `table`, with its names and types if X has none."""
    if _is_table(X):
        if _library(X) != _library(table):
            raise TypeError(
                f"X and background are tables of different kinds ({_library(X)} and {_library(table)}); "
                "pass both as one kind."
            )
        return X
    rows = _as_array(X, what)
    _check_width(rows.shape[1], table.shape[1])
    return table_rows(table).typed(rows)


def _check_width(n_columns: int, n_background_columns: int) -> None:
    if n_columns != n_background_columns:
        raise ValueError(f"X has {n_columns} columns and background has {n_background_columns}; they must be the same.")


def _check_columns(names: list[Any], background_names: list[Any]) -> None:
    _check_width(len(names), len(background_names))
    for i, (name, other) in enumerate(zip(names, background_names, strict=True)):
        if name != other:
            raise ValueError(
                f"Column {i} is {name!r} in X and {other!r} in background; both need the same columns, in one order."
            )
