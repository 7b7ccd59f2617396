"""Replacement without predict, for models whose formula is known: tree ensembles, linear models, perceptrons.

A formula gives the raw output (margin); the link between it and the library's own prediction is found by comparing the
two on probe rows, so that nothing here depends on the library's word for its objective. Where no link fits,
`open_replacer` returns the black box, and the result's ``method`` says so.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.permutation.replacement import Floats, Jobs, PredictingReplacer, Replacer, feature_players
from fastexplain.engine.predict import PredictFunction, PredictingModel
from fastexplain.exceptions import FastExplainError
from fastexplain.models.agreement import agrees
from fastexplain.rows.containers import Rows, Segment, SparseRows, as_rows

__all__ = ["formula_replacer", "open_replacer"]

# Bits of a word in the kernel (kMaxReplacements).
MAX_JOBS = 64
N_PROBES, N_PROBE_MIXTURES = 24, 4
# Relative to the largest prediction: what libraries lose that add in float32, and what float64 loses.
TOLERANCE_SINGLE, TOLERANCE_DOUBLE = 2e-5, 1e-9
# A dense copy of sparse or mixed rows is made for a formula only up to here.
MAX_DENSE_BYTES = 2**30


def formula_replacer(
    model: PredictingModel, response: PredictFunction, rows: Rows, *, kernels: Any, n_threads: int
) -> Replacer | None:
    """A replacer that knows the model's formula and gives what `response` gives; None where there is none."""
    if model.owner is None or response.labels is not None:
        return None
    for build in (_tree_formula, _linear_formula, _mlp_formula):
        formula = build(model, rows, kernels, n_threads)
        if formula is not None:
            link = _find_link(formula, response, rows)
            return None if link is None else _FormulaReplacer(formula, link)
    return None


def open_replacer(
    model: PredictingModel, response: PredictFunction, rows: Rows, *, kernels: Any, n_threads: int, chunk_bytes: int
) -> Replacer:
    """The quickest way to predict with replaced columns that gives what `response` gives."""
    known = formula_replacer(model, response, rows, kernels=kernels, n_threads=n_threads)
    return PredictingReplacer(response, rows, chunk_bytes) if known is None else known


# -------------------------------------------------------------------------------------------------------------- links


def _sigmoid(raw: Floats) -> Floats:
    from scipy.special import expit

    return np.asarray(expit(raw))


def _two_classes(raw: Floats) -> Floats:
    from scipy.special import expit

    out = np.empty((2, *raw.shape[:-1]))  # each class in one piece: most metrics look at one
    expit(raw[..., 0], out=out[1])
    np.subtract(1.0, out[1], out=out[0])
    return np.moveaxis(out, 0, -1)


def _one_against_rest(raw: Floats) -> Floats:
    p = _sigmoid(raw)
    return np.asarray(p / p.sum(axis=-1, keepdims=True))


