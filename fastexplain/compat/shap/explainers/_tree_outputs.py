"""What shap's TreeExplainer explains against background rows: the trees' sum, or a function of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.backends import select_backend
from fastexplain.engine.kernel.kernel_shap import kernel_shap
from fastexplain.engine.tree.interventional import InterventionalTreeShap
from fastexplain.engine.tree.transformed import transformed_kernel
from fastexplain.models import TreeModel

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


class _Stretched(AgainstBackground):
    """A function of the raw output: values of each pair of rows stretched, as shap does."""

    is_raw = False

    def __init__(
        self,
        trees: TreeModel,
        rows: Any,
        weights: NDArray[np.float64],
        n_threads: int | None,
        *,
        function: str,
        both_classes: bool = False,
    ) -> None:
        self._trees, self._n_threads, self._both_classes = trees, n_threads, both_classes
        self._function = function
        self.takes_labels = function in ("log_loss", "squared_loss")
        self._background = np.ascontiguousarray(trees.prepare(trees.dense(rows))), weights
        self._kernel = self._compiled()

    def _compiled(self) -> Any:
        threads = resolve_num_threads(self._n_threads)
        return transformed_kernel(select_backend(), self._trees.forest, *self._background, threads)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kernel": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._kernel = self._compiled()

    def expected(self, label: Any = None) -> NDArray[np.float64]:
        margins = np.ravel(self._kernel.background_outputs) + self._trees.forest.base_offset
        number = 0.0 if label is None else float(label)
        outputs = {
            "probability": _sigmoid(margins),
            "log_loss": np.logaddexp(0.0, margins) - number * margins,
            "squared_loss": (margins - number) ** 2,
        }[self._function]
        mean = float(self._kernel.background_weights @ outputs)
        return np.array([1.0 - mean, mean] if self._both_classes else [mean])

    def values(self, rows: Any, labels: NDArray[np.float64] | None) -> NDArray[np.float64]:
        prepared = self._trees.prepare(self._trees.dense(rows))
        forest = self._trees.forest
        values = np.empty((len(prepared), forest.n_features, forest.n_outputs))
        self._kernel.explain(
            prepared,
            transform=self._function,
            slope=1.0,
            offset=float(forest.base_offset[0]),
            labels=np.zeros(len(prepared)) if labels is None else labels,
            values=values,
            n_threads=resolve_num_threads(self._n_threads),
        )
        return np.concatenate([-values, values], axis=2) if self._both_classes else values


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
        return _Stretched(*arguments, function=_loss(trees, rows))
    if output == "probability" and trees.gives_probabilities:
        return AgainstBackground(*arguments)
    if output != "predict" and _is_sigmoid(trees, rows):
        return _Stretched(*arguments, function="probability", both_classes=output == "predict_proba")
    if output == "probability" and trees.task != "classification":
        raise ValueError("model_output='probability' is of classifiers; this model is none. Use 'raw'.")
    same = _agree(getattr(trees.model, "predict_proba" if output == "probability" else output), trees, rows)
    return AgainstBackground(*arguments) if same else _Enumerated(*arguments, output=output)


def _loss(trees: TreeModel, rows: Any) -> str:
    if trees.gives_probabilities or len(trees.forest.base_offset) > 1:
        raise NotImplementedError(
            "model_output='log_loss' is of regressors, whose squared error it is, and of two classes' margins."
        )
    return "log_loss" if _is_sigmoid(trees, rows) else "squared_loss"


def _is_sigmoid(trees: TreeModel, rows: Any) -> bool:
    """Whether the model's probability is the sigmoid of its single raw output."""
    if trees.forest.n_outputs > 1 or trees.gives_probabilities:
        return False
    if hasattr(trees.model, "predict_proba"):
        probability = np.asarray(trees.model.predict_proba(rows), dtype=np.float64)
        probability = probability[:, -1] if probability.ndim == 2 else probability
    else:
        probability = np.asarray(trees.model.predict(trees.rows_to_predict(rows)), dtype=np.float64)
    raw = trees.raw_predict(rows)[:, 0]
    return probability.shape == raw.shape and np.allclose(probability, _sigmoid(raw), rtol=_SAME, atol=_SAME)


def _sigmoid(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 * (1.0 + np.tanh(0.5 * raw))


def _agree(method: Any, trees: TreeModel, rows: Any) -> bool:
    outputs = np.asarray(method(rows), dtype=np.float64).reshape(len(trees.raw_predict(rows)), -1)
    raw = trees.raw_predict(rows)
    return outputs.shape == raw.shape and np.allclose(outputs, raw, rtol=_SAME, atol=_SAME)
