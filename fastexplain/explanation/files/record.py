"""An explanation taken apart into what files hold, and put together again: the same for every form of file."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.global_explanation import GlobalExplanation, GlobalLocalExplanation
from fastexplain.explanation.local_explanation import LocalExplanation
from fastexplain.explanation.numbers.fidelity import FidelityReport
from fastexplain.explanation.permutation_explanation import PermutationExplanation
from fastexplain.explanation.sparse_explanation import SparseGlobalLocalExplanation, SparseLocalExplanation
from fastexplain.rows.names import unique

__all__ = ["Record", "package_version", "plain_name", "put_together", "take_apart"]

_NOT_FACTS = frozenset({"init_data", "eval_data", "check_rows", "predict", "predictions"})


@dataclass
class Record:
    """The parts of an explanation.

    Attributes
    ----------
    facts : dict
        Keywords of the constructors that JSON can hold: names, method, units, ...
    base_values : array of shape (n_outputs,), or None
    values : array of shape (n_rows, n_features, n_outputs), list of csr matrices (one per output), or None
    standard_errors : array of the values' shape, or None
    single_row : bool
    importances : array of shape (n_outputs, n_features) or (n_features,), or None
        None: of a local explanation.
    global_importances : array of shape (n_features,), or None
        Where they are not the mean of `importances` over the outputs.
    importance_errors : array of shape (n_features,), or None
    repeats : array of shape (n_features, n_repeats), or None
        Permutation importances.
    predictions : pair
        The model's predictions and class probabilities; None where unknown.
    init_data, eval_data : Any
    """

    facts: dict[str, Any]
    base_values: NDArray[np.float64] | None = None
    values: Any = None
    standard_errors: NDArray[Any] | None = None
    single_row: bool = False
    importances: NDArray[np.float64] | None = None
    global_importances: NDArray[np.float64] | None = None
    importance_errors: NDArray[np.float64] | None = None
    repeats: NDArray[np.float64] | None = None
    predictions: tuple[Any, Any] = (None, None)
    init_data: Any = None
    eval_data: Any = None

    @property
    def is_sparse(self) -> bool:
        return isinstance(self.values, list)


def take_apart(explanation: Explanation, *, include_eval_data: bool = True, include_init_data: bool = True) -> Record:
    """The parts of an explanation; predictions that were not computed yet are computed, once.

    Parameters
    ----------
    explanation : Explanation
    include_eval_data, include_init_data : bool, default True
        Whether the explained rows, and those that the explainer was built on, are among the parts.

    Raises
    ------
    TypeError
        It is not one of this package's explanations.
    """
    if not isinstance(explanation, Explanation):
        raise TypeError(f"Only explanations of fastexplain can be saved; got {type(explanation)!r}.")
    context: dict[str, Any] = {**explanation._context()}
    facts = {key: value for key, value in context.items() if key not in _NOT_FACTS}
    facts["fidelity"] = None if facts.get("fidelity") is None else dataclasses.asdict(facts["fidelity"])
    for names in ("features", "classes"):
        facts[names] = None if facts[names] is None else [plain_name(name) for name in facts[names]]
    if facts["feature_columns"] is not None:
        facts["feature_columns"] = [int(column) for column in facts["feature_columns"]]
    record = Record(
        facts,
        explanation._base_values,
        predictions=explanation._resolved(),
        init_data=explanation._init_data if include_init_data else None,
        eval_data=explanation._eval_data if include_eval_data else None,
    )
    if isinstance(explanation, LocalExplanation):
        record.values = explanation.values
        record.standard_errors = explanation.standard_errors
        record.single_row = explanation._single_row
    if isinstance(explanation, GlobalExplanation):
        record.importances = explanation._importances
        record.global_importances = explanation._given_global
        record.importance_errors = explanation.importance_errors
    if isinstance(explanation, PermutationExplanation):
        record.repeats = explanation.importances
        facts.update(metric=explanation.metric, baseline_score=float(explanation.baseline_score))
    return record


def put_together(record: Record) -> Explanation:
    """The explanation that a record was taken from.

    Raises
    ------
    ValueError
        The parts contradict each other, or there are none.
    """
    context: Any = {**record.facts, "init_data": record.init_data, "eval_data": record.eval_data}
    context["features"] = _told_apart(context.get("features"))
    if context.get("fidelity") is not None:
        context["fidelity"] = FidelityReport(**context["fidelity"])
    if any(known is not None for known in record.predictions):
        context["predictions"] = record.predictions
    base = record.base_values
    if record.importances is None:
        if record.is_sparse:
            return SparseLocalExplanation(record.values, base, **context)
        if record.values is None:
            raise ValueError("there are neither local values nor importances")
        return LocalExplanation(
            record.values, base, single_row=record.single_row, standard_errors=record.standard_errors, **context
        )
    if record.repeats is not None and record.importance_errors is not None:
        permuted = PermutationExplanation(record.repeats, record.importance_errors, **context)
        permuted._importances = record.importances  # a mean taken in another order differs in the last bit
        return permuted
    context["importance_errors"] = record.importance_errors
    context["global_importances"] = record.global_importances
    if record.values is None:
        return GlobalExplanation(record.importances, base, **context)
    if record.is_sparse:
        return SparseGlobalLocalExplanation(record.values, base, importances=record.importances, **context)
    explanation = GlobalLocalExplanation(
        record.values, base, importances=record.importances, standard_errors=record.standard_errors, **context
    )
    explanation._single_row = record.single_row
    return explanation


def _told_apart(features: list[Any] | None) -> list[Any] | None:
    """Names of features, each its own, as explanations need them; version 0.1 saved names that were not."""
    if features is None or len(set(features)) == len(features):
        return features
    names = unique([str(name) for name in features])
    changed = [new for new, old in zip(names, features, strict=True) if new != str(old)]
    warnings.warn(f"Two features of a name are told apart now: {changed} have new names.", stacklevel=2)
    return names


def plain_name(name: Any) -> Any:
    """A name as JSON can hold it: strings and numbers as they are, others as `str` shows them."""
    if isinstance(name, np.generic):
        name = name.item()
    return name if isinstance(name, str | int | float | bool) else str(name)


def package_version() -> str | None:
    """Version of this package; None in a source tree that is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("fastexplain")
    except PackageNotFoundError:
        return None
