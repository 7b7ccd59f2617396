"""The arithmetic of the table of metrics: kernels, row terms and influence functions.

``m`` predictions of ``n`` rows are scored at once. An `Evaluation` holds m scores and, where known, each row's term:
score plus influence, with the score as its weighted mean. Influence functions: Hampel 1974; of the AUC, DeLong et al.
1988.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Blocks of rows left out in turn where no influence function is known; the standard error is then good to about 16%.
N_BLOCKS = 20


@dataclass(frozen=True)
class Truth:
    """What predictions are compared with.

    Attributes
    ----------
    y : array of shape (n,) or (n, n_targets)
        As the user gave it, in NumPy.
    weights : float64 array of shape (n,)
    weighted : bool
        The user gave weights; else all are 1 and callables are not handed any.
    kernels : module
        ``fastexplain._core`` or its Numba twin.
    n_threads : int
    classes, codes : array or None
        Labels in order, and the position of each row's; None for regression.
    """

    y: NDArray[Any]
    weights: Floats
    weighted: bool
    kernels: Any
    n_threads: int
    classes: NDArray[Any] | None = None
    codes: NDArray[np.int32] | None = None

    @property
    def targets(self) -> Floats:
        """Y as float64 of shape (n, n_targets)."""
        y = np.ascontiguousarray(self.y, dtype=np.float64)
        return y.reshape(len(y), -1)

    def mean(self, values: Floats) -> Floats:
        """Weighted mean over the rows, the axis before the last of (..., n, c)."""
        total: Floats = np.einsum("i,...ic->...c", self.weights, values) / self.weights.sum()
        return total

    def row_mean(self, terms: Floats) -> Floats:
        """Weighted mean over the rows of (..., n)."""
        means: Floats = terms @ self.weights / self.weights.sum()
        return means

    def known_codes(self) -> NDArray[np.int32]:
        assert self.codes is not None
        return self.codes


class Evaluation(NamedTuple):
    """Scores of m predictions.

    Attributes
    ----------
    scores : (m,)
    terms : (m, n) or None
        Each row's term.
    blocks : (n,) or None
        Terms are those of blocks of rows left out together: the block of each row.
    """

    scores: Floats
    terms: Floats | None
    blocks: NDArray[np.int64] | None = None

    def negated(self) -> Evaluation:
        return Evaluation(-self.scores, None if self.terms is None else -self.terms, self.blocks)


Score = Callable[[Truth, Any], Evaluation]


# --------------------------------------------------------------------------------------------------- mean losses


def row_losses(loss: str, alpha: float = 0.5) -> Callable[[Truth, Floats], Floats]:
    """Losses (m, n, n_targets) of predictions of that shape."""
    return partial(_row_losses, loss, alpha)


def _row_losses(loss: str, alpha: float, truth: Truth, predictions: Floats) -> Floats:
    y = truth.targets
    if loss in ("squared", "absolute"):  # what most calls ask for
        out = np.empty(predictions.shape)
        truth.kernels.row_losses(loss, y, np.ascontiguousarray(predictions), out, truth.n_threads)
        return out
    return np.asarray(_ROW_LOSSES[loss](y, predictions, alpha))


def _squared_log(y: Floats, p: Floats, _: float) -> Floats:
    if y.min() <= -1 or p.min() <= -1:
        raise ValueError("mean_squared_log_error needs targets and predictions above -1.")
    return np.asarray((np.log1p(y) - np.log1p(p)) ** 2)


def _absolute_percentage(y: Floats, p: Floats, _: float) -> Floats:
    return np.asarray(np.abs(y - p) / np.maximum(np.abs(y), np.finfo(np.float64).eps))


def _pinball(y: Floats, p: Floats, alpha: float) -> Floats:
    return np.where(y >= p, alpha * (y - p), (1 - alpha) * (p - y))


def _poisson(y: Floats, p: Floats, _: float) -> Floats:
    if y.min() < 0 or p.min() <= 0:
        raise ValueError("mean_poisson_deviance needs targets of at least 0 and predictions above 0.")
    return np.asarray(2 * (y * np.log(np.where(y > 0, y, 1.0) / p) - y + p))


def _gamma(y: Floats, p: Floats, _: float) -> Floats:
    if y.min() <= 0 or p.min() <= 0:
        raise ValueError("mean_gamma_deviance needs targets and predictions above 0.")
    return np.asarray(2 * (np.log(p / y) + y / p - 1))


_ROW_LOSSES: dict[str, Callable[[Floats, Floats, float], Floats]] = {
    "squared_log": _squared_log,
    "absolute_percentage": _absolute_percentage,
    "pinball": _pinball,
    "poisson": _poisson,
    "gamma": _gamma,
}


def log_losses(truth: Truth, predictions: Floats) -> Floats:
    """Minus the logarithm of the probability of each row's class, (m, n, 1)."""
    out = np.empty(predictions.shape[:2])
    truth.kernels.log_losses(truth.known_codes(), np.ascontiguousarray(predictions), out, truth.n_threads)
    return out[:, :, None]