def _softmax(raw: Floats) -> Floats:
    shifted = np.exp(raw - raw.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def _symmetric_pair(raw: Floats) -> Floats:
    """Softmax of (-m, m): scikit-learn's multinomial logistic regression with two classes."""
    return _two_classes(2 * raw)


LINKS: tuple[Callable[[Floats], Floats], ...] = (
    lambda raw: raw,
    _two_classes,
    _softmax,
    _one_against_rest,
    _sigmoid,
    np.exp,
    _symmetric_pair,
)


def _find_link(formula: _Formula, response: PredictFunction, rows: Rows) -> Callable[[Floats], Floats] | None:
    """The link under which the formula gives what the model predicts, on rows and on mixtures of rows."""
    rng = np.random.default_rng(0)  # our own generator: nothing of the caller's is touched
    segments = []
    for mixture in range(N_PROBE_MIXTURES):
        taken, donors = rng.integers(rows.n_rows, size=(2, N_PROBES))
        chosen = rng.random(rows.n_features) < mixture / (2 * (N_PROBE_MIXTURES - 1))  # 0 to half of the columns
        segments.append(Segment(taken, donors, np.flatnonzero(chosen)))
    probes = rows.stack(segments)
    expected = response(probes)
    raw = formula.raw(formula.encode(as_rows(probes)))
    for link in LINKS:
        with np.errstate(over="ignore", invalid="ignore"):
            found = link(raw)
        if agrees(found, expected, formula.tolerance, floor=1.0):
            return link
    return None


class _Formula(abc.ABC):
    """A model's raw outputs, and how replaced columns change them."""

    method: str
    tolerance: float = TOLERANCE_DOUBLE

    @abc.abstractmethod
    def encode(self, rows: Rows) -> Any:
        """Rows as `raw` takes them."""

    @abc.abstractmethod
    def raw(self, encoded: Any) -> Floats:
        """Raw outputs (n_rows, n_outputs)."""

    @abc.abstractmethod
    def open(self) -> Floats:
        """Prepare the rows of the call; returns their raw outputs."""

    @abc.abstractmethod
    def replace(self, jobs: Jobs) -> Floats:
        """Raw outputs (n_jobs, n_rows, n_outputs)."""


class _FormulaReplacer(Replacer):
    def __init__(self, formula: _Formula, link: Callable[[Floats], Floats]) -> None:
        self.method = formula.method
        self._formula, self._link = formula, link
        self.n_predicted = N_PROBES * N_PROBE_MIXTURES
        raw = formula.open()
        self._n_raw_outputs = int(raw.shape[1])
        self.base = link(raw)

    def replace(self, jobs: Jobs) -> Floats:
        return self._formula.replace(jobs)

    def finish(self, outputs: Floats) -> Floats:
        return self._link(outputs)

    @property
    def n_raw_outputs(self) -> int:
        return self._n_raw_outputs


# -------------------------------------------------------------------------------------------------------------- trees


def _tree_formula(model: PredictingModel, rows: Rows, kernels: Any, n_threads: int) -> _Formula | None:
    from fastexplain.models import load_model

    tree_model = model.tree_model
    if tree_model is None:
        try:
            tree_model = load_model(model.owner)
        except FastExplainError:  # no tree model, or one that the forest cannot hold: the black box takes it
            return None
    if isinstance(rows, SparseRows):
        return None
    return _TreeFormula(tree_model, rows, kernels, n_threads)


def exact_values(forest: Any) -> tuple[Floats, Floats, float]:
    """Leaf values and offsets whose sums need no rounding, and the grid that outputs are rounded to.

    They are whole multiples of a quantum so small that it is the rounding of the largest possible sum. Without this,
    two rows in the same leaves would differ in the last bits, and ties in ranks and classes would be broken at random.
    """
    largest = (
        np.maximum.reduceat(np.abs(forest.values).max(axis=1), forest.tree_offsets[:-1]) if forest.n_trees else [0.0]
    )
    bound = float(np.sum(largest) + np.abs(forest.base_offset).max(initial=0.0))
    if bound == 0.0 or not np.isfinite(bound):
        return forest.values, forest.base_offset, 0.0
    quantum = 2.0 ** (np.ceil(np.log2(bound)) - 50)
    return (
        np.rint(forest.values / quantum) * quantum,
        np.rint(forest.base_offset / quantum) * quantum,
        quantum * 2.0**10,
    )


class _TreeFormula(_Formula):
    method = "tree"

    def __init__(self, tree_model: Any, rows: Rows, kernels: Any, n_threads: int) -> None:
        self._tree_model, self._forest = tree_model, tree_model.forest
        self._rows, self._n_threads = rows, n_threads
        values, self._offset, self._grid = exact_values(self._forest)
        self._kernel = kernels.ReplacementPredictor(self._forest, values, self._grid)
        # scikit-learn's trees sum in double, in another order than ours
        self.tolerance = TOLERANCE_SINGLE if self._forest.float32_model else TOLERANCE_DOUBLE

    def encode(self, rows: Rows) -> Floats:
        X = self._tree_model.prepare(rows.data)
        if self._forest.float32_input:
            with np.errstate(over="ignore"):
                X = X.astype(np.float32)
        out = np.array(X, dtype=np.float64, order="C")
        if not np.isnan(self._forest.missing_value):
            out[out == self._forest.missing_value] = np.nan
        return out

    def raw(self, encoded: Any) -> Floats:
        out = np.empty((len(encoded), self._forest.n_outputs))
        self._kernel.predict(encoded, self._offset, out, self._n_threads)
        return out

    def open(self) -> Floats:
        self._X = self.encode(self._rows)
        self._base = self.raw(self._X)
        rounder = 1.5 * 2.0**52 * self._grid
        return np.asarray((self._base + rounder) - rounder)

    def replace(self, jobs: Jobs) -> Floats:
        out = np.empty((*jobs.donors.shape, self._forest.n_outputs))
        counts = np.diff(jobs.offsets)
        if counts.max(initial=0) <= MAX_JOBS:
            self._replace(jobs.players, jobs.offsets, jobs.donors, out)
            return out
        for begin in range(0, int(counts.max()), MAX_JOBS):
            players = np.flatnonzero(counts > begin)
            sizes = np.minimum(counts[players] - begin, MAX_JOBS)
            chosen = np.concatenate(
                [
                    np.arange(jobs.offsets[p] + begin, jobs.offsets[p] + begin + s)
                    for p, s in zip(players, sizes, strict=True)
                ]
            )
            part = np.empty((len(chosen), *out.shape[1:]))
            offsets = np.concatenate([[0], np.cumsum(sizes)])
            self._replace([jobs.players[p] for p in players], offsets, jobs.donors[chosen], part)
            out[chosen] = part
        return out

    def _replace(self, players: list[Any], offsets: NDArray[np.int64], donors: NDArray[np.int32], out: Floats) -> None:
        owner = feature_players(players, self._forest.n_features)
        self._kernel.replace(self._X, owner, offsets.astype(np.int64), donors, self._base, out, self._n_threads)


# ------------------------------------------------------------------------------------------------------------- linear


def _linear_formula(model: PredictingModel, rows: Rows, kernels: Any, n_threads: int) -> _Formula | None:
    coef, intercept = getattr(model.owner, "coef_", None), getattr(model.owner, "intercept_", None)
    if not isinstance(coef, np.ndarray) or intercept is None or coef.dtype.kind != "f":
        return None
    coef = np.atleast_2d(coef).astype(np.float64)
    if coef.ndim != 2 or coef.shape[1] != rows.n_features or np.size(intercept) not in (1, len(coef)):
        return None
    if not _has_dense(rows) and not isinstance(rows, SparseRows):
        return None
    return _LinearFormula(coef, np.ravel(np.asarray(intercept, dtype=np.float64)), rows)


def _has_dense(rows: Rows) -> bool:
    """Whether all columns are numbers, and a float64 copy is affordable."""
    if isinstance(rows, SparseRows) or rows.n_rows * rows.n_features * 8 > MAX_DENSE_BYTES:
        return False
    return all(rows.column(j).dtype.kind in "fiub" for j in range(rows.n_features))


def _tolerance_of(rows: Rows) -> float:
    """Libraries compute in the type of the rows."""
    return TOLERANCE_SINGLE if getattr(rows.data, "dtype", None) == np.float32 else TOLERANCE_DOUBLE


class _LinearFormula(_Formula):
    """A column adds its coefficient times its value; a replacement adds the difference of two such terms."""

    method = "linear"

    def __init__(self, coef: Floats, intercept: Floats, rows: Rows) -> None:
        self._coef, self._intercept, self._rows = coef, intercept, rows
        self.tolerance = _tolerance_of(rows)

    def encode(self, rows: Rows) -> Any:
        return rows.data if isinstance(rows, SparseRows) else rows.numeric()

    def raw(self, encoded: Any) -> Floats:
        return np.asarray(encoded @ self._coef.T + self._intercept)

    def open(self) -> Floats:
        encoded = self.encode(self._rows)
        self._columns = encoded.tocsc() if isinstance(self._rows, SparseRows) else encoded
        self._base = self.raw(encoded)
        return self._base

    def replace(self, jobs: Jobs) -> Floats:
        out = np.empty((*jobs.donors.shape, len(self._coef)))
        for p, columns in enumerate(jobs.players):
            added = np.asarray(self._columns[:, columns] @ self._coef[:, columns].T)
            own = slice(jobs.offsets[p], jobs.offsets[p + 1])
            out[own] = added[jobs.donors[own]]
            out[own] += self._base - added
        return out


# ----------------------------------------------------------------------------------------------------------------- MLP

_ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0.0, out=z),
    "tanh": lambda z: np.tanh(z, out=z),
    "logistic": _sigmoid,
}


