"""Scores of predictions: one row of a table per metric, evaluated on many stacked predictions at once.

A metric is asked for by scikit-learn's scorer name (``"neg_mean_squared_error"``), by the name of scikit-learn's
function (``"mean_squared_error"``, also interpret-community's constants), by that function itself, by a scorer object,
or is any callable ``metric(y_true, y_pred[, sample_weight])`` or ``scorer(estimator, X, y[, sample_weight])``.
`resolve_metric` turns all of these into a `Metric`.

Besides its score every metric gives each row's term of it: a number whose weighted mean is the score and whose
deviation from it is the row's influence (for a mean loss simply the row's loss), so that standard errors need no
resampling.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastexplain.engine.metrics import functions
from fastexplain.engine.metrics.functions import Evaluation, Floats, Truth

__all__ = [
    "METRICS",
    "Evaluation",
    "Metric",
    "Truth",
    "calls_the_model",
    "known_direction",
    "known_metrics",
    "of_several_targets",
    "resolve_metric",
    "resolve_metrics",
]


@dataclass(frozen=True)
class Metric:
    """A way to score predictions.

    Attributes
    ----------
    name : str
    score : callable (Truth, predictions) -> Evaluation
        Of additive metrics: (Truth, losses) -> Evaluation.
    greater_is_better : bool
    needs : {"values", "labels", "proba", "scores", "items", "raw", "estimator"}
        What predictions are: numbers (m, n, n_targets); class codes (m, n); probabilities (m, n, n_classes); decision
        scores (m, n) or (m, n, n_classes); scores of each row's items (m, n, n_items); the model's response as it is;
        tables that the scorer predicts itself.
    losses : callable (Truth, predictions) -> (m, n, c), optional
        Of metrics that are an affine function of mean losses: their expectation over permutations is that of the
        losses, so that it can be had exactly.
    sign : int
        -1 for scikit-learn's ``neg_`` scorers, whose score is the negative of the metric.
    response : tuple of str
        Responses of a classifier to use for ``needs="raw"``, the first one that it has.
    pos_label : object
        Of ``needs="raw"`` and two classes: the class whose probability or margin the metric gets; None is the second.
    scorer : callable, optional
        What is called of ``needs="estimator"``; also of others that scikit-learn made.
    """

    name: str
    score: Callable[[Truth, Any], Evaluation]
    greater_is_better: bool
    needs: str
    losses: Callable[[Truth, Any], Floats] | None = None
    sign: int = 1
    response: tuple[str, ...] = field(default=())
    pos_label: Any = None
    scorer: Callable[..., Any] | None = None

    def evaluate(self, truth: Truth, predictions: Any) -> Evaluation:
        """Scores (m,), and each row's term of them (m, n) where the metric has such."""
        return self.finish(truth, predictions if self.losses is None else self.losses(truth, predictions))

    def finish(self, truth: Truth, losses: Any) -> Evaluation:
        """The evaluation from what `losses` returned, or from a mixture of such."""
        found = self.score(truth, losses)
        return found if self.sign == 1 else found.negated()

    def drop(self, baseline: Floats, permuted: Floats) -> Floats:
        """How much worse `permuted` is than `baseline`; positive where the model needed what was permuted."""
        return baseline - permuted if self.greater_is_better else permuted - baseline


def _mean_loss(name: str, loss: str, alpha: float = 0.5) -> Metric:
    return Metric(name, functions.mean_of_losses, False, "values", functions.row_losses(loss, alpha))


def _of_confusion(name: str, function: Callable[..., Floats], **options: Any) -> Metric:
    return Metric(name, functions.of_confusion(function, **options), True, "labels")


def _averaged(name: str, function: Callable[..., Floats], **options: Any) -> list[Metric]:
    """`name` for two classes, and name_macro, name_micro, name_weighted."""
    averages = {name: "binary", **{f"{name}_{average}": average for average in ("macro", "micro", "weighted")}}
    return [_of_confusion(key, function, average=average, **options) for key, average in averages.items()]


def _gain(name: str, **options: Any) -> Metric:
    return Metric(name, functions.of_sklearn(f"{name}_score", functions.items, **options), True, "items")


