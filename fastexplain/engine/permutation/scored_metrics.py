"""Which response of the model serves which metric, and in what form the metric sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.metrics.functions import of_scorer
from fastexplain.engine.metrics.table import Evaluation, Metric, Truth, of_several_targets, resolve_metrics
from fastexplain.engine.permutation.formula_replacement import formula_replacer
from fastexplain.engine.permutation.replacement import Floats, PredictingReplacer, Replacer
from fastexplain.engine.permutation.scored_tables import TableReplacer
from fastexplain.engine.predict import PredictingModel
from fastexplain.rows.containers import Rows

__all__ = ["ScoredMetric", "score_metrics"]

OF_CLASSES = ("labels", "proba", "scores")


@dataclass(frozen=True)
class ScoredMetric:
    """A metric, where its predictions come from, and its baseline.

    Attributes
    ----------
    metric : Metric
    truth : Truth
    replacer : Replacer
    present : callable
        Outputs (m, n_rows, n_outputs) of the replacer -> predictions as the metric takes them.
    baseline : Evaluation
    """

    metric: Metric
    truth: Truth
    replacer: Replacer
    present: Callable[[Floats], Any]
    baseline: Evaluation


def score_metrics(
    model: PredictingModel,
    rows: Rows,
    y: NDArray[Any],
    weights: Floats | None,
    metrics: Any,
    greater_is_better: bool | Mapping[str, bool] | None,
    *,
    kernels: Any,
    n_threads: int,
    chunk_bytes: int,
) -> tuple[list[ScoredMetric], bool]:
    """Metrics as the user gave them, ready to score; and whether they were several."""
    sources = _Sources(model, rows, kernels, n_threads, chunk_bytes)
    if metrics is None:
        metrics = "accuracy" if sources.is_classification(y) else "r2"
    named, several = resolve_metrics(metrics, greater_is_better)
    sources.wanted = [metric.needs for metric in named.values()]
    scored = []
    for metric in named.values():
        metric = _for_targets(metric, y, model)
        if metric.needs == "estimator":
            parts = sources.of_scorer(metric, Truth(y, *_given(weights, len(y)), kernels, n_threads))
            several = several or any(part.metric.name != metric.name for part in parts)
            scored += parts
            continue
        by_class = metric.needs in OF_CLASSES or (metric.needs == "raw" and model.is_classifier)
        name, replacer = sources.source(metric)
        truth = _truth(model, y, weights, by_class, kernels, n_threads)
        present = _presenter(metric, truth, model, name, replacer)
        baseline = metric.evaluate(truth, present(replacer.base[None]))
        scored.append(ScoredMetric(metric, truth, replacer, present, baseline))
    names = [one.metric.name for one in scored]
    if len(set(names)) < len(names):
        raise ValueError(f"metrics names the same metric twice: {names}.")
    return scored, several


def _for_targets(metric: Metric, y: NDArray[Any], model: PredictingModel) -> Metric:
    """The metric, or the form of it that a classifier of several targets needs."""
    is_scorer = metric.needs in OF_CLASSES or (metric.needs == "raw" and metric.scorer is not None)
    return of_several_targets(metric) if y.ndim == 2 and is_scorer and hasattr(model.owner, "classes_") else metric


def _given(weights: Floats | None, n_rows: int) -> tuple[Floats, bool]:
    """Weights, and whether the user gave them."""
    return (np.ones(n_rows), False) if weights is None else (weights, True)


def _truth(
    model: PredictingModel, y: NDArray[Any], weights: Floats | None, by_class: bool, kernels: Any, n_threads: int
) -> Truth:
    given, weighted = _given(weights, len(y))
    if not by_class:
        if y.dtype.kind not in "fiub":
            raise ValueError(f"y holds {y.dtype.type.__name__} values; this metric needs numbers.")
        return Truth(y, given, weighted, kernels, n_threads)
    if y.ndim != 1:
        raise ValueError(f"y has shape {y.shape}; a metric of classes needs one label per row.")
    classes = np.unique(y)
    if model.classes is not None:
        if set(model.classes.tolist()).isdisjoint(classes.tolist()):  # every score would be 0, whatever is permuted
            raise ValueError(
                f"None of the labels in y, {classes[:10].tolist()}, is among the model's classes, "
                f"{model.classes[:10].tolist()}; pass labels as the model predicts them."
            )
        classes = np.unique(np.concatenate([model.classes, classes]))
    elif y.dtype.kind == "f" and (classes != np.round(classes)).any():
        number = float(y[y != np.round(y)][0])
        raise ValueError(f"y holds numbers that are no labels, such as {number!r}; this metric needs labels.")
    codes = np.searchsorted(classes, y).astype(np.int32)
    return Truth(y, given, weighted, kernels, n_threads, classes, codes)


class _Sources:
    """Replacers of the model's responses, opened when first needed."""

    def __init__(self, model: PredictingModel, rows: Rows, kernels: Any, n_threads: int, chunk_bytes: int) -> None:
        self._model, self._rows = model, rows
        self._kernels, self._n_threads, self._chunk_bytes = kernels, n_threads, chunk_bytes
        self._formulas: dict[str, Replacer | None] = {}
        self._black_boxes: dict[str, Replacer] = {}
        self._tables: TableReplacer | None = None
        self.wanted: list[str] = []

    def is_classification(self, y: NDArray[Any]) -> bool:
        """Whether accuracy is the default metric."""
        if "callable" not in self._model.responses:
            return self._model.is_classifier
        if y.dtype.kind not in "fiub":
            return True
        n_outputs = self._open("callable").base.shape[1]
        return y.ndim == 1 and n_outputs > 1 and n_outputs == len(np.unique(y))

    def source(self, metric: Metric) -> tuple[str, Replacer]:
        """The response that serves a metric.

        Raises
        ------
        ValueError
            The model has none that does.
        """
        responses = self._model.responses
        if "callable" in responses:
            return "callable", self._open("callable")
        if metric.needs == "labels" and self._model.is_classifier:
            return self._labels()
        candidates = self._candidates(metric)
        for name in candidates:
            if name in responses:
                return name, self._open(name)
        raise ValueError(
            f"Metric {metric.name} needs {' or '.join(candidates)}, and {type(self._model.owner).__name__} has only "
            f"{', '.join(responses)}."
        )

    def of_scorer(self, metric: Metric, truth: Truth) -> list[ScoredMetric]:
        """One scored metric for each number that a ``scorer(estimator, X, y)`` returns."""
        scorer, owner = metric.scorer, self._model.owner
        assert scorer is not None
        if owner is None:
            raise ValueError(
                f"{metric.name} is a scorer(estimator, X, y) and needs a model with predict; got a function of rows. "
                "Pass the model, or a metric(y_true, y_pred)."
            )
        if self._tables is None:
            self._tables = TableReplacer(owner, self._rows)
        found = self._tables.tables(self._tables.base[None]).evaluations(scorer, truth)
        scored = []
        for name, baseline in found.items():
            label = metric.name if name is None else str(name)
            one = replace(metric, name=label, score=of_scorer(scorer, name, metric.sign))
            scored.append(ScoredMetric(one, truth, self._tables, self._tables.tables, baseline))
        return scored

    def _candidates(self, metric: Metric) -> tuple[str, ...]:
        if metric.needs == "raw":
            return metric.response
        if not self._model.is_classifier:
            return ("predict_proba",) if metric.needs == "proba" else ("predict",)
        if metric.needs == "values":
            return ("predict",)
        if metric.needs == "scores" and "proba" not in self.wanted:
            return ("decision_function", "predict_proba")
        return ("predict_proba", "decision_function") if metric.needs in ("scores", "items") else ("predict_proba",)

    def _labels(self) -> tuple[str, Replacer]:
        """Classes follow from probabilities or margins where those are at hand and agree with predict on all rows."""
        responses = self._model.responses
        for name in ("predict_proba", "decision_function"):
            if name not in responses:
                continue
            at_hand = self._formula(name) or self._black_boxes.get(name)
            if at_hand is None and "predict" in responses and not (name == "predict_proba" and "proba" in self.wanted):
                continue
            replacer = at_hand or self._open(name)
            if "predict" not in responses:
                return name, replacer
            expected = self._open_black_box("predict").base[:, 0]
            if np.array_equal(_most_likely(replacer.base), expected):
                return name, replacer
        return "predict", self._open("predict")

    def _open(self, name: str) -> Replacer:
        return self._formula(name) or self._open_black_box(name)

    def _formula(self, name: str) -> Replacer | None:
        if name not in self._formulas:
            self._formulas[name] = formula_replacer(
                self._model, self._model.responses[name], self._rows, kernels=self._kernels, n_threads=self._n_threads
            )
        return self._formulas[name]

    def _open_black_box(self, name: str) -> Replacer:
        if name not in self._black_boxes:
            self._black_boxes[name] = PredictingReplacer(self._model.responses[name], self._rows, self._chunk_bytes)
        return self._black_boxes[name]