def _mlp_formula(model: PredictingModel, rows: Rows, kernels: Any, n_threads: int) -> _Formula | None:
    owner = model.owner
    coefs, intercepts = getattr(owner, "coefs_", None), getattr(owner, "intercepts_", None)
    activation = getattr(owner, "activation", None)
    if not isinstance(coefs, list) or not isinstance(intercepts, list) or activation not in _ACTIVATIONS:
        return None
    if not _has_dense(rows) or coefs[0].shape[0] != rows.n_features:
        return None
    return _MlpFormula(coefs, intercepts, activation, rows)


class _MlpFormula(_Formula):
    """A replacement changes the first layer by (donor - row) times the columns' weights; the rest is computed anew."""

    method = "mlp"
    BLOCK_VALUES = 2**20  # hidden values held at once

    def __init__(self, coefs: list[Any], intercepts: list[Any], activation: str, rows: Rows) -> None:
        self._coefs = [np.asarray(c, dtype=np.float64) for c in coefs]
        self._intercepts = [np.asarray(b, dtype=np.float64) for b in intercepts]
        self._activation = _ACTIVATIONS[activation]
        self._rows = rows
        self.tolerance = _tolerance_of(rows)

    def encode(self, rows: Rows) -> Any:
        return rows.numeric()

    def raw(self, encoded: Any) -> Floats:
        return self._after_first(encoded @ self._coefs[0] + self._intercepts[0])

    def _after_first(self, z: Floats) -> Floats:
        """Outputs from the sums of the first layer, which are overwritten."""
        for coef, intercept in zip(self._coefs[1:], self._intercepts[1:], strict=True):
            z = self._activation(z) @ coef
            z += intercept
        return z

    def open(self) -> Floats:
        self._X = self.encode(self._rows)
        self._first = self._X @ self._coefs[0] + self._intercepts[0]
        return self._after_first(self._first.copy())

    def replace(self, jobs: Jobs) -> Floats:
        n_jobs, n = jobs.donors.shape
        out = np.empty((n_jobs, n, self._coefs[-1].shape[1]))
        block = max(1, self.BLOCK_VALUES // self._first.shape[1])
        for p, columns in enumerate(jobs.players):
            values, weights = self._X[:, columns], self._coefs[0][columns]
            for job in range(jobs.offsets[p], jobs.offsets[p + 1]):
                for begin in range(0, n, block):
                    part = slice(begin, min(n, begin + block))
                    z = (values[jobs.donors[job, part]] - values[part]) @ weights
                    z += self._first[part]
                    out[job, part] = self._after_first(z)
        return out