def brier_losses(truth: Truth, predictions: Floats) -> Floats:
    """Squared distance of the probabilities from 1 for the row's class and 0 for the others, (m, n, 1)."""
    n_classes = predictions.shape[2]
    out = ((predictions - np.eye(n_classes)[truth.known_codes()]) ** 2).sum(axis=2, keepdims=True)
    return np.asarray(out / 2 if n_classes == 2 else out)  # of two classes Brier's score counts the positive one only


def hits(truth: Truth, predicted: NDArray[np.int32]) -> Floats:
    """1 where the class is right, of shape (m, n, 1)."""
    return np.asarray(predicted == truth.known_codes(), dtype=np.float64)[:, :, None]


def misses(truth: Truth, predicted: NDArray[np.int32]) -> Floats:
    """1 where the class is wrong, of shape (m, n, 1)."""
    return np.asarray(predicted != truth.known_codes(), dtype=np.float64)[:, :, None]


def mean_of_losses(truth: Truth, losses: Floats) -> Evaluation:
    """Mean over rows, then over targets."""
    terms = losses[:, :, 0] if losses.shape[2] == 1 else losses.mean(axis=2)
    return Evaluation(truth.row_mean(terms), terms)


def root_of_losses(truth: Truth, predictions: Floats, loss: str = "squared") -> Evaluation:
    """Mean over targets of the root of the mean loss."""
    losses = row_losses(loss)(truth, predictions)
    roots = np.sqrt(truth.mean(losses))  # (m, c)
    scores = roots.mean(axis=1)
    safe = np.where(roots > 0, roots, 1.0)
    influence = ((losses - roots[:, None, :] ** 2) / (2 * safe[:, None, :])).mean(axis=2)
    return Evaluation(scores, scores[:, None] + influence)


def root_of_log_losses(truth: Truth, predictions: Floats) -> Evaluation:
    """As `root_of_losses`, of log1p of targets and predictions."""
    return root_of_losses(truth, predictions, "squared_log")


# ------------------------------------------------------------------------------- relative to a constant prediction


def _relative_to(reference: Floats, truth: Truth, losses: Floats) -> Evaluation:
    """1 - mean loss / mean of the losses (n, n_targets) of a constant prediction, averaged over targets."""
    scale = truth.mean(reference)  # (c,)
    means = truth.mean(losses)  # (m, c)
    safe = np.where(scale > 0, scale, 1.0)
    # of a constant target scikit-learn's R2 is 1 for a perfect prediction, else 0
    ratio = np.where(scale > 0, means / safe, (means > 0).astype(np.float64))
    scores = (1 - ratio).mean(axis=1)
    if losses.shape[2] == 1:
        slope = (means / safe**2)[:, :, None] * reference[None, None, :, 0]  # (m, 1, n)
        influence = np.where(scale[0] > 0, slope[:, 0, :] - losses[:, :, 0] / safe[0], 0.0)
    else:
        slope = means[:, None, :] / safe**2 * reference[None]
        influence = np.where(scale > 0, slope - losses / safe, 0.0).mean(axis=2)
    return Evaluation(scores, scores[:, None] + influence)