def _most_likely(outputs: Floats) -> NDArray[np.int64]:
    """Position of the predicted class from probabilities or margins (..., n_outputs)."""
    if outputs.shape[-1] == 1:
        return (outputs[..., 0] > 0).astype(np.int64)
    return np.asarray(outputs.argmax(axis=-1))


# ---------------------------------------------------------------------------------------------------------- presenters


def _presenter(
    metric: Metric, truth: Truth, model: PredictingModel, name: str, replacer: Replacer
) -> Callable[[Floats], Any]:
    n_outputs = replacer.base.shape[1]
    if metric.needs == "values":
        targets = 1 if truth.y.ndim == 1 else truth.y.shape[1]
        if n_outputs != targets:
            raise ValueError(f"Metric {metric.name} compares {targets} targets with {n_outputs} outputs of the model.")
        return lambda outputs: outputs
    if metric.needs == "items":
        return lambda outputs: outputs
    if metric.needs == "raw":
        return _raw(model, name, n_outputs, metric.pos_label)
    if metric.needs == "labels":
        return _labels(truth, model, name, replacer)
    if metric.needs == "proba":
        return _probabilities(truth, model, n_outputs, metric.name)
    return _scores(truth, model, n_outputs, metric.name)


def _raw(model: PredictingModel, name: str, n_outputs: int, pos_label: Any) -> Callable[[Floats], Any]:
    """As the model's own method returns it; of two classes, as scikit-learn's scorers pass it on."""
    labels = model.responses[name].labels
    if labels is not None:
        return lambda outputs: labels[outputs[..., 0].astype(np.int64)]
    classes = [] if model.classes is None else model.classes.tolist()
    first = len(classes) == 2 and pos_label == classes[0]
    if name == "predict_proba" and n_outputs == 2:
        return lambda outputs: outputs[..., 0 if first else 1]
    if name == "decision_function" and n_outputs == 1:
        return lambda outputs: -outputs[..., 0] if first else outputs[..., 0]
    return lambda outputs: outputs[..., 0] if n_outputs == 1 else outputs


