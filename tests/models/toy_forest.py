"""A library of trees that fastexplain has never heard of, as its author would write it; for `test_new_library`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


class ToyForest:
    """Stumps; the prediction is the sum of one value per stump, and a class's log-odds where it classifies."""

    def __init__(self, classify: bool = False) -> None:
        self.classify = classify

    def fit(self, X: Any, y: Any) -> ToyForest:
        rows, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
        self.names = list(X.columns) if hasattr(X, "columns") else None
        self.n_columns = rows.shape[1]
        self.stumps = []
        left_over = y - y.mean()
        for column in range(rows.shape[1]):
            cut = float(np.median(rows[:, column]))
            below = rows[:, column] <= cut
            low, high = float(left_over[below].mean()), float(left_over[~below].mean())
            left_over = left_over - np.where(below, low, high)
            self.stumps.append((column, cut, low, high, int(below.sum()), int((~below).sum())))
        return self

    def score_rows(self, X: Any) -> np.ndarray:
        rows = np.asarray(X, dtype=float)
        return np.sum([np.where(rows[:, c] <= cut, low, high) for c, cut, low, high, _, _ in self.stumps], axis=0)

    def predict(self, X: Any) -> np.ndarray:
        score = self.score_rows(X)
        return (score > 0).astype(int) if self.classify else score

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"classify": self.classify, "n": self.n_columns, "stumps": self.stumps}))
