"""`LinearExplainer`: exact SHAP values of linear models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.background import as_background
from fastexplain.engine.linear.linear_shap import PROBE_ROWS, PROBE_RTOL, linear_shap
from fastexplain.exceptions import ModelConversionError, UnsupportedModelError
from fastexplain.explainers.raw.pipelines import taken_apart
from fastexplain.explainers.raw.raw_features import RawFeatures, raw_features
from fastexplain.explainers.shared.background import row_words, rows_of
from fastexplain.explainers.shared.base import Attribution, BaseExplainer, ExplainedModel
from fastexplain.explainers.shared.checks import check_examples, check_task, plain_task
from fastexplain.explainers.shared.dispatch import check_fitted, class_names
from fastexplain.explainers.shared.model_facts import fitted_classes, fitted_names
from fastexplain.explainers.shared.predictions import estimator_predictions, output_predictions
from fastexplain.explanation.explanation import Predictions
from fastexplain.models.agreement import agrees
from fastexplain.rows.kinds import is_sparse
from fastexplain.rows.tables import count_rows, slice_rows, unwrapped_rows

__all__ = ["LinearExplainer"]


class LinearExplainer(BaseExplainer):
    """Explains a linear model exactly: coefficient times the feature's distance from its mean.

    Values are in units of the linear predictor: the margin (``decision_function``) of a classifier, the link's scale of
    a generalised linear model, else the prediction. A binary classifier has one margin, so values [-v, v] for its
    classes.

    Parameters
    ----------
    model : object or tuple
        A fitted scikit-learn linear model (with ``coef_`` and ``intercept_``), a search over them, or ``(coef,
        intercept)`` with coef (n_features,) or (n_outputs, n_features). Of a pipeline, the last step is explained, and
        the steps before it act as `transformations`.
    initialization_examples : array-like or table of shape (n_rows, n_features)
        Numbers, whose means are the background: those of all rows. (interpret-community takes 100 of them.)
    explain_subset : sequence of int or str, optional
        Features, by index or name, that explanations are cut down to. The values are those of the full explanation.
    features : sequence of str, optional
        Names; default: those of the examples' table, else those of the rows' table, else those that the model knows.
    classes : sequence, optional
        Labels to show for a classifier's classes, in the model's order; default: those that the model knows. With a
        tuple, they say that it is a classifier.
    transformations : ColumnTransformer, Pipeline, FeatureUnion, DataFrameMapper or list of tuple, optional
        Fitted, and applied to all rows before the model sees them: rows, `features` and explanations are then those of
        the raw features. Tuples are ``(columns, transformer or None)``; see `RawFeatures`.
    allow_all_transformations : bool, default False
        Whether a transformer of several columns may mix them, as PCA does. Each column that it makes is then shared out
        equally among those that it is made of.
    aggregate : {"sum", "group"}, default "sum"
        "sum" adds up the values of the columns that a raw feature became; "group" is the Shapley value of the raw
        feature as one player. They are the same for a linear model, as long as each column is made of one raw feature;
        "group" refuses others.
    n_threads : int, optional
        Threads of each call; default `fastexplain.get_num_threads`.
    show_progress : bool, optional
        A progress bar where standard error is a terminal, and in notebooks; None shows it once the work has taken a
        second.
    include_init_data : bool, default False
        Whether explanations and pickles keep `initialization_examples`: see `RowExplainer`.

    Attributes
    ----------
    model : object
        As given.
    method : str
        ``"shap.linear"``.
    features, classes : list or None
        As resolved at construction.

    Raises
    ------
    UnsupportedModelError
        The model has no coefficients.
    ModelConversionError
        A model of a kind that is not known does not predict what its coefficients give.
    ValueError
        Examples are missing or of another width than the model, a number of names differs from the model's,
        or `transformations` are not supported, do not fit the model, or mix columns with ``aggregate="group"``.

    Notes
    -----
    Lundberg and Lee 2017, "A unified approach to interpreting model predictions", corollary 1.
    """

    explainer_type: ClassVar[str] = "specific"
    _method = "shap.linear"
    _title = "exact linear SHAP"

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        explain_subset: Sequence[int | str] | None = None,
        features: Sequence[Any] | None = None,
        classes: Sequence[Any] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        *,
        model_task: str = "unknown",
        n_threads: int | None = None,
        show_progress: bool | None = None,
        aggregate: str = "sum",
        include_init_data: bool = False,
    ) -> None:
        if initialization_examples is None:
            raise ValueError("LinearExplainer needs initialization_examples: the features' means are theirs.")
        initialization_examples = unwrapped_rows(initialization_examples, keep_weights=True)
        parts = taken_apart(model)
        raw = raw_features(
            transformations,
            initialization_examples,
            features,
            allow_all_transformations,
            explain_subset,
            aggregate,
            parts.steps,
        )
        if raw is not None:
            _check_aggregate(raw)
            initialization_examples = raw.transform_examples(initialization_examples)
        rows = rows_of(initialization_examples)
        self._linear = parts.last
        explained = _explained(self._linear, plain_task(model_task), classes)
        check_task(model_task, explained.task, explained.name)
        check_examples(rows, explained.n_features, transformed=raw is not None)
        self._mean = _means(initialization_examples)
        self._background_words = f"the means of {row_words(count_rows(rows))}"
        self._solved = _solved(self._linear, rows)
        super().__init__(
            model,
            rows,
            explained,
            explain_subset=explain_subset,
            features=features,
            classes=classes,
            raw=raw,
            parts=parts,
            n_threads=n_threads,
            show_progress=show_progress,
            include_init_data=include_init_data,
        )

    def _attribute_all(self, X: Any, show_progress: bool | None) -> Attribution:
        self._check_columns(X)
        if not count_rows(X):
            raise ValueError("evaluation_examples has no rows; LinearExplainer needs at least one.")
        return Attribution(*linear_shap(self._solved, X, mean=self._mean, n_threads=self.n_threads))


def _solved(model: Any, examples: Any) -> Any:
    """What `linear_shap` gets: the model, or the coefficients of one that it does not know, if these are the model."""
    from fastexplain.engine.formulas.known import as_float64, find_model, two_dimensional
    from fastexplain.engine.formulas.linear import LinearModel, linear_model

    method = "decision_function" if hasattr(model, "decision_function") else "predict"
    if isinstance(model, tuple) or isinstance(find_model(model, method), LinearModel):
        return model
    found = linear_model(model)
    assert found is not None  # it has coef_
    probe = slice_rows(examples, 0, PROBE_ROWS)
    expected, got = two_dimensional(getattr(model, method)(probe)), found.margins(as_float64(probe))
    if not agrees(got, expected, PROBE_RTOL):
        raise ModelConversionError(
            f"{method} of {class_names(model)[0]} is not what its coef_ and intercept_ give, so that these do not "
            "explain it. KernelExplainer(model, rows) explains what it predicts."
        )
    return found.coef, found.offset


def _check_aggregate(raw: RawFeatures) -> None:
    """Raise ValueError where a raw feature's Shapley value is not the sum over its columns."""
    if raw.aggregate == "group" and not raw.by_column:
        raise ValueError(
            "aggregate='group' needs transformations whose columns are each made of one raw feature alone: only "
            "then is its Shapley value the sum. Use KernelExplainer(aggregate='group'), or aggregate='sum'."
        )


