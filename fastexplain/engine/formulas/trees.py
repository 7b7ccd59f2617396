"""The formula of tree ensembles whose explained output is the sum of their trees: interventional Tree SHAP."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.backends import select_backend
from fastexplain.engine.formulas.known import Columns, FormulaModel, Game, equal_weights, player_of_columns
from fastexplain.engine.tree.interventional import InterventionalTreeShap
from fastexplain.exceptions import ModelConversionError, UnsupportedModelError
from fastexplain.models import Forest, TreeModel, load_model
from fastexplain.models.trees.registry import tree_match

__all__ = ["TreesModel", "trees_formula"]

Float = NDArray[np.float64]

# Steps of rows through trees that are predicted together.
_BLOCK_STEPS = 2**20
# What a float32 model's own sums are good to, relative to the largest prediction.
_FLOAT32_RTOL = 1e-5


class TreesModel(FormulaModel):
    """The raw output of a tree model.

    Attributes
    ----------
    trees : TreeModel
    """

    path = "trees"

    def __init__(self, trees: TreeModel) -> None:
        self.trees = trees
        self.n_features, self.n_outputs = trees.forest.n_features, trees.forest.n_outputs
        self.rtol = _FLOAT32_RTOL if trees.forest.float32_model else 1e-8

    def predict(self, X: Float) -> Float:
        rows, forest = self.trees.prepare(X), self.trees.forest
        step = max(1, _BLOCK_STEPS // max(1, forest.n_trees))
        parts = [forest.predict(rows[begin : begin + step]) for begin in range(0, len(rows), step)]
        return np.concatenate(parts) if parts else np.empty((0, self.n_outputs))

    def bind(self, background: Float, weights: Float | None = None, groups: Columns | None = None) -> Game:
        return _TreesGame(self.trees, background, equal_weights(len(background), weights), groups)


class _TreesGame(Game):
    closed_form = True

    def __init__(self, trees: TreeModel, background: Float, weights: Float, groups: Columns | None) -> None:
        self._trees, self._weights = trees, weights
        self._background = np.array(trees.prepare(background), order="C")
        self._n_players = trees.forest.n_features if groups is None else len(groups)
        player = player_of_columns(groups, trees.forest.n_features)
        # None: every feature is a player, by its own number
        self._players = None if np.array_equal(player, np.arange(len(player))) else player
        self._solvers: dict[str, Any] = {}

    def shap_values(self, X: Float, *, n_threads: int | None = None, backend: str | None = None) -> Float:
        rows, forest = self._trees.prepare(X), self._trees.forest
        if self._players is None:
            values: Float = self._solver(select_backend(backend)).explain(rows, n_threads=n_threads).values
            return values
        # players of several columns are for Numba alone
        values = np.empty((len(rows), self._n_players, forest.n_outputs))
        self._solver("players").explain(rows, values, n_threads=resolve_num_threads(n_threads))
        return values

    def _solver(self, backend: str) -> Any:
        if backend not in self._solvers:
            self._solvers[backend] = self._made(backend)
        return self._solvers[backend]

    def _made(self, backend: str) -> Any:
        forest: Forest = self._trees.forest
        if backend != "players":
            return InterventionalTreeShap(
                forest, self._background, weights=self._weights, dtype=np.float64, backend=backend
            )
        from fastexplain.engine.tree.numba_interventional import InterventionalShap

        return InterventionalShap(forest, self._background, weights=self._weights, players=self._players)

    def coalition_values(
        self, x: Float, masks: NDArray[np.bool_], *, n_threads: int | None = None, backend: str | None = None
    ) -> Float:
        from fastexplain.engine.formulas.numba_trees import mean_outputs

        row = self._trees.prepare(x[None])
        kept = masks if self._players is None else masks[:, self._players]
        return mean_outputs(
            self._trees.forest, row, self._background, self._weights, kept, n_threads=resolve_num_threads(n_threads)
        )


def trees_formula(owner: Any, method: str | None, background: Any) -> FormulaModel | None:
    """Loader: tree models, of whose methods those that return the sum of the trees."""
    if tree_match(owner) is None:
        return None
    try:
        trees = load_model(owner, check=False)  # the caller compares the two
    except (UnsupportedModelError, ModelConversionError):
        return None
    return TreesModel(trees) if method == _summing_method(trees) else None


def _summing_method(trees: TreeModel) -> str:
    if trees.task == "regression":
        return "predict"  # where a link is in the way, predictions differ, and the formula is not used
    return "predict_proba" if trees.gives_probabilities else "decision_function"
