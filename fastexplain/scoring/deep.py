"""DeepLIFT of networks as a `Method`: dense layers as arrays, and background rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.background import Background
from fastexplain.engine.deep.deep_lift import deep_lift
from fastexplain.exceptions import ArtifactError
from fastexplain.models.networks.network import Network
from fastexplain.rows.encoding import RowEncoding
from fastexplain.scoring.decisions import CLASS_RULES, VALUE_RULES, answers_of, class_rules, no_answers
from fastexplain.scoring.fields import Fields
from fastexplain.scoring.formulas.networks import network_from, network_parts
from fastexplain.scoring.formulas.reader import FormulaReader
from fastexplain.scoring.method import Attributed, Floats, Method

__all__ = ["DeepMethod"]


class DeepMethod(Method):
    """Values of a network's outputs, by the rescale rule against a background.

    Parameters
    ----------
    network : Network
    background : Background
        Rows as the network takes them.
    probabilities : bool
        The outputs are the probabilities of the classes, or the only one is that of the second class: values are then
        of both.
    rule : str
        As in `KernelOptions`.
    task, classes, encoding
        As in `Method`.
    """

    kind = "deep"

    def __init__(
        self,
        network: Network,
        background: Background,
        *,
        probabilities: bool,
        rule: str,
        task: str,
        classes: list[Any] | None,
        encoding: RowEncoding,
    ) -> None:
        self.network, self.background, self.probabilities, self.rule = network, background, probabilities, rule
        self.task, self.classes, self.encoding = task, classes, encoding

    def attribute(self, matrix: NDArray[np.floating[Any]], n_threads: int | None) -> Attributed:
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        result = deep_lift(
            self.network,
            rows,
            self.background.data,
            weights=self.background.weights,
            n_threads=n_threads,
            show_progress=False,
        )
        values, base = result.values, result.base_values
        if self.probabilities and values.shape[2] == 1:
            values, base = np.concatenate([-values, values], axis=2), np.concatenate([1.0 - base, base])
        return Attributed(values, base, *self.predicted(rows))

    def predicted(self, matrix: NDArray[np.floating[Any]]) -> tuple[NDArray[Any], Floats | None]:
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        if not len(rows):
            return no_answers(self, self.network.n_outputs, self.probabilities)
        return answers_of(self, None, rows, self.network.forward(rows), self.rule, self.probabilities)

    def parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        network, arrays = network_parts(self.network)
        arrays = {f"network.{name}": array for name, array in arrays.items()}
        arrays |= {"background.rows": self.background.data, "background.weights": self.background.weights}
        return {"network": network, "probabilities": bool(self.probabilities), "rule": self.rule}, arrays

    @classmethod
    def from_parts(cls, content: Fields, encoding: RowEncoding) -> DeepMethod:
        fields, task = content.object("model"), content.text("task", ("classification", "regression"))
        network = network_from(FormulaReader(fields.object("network"), "network"))
        if network.n_features != encoding.n_features:
            raise fields.error("network", f"takes {network.n_features} columns; the rows have {encoding.n_features}.")
        rows = fields.array("background.rows", "float64", (None, encoding.n_features))
        weights = fields.array("background.weights", "float64", (len(rows),))
        if not len(rows) or not ((weights >= 0).all() and weights.sum() > 0):
            raise ArtifactError(f"The arrays 'background...' hold {len(rows)} rows whose weights add up to nothing.")
        probabilities = fields.flag("probabilities")
        classifies = task == "classification"
        rule = fields.text("rule", tuple(CLASS_RULES) if classifies else VALUE_RULES)
        if classifies and rule not in class_rules(None, network.n_outputs, probabilities):
            raise fields.error("rule", f"is {rule!r}, of a network with {network.n_outputs} outputs.")
        n_classes = max(2, network.n_outputs) if classifies else None
        return cls(
            network,
            Background(rows, weights),
            probabilities=probabilities and classifies,
            rule=rule,
            task=task,
            classes=content.labels_or_none("classes", n_classes),
            encoding=encoding,
        )
