"""`LocalExplanation`: attributions of single rows."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.interpret.keywords import is_classification, local_values
from fastexplain.explanation.numbers.ranking import rank, ranked_names, ranked_values
from fastexplain.rows.kinds import is_sparse

if TYPE_CHECKING:
    from fastexplain.explanation.global_explanation import GlobalLocalExplanation

__all__ = ["LocalExplanation"]


class LocalExplanation(Explanation):
    """Attributions of single rows.

    Parameters
    ----------
    values : array of shape (n_rows, n_features, n_outputs)
        Kept without a copy. interpret-community's ``local_importance_values``, class-first, may be given instead.
    base_values : array of shape (n_outputs,), optional
        None where the method has none; `expected_values` is then absent.
    single_row : bool, default False
        The one explained row came as a 1-D array: lists lose their row axis.
    standard_errors : array of the values' shape, optional
        0 where values are exact.
    **context
        As in `Explanation`.

    Attributes
    ----------
    values : array of shape (n_rows, n_features, n_outputs)
        As the engine made them: one output where a binary classifier has one margin. For every row and output,
        ``values.sum(axis=1) + base_values`` is the raw output, if all features are explained.
    base_values : float64 array of shape (n_outputs,)
    standard_errors : float64 array of the values' shape, or None
        0 where values are exact; None where the method tells no error, as exact methods other than Kernel SHAP.

    Raises
    ------
    ValueError
        The shapes of values, base_values and standard_errors, or the numbers of names, contradict each other.
    TypeError
        There are no values; they are sparse; or a keyword is unknown.
    """

    def __init__(
        self,
        values: NDArray[np.floating[Any]] | None = None,
        base_values: ArrayLike | None = None,
        *,
        single_row: bool = False,
        standard_errors: NDArray[np.float64] | None = None,
        **context: Any,
    ) -> None:
        if values is None:
            values, single_row = _given_values(context)
        values = np.asarray(values)
        if values.ndim != 3:
            raise ValueError(f"values has shape {values.shape}; expected (n_rows, n_features, n_outputs).")
        if base_values is not None and np.shape(base_values) != values.shape[2:]:
            raise ValueError(f"base_values has shape {np.shape(base_values)}; values have {values.shape[2]} outputs.")
        if single_row and len(values) != 1:
            raise ValueError(f"single_row is True, but values hold {len(values)} rows.")
        if standard_errors is not None and np.shape(standard_errors) != values.shape:
            raise ValueError(f"standard_errors has shape {np.shape(standard_errors)}; values have {values.shape}.")
        self.values = values
        self.standard_errors = standard_errors
        self._single_row = single_row
        self._set_n_features(values.shape[1])
        super().__init__(base_values, **context)

    @classmethod
    def _does_quack(cls, explanation: Any) -> bool:
        """Whether an object of any library has the members of a local explanation."""
        if type.__instancecheck__(LocalExplanation, explanation):
            return True  # without making a list of the values
        if not super()._does_quack(explanation):
            return False
        values = getattr(explanation, "local_importance_values", None)
        has_values = isinstance(values, list) or is_sparse(values)
        return has_values and hasattr(explanation, "num_examples") and hasattr(explanation, "is_local_sparse")

    def _is_antisymmetric(self) -> bool:
        return bool(np.array_equal(self.values[..., 0], -self.values[..., 1], equal_nan=True))

    @property
    def _n_outputs(self) -> int:
        return int(self.values.shape[2])

    @property
    def num_examples(self) -> int:
        """Number of explained rows."""
        return len(self.values)

    @property
    def is_local_sparse(self) -> bool:
        """Whether local values are sparse matrices, as `SparseLocalExplanation` has them."""
        return False

    @property
    def _local_importance_values(self) -> NDArray[Any]:
        """Class-first array, without a copy except where one margin becomes two classes."""
        values = self.values[0] if self._single_row else self.values
        if self._single_margin:
            return np.stack([-values[..., 0], values[..., 0]])
        return np.moveaxis(values, -1, 0) if self._class_first else values[..., 0]

    @property
    def local_importance_values(self) -> list[Any]:
        """Values as nested lists: rows x features, or classes x rows x features for a classifier.

        A binary classifier with one margin has [-v, v]. A row that came as a 1-D array has no row axis. `values` is
        the array, which costs no conversion.
        """
        listed: list[Any] = self._local_importance_values.tolist()
        return listed

    def get_local_importance_rank(self) -> list[Any]:
        """Feature indices by signed value, most positive first, nested as `local_importance_values`."""
        listed: list[Any] = rank(self._local_importance_values).tolist()
        return listed

    def get_ranked_local_names(self, top_k: int | None = None) -> list[Any]:
        """Feature names by signed value, most positive first.

        Parameters
        ----------
        top_k : int, optional
            How many features of each row; default all.

        Returns
        -------
        list
            Nested as `local_importance_values`.
        """
        return ranked_names(self._features, self._local_importance_values, top_k)

    def get_ranked_local_values(self, top_k: int | None = None) -> list[Any]:
        """Values in the order of `get_ranked_local_names`.

        Parameters
        ----------
        top_k : int, optional
            How many features of each row; default all.

        Returns
        -------
        list
            Nested as `local_importance_values`.
        """
        return ranked_values(self._local_importance_values, top_k)

    def intervals(self, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper ends of confidence intervals of the values, arrays of their shape.

        Parameters
        ----------
        level : float, default 0.95
            Share of intervals that hold the true value: normal intervals from `standard_errors`.

        Raises
        ------
        ValueError
            There are no standard errors, or `level` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must be between 0 and 1; got {level!r}.")
        if self.standard_errors is None:
            raise ValueError(f"Values of {self._method} have no standard errors.")
        half = NormalDist().inv_cdf(0.5 + level / 2) * self.standard_errors
        return self.values - half, self.values + half

    def to_global(self) -> GlobalLocalExplanation:
        """Average |value| over the rows; the result keeps these local values, and the id.

        Raises
        ------
        ValueError
            There are no rows.
        """
        from fastexplain.explanation.global_explanation import GlobalLocalExplanation

        return GlobalLocalExplanation(
            self.values, self._base_values, standard_errors=self.standard_errors, **self._context()
        )

    def to_shap(self) -> Any:
        """As shap's own Explanation, for its plots.

        Returns
        -------
        shap.Explanation
            ``values`` (n_rows, n_features), or (n_rows, n_features, n_outputs) of several outputs, without a copy; a
            binary classifier's one margin is that of class 1. ``base_values`` per row. A single row has no row axis.
            ``error_std`` and 95 % bounds where there are standard errors. Categories in ``data`` are numbered in
            alphabetical order, with the rows as they were in ``display_data``.

        Raises
        ------
        MissingDependencyError
            shap is not installed.
        ValueError
            The values are sparse.
        """
        from fastexplain.explanation.shap_interop import to_shap

        return to_shap(self)

    def _summary(self) -> list[tuple[str, str]]:
        return [("rows", f"{self.num_examples:,}"), *super()._summary()]


def _given_values(context: dict[str, Any]) -> tuple[NDArray[Any], bool]:
    """Values of interpret-community's keyword, taken out of the keywords, and whether they are of one single row."""
    if context.get("local_importance_values") is None:
        raise TypeError("A local explanation needs values (or local_importance_values).")
    given = local_values(context.pop("local_importance_values"), is_classification(context))
    if given.is_sparse:
        raise TypeError(
            "local_importance_values are sparse: use create_local_explanation, or SparseLocalExplanation itself."
        )
    return given.values, given.single_row
