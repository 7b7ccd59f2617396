"""Models seen through: a formula in place of predict, where it is known and proves itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.transparent import Game, SeenThrough, see_through
from fastexplain.engine.kernel.coalition_games import ScoredGame
from fastexplain.engine.kernel.masking import MaskedRowBuilder, make_builder
from fastexplain.engine.predict import PredictFunction

__all__ = ["Formula", "find_formula"]

# Largest part of the predictions by which values of a closed form may fail to add up to them.
_ADDITIVITY = 1e-6


class Formula(NamedTuple):
    """What is known of a prediction function, bound to rows and background.

    Attributes
    ----------
    path : str
    builder : MaskedRowBuilder
        Rows as the formula, or what is left of the model, takes them.
    predict : PredictFunction
        What is left to predict with: the last step of a pipeline, say.
    players : list of int arrays
        Columns of each player in those rows; a player whose columns the model drops has none.
    game : fastexplain.engine.formulas.transparent.Game or None
        None: transformations were peeled off a black box.
    """

    path: str
    builder: MaskedRowBuilder
    predict: PredictFunction
    players: list[NDArray[np.intp]]
    game: Game | None

    def shap_values(
        self,
        full: NDArray[np.float64],
        base_values: NDArray[np.float64],
        *,
        n_threads: int,
        backend: str,
    ) -> NDArray[np.float64] | None:
        """Values (n_rows, n_players, n_outputs) by the closed form; None if there is none, or they do not add up."""
        if self.game is None or not self.game.closed_form or not self.game.closed_form_rows(self.builder.X).all():
            return None
        values = self.game.shap_values(self.builder.X, n_threads=n_threads, backend=backend)
        gap = np.abs(values.sum(axis=1) + base_values - full).max(axis=0, initial=0.0)
        scale = np.abs(full).max(axis=0, initial=0.0) + np.abs(base_values)
        return values if (gap <= _ADDITIVITY * scale).all() else None

    def scored_game(
        self,
        weights: NDArray[np.float64],
        full: NDArray[np.float64],
        without: NDArray[np.float64],
        *,
        n_threads: int,
        backend: str,
    ) -> ScoredGame | None:
        """The game of the formula's coalition values; None for a black box."""
        if self.game is None:
            return None
        rows = self.builder.X, self.builder.background
        return ScoredGame(self.game, *rows, self.players, weights, full, without, n_threads=n_threads, backend=backend)


def find_formula(
    predict: PredictFunction,
    builder: MaskedRowBuilder,
    players: list[NDArray[np.intp]],
    weights: NDArray[np.float64],
    *,
    n_threads: int,
    backend: str,
) -> Formula | None:
    """What can be seen of a prediction function; None where it is a black box.

    Parameters
    ----------
    predict, builder, players, weights
        As in `BlackBoxGame`.
    """
    if not builder.n_rows:
        return None

    def probed(rows: Any) -> NDArray[np.float64]:
        return predict(rows, rows.shape[0])

    seen = see_through(predict.owner, predict.method, probed, builder.background, builder.X)
    if seen is None:
        return None
    encoded = make_builder(
        seen.encode(builder.X), seen.encode(builder.background), n_threads=n_threads, backend=backend
    )
    columns = _encoded_players(seen, players)
    game = None if seen.model is None else seen.model.bind(encoded.background, weights, columns)
    return Formula(seen.path, encoded, predict.around(seen.predict), columns, game)


def _encoded_players(seen: SeenThrough, players: list[NDArray[np.intp]]) -> list[NDArray[np.intp]]:
    if seen.columns_of is None:
        return players
    none = np.empty(0, dtype=np.intp)
    return [np.concatenate([none, *(seen.columns_of[j] for j in columns)]) for columns in players]
