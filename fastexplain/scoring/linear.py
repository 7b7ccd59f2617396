"""Linear and generalised linear models as a `Method`: coefficients times distances from the means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.additive import RESPONSES
from fastexplain.engine.linear.linear_shap import linear_shap
from fastexplain.rows.encoding import RowEncoding
from fastexplain.scoring.fields import Fields
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
        # not by BLAS, whose sums of a row alone are others than those of a row among many
        margins = (rows[:, None, :] * self.coef).sum(axis=2) + self.offset
        predictions, probabilities = self._answers(margins)
        return Attributed(values, base, predictions, probabilities)

    def _answers(self, margins: Floats) -> tuple[NDArray[Any], Floats | None]:
        outputs = None if self.response is None else RESPONSES[self.response].apply(margins)
        if self.task == "regression":
            assert outputs is not None
            return (outputs[:, 0] if outputs.shape[1] == 1 else outputs), None
        single = margins.shape[1] == 1
        return self.labels((margins[:, 0] > 0).astype(np.int64) if single else margins.argmax(axis=1)), outputs

    def parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        content = {"response": self.response, "n_margins": len(self.coef)}
        return content, {"linear.coef": self.coef, "linear.offset": self.offset, "linear.mean": self.mean}

    @classmethod
    def from_parts(cls, content: Fields, encoding: RowEncoding) -> LinearMethod:
        fields, n_features = content.object("model"), encoding.n_features
        n_margins = fields.integer("n_margins", 1)
        task = content.text("task", ("classification", "regression"))
        response = fields.text("response", tuple(RESPONSES)) if fields.present("response") else None
        single = response in ("sigmoid", "modified_huber")
        if (response is None and task == "regression") or (single and n_margins != 1):
            raise fields.error("response", f"is {response!r}, of {task} with {n_margins} margins.")
        n_classes = max(2, n_margins) if task == "classification" else None
        return cls(
            fields.array("linear.coef", "float64", (n_margins, n_features)),
            fields.array("linear.offset", "float64", (n_margins,)),
            fields.array("linear.mean", "float64", (n_features,)),
            response,
            task,
            content.labels_or_none("classes", n_classes),
            encoding,
        )