def _spread(truth: Truth) -> Floats:
    """Squared distances (n, n_targets) from the mean."""
    y = truth.targets
    return np.asarray((y - truth.mean(y)) ** 2)


def r2(truth: Truth, losses: Floats) -> Evaluation:
    """1 - squared loss / squared loss of the mean, averaged over targets."""
    return _relative_to(_spread(truth), truth, losses)


def d2_log_loss(truth: Truth, losses: Floats) -> Evaluation:
    """1 - log loss / log loss of the classes' shares."""
    codes = truth.known_codes()
    shares = np.bincount(codes, truth.weights)
    reference = -np.log(shares / shares.sum())[codes]
    return _relative_to(reference[:, None], truth, losses)


def explained_variance(truth: Truth, predictions: Floats) -> Evaluation:
    """1 - variance of the residuals / variance of the targets, averaged over targets."""
    residual = truth.targets[None] - predictions
    residual = (residual - truth.mean(residual)[:, None, :]) ** 2
    return _relative_to(_spread(truth), truth, residual)


# ---------------------------------------------------------------------------------------------------- classification


def of_confusion(function: Callable[..., Floats], **options: Any) -> Score:
    """A smooth function of the table of (true, predicted) weights, with its derivative as the influence of a row."""

    def score(truth: Truth, predicted: NDArray[np.int32]) -> Evaluation:
        codes, classes = truth.known_codes(), truth.classes
        assert classes is not None
        k = len(classes)
        tables = np.empty((len(predicted), k, k))
        truth.kernels.confusion(codes, np.ascontiguousarray(predicted), truth.weights, tables, truth.n_threads)
        tables /= truth.weights.sum()
        bound = dict(options)
        positive = bound.pop("pos_label", 1)
        if options.get("average") == "binary":
            bound["positive"] = _positive(classes, positive)
        scores = function(tables, **bound)
        terms = np.zeros((len(tables), k, k))
        # small beside the smallest share, so that no class appears or vanishes by the step
        step = min(1e-5, 1e-2 * float(tables[tables > 0].min(initial=1.0)))
        for a in range(k):
            for b in range(k):
                # d/dt of the table (1 - t) C + t e_ab at t = 0
                point = np.zeros((k, k))
                point[a, b] = 1.0
                ahead = function(tables + step * (point - tables), **bound)
                behind = function(tables - step * (point - tables), **bound)
                terms[:, a, b] = (ahead - behind) / (2 * step)
        influence = terms[np.arange(len(tables))[:, None], codes, predicted]
        influence -= truth.row_mean(influence)[:, None]
        return Evaluation(scores, scores[:, None] + influence)

    return score


def _positive(classes: NDArray[Any], positive: Any) -> int:
    if len(classes) > 2:
        raise ValueError(
            f"This metric is defined for two classes; y and the model have {len(classes)}. Use a form for "
            "several, for example 'f1_macro', 'precision_micro', 'recall_weighted' or 'jaccard_macro'."
        )
    found = np.flatnonzero(classes == positive)
    return int(found[0]) if len(found) else len(classes) - 1


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """0 where nothing is divided by nothing."""
    small = np.abs(denominator) < 1e-300
    return np.asarray(np.where(small, 0.0, numerator / np.where(small, 1.0, denominator)))


def _present(tables: Floats) -> NDArray[np.bool_]:
    """Classes that occur among the rows or the predictions, (m, k)."""
    return np.asarray((tables.sum(axis=1) + tables.sum(axis=2)) > 1e-14)


