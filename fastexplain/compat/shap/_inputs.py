"""What shap's arguments mean: backgrounds and maskers, rows, links, and the shapes of results."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap.utils._background import sample
from fastexplain.engine.background import Background, as_background

__all__ = [
    "as_array",
    "clustering_of",
    "column_order",
    "is_frame",
    "is_impute",
    "masked_background",
    "row_values",
    "shaped",
]


def is_frame(rows: Any) -> bool:
    """Whether rows are a pandas DataFrame."""
    return hasattr(rows, "iloc") and hasattr(rows, "columns")


def is_impute(masker: Any) -> bool:
    """Whether a masker is `Impute`, ours or shap's."""
    return not is_frame(masker) and hasattr(masker, "method") and hasattr(masker, "data")


def clustering_of(masker: Any) -> Any:
    """Linkage matrix of a `Partition` masker, ours or shap's; None of others and of rows."""
    return None if is_frame(masker) else getattr(masker, "clustering", None)


def as_array(rows: Any) -> Any:
    """A DataFrame's or Series' values; anything else as it is."""
    return rows.to_numpy() if hasattr(rows, "iloc") else rows


def masked_background(masker: Any, max_samples: int | None, *, hierarchies: bool = False) -> Background:
    """Background of a masker, of rows, or of weighted rows.

    Parameters
    ----------
    masker : array, DataFrame, sparse matrix, Independent masker (ours or shap's), kmeans result
    max_samples : int or None
        Plain rows beyond so many are sampled, as shap does where it takes maskers.
    hierarchies : bool, default False
        Take a `Partition` masker too; its clustering is the caller's affair.

    Raises
    ------
    InvalidMaskerError
        The masker is of another kind; the message says what to use. It is a ValueError and a TypeError.
    """
    if is_frame(masker) or hasattr(masker, "dtype"):
        rows = masker if max_samples is None else sample(masker, max_samples)
        return as_background(rows)
    if is_impute(masker):
        raise _invalid_masker(
            "Impute masks by the covariance, which only LinearExplainer can. Use maskers.Independent, or an array."
        )
    clustered = clustering_of(masker) is not None and not hierarchies
    if clustered or getattr(masker, "partition", None) is not None:
        raise _invalid_masker(
            "A masker with a clustering or partition asks for Owen values, which PartitionExplainer and ExactExplainer "
            "give for maskers.Partition. Else use maskers.Independent, or fastexplain.kernel_shap with groups."
        )
    if isinstance(masker, list):
        return as_background(np.asarray(masker))
    if not hasattr(masker, "data"):
        raise _invalid_masker(
            f"The masker is a {type(masker).__qualname__}; expected background rows (an array or DataFrame), the "
            "result of kmeans, or maskers.Independent."
        )
    rows = masker.data
    if getattr(masker, "output_dataframe", False):  # shap's own, which keep a frame's names beside its values
        import pandas as pd

        rows = pd.DataFrame(rows, columns=masker.feature_names).infer_objects()
    return as_background(rows, getattr(masker, "weights", None))


def _invalid_masker(message: str) -> Exception:
    from fastexplain.compat.shap.utils._exceptions import InvalidMaskerError

    return InvalidMaskerError(message)


def row_values(X: Any) -> tuple[Any, bool]:
    """Rows as something 2-D, and whether they came as a single 1-D row."""
    if type(X) is np.ndarray and 1 <= X.ndim <= 2:  # asked first: a single row may take a few microseconds in all
        return (X[None, :], True) if X.ndim == 1 else (X, False)
    if hasattr(X, "to_frame") and not is_frame(X):  # a pandas Series
        return X.to_frame().T.infer_objects(), True
    if not hasattr(X, "shape"):
        X = np.asarray(X)
    if len(X.shape) not in (1, 2):
        from fastexplain.compat.shap.utils._exceptions import DimensionError

        raise DimensionError(f"Rows must have 1 or 2 dimensions; got shape {tuple(X.shape)}.")
    return (X.reshape(1, -1), True) if len(X.shape) == 1 else (X, False)


def column_order(X: Any, background: Any) -> NDArray[np.intp] | None:
    """Position in the background of each of X's columns, where both are frames and the orders differ; else None.

    Raises
    ------
    ValueError
        The names are not the same.
    """
    if not (is_frame(X) and is_frame(background)) or list(X.columns) == list(background.columns):
        return None
    names, known = list(X.columns), list(background.columns)
    if len(set(names)) != len(names) or set(names) != set(known):
        missing, unexpected = [n for n in known if n not in names], [n for n in names if n not in known]
        raise ValueError(
            "X must have the same column names as the background data, each once: "
            f"missing={missing}, unexpected={unexpected}."
        )
    return np.array([known.index(name) for name in names], dtype=np.intp)


def shaped(values: NDArray[Any], vector_out: bool, single_row: bool) -> NDArray[Any]:
    """Values (n_rows, n_features, n_outputs) in shap's shape: without the axis of a scalar output, of a single row."""
    out = values if vector_out else values[..., 0]
    return out[0] if single_row else out
