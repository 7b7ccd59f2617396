"""Cooperative games of explained rows: what the model predicts on average when only a coalition's features are known.

v(S) of a row is the weighted mean, over the background rows, of the prediction with the columns of S taken from the row
and all others from the background row. `BlackBoxGame` asks the model; `FormulaGame` computes from a formula that is
known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import one_blas_thread
from fastexplain.engine.helper_thread import HelperThread
from fastexplain.engine.kernel.masking import MaskedRowBuilder, copied
from fastexplain.engine.predict import ASKED_TWICE, PredictFunction, check_repeatable
from fastexplain.engine.progress import counted
from fastexplain.rows.tables import slice_rows

__all__ = ["BlackBoxGame", "CoalitionGame", "Done", "FormulaGame", "Request", "nobody_counts"]

# Masked rows of one request that are planned together (four bytes each, and eight per prediction).
_PLANNED_ROWS = 2**20
# Masked rows that a fast model reads while they are still in the cache.
_CACHED_BYTES = 2**21
_SLOW_CALL = 0.02  # seconds
# Masked rows that are sooner filled than a thread is started, and its results waited for.
_LITTLE_WORK = 2**22  # bytes
# Rows per predict at most, however narrow.
_MAX_ROWS = 2**20


class Request(NamedTuple):
    """Coalitions of one explained row to be evaluated.

    Attributes
    ----------
    row : int
    masks : bool array of shape (n_masks, n_players)
    background : int array, optional
        Background rows to sum over; their weights are not scaled up to 1. None: all.
    """

    row: int
    masks: NDArray[np.bool_]
    background: NDArray[np.intp] | None = None


Done = Callable[[int, float], None]


def nobody_counts(_position: int, _n: float) -> None:
    """For games that are evaluated without a progress bar."""


class CoalitionGame(Protocol):
    """What estimators ask of a game.

    Attributes
    ----------
    n_rows, n_players, n_outputs : int
    weights : float64 array of shape (n_background,)
    full : float64 array of shape (n_rows, n_outputs)
        Predictions of the explained rows: every feature known.
    by_background : bool
        Whether requests may name background rows.
    """

    n_rows: int
    n_players: int
    n_outputs: int
    weights: NDArray[np.float64]
    full: NDArray[np.float64]
    by_background: bool

    def without_of(self, row: int) -> NDArray[np.float64]:
        """Predictions with no player of the row known, (n_background, n_outputs): of the background rows."""

    def differs(self, row: int) -> NDArray[np.bool_]:
        """Whether a player's values differ between the row and each background row: (n_background, n_players)."""

    def evaluate(self, requests: Sequence[Request], done: Done) -> list[NDArray[np.float64]]:
        """Weighted sums of predictions over the background, (n_masks, n_outputs) for each request.

        `done` is called with the position of a request and how many more of its masks have been evaluated.
        """