def _explained(model: Any, task: str, classes: Any) -> ExplainedModel:
    if isinstance(model, tuple):
        return _explained_pair(model, "classification" if classes is not None else task)
    coef = _coefficients(model)
    known = fitted_classes(model)
    n_outputs = 1 if coef.ndim == 1 else int(coef.shape[0])
    return ExplainedModel(
        name=type(model).__name__,
        n_features=int(coef.shape[-1]),
        n_outputs=n_outputs,
        task="regression" if known is None else "classification",
        n_classes=None if known is None else len(known),
        units="model output" if known is None and not _has_link(model) else "margin",
        predict=partial(estimator_predictions, model, "regression" if known is None else "classification"),
        outputs=partial(_margins, model),
        classes=known,
        feature_names=fitted_names(model),
    )


def _explained_pair(pair: tuple[Any, Any], task: str) -> ExplainedModel:
    coef = np.asarray(pair[0], dtype=np.float64)
    if coef.ndim not in (1, 2):
        raise ValueError(f"coef has shape {coef.shape}; expected (n_features,) or (n_outputs, n_features).")
    intercept = np.asarray(pair[1], dtype=np.float64)
    n_outputs = 1 if coef.ndim == 1 else len(coef)
    task = "regression" if task == "unknown" else task
    units = "model output" if task == "regression" else "margin"
    return ExplainedModel(
        name="(coef, intercept)",
        n_features=coef.shape[-1],
        n_outputs=n_outputs,
        task=task,
        n_classes=max(2, n_outputs) if task == "classification" else None,
        units=units,
        predict=partial(output_predictions, partial(_linear_output, coef, intercept), task, units),
        outputs=partial(_pair_outputs, coef, intercept),
    )


def _linear_output(coef: NDArray[np.float64], intercept: NDArray[np.float64], X: Any) -> NDArray[np.float64]:
    outputs: NDArray[np.float64] = np.asarray(X, dtype=np.float64) @ coef.T + intercept
    return outputs


def _pair_outputs(
    coef: NDArray[np.float64], intercept: NDArray[np.float64], X: Any, predictions: Predictions
) -> NDArray[Any]:
    return _linear_output(coef, intercept, X)


def _margins(model: Any, X: Any, predictions: Predictions) -> NDArray[np.float64]:
    """What the values add up to, by the coefficients that the model has now."""
    from fastexplain.engine.formulas.known import as_float64, find_model
    from fastexplain.engine.formulas.linear import LinearModel, linear_model

    found = find_model(model, "decision_function" if hasattr(model, "decision_function") else "predict")
    if not isinstance(found, LinearModel):
        found = linear_model(model)
        assert found is not None  # it has coef_
    return found.margins(as_float64(X))


def _coefficients(model: Any) -> Any:
    """``coef_``, dense or sparse; an error if the model has none, or is not fitted."""
    if hasattr(model, "coef_") and hasattr(model, "intercept_"):
        return model.coef_
    check_fitted(model)
    raise UnsupportedModelError(
        f"{class_names(model)[0]} has no coef_ and intercept_; expected a fitted scikit-learn linear model or a (coef, "
        "intercept) tuple. KernelExplainer explains any model."
    )


def _has_link(model: Any) -> bool:
    """Whether a regressor predicts a function of its linear predictor: scikit-learn's generalised linear models do."""
    if not any(name.startswith("sklearn.linear_model._glm.") for name in class_names(model)):
        return False
    link = getattr(model, "link", "log")
    return bool(link != "identity" and not (link == "auto" and getattr(model, "power", 1) <= 0))


def _means(examples: Any) -> NDArray[np.float64]:
    """Weighted means of the columns."""
    background = as_background(examples)
    if is_sparse(background.data):
        sparse: NDArray[np.float64] = background.data.T @ background.weights
        return sparse
    try:
        rows = np.asarray(background.data, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"initialization_examples must hold numbers for a linear model ({error}).") from error
    means: NDArray[np.float64] = background.weights @ rows
    return means
