"""What shap's TreeExplainer explains against background rows: the trees' sum, or a function of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.kernel.kernel_shap import kernel_shap
from fastexplain.engine.tree.interventional import InterventionalTreeShap
from fastexplain.engine.tree.result import TreeShapResult
from fastexplain.models import TreeModel
from fastexplain.rows.tables import slice_rows

__all__ = ["OUTPUTS", "AgainstBackground", "against_background"]

OUTPUTS = ("raw", "probability", "log_loss", "predict", "predict_proba")
# Features up to which other functions of the trees are enumerated: 2^14 coalitions, each over the whole background.
MAX_ENUMERATED = 14
# What predictions and functions of raw outputs that are the same may differ by.
_SAME = 1e-6


class AgainstBackground:
    """A model and background rows, prepared for an output: the sum of the trees.

    Attributes
    ----------
    is_raw : bool
    takes_labels : bool
    """

    is_raw = True
    takes_labels = False

    def __init__(self, trees: TreeModel, rows: Any, weights: NDArray[np.float64], n_threads: int | None) -> None:
        # float64 lanes whatever the model: so shap computes, and so it compares sums with predictions
        self._solver = InterventionalTreeShap(trees, rows, weights=weights, dtype=np.float64, n_threads=n_threads)
        self._n_threads = n_threads

    def expected(self, label: Any = None) -> NDArray[np.float64]:
        """Mean output over the background, (n_outputs,); of losses, by the label."""
        return self._solver.base_values

    def values(self, rows: Any, labels: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Values (n_rows, n_features, n_outputs) of rows in the form of the background's."""
        return self._solver.explain(rows, n_threads=self._n_threads).values


class _Transformed(AgainstBackground):
    """What follows from a single margin: its values, pair by pair, made to add up, as shap does."""

    is_raw = False

    def __init__(
        self,
        trees: TreeModel,
        rows: Any,
        weights: NDArray[np.float64],
        n_threads: int | None,
        *,
        output: str,
        both_classes: bool = False,
    ) -> None:
        super().__init__(trees, rows, weights, n_threads)
        self._output, self._both_classes = output, both_classes
        self._classes = trees.classes if trees.logistic_slope is not None else None
        self._row = slice_rows(rows, 0, 1)
        self.takes_labels = output == "log_loss"

    def expected(self, label: Any = None) -> NDArray[np.float64]:
        labels = np.array([0.0 if label is None else label]) if self.takes_labels else None
        mean = self._explained(self._row, labels).base_values.reshape(-1)
        return np.concatenate([1.0 - mean, mean]) if self._both_classes else mean

    def values(self, rows: Any, labels: NDArray[np.float64] | None) -> NDArray[np.float64]:
        values = self._explained(rows, labels).values
        return np.concatenate([-values, values], axis=2) if self._both_classes else values

    def _explained(self, rows: Any, labels: NDArray[np.float64] | None) -> TreeShapResult:
        y = labels
        if labels is not None and self._classes is not None:
            y = np.asarray(self._classes)[labels.astype(np.intp)]
        return self._solver.explain(rows, model_output=self._output, y=y, n_threads=self._n_threads)


class _Enumerated(AgainstBackground):
    """A method's output that is no function that is known: Shapley values by enumeration."""

    is_raw = False

    def __init__(
        self, trees: TreeModel, rows: Any, weights: NDArray[np.float64], n_threads: int | None, *, output: str
    ) -> None:
        n_features = trees.forest.n_features
        if n_features > MAX_ENUMERATED:
            from fastexplain.compat.shap.utils._exceptions import InvalidModelError

            raise InvalidModelError(
                f"model_output={output!r} is no sum of this model's trees and no sigmoid of it, so that coalitions of "
                f"features are enumerated, for at most {MAX_ENUMERATED} of them; this model has {n_features}. Use "
                "model_output='raw', or KernelExplainer."
            )
        self._method = getattr(trees.model, "predict_proba" if output == "probability" else output)
        self._rows, self._weights, self._n_threads = rows, weights, n_threads

    def expected(self, label: Any = None) -> NDArray[np.float64]:
        outputs = np.asarray(self._method(self._rows), dtype=np.float64)
        mean: NDArray[np.float64] = self._weights @ outputs.reshape(len(outputs), -1)
        return mean

    def values(self, rows: Any, labels: NDArray[np.float64] | None) -> NDArray[np.float64]:
        options: dict[str, Any] = {"weights": self._weights, "method": "exact", "n_threads": self._n_threads}
        return kernel_shap(self._method, rows, self._rows, **options).values


def against_background(
    trees: TreeModel, output: str, rows: Any, weights: NDArray[np.float64], n_threads: int | None
) -> AgainstBackground:
    """What explains an output.

    Parameters
    ----------
    trees : TreeModel
    output : str
        One of `OUTPUTS`.
    rows, weights
        The background.
    n_threads : int, optional

    Raises
    ------
    InvalidModelError
        The output is enumerated, and there are too many features.
    ValueError
        It is of other models.
    """
    arguments = trees, rows, weights, n_threads
    if output == "raw":
        return AgainstBackground(*arguments)
    if output == "log_loss":
        return _Transformed(*arguments, output=output)
    if output == "probability" and trees.gives_probabilities:
        return AgainstBackground(*arguments)
    if output != "predict" and trees.logistic_slope is not None:
        return _Transformed(*arguments, output="probability", both_classes=output == "predict_proba")
    if output == "probability" and trees.task != "classification":
        raise ValueError("model_output='probability' is of classifiers; this model is none. Use 'raw'.")
    same = _agree(getattr(trees.model, "predict_proba" if output == "probability" else output), trees, rows)
    return AgainstBackground(*arguments) if same else _Enumerated(*arguments, output=output)


def _agree(method: Any, trees: TreeModel, rows: Any) -> bool:
    outputs = np.asarray(method(rows), dtype=np.float64).reshape(len(trees.raw_predict(rows)), -1)
    raw = trees.raw_predict(rows)
    return outputs.shape == raw.shape and np.allclose(outputs, raw, rtol=_SAME, atol=_SAME)
