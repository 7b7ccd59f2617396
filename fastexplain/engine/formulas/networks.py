"""Networks predicted on coalitions: the first layer of a masked row is a sum over columns; no masked row is built."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.formulas.known import Columns, FormulaModel, Game, equal_weights, sums_by_player
from fastexplain.engine.formulas.masked_predictions import expand, padded
from fastexplain.engine.formulas.table_game import TableGame
from fastexplain.engine.progress import progress
from fastexplain.exceptions import ModelConversionError
from fastexplain.models.networks.network import Network, try_load_network

__all__ = ["NetworkModel", "network_formula"]

Float = NDArray[np.float64]

# Activations of the first hidden layer that the expansion kernel knows.
TERMS = {"relu": "rectified", "tanh": "tanh"}
# Units of the second layer up to which the expansion beats a matrix product.
MOST_SUMS = 8
# Cells of the first layer that one step holds, per thread: 1 MiB, so that layers pass values on in the cache.
BLOCK_CELLS = 2**17
# Cells of the first layer's products with background rows that are held at a time: 64 MiB.
TABLE_CELLS = 2**23
FLOAT32_RTOL = 1e-4


class NetworkModel(FormulaModel):
    """A `Network` as a transparent model."""

    path = "mlp"

    def __init__(self, network: Network, rtol: float = 1e-8) -> None:
        self.network, self.rtol = network, rtol
        self.n_features, self.n_outputs = network.n_features, network.n_outputs

    def predict(self, X: Float) -> Float:
        return self.network.forward(X)

    def bind(self, background: Float, weights: Float | None = None, groups: Columns | None = None) -> Game:
        weights = equal_weights(len(background), weights)
        layers = self.network.layers
        if len(layers) > 1 and layers[0].activation.kind in TERMS and len(layers[1].bias) <= MOST_SUMS:
            return _ExpansionGame(self.network, background, weights, groups)
        return _DenseGame(self.network, background, weights, groups)

    def cells(self, X: Float) -> Float:
        """What every column adds to the first layer: (n_rows, n_features, n_units)."""
        return X[:, :, None] * self.network.layers[0].weight


class _ExpansionGame(TableGame):
    """Units of the first hidden layer are terms of one expansion, and never written; other layers follow in NumPy."""

    def __init__(self, network: Network, background: Float, weights: Float, groups: Columns | None) -> None:
        self._hidden, self._next, *self._rest = network.layers
        self._groups = groups
        self._coefficients = padded(self._next.weight.T)
        super().__init__(
            background,
            weights,
            n_terms=self._coefficients.shape[1],
            n_outputs=network.n_outputs,
            width=2 * max(len(layer.bias) for layer in network.layers[1:]),
        )

    def tables(self, rows: Float) -> Float:
        sums = sums_by_player(rows[:, :, None] * self._hidden.weight, self._groups)
        sums[:, 0] += self._hidden.bias
        return padded(sums)

    def score(
        self, row: Float, background: Float, masks: NDArray[np.uint8], n_threads: int | None, backend: str | None
    ) -> Float:
        term = TERMS[self._hidden.activation.kind]
        sums = expand(term, row, background, self._coefficients, masks, n_threads=n_threads, backend=backend)
        sums += self._next.bias
        values = self._next.activation(sums)
        for layer in self._rest:
            values = layer(values)
        return values


class _DenseGame(Game):
    """One matrix product of masks for the first layer, then the others on blocks of masks."""

    def __init__(self, network: Network, background: Float, weights: Float, groups: Columns | None) -> None:
        self._network, self._background, self._weights, self._groups = network, background, weights, groups

    def coalition_values(
        self, x: Float, masks: NDArray[np.bool_], *, n_threads: int | None = None, backend: str | None = None
    ) -> Float:
        values = np.zeros((len(masks), self._network.n_outputs))
        kept = masks.astype(np.float64)
        # Blocks do not depend on the number of threads, nor does a BLAS product of one block: the same bits.
        with (
            progress(len(self._background) * len(masks), "network", None) as bar,
            ThreadPoolExecutor(resolve_num_threads(n_threads)) as pool,
        ):
            for change, base, weights in self._first_layer(x):
                step = max(1, BLOCK_CELLS // base.size)
                change = change.reshape(len(change), -1)

                def score(
                    begin: int,
                    step: int = step,
                    change: Float = change,
                    base: Float = base,
                    weights: Float = weights,
                ) -> None:
                    hidden = kept[begin : begin + step] @ change + base.ravel()
                    outputs = self._network.forward_from_first_preactivation(hidden.reshape(-1, base.shape[1]))
                    by_row = outputs.reshape(-1, len(base), self._network.n_outputs)
                    values[begin : begin + step] += np.tensordot(by_row, weights, (1, 0))

                for _ in pool.map(score, range(0, len(masks), step)):
                    bar(step * len(base))
        return values

    def _first_layer(self, x: Float) -> Iterator[tuple[Float, Float, Float]]:
        """For blocks of background rows: what each player's change adds to the units, and the units without it."""
        first = self._network.layers[0]
        step = max(1, TABLE_CELLS // first.weight.size)
        for begin in range(0, len(self._background), step):
            rows = self._background[begin : begin + step]
            cells = (x - rows)[:, :, None] * first.weight
            change = np.moveaxis(sums_by_player(cells, self._groups), 1, 0)
            yield np.ascontiguousarray(change), rows @ first.weight + first.bias, self._weights[begin : begin + step]


def network_formula(owner: Any, method: str | None, background: Any) -> FormulaModel | None:
    """Loader: scikit-learn's MLPs, and torch and Keras stacks of dense layers.

    A network that cannot be read, or does not reproduce its library's forward, has no known formula.
    """
    expected = "predict_proba" if hasattr(owner, "predict_proba") else "predict"
    if method not in (expected, "forward", "__call__", None) or getattr(owner, "out_activation_", "") is None:
        return None
    try:
        network = try_load_network(owner)
    except ModelConversionError:
        return None
    if network is None:
        return None
    weights = getattr(owner, "coefs_", None)
    single = weights is None or np.dtype(weights[0].dtype) == np.float32
    return NetworkModel(network, FLOAT32_RTOL if single else 1e-8)
