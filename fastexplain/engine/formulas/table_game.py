"""Games of models that are predicted from tables of what each player contributes to each term.

A term is a support vector, a hidden unit or a training row.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.known import Game
from fastexplain.engine.formulas.masked_predictions import averaged
from fastexplain.engine.progress import progress

__all__ = ["TableGame"]

Float = NDArray[np.float64]

# Tables of the background are kept if they take no more than this, else rebuilt in blocks of this size on every call.
TABLE_BYTES = 64 * 2**20
# Work of a block that a progress bar moves by, in terms of masked rows, and its background rows at least: threads share
# them.
STEP_CELLS = 2**28
STEP_BACKGROUND = 16


class TableGame(Game):
    """The game of a model that is predicted from tables; subclasses say what the tables hold, and predict blocks.

    Parameters
    ----------
    background : float64 array of shape (n_background, n_features)
    weights : float64 array of shape (n_background,)
    n_terms, n_outputs : int
        n_terms with padding.
    width : int
        Numbers that a prediction holds per background row and mask.
    """

    def __init__(self, background: Float, weights: Float, *, n_terms: int, n_outputs: int, width: int) -> None:
        self._background, self._weights, self._n_outputs, self._width = background, weights, n_outputs, width
        self._n_terms = n_terms
        row_bytes = 8 * n_terms * background.shape[1]
        step = max(1, TABLE_BYTES // max(1, row_bytes))
        self._parts = [slice(begin, begin + step) for begin in range(0, len(background), step)]
        self._kept = self.tables(background) if len(self._parts) == 1 else None

    @abc.abstractmethod
    def tables(self, rows: Float) -> Float:
        """Of encoded rows: (n_rows, n_players, n_terms), from ``padded`` in `masked_predictions`."""

    @abc.abstractmethod
    def score(
        self, row: Float, background: Float, masks: NDArray[np.uint8], n_threads: int | None, backend: str | None
    ) -> Float:
        """Predictions (n_background, n_masks, n_outputs) from tables of the row and of background rows."""

    def coalition_values(
        self, x: Float, masks: NDArray[np.bool_], *, n_threads: int | None = None, backend: str | None = None
    ) -> Float:
        row = self.tables(x[None])[0]
        values = np.zeros((len(masks), self._n_outputs))
        with progress(len(self._background), type(self).__name__, None) as bar:
            for part, tables in self._blocks(len(masks)):

                def score(bits: NDArray[np.uint8], tables: Float = tables) -> Float:
                    return self.score(row, tables, bits, n_threads, backend)

                values += averaged(score, masks, self._weights[part], self._n_outputs, self._width)
                bar(len(tables))
        return values

    def _blocks(self, n_masks: int) -> Iterator[tuple[slice, Float]]:
        """Background rows and their tables, some at a time: whatever the number of threads, as sums are by block."""
        step = max(STEP_BACKGROUND, STEP_CELLS // max(1, n_masks * self._n_terms))
        for part in self._parts:
            tables = self._kept if self._kept is not None else self.tables(self._background[part])
            for begin in range(0, len(tables), step):
                block = tables[begin : begin + step]
                yield slice(part.start + begin, part.start + begin + len(block)), block
