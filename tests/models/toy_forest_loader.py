"""All that a new library takes: a `TreeModel`, a loader, and if it has model files, a reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from toy_forest import ToyForest

from fastexplain.models import Forest, TreeModel
from fastexplain.rows.matrix import as_matrix


class ToyModel(TreeModel):
    library = "Toy"

    def __init__(self, model: ToyForest) -> None:
        self.model = model
        self.task = "classification" if model.classify else "regression"
        self.n_classes, self.single_margin = (2, True) if model.classify else (None, False)
        self.feature_names = None if model.names is None else tuple(model.names)
        columns, cuts, low, high, n_low, n_high = (np.array(values) for values in zip(*model.stumps, strict=True))
        n = len(columns)

        def nodes(root: Any, left: Any, right: Any) -> np.ndarray:
            return np.column_stack([np.broadcast_to(np.asarray(each), n) for each in (root, left, right)]).ravel()

        self.forest = Forest(
            n_features=model.n_columns,
            n_outputs=1,
            tree_offsets=3 * np.arange(n + 1),
            children_left=nodes(1, -1, -1),
            children_right=nodes(2, -1, -1),
            feature=nodes(columns, -1, -1),
            threshold=nodes(cuts, 0.0, 0.0),
            default_left=np.zeros(3 * n, dtype=bool),
            cover=nodes(n_low + n_high, n_low, n_high),
            values=nodes(0.0, low, high),
            tree_output=np.zeros(n, dtype=np.int32),
            base_offset=np.zeros(1),
        )

    def prepare(self, X: Any) -> np.ndarray:
        return as_matrix(X, self.forest.n_features, self.feature_names, self.library)

    def raw_predict(self, X: Any) -> np.ndarray:
        return self.raw_predict_prepared(self.prepare(X))

    def raw_predict_prepared(self, X: Any) -> np.ndarray:
        return self.model.score_rows(X)[:, None]


def load(model: ToyForest) -> ToyModel:
    return ToyModel(model)


def read_file(path: Path) -> ToyForest:
    stored = json.loads(path.read_text())
    model = ToyForest(stored["classify"])
    model.names, model.n_columns, model.stumps = None, stored["n"], stored["stumps"]
    return model
