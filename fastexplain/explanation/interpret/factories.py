"""Explanations built from interpret-community's keywords: the right class is chosen by what is given."""

from __future__ import annotations

from typing import Any

from fastexplain.explanation.global_explanation import GlobalExplanation, GlobalLocalExplanation
from fastexplain.explanation.interpret.keywords import global_values, local_values
from fastexplain.explanation.interpret.quacks import ClassesMixin, ExpectedValuesMixin
from fastexplain.explanation.local_explanation import LocalExplanation
from fastexplain.explanation.sparse_explanation import SparseGlobalLocalExplanation, SparseLocalExplanation

__all__ = ["create_global_explanation", "create_global_from_local", "create_local_explanation"]

# Facts of a local explanation that a global one made from it has too, unless they are given.
_SHARED = ("features", "classes", "method", "model_type", "is_raw", "is_engineered")


def create_local_explanation(
    expected_values: Any = None,
    classification: bool = True,
    explanation_id: str | None = None,
    init_data: Any = None,
    eval_data: Any = None,
    eval_ys_predicted: Any = None,
    eval_ys_predicted_proba: Any = None,
    model_id: str | None = None,
    *,
    local_importance_values: Any,
    **kwargs: Any,
) -> LocalExplanation:
    """Build a local explanation from interpret-community's keywords.

    Parameters
    ----------
    expected_values : number or list, optional
        One per class, or one of a regression. Without it the member is absent.
    classification : bool, default True
        Whether the axis before the last two of the values, or their list, is of classes.
    explanation_id : str, optional
        Default: a new uuid4.
    init_data, eval_data : array-like, table, or str, optional
        Rows, or the id of a stored data set.
    eval_ys_predicted, eval_ys_predicted_proba : array-like or str, optional
        The model's own predictions, and class probabilities, of `eval_data`. Also as ``eval_y_predicted`` and
        ``eval_y_predicted_proba``.
    model_id : str, optional
        Name of the model in a registry.
    local_importance_values : array-like or sparse
        Rows x features of a regression; for a classifier classes x rows x features, or a list of one matrix per
        class. Without the axis of rows: one single row. Arrays and csr matrices are kept without a copy.
    **kwargs
        ``features``, ``num_features``, ``classes``, ``num_classes``, ``method``, ``model_type``, ``is_raw``,
        ``is_engineered``; ``model_task`` gives way to `classification`. `Explanation` says what they mean.

    Returns
    -------
    LocalExplanation
        A `SparseLocalExplanation` of sparse values.

    Raises
    ------
    ValueError
        The numbers of features, classes or expected values contradict those of the values.
    TypeError
        A keyword is unknown; the message names it.
    """
    given = local_values(local_importance_values, classification)
    context = dict(
        kwargs,
        expected_values=expected_values,
        classification=classification,
        explanation_id=explanation_id,
        init_data=init_data,
        eval_data=eval_data,
        eval_ys_predicted=eval_ys_predicted,
        eval_ys_predicted_proba=eval_ys_predicted_proba,
        model_id=model_id,
    )
    if given.is_sparse:
        return SparseLocalExplanation(given.values, **context)
    return LocalExplanation(given.values, single_row=given.single_row, **context)


def create_global_explanation(
    local_explanation: Any = None,
    expected_values: Any = None,
    classification: bool = True,
    explanation_id: str | None = None,
    init_data: Any = None,
    eval_data: Any = None,
    eval_ys_predicted: Any = None,
    eval_ys_predicted_proba: Any = None,
    model_id: str | None = None,
    **kwargs: Any,
) -> GlobalExplanation:
    """Build a global explanation from interpret-community's keywords.

    Parameters
    ----------
    local_explanation : LocalExplanation of any library, optional
        Its values are kept, without a copy, and its id. Names and flags that are not given are its own.
    expected_values, classification, explanation_id, init_data, eval_data, eval_ys_predicted, \
eval_ys_predicted_proba, model_id
        As in `create_local_explanation`.
    **kwargs
        ``global_importance_values`` (n_features,) and, of a classifier, ``per_class_values`` (n_classes, n_features);
        ``global_importance_rank`` and ``per_class_rank``, which must be their order. Default: the means of |value| of
        the local explanation. Besides those of `create_local_explanation`.

    Returns
    -------
    GlobalExplanation
        With a local explanation a `GlobalLocalExplanation`, or `SparseGlobalLocalExplanation`.

    Raises
    ------
    ValueError
        Numbers of features, classes or expected values contradict each other, or a rank its values.
    TypeError
        There are neither importances nor local values, or a keyword is unknown.
    """
    context = dict(
        kwargs,
        expected_values=expected_values,
        classification=classification,
        explanation_id=explanation_id,
        init_data=init_data,
        eval_data=eval_data,
        eval_ys_predicted=eval_ys_predicted,
        eval_ys_predicted_proba=eval_ys_predicted_proba,
        model_id=model_id,
    )
    if local_explanation is None:
        if classification and context.get("num_classes") is None and context.get("classes") is not None:
            context["num_classes"] = len(context["classes"])
        return GlobalExplanation(**context)
    return _with_local(local_explanation, context)


def create_global_from_local(
    local_explanation: Any, include_local: bool = True, features: Any = None, explanation_id: Any = None, **kwargs: Any
) -> GlobalExplanation:
    """Average |value| over the rows of a local explanation, of this library or another.

    Parameters
    ----------
    local_explanation : LocalExplanation of any library
        Whether it is of a classifier, its names, flags, id and expected values are taken over.
    include_local : bool, default True
        Keep the local values.
    features, explanation_id
        As in interpret-community, without effect: those of the local explanation count.
    **kwargs
        As in `create_global_explanation`.

    Returns
    -------
    GlobalExplanation
        With `include_local` a `GlobalLocalExplanation`, or `SparseGlobalLocalExplanation`.

    Raises
    ------
    ValueError
        There are no rows, or names contradict the values.
    TypeError
        A keyword is unknown.
    """
    context = dict(kwargs, classification=ClassesMixin._does_quack(local_explanation))
    if ExpectedValuesMixin._does_quack(local_explanation):
        context.setdefault("expected_values", local_explanation.expected_values)
    whole = _with_local(local_explanation, context)
    return whole if include_local else whole.without_local()


def _with_local(local: Any, context: dict[str, Any]) -> GlobalLocalExplanation:
    classification = context["classification"]
    own: dict[str, Any]
    values: Any
    if isinstance(local, LocalExplanation):
        own, values = dict(local._context()), local.values
        if context.get("expected_values") is None:
            context["base_values"] = local._base_values
    else:
        own = {name: getattr(local, name) for name in _SHARED if hasattr(local, name)}
        values = local_values(local._local_importance_values, classification).values
    own.update((name, value) for name, value in context.items() if value is not None)
    own.pop("explanation_id", None)
    own["id"] = local.id
    if not classification:
        own.pop("classes", None)
    importances, overall = global_values(own)
    if importances is not None and importances.ndim == 1:  # the local values tell the classes apart
        importances, overall = None, importances
    build = SparseGlobalLocalExplanation if isinstance(values, list) else GlobalLocalExplanation
    return build(values, importances=importances, global_importances=overall, **own)
