"""What the rest of the package knows of a fitted tree model, whichever library trained it."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.models.trees.answers import Answers
from fastexplain.models.trees.forest import Forest
from fastexplain.rows.arrays import dense
from fastexplain.rows.encoding import RowEncoding

__all__ = ["TreeModel"]


class TreeModel(abc.ABC):
    """A fitted model of some library, and the `Forest` that computes the same raw outputs.

    One subclass per library. The constructor converts; `fastexplain.models.load_model` then checks the result
    against the library's own prediction (`fastexplain.models.trees.check.check_conversion`).

    Attributes
    ----------
    model : object
        The user's fitted model.
    library : str
        Name of the library as messages give it, e.g. ``"LightGBM"``.
    forest : Forest
    task : {"classification", "regression"}
        Rankers and survival models count as regression: one score per row.
    n_classes : int or None
        None for regression.
    classes : list or None
        The labels that the model was fitted on, where it knows them.
    feature_names : tuple of str or None
        Names that the model was fitted on, in its own column order; None if it saw none.
    single_margin : bool
        True where a binary classifier has one raw output (the margin of class 1), so that class 0 is its negative.
    gives_probabilities : bool
        The raw output of a classifier is the probability of each class, as with forests of classification trees.
    is_bare : bool
        `model` has none of scikit-learn's methods, as a Booster; set by `load_model`, as registered.
    """

    model: Any
    library: str
    forest: Forest
    task: str
    n_classes: int | None = None
    classes: list[Any] | None = None
    feature_names: tuple[str, ...] | None = None
    single_margin: bool = False
    gives_probabilities: bool = False
    is_bare: bool = False

    @property
    def units(self) -> str:
        """What the raw output is: ``"margin"``, ``"probability"`` or ``"model output"``."""
        if self.task == "regression":
            return "model output"
        return "probability" if self.gives_probabilities else "margin"

    @property
    def logistic_slope(self) -> float | None:
        """k, where ``1 / (1 + exp(-k raw))`` is the probability of the second class (or the prediction); else None."""
        return 1.0 if self.single_margin else None

    @property
    def predicts_raw(self) -> bool:
        """Whether the raw output is a prediction in the units of the target."""
        return False

    @property
    def answers(self) -> Answers:
        """How raw outputs become what the library answers.

        By default, what the attributes above say: a regression's raw output is its prediction, and the largest output
        or probability is the class.
        """
        if self.task == "regression":
            return Answers()
        if self.gives_probabilities:
            return Answers(decision="largest")
        slope = self.logistic_slope
        if slope is not None:
            return Answers("logistic", slope, "positive")
        return Answers("softmax", decision="largest_raw")

    def encoding(self, examples: Any = None) -> RowEncoding:
        """How `prepare` turns rows into numbers, as data. By default rows are numbers.

        Parameters
        ----------
        examples : table, optional
            Rows like those of the training, where the model alone does not say which columns hold its categories.
        """
        return self._encoding()

    def _encoding(self, **rules: Any) -> RowEncoding:
        """An encoding of what the forest takes, with the library's further rules."""
        forest = self.forest
        return RowEncoding(
            self.library,
            forest.n_features,
            self.feature_names,
            allow_nan=forest.allow_nan,
            allow_inf=forest.allow_inf,
            float32=forest.float32_input,
            missing_value=forest.missing_value,
            **rules,
        )

    def own_outputs(self, X: NDArray[np.floating]) -> NDArray[np.float64] | None:
        """What the library itself answers to rows that `prepare` returned: probabilities of a classifier, predictions.

        A bare booster's are of its one method. None where the library's methods cannot be asked about such rows.
        """
        asked = "predict_proba" if self.task == "classification" and not self.is_bare else "predict"
        return np.asarray(getattr(self.model, asked)(self.rows_to_predict(X)), dtype=np.float64)

    def votes(self) -> NDArray[np.float64] | None:
        """Leaf values of all nodes before the library divides by the number of trees, where ties hang on them."""
        return None

    @property
    def is_current(self) -> bool:
        """Whether `model` is still what was converted, as far as a glance tells: fit gives some models new trees."""
        return True

    @property
    def explained_methods(self) -> tuple[str, ...]:
        """Methods of `model` that the raw output stands for: a subclass that changes their answer is refused."""
        return ("predict",) if self.task == "regression" else ("predict_proba", "decision_function")

    def dense(self, X: Any) -> Any:
        """Sparse rows as a dense array, whose cells that are not stored hold what they mean to the library: 0."""
        return dense(X)

    def rows_to_predict(self, X: Any) -> Any:
        """Rows in the form that the own ``predict`` of `model` takes: as they are, but for libraries with a type."""
        return X

    @abc.abstractmethod
    def prepare(self, X: Any) -> NDArray[np.floating]:
        """Rows as the user has them -> float array (n_rows, n_features) in the encoding that `forest` routes.

        Checks width and column names (a `ValueError` names what differs), turns categories into the model's codes,
        and refuses NaN or infinite values where the library refuses them. float32 and float64 arrays, C or Fortran
        order or strided, pass through without a copy.
        """

    @abc.abstractmethod
    def raw_predict(self, X: Any) -> NDArray[np.float64]:
        """The library's own raw prediction of the user's rows, of shape (n_rows, n_outputs)."""

    @abc.abstractmethod
    def raw_predict_prepared(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """The library's own raw prediction of rows that `prepare` returned, of shape (n_rows, n_outputs)."""
