"""What a scoring explainer computes with: one `Method` per kind of model, made of arrays and plain data alone."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.rows.encoding import RowEncoding
from fastexplain.scoring.fields import Fields

__all__ = ["Attributed", "Method"]

Floats = NDArray[np.float64]


class Attributed(NamedTuple):
    """Numbers of some rows, from one pass.

    Attributes
    ----------
    values : float64 array of shape (n_rows, n_features, n_outputs)
    base_values : float64 array of shape (n_outputs,)
    predictions : array of shape (n_rows,), or (n_rows, n_outputs) of a regression of several targets
        Labels of a classifier.
    probabilities : float64 array of shape (n_rows, n_classes), or None
    standard_errors : float64 array of the values' shape, or None where they are exact
    """

    values: Floats
    base_values: Floats
    predictions: NDArray[Any]
    probabilities: Floats | None
    standard_errors: Floats | None = None

    def over(self, change: Callable[[Floats], Floats]) -> Attributed:
        """The same rows with values, and their errors, of other features."""
        errors = self.standard_errors
        return self._replace(values=change(self.values), standard_errors=None if errors is None else change(errors))


class Method(abc.ABC):
    """Values and predictions of rows of numbers.

    Attributes
    ----------
    kind : str
        ``"tree"``, ``"linear"``, ...: the key of an artifact's content.
    encoding : RowEncoding
        How the user's rows become those numbers.
    task : {"classification", "regression"}
    classes : list or None
        Labels that predictions are.
    n_raw : int or None
        Values are of so many raw features already, which play as a whole; None: of the encoding's columns.
    """

    kind: ClassVar[str]
    encoding: RowEncoding
    task: str
    classes: list[Any] | None
    n_raw: int | None = None

    @abc.abstractmethod
    def attribute(self, matrix: NDArray[np.floating[Any]], n_threads: int | None) -> Attributed:
        """Values and predictions of rows (n_rows, n_features) in the encoding."""

    def predicted(self, matrix: NDArray[np.floating[Any]]) -> tuple[NDArray[Any], Floats | None] | None:
        """Predictions and probabilities alone, of a method whose values cost much more than these; None of others."""
        return None

    @abc.abstractmethod
    def parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """What it is made of: content that JSON can hold, and arrays by name."""

    @classmethod
    @abc.abstractmethod
    def from_parts(cls, content: Fields, encoding: RowEncoding) -> Method:
        """The same again, after every number was checked.

        Parameters
        ----------
        content : Fields
            Of the whole artifact; what `parts` returned is its field ``"model"``.
        encoding : RowEncoding
        """

    @property
    def needs_predictor(self) -> bool:
        """Whether the model is a black box, of which an artifact holds nothing, and none was given in its place."""
        return False

    def take_predictor(self, predictor: Callable[[Any], Any]) -> None:
        """Compute with a model that the caller gives.

        Raises
        ------
        ValueError
            The method has a model of its own.
        """
        raise ValueError("predictor= is for artifacts of black boxes; this one holds its model. Leave it out.")

    def labels(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Labels of the classes of these indices; the indices where there are no labels."""
        return indices if self.classes is None else _label_array(self.classes)[indices]


def _label_array(classes: list[Any]) -> NDArray[Any]:
    array = np.asarray(classes)
    if array.ndim == 1 and array.tolist() == classes:
        return array
    mixed = np.empty(len(classes), dtype=object)
    mixed[:] = classes
    return mixed
