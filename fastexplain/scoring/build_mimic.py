"""From a `MimicExplainer` to its surrogate's method: a tree ensemble or a linear model, and the rows that it takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fastexplain.engine.feature_map import FeatureMap
from fastexplain.exceptions import UnsupportedModelError
from fastexplain.explainers.mimic.explainer import MimicExplainer
from fastexplain.explainers.mimic.rows import SurrogateRows
from fastexplain.explainers.mimic.surrogates._linear import LinearSurrogate
from fastexplain.explainers.mimic.surrogates._trees import TreeSurrogate
from fastexplain.explainers.options import ShapValuesOutput
from fastexplain.models.trees.answers import Answers
from fastexplain.models.trees.stored import StoredTreeModel
from fastexplain.rows.encoding import RowEncoding
from fastexplain.scoring.linear import LinearMethod
from fastexplain.scoring.method import Method
from fastexplain.scoring.tree import TreeMethod

__all__ = ["Encoded", "mimic_method", "surrogate_rows"]


class Encoded(NamedTuple):
    """How the user's columns become the surrogate's.

    Attributes
    ----------
    transformations : list of tuple
        Columns and fitted transformer, as `preprocessing_of` takes them.
    feature_map : FeatureMap
        From the surrogate's columns back.
    """

    transformations: list[tuple[list[Any], Any]]
    feature_map: FeatureMap


def mimic_method(explainer: MimicExplainer) -> Method:
    """What computes the surrogate's values and predictions: those of the surrogate, not of its teacher.

    Raises
    ------
    UnsupportedModelError
        Values are scaled to probabilities, or the surrogate is of a class of the user's own.
    """
    surrogate, task = explainer.surrogate_model, explainer._teacher.task
    if task == "classification" and explainer._shap_values_output != ShapValuesOutput.DEFAULT:
        raise UnsupportedModelError(
            f"A MimicExplainer with shap_values_output={str(explainer._shap_values_output)!r} has no scoring "
            "explainer: its values are stretched to the teacher's or the surrogate's probabilities. Build it with "
            "the default."
        )
    if isinstance(surrogate, TreeSurrogate):
        return TreeMethod(_trees(surrogate, task, explainer.classes))
    if isinstance(surrogate, LinearSurrogate):
        return _linear(surrogate, task, explainer.classes)
    raise UnsupportedModelError(
        f"The surrogate {type(surrogate).__name__} has no scoring explainer; those of LGBM-, DecisionTree-, "
        "Linear- and SGDExplainableModel have."
    )


def _trees(surrogate: TreeSurrogate, task: str, classes: list[Any] | None) -> StoredTreeModel:
    model = StoredTreeModel.of(surrogate._trees())
    encoding = replace(model.encoding(), names=None, integers_as_float32=False)  # a surrogate's rows are float64
    two = task == "classification" and model.forest.n_outputs == 1
    return StoredTreeModel(
        model.forest,
        encoding,
        # of two classes it is a regression on the log-odds of the second one
        Answers("logistic", decision="positive") if two else model.answers,
        task=task,
        classes=classes,
        n_classes=None if task == "regression" else max(2, model.forest.n_outputs),
        votes=model.votes(),
        predicts_raw=task == "regression",
        logistic_slope=1.0 if two else None,
        gives_probabilities=model.gives_probabilities,
    )


def _linear(surrogate: LinearSurrogate, task: str, classes: list[Any] | None) -> LinearMethod:
    coef, intercept = surrogate._coefficients()
    response: str | None = "identity"
    if task == "classification":
        response = "sigmoid" if len(coef) == 1 else _response(surrogate)
    encoding = RowEncoding(type(surrogate).__name__, coef.shape[1], allow_nan=False, allow_inf=False)
    centre = np.asarray(surrogate._centre, dtype=np.float64)
    return LinearMethod(coef, np.array(intercept), centre, response, task, classes, encoding)


def _response(surrogate: LinearSurrogate) -> str | None:
    """What the probabilities of several classes are; None where the surrogate gives none."""
    if hasattr(surrogate._estimator, "estimators_"):
        return "normalized_sigmoid"
    return "softmax" if hasattr(surrogate._estimator, "predict_proba") else None


def surrogate_rows(rows: SurrogateRows, names: list[Any]) -> Encoded | None:
    """How the user's rows become the surrogate's; None where they stay as they are.

    Raises
    ------
    UnsupportedModelError
        There are time stamps.
    """
    if rows.stamps:
        raise UnsupportedModelError(
            f"Column {rows._names[rows.stamps[0]]!r} holds time stamps, which an artifact cannot turn into numbers; "
            "make them numbers before the explainer sees them."
        )
    if not rows.categories:
        return None
    indicators = rows._indicators
    found = [([names[j]], _codes(rows, j, one_hot=True)) for j in (rows.categories if indicators is not None else [])]
    found += [([names[j]], _codes(rows, j, one_hot=False) if j in rows.categories else None) for j in rows._others]
    order = np.lexsort((np.arange(len(rows.source)), rows.source))
    source = rows.source.astype(np.int64)
    feature_map = FeatureMap(source[order], order.astype(np.int64), np.ones(len(order)), rows.n_columns, len(order))
    return Encoded(found, feature_map)


def _codes(rows: SurrogateRows, j: int, one_hot: bool) -> Any:
    """Fitted encoders that do to a column of categories what `Categories` and `OneHot` do."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    steps: list[Any] = []
    labels = rows.categories[j].labels
    if labels is not None:
        text = any(isinstance(label, str) for label in labels)
        known = np.array([*labels, np.nan], dtype=object if text else np.float64)
        steps.append(
            OrdinalEncoder(
                categories=[known],
                handle_unknown="use_encoded_value",
                unknown_value=len(labels),
                encoded_missing_value=np.nan,
            ).fit(known[:, None])
        )
    if one_hot:
        assert rows._indicators is not None
        seen = rows._indicators._encoder.categories_[list(rows.categories).index(j)]
        encoder = OneHotEncoder(categories=[seen], handle_unknown="ignore", sparse_output=False)
        steps.append(encoder.fit(np.asarray(seen)[:, None]))
    return make_pipeline(*steps) if steps else None
