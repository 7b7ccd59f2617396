"""`GlobalExplanation`: the importance of each feature over many rows; `GlobalLocalExplanation` keeps the rows."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.interpret.keywords import global_values
from fastexplain.explanation.local_explanation import LocalExplanation
from fastexplain.explanation.numbers.aggregation import mean_abs
from fastexplain.explanation.numbers.ranking import rank, ranked_names, ranked_values

__all__ = ["GlobalExplanation", "GlobalLocalExplanation"]


class GlobalExplanation(Explanation):
    """Importance of each feature over many rows: the mean of |local value|, or what a method measures at once.

    Parameters
    ----------
    importances : array of shape (n_outputs, n_features) or (n_features,)
        Mean of |value| for each output. One-dimensional: of the model as a whole, as permutation importance or a
        surrogate's own importances, which may be negative; `per_class_values` is then absent. interpret-community's
        ``global_importance_values`` and ``per_class_values`` may be given instead, with their ranks.
    base_values : array of shape (n_outputs,), optional
        None where the method has none; `expected_values` is then absent.
    global_importances : array of shape (n_features,), optional
        Importances over all outputs. Default: the mean of `importances` over the outputs.
    importance_errors : array of shape (n_features,), optional
        Standard errors of `global_importance_values`.
    **context
        As in `Explanation`.

    Raises
    ------
    ValueError
        The shapes of importances and base_values, or the numbers of names, contradict each other.
    TypeError
        There are no importances, or a keyword is unknown.
    """

    _importances: NDArray[np.float64]
    _given_global: NDArray[np.float64] | None = None
    importance_errors: NDArray[np.float64] | None = None

    def __init__(
        self,
        importances: ArrayLike | None = None,
        base_values: ArrayLike | None = None,
        *,
        global_importances: ArrayLike | None = None,
        importance_errors: ArrayLike | None = None,
        **context: Any,
    ) -> None:
        if importances is None:
            importances, global_importances = global_values(context)
        if importances is None:
            raise TypeError("A global explanation needs importances (or global_importance_values).")
        self._set_importances(importances, global_importances, importance_errors)
        shape = self._importances.shape
        base_shape = None if base_values is None else np.shape(base_values)
        if base_shape is not None and len(shape) == 2 and base_shape != shape[:1]:
            raise ValueError(
                f"importances has shape {shape} and base_values {base_shape}; expected (n_outputs, "
                "n_features) and (n_outputs,), or (n_features,) and None."
            )
        # by name: a LocalExplanation may follow among the bases
        super().__init__(base_values=base_values, **context)

    def _set_importances(
        self, importances: ArrayLike, global_importances: ArrayLike | None, importance_errors: ArrayLike | None
    ) -> None:
        self._importances = np.asarray(importances, dtype=np.float64)
        shape = self._importances.shape
        if len(shape) not in (1, 2):
            raise ValueError(f"importances has shape {shape}; expected (n_outputs, n_features) or (n_features,).")
        self._set_n_features(shape[-1])
        self._given_global = self._per_feature("global_importances", global_importances)
        self.importance_errors = self._per_feature("importance_errors", importance_errors)

    def _per_feature(self, name: str, given: ArrayLike | None) -> NDArray[np.float64] | None:
        if given is None:
            return None
        array = np.asarray(given, dtype=np.float64)
        if array.shape != (self._n_features,):
            raise ValueError(f"{name} has shape {array.shape}; there are {self._n_features} features.")
        return array

    @classmethod
    def _does_quack(cls, explanation: Any) -> bool:
        """Whether an object of any library has the members of a global explanation."""
        if type.__instancecheck__(GlobalExplanation, explanation):
            return True
        names = ("global_importance_values", "global_importance_rank")
        return super()._does_quack(explanation) and all(getattr(explanation, name, None) is not None for name in names)

    @property
    def _n_outputs(self) -> int:
        return len(self._importances) if self._importances.ndim == 2 else super()._n_outputs

    @property
    def _per_class_values(self) -> NDArray[np.float64]:
        self._needs_classes("per_class_values")
        if self._importances.ndim == 1:
            raise AttributeError(f"per_class_values do not exist: {self._method} measures the model as a whole.")
        return np.repeat(self._importances, 2, axis=0) if self._single_margin else self._importances

    @property
    def _global_importance_values(self) -> NDArray[np.float64]:
        # Both classes of a single margin have the same |values|, so the mean over outputs is that over classes.
        if self._given_global is not None:
            return self._given_global
        if self._importances.ndim == 1:
            return self._importances
        means: NDArray[np.float64] = self._importances.mean(axis=0)
        return means

    @property
    def global_importance_values(self) -> list[float]:
        """Importance of each feature: mean |local value| over rows, then over classes."""
        listed: list[float] = self._global_importance_values.tolist()
        return listed

    @property
    def global_importance_rank(self) -> list[int]:
        """Feature indices, most important first."""
        listed: list[int] = rank(self._global_importance_values).tolist()
        return listed

    def get_ranked_global_names(self, top_k: int | None = None) -> list[Any]:
        """Feature names, most important first.

        Parameters
        ----------
        top_k : int, optional
            How many; default all.
        """
        return ranked_names(self._features, self._global_importance_values, top_k)

    def get_ranked_global_values(self, top_k: int | None = None) -> list[float]:
        """Importances, largest first.

        Parameters
        ----------
        top_k : int, optional
            How many; default all.
        """
        return ranked_values(self._global_importance_values, top_k)

    def get_feature_importance_dict(self, top_k: int | None = None) -> dict[Any, float]:
        """Feature name -> importance, most important first.

        Parameters
        ----------
        top_k : int, optional
            How many; default all.
        """
        return dict(zip(self.get_ranked_global_names(top_k), self.get_ranked_global_values(top_k), strict=True))

    @property
    def per_class_values(self) -> list[list[float]]:
        """Mean |local value| of each class, classes x features; classifiers only."""
        listed: list[list[float]] = self._per_class_values.tolist()
        return listed

    @property
    def per_class_rank(self) -> list[list[int]]:
        """Feature indices of each class, most important first; classifiers only."""
        listed: list[list[int]] = rank(self._per_class_values).tolist()
        return listed

    def get_ranked_per_class_names(self, top_k: int | None = None) -> list[list[Any]]:
        """Feature names of each class, most important first; classifiers only.

        Parameters
        ----------
        top_k : int, optional
            How many of each class; default all.
        """
        return ranked_names(self._features, self._per_class_values, top_k)

    def get_ranked_per_class_values(self, top_k: int | None = None) -> list[list[float]]:
        """Importances of each class, largest first; classifiers only.

        Parameters
        ----------
        top_k : int, optional
            How many of each class; default all.
        """
        return ranked_values(self._per_class_values, top_k)


class GlobalLocalExplanation(GlobalExplanation, LocalExplanation):
    """A global explanation that keeps the local values it was made from.

    Parameters
    ----------
    values, base_values, standard_errors, **context
        As in `LocalExplanation`.
    importances : array of shape (n_outputs, n_features) or (n_features,), optional
        As in `GlobalExplanation`. Default: the mean of |values|.
    global_importances, importance_errors : array of shape (n_features,), optional
        As in `GlobalExplanation`.

    Raises
    ------
    ValueError
        There are no rows and no importances, or the shapes contradict each other.
    """

    def __init__(
        self,
        values: NDArray[np.floating[Any]] | None = None,
        base_values: ArrayLike | None = None,
        *,
        importances: ArrayLike | None = None,
        global_importances: ArrayLike | None = None,
        importance_errors: ArrayLike | None = None,
        standard_errors: NDArray[np.float64] | None = None,
        **context: Any,
    ) -> None:
        if importances is None:
            importances, overall = global_values(context)
            global_importances = overall if global_importances is None else global_importances
        LocalExplanation.__init__(self, values, base_values, standard_errors=standard_errors, **context)
        self._set_importances(
            mean_abs(self.values) if importances is None else importances, global_importances, importance_errors
        )
        self._check_importances()

    def _check_importances(self) -> None:
        """Raise ValueError where given importances do not fit the local values."""
        expected = (self._n_outputs, self._n_features)
        if self._single_margin and self._importances.shape == (2, self._n_features):
            first, second = self._importances  # of both classes, which have the same |values|
            self._importances = self._importances[:1] if np.array_equal(first, second) else self._importances
        if self._importances.shape not in (expected, expected[1:]):
            raise ValueError(
                f"importances has shape {self._importances.shape}; the local values have {expected[0]} outputs and "
                f"{expected[1]} features."
            )

    @property
    def _n_outputs(self) -> int:
        return int(self.values.shape[2])

    def to_global(self) -> Self:
        """Return this explanation, which is global already."""
        return self

    def without_local(self) -> GlobalExplanation:
        """The same importances without the local values, which memory is then free of."""
        return GlobalExplanation(
            self._importances,
            self._base_values,
            global_importances=self._given_global,
            importance_errors=self.importance_errors,
            **self._context(),
        )
