"""The formula of k nearest neighbours: the distance of a masked row to a training row is a sum over columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.known import (
    Columns,
    FormulaModel,
    Game,
    as_float64,
    equal_weights,
    sums_by_player,
)
from fastexplain.engine.formulas.masked_predictions import average_neighbors, padded
from fastexplain.engine.formulas.table_game import TableGame

__all__ = ["NeighborsModel", "neighbors_formula"]

Float = NDArray[np.float64]

# Larger training sets stay with the library: its search trees do not look at every row, and one row's table is held.
MOST_CELLS = 2**24


class NeighborsModel(FormulaModel):
    """Mean target of the nearest training rows.

    Attributes
    ----------
    rows : float64 array of shape (n_train, n_features)
    targets : float64 array of shape (n_train, n_outputs)
        Values of a regressor; 0 or 1 for each class of a classifier.
    n_neighbors : int
    power : float
        p of the Minkowski distance.
    by_distance : bool
        Neighbours weigh 1 / distance; else all the same.
    """

    path = "neighbors"

    def __init__(self, rows: Float, targets: Float, n_neighbors: int, power: float, by_distance: bool) -> None:
        self.rows, self.targets = rows, targets
        self.n_neighbors, self.power, self.by_distance = n_neighbors, power, by_distance
        self.n_features, self.n_outputs = rows.shape[1], targets.shape[1]

    def predict(self, X: Float) -> Float:
        values = np.empty((len(X), self.n_outputs))
        for i, row in enumerate(X):
            distances = self.cells(row[None])[0].sum(axis=0)
            nearest = np.argsort(distances, kind="stable")[: self.n_neighbors]
            weights = self._weights(distances[nearest])
            values[i] = weights @ self.targets[nearest] / weights.sum()
        return values

    def bind(self, background: Float, weights: Float | None = None, groups: Columns | None = None) -> Game:
        return _Game(self, background, equal_weights(len(background), weights), groups)

    def cells(self, X: Float) -> Float:
        """Share of every column in the distance to the power p: (n_rows, n_features, n_train)."""
        difference = X[:, :, None] - self.rows.T
        return difference * difference if self.power == 2 else np.abs(difference) ** self.power

    def _weights(self, distances: Float) -> Float:
        if not self.by_distance:
            return np.ones(len(distances))
        if distances[0] == 0:
            return np.asarray(distances == 0, dtype=np.float64)
        return distances ** (-1 / self.power)


class _Game(TableGame):
    def __init__(self, model: NeighborsModel, background: Float, weights: Float, groups: Columns | None) -> None:
        self._model, self._groups = model, groups
        self._targets = np.ascontiguousarray(padded(model.targets.T).T)
        super().__init__(
            background, weights, n_terms=len(self._targets), n_outputs=model.n_outputs, width=model.n_outputs
        )

    def tables(self, rows: Float) -> Float:
        return padded(sums_by_player(self._model.cells(rows), self._groups), np.inf)

    def score(
        self, row: Float, background: Float, masks: NDArray[np.uint8], n_threads: int | None, backend: str | None
    ) -> Float:
        model = self._model
        return average_neighbors(
            row,
            background,
            self._targets,
            masks,
            n_neighbors=model.n_neighbors,
            power=model.power,
            by_distance=model.by_distance,
            n_threads=n_threads,
            backend=backend,
        )


def neighbors_formula(owner: Any, method: str | None, background: Any) -> FormulaModel | None:
    """Loader: scikit-learn's KNeighborsClassifier and KNeighborsRegressor with a Minkowski distance.

    Where training rows are equally distant the library takes any of them; the probe rows then differ, as a rule.
    """
    power = _power(owner)
    if power is None or owner.weights not in ("uniform", "distance") or np.size(owner._fit_X) > MOST_CELLS:
        return None
    y = np.asarray(owner._y)
    if method == "predict_proba" and y.ndim == 1:
        targets = np.equal.outer(y, np.arange(len(owner.classes_))).astype(np.float64)
    elif method == "predict" and not hasattr(owner, "classes_"):
        targets = y.reshape(len(y), -1).astype(np.float64)
    else:
        return None
    return NeighborsModel(as_float64(owner._fit_X), targets, owner.n_neighbors, power, owner.weights == "distance")


def _power(owner: Any) -> float | None:
    parameters = {key: value for key, value in owner.effective_metric_params_.items() if value is not None}
    if set(parameters) - {"p"}:
        return None
    metric = owner.effective_metric_
    if metric not in ("euclidean", "manhattan", "minkowski"):
        return None
    power = {"euclidean": 2.0, "manhattan": 1.0}.get(metric, float(parameters.get("p", 2.0)))
    return power if 0 < power < np.inf else None
