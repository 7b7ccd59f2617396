"""How well a surrogate predicts its teacher, on rows that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FidelityReport", "classifier_fidelity", "regression_fidelity"]

Float = NDArray[np.float64]

# Below this share of the teacher's variance, a surrogate tells too little of it.
POOR_R2 = 0.7
# Of a multi-class surrogate: the share of the errors of always saying the commonest class that it avoids.
POOR_SKILL = 0.5
# Probabilities are kept this far from 0 and 1, so that one certain error does not make the log-loss infinite.
_CLIP = 1e-6


@dataclass(frozen=True)
class FidelityReport:
    """How well a surrogate predicts its teacher, on rows that it was not trained on.

    Attributes
    ----------
    task : {"regression", "binary", "multiclass"}
    n_held_out : int
        Rows that were predicted without having been trained on.
    n_folds : int
        1: a surrogate was trained on the other rows. More: one per fold, and every row was held out once.
    r2 : float or None
        Share of the variance of what the surrogate learns that it explains: the teacher's output, or its clipped
        log-odds of class 1. None for more than two classes.
    r2_probability : float or None
        The same of the probability of class 1; two classes only.
    accuracy : float or None
        Share of rows on which both choose the same class; classifiers only.
    baseline_accuracy : float or None
        Of always choosing the class that the teacher chooses most often.
    log_loss : float or None
        Mean cross-entropy of the surrogate's class probabilities against the teacher's, in nats; None where the
        surrogate has no probabilities.
    baseline_log_loss : float or None
        Of always giving the teacher's mean probabilities.
    best_log_loss : float or None
        Of the teacher itself: its mean entropy.
    rmse, baseline_rmse : float or None
        Root mean squared error, and that of always giving the teacher's mean; regression only.
    """

    task: str
    n_held_out: int
    n_folds: int = 1
    r2: float | None = None
    r2_probability: float | None = None
    accuracy: float | None = None
    baseline_accuracy: float | None = None
    log_loss: float | None = None
    baseline_log_loss: float | None = None
    best_log_loss: float | None = None
    rmse: float | None = None
    baseline_rmse: float | None = None

    @property
    def poor(self) -> bool:
        """Whether the surrogate predicts its teacher badly: R2 below 0.7, or less than half the baseline's errors."""
        if self.r2 is not None:
            return not self.r2 >= POOR_R2
        if self.accuracy is None or self.baseline_accuracy is None:
            return False
        return not 1.0 - self.accuracy <= (1.0 - POOR_SKILL) * (1.0 - self.baseline_accuracy)

    def summary(self) -> str:
        """The report in one line of text."""
        facts = []
        if self.r2 is not None:
            of = " of the log-odds" if self.task == "binary" else ""
            facts.append(f"R2 {_shown(self.r2)}{of}")
        if self.r2_probability is not None:
            facts.append(f"R2 {_shown(self.r2_probability)} of the probability")
        if self.accuracy is not None:
            facts.append(f"accuracy {self.accuracy:.3f} (commonest class {self.baseline_accuracy:.3f})")
        if self.log_loss is not None:
            bounds = f"(teacher itself {self.best_log_loss:.3f}, constant {self.baseline_log_loss:.3f})"
            facts.append(f"log-loss {self.log_loss:.3f} {bounds}")
        if self.rmse is not None:
            facts.append(f"RMSE {self.rmse:.4g} (constant {self.baseline_rmse:.4g})")
        how = "held out" if self.n_folds == 1 else f"held out in {self.n_folds} folds"
        return f"{', '.join(facts)} against the teacher on {self.n_held_out:,} rows {how}"

    def __str__(self) -> str:
        return self.summary()


def _shown(r2: float) -> str:
    """Three decimals; -1.2e+37, of a surrogate that diverged, in three digits."""
    return f"{r2:.3f}" if abs(r2) < 1e4 else f"{r2:.3g}"


def regression_fidelity(teacher: Float, surrogate: Float, n_folds: int = 1) -> FidelityReport:
    """Report on a regression.

    Parameters
    ----------
    teacher, surrogate : float64 arrays of shape (n_rows,)
        Outputs of held-out rows.
    """
    error = np.sqrt(np.mean((surrogate - teacher) ** 2))
    return FidelityReport(
        task="regression",
        n_held_out=len(teacher),
        n_folds=n_folds,
        r2=_r2(teacher, surrogate),
        rmse=float(error),
        baseline_rmse=float(teacher.std()),
    )


def classifier_fidelity(
    teacher: Float,
    classes: NDArray[np.intp],
    probabilities: Float | None,
    log_odds: tuple[Float, Float] | None = None,
    n_folds: int = 1,
) -> FidelityReport:
    """Report on a classifier.

    Parameters
    ----------
    teacher : float64 array of shape (n_rows, n_classes)
        Probabilities of held-out rows.
    classes : int array of shape (n_rows,)
        Index of the class that the surrogate chooses.
    probabilities : float64 array of shape (n_rows, n_classes), or None
        The surrogate's, where it has them.
    log_odds : pair of float64 arrays of shape (n_rows,), optional
        Of two classes: what the surrogate was to learn, and its predictions.
    """
    chosen = teacher.argmax(axis=1)
    mean = teacher.mean(axis=0)
    return FidelityReport(
        task="multiclass" if log_odds is None else "binary",
        n_held_out=len(teacher),
        n_folds=n_folds,
        r2=None if log_odds is None else _r2(*log_odds),
        r2_probability=None if log_odds is None or probabilities is None else _r2(teacher[:, 1], probabilities[:, 1]),
        accuracy=float((chosen == classes).mean()),
        baseline_accuracy=float(np.bincount(chosen).max() / len(chosen)),
        log_loss=None if probabilities is None else _cross_entropy(teacher, probabilities),
        baseline_log_loss=_cross_entropy(teacher, np.broadcast_to(mean, teacher.shape)),
        best_log_loss=_cross_entropy(teacher, teacher),
    )


def _r2(expected: Float, got: Float) -> float:
    """1 for a constant that is met, 0 for one that is not."""
    error, spread = float(((got - expected) ** 2).sum()), float(((expected - expected.mean()) ** 2).sum())
    scale = float((expected**2).sum())
    if spread <= 1e-24 * scale:
        return 1.0 if error <= 1e-12 * scale else 0.0
    return 1.0 - error / spread


def _cross_entropy(teacher: Float, probabilities: Float) -> float:
    clipped = np.clip(probabilities, _CLIP, 1.0)
    return float(-(teacher * np.log(clipped)).sum(axis=1).mean())