def _average(values: Floats, tables: Floats, average: str, positive: int) -> Floats:
    """Per-class values (m, k) -> (m,)."""
    if average == "binary":
        return values[:, positive]
    if average == "macro":
        present = _present(tables)
        return np.asarray((values * present).sum(axis=1) / present.sum(axis=1))
    share = tables.sum(axis=2)
    return np.asarray((values * share).sum(axis=1) / share.sum(axis=1))


def f_measure(tables: Floats, *, average: str, beta: float, positive: int = 1) -> Floats:
    """F-beta; 0 is the precision and infinity the recall."""
    right = np.diagonal(tables, axis1=1, axis2=2)
    predicted, actual = tables.sum(axis=1), tables.sum(axis=2)
    if average == "micro":
        right, predicted, actual = (part.sum(axis=1, keepdims=True) for part in (right, predicted, actual))
    if np.isinf(beta):
        values = _ratio(right, actual)
    else:
        values = _ratio((1 + beta**2) * right, beta**2 * actual + predicted)
    return values[:, 0] if average == "micro" else _average(values, tables, average, positive)


def jaccard(tables: Floats, *, average: str, positive: int = 1) -> Floats:
    """Share of rows of a class, by truth or prediction, that are so by both."""
    right = np.diagonal(tables, axis1=1, axis2=2)
    either = tables.sum(axis=1) + tables.sum(axis=2) - right
    if average == "micro":
        return _ratio(right.sum(axis=1), either.sum(axis=1))
    return _average(_ratio(right, either), tables, average, positive)


def balanced_accuracy(tables: Floats) -> Floats:
    """Mean recall over the classes that occur."""
    actual = tables.sum(axis=2)
    occurs = actual > 1e-14
    recall = _ratio(np.diagonal(tables, axis1=1, axis2=2), actual)
    return np.asarray((recall * occurs).sum(axis=1) / occurs.sum(axis=1))


def matthews_corrcoef(tables: Floats) -> Floats:
    """Correlation of true and predicted classes (Gorodkin 2004)."""
    predicted, actual = tables.sum(axis=1), tables.sum(axis=2)
    total = tables.sum(axis=(1, 2))
    together = np.einsum("maa->m", tables) * total - (predicted * actual).sum(axis=1)
    spread = (total**2 - (predicted**2).sum(axis=1)) * (total**2 - (actual**2).sum(axis=1))
    return np.asarray(np.where(spread > 1e-12, together / np.sqrt(np.where(spread > 1e-12, spread, 1.0)), 0.0))


def cohen_kappa(tables: Floats) -> Floats:
    """Agreement beyond chance."""
    total = tables.sum(axis=(1, 2))
    agreed = np.einsum("maa->m", tables) / total
    chance = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / total**2
    return _ratio(agreed - chance, 1 - chance)


# ------------------------------------------------------------------------------------------------------------ ranking


def _area(truth: Truth, positive: NDArray[np.bool_], scores: Floats, rows: Any = slice(None)) -> tuple[Floats, Floats]:
    """AUC (m,) of some rows, and the influence of every row (m, n)."""
    weights = np.ascontiguousarray(truth.weights[rows])
    kept = np.ascontiguousarray(scores[:, rows])
    signs = np.ascontiguousarray(positive[rows])
    area, placements = np.empty(len(kept)), np.empty(kept.shape)
    truth.kernels.roc_auc(signs.view(np.uint8), kept, weights, area, placements, truth.n_threads)
    share = np.where(signs, weights[signs].sum(), weights[~signs].sum()) / truth.weights.sum()
    placements -= area[:, None]
    placements /= share
    if placements.shape == scores.shape:
        return area, placements
    influence = np.zeros(scores.shape)
    influence[:, rows] = placements
    return area, influence


