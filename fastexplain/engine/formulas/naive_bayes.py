"""The formula of scikit-learn's naive Bayes: log odds are additive, probabilities a function of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.additive import AdditiveModel
from fastexplain.engine.formulas.known import FormulaModel

__all__ = ["CategoryLikelihoods", "CountLikelihoods", "GaussianLikelihoods", "NaiveBayes", "naive_bayes_formula"]

Float = NDArray[np.float64]


@dataclass(frozen=True)
class GaussianLikelihoods:
    """Of normal distributions, without their constants: these are in the prior.

    Attributes
    ----------
    mean, variance : float64 arrays of shape (n_classes, n_features)
    """

    mean: Float
    variance: Float

    def __call__(self, X: Float) -> Float:
        return np.asarray(-0.5 * np.square(X[:, :, None] - self.mean.T) / self.variance.T)


@dataclass(frozen=True)
class CountLikelihoods:
    """Of counts, or of columns that are there or not.

    Attributes
    ----------
    weights : float64 array of shape (n_classes, n_features)
    threshold : float or None
        What counts as there; None: rows are taken as they are.
    """

    weights: Float
    threshold: float | None = None

    def __call__(self, X: Float) -> Float:
        kept = X if self.threshold is None else (self.threshold < X).astype(np.float64)
        return np.asarray(kept[:, :, None] * self.weights.T)


@dataclass(frozen=True)
class CategoryLikelihoods:
    """Of categories, which are codes.

    Attributes
    ----------
    tables : list of float64 arrays of shape (n_categories, n_classes)
    """

    tables: list[Float]

    def __call__(self, X: Float) -> Float:
        codes = X.astype(np.intp)
        for i, table in enumerate(self.tables):
            unknown = (codes[:, i] < 0) | (codes[:, i] >= len(table))
            if unknown.any():
                raise ValueError(
                    f"Column {i} holds the category {codes[unknown, i][0]}; naive Bayes knows 0 to {len(table) - 1}."
                )
        return np.stack([table[codes[:, i]] for i, table in enumerate(self.tables)], axis=1)


Likelihoods = GaussianLikelihoods | CountLikelihoods | CategoryLikelihoods


class NaiveBayes(AdditiveModel):
    """Joint log likelihoods that are sums over columns.

    With two classes there is one margin, the log odds of the second; else a margin per class, up to a constant.

    Attributes
    ----------
    log_likelihoods : callable
        Encoded rows to each column's share of each class's log likelihood, (n_rows, n_features, n_classes).
    log_prior : float64 array of shape (n_classes,)
    """

    def __init__(self, log_likelihoods: Likelihoods, n_features: int, log_prior: Float) -> None:
        self.log_likelihoods, self.log_prior = log_likelihoods, log_prior
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
    mean, variance = _floats(owner.theta_), _floats(owner.var_)
    log_prior = np.log(owner.class_prior_) - 0.5 * np.log(2.0 * np.pi * variance).sum(axis=1)
    return NaiveBayes(GaussianLikelihoods(mean, variance), mean.shape[1], log_prior)


def _bernoulli(owner: Any) -> NaiveBayes:
    present = _floats(owner.feature_log_prob_)
    absent = np.log1p(-np.exp(present))
    threshold = None if owner.binarize is None else float(owner.binarize)
    log_prior = np.asarray(owner.class_log_prior_) + absent.sum(axis=1)
    return NaiveBayes(CountLikelihoods(present - absent, threshold), present.shape[1], log_prior)


def _counts(owner: Any) -> NaiveBayes:
    """MultinomialNB; ComplementNB, whose weights know no prior."""
    weights = _floats(owner.feature_log_prob_)
    complement = any(cls.__name__ == "ComplementNB" for cls in type(owner).__mro__)
    log_prior = np.zeros(len(weights)) if complement else np.asarray(owner.class_log_prior_, dtype=np.float64)
    return NaiveBayes(CountLikelihoods(weights), weights.shape[1], log_prior)


def _categorical(owner: Any) -> NaiveBayes:
    tables = [_floats(np.asarray(table).T) for table in owner.feature_log_prob_]
    return NaiveBayes(CategoryLikelihoods(tables), len(tables), np.asarray(owner.class_log_prior_, dtype=np.float64))


def _floats(array: Any) -> Float:
    return np.ascontiguousarray(array, dtype=np.float64)


_KINDS: dict[str, Callable[[Any], NaiveBayes]] = {
    "GaussianNB": _gaussian,
    "BernoulliNB": _bernoulli,
    "MultinomialNB": _counts,
    "ComplementNB": _counts,
    "CategoricalNB": _categorical,
}
