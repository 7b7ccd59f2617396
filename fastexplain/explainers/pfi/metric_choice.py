"""The metric that `PFIExplainer` was asked for: which function, which response of the model, which direction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fastexplain.engine.metrics.table import METRICS, Metric, calls_the_model, known_direction, resolve_metric

__all__ = ["chosen_metric", "default_metric"]


def default_metric(task: str) -> Metric:
    """What is scored without a `metric`: interpret-community's micro-averaged F1, which is accuracy, or its MAE."""
    return METRICS["accuracy" if task == "classification" else "mean_absolute_error"]


def chosen_metric(
    metric: Any, metric_args: Mapping[str, Any] | None, is_error_metric: bool, use_predict_proba: bool
) -> Metric:
    """The user's metric, with its direction.

    Parameters
    ----------
    metric : str, str enum, callable or scorer
    metric_args : dict, optional
        Keywords of the function.
    is_error_metric : bool
        Whether less is better, of a callable whose direction is not known.
    use_predict_proba : bool
        Give the metric probabilities of all classes in place of labels.

    Raises
    ------
    ValueError
        A metric's name is unknown, its direction contradicts `is_error_metric`, or it compares labels although
        probabilities are asked for.
    TypeError
        `metric` is none.
    """
    metric = getattr(metric, "value", metric) if isinstance(metric, str) else metric  # str enums too
    known = known_direction(metric) if isinstance(metric, str) or callable(metric) else None
    if known and is_error_metric:
        name = metric if isinstance(metric, str) else getattr(metric, "__name__", metric)
        raise ValueError(
            f"is_error_metric=True, but {name} is known to be a score, of which more is better. Leave is_error_metric "
            "False: it is for functions whose direction is not known."
        )
    asked = _with_both_columns(metric) if use_predict_proba and _is_plain(metric) else metric
    found = resolve_metric(asked, not is_error_metric if known is None else known, metric_args)
    if not use_predict_proba:
        return found
    if found.needs in ("labels", "values"):
        raise ValueError(
            f"for_classifier_use_predict_proba=True gives the metric probabilities, but {found.name} compares "
            "predictions; leave it False, or choose a metric of probabilities such as log_loss."
        )
    return replace(found, response=("predict_proba",)) if found.needs == "raw" else found


def _is_plain(metric: Any) -> bool:
    """Whether a metric is a function that is not known by name."""
    if isinstance(metric, str) or not callable(metric) or hasattr(metric, "_score_func") or calls_the_model(metric):
        return False
    return getattr(metric, "__name__", "") not in METRICS


def _with_both_columns(metric: Callable[..., Any]) -> Callable[..., Any]:
    """The metric with probabilities of both classes, where it would be given those of class 1 alone."""

    def call(y: Any, probabilities: Any, **options: Any) -> Any:
        both = np.column_stack([1.0 - probabilities, probabilities]) if np.ndim(probabilities) == 1 else probabilities
        return metric(y, both, **options)

    call.__name__ = str(getattr(metric, "__name__", type(metric).__name__))
    return call
