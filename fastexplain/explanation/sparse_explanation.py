"""Explanations whose local values are sparse matrices, one per output: of rows with very many features, mostly zero.

A surrogate explained on sparse rows has a value of exactly zero for most features of a row. Rankings run over the
stored entries of a row only, as interpret-community's do, and nothing here makes a dense array of the values.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastexplain.explanation.global_explanation import GlobalLocalExplanation
from fastexplain.explanation.local_explanation import LocalExplanation
from fastexplain.explanation.numbers.aggregation import sparse_mean_abs
from fastexplain.explanation.numbers.ranking import checked_top_k, named

__all__ = ["SparseGlobalLocalExplanation", "SparseLocalExplanation"]


class SparseLocalExplanation(LocalExplanation):
    """Attributions of single rows, as one sparse matrix per output.

    Parameters
    ----------
    values : list of scipy sparse matrices of shape (n_rows, n_features)
        One per output. Kept as csr matrices, which costs no copy where they are canonical csr already.
    base_values : array of shape (n_outputs,), optional
        None where the method has none; `expected_values` is then absent.
    **context
        As in `Explanation`.

    Attributes
    ----------
    values : list of csr matrices of shape (n_rows, n_features)
        As the engine made them: one where a binary classifier has one margin.
    base_values : float64 array of shape (n_outputs,)

    Raises
    ------
    ValueError
        There is no matrix, their shapes differ, or they contradict base_values or the numbers of names.
    TypeError
        An entry of `values` is not a sparse matrix.
    """

    # lists of matrices where the dense parent has one array
    values: Any
    standard_errors = None
    _single_row = False

    def __init__(self, values: Sequence[Any], base_values: ArrayLike | None = None, **context: Any) -> None:
        self.values = _canonical(values)
        if base_values is not None and np.shape(base_values) != (len(self.values),):
            raise ValueError(f"base_values has shape {np.shape(base_values)}; values have {len(self.values)} outputs.")
        self._set_n_features(self.values[0].shape[1])
        super(LocalExplanation, self).__init__(base_values, **context)

    def _is_antisymmetric(self) -> bool:
        total = self.values[0] + self.values[1]
        return bool(total.nnz == 0 or not total.data.any())

    @property
    def _n_outputs(self) -> int:
        return len(self.values)

    @property
    def num_examples(self) -> int:
        """Number of explained rows."""
        return int(self.values[0].shape[0])

    @property
    def is_local_sparse(self) -> bool:
        """Whether local values are sparse matrices: True."""
        return True

    @property
    def _local_importance_values(self) -> Any:
        if self._single_margin:
            return [_negative(self.values[0]), self.values[0]]
        return list(self.values) if self._class_first else self.values[0]

    @property
    def local_importance_values(self) -> Any:
        """A csr matrix of rows x features, or a list of one per class for a classifier.

        A binary classifier with one margin has [-v, v], which share where their entries are.
        """
        return self._local_importance_values

    def get_local_importance_rank(self) -> list[Any]:
        """Indices of the features stored for each row by signed value, most positive first.

        Returns
        -------
        list
            Rows x stored entries, or classes x rows x stored entries for a classifier.
        """
        return self._by_class(lambda entries, order: entries.indices[order].tolist())

    def get_ranked_local_names(self, top_k: int | None = None) -> list[Any]:
        """Names of the features stored for each row by signed value, most positive first.

        Parameters
        ----------
        top_k : int, optional
            How many features of each row; default all that are stored.

        Returns
        -------
        list
            Nested as `get_local_importance_rank`.
        """
        names = named(self._features)
        return self._by_class(lambda entries, order: names[entries.indices[order]].tolist(), top_k)

    def get_ranked_local_values(self, top_k: int | None = None) -> list[Any]:
        """Stored values in the order of `get_ranked_local_names`.

        Parameters
        ----------
        top_k : int, optional
            How many features of each row; default all that are stored.

        Returns
        -------
        list
            Nested as `get_local_importance_rank`.
        """
        return self._by_class(lambda entries, order: entries.data[order].tolist(), top_k)

    def _by_class(self, look_up: Any, top_k: int | None = None) -> list[Any]:
        """What `look_up` makes of each row's positions of stored entries, largest first."""
        last = checked_top_k(top_k)
        matrices = self._local_importance_values
        if not isinstance(matrices, list):
            return [look_up(matrices, order[:last]) for order in _row_orders(matrices)]
        return [[look_up(matrix, order[:last]) for order in _row_orders(matrix)] for matrix in matrices]

    def to_global(self) -> SparseGlobalLocalExplanation:
        """Average |value| over the rows; the result keeps these local values, and the id.

        Raises
        ------
        ValueError
            There are no rows.
        """
        return SparseGlobalLocalExplanation(self.values, self._base_values, **self._context())

    def to_dense(self) -> LocalExplanation:
        """The same explanation over one dense array of ``8 * n_rows * n_features * n_outputs`` bytes."""
        return LocalExplanation(self._dense_values(), self._base_values, **self._context())

    def _dense_values(self) -> NDArray[np.float64]:
        dense = np.empty((*self.values[0].shape, len(self.values)))
        for i, matrix in enumerate(self.values):
            dense[:, :, i] = matrix.toarray()
        return dense


