"""``shap.kmeans`` and ``shap.sample``: fewer background rows."""

from __future__ import annotations

from typing import Any

from fastexplain.engine.background import Background, summarize_background

__all__ = ["kmeans", "sample"]


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
