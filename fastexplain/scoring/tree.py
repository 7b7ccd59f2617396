"""Tree ensembles as a `Method`: Tree SHAP of a forest's arrays, with predictions from the same pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.background import Background, as_background
from fastexplain.engine.probability import scaled_to_probability
from fastexplain.engine.tree.interventional import InterventionalTreeShap
from fastexplain.engine.tree.tree_shap import tree_shap
from fastexplain.models.trees.stored import StoredTreeModel
from fastexplain.rows.encoding import RowEncoding
from fastexplain.scoring.fields import Fields
from fastexplain.scoring.method import Attributed, Floats, Method
from fastexplain.scoring.tree_parts import tree_from_parts, tree_parts

__all__ = ["FORMS", "TreeMethod"]

# What the values are of: the raw output; margins rescaled to probabilities, as interpret-community does it; the
# probability itself, one background row at a time.
FORMS = ("raw", "rescaled", "probability")


class TreeMethod(Method):
    """Values of a forest, path-dependent or against a background.

    Parameters
    ----------
    model : StoredTreeModel
    background : Background or None
        Rows in the forest's encoding; None: path-dependent values.
    form : {"raw", "rescaled", "probability"}
        See `FORMS`; the last one needs a background.
    """

    kind = "tree"

    def __init__(self, model: StoredTreeModel, background: Background | None = None, form: str = "raw") -> None:
        self.model, self.background, self.form = model, background, form
        self.encoding, self.task, self.classes = model.encoding(), model.task, model.classes
        self._against: InterventionalTreeShap | None = None

    def attribute(self, matrix: NDArray[np.floating[Any]], n_threads: int | None) -> Attributed:
        if self.form == "probability":
            return self._by_pair(matrix, n_threads)
        if self.background is None:
            values, base = tree_shap(self.model.forest, matrix, n_threads=n_threads, show_progress=False)
        else:
            values, base = self._kernel().explain(matrix, n_threads=n_threads, show_progress=False)
        raw = values.sum(axis=1)
        raw += base
        predictions, probabilities = self._answers(raw, matrix)
        if self.form == "rescaled":
            assert probabilities is not None
            values, base = scaled_to_probability(values, base, probabilities)
        return Attributed(values, base, predictions, probabilities)

    def _kernel(self) -> InterventionalTreeShap:
        if self._against is None:
            assert self.background is not None
            of = self.model if self.form == "probability" else self.model.forest
            self._against = InterventionalTreeShap(of, self.background.data, weights=self.background.weights)
        return self._against

    def _by_pair(self, matrix: NDArray[np.floating[Any]], n_threads: int | None) -> Attributed:
        """Of the probability of the second class, whose values are also those of the first with the sign turned."""
        options: dict[str, Any] = {"n_threads": n_threads, "show_progress": False}
        values, base = self._kernel().explain(matrix, model_output="probability", **options)
        p = values.sum(axis=1) + base
        with np.errstate(divide="ignore"):
            margin = (np.log(p) - np.log1p(-p)) / (self.model.logistic_slope or 1.0)
        predictions, _ = self._answers(margin, matrix)
        both = np.concatenate([-values, values], axis=2)
        return Attributed(both, np.concatenate([1.0 - base, base]), predictions, np.concatenate([1.0 - p, p], axis=1))

    def _answers(self, raw: Floats, matrix: NDArray[np.floating[Any]]) -> tuple[NDArray[Any], Floats | None]:
        answers = self.model.answers
        if self.task == "regression":
            outputs = answers.outputs(raw)
            return (outputs[:, 0] if outputs.shape[1] == 1 else outputs), None
        return self.labels(self.model.class_indices(raw, matrix)), answers.probabilities(raw)

    def parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        content, arrays = tree_parts(self.model)
        content["form"] = self.form
        if self.background is not None:
            arrays["background.rows"] = self.background.data
            arrays["background.weights"] = self.background.weights
            content["background_type"] = str(self.background.data.dtype)
        return content, arrays

    @classmethod
    def from_parts(cls, content: Fields, encoding: RowEncoding) -> TreeMethod:
        fields = content.object("model")
        model = tree_from_parts(content, encoding)
        form = fields.text("form", FORMS)
        background = None
        if fields.has_array("background.rows"):
            name = "float32" if fields.text("background_type", ("float32", "float64")) == "float32" else "float64"
            rows = fields.array("background.rows", name, (None, encoding.n_features), finite=False)
            background = as_background(rows, fields.array("background.weights", "float64", (len(rows),)))
        if form == "probability" and (background is None or model.logistic_slope is None):
            raise fields.error("form", "is 'probability', which needs a background and the margin of two classes.")
        if form == "rescaled" and (model.task != "classification" or model.gives_probabilities):
            raise fields.error("form", "is 'rescaled', which is for the margins of a classifier.")
        return cls(model, background, form)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_against": None}
