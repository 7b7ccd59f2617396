"""``shap.kmeans`` and ``shap.sample``: fewer background rows; ``shap.utils.hclust``: which columns go together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap._installed import required_shap
from fastexplain.engine.background import Background, summarize_background

__all__ = ["hclust", "kmeans", "sample"]


def kmeans(X: Any, k: int, round_values: bool = True) -> Background:
    """Summarise rows by k weighted centres; see `fastexplain.summarize_background`.

    Parameters
    ----------
    X : array, pandas.DataFrame or sparse matrix of shape (n_rows, n_features)
    k : int
    round_values : bool, default True
        Move each centre's values to the nearest value that occurs in the column.

    Returns
    -------
    Background
        ``data`` and ``weights``, as shap's has them; the weights sum to 1.
    """
    return summarize_background(X, k, round_values=round_values)


def sample(X: Any, nsamples: int = 100, random_state: int = 0) -> Any:
    """Some rows, drawn without replacement: the same rows that shap draws.

    Parameters
    ----------
    X : array, pandas.DataFrame or sparse matrix of shape (n_rows, n_features)
    nsamples : int, default 100
        All rows are returned, in order, where there are no more.
    random_state : int, default 0
    """
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    if nsamples >= n_rows:
        return X
    from sklearn.utils import resample

    return resample(X, n_samples=nsamples, random_state=random_state, replace=False)


def hclust(
    X: Any, y: Any = None, linkage: str = "single", metric: str = "auto", random_state: int = 0
) -> NDArray[np.float64]:
    """Cluster the columns of rows.

    Parameters
    ----------
    X : array or pandas.DataFrame of shape (n_rows, n_features)
        NaN counts as the column's mean.
    y : optional
        Labels: distances by models of them are shap's own, where it is installed.
    linkage : {"single", "complete", "average"}, default "single"
    metric : str, default "auto"
        A distance of `scipy.spatial.distance.pdist`; "auto" is "cosine".
    random_state : int
        With `y` only. (shap jitters the columns by 1e-8 from NumPy's global state, which is left alone here.)

    Returns
    -------
    array of shape (n_features - 1, 4)
        As of `scipy.cluster.hierarchy.linkage`.
    """
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import pdist

    if len(np.shape(X)) != 2:
        from fastexplain.compat.shap.utils._exceptions import DimensionError

        raise DimensionError(f"X must be a 2-dimensional array-like; got shape {np.shape(X)}.")
    if linkage not in ("single", "complete", "average"):
        raise ValueError(f"linkage must be 'single', 'complete' or 'average'; got {linkage!r}.")
    if y is not None or metric == "xgboost_distances_r2":
        theirs = required_shap("shap.utils.hclust with y").utils.hclust
        found: NDArray[np.float64] = theirs(X, y, linkage=linkage, metric=metric, random_state=random_state)
        return found
    columns = np.array(X, dtype=np.float64).T
    columns = np.where(np.isnan(columns), np.nanmean(columns, axis=1, keepdims=True), columns)
    distances = pdist(columns, "cosine" if metric == "auto" else metric)
    # a constant column has no correlation: as far from the others as uncorrelated ones
    tree: NDArray[np.float64] = hierarchy.linkage(np.where(np.isnan(distances), 1.0, distances), linkage)
    return tree
