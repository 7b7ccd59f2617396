"""A tree model from arrays alone: what is left of one when its library is not there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.models.trees.answers import Answers
from fastexplain.models.trees.base import TreeModel
from fastexplain.models.trees.forest import Forest
from fastexplain.rows.encoding import RowEncoding

__all__ = ["StoredTreeModel"]


class StoredTreeModel(TreeModel):
    """A forest with its library's rules for rows and answers, as data.

    It explains and predicts as the model that it was made from, and takes its place wherever a `TreeModel` does.

    Parameters
    ----------
    forest : Forest
    encoding : RowEncoding
    answers : Answers
    task : {"classification", "regression"}
    classes : list or None
        Labels of the classes, in the order of the outputs.
    n_classes : int or None
    votes : float64 array of shape (n_nodes, n_outputs), or None
        As `TreeModel.votes`.
    predicts_raw : bool
    logistic_slope : float or None
    gives_probabilities : bool
    """

    model = None

    def __init__(
        self,
        forest: Forest,
        encoding: RowEncoding,
        answers: Answers,
        *,
        task: str,
        classes: list[Any] | None,
        n_classes: int | None,
        votes: NDArray[np.float64] | None,
        predicts_raw: bool,
        logistic_slope: float | None,
        gives_probabilities: bool,
    ) -> None:
        self.library = encoding.library
        self.forest = forest
        self.task, self.classes, self.n_classes = task, classes, n_classes
        self.feature_names = encoding.names
        self.single_margin = task == "classification" and forest.n_outputs == 1
        self.gives_probabilities = gives_probabilities
        self._rows, self._answers, self._votes = encoding, answers, votes
        self._predicts_raw, self._slope = predicts_raw, logistic_slope
        self.reach = _reach(forest)

    @classmethod
    def of(cls, model: TreeModel, examples: Any = None) -> StoredTreeModel:
        """What is kept of a loaded model.

        Parameters
        ----------
        model : TreeModel
        examples : table, optional
            As in `TreeModel.encoding`.
        """
        if isinstance(model, cls):
            return model
        return cls(
            model.forest,
            model.encoding(examples),
            model.answers,
            task=model.task,
            classes=model.classes,
            n_classes=model.n_classes,
            votes=model.votes(),
            predicts_raw=model.predicts_raw,
            logistic_slope=model.logistic_slope,
            gives_probabilities=model.gives_probabilities,
        )

    @property
    def answers(self) -> Answers:
        return self._answers

    def encoding(self, examples: Any = None) -> RowEncoding:
        return self._rows

    def votes(self) -> NDArray[np.float64] | None:
        return self._votes

    def own_outputs(self, X: NDArray[np.floating]) -> NDArray[np.float64] | None:
        return None

    @property
    def predicts_raw(self) -> bool:
        return self._predicts_raw

    @property
    def logistic_slope(self) -> float | None:
        return self._slope

    def dense(self, X: Any) -> Any:
        return self._rows.dense(X)

    def prepare(self, X: Any) -> NDArray[np.floating]:
        return self._rows.matrix(X)

    def raw_predict(self, X: Any) -> NDArray[np.float64]:
        return self.raw_predict_prepared(self.prepare(self.dense(X)))

    def raw_predict_prepared(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Raw outputs, added up in the library's order and arithmetic: meant for few rows."""
        forest, answers = self.forest, self._answers
        kind = np.float32 if answers.arithmetic == "float32" else np.float64
        votes = self._votes if answers.votes > 1 else None
        values = forest.values if votes is None else votes
        leaves = forest.leaf_indices(X)
        total = np.zeros((len(X), forest.n_outputs), dtype=kind)
        total += forest.base_offset.astype(kind)
        for tree, leaf in enumerate(leaves):
            if forest.n_leaf_outputs == forest.n_outputs:
                total += values[leaf].astype(kind)
            else:
                total[:, forest.tree_output[tree]] += values[leaf, 0].astype(kind)
        if votes is not None:
            total /= answers.votes
        return total.astype(np.float64)

    def class_indices(self, raw: NDArray[np.float64], X: NDArray[np.floating]) -> NDArray[np.int64]:
        """Index of the class that the library predicts, from raw outputs up to rounding.

        Parameters
        ----------
        raw : array of shape (n_rows, n_outputs)
            Up to rounding; rows whose class hangs on that are added up anew.
        X : array of shape (n_rows, n_features)
            The rows, as `prepare` returns them.
        """
        indices = self._answers.clear_classes(raw)
        unsure = self._answers.unsure(raw, self.reach)
        if unsure.any():
            indices[unsure] = self._answers.classes(self.raw_predict_prepared(X[unsure]))
        return indices


def _reach(forest: Forest) -> float:
    """Largest sum of absolute leaf values that a row can have, and the offset."""
    largest = np.abs(forest.values).max(axis=1, initial=0.0)
    starts = forest.tree_offsets[:-1]
    per_tree = np.maximum.reduceat(largest, starts) if len(starts) else np.zeros(0)
    return float(per_tree.sum() + np.abs(forest.base_offset).max(initial=0.0))
