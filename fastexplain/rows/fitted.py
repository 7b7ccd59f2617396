"""Rows in the form that a model was fitted on: scikit-learn warns of arrays for names, and of names for none."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexplain.rows.kinds import is_pandas, is_table

__all__ = ["rows_as_fitted"]


def rows_as_fitted(model: Any, rows: Any) -> Any:
    """The same numbers, with the names that the model was fitted on, or without names if it has none.

    Columns are by position, as explanations have them; tables whose names differ from the model's are left for it to
    refuse, and rows of anything but numbers stay as they are.
    """
    library = type(model).__module__.partition(".")[0]
    if library not in ("sklearn", "lightgbm"):
        return rows
    if isinstance(rows, np.ndarray):
        return _named(model, rows)
    if library == "sklearn" and is_pandas(rows) and is_table(rows) and _fitted_without_names(model):
        array = rows.to_numpy()
        return array if array.dtype.kind in "fiub" else rows
    return rows


def _named(model: Any, rows: np.ndarray) -> Any:
    names = getattr(model, "feature_names_in_", None)
    if names is None or rows.ndim != 2 or rows.shape[1] != len(names) or rows.dtype.kind not in "fiub":
        return rows
    if len(names) and names[0] == "Column_0":  # what LightGBM calls the columns of an array
        return rows
    import pandas

    return pandas.DataFrame(rows, columns=names)


def _fitted_without_names(model: Any) -> bool:
    return getattr(model, "n_features_in_", None) is not None and getattr(model, "feature_names_in_", None) is None