def _labels(truth: Truth, model: PredictingModel, name: str, replacer: Replacer) -> Callable[[Floats], Any]:
    assert truth.classes is not None
    n_outputs = replacer.base.shape[1]
    order = truth.classes if model.classes is None else model.classes
    at = np.searchsorted(truth.classes, order).astype(np.int32)
    if model.responses[name].labels is not None:
        return lambda outputs: at[outputs[..., 0].astype(np.int64)]
    if n_outputs > 1:
        _check_width(n_outputs, len(order))

        def most_likely(outputs: Floats) -> NDArray[np.int32]:
            found = np.empty(outputs.shape[:2], dtype=np.int32)
            truth.kernels.argmax(np.ascontiguousarray(outputs), found, truth.n_threads)
            return found if len(at) == len(truth.classes) else at[found]  # type: ignore[arg-type]

        return most_likely
    if name == "decision_function":
        return lambda outputs: at[(outputs[..., 0] > 0).astype(np.int64)]
    if name == "predict_proba":
        return lambda outputs: at[(outputs[..., 0] > 0.5).astype(np.int64)]
    return _codes_of_numbers(truth, replacer)


def _codes_of_numbers(truth: Truth, replacer: Replacer) -> Callable[[Floats], Any]:
    """One number per row from a plain function: a label of y, or the probability of the second of two classes."""
    classes = truth.classes
    assert classes is not None
    if classes.dtype.kind in "fiub" and np.isin(replacer.base, classes).all():

        def codes(outputs: Floats) -> NDArray[np.int32]:
            found = np.minimum(np.searchsorted(classes, outputs[..., 0]), len(classes) - 1)
            if (classes[found] != outputs[..., 0]).any():
                raise ValueError(f"The model returned a label that is not among {classes.tolist()}.")
            return found.astype(np.int32)

        return codes
    if len(classes) == 2 and replacer.base.min() >= 0 and replacer.base.max() <= 1:
        return lambda outputs: (outputs[..., 0] > 0.5).astype(np.int32)
    raise ValueError(
        f"This metric needs labels among {classes.tolist()}, or probabilities; the model returned "
        f"{replacer.base[0, 0]!r} for the first row."
    )


def _check_width(n_outputs: int, n_classes: int) -> None:
    if n_outputs != n_classes:
        raise ValueError(f"The model returned {n_outputs} columns for {n_classes} classes.")


def _probabilities(truth: Truth, model: PredictingModel, n_outputs: int, metric: str) -> Callable[[Floats], Any]:
    assert truth.classes is not None
    n_classes = len(truth.classes)
    order = truth.classes if model.classes is None else model.classes
    if n_outputs == 1 and len(order) == 2:

        def both(outputs: Floats) -> Floats:
            _check_probabilities(outputs, metric)
            return np.concatenate([1 - outputs, outputs], axis=-1)

        return both
    _check_width(n_outputs, len(order))
    at = np.searchsorted(truth.classes, order)

    def all_classes(outputs: Floats) -> Floats:
        _check_probabilities(outputs, metric)
        if len(at) == n_classes:
            return outputs
        wider = np.zeros((*outputs.shape[:-1], n_classes))
        wider[..., at] = outputs
        return wider

    return all_classes


def _check_probabilities(outputs: Floats, metric: str) -> None:
    low, high = float(outputs.min()), float(outputs.max())
    if low < -1e-9 or high > 1 + 1e-6:
        raise ValueError(
            f"Metric {metric} needs probabilities; the model returned values from {low:.3g} to {high:.3g}."
        )


def _scores(truth: Truth, model: PredictingModel, n_outputs: int, metric: str) -> Callable[[Floats], Any]:
    assert truth.classes is not None
    if n_outputs == 1:
        return lambda outputs: outputs[..., 0]
    order = truth.classes if model.classes is None else model.classes
    _check_width(n_outputs, len(order))
    if n_outputs == 2:
        return lambda outputs: outputs[..., 1]
    return lambda outputs: outputs