def roc_auc(kind: str, weighted: bool = False) -> Score:
    """Area under the ROC curve: of two classes, of each class against the rest, or of every pair of classes."""

    def score(truth: Truth, predictions: Floats) -> Evaluation:
        codes = truth.known_codes()
        assert truth.classes is not None
        occurring = np.flatnonzero(np.bincount(codes, minlength=len(truth.classes)))
        if len(occurring) < 2:
            raise ValueError("roc_auc needs rows of at least two classes; y holds one.")
        if kind == "binary":
            if predictions.ndim == 3:
                raise ValueError(
                    f"roc_auc is defined for two classes; y and the model have {predictions.shape[2]}. "
                    "Use 'roc_auc_ovr' or 'roc_auc_ovo'."
                )
            area, influence = _area(truth, codes == len(truth.classes) - 1, predictions)
            influence += area[:, None]
            return Evaluation(area, influence)
        share = np.bincount(codes, truth.weights, minlength=len(truth.classes)) / truth.weights.sum()
        parts, parts_weight = [], []
        if kind == "ovr":
            for k in occurring:
                parts.append(_area(truth, codes == k, predictions[:, :, k]))
                parts_weight.append(share[k] if weighted else 1.0)
        else:
            for i, a in enumerate(occurring):
                for b in occurring[i + 1 :]:
                    rows = np.flatnonzero((codes == a) | (codes == b))
                    first = _area(truth, codes == a, predictions[:, :, a], rows)
                    second = _area(truth, codes == b, predictions[:, :, b], rows)
                    parts.append(((first[0] + second[0]) / 2, (first[1] + second[1]) / 2))
                    parts_weight.append(share[a] + share[b] if weighted else 1.0)
        total = sum(parts_weight)
        area = np.asarray(sum(w * part[0] for w, part in zip(parts_weight, parts, strict=True)) / total)
        influence = np.asarray(sum(w * part[1] for w, part in zip(parts_weight, parts, strict=True)) / total)
        return Evaluation(area, area[:, None] + influence)

    return score


# ---------------------------------------------------------------------------------------------- scikit-learn, callables


def leaving_out_blocks(truth: Truth, score: Callable[[Any], Floats]) -> Evaluation:
    """Terms by the delete-a-group jackknife; `score` maps rows to scores (m,).

    There are none where the rest cannot be scored, because a class lost its rows, say.
    """
    n = len(truth.weights)
    n_blocks = min(N_BLOCKS, n)
    scores = score(slice(None))
    if n_blocks < 2:
        return Evaluation(scores, None)
    # rows in blocks by turns, shuffled, so that an order in the data does not matter
    blocks = np.random.default_rng(0).permutation(np.arange(n) % n_blocks)
    pseudo = np.empty((len(scores), n_blocks))
    for b in range(n_blocks):
        try:
            without = score(np.flatnonzero(blocks != b))
        except ValueError:
            return Evaluation(scores, None)
        pseudo[:, b] = n_blocks * scores - (n_blocks - 1) * without
    return Evaluation(scores, pseudo[:, blocks], blocks)


def _as_given(truth: Truth) -> NDArray[Any]:
    return truth.y


def all_targets(truth: Truth) -> NDArray[Any]:
    """Numbers of shape (n, n_targets)."""
    return truth.targets


def of_callable(function: Callable[..., Any], truth_of: Callable[[Truth], NDArray[Any]] = _as_given) -> Score:
    """Any ``metric(y_true, y_pred[, sample_weight])``, called once per prediction and left-out block."""

    def score(truth: Truth, predictions: Any) -> Evaluation:
        check_weights(function, truth)
        y = truth_of(truth)

        def of_rows(rows: Any) -> Floats:
            weights = {"sample_weight": truth.weights[rows]} if truth.weighted else {}
            return np.array([number(function, function(y[rows], p[rows], **weights)) for p in predictions])

        return leaving_out_blocks(truth, of_rows)

    return score


