"""Local values -> importances: the mean of |value| over rows, in one pass that makes no copy of the values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK_ROWS", "MeanAbs", "mean_abs", "sparse_mean_abs"]

# Rows summed at a time. Batches that hold whole blocks give the same bits as the array in one piece.
BLOCK_ROWS = 128
# Widest slice of a block: 128 x 8192 float64 is an 8 MiB buffer, however many features and outputs there are.
_BLOCK_COLUMNS = 8192


class MeanAbs:
    """Running mean of |values| over rows.

    Working memory is one block (at most 8 MiB), whatever the size of the batches. As long as every batch but the
    last has a multiple of `BLOCK_ROWS` rows, the result has the same bits as that of the whole array.

    Parameters
    ----------
    n_features, n_outputs : int

    Attributes
    ----------
    n_rows : int
        Rows added so far.
    """

    def __init__(self, n_features: int, n_outputs: int) -> None:
        self.n_rows = 0
        self._shape = (n_features, n_outputs)
        self._sum = np.zeros(n_features * n_outputs)

    def add(self, values: NDArray[np.floating[Any]]) -> None:
        """Add rows.

        Parameters
        ----------
        values : array of shape (n_rows, n_features, n_outputs)

        Raises
        ------
        ValueError
            The last two dimensions differ from those given at the start.
        """
        if values.shape[1:] != self._shape:
            raise ValueError(f"values has shape {values.shape}; expected (n_rows, {self._shape[0]}, {self._shape[1]}).")
        for start in range(0, len(values), BLOCK_ROWS):
            block = values[start : start + BLOCK_ROWS]
            if not block.flags.c_contiguous:
                block = np.ascontiguousarray(block)
            flat = block.reshape(len(block), -1)
            for left in range(0, flat.shape[1], _BLOCK_COLUMNS):
                columns = slice(left, left + _BLOCK_COLUMNS)
                self._sum[columns] += np.abs(flat[:, columns]).sum(axis=0, dtype=np.float64)
        self.n_rows += len(values)

    def add_sparse(self, values: Sequence[Any]) -> None:
        """Add rows of sparse values, whose duplicate entries, if any, were summed.

        Parameters
        ----------
        values : list of csr matrices of shape (n_rows, n_features), one per output

        Raises
        ------
        ValueError
            The number of features or outputs differs from that given at the start.
        """
        shape = (values[0].shape[1], len(values))
        if shape != self._shape:
            raise ValueError(f"values are {shape[1]} matrices of {shape[0]} columns; expected {self._shape[::-1]}.")
        sums = self._sum.reshape(self._shape)
        for i, matrix in enumerate(values):
            sums[:, i] += np.bincount(matrix.indices, weights=np.abs(matrix.data), minlength=shape[0])
        self.n_rows += int(values[0].shape[0])

    def result(self) -> NDArray[np.float64]:
        """Mean of |values|, one row of importances per output: shape (n_outputs, n_features).

        Raises
        ------
        ValueError
            No row was added.
        """
        if self.n_rows == 0:
            raise ValueError("There are no rows to average: a global explanation needs at least one.")
        return np.ascontiguousarray((self._sum / self.n_rows).reshape(self._shape).T)


def mean_abs(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Mean of |values| over rows.

    Parameters
    ----------
    values : array of shape (n_rows, n_features, n_outputs)

    Returns
    -------
    float64 array of shape (n_outputs, n_features)

    Raises
    ------
    ValueError
        There are no rows.
    """
    running = MeanAbs(values.shape[1], values.shape[2])
    running.add(values)
    return running.result()


def sparse_mean_abs(values: Sequence[Any]) -> NDArray[np.float64]:
    """Mean of |values| over rows, of sparse values; makes no dense array of them.

    Parameters
    ----------
    values : list of csr matrices of shape (n_rows, n_features), one per output

    Returns
    -------
    float64 array of shape (n_outputs, n_features)

    Raises
    ------
    ValueError
        There are no rows.
    """
    running = MeanAbs(values[0].shape[1], len(values))
    running.add_sparse(values)
    return running.result()
