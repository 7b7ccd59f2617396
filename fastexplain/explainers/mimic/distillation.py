"""A surrogate from a teacher's answers, and how well it predicts them on rows that it has not seen."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.probability import expit
from fastexplain.engine.progress import progress
from fastexplain.explainers.mimic.surrogates._base import BaseExplainableModel
from fastexplain.explanation.numbers.fidelity import FidelityReport, classifier_fidelity, regression_fidelity
from fastexplain.rows.kinds import is_sparse
from fastexplain.rows.tables import take_rows

__all__ = ["distill", "held_out_fidelity", "soft_logit"]

Float = NDArray[np.float64]

_logger = logging.getLogger("fastexplain")

# Largest log-odds that a surrogate learns: certain probabilities have infinite ones.
CLIP = 5.0
# Up to so many cells (rows x inputs x outputs), which any surrogate is trained on within a fraction of a second, every
# row is held out once, in folds; of more, one part of them is, so that it costs less than the training.
FOLDED_CELLS = 20_000
FOLDS = 5
HELD_OUT_SHARE = 0.2
MAX_HELD_OUT = 10_000
# Fewer rows than this say nothing when held out.
MIN_ROWS = 10


def soft_logit(probability: Float) -> Float:
    """Log-odds of probabilities, clipped to -5..5."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.clip(np.log(probability) - np.log1p(-probability), -CLIP, CLIP))


def distill(
    explainable_model: type[BaseExplainableModel],
    args: Mapping[str, Any],
    X: Any,
    outputs: Float,
    only_predicts: bool = False,
) -> BaseExplainableModel:
    """Train a surrogate.

    Parameters
    ----------
    explainable_model : class
    args : mapping
        Its keyword arguments, without ``multiclass``.
    X : array or csr of shape (n_rows, n_inputs)
    outputs : array of shape (n_rows,) or (n_rows, n_classes)
        The teacher's: a regression's outputs, or class probabilities. Two classes become a regression on the clipped
        log-odds of class 1. Of more, the likeliest class is learnt; of a class that is likeliest nowhere, the row in
        which it is least unlikely is learnt a second time, as that class.
    only_predicts : bool, default False
        The surrogate will not be explained.
    """
    if outputs.ndim == 1 or outputs.shape[1] == 2:
        surrogate = explainable_model(**args)
        surrogate._only_predicts = only_predicts
        surrogate.fit(X, outputs if outputs.ndim == 1 else soft_logit(outputs[:, 1]))
        return surrogate
    labels = outputs.argmax(axis=1)
    missing = np.setdiff1d(np.arange(outputs.shape[1]), labels)
    if len(missing):
        again = outputs[:, missing].argmax(axis=0)
        labels = np.concatenate([labels, missing])
        if is_sparse(X):
            import scipy.sparse

            X = scipy.sparse.vstack([X, X[again]], format="csr")
        else:
            X = np.vstack([X, X[again]])
    surrogate = explainable_model(multiclass=True, **args)
    surrogate._only_predicts = only_predicts
    surrogate.fit(X, labels)
    return surrogate


def held_out_fidelity(
    explainable_model: type[BaseExplainableModel],
    args: Mapping[str, Any],
    X: Any,
    outputs: Float,
    n_rows: int,
) -> FidelityReport | None:
    """How well such a surrogate predicts the teacher on rows that it has not seen.

    Other surrogates than the explained one are trained for it, on fewer rows: one on all but 20 % (at most 10,000) of
    the rows, or, where the matrix is small, five, so that every row is held out once. The explained surrogate has all
    rows, so its own fidelity is, if anything, better.

    Parameters
    ----------
    X, outputs
        As `distill` takes them: `n_rows` rows, and copies of all of them with columns shuffled, block by block. Copies
        of held-out rows are held out too, and do not count.

    Returns
    -------
    FidelityReport, or None for fewer than 10 rows
    """
    if n_rows < MIN_ROWS:
        _logger.info("No fidelity report: %d rows are too few to hold some out.", n_rows)
        return None
    shuffled = np.random.Generator(np.random.Philox(0)).permutation(n_rows)
    if X.shape[0] * X.shape[1] * (outputs.shape[1] if outputs.ndim == 2 else 1) <= FOLDED_CELLS:
        parts = np.array_split(shuffled, FOLDS)
    else:
        parts = [shuffled[: min(int(HELD_OUT_SHARE * n_rows), MAX_HELD_OUT)]]
    original = np.arange(X.shape[0]) % n_rows
    answers = []
    with progress(len(parts), "fidelity", None, unit=" surrogates") as bar:
        for part in parts:
            kept = np.flatnonzero(~np.isin(original, part))
            surrogate = distill(explainable_model, args, take_rows(X, kept), outputs[kept], only_predicts=True)
            answers.append(_answers(surrogate, take_rows(X, part), outputs.ndim, outputs.shape[-1]))
            bar(1)
    held_out = outputs[np.concatenate(parts)]
    first = np.concatenate([answer[0] for answer in answers])
    if outputs.ndim == 1:
        return regression_fidelity(held_out, first, len(parts))
    if outputs.shape[1] == 2:
        probability = expit(first)
        both = np.column_stack([1.0 - probability, probability])
        log_odds = (soft_logit(held_out[:, 1]), first)
        return classifier_fidelity(held_out, (first > 0).astype(np.intp), both, log_odds, len(parts))
    probabilities = [answer[1] for answer in answers if answer[1] is not None]
    given = np.concatenate(probabilities) if probabilities else None
    return classifier_fidelity(held_out, first.astype(np.intp), given, None, len(parts))


def _answers(surrogate: BaseExplainableModel, X: Any, ndim: int, n_classes: int) -> tuple[Float, Float | None]:
    """Predictions, and class probabilities of a multi-class surrogate that has them."""
    predicted = np.asarray(surrogate.predict(X), dtype=np.float64).ravel()
    if ndim == 1 or n_classes == 2 or not hasattr(surrogate.model, "predict_proba"):
        return predicted, None
    return predicted, np.asarray(surrogate.predict_proba(X), dtype=np.float64)
