"""What shap's TreeExplainer explains against background rows: the trees' sum, or what a method makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.kernel.kernel_shap import kernel_shap
from fastexplain.engine.tree.interventional import InterventionalTreeShap
from fastexplain.models import TreeModel

__all__ = ["AgainstBackground"]

# Features up to which outputs that are no sum of trees are enumerated: 2^14 coalitions, each over the whole background.
MAX_ENUMERATED = 14
# What predictions and raw outputs that are the same may differ by.
_SAME = 1e-6


class AgainstBackground:
    """A model and background rows, prepared for an output.

    Parameters
    ----------
    trees : TreeModel
    output : {"raw", "probability", "predict", "predict_proba"}
    rows, weights
        The background.
    n_threads : int, optional

    Attributes
    ----------
    expected : float64 array of shape (n_outputs,)
        Mean output over the background.
    is_raw : bool
        The output is the sum of the trees.
    """

    def __init__(
        self, trees: TreeModel, output: str, rows: Any, weights: NDArray[np.float64], n_threads: int | None
    ) -> None:
        self._rows, self._weights, self._n_threads = rows, weights, n_threads
        self._function = None if output == "raw" else _explained_function(trees, output)
        if self._function is not None:
            outputs = np.asarray(self._function(rows), dtype=np.float64).reshape(len(weights), -1)
            raw = trees.raw_predict(rows)
            if outputs.shape == raw.shape and np.allclose(outputs, raw, rtol=_SAME, atol=_SAME):
                self._function = None
            else:
                _refuse_many_features(trees.forest.n_features, output)
                self.expected: NDArray[np.float64] = weights @ outputs
        self.is_raw = self._function is None
        if self.is_raw:
            self._solver = InterventionalTreeShap(trees, rows, weights=weights, n_threads=n_threads)
            self.expected = self._solver.base_values

    def values(self, rows: Any) -> NDArray[np.float64]:
        """Values (n_rows, n_features, n_outputs) of rows in the form of the background's."""
        if self.is_raw:
            return self._solver.explain(rows, n_threads=self._n_threads).values
        enumerated = kernel_shap(
            self._function, rows, self._rows, weights=self._weights, method="exact", n_threads=self._n_threads
        )
        return enumerated.values


def _explained_function(trees: TreeModel, output: str) -> Any:
    """A function of rows as the model takes them."""
    if output != "probability":
        return getattr(trees.model, output)
    if trees.task != "classification":
        raise ValueError("model_output='probability' is of classifiers; this model is none. Use 'raw'.")
    predict = trees.model.predict_proba
    return (lambda rows: predict(rows)[:, 1]) if trees.single_margin else predict


def _refuse_many_features(n_features: int, output: str) -> None:
    if n_features > MAX_ENUMERATED:
        from fastexplain.compat.shap.utils._exceptions import InvalidModelError

        raise InvalidModelError(
            f"model_output={output!r} is no sum of this model's trees, so that coalitions of features are enumerated, "
            f"for at most {MAX_ENUMERATED} of them; this model has {n_features}. Use model_output='raw', or "
            "KernelExplainer."
        )