class _Piece:
    """Masked rows of one request, or of a part of its masks; without repeats where there may be any."""

    def __init__(self, game: BlackBoxGame, request: Request, place: int, masks: NDArray[np.bool_]) -> None:
        self.row, self.place, self.masks = request.row, place, masks
        self.background = np.arange(len(game.weights)) if request.background is None else request.background
        differs = game.differs(request.row)[self.background]
        self.slot: NDArray[np.int32] | None = None
        self.n_rows = len(masks) * len(self.background)
        if not differs.all():
            players = np.flatnonzero(differs.any(axis=0))  # of thousands of columns, few may matter
            self.slot, self._mask, self._background = game.distinct(masks[:, players], differs[:, players])
            self.n_rows = len(self._mask)
        self.predictions = np.empty((self.n_rows, game.n_outputs))

    def indices(self, start: int, stop: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Mask and background row of masked rows start .. stop."""
        if self.slot is not None:
            mask, background = self._mask[start:stop], self._background[start:stop]
            return mask.astype(np.int32), self.background[background].astype(np.int32)
        n_background = len(self.background)
        first, last = start // n_background, -(-stop // n_background)
        some = slice(start - first * n_background, stop - first * n_background)
        mask = np.repeat(np.arange(first, last, dtype=np.int32), n_background)[some]
        return mask, np.tile(self.background.astype(np.int32), last - first)[some]

    def sums(self, game: BlackBoxGame) -> NDArray[np.float64]:
        """Weighted sums over the background: (n_masks, n_outputs)."""
        weights = game.weights[self.background]
        predictions = self.predictions
        if self.slot is not None:
            ends = game.without_of(self.row)[self.background], game.full[[self.row]]
            predictions = np.concatenate([*ends, predictions])[self.slot]
        by_mask = predictions.reshape(len(self.masks), len(weights), game.n_outputs)
        return np.stack([by_mask[:, :, k] @ weights for k in range(game.n_outputs)], axis=1)


class _Part(NamedTuple):
    """Rows start .. stop of a piece, in one call of predict."""

    piece: _Piece
    start: int
    stop: int


class _ChunkSize:
    """Rows of the next call: as many as stay in the cache, until calls take long enough for their number to count."""

    def __init__(self, rows: int, most: int) -> None:
        self.rows, self._most = rows, most

    def after_call(self, seconds: float) -> None:
        if seconds > _SLOW_CALL:
            self.rows = min(self._most, 4 * self.rows)


class BlackBoxGame:
    """A game played by asking the model for masked rows, in bounded chunks.

    The next chunk is filled while the model works on the last one; several rows share a call; masked rows that are
    equal are asked for once. Nothing of a call is kept on the object.

    Parameters
    ----------
    builder : MaskedRowBuilder
    predict : PredictFunction
    players : list of int arrays
        Columns of each player.
    weights : float64 array of shape (n_background,)
    chunk_bytes : int
        Memory of masked rows under way.
    backend : {"native", "numba"}
    kept : bool array of shape (n_columns,), optional
        Columns that no player has: they are the explained row's own in every coalition.
    """

    by_background = True

    def __init__(
        self,
        builder: MaskedRowBuilder,
        predict: PredictFunction,
        players: list[NDArray[np.intp]],
        weights: NDArray[np.float64],
        *,
        chunk_bytes: int,
        backend: str,
        kept: NDArray[np.bool_] | None = None,
    ) -> None:
        self._builder, self._predict, self._players, self._backend = builder, predict, players, backend
        self.weights = weights
        self.n_rows, self.n_players = builder.n_rows, len(players)
        # Two chunks are alive at a time.
        self._most_rows = int(np.clip(chunk_bytes // (2 * builder.row_bytes), 1, _MAX_ROWS))
        self._first_rows = int(np.clip(_CACHED_BYTES // builder.row_bytes, 1, self._most_rows))
        self.without = predict(copied(builder.background), builder.n_background)
        self.n_outputs = self.without.shape[1]
        again = copied(slice_rows(builder.background, 0, min(builder.n_background, ASKED_TWICE)))
        check_repeatable(predict, again, self.without, "background row")
        self._without_by_row = None if kept is None else self._predicted_without(kept)
        self.full = np.empty((0, self.n_outputs))
        if self.n_rows:
            self.full = predict(copied(builder.X), builder.n_rows, self.n_outputs)
        self._single = all(len(columns) == 1 for columns in players)
        self._order = np.concatenate(players)
        # what no player has belongs to one more, who is in every coalition
        self._player_of_column = np.full(builder.n_columns, self.n_players, dtype=np.intp)
        for i, columns in enumerate(players):
            self._player_of_column[columns] = i

    def _predicted_without(self, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Predictions of the background rows with each row's own kept columns: (n_rows, n_background, n_outputs)."""
        n_background = self._builder.n_background
        found = np.empty((self.n_rows * n_background, self.n_outputs))
        for start in range(0, len(found), self._most_rows):
            stop = min(start + self._most_rows, len(found))
            row, background = (part.astype(np.int32) for part in np.divmod(np.arange(start, stop), n_background))
            rows = self._builder.build(kept[np.newaxis], row, np.zeros_like(row), background)
            found[start:stop] = self._predict(rows, stop - start, self.n_outputs)
        return found.reshape(self.n_rows, n_background, self.n_outputs)

    def without_of(self, row: int) -> NDArray[np.float64]:
        """Predictions with no player of the row known: (n_background, n_outputs)."""
        return self.without if self._without_by_row is None else self._without_by_row[row]

    def differs(self, row: int) -> NDArray[np.bool_]:
        """Whether a player's values differ between the row and each background row: (n_background, n_players)."""
        by_column = self._builder.differs(row)
        if self._single:
            return by_column[:, self._order]
        return np.stack([by_column[:, columns].any(axis=1) for columns in self._players], axis=1)

    def evaluate(self, requests: Sequence[Request], done: Done = nobody_counts) -> list[NDArray[np.float64]]:
        """Weighted sums of predictions over the background, (n_masks, n_outputs) for each request."""
        sums: list[list[NDArray[np.float64]]] = [[] for _ in requests]
        size = _ChunkSize(self._first_rows, self._most_rows)
        chunks = self._chunks(requests, size)

        def next_filled() -> tuple[list[_Part], Any] | None:
            parts = next(chunks, None)
            return None if parts is None else (parts, self._fill(parts))

        n_masked = sum(len(request.masks) * self._n_background_of(request) for request in requests)
        # Leaving the block waits for the chunk under way: nothing runs on after an error.
        with HelperThread("fastexplain-fill", alone=n_masked * self._builder.row_bytes <= _LITTLE_WORK) as filler:
            filled = next_filled()
            while filled is not None:
                following = filler.submit(next_filled)
                parts, rows = filled
                n_rows = sum(part.stop - part.start for part in parts)
                if n_rows:
                    began = time.perf_counter()
                    self._store(parts, self._predict(rows, n_rows, self.n_outputs))
                    size.after_call(time.perf_counter() - began)
                for part in parts:
                    piece = part.piece
                    done(piece.place, len(piece.masks) * (part.stop - part.start) / max(1, piece.n_rows))
                    if part.stop == part.piece.n_rows:
                        sums[part.piece.place].append(part.piece.sums(self))
                filled = following.result()
        empty = np.empty((0, self.n_outputs))
        return [np.concatenate(blocks) if blocks else empty for blocks in sums]

    def distinct(
        self, masks: NDArray[np.bool_], differs: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """Which masked rows differ from each other; see ``cpp/include/fastexplain/kernel/masking.h``."""
        arguments = np.ascontiguousarray(masks).view(np.uint8), np.ascontiguousarray(differs).view(np.uint8)
        if self._backend == "native":
            from fastexplain._core import distinct_masked_rows

            return distinct_masked_rows(*arguments)
        from fastexplain.engine.kernel import numba_masking

        return numba_masking.distinct_masked_rows(*arguments)

    def _chunks(self, requests: Sequence[Request], size: _ChunkSize) -> Iterator[list[_Part]]:
        """Parts of requests that fill one call of predict each."""
        parts: list[_Part] = []
        room = size.rows
        for piece in self._pieces(requests):
            start = 0
            while True:
                stop = min(piece.n_rows, start + room)
                parts.append(_Part(piece, start, stop))
                room -= stop - start
                start = stop
                if start == piece.n_rows:
                    break
                yield parts
                parts, room = [], size.rows
            if room == 0:
                yield parts
                parts, room = [], size.rows
        if parts:
            yield parts

    def _n_background_of(self, request: Request) -> int:
        return len(self.weights) if request.background is None else len(request.background)

    def _pieces(self, requests: Sequence[Request]) -> Iterator[_Piece]:
        for place, request in enumerate(requests):
            n_background = self._n_background_of(request)
            # Fewer where predictions, or what tells masked rows apart, take more than a few bytes each.
            size = max(1, self.n_outputs // 8, self.n_players // 256)
            step = max(1, _PLANNED_ROWS // max(1, n_background * size))
            for start in range(0, len(request.masks), step):
                yield _Piece(self, request, place, request.masks[start : start + step])

    def _fill(self, parts: list[_Part]) -> Any:
        masks, row, mask, background = [], [], [], []
        n_masks = 0
        for piece, start, stop in parts:
            if start == stop:
                continue
            of_mask, of_background = piece.indices(start, stop)
            low, high = int(of_mask.min()), int(of_mask.max()) + 1
            masks.append(piece.masks[low:high])
            mask.append(of_mask + np.int32(n_masks - low))
            background.append(of_background)
            row.append(np.full(stop - start, piece.row, dtype=np.int32))
            n_masks += high - low
        if not masks:
            return None
        by_player = np.concatenate(masks)
        if self._without_by_row is not None:
            by_player = np.hstack([by_player, np.ones((len(by_player), 1), dtype=bool)])
        return self._builder.build(
            by_player[:, self._player_of_column], np.concatenate(row), np.concatenate(mask), np.concatenate(background)
        )

    @staticmethod
    def _store(parts: list[_Part], predictions: NDArray[np.float64]) -> None:
        at = 0
        for piece, start, stop in parts:
            piece.predictions[start:stop] = predictions[at : at + stop - start]
            at += stop - start


class FormulaGame:
    """A game whose coalition values follow from a known formula (`fastexplain.engine.formulas.known.Game`).

    Parameters
    ----------
    game : fastexplain.engine.formulas.known.Game
    X, background : float64 arrays of shape (n_rows, n_columns) and (n_background, n_columns)
        As the formula takes them.
    players : list of int arrays
        Columns of each player.
    weights : float64 array of shape (n_background,)
    full, without : float64 arrays
        The model's own predictions of the rows and of the background.
    """

    by_background = False

    def __init__(
        self,
        game: Any,
        X: NDArray[np.float64],
        background: NDArray[np.float64],
        players: list[NDArray[np.intp]],
        weights: NDArray[np.float64],
        full: NDArray[np.float64],
        without: NDArray[np.float64],
        *,
        n_threads: int,
        backend: str,
    ) -> None:
        self._game, self._X, self._background, self._players = game, X, background, players
        self._n_threads, self._backend = n_threads, backend
        self.weights, self.full, self.without = weights, full, without
        self.n_rows, self.n_players, self.n_outputs = len(X), len(players), full.shape[1]

    def without_of(self, row: int) -> NDArray[np.float64]:
        """Predictions of the background rows, the same for every row: (n_background, n_outputs)."""
        return self.without

    def differs(self, row: int) -> NDArray[np.bool_]:
        """Whether a player's values differ between the row and each background row: (n_background, n_players)."""
        x = self._X[row]
        unequal = (x != self._background) & ~(np.isnan(x) & np.isnan(self._background))
        return np.stack([unequal[:, columns].any(axis=1) for columns in self._players], axis=1)

    def evaluate(self, requests: Sequence[Request], done: Done = nobody_counts) -> list[NDArray[np.float64]]:
        """Weighted means of the formula over the background, (n_masks, n_outputs) for each request."""
        settings: dict[str, Any] = {"n_threads": self._n_threads, "backend": self._backend}
        values = []
        with one_blas_thread():  # threads of our own share the work
            for i, request in enumerate(requests):
                with counted(partial(done, i)) as bar, bar.part(len(request.masks)):
                    values.append(self._game.coalition_values(self._X[request.row], request.masks, **settings))
        return values
