"""Fewer rows to explain: a `SamplingPolicy` at work, by interpret-community's rules."""

from __future__ import annotations

import logging
from math import ceil, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.background import mean_filled
from fastexplain.explainers.options import SamplingPolicy
from fastexplain.rows.containers import as_rows
from fastexplain.rows.kinds import is_sparse
from fastexplain.rows.tables import count_rows, take_rows

__all__ = ["checked_policy", "sampled_rows"]

_logger = logging.getLogger("fastexplain")

# Below, all rows are explained; above, clusters are looked for among so many.
FEW_ROWS, MANY_ROWS = 200, 10_000
ROWS_PER_CLUSTER = 5
MOST_CLUSTERS = 2000
SEED = 7


def checked_policy(policy: Any) -> SamplingPolicy:
    """What was given as `sampling_policy`, also interpret-community's own class; None samples nothing.

    Raises
    ------
    TypeError
        It is no policy.
    """
    if policy is None or isinstance(policy, SamplingPolicy):
        return policy or SamplingPolicy()
    try:
        return SamplingPolicy(policy.allow_eval_sampling, policy.max_dim_clustering, policy.sampling_method)
    except AttributeError as error:
        raise TypeError(f"sampling_policy must be a SamplingPolicy; got {type(policy).__name__}.") from error


def sampled_rows(X: Any, policy: Any) -> NDArray[np.intp] | None:
    """Which rows to explain; None for all.

    As many rows as clusters call for are drawn at random, with replacement, by a fixed seed: clusters decide how many
    rows, not which. Fewer than 200 rows are all explained; more than 10,000 are cut down to as many before. Text and
    categories count by their codes, what is missing as its column's mean.

    Parameters
    ----------
    X : array-like or table of shape (n_rows, n_features)
    policy : SamplingPolicy or None
        "hdbscan" takes five rows for each cluster that HDBSCAN finds; "kmeans" one for each cluster, for the number of
        clusters with the best silhouette among n_rows / 2 (at most 2000), half of it, a quarter, ...

    Raises
    ------
    TypeError
        `policy` is none.
    """
    policy = checked_policy(policy)
    n_rows = count_rows(X)
    if not policy.allow_eval_sampling or n_rows < FEW_ROWS:
        return None
    rows = None if n_rows <= MANY_ROWS else _resampled(n_rows, MANY_ROWS)
    numbers = _as_numbers(X if rows is None else take_rows(X, rows))
    points = _projected(numbers, policy.max_dim_clustering)
    count = _hdbscan_count(points) if policy.sampling_method == "hdbscan" else _kmeans_count(points)
    n_taken = len(points)
    if count < n_taken:
        again = _resampled(n_taken, count)
        rows = again if rows is None else rows[again]
    _logger.info(
        "%d of %d rows are explained (sampling_method=%r).", min(count, n_taken), n_rows, policy.sampling_method
    )
    return rows


def _resampled(n_rows: int, n_samples: int) -> NDArray[np.intp]:
    # scikit-learn's own draw, so that the rows are interpret-community's
    from sklearn.utils import resample

    drawn: NDArray[np.intp] = resample(np.arange(n_rows), n_samples=n_samples, random_state=SEED)
    return drawn


def _as_numbers(X: Any) -> Any:
    """Float64 array, or CSR matrix; text as codes, missing values as means."""
    if is_sparse(X):
        return X.tocsr()
    rows = as_rows(X)
    numbers = rows.numeric()
    if numbers is None:
        numbers = np.empty((rows.n_rows, rows.n_features))
        for j in range(rows.n_features):
            column = rows.column(j)
            numbers[:, j] = column if column.dtype.kind in "fiub" else rows.codes(j)[0]
    return mean_filled(numbers)


def _projected(numbers: Any, n_components: int) -> NDArray[np.float64]:
    """The points themselves, or more columns than `n_components` projected to as many, after scaling."""
    sparse = is_sparse(numbers)
    if numbers.shape[1] <= n_components:
        return np.asarray(numbers.toarray() if sparse else numbers)
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.preprocessing import StandardScaler

    scaled = StandardScaler(with_mean=not sparse).fit_transform(numbers)
    reducer = (TruncatedSVD if sparse else PCA)(n_components=n_components, random_state=SEED)
    return np.asarray(reducer.fit_transform(scaled))


def _hdbscan_count(points: NDArray[np.float64]) -> int:
    from sklearn.cluster import HDBSCAN

    labels = HDBSCAN(min_cluster_size=2, copy=True).fit(points).labels_
    return min(ROWS_PER_CLUSTER * len(np.unique(labels)), len(points))  # rows in no cluster count as one more


def _kmeans_count(points: NDArray[np.float64]) -> int:
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    most = min(len(points) / 2, MOST_CLUSTERS)
    counts = [int(most / 2**i) for i in range(ceil(log2(len(points)) - 7))]
    best, best_score = counts[0], -1.0
    n_distinct = len(np.unique(points, axis=0))
    for count in counts:
        if count > n_distinct:  # k-means would warn, and find no more clusters than this
            continue
        labels = KMeans(n_clusters=count, random_state=SEED).fit(points).labels_
        n_found = len(np.unique(labels))
        score = silhouette_score(points, labels) if 1 < n_found < len(points) else -1.0
        if score >= best_score and n_found > 1:
            best, best_score = count, score
    return best