def _build_table() -> dict[str, Metric]:
    f = functions
    rows = [
        _mean_loss("mean_squared_error", "squared"),
        Metric("root_mean_squared_error", f.root_of_losses, False, "values", None),
        _mean_loss("mean_absolute_error", "absolute"),
        _mean_loss("mean_squared_log_error", "squared_log"),
        Metric("root_mean_squared_log_error", f.root_of_log_losses, False, "values", None),
        _mean_loss("mean_absolute_percentage_error", "absolute_percentage"),
        _mean_loss("mean_pinball_loss", "pinball"),
        _mean_loss("mean_poisson_deviance", "poisson"),
        _mean_loss("mean_gamma_deviance", "gamma"),
        Metric("median_absolute_error", f.of_sklearn("median_absolute_error"), False, "values"),
        Metric("max_error", f.of_sklearn("max_error"), False, "values"),
        Metric("r2", f.r2, True, "values", f.row_losses("squared")),
        Metric("d2_absolute_error_score", f.of_sklearn("d2_absolute_error_score"), True, "values"),
        Metric("explained_variance", f.explained_variance, True, "values"),
        Metric("accuracy", f.mean_of_losses, True, "labels", f.hits),
        Metric("zero_one_loss", f.mean_of_losses, False, "labels", f.misses),
        _of_confusion("balanced_accuracy", f.balanced_accuracy),
        _of_confusion("matthews_corrcoef", f.matthews_corrcoef),
        _of_confusion("cohen_kappa_score", f.cohen_kappa),
        *_averaged("f1", f.f_measure, beta=1.0),
        *_averaged("fbeta", f.f_measure, beta=1.0),
        *_averaged("precision", f.f_measure, beta=0.0),
        *_averaged("recall", f.f_measure, beta=np.inf),
        *_averaged("jaccard", f.jaccard),
        Metric("log_loss", f.mean_of_losses, False, "proba", f.log_losses),
        Metric("brier_score", f.mean_of_losses, False, "proba", f.brier_losses),
        Metric("d2_log_loss_score", f.d2_log_loss, True, "proba", f.log_losses),
        Metric("roc_auc", f.roc_auc("binary"), True, "scores"),
        Metric("roc_auc_ovr", f.roc_auc("ovr", weighted=False), True, "proba"),
        Metric("roc_auc_ovr_weighted", f.roc_auc("ovr", weighted=True), True, "proba"),
        Metric("roc_auc_ovo", f.roc_auc("ovo", weighted=False), True, "proba"),
        Metric("roc_auc_ovo_weighted", f.roc_auc("ovo", weighted=True), True, "proba"),
        Metric("average_precision", f.average_precision, True, "scores"),
        _gain("ndcg"),
        _gain("dcg"),
    ]
    table = {row.name: row for row in rows}
    for name, known in _SYNONYMS.items():
        table[name] = replace(table[known], name=name)
    for name, known in _NEGATED.items():
        table[name] = replace(table[known], name=name, sign=-1, greater_is_better=True)
    return table


# Other names of the same metric: scikit-learn's functions and interpret-community's constants.
_SYNONYMS = {
    "accuracy_score": "accuracy",
    "average_precision_score": "average_precision",
    "balanced_accuracy_score": "balanced_accuracy",
    "brier_score_loss": "brier_score",
    "dcg_score": "dcg",
    "explained_variance_score": "explained_variance",
    "f1_score": "f1",
    "fbeta_score": "fbeta",
    "jaccard_score": "jaccard",
    "ndcg_score": "ndcg",
    "precision_score": "precision",
    "r2_score": "r2",
    "recall_score": "recall",
    "roc_auc_score": "roc_auc",
}
_NEGATED = {
    "neg_brier_score": "brier_score",
    "neg_log_loss": "log_loss",
    "neg_max_error": "max_error",
    "neg_mean_absolute_error": "mean_absolute_error",
    "neg_mean_absolute_percentage_error": "mean_absolute_percentage_error",
    "neg_mean_gamma_deviance": "mean_gamma_deviance",
    "neg_mean_poisson_deviance": "mean_poisson_deviance",
    "neg_mean_squared_error": "mean_squared_error",
    "neg_mean_squared_log_error": "mean_squared_log_error",
    "neg_median_absolute_error": "median_absolute_error",
    "neg_root_mean_squared_error": "root_mean_squared_error",
    "neg_root_mean_squared_log_error": "root_mean_squared_log_error",
}
METRICS: dict[str, Metric] = _build_table()


