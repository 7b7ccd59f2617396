"""The formula of RBF kernel machines: support vector machines, kernel ridge, Gaussian process regression.

Each output is offset + sum_j coef_j exp(-sum_c scale_c (x_c - s_jc)^2), a sum of products over columns: a product game
for every support vector and background row (`fastexplain.engine.formulas.product_game`). Unlike methods that give a
removed feature the kernel value 1, removed features here are drawn from the background, as everywhere in this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.formulas.known import (
    Columns,
    FormulaModel,
    Game,
    equal_weights,
    player_of_columns,
    sums_by_player,
)
from fastexplain.engine.formulas.linear import linear_model
from fastexplain.engine.formulas.product_game import in_blocks, shap_values_of_blocks
from fastexplain.engine.formulas.rules import LANES
from fastexplain.engine.progress import progress
from fastexplain.rows.arrays import dense

__all__ = ["KernelMachine", "KernelSum", "KernelSumGame", "kernel_machine_formula", "support_vector_sum"]

Float = NDArray[np.float64]

# Factors of background rows kept from `bind` on, and the most that are computed at one time: 64 MiB.
FACTOR_CELLS = 2**23
# Kernel values held at one time by `KernelSumGame.sums`, per thread: 8 MiB.
SUM_CELLS = 2**20


class Part(NamedTuple):
    """Terms that share the scale of each column: amplitude is folded into the coefficients."""

    scale: Float  # (n_features,)
    vectors: Float  # (n_terms, n_features)
    coefficients: Float  # (n_terms, n_sums)


class KernelSum:
    """Sums of Gaussian kernels: ``offset + sum over parts and j of coef_j exp(-sum_c scale_c (x_c - s_jc)^2)``.

    Attributes
    ----------
    parts : list of Part
    offset : float64 array of shape (n_sums,)
    n_features, n_sums : int
    """

    def __init__(self, parts: list[Part], offset: Float) -> None:
        self.parts = parts
        self.offset = np.asarray(offset, dtype=np.float64).ravel()
        self.n_features = parts[0].vectors.shape[1]
        self.n_sums = len(self.offset)

    def evaluate(self, X: Float) -> Float:
        """The sums at each row, (n_rows, n_sums)."""
        out = np.empty((len(X), self.n_sums))
        step = max(1, SUM_CELLS // max(len(part.vectors) for part in self.parts))
        for begin in range(0, len(X), step):
            rows = X[begin : begin + step]
            total = np.tile(self.offset, (len(rows), 1))
            for part in self.parts:
                distance = np.zeros((len(rows), len(part.vectors)))
                for c in np.flatnonzero(part.scale):
                    distance += part.scale[c] * np.square(rows[:, c, None] - part.vectors[:, c])
                total += np.exp(-distance) @ part.coefficients
            out[begin : begin + step] = total
        return out

    def bind(self, background: Float, groups: Columns | None = None) -> KernelSumGame:
        """The sums' game on encoded background rows."""
        return KernelSumGame(self, background, groups)


