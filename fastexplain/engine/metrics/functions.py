"""The arithmetic of the table of metrics: kernels, row terms and influence functions.

``m`` predictions of ``n`` rows are scored at once. An `Evaluation` holds m scores and, where known, each row's term:
score plus influence, with the score as its weighted mean. Influence functions: Hampel 1974; of the AUC, DeLong et al.
1988.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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


Score = Callable[[Truth, Any], Evaluation]


# --------------------------------------------------------------------------------------------------- mean losses


def row_losses(loss: str, alpha: float = 0.5) -> Callable[[Truth, Floats], Floats]:
    """Losses (m, n, n_targets) of predictions of that shape."""

    def losses(truth: Truth, predictions: Floats) -> Floats:
        y = truth.targets
        _check_domain(loss, y, predictions)
        out = np.empty(predictions.shape)
        truth.kernels.row_losses(loss, y, np.ascontiguousarray(predictions), alpha, out, truth.n_threads)
        return out

    return losses


def _check_domain(loss: str, y: Floats, predictions: Floats) -> None:
    if loss == "squared_log" and (y.min() <= -1 or predictions.min() <= -1):
        raise ValueError("mean_squared_log_error needs targets and predictions above -1.")
    if loss == "poisson" and (y.min() < 0 or predictions.min() <= 0):
        raise ValueError("mean_poisson_deviance needs targets of at least 0 and predictions above 0.")
    if loss == "gamma" and (y.min() <= 0 or predictions.min() <= 0):
        raise ValueError("mean_gamma_deviance needs targets and predictions above 0.")


def class_losses(loss: str) -> Callable[[Truth, Floats], Floats]:
    """Losses (m, n, 1) of class probabilities (m, n, n_classes)."""

    def losses(truth: Truth, predictions: Floats) -> Floats:
        out = np.empty(predictions.shape[:2])
        truth.kernels.class_losses(loss, truth.known_codes(), np.ascontiguousarray(predictions), out, truth.n_threads)
        if loss == "brier" and predictions.shape[2] == 2:
            out /= 2  # of two classes Brier's score counts the positive one only
        result: Floats = out[:, :, None]
        return result

    return losses


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


def around_mean(loss: str) -> Callable[[Truth], Floats]:
    """Losses (n, n_targets) of predicting the mean."""

    def losses(truth: Truth) -> Floats:
        y = truth.targets
        constant = np.broadcast_to(truth.mean(y), y.shape)
        of_constant: Floats = row_losses(loss)(truth, constant[None])[0]
        return of_constant

    return losses


def around_median(truth: Truth) -> Floats:
    """Absolute distances (n, n_targets) from the median."""
    y = truth.targets
    if not truth.weighted:
        return np.asarray(np.abs(y - np.median(y, axis=0)))
    medians = [_weighted_median(y[:, k], truth.weights) for k in range(y.shape[1])]
    return np.asarray(np.abs(y - np.asarray(medians)))


def relative_to(constant: Callable[[Truth], Floats], loss: str, alpha: float = 0.5) -> Score:
    """1 - mean loss / mean loss of a constant prediction, averaged over targets (R2 and its kin)."""

    def score(truth: Truth, losses: Floats) -> Evaluation:
        reference = constant(truth)  # (n, c)
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

    return score


def d2_log_loss(truth: Truth, losses: Floats) -> Evaluation:
    """1 - log loss / log loss of the classes' shares."""
    codes = truth.known_codes()
    shares = np.bincount(codes, truth.weights)
    reference = -np.log(shares / shares.sum())[codes]

    return relative_to(lambda _: reference[:, None], "log")(truth, losses)


def explained_variance(truth: Truth, predictions: Floats) -> Evaluation:
    """1 - variance of the residuals / variance of the targets, averaged over targets."""
    y = truth.targets
    residual = y[None] - predictions
    residual = (residual - truth.mean(residual)[:, None, :]) ** 2
    spread = (y - truth.mean(y)) ** 2
    return relative_to(lambda _: spread, "squared")(truth, residual)


# ------------------------------------------------------------------------------------------------- order statistics