def known_metrics() -> list[str]:
    """Names that `resolve_metric` takes, sorted: those of the table, and of the installed scikit-learn's scorers."""
    import sklearn.metrics

    scorers = [name for name in sklearn.metrics.get_scorer_names() if not _compares_clusters(_scorer_named(name))]
    return sorted({*METRICS, *scorers})


class _Options(NamedTuple):
    """Keywords of a scikit-learn function that have a native form, per metric."""

    takes: tuple[str, ...]
    build: Callable[..., Metric]


def _with_average(name: str, **options: Any) -> Metric:
    base = {"precision": 0.0, "recall": np.inf, "f1": 1.0, "fbeta": 1.0}.get(name)
    function = functions.jaccard if base is None else functions.f_measure
    beta = {} if base is None else {"beta": options.pop("beta", base)}
    return _of_confusion(name, function, **{"average": "binary", **beta, **options})


def _area(average: str = "macro", multi_class: str = "raise") -> Metric:
    if multi_class == "raise":
        return METRICS["roc_auc"]
    name = f"roc_auc_{multi_class}" + ("_weighted" if average == "weighted" else "")
    return METRICS[name]


# Averages of metrics of classes; the one over samples is of several labels per row.
_AVERAGES = ("binary", "macro", "micro", "weighted")
_NATIVE_OPTIONS: dict[str, _Options] = {
    "f1": _Options(("average", "pos_label"), lambda **o: _with_average("f1", **o)),
    "fbeta": _Options(("average", "pos_label", "beta"), lambda **o: _with_average("fbeta", **o)),
    "precision": _Options(("average", "pos_label"), lambda **o: _with_average("precision", **o)),
    "recall": _Options(("average", "pos_label"), lambda **o: _with_average("recall", **o)),
    "jaccard": _Options(("average", "pos_label"), lambda **o: _with_average("jaccard", **o)),
    "roc_auc": _Options(("average", "multi_class"), lambda **o: _area(**o)),
    "mean_pinball_loss": _Options(("alpha",), lambda **o: _mean_loss("mean_pinball_loss", "pinball", **o)),
    "ndcg": _Options(("k", "ignore_ties"), lambda **o: _gain("ndcg", **o)),
    "dcg": _Options(("k", "ignore_ties", "log_base"), lambda **o: _gain("dcg", **o)),
}


def resolve_metrics(
    metrics: Any, greater_is_better: bool | Mapping[str, bool] | None = None
) -> tuple[dict[str, Metric], bool]:
    """Metrics as the user gave them -> name -> Metric, and whether they were several.

    Raises
    ------
    ValueError
        A name is unknown or given twice, the list is empty, or a callable's direction is not known.
    TypeError
        Something that is no metric.
    """

    def direction(name: str) -> bool | None:
        return greater_is_better.get(name) if isinstance(greater_is_better, Mapping) else greater_is_better

    metrics = getattr(metrics, "_scorers", metrics)  # several scorers that scikit-learn made one
    if isinstance(metrics, Mapping):
        named = {
            str(name): replace(resolve_metric(m, direction(str(name))), name=str(name)) for name, m in metrics.items()
        }
        several = True
    elif isinstance(metrics, Sequence) and not isinstance(metrics, str):
        found = [resolve_metric(m, direction(_name_of(m))) for m in metrics]
        named, several = {metric.name: metric for metric in found}, True
        if len(named) < len(found):
            raise ValueError(f"metrics names the same metric twice: {[metric.name for metric in found]}.")
    else:
        one = resolve_metric(metrics, direction(_name_of(metrics)))
        named, several = {one.name: one}, False
    if not named:
        raise ValueError("metrics is empty; give at least one metric, or None for the default.")
    return named, several


