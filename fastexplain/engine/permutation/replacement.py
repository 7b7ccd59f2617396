"""What a model predicts when some columns of its rows come from other rows.

A `Replacer` is asked for a number of jobs at once. Job: one player (a set of columns) and, for each row, the donor row
that its columns come from. `PredictingReplacer` builds those rows and predicts them in large chunks; the others know
the model's formula and update the prediction.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.helper_thread import HelperThread
from fastexplain.engine.predict import ASKED_TWICE, PredictFunction, check_repeatable
from fastexplain.engine.progress import progress
from fastexplain.rows.containers import Rows, Segment

__all__ = ["Jobs", "PredictingReplacer", "Replacer"]

Floats = NDArray[np.float64]

# Predictions of a table that fits one chunk come in so many steps at most, of so many rows at least: a bar moves, and
# the next step is built meanwhile. By number, not by time: what a model answers may depend on the rows of a call.
_STEPS = 16
_FEWEST_ROWS = 8192


class Jobs(NamedTuple):
    """Replacements of several players.

    Attributes
    ----------
    players : list of int arrays
        Columns of each player.
    codes : list of int32 arrays (n_rows,)
        Equal codes: equal values of all the player's columns.
    offsets : int64 array (n_players + 1,)
        Jobs of player p are offsets[p] .. offsets[p + 1].
    donors : int32 array (n_jobs, n_rows)
    """

    players: list[NDArray[np.int64]]
    codes: list[NDArray[np.int32]]
    offsets: NDArray[np.int64]
    donors: NDArray[np.int32]


class Replacer(abc.ABC):
    """Predictions with replaced columns.

    Attributes
    ----------
    method : str
        "tree", "linear", "mlp" or "black_box".
    base : float64 array (n_rows, n_outputs)
        Predictions of the rows as they are.
    n_predicted : int
        Rows handed to the user's predict so far.
    """

    method: str
    base: Floats
    n_predicted: int = 0

    @abc.abstractmethod
    def replace(self, jobs: Jobs) -> Floats:
        """What `finish` makes predictions of, (n_jobs, n_rows, n_raw_outputs)."""

    def finish(self, outputs: Floats) -> Floats:
        """Predictions (n_jobs, n_rows, n_outputs) of some jobs."""
        return outputs

    @property
    def n_raw_outputs(self) -> int:
        """Of each row and job, as `replace` returns them."""
        return int(self.base.shape[1])


class PredictingReplacer(Replacer):
    """Calls predict on stacked rows: only those that a replacement changes, chunk k + 1 built while k is predicted."""

    method = "black_box"

    def __init__(self, response: PredictFunction, rows: Rows, chunk_bytes: int) -> None:
        self._response, self._rows = response, rows
        self._chunk_rows = max(1, chunk_bytes // rows.row_bytes)
        self.base = self._predict_base()

    def _predict_base(self) -> Floats:
        """In chunks of the same size, so that a model that cannot take more is not asked to."""
        everything = np.arange(self._rows.n_rows)
        none = np.empty(0, dtype=np.int64)
        if self._rows.n_rows <= self._chunk_rows:
            parts = [self._response(self._rows.data)]
        else:
            starts = range(0, len(everything), self._chunk_rows)
            pieces = [everything[a : a + self._chunk_rows] for a in starts]
            parts = [self._response(self._rows.stack([Segment(piece, piece, none)])) for piece in pieces]
        base = np.concatenate(parts)
        again = everything[:ASKED_TWICE]
        check_repeatable(self._response, self._rows.stack([Segment(again, again, none)]), base, "row")
        self.n_predicted += len(everything) + len(again)
        return base

    def replace(self, jobs: Jobs) -> Floats:
        n_jobs, n = jobs.donors.shape
        out = np.empty((n_jobs, n, self.base.shape[1]))
        out[:] = self.base
        chunks = self._chunks(jobs, min(self._chunk_rows, max(_FEWEST_ROWS, -(-n_jobs * n // _STEPS))))
        first = next(chunks, None)
        if first is None:
            return out
        with progress(n_jobs * n, "predicting", None) as bar, HelperThread("fastexplain-build") as builder:
            pending: Future[tuple[list[tuple[int, Segment]], Any]] | None = builder.submit(self._build, first)
            while pending is not None:
                chunk, X = pending.result()
                following = next(chunks, None)
                pending = None if following is None else builder.submit(self._build, following)
                predicted = self._response(X, n_outputs=self.base.shape[1])
                self.n_predicted += len(predicted)
                at = 0
                for job, segment in chunk:
                    out[job, segment.rows] = predicted[at : at + len(segment.rows)]
                    at += len(segment.rows)
                bar(at)
        return out

    def _build(self, chunk: list[tuple[int, Segment]]) -> tuple[list[tuple[int, Segment]], Any]:
        return chunk, self._rows.stack([segment for _, segment in chunk])

    def _chunks(self, jobs: Jobs, n_rows: int) -> Iterator[list[tuple[int, Segment]]]:
        """Changed rows of all jobs, at most `n_rows` at a time."""
        chunk: list[tuple[int, Segment]] = []
        room = n_rows
        for p, columns in enumerate(jobs.players):
            for job in range(jobs.offsets[p], jobs.offsets[p + 1]):
                donors = jobs.donors[job]
                changed = np.flatnonzero(jobs.codes[p] != jobs.codes[p][donors])
                while len(changed):
                    part, changed = changed[:room], changed[room:]
                    chunk.append((job, Segment(part, donors[part].astype(np.int64), columns)))
                    room -= len(part)
                    if room == 0:
                        yield chunk
                        chunk, room = [], n_rows
        if chunk:
            yield chunk


def feature_players(players: Sequence[NDArray[np.int64]], n_features: int) -> NDArray[np.int32]:
    """Player that owns each column, -1 if none."""
    owner = np.full(n_features, -1, dtype=np.int32)
    for p, columns in enumerate(players):
        owner[columns] = p
    return owner
