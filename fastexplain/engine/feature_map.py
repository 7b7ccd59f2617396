"""Sums over engineered columns: the values of the raw features that they were made of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["FeatureMap"]

# Values mapped at a time: what is made of them stays in the cache.
_BLOCK_BYTES = 2**20


class FeatureMap(NamedTuple):
    """Which engineered column came of which raw feature: a sparse matrix (n_raw, n_engineered), by its entries.

    Attributes
    ----------
    raw, engineered : int64 arrays of shape (n_entries,)
        Row and column of each entry; by row, and within a row by column.
    weights : float64 array of shape (n_entries,)
        Part of the column's value that the raw feature gets.
    n_raw, n_engineered : int
    """

    raw: NDArray[np.int64]
    engineered: NDArray[np.int64]
    weights: NDArray[np.float64]
    n_raw: int
    n_engineered: int

    @classmethod
    def of(cls, matrix: Any) -> FeatureMap:
        """The map of a csr matrix."""
        if not matrix.has_sorted_indices:
            matrix = matrix.sorted_indices()
        raw = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        return cls(raw, matrix.indices.astype(np.int64), np.asarray(matrix.data, np.float64), *matrix.shape)

    def mapped(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Values (n_rows, n_engineered, n_outputs) added up to those of the raw features, (n_rows, n_raw, n_outputs).

        One after the other, in the order of the columns: a row has the same sums alone and among others.
        """
        n_rows, _, n_outputs = values.shape
        out = np.empty((n_rows, self.n_raw, n_outputs))
        step = max(1, min(n_rows, _BLOCK_BYTES // (8 * max(1, len(self.raw) * n_outputs))))
        places = self._places(step, n_outputs)
        for start in range(0, n_rows, step):
            block = values[start : start + step]
            parts = block[:, self.engineered] * self.weights[:, None]
            size = len(block) * self.n_raw * n_outputs
            sums = np.bincount(places[: parts.size], parts.ravel(), minlength=size)
            out[start : start + step] = sums.reshape(len(block), self.n_raw, n_outputs)
        return out

    def _places(self, n_rows: int, n_outputs: int) -> NDArray[np.int64]:
        """Where the parts of some rows are added up."""
        cells = np.arange(n_rows)[:, None] * self.n_raw + self.raw
        return (cells[:, :, None] * n_outputs + np.arange(n_outputs)).ravel()
