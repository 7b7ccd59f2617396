"""Outputs that follow from a margin, explained against a background by either backend."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.tree.lanes import table_bytes
from fastexplain.engine.tree.outputs import Output
from fastexplain.models import Forest

__all__ = ["Transformed", "transformed_kernel"]


class Transformed:
    """A forest of one output and a background, compiled by a backend; explains the output that `output` says."""

    def __init__(self, kernel: Any, forest: Forest, output: Output) -> None:
        self._kernel, self._output, self._offset = kernel, output, float(forest.base_offset[0])

    def turn(self, n_rows_of_call: int) -> int:
        """Rows for which a call of so many fills tables once, where it fills any; else 0. Parts have no fewer."""
        turn: int = self._kernel.turn(n_rows_of_call)
        return turn

    def explain(
        self,
        X: NDArray[np.floating[Any]],
        values: NDArray[np.float64],
        *,
        n_threads: int,
        labels: NDArray[np.float64],
        n_rows_of_call: int,
    ) -> None:
        """Write values of rows (n_rows, n_features, 1), which may be a part of a call's."""
        self._kernel.explain(
            X,
            transform=self._output.transform,
            slope=self._output.slope,
            offset=self._offset,
            labels=labels,
            values=values,
            n_threads=n_threads,
            n_rows_of_call=n_rows_of_call,
        )

    def means(self, labels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weighted mean over the background: of shape (1,), or (n_rows, 1) of a loss, which depends on the label."""
        weights = self._kernel.background_weights
        margins = self._output.slope * (np.ravel(self._kernel.background_outputs) + self._offset)
        mean = weights @ margins
        if self._output.transform == "probability":
            return np.array([weights @ np.exp(-np.logaddexp(0.0, -margins))])
        if self._output.transform == "log_loss":
            return np.asarray((weights @ np.logaddexp(0.0, margins) - labels * mean)[:, None])
        return np.asarray((weights @ (margins - mean) ** 2 + (mean - labels) ** 2)[:, None])


def transformed_kernel(
    backend: str, forest: Forest, rows: NDArray[np.floating[Any]], weights: NDArray[np.float64], n_threads: int
) -> Any:
    """``TransformedShap`` of the backend; rows in the forest's encoding, weights that sum to 1."""
    if backend == "numba":
        from fastexplain.engine.tree import numba_interventional

        return numba_interventional.TransformedShap(forest, rows, weights=weights, n_threads=n_threads)
    from fastexplain import _core

    return _core.TransformedShap(forest, rows, weights=weights, n_threads=n_threads, table_bytes=table_bytes())