def resolve_metric(
    metric: Any, greater_is_better: bool | None = None, options: Mapping[str, Any] | None = None
) -> Metric:
    """One metric as the user gave it -> Metric; see the module's text for what is understood.

    Parameters
    ----------
    metric : str, callable, scorer or Metric
    greater_is_better : bool, optional
        Direction of a callable; of what is known by name, the direction is known.
    options : dict, optional
        Keywords of a function, or of the function that a name stands for.

    Raises
    ------
    ValueError
        The name is unknown (the message lists the known ones), a callable does not say which direction is better, or
        something that takes no options is given some.
    TypeError
        Not a name, a callable or a scorer.
    """
    if options:
        return _with_options(metric, greater_is_better, options)
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        return _known(metric)
    if hasattr(metric, "_score_func") and hasattr(metric, "_sign"):  # scikit-learn's make_scorer
        return _from_scorer(metric)
    if callable(metric) and calls_the_model(metric):
        return _from_estimator_scorer(metric, greater_is_better)
    if not callable(metric):
        raise TypeError(f"A metric must be a name, a callable or a scikit-learn scorer; got {metric!r}.")
    native = _native(metric, {})
    if native is not None and greater_is_better in (None, native.greater_is_better):
        return native
    return _from_callable(metric, greater_is_better)


def known_direction(metric: Any) -> bool | None:
    """Whether greater is better, where the metric or its name says so; None for other callables."""
    if isinstance(metric, str):
        return _known(metric).greater_is_better
    if isinstance(metric, Metric):
        return metric.greater_is_better
    if (hasattr(metric, "_score_func") and hasattr(metric, "_sign")) or calls_the_model(metric):
        return True
    given = getattr(metric, "greater_is_better", None)
    if given is not None:
        return bool(given)
    name = _name_of(metric)
    if not str(getattr(metric, "__module__", "")).startswith("sklearn.metrics."):
        return None
    if name in METRICS:
        return METRICS[name].greater_is_better
    if name.endswith(("_error", "_loss", "_deviance")):  # scikit-learn's own convention
        return False
    return True if name.endswith("_score") else None


# First parameters and third ones that tell scorer(estimator, X, y) from metric(y_true, y_pred, sample_weight).
_ESTIMATORS = ("estimator", "model", "est", "clf", "classifier", "regressor", "reg", "pipeline")
_WEIGHTS = ("sample_weight", "weight", "w")


def calls_the_model(metric: Any) -> bool:
    """Whether a callable is a ``scorer(estimator, X, y)``, by the names and the number of its parameters."""
    if hasattr(metric, "py_func"):  # compiled by Numba: gets arrays only
        return False
    try:
        parameters = inspect.signature(metric).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if positional and positional[0].name.lower() in _ESTIMATORS:
        return True
    required = [p.name.lower() for p in positional if p.default is p.empty]
    return len(required) >= 3 and not required[2].startswith(_WEIGHTS)


def _from_estimator_scorer(scorer: Callable[..., Any], greater_is_better: bool | None) -> Metric:
    name = _name_of(scorer)
    if greater_is_better is False:
        raise ValueError(
            f"{name} is a scorer(estimator, X, y), of which more is better, as scikit-learn defines them; let it "
            "return the negative of an error, and leave greater_is_better out."
        )
    return Metric(name, functions.of_scorer(scorer), True, "estimator", scorer=scorer)


def of_several_targets(metric: Metric) -> Metric:
    """A metric of classes for a y of several columns: by scikit-learn's scorer, where there is one of that name.

    Raises
    ------
    ValueError
        There is none.
    """
    scorer = metric.scorer or _scorer_named(metric.name)
    if scorer is None:
        raise ValueError(
            f"Metric {metric.name} needs one label per row, and y has several columns; pass the name of one of "
            "scikit-learn's scorers, such as 'f1_samples'."
        )
    score = functions.of_scorer(scorer, sign=metric.sign)
    return replace(metric, score=score, needs="estimator", losses=None, scorer=scorer)


def _known(name: str) -> Metric:
    if name in METRICS:
        return METRICS[name]
    scorer = _scorer_named(name) or _scorer_of_function(name)
    if scorer is None:
        import sklearn

        known = known_metrics()
        close = difflib.get_close_matches(str(name), known, n=3)
        meant = f"; did you mean {' or '.join(map(repr, close))}?" if close else "."
        raise ValueError(
            f"Metric {str(name)!r} is unknown{meant} Known: "
            f"{', '.join(known)} (with scikit-learn {sklearn.__version__}); or pass a callable."
        )
    return replace(_from_scorer(scorer), name=name)


