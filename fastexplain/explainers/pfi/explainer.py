"""`PFIExplainer`: how much a metric of any model suffers when a feature's values are permuted."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.arguments import whole_number
from fastexplain.engine.metrics.table import Metric
from fastexplain.engine.permutation.permutation_importance import PermutationImportanceResult, permutation_importance
from fastexplain.explainers.pfi.metric_choice import chosen_metric, default_metric
from fastexplain.explainers.pfi.target import scored_target
from fastexplain.explainers.raw.raw_features import RawFeatures, raw_features
from fastexplain.explainers.shared.base import explainer_repr
from fastexplain.explainers.shared.checks import check_classes, check_subset, distinct_names, list_of_names
from fastexplain.explainers.shared.networks import as_rows
from fastexplain.explanation.explanation import Context
from fastexplain.explanation.permutation_explanation import PermutationExplanation
from fastexplain.rows.arrays import plain_array
from fastexplain.rows.kept import kept_rows
from fastexplain.rows.kinds import is_sparse
from fastexplain.rows.tables import as_table, column_labels, count_columns, unwrapped_rows

__all__ = ["PFIExplainer"]

_logger = logging.getLogger("fastexplain")

Floats = NDArray[np.float64]


class PFIExplainer:
    """Explains any model or function by permutation importance: globally, and against true labels.

    An importance is the drop in score, or the rise in error, when a feature's values are permuted among the rows:
    positive where the model needs the feature, for every metric. `fastexplain.permutation_importance` computes it.

    Parameters
    ----------
    model : object or callable
        The fitted model, or a function of rows.
    is_function : bool, default False
        Call the model itself although it has a predict. A plain function needs no such hint.
    metric : str, MetricConstants, callable or scorer, optional
        A name of scikit-learn's scorers or metric functions, such a function, a scorer, or any function
        ``metric(y_true, y_pred)`` or ``scorer(estimator, X, y)``. None: accuracy (F1 with micro average) for a
        classifier, mean absolute error else. A metric that is known by name gets the predictions that it is made for:
        ``roc_auc_score`` scores, not labels.
    metric_args : dict, optional
        Keywords for the metric's function.
    is_error_metric : bool, default False
        Whether less is better, of a function whose direction is not known. That of all metrics of scikit-learn is, and
        of functions with an attribute ``greater_is_better``; to call a known score an error is a ValueError.
    explain_subset : sequence of int or str, optional
        The only features to permute, by index or name, in this order.
    features : sequence of str, optional
        Names; default: those of the rows' table, else those that the model knows. With `transformations`, of the
        columns before them.
    classes : sequence, optional
        Labels to show for a classifier's classes, in the model's order; default: those that the model knows.
    transformations : ColumnTransformer, Pipeline, FeatureUnion, DataFrameMapper or list of tuple, optional
        Fitted, and applied to all rows before the model sees them: rows, `features` and importances are then those of
        the raw features. Tuples are ``(columns, transformer or None)``; see `RawFeatures`.
    allow_all_transformations : bool, default False
        Whether a transformer of several columns may mix them, as PCA does.
    seed : int or None, default 0
        None: another one at every call.
    for_classifier_use_predict_proba : bool, default False
        Give a function of unknown kind ``predict_proba`` of a classifier, (n_rows, n_classes), in place of labels.
    show_progress : bool, optional
        A progress bar where standard error is a terminal, and in notebooks; None shows it once the work has taken a
        second.
    model_task : {"unknown", "classification", "regression"}, default "unknown"
        Unknown: as the model says; a function with several outputs, or with labels that are no numbers, classifies.
    n_repeats : int, default 5
        Permutations of each feature.
    aggregate : {"sum", "group"}, default "sum"
        With `transformations`: add up the importances of a column's engineered features, or permute these together,
        which is the importance of the column itself.
    n_threads : int, optional
        Threads of each call; default `fastexplain.get_num_threads`.

    Attributes
    ----------
    model : object
        As given.
    method : str
        ``"pfi"``.
    features, classes : list or None
        As resolved at construction.

    Raises
    ------
    UnsupportedModelError
        The model has nothing to call.
    ValueError
        The metric is unknown or contradicts another argument, a number of names or classes differs from the model's,
        classes are given for a model without predict_proba, `model_task` contradicts the model, or an argument is out
        of range.

    Notes
    -----
    Breiman 2001; Fisher, Rudin and Dominici 2019.
    """

    available_explanations: ClassVar[list[str]] = ["global"]
    explainer_type: ClassVar[str] = "blackbox"
    _method = "pfi"

    def __init__(
        self,
        model: Any,
        is_function: bool = False,
        metric: Any = None,
        metric_args: Mapping[str, Any] | None = None,
        is_error_metric: bool = False,
        explain_subset: Sequence[int | str] | None = None,
        features: Sequence[Any] | None = None,
        classes: Sequence[Any] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        seed: int | None = 0,
        for_classifier_use_predict_proba: bool = False,
        show_progress: bool | None = None,
        model_task: str = "unknown",
        *,
        n_repeats: int = 5,
        aggregate: str = "sum",
        n_threads: int | None = None,
    ) -> None:
        if transformations is not None and explain_subset is not None:
            raise ValueError("explain_subset not supported with transformations")
        self._raw = raw_features(transformations, None, features, allow_all_transformations, None, aggregate)
        self.model, self.is_function = model, is_function
        self._target = scored_target(model, is_function, model_task)
        self.metric, self.is_error_metric = metric, is_error_metric
        self.metric_args = dict(metric_args or {})
        self.for_classifier_use_predict_proba = for_classifier_use_predict_proba
        if metric is not None:
            self._chosen_metric()  # its errors belong here
        self.explain_subset, self.transformations = explain_subset, transformations
        self.allow_all_transformations, self.aggregate = allow_all_transformations, aggregate
        self.seed, self.n_repeats = seed, whole_number(n_repeats, "n_repeats")
        self.show_progress, self.n_threads, self.model_task = show_progress, n_threads, model_task
        self.features = distinct_names(features, "features")
        self.classes = self._checked_classes(list_of_names(classes, "classes"))
        n_features = self._target.facts.n_features
        if n_features is not None and transformations is None:
            self._check_features(n_features)

    def __repr__(self) -> str:
        return explainer_repr(self)

    @property
    def method(self) -> str:
        """``"pfi"``."""
        return self._method

    def explain_global(self, evaluation_examples: Any, true_labels: Any = None) -> PermutationExplanation:
        """Permute each feature in turn, and see how much worse the model predicts the labels.

        Memory: 64 MiB of rows and predictions at a time.

        Parameters
        ----------
        evaluation_examples : array-like, table or sparse matrix of shape (n_rows, n_features)
            Columns in the order that the model was fitted on. The explanation keeps them as they are now; see
            `TabularExplainer`. Of a single row, every importance is zero.
        true_labels : array-like of shape (n_rows,) or (n_rows, n_targets)
            Required.

        Returns
        -------
        PermutationExplanation
            ``global_importance_values`` are means over repeats; ``importances`` (n_features, n_repeats) has each of
            them, ``importance_errors`` and ``importance_intervals()`` how sure the means are. There are no values per
            class, no local and no expected values.

        Raises
        ------
        TypeError
            There are no `true_labels`, or `evaluation_examples` is nothing that holds rows.
        ValueError
            Lengths, widths or values do not fit; the message says what differs.
        PredictionError
            The model raised; its exception is the cause.
        """
        if true_labels is None:
            raise TypeError("PFI explainer requires true_labels parameter to be passed in for explain_global")
        evaluation_examples, check_rows = kept_rows(evaluation_examples)
        rows, labels, raw = unwrapped_rows(evaluation_examples), _labels(true_labels), self._raw
        if raw is None:
            rows = seen = as_table(rows)[0]
            self._check_features(count_columns(seen))
            names = self.features or column_labels(rows) or self._target.facts.feature_names
        else:
            rows = raw.table(rows)[0]
            seen, names = raw.transform_table(rows), raw.raw_features
        subset = check_subset(self.explain_subset, names, count_columns(rows))
        task = self._target.task_for(seen, labels)
        result = self._importances(seen, labels, task, subset)
        importances, errors = result.importances, result.standard_errors
        if raw is not None:
            importances, errors = self._of_raw_features(raw, result)
        context = self._context(evaluation_examples, seen, task, labels, _subset_names(names, subset))
        context["check_rows"] = check_rows
        context["is_raw"] = raw is not None
        context["feature_columns"] = None if subset is None else subset.tolist()
        return PermutationExplanation(
            importances, errors, metric=result.metric, baseline_score=result.baseline_score, **context
        )

    # Arguments

    def _chosen_metric(self) -> Metric:
        use_predict_proba = self.for_classifier_use_predict_proba and not self._target.is_function
        if use_predict_proba and not self._target.gives_probabilities:
            raise ValueError(f"for_classifier_use_predict_proba=True, but {self._target.name} has no predict_proba.")
        return chosen_metric(self.metric, self.metric_args, self.is_error_metric, use_predict_proba)

    def _checked_classes(self, given: list[Any] | None) -> list[Any] | None:
        target = self._target
        if given is not None and target.is_function and target.task != "classification":
            raise ValueError(
                "Classes is specified but function was predict, not predict_proba. Pass model_task='classification' if "
                "it predicts classes."
            )
        if given is not None and not target.is_function and not target.gives_probabilities:
            raise ValueError("Classes is specified but model does not define predict_proba, only predict.")
        task = "classification" if given is not None and target.task == "unknown" else target.task
        n_classes = len(target.classes) if target.classes is not None else None if given is None else len(given)
        return check_classes(given, target.classes, task, n_classes, target.name)

    def _check_features(self, n_columns: int) -> None:
        """Raise ValueError where names or columns are not as many as the model's features."""
        n_features = self._target.facts.n_features
        if n_features is not None and n_columns != n_features:
            raise ValueError(f"evaluation_examples has {n_columns} columns; the model has {n_features} features.")
        if self.features is not None and len(self.features) != n_columns:
            raise ValueError(f"features has {len(self.features)} names; there are {n_columns} features.")
        names = self.features or self._target.facts.feature_names
        if names is not None or not any(isinstance(column, str) for column in self.explain_subset or ()):
            check_subset(self.explain_subset, names, n_columns)  # else names are those of the rows to come

    # Raw features

    def _groups(self) -> dict[str, list[int]] | None:
        """Engineered columns of each raw feature; None where each is permuted alone."""
        if self._raw is None or self.aggregate == "sum":
            return None
        columns = enumerate(self._raw.groups())
        return {f"raw feature {i}": found.tolist() for i, found in columns if len(found)}

    def _of_raw_features(self, raw: RawFeatures, result: PermutationImportanceResult) -> tuple[Floats, Floats]:
        """Importances and errors of raw features; a sum's error is at most the sum of the errors."""
        if self.aggregate == "sum":
            return raw.feature_map @ result.importances, raw.feature_map @ result.standard_errors
        importances, errors = np.zeros((raw.n_raw, self.n_repeats)), np.zeros(raw.n_raw)
        position = {name: k for k, name in enumerate(result.feature_names)}
        for i in range(raw.n_raw):  # a feature that nothing is made of has no importance
            k = position.get(f"raw feature {i}")
            if k is not None:
                importances[i], errors[i] = result.importances[k], result.standard_errors[k]
        return importances, errors

    # The call

    def _importances(
        self, rows: Any, labels: NDArray[Any], task: str, subset: NDArray[np.intp] | None
    ) -> PermutationImportanceResult:
        metric = default_metric(task) if self.metric is None else self._chosen_metric()
        _logger.info("PFIExplainer scores %s by %s: %d features.", self._target.name, metric.name, count_columns(rows))
        result = permutation_importance(
            self._target.scored_for(task, rows),
            rows,
            labels,
            metrics=metric,
            n_repeats=self.n_repeats,
            groups=self._groups(),
            columns=None if subset is None else subset.tolist(),
            seed=secrets.randbits(64) if self.seed is None else self.seed,
            n_threads=self.n_threads,
            show_progress=self.show_progress,
        )
        if not isinstance(result, PermutationImportanceResult):
            raise ValueError(
                f"metric returned {len(result)} scores ({', '.join(result)}); PFIExplainer explains one. Pass a scorer "
                "that returns a number, or see fastexplain.permutation_importance for several."
            )
        return result

    def _context(
        self, evaluation_examples: Any, rows: Any, task: str, labels: NDArray[Any], names: list[Any] | None
    ) -> Context:
        is_classifier = task == "classification"
        known = self.classes if is_classifier else None
        return Context(
            features=names,
            classes=known,
            n_classes=(len(np.unique(labels)) if known is None else len(known)) if is_classifier else None,
            model_task=task,
            model_type="function" if self._target.is_function else str(type(self.model)),
            method=self._method,
            units="score",
            eval_data=evaluation_examples,
            # at once: importances do not tell whether the model is still the same
            predictions=self._target.predictions(task, rows),
        )


def _labels(true_labels: Any) -> NDArray[Any]:
    """Labels as an array, from what holds them: also a sparse matrix, a tensor, a table of one column."""
    if is_sparse(true_labels):
        true_labels = true_labels.toarray()
    true_labels = as_rows(true_labels)
    labels = plain_array(true_labels)
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _subset_names(names: list[Any] | None, subset: NDArray[np.intp] | None) -> list[Any] | None:
    if subset is None:
        return names
    return subset.tolist() if names is None else [names[i] for i in subset]