class SparseGlobalLocalExplanation(GlobalLocalExplanation, SparseLocalExplanation):
    """A global explanation that keeps the sparse local values it was made from.

    Parameters
    ----------
    values, base_values, **context
        As in `SparseLocalExplanation`.
    importances : array of shape (n_outputs, n_features) or (n_features,), optional
        As in `GlobalExplanation`. Default: the mean of |values|.
    global_importances, importance_errors : array of shape (n_features,), optional
        As in `GlobalExplanation`.

    Raises
    ------
    ValueError
        There are no rows and no importances, or the shapes contradict each other.
    TypeError
        An entry of `values` is not a sparse matrix.
    """

    def __init__(
        self,
        values: Sequence[Any],
        base_values: ArrayLike | None = None,
        *,
        importances: ArrayLike | None = None,
        global_importances: ArrayLike | None = None,
        importance_errors: ArrayLike | None = None,
        **context: Any,
    ) -> None:
        SparseLocalExplanation.__init__(self, values, base_values, **context)
        self._set_importances(
            sparse_mean_abs(self.values) if importances is None else importances, global_importances, importance_errors
        )
        self._check_importances()

    @property
    def _n_outputs(self) -> int:
        return len(self.values)

    def to_global(self) -> Self:
        """Return this explanation, which is global already."""
        return self

    def to_dense(self) -> GlobalLocalExplanation:
        """The same explanation over one dense array of ``8 * n_rows * n_features * n_outputs`` bytes."""
        return GlobalLocalExplanation(
            self._dense_values(),
            self._base_values,
            importances=self._importances,
            global_importances=self._given_global,
            importance_errors=self.importance_errors,
            **self._context(),
        )


def _canonical(values: Sequence[Any]) -> list[Any]:
    """Csr matrices of one shape, without duplicate entries; the given ones where they are that already."""
    import scipy.sparse

    if scipy.sparse.issparse(values):
        values = [values]
    if not len(values):
        raise ValueError("values is empty; expected one sparse matrix per output.")
    matrices = []
    for i, given in enumerate(values):
        if not scipy.sparse.issparse(given):
            raise TypeError(f"values[{i}] is a {type(given).__name__}; expected a sparse matrix.")
        matrix = scipy.sparse.csr_matrix(given)
        if not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
        matrices.append(matrix)
    shapes = [matrix.shape for matrix in matrices]
    if len(set(shapes)) > 1:
        raise ValueError(f"The matrices of values have shapes {shapes}; expected one shape (n_rows, n_features).")
    return matrices


def _negative(matrix: Any) -> Any:
    """-matrix, sharing the arrays that say where its entries are."""
    return type(matrix)((-matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape, copy=False)


def _row_orders(matrix: Any) -> list[NDArray[np.intp]]:
    """For each row, positions of its stored entries in `matrix.data`, largest value first; ties as `rank` has them."""
    ends = matrix.indptr.tolist()
    return [start + matrix.data[start:stop].argsort()[::-1] for start, stop in itertools.pairwise(ends)]
