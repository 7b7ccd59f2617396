"""Linear and generalised linear models as a `Method`: coefficients times distances from the means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.additive import RESPONSES
from fastexplain.engine.linear.linear_shap import linear_shap
from fastexplain.rows.encoding import RowEncoding
from fastexplain.scoring.method import Attributed, Floats, Method

__all__ = ["LinearMethod"]


class LinearMethod(Method):
    """Values of a linear model's margin.

    Parameters
    ----------
    coef : float64 array of shape (n_margins, n_features)
    offset : float64 array of shape (n_margins,)
    mean : float64 array of shape (n_features,)
        Where values start from.
    response : str or None
        Key of `RESPONSES`: what the prediction of a regression, or the probabilities of a classifier, are of the
        margins; None for a classifier without probabilities.
    task, classes, encoding
        As in `Method`.
    """

    kind = "linear"

    def __init__(
        self,
        coef: Floats,
        offset: Floats,
        mean: Floats,
        response: str | None,
        task: str,
        classes: list[Any] | None,
        encoding: RowEncoding,
    ) -> None:
        self.coef, self.offset, self.mean, self.response = coef, offset, mean, response
        self.task, self.classes, self.encoding = task, classes, encoding

    def attribute(self, matrix: NDArray[np.floating[Any]], n_threads: int | None) -> Attributed:
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        if not len(rows):
            values, base = np.empty((0, *self.coef.T.shape)), self.coef @ self.mean + self.offset
        else:
            values, base = linear_shap((self.coef, self.offset), rows, mean=self.mean, n_threads=n_threads)
        predictions, probabilities = self._answers(rows @ self.coef.T + self.offset)
        return Attributed(values, base, predictions, probabilities)

    def _answers(self, margins: Floats) -> tuple[NDArray[Any], Floats | None]:
        outputs = None if self.response is None else RESPONSES[self.response].apply(margins)
        if self.task == "regression":
            assert outputs is not None
            return (outputs[:, 0] if outputs.shape[1] == 1 else outputs), None
        single = margins.shape[1] == 1
        return self.labels((margins[:, 0] > 0).astype(np.int64) if single else margins.argmax(axis=1)), outputs

    def parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        content = {"response": self.response, "task": self.task, "classes": self.classes}
        return content, {"linear.coef": self.coef, "linear.offset": self.offset, "linear.mean": self.mean}

    @classmethod
    def from_parts(
        cls, content: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], encoding: RowEncoding
    ) -> LinearMethod:
        coef, offset, mean = (arrays[f"linear.{name}"] for name in ("coef", "offset", "mean"))
        return cls(coef, offset, mean, content["response"], content["task"], content["classes"], encoding)
