"""`PermutationExplanation`: how much a metric suffers without each feature, with its repeats and intervals."""

from __future__ import annotations

from statistics import NormalDist
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastexplain.explanation.explanation import Context
from fastexplain.explanation.global_explanation import GlobalExplanation

__all__ = ["PermutationExplanation"]


class PermutationExplanation(GlobalExplanation):
    """Permutation importances of a model as a whole; positive where the model needs the feature.

    Parameters
    ----------
    importances : array of shape (n_features, n_repeats)
        Drop in score (rise in error) of each repeat; `global_importance_values` are their means.
    importance_errors : array of shape (n_features,)
        Standard errors of the means.
    metric : str
    baseline_score : float
        The metric on the rows as they are.
    **context
        As in `Explanation`.

    Attributes
    ----------
    importances : float64 array of shape (n_features, n_repeats)
    importance_errors : float64 array of shape (n_features,)
        Of the rows and of the permutations; see `fastexplain.permutation_importance`.
    metric : str
    baseline_score : float

    Raises
    ------
    ValueError
        The shapes, or the numbers of names, contradict each other.
    """

    def __init__(
        self,
        importances: NDArray[np.float64],
        importance_errors: ArrayLike,
        *,
        metric: str,
        baseline_score: float,
        **context: Unpack[Context],
    ) -> None:
        if np.ndim(importances) != 2:
            raise ValueError(f"importances has shape {np.shape(importances)}; expected (n_features, n_repeats).")
        self.importances = importances
        self.metric = metric
        self.baseline_score = baseline_score
        super().__init__(importances.mean(axis=1), importance_errors=importance_errors, **context)

    def importance_intervals(self, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper ends of confidence intervals of the importances, arrays of shape (n_features,).

        Parameters
        ----------
        level : float, default 0.95
            Share of intervals that hold the true value: normal intervals from `importance_errors`.

        Raises
        ------
        ValueError
            `level` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must be between 0 and 1; got {level!r}.")
        half = NormalDist().inv_cdf(0.5 + level / 2) * np.asarray(self.importance_errors)
        means = self._global_importance_values
        return means - half, means + half

    def _summary(self) -> list[tuple[str, str]]:
        return [("metric", f"{self.metric} (baseline {self.baseline_score:.4g})"), *super()._summary()]
