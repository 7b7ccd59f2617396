"""The formula of scikit-learn's naive Bayes: log odds are additive, probabilities a function of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.additive import AdditiveModel
from fastexplain.engine.formulas.known import FormulaModel

__all__ = ["NaiveBayes", "naive_bayes_formula"]

Float = NDArray[np.float64]


class NaiveBayes(AdditiveModel):
    """Joint log likelihoods that are sums over columns.

    With two classes there is one margin, the log odds of the second; else a margin per class, up to a constant.

    Attributes
    ----------
    log_likelihoods : callable
        Encoded rows to each column's share of each class's log likelihood, (n_rows, n_features, n_classes).
    """

    def __init__(self, log_likelihoods: Callable[[Float], Float], n_features: int, log_prior: Float) -> None:
        self.log_likelihoods = log_likelihoods
        self._binary = len(log_prior) == 2
        offset = np.diff(log_prior) if self._binary else log_prior
        super().__init__(n_features, offset, "sigmoid" if self._binary else "softmax")

    def contributions(self, X: Float) -> Float:
        shares = self.log_likelihoods(X)
        return np.diff(shares, axis=2) if self._binary else shares


def naive_bayes_formula(owner: Any, method: str | None, background: Any) -> FormulaModel | None:
    """Loader: ``predict_proba`` of scikit-learn's five kinds."""
    if method != "predict_proba" or len(getattr(owner, "classes_", ())) < 2:
        return None
    names = {cls.__name__ for cls in type(owner).__mro__}
    kind = next((name for name in _KINDS if name in names), None)
    return None if kind is None else _KINDS[kind](owner)


def _gaussian(owner: Any) -> NaiveBayes:
    mean, variance = np.asarray(owner.theta_, dtype=np.float64), np.asarray(owner.var_, dtype=np.float64)
    log_prior = np.log(owner.class_prior_) - 0.5 * np.log(2.0 * np.pi * variance).sum(axis=1)

    def log_likelihoods(X: Float) -> Float:
        return np.asarray(-0.5 * np.square(X[:, :, None] - mean.T) / variance.T)

    return NaiveBayes(log_likelihoods, mean.shape[1], log_prior)


def _bernoulli(owner: Any) -> NaiveBayes:
    present = np.asarray(owner.feature_log_prob_, dtype=np.float64)
    absent = np.log1p(-np.exp(present))
    threshold = owner.binarize

    def log_likelihoods(X: Float) -> Float:
        kept = X if threshold is None else (threshold < X).astype(np.float64)
        return np.asarray(kept[:, :, None] * (present - absent).T)

    return NaiveBayes(log_likelihoods, present.shape[1], np.asarray(owner.class_log_prior_) + absent.sum(axis=1))


def _counts(owner: Any) -> NaiveBayes:
    """MultinomialNB; ComplementNB, whose weights know no prior."""
    weights = np.asarray(owner.feature_log_prob_, dtype=np.float64)
    complement = any(cls.__name__ == "ComplementNB" for cls in type(owner).__mro__)
    log_prior = np.zeros(len(weights)) if complement else np.asarray(owner.class_log_prior_, dtype=np.float64)
    return NaiveBayes(lambda X: np.asarray(X[:, :, None] * weights.T), weights.shape[1], log_prior)


def _categorical(owner: Any) -> NaiveBayes:
    tables = [np.asarray(table, dtype=np.float64).T for table in owner.feature_log_prob_]  # (n_categories, n_classes)

    def log_likelihoods(X: Float) -> Float:
        codes = X.astype(np.intp)
        return np.stack([table[codes[:, i]] for i, table in enumerate(tables)], axis=1)

    return NaiveBayes(log_likelihoods, len(tables), np.asarray(owner.class_log_prior_, dtype=np.float64))


_KINDS: dict[str, Callable[[Any], NaiveBayes]] = {
    "GaussianNB": _gaussian,
    "BernoulliNB": _bernoulli,
    "MultinomialNB": _counts,
    "ComplementNB": _counts,
    "CategoricalNB": _categorical,
}
