"""What hidden features are drawn from: rows with weights, or their k-means summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.arguments import whole_number
from fastexplain.engine.progress import progress
from fastexplain.engine.weights import checked_weights, shares
from fastexplain.rows.arrays import plain_array
from fastexplain.rows.kinds import is_sparse

__all__ = ["Background", "as_background", "has_weights", "mean_filled", "summarize_background"]


class Background(NamedTuple):
    """Background rows and their weights.

    Attributes
    ----------
    data : array or table of shape (n_background, n_features)
    weights : float64 array of shape (n_background,)
        Sum to 1.
    """

    data: Any
    weights: NDArray[np.float64]


def summarize_background(X: Any, k: int = 10, *, seed: int = 0, round_values: bool = True) -> Background:
    """Summarise rows by k weighted centres, so that an explanation asks the model for fewer rows.

    Parameters
    ----------
    X : array or table of numbers, of shape (n_rows, n_features)
        pandas tables keep their column names and types. NaN counts as the column's mean while clustering. Of sparse
        rows the summary is one row: the columns' medians.
    k : int, default 10
        Number of centres; with k or fewer distinct rows, these are the summary.
    seed : int, default 0
    round_values : bool, default True
        Move each centre's values to the nearest value that occurs in the column, so that categories stay categories.

    Returns
    -------
    Background
        At most k rows; weights are the clusters' shares of the rows.

    Raises
    ------
    ValueError
        X is not 2-D or has no rows, or `k` is less than 1.
    TypeError
        A column does not hold numbers.

    Notes
    -----
    What ``shap.kmeans`` computes: Lloyd's k-means, ten starts. `KernelExplainer` summarises so by default.
    """
    whole_number(k, "k")
    if is_sparse(X):
        return _sparse_medians(X)
    values = _numbers(X)
    if not len(values):
        raise ValueError("X has no rows; a background needs at least one.")
    distinct, counts = np.unique(values, axis=0, return_counts=True)
    if len(distinct) <= k:
        centres, weights = distinct, counts.astype(np.float64)
    else:
        centres, weights = _cluster(values, int(k), seed)
        if round_values:
            centres = _rounded(centres, values)
    return Background(_like(X, centres), shares(weights))


def as_background(background: Any, weights: Any = None) -> Background:
    """Rows and weights of a background argument: a `Background`, anything with ``.data`` and ``.weights``, or rows.

    Raises
    ------
    ValueError
        The weights do not fit the rows; see `checked_weights`.
    """
    if isinstance(background, Background):
        rows, own = background
    elif has_weights(background):
        rows, own = background.data, background.weights
    else:
        rows, own = background, None
    if isinstance(rows, str) or not (getattr(rows, "shape", ()) or isinstance(rows, Sequence)):
        hint = " Pass background.collect()." if hasattr(rows, "collect") else ""
        raise TypeError(
            f"background is a {type(rows).__qualname__}; expected an array, a table or a sparse matrix of rows.{hint}"
        )
    n_rows = rows.shape[0] if hasattr(rows, "shape") else len(rows)
    if not n_rows:
        raise ValueError("background has no rows; it needs at least one.")
    return Background(rows, checked_weights(own if weights is None else weights, n_rows, "background"))


def has_weights(rows: Any) -> bool:
    """Whether rows come with weights (a `Background`, a shap.kmeans result), and are no table with columns so named."""
    if isinstance(rows, Background):
        return True
    if hasattr(rows, "dtype") or hasattr(rows, "columns"):
        return False
    return hasattr(rows, "data") and hasattr(rows, "weights")


def mean_filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values themselves, or a copy whose NaN are the column's mean, 0 in a column of nothing else."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    count = np.maximum((~missing).sum(axis=0), 1)
    return np.where(missing, np.where(missing, 0.0, values).sum(axis=0) / count, values)


def _numbers(X: Any) -> NDArray[np.float64]:
    values = plain_array(X)
    if values.ndim != 2:
        raise ValueError(f"X has shape {values.shape}; expected (n_rows, n_features).")
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"k-means needs numbers in every column ({error}). Encode the categories, or pass a sample of the rows as "
            "the background."
        ) from error


def _cluster(values: NDArray[np.float64], k: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from sklearn.cluster import KMeans

    with progress(1, "k-means of the background", None, unit=" backgrounds"):
        fitted = KMeans(n_clusters=k, n_init=10, random_state=seed).fit(mean_filled(values))
    counts = np.bincount(fitted.labels_, minlength=k).astype(np.float64)
    return fitted.cluster_centers_[counts > 0], counts[counts > 0]


def _rounded(centres: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    rounded = centres.copy()
    for j in range(values.shape[1]):
        known = np.unique(values[~np.isnan(values[:, j]), j])
        if len(known):
            rounded[:, j] = known[np.abs(centres[:, j, None] - known).argmin(axis=1)]
    return rounded


def _sparse_medians(X: Any) -> Background:
    import scipy.sparse

    columns = X.tocsc()
    n_rows = columns.shape[0]
    if not n_rows:
        raise ValueError("X has no rows; a background needs at least one.")
    medians = np.zeros(columns.shape[1])
    for j in np.flatnonzero(np.diff(columns.indptr) * 2 >= n_rows):  # elsewhere most entries are zero
        dense = np.zeros(n_rows)
        stored = columns.data[columns.indptr[j] : columns.indptr[j + 1]]
        dense[: len(stored)] = stored
        medians[j] = np.median(dense)
    return Background(scipy.sparse.csr_matrix(medians[None, :]), np.ones(1))


def _like(X: Any, centres: NDArray[np.float64]) -> Any:
    """Centres as what X is: a table keeps its names, and its types where they hold the values."""
    if type(X).__module__.split(".")[0] == "pandas":
        import pandas as pd

        frame = pd.DataFrame(centres, columns=X.columns)
        whole = {name: dtype for name, dtype in X.dtypes.items() if (frame[name].astype(dtype) == frame[name]).all()}
        return frame.astype(whole)
    if type(X).__module__.split(".")[0] == "polars":
        import polars as pl

        return pl.DataFrame(centres, schema=list(X.columns))
    return centres.astype(X.dtype) if getattr(X, "dtype", None) in (np.float32, np.float64) else centres
