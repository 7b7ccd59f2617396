"""`ExplanationAdapter`: local values that another library computed, as an explanation of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastexplain.engine.arguments import batch_rows
from fastexplain.explanation.global_explanation import GlobalExplanation
from fastexplain.explanation.interpret.factories import create_global_from_local, create_local_explanation
from fastexplain.explanation.local_explanation import LocalExplanation
from fastexplain.rows.kinds import is_sparse

__all__ = ["ExplanationAdapter"]


class ExplanationAdapter:
    """Makes explanations of local importance values that shap, captum or another library computed.

    Parameters
    ----------
    features : list, optional
        Names of the features.
    classification : bool, default False
        Whether the values explain a classifier.
    method : str, default "Adapter"
        How the values came about.
    """

    def __init__(
        self, features: Sequence[Any] | None = None, classification: bool = False, method: str = "Adapter"
    ) -> None:
        self.features = features
        self.classification = classification
        self.method = method

    def create_local(
        self, local_importance_values: Any, evaluation_examples: Any = None, expected_values: Any = None
    ) -> LocalExplanation:
        """Make a local explanation.

        Parameters
        ----------
        local_importance_values : array-like or sparse
            Rows x features; of several classes a list of such matrices, or shap's array of rows x features x classes.
            (An array of classes x rows x features is told from that by the shape of `evaluation_examples`.) One
            matrix for a classifier is that of class 1: class 0 has the negative. Kept without a copy, except lists.
        evaluation_examples : array-like or table of shape (n_rows, n_features), optional
            The explained rows.
        expected_values : number or list, optional
            The model's mean output. One number for two classes is that of class 1: class 0 has the negative.

        Returns
        -------
        LocalExplanation
            A `SparseLocalExplanation` of sparse values.

        Raises
        ------
        ValueError
            Shapes, names, rows or expected values contradict each other.
        TypeError
            The values are not numbers.
        """
        values = self._class_first(local_importance_values, _shape(evaluation_examples), expected_values)
        explanation = create_local_explanation(
            expected_values=expected_values,
            classification=self.classification,
            eval_data=evaluation_examples,
            local_importance_values=values,
            features=self.features,
            method=self.method,
        )
        shape = _shape(evaluation_examples)
        if len(shape) == 2 and shape[0] != explanation.num_examples:
            raise ValueError(
                f"evaluation_examples has {shape[0]} rows; local_importance_values has {explanation.num_examples}."
            )
        return explanation

    def create_global(
        self,
        local_importance_values: Any,
        evaluation_examples: Any = None,
        expected_values: Any = None,
        include_local: bool = True,
        batch_size: int = 100,
    ) -> GlobalExplanation:
        """Make a global explanation: the mean of |local value| over the rows.

        Parameters
        ----------
        local_importance_values, evaluation_examples, expected_values
            As in `create_local`.
        include_local : bool, default True
            Keep the local values in the result.
        batch_size : int, default 100
            Without effect: the mean needs no copy of the values, whatever their number.

        Returns
        -------
        GlobalExplanation
            With `include_local` a `GlobalLocalExplanation`, or `SparseGlobalLocalExplanation`.

        Raises
        ------
        ValueError
            As in `create_local`; or there are no rows, or `batch_size` is not a positive whole number.
        TypeError
            The values are not numbers.
        """
        batch_rows(batch_size)
        local = self.create_local(local_importance_values, evaluation_examples, expected_values)
        return create_global_from_local(local, include_local=include_local)

    def _class_first(self, given: Any, rows: tuple[int, ...], expected: Any) -> Any:
        """Values in the layout that `create_local_explanation` takes."""
        is_list = isinstance(given, list | tuple)
        if is_sparse(given) or (is_list and len(given) and is_sparse(given[0])):
            return given
        if hasattr(given, "detach"):  # a torch tensor, which may need a gradient
            given = given.detach().cpu()
        array = np.asarray(given)
        if array.ndim == 3 and not is_list:
            is_class_first = len(rows) == 2 and array.shape[:2] != rows and array.shape[1:] == rows
            array = array if is_class_first else np.moveaxis(array, 2, 0)
        if array.ndim == 3 and not self.classification and len(array) == 1:
            return array[0]
        if array.ndim == 2 and self.classification:
            # one margin stands for both classes, unless their expected values are no margins
            both = np.ravel(expected) if expected is not None else np.zeros(1)
            return np.stack([-array, array]) if len(both) == 2 and both[0] != -both[1] else array[np.newaxis]
        return array


def _shape(rows: Any) -> tuple[int, ...]:
    return tuple(getattr(rows, "shape", ()))