def _scorer_named(name: str) -> Any:
    """scikit-learn's scorer, or None."""
    import sklearn.metrics

    return sklearn.metrics.get_scorer(name) if name in sklearn.metrics.get_scorer_names() else None


def _scorer_of_function(name: str) -> Any:
    """scikit-learn's scorer that is made of the function of this name as it is, or None."""
    import sklearn.metrics

    function = getattr(sklearn.metrics, name, None)
    for scorer in map(_scorer_named, sklearn.metrics.get_scorer_names() if callable(function) else ()):
        if scorer._score_func is function and scorer._sign > 0 and not scorer._kwargs:
            return scorer
    return None


def _compares_clusters(scorer: Any) -> bool:
    return ".cluster." in getattr(scorer._score_func, "__module__", "")


def _with_options(metric: Any, greater_is_better: bool | None, options: Mapping[str, Any]) -> Metric:
    """A function of predictions with its keywords bound."""
    function = metric
    if isinstance(metric, str):
        import sklearn.metrics

        greater_is_better = _known(metric).greater_is_better
        names = [metric, f"{metric}_score", f"{metric}_loss"]
        function = next((getattr(sklearn.metrics, name) for name in names if hasattr(sklearn.metrics, name)), None)
    if not callable(function) or hasattr(function, "_score_func"):
        raise ValueError(f"{_name_of(metric)} takes no options ({dict(options)!r}); pass a function and its options.")
    native = _native(function, options)
    if native is not None and greater_is_better in (None, native.greater_is_better):
        return native
    bound: Any = partial(function, **options)
    bound.__name__ = _name_of(function)
    return _from_callable(bound, known_direction(function) if greater_is_better is None else greater_is_better)


def _name_of(metric: Any) -> str:
    return metric if isinstance(metric, str) else str(getattr(metric, "__name__", type(metric).__name__))


def _native(function: Any, options: Mapping[str, Any]) -> Metric | None:
    """The table's row for a scikit-learn function with these keywords, where there is one."""
    module = getattr(function, "__module__", "") or ""
    name = getattr(function, "__name__", "")
    if not module.startswith("sklearn.metrics.") or name not in METRICS:
        return None
    if not options:
        return METRICS[name]
    known = _NATIVE_OPTIONS.get(_SYNONYMS.get(name, name))
    if known is None or not set(options) <= set(known.takes) or options.get("average", "macro") not in _AVERAGES:
        return None
    return replace(known.build(**options), name=name)


def _from_scorer(scorer: Any) -> Metric:
    function, sign, options = scorer._score_func, int(scorer._sign), dict(scorer._kwargs)
    response = scorer._response_method
    responses = (response,) if isinstance(response, str) else tuple(response)
    if responses == ("default",):
        responses = ("predict",)
    name = getattr(function, "__name__", type(function).__name__)
    if _compares_clusters(scorer):
        raise ValueError(
            f"{name} compares clusters, whose labels may be swapped, so that it does not say how well a model predicts "
            "labels; choose a metric of classes, such as 'accuracy' or 'balanced_accuracy'."
        )
    native = _native(function, options)
    takes_response = native is not None and (native.needs not in ("values", "labels") or responses == ("predict",))
    if native is not None and takes_response and (sign == 1) == native.greater_is_better:
        label = f"neg_{name}" if sign < 0 else name
        return replace(native, name=label, sign=sign, greater_is_better=True, scorer=scorer)

    score = functions.of_callable(partial(function, **options))
    label, positive = f"neg_{name}" if sign < 0 else name, options.get("pos_label")
    return Metric(label, score, True, "raw", sign=sign, response=responses, pos_label=positive, scorer=scorer)


def _from_callable(function: Callable[..., Any], greater_is_better: bool | None) -> Metric:
    name = _name_of(function)
    direction = greater_is_better if greater_is_better is not None else known_direction(function)
    if direction is None:
        raise ValueError(
            f"Metric {name} does not say which direction is better: pass greater_is_better=True for a score, False for "
            f"an error, or set {name}.greater_is_better."
        )
    if hasattr(function, "py_func") and hasattr(function, "signatures"):  # compiled by Numba
        score = functions.of_compiled(function)
    else:
        score = functions.of_callable(function)
    responses = (str(getattr(function, "response_method", "predict")),)
    return Metric(name, score, bool(direction), "raw", response=responses)
