"""shap's maskers of tables: where hidden features come from. An array or a DataFrame is `Independent` by itself.

Maskers of images and text are shap's own, where it is installed, for its own explainers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap._installed import handed_over
from fastexplain.compat.shap.utils._background import hclust, sample

__all__ = ["Impute", "Independent", "Partition"]

_theirs, _names = handed_over(__name__, dict.fromkeys(__all__, __name__))


class Independent:
    """Hidden features follow background rows, whatever the features that are kept.

    Parameters
    ----------
    data : array or pandas.DataFrame of shape (n_background, n_features), or {"mean": array, "cov": array}
    max_samples : int, default 100
        More rows are sampled, as `sample` does.

    Attributes
    ----------
    data : array or pandas.DataFrame
        The rows that are used.
    mean, cov : array or None
        As given.
    clustering, partition : None
    """

    clustering: NDArray[np.float64] | None = None
    partition: None = None

    def __init__(self, data: Any, max_samples: int = 100) -> None:
        self.mean, self.cov, rows = _moments(data)
        self.data = sample(rows, max_samples)
        self.max_samples = max_samples
        self.shape = self.data.shape

    @property
    def feature_names(self) -> list[Any] | None:
        """Columns of a DataFrame."""
        return list(self.data.columns) if hasattr(self.data, "columns") else None

    def __call__(self, mask: Any, x: Any) -> tuple[NDArray[Any]]:
        """The background rows with the columns of `mask` (or all, or none: True, False) taken from the row `x`."""
        row = self._checked(x)
        kept = np.broadcast_to(np.asarray(mask, dtype=bool), row.shape)
        return (np.where(kept, row, np.asarray(self.data)),)

    def invariants(self, x: Any) -> NDArray[np.bool_]:
        """Where the row `x` is, to rounding, as the background rows are: (n_background, n_features)."""
        same: NDArray[np.bool_] = np.isclose(self._checked(x), np.asarray(self.data))
        return same

    def _checked(self, x: Any) -> NDArray[Any]:
        row = np.asarray(x)
        if row.shape != self.shape[1:]:
            from fastexplain.compat.shap.utils._exceptions import DimensionError

            raise DimensionError(f"The row has shape {row.shape}; the background's rows have {tuple(self.shape[1:])}.")
        return row

    def _saved_arguments(self) -> dict[str, Any]:
        given = {"mean": self.mean, "cov": self.cov} if self.mean is not None else self.data
        return {"data": given, "max_samples": self.max_samples}


class Partition(Independent):
    """`Independent` with a hierarchy of features, for Owen values: features join a coalition by branches of it.

    Parameters
    ----------
    data : array or pandas.DataFrame of shape (n_background, n_features)
    max_samples : int, default 100
        More rows are sampled, as `sample` does.
    clustering : str, linkage matrix of shape (n_features - 1, 4), or None, default "correlation"
        A name of `scipy.spatial.distance.pdist`'s distances: columns are clustered by it, over the rows that are used.
        None: no hierarchy, as `Independent`.

    Attributes
    ----------
    clustering : array of shape (n_features - 1, 4) or None
        As of `scipy.cluster.hierarchy.linkage`.
    """

    def __init__(self, data: Any, max_samples: int = 100, clustering: Any = "correlation") -> None:
        super().__init__(data, max_samples)
        if isinstance(clustering, str):
            clustering = hclust(self.data, metric=clustering)
        wanted = (self.shape[1] - 1, 4)
        if clustering is not None and (not isinstance(clustering, np.ndarray) or clustering.shape != wanted):
            from fastexplain.compat.shap.utils._exceptions import InvalidClusteringError

            got = f"an array of shape {clustering.shape}" if isinstance(clustering, np.ndarray) else repr(clustering)
            raise InvalidClusteringError(
                f"clustering must name a distance, or be a linkage matrix {wanted}; got {got}."
            )
        self.clustering = clustering

    def _saved_arguments(self) -> dict[str, Any]:
        return {**super()._saved_arguments(), "clustering": self.clustering}


class Impute:
    """Hidden features follow their conditional mean given those that are kept, by the covariance. For LinearExplainer.

    Parameters
    ----------
    data : array or pandas.DataFrame of shape (n_background, n_features), or {"mean": array, "cov": array}
    method : str, default "linear"
    """

    def __init__(self, data: Any, method: str = "linear") -> None:
        if method != "linear":
            raise ValueError(f"method must be 'linear'; got {method!r}.")
        self.mean, self.cov, self.data = _moments(data)
        self.method = method

    def _saved_arguments(self) -> dict[str, Any]:
        given = {"mean": self.mean, "cov": self.cov} if self.mean is not None else self.data
        return {"data": given, "method": self.method}


def _moments(data: Any) -> tuple[Any, Any, Any]:
    """Mean and covariance where they were given, and rows: the mean alone, or those given."""
    if isinstance(data, dict) and "mean" in data:
        mean = np.asarray(data["mean"], dtype=np.float64)
        return mean, data.get("cov"), mean[None, :]
    return None, None, data if hasattr(data, "shape") else np.asarray(data)


def __getattr__(name: str) -> Any:
    return _theirs(name)


def __dir__() -> list[str]:
    return _names()
