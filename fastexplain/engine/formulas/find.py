"""A formula in place of predict, where a model's formula is known and proves itself."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.known import FormulaModel, Game, KnownFormula, is_numeric, known_formula
from fastexplain.engine.kernel.coalition_games import FormulaGame
from fastexplain.engine.kernel.masking import MaskedRowBuilder, copied, make_builder
from fastexplain.engine.predict import PredictFunction
from fastexplain.engine.progress import Bar, steps
from fastexplain.models.agreement import agrees

__all__ = ["Formula", "FormulaMemory", "encoded_players", "find_formula"]

# Arrays of a model up to this size are compared by their content.
_DIGESTED_BYTES = 2**20
# Largest part of the predictions by which values of a closed form may fail to add up to them.
_ADDITIVITY = 1e-6
# Explained rows of a step under a progress bar, at least: what is computed of the background counts little among them.
_STEP_ROWS = 16


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
    game : fastexplain.engine.formulas.known.Game or None
        None: transformations were peeled off a black box.
    predictions : tuple of float64 arrays or None
        The model's own predictions of the background rows and of the explained rows, where they are known already.
    model : FormulaModel or None
        What `game` is of.
    """

    path: str
    builder: MaskedRowBuilder
    predict: PredictFunction
    players: list[NDArray[np.intp]]
    game: Game | None
    predictions: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    model: FormulaModel | None = None

    def shap_values(
        self,
        full: NDArray[np.float64],
        base_values: NDArray[np.float64],
        bar: Bar,
        *,
        n_threads: int,
        backend: str,
    ) -> NDArray[np.float64] | None:
        """Values (n_rows, n_players, n_outputs) by the closed form; None if there is none, or they do not add up."""
        if self.game is None or not self.game.closed_form or not self.game.closed_form_rows(self.builder.X).all():
            return None
        rows, game = self.builder.X, self.game
        found = [
            game.shap_values(rows[part], n_threads=n_threads, backend=backend)
            for part in steps(len(rows), bar, least=_STEP_ROWS)
        ]
        values = found[0] if len(found) == 1 else np.concatenate(found)
        gap = np.abs(values.sum(axis=1) + base_values - full).max(axis=0, initial=0.0)
        scale = np.abs(full).max(axis=0, initial=0.0) + np.abs(base_values)
        return values if (gap <= _ADDITIVITY * scale).all() else None

    def formula_game(
        self,
        weights: NDArray[np.float64],
        without: NDArray[np.float64],
        *,
        n_threads: int,
        backend: str,
    ) -> FormulaGame | None:
        """The game of the formula's coalition values; None for a black box.

        The full coalition has the formula's value as all others have: a model that is gone can be played the same way.
        """
        if self.game is None or self.model is None:
            return None
        rows = self.builder.X, self.builder.background
        full = self.model.predict(self.builder.X)
        return FormulaGame(self.game, *rows, self.players, weights, full, without, n_threads=n_threads, backend=backend)


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

    seen = _taken_apart(predict, builder)
    if seen is None:
        return None
    return _bound(seen, predict, builder, players, weights, {"n_threads": n_threads, "backend": backend})


def _taken_apart(predict: PredictFunction, builder: MaskedRowBuilder) -> KnownFormula | None:
    def probed(rows: Any) -> NDArray[np.float64]:
        return predict(rows, rows.shape[0])

    return known_formula(predict.owner, predict.method, probed, builder.background, builder.X)


def _bound(
    seen: KnownFormula,
    predict: PredictFunction,
    builder: MaskedRowBuilder,
    players: list[NDArray[np.intp]],
    weights: NDArray[np.float64],
    settings: dict[str, Any],
) -> Formula:
    encoded = make_builder(seen.encode(builder.X), seen.encode(builder.background), **settings)
    columns = encoded_players(seen, players)
    game = None if seen.model is None else seen.model.bind(encoded.background, weights, columns)
    return Formula(seen.path, encoded, predict.around(seen.predict), columns, game, None, seen.model)


