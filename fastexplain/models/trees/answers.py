"""From raw outputs to what a library answers: predictions, probabilities, and the class of every row, ties included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DECISIONS", "LINKS", "OF_TWO_CLASSES", "Answers"]

Floats = NDArray[np.float64]

# Link -> what it makes of the raw outputs. In words, for messages and for whoever reads an artifact.
LINKS = {
    "identity": "the raw output itself",
    "logistic": "1 / (1 + exp(-slope raw)): of one output, the second class's",
    "softmax": "exp(raw) over its sum over outputs",
    "exp": "exp(raw)",
    "signed_square": "sign(raw) raw^2",
    "log1p_exp": "log(1 + exp(raw))",
    "step": "1 where raw > 0, else 0",
    "expectiles": "the first, and log(1 + exp(raw)) of each of the others on top of it",
}
# How the class of a row is chosen from the outputs of its link: "p" of the second class, or of each class.
DECISIONS = {
    "largest": "the first of the largest outputs; of a single output, the only class",
    "more_likely": "the second class where its output exceeds the first one's, 1 - p",
    "over_half": "the second class where p > 0.5",
    "positive": "the second class where raw > 0",
    "not_negative": "the second class where raw >= 0",
    "raw_over_half": "the second class where raw > 0.5",
    "largest_raw": "the first of the largest raw outputs",
}
# Those of a single output, which stands for two classes.
OF_TWO_CLASSES = {"more_likely", "over_half", "positive", "not_negative", "raw_over_half"}
# Margins that differ by less than this part of the largest possible sum are added up anew, as the library does it.
_NEAR = {"float64": 1e-10, "float32": 1e-5}


@dataclass(frozen=True)
class Answers:
    """How a library turns raw outputs into its answers.

    Parameters
    ----------
    link : str
        One of `LINKS`.
    slope : float
        Of the logistic link.
    decision : str or None
        One of `DECISIONS`; None for regressions.
    arithmetic : {"float64", "float32"}
        What the library computes in.
    votes : int
        The library divides the sum over the trees by this number, after adding: the number of trees of a forest whose
        output is their mean; else 1.

    Raises
    ------
    ValueError
        A name is not one of those.
    """

    link: str = "identity"
    slope: float = 1.0
    decision: str | None = None
    arithmetic: str = "float64"
    votes: int = 1

    def __post_init__(self) -> None:
        if self.link not in LINKS:
            raise ValueError(f"link must be one of {', '.join(map(repr, LINKS))}; got {self.link!r}.")
        if self.decision is not None and self.decision not in DECISIONS:
            raise ValueError(f"decision must be one of {', '.join(map(repr, DECISIONS))}; got {self.decision!r}.")
        if self.arithmetic not in _NEAR:
            raise ValueError(f"arithmetic must be 'float64' or 'float32'; got {self.arithmetic!r}.")
        if not (np.isfinite(self.slope) and self.slope > 0):
            raise ValueError(f"slope must be a positive number; got {self.slope!r}.")
        if self.votes < 1:
            raise ValueError(f"votes must be at least 1; got {self.votes!r}.")

    def outputs(self, raw: Floats) -> Floats:
        """What the link makes of raw outputs: of the same shape (n_rows, n_outputs)."""
        match self.link:
            case "logistic":
                return _logistic(self.slope * raw)
            case "softmax":
                powers = np.exp(raw - raw.max(axis=1, keepdims=True))
                return np.asarray(powers / powers.sum(axis=1, keepdims=True))
            case "exp":
                return np.exp(raw)
            case "signed_square":
                return np.asarray(np.sign(raw) * raw * raw)
            case "log1p_exp":
                return np.logaddexp(0.0, raw)
            case "step":
                return (raw > 0).astype(np.float64)
            case "expectiles":
                steps = np.logaddexp(0.0, raw)
                steps[:, 0] = raw[:, 0]
                return np.cumsum(steps, axis=1)
        return raw

    def probabilities(self, raw: Floats) -> Floats:
        """Probabilities of each class, (n_rows, n_classes), from the raw outputs of a classifier."""
        outputs = self.outputs(raw)
        return np.concatenate([1.0 - outputs, outputs], axis=1) if self._is_single(raw) else outputs

    def unsure(self, raw: Floats, reach: float) -> NDArray[np.bool_]:
        """Rows whose class may hang on how the trees are added up.

        Parameters
        ----------
        raw : array of shape (n_rows, n_outputs)
        reach : float
            Largest sum of absolute leaf values that a row can have.
        """
        if self.decision is None or (raw.shape[1] == 1 and not self._is_single(raw)):
            return np.zeros(len(raw), dtype=bool)
        near = _NEAR[self.arithmetic] * max(reach, 1e-300)
        if self._is_single(raw):
            return np.asarray(np.abs(raw[:, 0] - self._middle) <= near)
        top = np.partition(raw, -2, axis=1)[:, -2:]
        return np.asarray(top[:, 1] - top[:, 0] <= near)

    def _is_single(self, raw: Floats) -> bool:
        """Whether there is one output, and it stands for two classes: not for the only class."""
        return raw.shape[1] == 1 and self.decision in OF_TWO_CLASSES

    @property
    def _middle(self) -> float:
        """The raw output between the two classes of a single one."""
        return 0.5 if self.decision == "raw_over_half" else 0.0

    def clear_classes(self, raw: Floats) -> NDArray[np.int64]:
        """Index of the predicted class of each row that is not `unsure`: every link rises with the raw output."""
        if self._is_single(raw):
            return (raw[:, 0] > self._middle).astype(np.int64)
        return np.asarray(raw.argmax(axis=1))

    def classes(self, raw: Floats) -> NDArray[np.int64]:
        """Index of the predicted class of each row, in the library's own arithmetic, of the library's own sums."""
        values = raw.astype(np.float32) if self.arithmetic == "float32" else raw
        if self.decision in ("largest", "largest_raw"):
            outputs = self._like_library(values) if self.decision == "largest" else values
            return np.asarray(outputs.argmax(axis=1))
        margin = values[:, 0]
        match self.decision:
            case "not_negative":
                chosen = margin >= 0
            case "positive":
                chosen = margin > 0
            case "raw_over_half":
                chosen = margin > 0.5
            case "over_half":
                chosen = self._like_library(values)[:, 0] > 0.5
            case _:
                p = self._like_library(values)[:, 0]
                chosen = p > 1.0 - p
        return chosen.astype(np.int64)

    def _like_library(self, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """`outputs`, each operation rounded to the library's type: exp is that of float64, rounded once."""
        kind = values.dtype.type
        if self.link == "logistic":
            with np.errstate(over="ignore"):
                power = np.exp(-self.slope * values.astype(np.float64)).astype(kind)
            return np.asarray(kind(1) / (power + kind(1)))
        if self.link == "softmax":
            shifted = (values - values.max(axis=1, keepdims=True)).astype(np.float64)
            powers = np.exp(shifted).astype(kind)
            total = np.zeros(len(values), dtype=kind)
            for column in powers.T:  # one after the other
                total += column
            return np.asarray(powers / total[:, None])
        return values


def _logistic(margin: Floats) -> Floats:
    with np.errstate(over="ignore"):  # exp(-margin) may be infinite: 1 / inf is the 0 that is meant
        return np.asarray(1.0 / (1.0 + np.exp(-margin)))