def of_sklearn(name: str, truth_of: Callable[[Truth], NDArray[Any]] = all_targets, **options: Any) -> Score:
    """A function of scikit-learn that no one needs to be fast."""

    def score(truth: Truth, predictions: Any) -> Evaluation:
        import sklearn.metrics

        return of_callable(partial(getattr(sklearn.metrics, name), **options), truth_of)(truth, predictions)

    return score


def of_scorer(scorer: Callable[..., Any], name: str | None = None, sign: int = 1) -> Score:
    """A ``scorer(estimator, X, y[, sample_weight])``, which is handed tables; one of its numbers by name."""

    def score(truth: Truth, tables: Any) -> Evaluation:
        found: Evaluation = tables.evaluations(scorer, truth)[name]
        return found if sign == 1 else found.negated()

    return score


def average_precision(truth: Truth, predictions: Floats) -> Evaluation:
    """Average precision of two classes, or its mean over classes against the rest."""
    assert truth.classes is not None
    last = len(truth.classes) - 1
    of_class = np.arange(last + 1) if predictions.ndim == 3 else last
    return of_sklearn("average_precision_score", lambda truth: truth.known_codes()[:, None] == of_class)(
        truth, predictions
    )


def items(truth: Truth) -> NDArray[Any]:
    """Gains of each row's items, (n, n_items)."""
    if truth.targets.shape[1] < 2:
        raise ValueError(f"ndcg and dcg need y of shape (n_rows, n_items) with at least 2 items; got {truth.y.shape}.")
    return truth.targets


def takes_weights(function: Callable[..., Any]) -> bool:
    """Whether a metric has a parameter ``sample_weight``."""
    try:
        parameters = inspect.signature(getattr(function, "py_func", function)).parameters
    except (TypeError, ValueError):
        return False
    return "sample_weight" in parameters or any(p.kind == p.VAR_KEYWORD for p in parameters.values())


def _name_of(function: Callable[..., Any]) -> str:
    function = function.func if isinstance(function, partial) else function
    return str(getattr(function, "__name__", repr(function)))


def check_weights(function: Callable[..., Any], truth: Truth) -> None:
    if truth.weighted and not takes_weights(function):
        raise ValueError(f"sample_weight was given, but metric {_name_of(function)} takes no sample_weight.")


def number(function: Callable[..., Any], value: Any) -> float:
    """What a metric returned as a number; ValueError where it is none.

    NaN is one only of scikit-learn's own functions, some of which are undefined for some predictions.
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = float("nan")
        own = True
    else:
        inner = function.func if isinstance(function, partial) else function
        own = not str(getattr(inner, "__module__", "")).startswith("sklearn.")
    if np.isnan(found) and own:
        raise ValueError(f"Metric {_name_of(function)} returned {value!r}; expected one number.")
    return found


def of_compiled(function: Any) -> Score:
    """A function compiled by Numba: called from a compiled loop, without the GIL and from several threads."""

    def score(truth: Truth, predictions: Any) -> Evaluation:
        from fastexplain.engine.metrics.numba_metrics import call_compiled
        from fastexplain.engine.numba.tools import for_each

        check_weights(function, truth)
        y = np.ascontiguousarray(truth.y)
        stack = np.ascontiguousarray(predictions)

        def of_rows(rows: Any) -> Floats:
            kept, kept_y = np.ascontiguousarray(stack[:, rows]), np.ascontiguousarray(y[rows])
            weights = np.ascontiguousarray(truth.weights[rows]) if truth.weighted else None
            out = np.empty(len(kept))
            parts = np.array_split(np.arange(len(kept)), min(truth.n_threads, len(kept)))
            run = [slice(p[0], p[-1] + 1) for p in parts if len(p)]
            for_each(lambda part: call_compiled(function, kept_y, kept[part], weights, out[part]), run, truth.n_threads)
            return np.array([number(function, value) for value in out])

        return leaving_out_blocks(truth, of_rows)

    return score
