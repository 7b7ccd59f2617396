"""Kernels of outputs that follow from a margin, one class per backend, of one interface."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.background import Background
from fastexplain.engine.tree.outputs import Output
from fastexplain.models import Forest

__all__ = ["NativeTransformed", "NumbaTransformed"]


class NativeTransformed:
    """A forest of one output and a background, compiled; explains the output that `output` says."""

    def __init__(self, forest: Forest, background: Background, output: Output, n_threads: int) -> None:
        from fastexplain._core import TransformedShap

        self._kernel = TransformedShap(forest, background.data, weights=background.weights, n_threads=n_threads)
        self._output, self._offset = output, float(forest.base_offset[0])

    def explain(
        self, X: NDArray[np.floating[Any]], values: NDArray[np.float64], *, n_threads: int, labels: NDArray[np.float64]
    ) -> None:
        """Write values of rows (n_rows, n_features, 1)."""
        self._kernel.explain(
            X,
            transform=self._output.transform,
            slope=self._output.slope,
            offset=self._offset,
            labels=labels,
            values=values,
            n_threads=n_threads,
        )

    def means(self, labels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weighted mean over the background: of shape (1,), or (n_rows, 1) of a loss, which depends on the label."""
        weights = self._kernel.background_weights
        margins = self._output.slope * (self._kernel.background_outputs + self._offset)
        mean = weights @ margins
        if self._output.transform == "probability":
            return np.array([weights @ np.exp(-np.logaddexp(0.0, -margins))])
        if self._output.transform == "log_loss":
            return np.asarray((weights @ np.logaddexp(0.0, margins) - labels * mean)[:, None])
        return np.asarray((weights @ (margins - mean) ** 2 + (mean - labels) ** 2)[:, None])


class NumbaTransformed:
    """The same by the Numba twin, whose functions have the slope 1: the forest is scaled by the link's."""

    def __init__(self, forest: Forest, background: Background, output: Output, n_threads: int) -> None:
        from fastexplain.engine.tree.numba_interventional import InterventionalShap

        self._offset = output.slope * forest.base_offset[0]
        scaled = dataclasses.replace(
            forest, values=output.slope * forest.values, base_offset=output.slope * forest.base_offset
        )
        function = {"probability": "sigmoid"}.get(output.transform, output.transform)
        self._kernel = InterventionalShap(scaled, background.data, weights=background.weights, function=function)
        self._output = output

    def explain(
        self, X: NDArray[np.floating[Any]], values: NDArray[np.float64], *, n_threads: int, labels: NDArray[np.float64]
    ) -> None:
        """Write values of rows (n_rows, n_features, 1)."""
        self._kernel.explain(X, values, n_threads=n_threads, labels=labels)

    def means(self, labels: NDArray[np.float64]) -> NDArray[np.float64]:
        """As of `NativeTransformed`."""
        at_zero: NDArray[np.float64] = self._kernel.mean_function(0.0)
        if self._output.transform == "probability":
            return at_zero
        if self._output.transform == "log_loss":
            return at_zero + labels[:, None] * (self._kernel.mean_function(1.0) - at_zero)
        mean: NDArray[np.float64] = self._kernel.mean_outputs + self._offset
        return np.asarray(at_zero - mean**2 + (mean - labels[:, None]) ** 2)
