"""The table of formulas that an artifact can hold, and the way there and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.average import AverageModel
from fastexplain.engine.formulas.kernel_machine import KernelMachine
from fastexplain.engine.formulas.known import FormulaModel
from fastexplain.engine.formulas.linear import LinearModel
from fastexplain.engine.formulas.naive_bayes import NaiveBayes
from fastexplain.engine.formulas.neighbors import NeighborsModel
from fastexplain.engine.formulas.networks import NetworkModel
from fastexplain.engine.formulas.support_vectors import SupportVectorModel
from fastexplain.engine.formulas.trees import TreesModel
from fastexplain.scoring.formulas import additive, kernels, neighbors, networks, trees
from fastexplain.scoring.formulas.reader import FormulaReader, Parts

__all__ = ["formula_from", "formula_parts", "is_storable", "stored"]

# Averages of averages, at most; and members of one.
_DEEPEST = 4
_MOST_MEMBERS = 10_000


class _Family(NamedTuple):
    model: type[FormulaModel]
    parts: Callable[[Any], Parts]
    read: Callable[[FormulaReader], FormulaModel]


def formula_parts(model: FormulaModel) -> Parts:
    """Content and arrays of a formula; `is_storable` says of which."""
    name = _name_of(model)
    assert name is not None
    content, arrays = _FAMILIES[name].parts(model)
    return {"family": name, **content}, arrays


def formula_from(reader: FormulaReader) -> FormulaModel:
    """The formula again, after every number was checked.

    Raises
    ------
    ArtifactError, ValueError
        The message names the field or array.
    """
    name = reader.fields.text("family", tuple(_FAMILIES))
    return _FAMILIES[name].read(reader)


def is_storable(model: FormulaModel, *, in_closed_form: bool) -> bool:
    """Whether an artifact can hold a formula.

    Parameters
    ----------
    model : FormulaModel
    in_closed_form : bool
        Its closed form is all that is asked for: the coalitions of trees are played by Numba, which need not be there.
    """
    if isinstance(model, AverageModel):
        return all(is_storable(each, in_closed_form=in_closed_form) for each in model.models)
    if isinstance(model, TreesModel):
        return in_closed_form and trees.takes_numbers(model)
    return _name_of(model) is not None


def stored(model: FormulaModel) -> FormulaModel:
    """The formula without any object of the model's library."""
    if isinstance(model, AverageModel):
        return AverageModel([stored(each) for each in model.models], model.weights)
    return trees.stored_trees(model) if isinstance(model, TreesModel) else model


def _name_of(model: FormulaModel) -> str | None:
    return next((name for name, family in _FAMILIES.items() if type(model) is family.model), None)


def _average_parts(model: AverageModel) -> Parts:
    members: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {"weights": np.asarray(model.weights, dtype=np.float64)}
    for i, member in enumerate(model.models):
        content, own = formula_parts(member)
        members.append(content)
        arrays |= {f"{i}.{name}": array for name, array in own.items()}
    return {"members": members}, arrays


def _average_from(reader: FormulaReader) -> AverageModel:
    fields = reader.fields
    if reader.depth >= _DEEPEST:
        raise fields.error("members", f"is an average inside {reader.depth} others.")
    n_members = len(fields.items("members"))
    if not 1 <= n_members <= _MOST_MEMBERS:
        raise fields.error("members", f"lists {n_members} models; expected 1 to {_MOST_MEMBERS}.")
    models = [
        formula_from(FormulaReader(each, f"{reader.prefix}.{i}", reader.depth + 1))
        for i, each in enumerate(fields.objects("members"))
    ]
    shapes = {(model.n_features, model.n_outputs) for model in models}
    if len(shapes) > 1:
        raise fields.error("members", f"differ in columns and outputs: {sorted(shapes)}.")
    return AverageModel(models, reader.floats("weights", (n_members,)))


_FAMILIES = {
    "linear": _Family(LinearModel, additive.linear_parts, additive.linear_from),
    "naive_bayes": _Family(NaiveBayes, additive.bayes_parts, additive.bayes_from),
    "kernel_sum": _Family(KernelMachine, kernels.kernel_sum_parts, kernels.kernel_sum_from),
    "support_vectors": _Family(SupportVectorModel, kernels.support_vectors_parts, kernels.support_vectors_from),
    "neighbors": _Family(NeighborsModel, neighbors.neighbors_parts, neighbors.neighbors_from),
    "network": _Family(NetworkModel, networks.network_model_parts, networks.network_model_from),
    "trees": _Family(TreesModel, trees.trees_parts, trees.trees_from),
    "average": _Family(AverageModel, _average_parts, _average_from),
}