def _weighted_median(values: Floats, weights: Floats) -> float:
    """Smallest value with at least half of the weight at or below it; the middle of two where it is exactly half."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    half = below[-1] / 2
    at = int(np.searchsorted(below, half))
    if np.isclose(below[at], half, rtol=1e-12, atol=0.0) and at + 1 < len(values):
        after = at + 1 + int(np.argmax(weights[order][at + 1 :] > 0))
        return float((values[order[at]] + values[order[after]]) / 2)
    return float(values[order[at]])


def median_absolute_error(truth: Truth, predictions: Floats) -> Evaluation:
    """Median of the absolute errors, averaged over targets."""
    errors = row_losses("absolute")(truth, predictions)

    def score(rows: NDArray[np.int64] | slice) -> Floats:
        if not truth.weighted:
            return np.asarray(np.median(errors[:, rows], axis=1).mean(axis=1))
        kept = errors[:, rows]
        weights = truth.weights[rows]
        medians = [[_weighted_median(e[:, k], weights) for k in range(e.shape[1])] for e in kept]
        return np.asarray(np.asarray(medians).mean(axis=1))

    return _leaving_out_blocks(truth, score)


def max_error(truth: Truth, predictions: Floats) -> Evaluation:
    """Largest absolute error of a single target. Its standard error is a rough guide only: a maximum is not smooth."""
    if predictions.shape[2] != 1:
        raise ValueError(f"max_error needs one target; predictions have {predictions.shape[2]}.")
    errors = row_losses("absolute")(truth, predictions)[:, :, 0]
    return _leaving_out_blocks(truth, lambda rows: errors[:, rows].max(axis=1))


def _leaving_out_blocks(truth: Truth, score: Callable[[Any], Floats]) -> Evaluation:
    """Terms by the delete-a-group jackknife; `score` maps rows to scores (m,)."""
    n = len(truth.weights)
    n_blocks = min(N_BLOCKS, n)
    scores = score(slice(None))
    if n_blocks < 2:
        return Evaluation(scores, None)
    # rows in blocks by turns, shuffled, so that an order in the data does not matter
    blocks = np.random.default_rng(0).permutation(np.arange(n) % n_blocks)
    pseudo = np.empty((len(scores), n_blocks))
    for b in range(n_blocks):
        pseudo[:, b] = n_blocks * scores - (n_blocks - 1) * score(np.flatnonzero(blocks != b))
    return Evaluation(scores, pseudo[:, blocks], blocks)


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
            f"This metric is defined for two classes; y and the model have {len(classes)}. Use its _macro, _micro or "
            "_weighted form, for example 'f1_macro'."
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
    influence = np.zeros(scores.shape)
    influence[:, rows] = (placements - area[:, None]) / share
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
            return Evaluation(area, area[:, None] + influence)
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


def average_precision(truth: Truth, predictions: Floats) -> Evaluation:
    """Average precision of two classes, or its mean over classes against the rest."""
    codes, classes = truth.known_codes(), truth.classes
    assert classes is not None
    positives = [len(classes) - 1] if predictions.ndim == 2 else list(range(len(classes)))
    columns = [np.ascontiguousarray(predictions if predictions.ndim == 2 else predictions[:, :, k]) for k in positives]

    def score(rows: Any) -> Floats:
        weights = np.zeros(len(codes))
        weights[rows] = truth.weights[rows]
        out = np.empty((len(positives), len(predictions)))
        for at, (k, column) in enumerate(zip(positives, columns, strict=True)):
            signs = (codes == k).view(np.uint8)
            truth.kernels.average_precision(signs, column, weights, out[at], truth.n_threads)
        return np.asarray(out.mean(axis=0))

    return _leaving_out_blocks(truth, score)


def discounted_gain(
    normalise: bool, k: int | None = None, ignore_ties: bool = False, log_base: float = 2.0
) -> Callable[[Truth, Floats], Floats]:
    """(N)DCG of each row's items, (m, n, 1); a row without gains counts 0."""

    def losses(truth: Truth, predictions: Floats) -> Floats:
        gains = truth.targets
        if gains.shape[1] < 2:
            raise ValueError(
                f"ndcg and dcg need y of shape (n_rows, n_items) with at least 2 items; got {truth.y.shape}."
            )
        if normalise and gains.min() < 0:
            raise ValueError("ndcg needs gains that are not negative.")
        best = 0 if k is None else int(k)
        out = np.empty(predictions.shape[:2])
        truth.kernels.discounted_gain(
            gains, np.ascontiguousarray(predictions), best, ignore_ties, log_base, out, truth.n_threads
        )
        if normalise:
            ideal = np.empty((1, len(gains)))
            truth.kernels.discounted_gain(gains, gains[None], best, True, log_base, ideal, truth.n_threads)
            out = np.where(ideal > 0, out / np.where(ideal > 0, ideal, 1.0), 0.0)
        result: Floats = out[:, :, None]
        return result

    return losses


# ---------------------------------------------------------------------------------------------------------- callables


def of_callable(function: Callable[..., Any], takes_weights: bool) -> Score:
    """Any ``metric(y_true, y_pred[, sample_weight])``, called once per prediction and left-out block."""

    def score(truth: Truth, predictions: Any) -> Evaluation:
        _check_weights(function, takes_weights, truth)

        def of_rows(rows: Any) -> Floats:
            weights = {"sample_weight": truth.weights[rows]} if truth.weighted else {}
            y = truth.y[rows]
            return np.array([_number(function, function(y, p[rows], **weights)) for p in predictions])

        return _leaving_out_blocks(truth, of_rows)

    return score


def _check_weights(function: Callable[..., Any], takes_weights: bool, truth: Truth) -> None:
    if truth.weighted and not takes_weights:
        name = getattr(function, "__name__", repr(function))
        raise ValueError(f"sample_weight was given, but metric {name} takes no sample_weight.")


def _number(function: Callable[..., Any], value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if np.isnan(number):
        name = getattr(function, "__name__", repr(function))
        raise ValueError(f"Metric {name} returned {value!r}; expected one number.")
    return number


def of_compiled(function: Any, takes_weights: bool) -> Score:
    """A function compiled by Numba: called from a compiled loop, without the GIL and from several threads."""

    def score(truth: Truth, predictions: Any) -> Evaluation:
        from fastexplain.engine.metrics.numba_metrics import call_compiled

        _check_weights(function, takes_weights, truth)
        y = np.ascontiguousarray(truth.y)
        stack = np.ascontiguousarray(predictions)

        def of_rows(rows: Any) -> Floats:
            kept, kept_y = np.ascontiguousarray(stack[:, rows]), np.ascontiguousarray(y[rows])
            weights = np.ascontiguousarray(truth.weights[rows]) if truth.weighted else None
            out = np.empty(len(kept))
            parts = np.array_split(np.arange(len(kept)), min(truth.n_threads, len(kept)))
            run = [(slice(p[0], p[-1] + 1), kept) for p in parts if len(p)]
            with ThreadPoolExecutor(truth.n_threads) as pool:
                list(pool.map(lambda job: call_compiled(function, kept_y, job[1][job[0]], weights, out[job[0]]), run))
            return np.array([_number(function, value) for value in out])

        return _leaving_out_blocks(truth, of_rows)

    return score
