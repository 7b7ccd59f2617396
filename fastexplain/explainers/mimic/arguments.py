"""Checks of what `MimicExplainer` is given."""

from __future__ import annotations

from typing import Any

from fastexplain.explainers.mimic.surrogates._base import BaseExplainableModel
from fastexplain.explainers.options import ResetIndex, ShapValuesOutput

__all__ = ["check_probabilities", "check_surrogate_class", "feature_names", "is_lightgbm", "plain_reset"]


def check_surrogate_class(explainable_model: Any) -> None:
    if isinstance(explainable_model, type) and issubclass(explainable_model, BaseExplainableModel):
        return
    kind = explainable_model.__name__ if isinstance(explainable_model, type) else type(explainable_model).__name__
    of = "class" if isinstance(explainable_model, type) else "object of class"
    raise TypeError(
        f"explainable_model is the {of} {kind}; expected a class: LGBMExplainableModel, LinearExplainableModel, "
        "SGDExplainableModel, DecisionTreeExplainableModel or another subclass of BaseExplainableModel."
    )


def is_lightgbm(explainable_model: type[BaseExplainableModel]) -> bool:
    from fastexplain.explainers.mimic.surrogates.lightgbm import LGBMExplainableModel

    return issubclass(explainable_model, LGBMExplainableModel)


def plain_reset(reset_index: Any) -> ResetIndex:
    if isinstance(reset_index, bool):
        return ResetIndex.Reset if reset_index else ResetIndex.Ignore
    given = str(getattr(reset_index, "value", reset_index))
    if given not in tuple(ResetIndex):
        raise ValueError(f"reset_index must be 'ignore', 'reset', 'reset_teacher' or a bool; got {reset_index!r}.")
    return ResetIndex(given)


def feature_names(
    given: list[Any] | None, columns: list[Any] | None, n_columns: int, index_names: list[Any]
) -> list[Any] | None:
    """Names of all columns, those of the index last; given ones need not have the latter."""
    if given is None:
        return None if columns is None else [*columns, *index_names]
    if len(given) == n_columns + len(index_names):
        return given
    if len(given) != n_columns:
        raise ValueError(f"features has {len(given)} names; initialization_examples has {n_columns} columns.")
    return [*given, *index_names]


def check_probabilities(surrogate: BaseExplainableModel, output: str) -> None:
    """Raise ValueError if values are to be scaled to probabilities that a multi-class surrogate does not have."""
    several = bool(getattr(surrogate, "multiclass", False))
    if output == ShapValuesOutput.PROBABILITY and several and not hasattr(surrogate.model, "predict_proba"):
        raise ValueError(
            f"shap_values_output='probability' needs a surrogate with probabilities; {type(surrogate.model).__name__} "
            "has none. Use 'teacher_probability', or for SGD explainable_model_args={'loss': 'log_loss'}."
        )
