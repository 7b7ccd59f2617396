"""The background of an explainer: its initialization examples as they are, or summarised."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.background import Background, as_background, has_weights, summarize_background
from fastexplain.rows.kinds import is_sparse
from fastexplain.rows.tables import count_rows, take_rows, unwrapped_rows

__all__ = ["explainer_background", "representative_rows", "rows_of"]

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
    if is_sparse(examples) or _all_numbers(examples):
        return summarize_background(examples, nclusters, seed=seed)
    return _sample(examples, nclusters, seed)


def _sample(rows: Any, nclusters: int, seed: int) -> Background:
    n_rows = count_rows(rows)
    random = np.random.Generator(np.random.Philox(seed))
    chosen = np.sort(random.choice(n_rows, ROWS_PER_CLUSTER * nclusters, replace=False))
    _logger.info("Columns that are not numbers: the background is a sample of %d of %d rows.", len(chosen), n_rows)
    return as_background(take_rows(rows, chosen))


def representative_rows(examples: Any, rows: Any, engineered: Any, nclusters: int, seed: int) -> Background:
    """A background of raw rows that all occur, with weights.

    Parameters
    ----------
    examples : array-like or table, or something with ``.data`` and ``.weights``
        As the user gave them; the latter is a background already.
    rows, engineered : array-like or table
        The rows of the examples, before and after transformation.
    nclusters : int
        More than ten times as many rows are clustered as they are after transformation; each cluster is represented by
        the row nearest to its centre, weighted by its size. Where the transformed rows are not all numbers, rows are
        sampled, ten per cluster.
    seed : int
    """
    if has_weights(examples):
        return Background(rows, as_background(examples).weights)
    n_rows = count_rows(rows)
    if n_rows <= ROWS_PER_CLUSTER * nclusters:
        return as_background(rows)
    if not is_sparse(engineered) and not _all_numbers(engineered):
        return _sample(rows, nclusters, seed)
    from sklearn.cluster import KMeans

    numbers = engineered.tocsr() if is_sparse(engineered) else _filled(engineered)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer distinct rows than clusters: empty clusters are left out below
        fitted = KMeans(n_clusters=nclusters, n_init=10, random_state=seed).fit(numbers)
    distances = fitted.transform(numbers)
    members = [np.flatnonzero(fitted.labels_ == k) for k in range(nclusters)]
    nearest = [rows_of_k[distances[rows_of_k, k].argmin()] for k, rows_of_k in enumerate(members) if len(rows_of_k)]
    sizes = np.array([len(rows_of_k) for rows_of_k in members if len(rows_of_k)], dtype=np.float64)
    return Background(take_rows(rows, np.array(nearest, dtype=np.intp)), sizes / n_rows)


def _filled(rows: Any) -> NDArray[np.float64]:
    """Numbers, NaN being the column's mean."""
    values = np.array(rows.to_numpy() if hasattr(rows, "to_numpy") else rows, dtype=np.float64)
    missing = np.isnan(values)
    if missing.any():
        sums = np.where(missing, 0.0, values).sum(axis=0)
        values = np.where(missing, sums / np.maximum((~missing).sum(axis=0), 1), values)
    return values


def _all_numbers(examples: Any) -> bool:
    dtypes = getattr(examples, "dtypes", None)
    if dtypes is None:
        dtype = getattr(examples, "dtype", None) or np.asarray(examples).dtype
        return dtype.kind in "fiub"
    # pandas: a NumPy-like kind, absent for categories; polars: is_numeric
    return all(dtype.is_numeric() if hasattr(dtype, "is_numeric") else _is_number(dtype) for dtype in dtypes)


def _is_number(dtype: Any) -> bool:
    return not hasattr(dtype, "categories") and getattr(dtype, "kind", "O") in "fiub"