class FormulaMemory:
    """The formula that was found for an explainer's model and background, so that single rows need not find it again.

    It serves as long as the model's fitted state is what it was, and the formula predicts the rows at hand as the model
    does; else it is looked for anew. Models of scikit-learn only: the state of others does not show.
    """

    def __init__(self) -> None:
        self._found: _Found | None = None

    def __reduce__(self) -> Any:
        return FormulaMemory, ()  # a copy, or a pickle, finds it again

    def find(
        self,
        predict: PredictFunction,
        builder: MaskedRowBuilder,
        players: list[NDArray[np.intp]],
        weights: NDArray[np.float64],
        *,
        n_threads: int,
        backend: str,
    ) -> Formula | None:
        """As `find_formula`, for one background, players and weights in all calls."""
        settings: dict[str, Any] = {"n_threads": n_threads, "backend": backend}
        state = _fitted_state(predict.owner) if type(predict.owner).__module__.startswith("sklearn.") else None
        found = self._found
        if found is not None and state is not None and found.state == state and builder.n_rows:
            again = found.again(predict, builder, settings)
            if again is not None:
                return again
        self._found = None
        seen = _taken_apart(predict, builder) if builder.n_rows else None
        if seen is None:
            return None
        formula = _bound(seen, predict, builder, players, weights, settings)
        if state is not None and formula.game is not None:
            without = predict(copied(builder.background), builder.n_background)
            full = predict(copied(builder.X), builder.n_rows, without.shape[1])
            self._found = _Found(seen, formula, without, state)
            return formula._replace(predictions=(without, full))
        return formula


class _Found(NamedTuple):
    seen: KnownFormula
    formula: Formula
    without: NDArray[np.float64]
    state: list[Any]

    def again(self, predict: PredictFunction, builder: MaskedRowBuilder, settings: dict[str, Any]) -> Formula | None:
        """The formula for other rows; None where it does not predict them as the model does."""
        model = self.seen.model
        if model is None or not is_numeric(builder.X):
            return None
        encoded = self.seen.encode(builder.X)
        full = predict(copied(builder.X), builder.n_rows, self.without.shape[1])
        if not np.isfinite(encoded).all() or not agrees(model.predict(encoded), full, model.rtol):
            return None
        rows = make_builder(encoded, self.formula.builder.background, **settings)
        return self.formula._replace(builder=rows, predictions=(self.without, full))


def _fitted_state(model: Any) -> list[Any]:
    """What a fitted model consists of: equal lists, equal state. Large arrays are told apart by identity alone.

    One loop, not a recursion, for it runs in every call. The list holds the arrays, so that no identity is used again.
    """
    state: list[Any] = []
    stack, depth = [(model, 0)], 6
    while stack:
        item, level = stack.pop()
        if isinstance(item, np.ndarray):
            small = item.nbytes <= _DIGESTED_BYTES and not item.dtype.hasobject
            state.append((item.shape, _digest(item) if small else _Same(item)))
        elif item is None or isinstance(item, bool | int | float | str):
            state.append(repr(item))
        elif level >= depth:
            state.append(_Same(item))
        elif isinstance(item, list | tuple):
            stack.extend((each, level + 1) for each in item)
        elif isinstance(item, dict):
            state.append(tuple(map(str, item)))
            stack.extend((each, level + 1) for each in item.values())
        else:
            state.append(type(item))
            inside = getattr(item, "__dict__", None)
            if inside:
                stack.append((inside, level + 1))
            else:
                state.append(_Same(item))
    return state


def _digest(array: NDArray[Any]) -> int:
    """Of the bytes as they lie in memory, where that is one piece."""
    return zlib.crc32(array.ravel(order="K").view(np.uint8).data)


class _Same:
    """Equal to another of the same object."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.held is other.held

    def __hash__(self) -> int:
        return id(self.held)


def encoded_players(seen: KnownFormula, players: list[NDArray[np.intp]]) -> list[NDArray[np.intp]]:
    """Columns of each player in encoded rows; a player whose columns the model drops has none."""
    if seen.columns_of is None:
        return players
    none = np.empty(0, dtype=np.intp)
    return [np.concatenate([none, *(seen.columns_of[j] for j in columns)]) for columns in players]
