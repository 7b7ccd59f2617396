"""shap's maskers of tables: where hidden features come from. An array or a DataFrame is `Independent` by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexplain.compat.shap._utils import sample

__all__ = ["Impute", "Independent"]


class Independent:
    """Hidden features follow background rows, whatever the features that are kept.

    Parameters
    ----------
    data : array or pandas.DataFrame of shape (n_background, n_features), or {"mean": array, "cov": array}
    max_samples : int, default 100
        More rows are sampled, as `sample` does.
    """

    def __init__(self, data: Any, max_samples: int = 100) -> None:
        self.mean, self.cov, rows = _moments(data)
        self.data = sample(rows, max_samples)
        self.max_samples = max_samples
        self.shape = self.data.shape


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


def _moments(data: Any) -> tuple[Any, Any, Any]:
    """Mean and covariance where they were given, and rows: the mean alone, or those given."""
    if isinstance(data, dict) and "mean" in data:
        mean = np.asarray(data["mean"], dtype=np.float64)
        return mean, data.get("cov"), mean[None, :]
    return None, None, data