class KernelSumGame:
    """A `KernelSum` with a background and players; immutable, and safe from several threads."""

    def __init__(self, kernel_sum: KernelSum, background: Float, groups: Columns | None) -> None:
        self._sum = kernel_sum
        self.background = np.ascontiguousarray(background, dtype=np.float64)
        self._groups = groups
        player_of_columns(groups, kernel_sum.n_features)  # every column has one player
        self.n_players = kernel_sum.n_features if groups is None else len(groups)
        self._vectors = [in_blocks(part.vectors, 0.0) for part in kernel_sum.parts]  # (n_blocks, n_features, 8)
        self._coefficients = [in_blocks(part.coefficients, 0.0) for part in kernel_sum.parts]
        # distances are taken column by column, then added up by player
        self._cells = max(self.n_players, kernel_sum.n_features) * LANES  # of one row and block
        n_cells = sum(len(vectors) for vectors in self._vectors) * len(background) * self._cells
        self._factors: list[Float] | None = None
        if n_cells <= FACTOR_CELLS:
            self._factors = [self._background_factors(i, slice(None)) for i in range(len(kernel_sum.parts))]

    def shap_values(
        self, X: Float, weights: Float, *, n_threads: int | None = None, backend: str | None = None
    ) -> Float:
        """Exact Shapley values (n_rows, n_players, n_sums) of the weighted mean over the background."""
        values = np.zeros((len(X), self.n_players, self._sum.n_sums))
        for i in range(len(self._sum.parts)):
            for blocks in self._pieces(i):
                absent = self._factors[i] if self._factors is not None else self._background_factors(i, blocks)
                coefficients = np.ascontiguousarray(self._coefficients[i][blocks])
                step = max(1, FACTOR_CELLS // (coefficients.shape[0] * self._cells))
                for begin in range(0, len(X), step):
                    rows = slice(begin, begin + step)
                    values[rows] += shap_values_of_blocks(
                        np.ascontiguousarray(self._exponentials(i, X[rows], blocks)),
                        absent,
                        coefficients,
                        weights,
                        n_threads=n_threads,
                        backend=backend,
                    )
        return values

    def sums(
        self, x: Float, masks: NDArray[np.bool_], *, n_threads: int | None = None
    ) -> Iterator[tuple[slice, Float]]:
        """The sums on coalitions of one row, before any mean over the background.

        Parameters
        ----------
        x : float64 array of shape (n_features,)
        masks : bool array of shape (n_masks, n_players)
        n_threads : int, optional

        Yields
        ------
        part : slice
            Of the masks.
        sums : float64 array of shape (n_masks in part, n_background, n_sums)
        """
        present = [self._distances(part, x[None])[0] for part in self._sum.parts]  # (n_players, n_terms) each
        n_background, n_sums = len(self.background), self._sum.n_sums
        step = max(1, SUM_CELLS // max(max(each.shape[1] for each in present), n_background * n_sums))
        with ThreadPoolExecutor(resolve_num_threads(n_threads)) as pool:
            for begin in range(0, len(masks), step):
                kept = masks[begin : begin + step].astype(np.float64)
                out = np.empty((len(kept), n_background, n_sums))

                def one(b: int, kept: Float = kept, out: Float = out) -> None:
                    total = np.tile(self._sum.offset, (len(kept), 1))
                    for part, row in zip(self._sum.parts, present, strict=True):
                        absent = self._distances(part, self.background[b : b + 1])[0]
                        exponent = kept @ (absent - row)
                        exponent -= absent.sum(axis=0)
                        total += np.exp(exponent, out=exponent) @ part.coefficients
                    out[:, b] = total

                list(pool.map(one, range(n_background)))
                yield slice(begin, begin + len(kept)), out

    def _pieces(self, i: int) -> list[slice]:
        """Blocks of terms whose background factors are held together."""
        n_blocks = len(self._vectors[i])
        if self._factors is not None:
            return [slice(0, n_blocks)]
        step = max(1, FACTOR_CELLS // (len(self.background) * self._cells))
        return [slice(begin, min(begin + step, n_blocks)) for begin in range(0, n_blocks, step)]

    def _background_factors(self, i: int, blocks: slice) -> Float:
        """(n_blocks, n_background, n_players, 8)."""
        return np.ascontiguousarray(np.moveaxis(self._exponentials(i, self.background, blocks), 0, 1))

    def _exponentials(self, i: int, X: Float, blocks: slice) -> Float:
        """Each player's factor in each term, (n_rows, n_blocks, n_players, 8)."""
        distance = X[:, None, :, None] - self._vectors[i][blocks]
        np.square(distance, out=distance)
        distance *= self._sum.parts[i].scale[:, None]
        cells = distance.reshape(-1, *distance.shape[2:])
        distance = sums_by_player(cells, self._groups).reshape(*distance.shape[:2], self.n_players, LANES)
        return np.exp(np.negative(distance, out=distance), out=distance)

    def _distances(self, part: Part, X: Float) -> Float:
        """Each player's share of the exponents, (n_rows, n_players, n_terms)."""
        distance = np.square(X[:, :, None] - part.vectors.T) * part.scale[:, None]
        return sums_by_player(distance, self._groups)


class KernelMachine(FormulaModel):
    """A `KernelSum`, and what the model makes of it (nothing, mostly).

    Attributes
    ----------
    kernel_sum : KernelSum
    n_classes : int or None
        The sums are decisions between each pair of so many classes, and the model gives a score to each class.
    """

    rtol = 1e-6  # the library takes distances apart into norms and products, which cancel

    def __init__(self, kernel_sum: KernelSum, n_classes: int | None = None) -> None:
        self.kernel_sum, self.n_classes = kernel_sum, n_classes
        self.apply: Callable[[Float], Float] | None = None if n_classes is None else partial(_votes, n_classes)
        self.path = "product_form" if n_classes is None else "kernel_sums"
        self.n_features = kernel_sum.n_features
        self.n_outputs = kernel_sum.n_sums if n_classes is None else n_classes

    def predict(self, X: Float) -> Float:
        sums = self.kernel_sum.evaluate(X)
        return sums if self.apply is None else self.apply(sums)

    def bind(self, background: Float, weights: Float | None = None, groups: Columns | None = None) -> Game:
        return _KernelMachineGame(self, background, equal_weights(len(background), weights), groups)


class _KernelMachineGame(Game):
    def __init__(self, model: KernelMachine, background: Float, weights: Float, groups: Columns | None) -> None:
        self.closed_form = model.apply is None
        self._model = model
        self._weights = weights
        self._bound = model.kernel_sum.bind(background, groups)

    def shap_values(self, X: Float, *, n_threads: int | None = None, backend: str | None = None) -> Float:
        if not self.closed_form:
            return super().shap_values(X)
        return self._bound.shap_values(X, self._weights, n_threads=n_threads, backend=backend)

    def coalition_values(
        self, x: Float, masks: NDArray[np.bool_], *, n_threads: int | None = None, backend: str | None = None
    ) -> Float:
        apply = self._model.apply
        values = np.empty((len(masks), self._model.n_outputs))
        with progress(len(masks), "kernel machine", None, unit=" coalitions") as bar:
            for part, sums in self._bound.sums(x, masks, n_threads=n_threads):
                values[part] = np.tensordot(sums if apply is None else apply(sums), self._weights, (1, 0))
                bar(len(sums))
        return values


def kernel_machine_formula(owner: Any, method: str | None, background: Any) -> FormulaModel | None:
    """Loader: scikit-learn's kernel machines with Gaussian kernels; support vector machines with linear ones too."""
    names = {cls.__name__ for cls in type(owner).__mro__}
    if names & {"SVC", "NuSVC", "SVR", "NuSVR", "OneClassSVM"}:
        return _support_vector_machine(owner, method)
    if method != "predict":
        return None
    if "KernelRidge" in names:
        return _kernel_ridge(owner)
    return _gaussian_process(owner) if "GaussianProcessRegressor" in names else None


def support_vector_sum(owner: Any) -> KernelSum | None:
    """The decision values of a fitted support vector machine of scikit-learn with an RBF kernel.

    One sum for regression, one class and two classes; for more classes one per pair, (0, 1), (0, 2) .. (1, 2) ..
    None where the kernel is another or the model is not fitted.
    """
    if owner.kernel != "rbf" or not hasattr(owner, "support_vectors_"):
        return None
    vectors, dual = _dense(owner.support_vectors_), _dense(owner.dual_coef_)
    n_support = np.asarray(getattr(owner, "n_support_", [len(vectors)]))
    if len(n_support) > 2:
        dual = _pairwise_coefficients(dual, n_support)
    scale = np.full(vectors.shape[1], float(owner._gamma))
    return KernelSum([Part(scale, vectors, np.ascontiguousarray(dual.T))], np.asarray(owner.intercept_))


def _support_vector_machine(owner: Any, method: str | None) -> FormulaModel | None:
    classes = getattr(owner, "classes_", None)
    if method != ("predict" if _is_regressor(owner) else "decision_function"):
        return None
    several = classes is not None and len(np.asarray(classes)) > 2
    if owner.kernel == "linear" and not several:
        return linear_model(owner)
    kernel_sum = support_vector_sum(owner)
    if kernel_sum is None:
        return None
    if several and owner.decision_function_shape == "ovr":
        return KernelMachine(kernel_sum, len(np.asarray(classes)))
    return KernelMachine(kernel_sum)


def _is_regressor(owner: Any) -> bool:
    return not hasattr(owner, "decision_function")


def _pairwise_coefficients(dual: Float, n_support: NDArray[Any]) -> Float:
    """A row for each pair of classes, from libsvm's (n_classes - 1, n_terms).

    There, a vector of class i against class j stands in row j - 1 where i < j, else in row j.
    """
    n_classes = len(n_support)
    ends = np.cumsum(n_support)
    members = [slice(end - n, end) for n, end in zip(n_support, ends, strict=True)]
    pairs = [(i, j) for i in range(n_classes) for j in range(i + 1, n_classes)]
    out = np.zeros((len(pairs), dual.shape[1]))
    for row, (i, j) in enumerate(pairs):
        out[row, members[i]] = dual[j - 1, members[i]]
        out[row, members[j]] = dual[i, members[j]]
    return out


def _votes(n_classes: int, sums: Float) -> Float:
    """scikit-learn's one-versus-rest form of pairwise decisions: votes, with the summed decisions to break ties."""
    votes = np.zeros((*sums.shape[:-1], n_classes))
    confidence = np.zeros_like(votes)
    pairs = [(i, j) for i in range(n_classes) for j in range(i + 1, n_classes)]
    for k, (i, j) in enumerate(pairs):
        decision = sums[..., k]
        confidence[..., i] += decision
        confidence[..., j] -= decision
        votes[..., i] += decision > 0
        votes[..., j] += decision <= 0
    return np.asarray(votes + confidence / (3 * (np.abs(confidence) + 1)))


def _kernel_ridge(owner: Any) -> FormulaModel | None:
    if owner.kernel != "rbf" or not hasattr(owner, "dual_coef_"):
        return None
    vectors = _dense(owner.X_fit_)
    gamma = 1.0 / vectors.shape[1] if owner.gamma is None else float(owner.gamma)
    coefficients = np.asarray(owner.dual_coef_, dtype=np.float64).reshape(len(vectors), -1)
    part = Part(np.full(vectors.shape[1], gamma), vectors, coefficients)
    return KernelMachine(KernelSum([part], np.zeros(coefficients.shape[1])))


def _gaussian_process(owner: Any) -> FormulaModel | None:
    if not hasattr(owner, "alpha_"):
        return None
    vectors = _dense(owner.X_train_)
    terms = _kernel_terms(owner.kernel_, vectors.shape[1])
    if terms is None:
        return None
    alpha = np.asarray(owner.alpha_, dtype=np.float64).reshape(len(vectors), -1)
    alpha = alpha * np.asarray(owner._y_train_std, dtype=np.float64)
    offset = np.broadcast_to(np.asarray(owner._y_train_mean, dtype=np.float64), alpha.shape[1:]).copy()
    parts = []
    for amplitude, scale in terms:
        if scale.any():
            parts.append(Part(scale, vectors, amplitude * alpha))
        else:
            offset += amplitude * alpha.sum(axis=0)  # a constant
    return KernelMachine(KernelSum(parts, offset)) if parts else None


def _kernel_terms(kernel: Any, n_features: int) -> list[tuple[float, Float]] | None:
    """A kernel between different rows as a sum of amplitude * exp(-sum_c scale_c (x_c - y_c)^2); else None."""
    name = type(kernel).__name__
    if name == "ConstantKernel":
        return [(float(kernel.constant_value), np.zeros(n_features))]
    if name == "WhiteKernel":
        return []  # zero between different rows
    if name == "RBF":
        length = np.broadcast_to(np.asarray(kernel.length_scale, dtype=np.float64), (n_features,))
        return [(1.0, 0.5 / np.square(length))]
    if name == "Exponentiation":
        terms = _kernel_terms(kernel.kernel, n_features)
        power = float(kernel.exponent)
        return [(a**power, power * s) for a, s in terms] if terms is not None and len(terms) == 1 else None
    if name not in ("Sum", "Product"):
        return None
    first, second = _kernel_terms(kernel.k1, n_features), _kernel_terms(kernel.k2, n_features)
    if first is None or second is None:
        return None
    return first + second if name == "Sum" else [(a * c, s + t) for a, s in first for c, t in second]


def _dense(array: Any) -> Float:
    return np.ascontiguousarray(dense(array), dtype=np.float64)
