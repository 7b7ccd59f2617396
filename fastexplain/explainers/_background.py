"""The background of an explainer: its initialization examples as they are, or summarised."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.background import Background, as_background, has_weights, summarize_background
from fastexplain.explainers._rows import count_columns, count_rows, take_rows, unwrapped_rows

__all__ = ["background_at", "explainer_background", "rows_of"]

_logger = logging.getLogger("fastexplain")

# Up to this many rows per cluster, examples are the background as they are: interpret-community's rule.
ROWS_PER_CLUSTER = 10


def rows_of(examples: Any) -> Any:
    """The rows of initialization examples that may come with weights (a `Background`, a shap.kmeans result)."""
    examples = unwrapped_rows(examples, keep_weights=True)
    return as_background(examples).data if has_weights(examples) else examples


def explainer_background(examples: Any, nclusters: int, seed: int) -> Background:
    """Rows and weights that hidden features are drawn from.

    Parameters
    ----------
    examples : array-like or table, or something with ``.data`` and ``.weights``
        The latter is a background already, and used as it is.
    nclusters : int
        More than ten times as many rows are summarised: by the centres of so many clusters, weighted by the clusters'
        sizes. Tables with columns that are not numbers have no centres; they are sampled, ten rows per cluster.
    seed : int
    """
    examples = unwrapped_rows(examples, keep_weights=True)
    if has_weights(examples):
        return as_background(examples)
    n_rows = count_rows(examples)
    if n_rows <= ROWS_PER_CLUSTER * nclusters:
        return as_background(examples)
    if hasattr(examples, "tocsc") or _all_numbers(examples):
        return summarize_background(examples, nclusters, seed=seed)
    random = np.random.Generator(np.random.Philox(seed))
    chosen = np.sort(random.choice(n_rows, ROWS_PER_CLUSTER * nclusters, replace=False))
    _logger.info("Columns that are not numbers: the background is a sample of %d of %d rows.", len(chosen), n_rows)
    return as_background(take_rows(examples, chosen))


def background_at(background: Any, row: Any, hidden: NDArray[np.intp]) -> Any:
    """Background rows that keep their own values in the hidden columns only; all others are those of one row.

    Parameters
    ----------
    background : array or table of shape (n_background, n_features)
    row : array or table of shape (1, n_features)
    hidden : int array
        Columns.
    """
    kept = np.setdiff1d(np.arange(count_columns(background)), hidden)
    repeated = take_rows(row, np.zeros(count_rows(background), dtype=np.intp))
    if hasattr(background, "tolil"):
        import scipy.sparse

        sparse = background.tolil()
        sparse[:, kept] = scipy.sparse.csr_matrix(repeated)[:, kept]
        return sparse.tocsr()
    if not hasattr(background, "columns"):
        mixed = np.array(background)
        mixed[:, kept] = np.asarray(repeated)[:, kept]
        return mixed
    if hasattr(background, "set_column"):  # pyarrow
        for j in kept.tolist():
            background = background.set_column(j, background.column_names[j], _column(repeated, j))
        return background
    if not hasattr(background, "iloc"):  # polars
        return background.with_columns(**{background.columns[j]: _column(repeated, j) for j in kept.tolist()})
    frame = background.copy()
    for j in kept.tolist():
        frame[frame.columns[j]] = _column(repeated, j)
    return frame


def _column(rows: Any, j: int) -> Any:
    """Column j, in the container's own type."""
    if hasattr(rows, "iloc"):
        return rows.iloc[:, j].array
    if hasattr(rows, "column_names"):
        return rows.column(j)
    return rows[:, j]


def _all_numbers(examples: Any) -> bool:
    dtypes = getattr(examples, "dtypes", None)
    if dtypes is None:
        dtype = getattr(examples, "dtype", None) or np.asarray(examples).dtype
        return dtype.kind in "fiub"
    # pandas: a NumPy-like kind, absent for categories; polars: is_numeric
    return all(dtype.is_numeric() if hasattr(dtype, "is_numeric") else _is_number(dtype) for dtype in dtypes)


def _is_number(dtype: Any) -> bool:
    return not hasattr(dtype, "categories") and getattr(dtype, "kind", "O") in "fiub"
