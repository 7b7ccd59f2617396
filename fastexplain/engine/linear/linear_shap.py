"""Exact Shapley values of linear models as an array function."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.shown import result_repr
from fastexplain.engine.weights import checked_weights
from fastexplain.exceptions import ModelConversionError, UnsupportedModelError
from fastexplain.models.agreement import agrees
from fastexplain.rows.kinds import is_sparse

__all__ = ["LinearShapResult", "linear_shap"]

Float = NDArray[np.float64]

# All coalitions of up to so many (groups of) correlated features are enumerated: 4,096 small inverses.
ENUMERATED_FEATURES = 12
# Features whose correlation is this close to 1 or -1 count as one.
DUPLICATE = 1e-8
# A feature with less than this share of its variance left is known from the others.
SINGULAR = 1e-10
# Rows of one thread's step, and permutations that are worked on side by side.
STEP_ROWS = 4096
STEP_PERMUTATIONS = 20
PROBE_ROWS = 16
PROBE_RTOL = 1e-5  # rows may be float32


class LinearShapResult(NamedTuple):
    """What `linear_shap` returns.

    Attributes
    ----------
    values : float64 array of shape (n_rows, n_features, n_outputs)
    base_values : float64 array of shape (n_outputs,)
        The margin at the mean of the features.
    """

    values: Float
    base_values: Float

    def __repr__(self) -> str:
        return result_repr(self, self._fields)


def linear_shap(
    model: Any,
    X: Any,
    background: Any = None,
    *,
    weights: Any = None,
    mean: Any = None,
    covariance: Any = None,
    feature_dependence: str = "interventional",
    n_samples: int = 1000,
    seed: int = 0,
    n_threads: int | None = None,
) -> LinearShapResult:
    """Shapley values of a linear model's margin.

    Parameters
    ----------
    model : fitted linear model, or tuple (coef, intercept)
        A scikit-learn model; a classifier is explained by its ``decision_function``, a model with a log link by the
        logarithm of its prediction. Or ``coef`` of shape (n_features,) or (n_outputs, n_features) and ``intercept``, a
        number or (n_outputs,).
    X : array-like, DataFrame or sparse matrix of shape (n_rows, n_features)
    background : array-like, DataFrame or sparse matrix of shape (n_background, n_features), optional
        Gives the mean, and the covariance where that is needed.
    weights : array-like of shape (n_background,), optional
        Of the background rows; scaled to sum 1.
    mean : array-like of shape (n_features,), optional
        In place of a background.
    covariance : array-like of shape (n_features, n_features), optional
        With ``feature_dependence="correlation"``: in place of that of the background.
    feature_dependence : {"interventional", "correlation"}
        "interventional": hidden features are drawn from the background whatever the others are, and the value of a
        feature is coef times its distance from the mean. "correlation": hidden features follow the others as those of
        a normal distribution do, so that correlated features share their values: the Shapley values of
        ``v(S) = E[f(X) | X_S = x_S]``, shap's ``correlation_dependent``.
    n_samples : int, default 1000
        With "correlation" and more than 12 features that are not copies of each other: the number of permutations, half
        of them the others reversed, over which the exact conditional expectations are averaged. Up to 12 features all
        coalitions are enumerated.
    seed : int, default 0
        Of these permutations.
    n_threads : int, optional
        Threads to use; None for the default. The result has the same bits for any number.

    Returns
    -------
    LinearShapResult
        ``values`` (n_rows, n_features, n_outputs) and ``base_values`` (n_outputs,); values sum over features to the
        margin minus the base value.

    Raises
    ------
    UnsupportedModelError
        The model is not linear.
    ModelConversionError
        The model's own prediction is not the linear one, as where a subclass changes it.
    ValueError
        Shapes differ, values are not finite, or neither background nor mean is given.

    Notes
    -----
    Interventional: O(n_rows n_features n_outputs). Correlation: the values are a matrix times (x - mean), found once
    per call. Perfectly correlated features count as one player and share its value equally, as in shap; a singular
    covariance needs no ridge: what is known from the features at hand adds nothing.

    Examples
    --------
    >>> import numpy as np
    >>> import fastexplain
    >>> X = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> fastexplain.linear_shap(([2.0, -1.0], 0.5), X, mean=[1.0, 1.0]).values[:, :, 0].tolist()
    [[0.0, -1.0], [4.0, -3.0]]
    """
    if feature_dependence not in ("interventional", "correlation"):
        raise ValueError(f"feature_dependence must be 'interventional' or 'correlation'; got {feature_dependence!r}.")
    if not len(np.shape(X)) or not np.shape(X)[0]:
        raise ValueError("X has no rows; expected at least one.")
    coef, intercept = _coefficients(model, X)
    rows = _checked_rows(X, coef.shape[1], "X")
    shares = None
    if background is not None:
        background = _checked_rows(background, coef.shape[1], "background")
        if not len(background):
            raise ValueError("background has no rows; it needs at least one.")
        shares = checked_weights(weights, len(background))
    centre = _mean(background, shares, mean, coef.shape[1])
    threads = resolve_num_threads(n_threads)
    if feature_dependence == "interventional":
        if covariance is not None:
            raise ValueError("covariance is given, but feature_dependence='interventional' does not use it.")
        values = _by_rows(lambda part: (rows[part] - centre)[:, :, None] * coef.T, rows, coef, threads)
    else:
        matrix = _covariance(background, shares, covariance, coef.shape[1])
        transform = _correlation_transform(coef, matrix, n_samples, seed, threads)
        values = _by_rows(lambda part: _transformed(transform, rows[part] - centre), rows, coef, threads)
    return LinearShapResult(values, coef @ centre + intercept)


def _coefficients(model: Any, X: Any) -> tuple[Float, Float]:
    """The coefficients (n_outputs, n_features) and the intercept (n_outputs,)."""
    if isinstance(model, tuple):
        if len(model) != 2:
            raise ValueError(f"model is a tuple of {len(model)}; expected (coef, intercept).")
        coef = np.atleast_2d(np.asarray(model[0], dtype=np.float64))
        intercept = np.asarray(model[1], dtype=np.float64).ravel()
        if coef.ndim != 2 or len(intercept) not in (1, len(coef)):
            raise ValueError(
                f"coef has shape {np.shape(model[0])} and intercept {np.shape(model[1])}; expected (n_features,) and a "
                "number, or (n_outputs, n_features) and (n_outputs,)."
            )
        return coef, np.broadcast_to(intercept, (len(coef),))
    from fastexplain.engine.formulas.known import as_float64, find_model, two_dimensional
    from fastexplain.engine.formulas.linear import LinearModel

    method = "decision_function" if hasattr(model, "decision_function") else "predict"
    found = find_model(model, method)
    if not isinstance(found, LinearModel):
        raise UnsupportedModelError(
            f"{type(model).__module__}.{type(model).__qualname__} is not a fitted linear model that is known here; "
            "pass (coef, intercept), or use fastexplain.kernel_shap."
        )
    if np.ndim(X) == 2 or is_sparse(X):
        probe = X.tocsr()[:PROBE_ROWS] if is_sparse(X) else X[:PROBE_ROWS]
        expected, got = two_dimensional(getattr(model, method)(probe)), found.predict(as_float64(probe))
        if not agrees(got, expected, PROBE_RTOL):
            raise ModelConversionError(
                f"{method} of {type(model).__qualname__} is not what its coefficients give; its class changes it."
            )
    return found.coef, found.offset


def _checked_rows(rows: Any, n_features: int, name: str) -> Float:
    from fastexplain.engine.formulas.known import as_float64

    array = as_float64(rows)
    if array.ndim != 2 or array.shape[1] != n_features:
        raise ValueError(f"{name} has shape {array.shape}; the model has {n_features} features.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinite values, which a linear model cannot take.")
    return array


def _mean(background: Float | None, shares: Float | None, mean: Any, n_features: int) -> Float:
    if mean is None:
        if background is None or shares is None:
            raise ValueError("Give a background, or the mean of the features.")
        return np.asarray(shares @ background)
    centre = np.asarray(mean, dtype=np.float64)
    if centre.shape != (n_features,) or not np.isfinite(centre).all():
        raise ValueError(f"mean has shape {centre.shape}; expected ({n_features},), finite.")
    return centre


def _covariance(background: Float | None, shares: Float | None, covariance: Any, n_features: int) -> Float:
    if covariance is None:
        if background is None or shares is None:
            raise ValueError("feature_dependence='correlation' needs a background, or mean and covariance.")
        centred = background - shares @ background
        return np.asarray((centred * shares[:, None]).T @ centred)
    matrix = np.asarray(covariance, dtype=np.float64)
    if matrix.shape != (n_features, n_features) or not np.allclose(matrix, matrix.T):
        raise ValueError(f"covariance has shape {matrix.shape}; expected ({n_features}, {n_features}), symmetric.")
    return 0.5 * (matrix + matrix.T)


def _by_rows(step: Any, rows: Float, coef: Float, n_threads: int) -> Float:
    """Values of blocks of rows, each written by one thread."""
    values = np.empty((len(rows), coef.shape[1], coef.shape[0]))
    parts = [slice(begin, begin + STEP_ROWS) for begin in range(0, len(rows), STEP_ROWS)]

    def write(part: slice) -> None:
        values[part] = step(part)

    if len(parts) == 1 or n_threads == 1:
        for part in parts:
            write(part)
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(write, parts))
    return values


def _transformed(transform: Float, centred: Float) -> Float:
    """The transform (n_outputs, n_features, n_features) applied to each row: (n_rows, n_features, n_outputs)."""
    return np.moveaxis(centred @ np.swapaxes(transform, 1, 2), 0, 2)


def _correlation_transform(coef: Float, covariance: Float, n_samples: int, seed: int, n_threads: int) -> Float:
    """The matrix of each output that turns x - mean into values, (n_outputs, n_features, n_features)."""
    deviation = np.sqrt(np.diag(covariance))
    varies = deviation > SINGULAR * max(1.0, deviation.max(initial=0.0))
    n_features = len(covariance)
    transform = np.zeros((len(coef), n_features, n_features))
    constant = np.flatnonzero(~varies)
    transform[:, constant, constant] = coef[:, constant]  # says nothing about the others, nor they about it
    columns = np.flatnonzero(varies)
    if len(columns) == 0:
        return transform
    scale = deviation[columns]
    correlation = covariance[np.ix_(columns, columns)] / np.outer(scale, scale)
    group, sign = _copies(correlation)
    n_groups = group.max() + 1
    member = (group == np.arange(n_groups)[:, None]) * sign  # (n_groups, n_columns)
    average = member / np.abs(member).sum(axis=1, keepdims=True)
    correlation = average @ correlation @ average.T
    slopes = (coef[:, columns] * scale) @ member.T  # of the standardised groups
    if n_groups <= ENUMERATED_FEATURES:
        inner = _enumerated_transform(slopes, correlation)
    else:
        inner = _sampled_transform(slopes, correlation, n_samples, seed, n_threads)
    # equal parts of each group's value; its coordinate is the mean of its members'
    share = np.abs(average).T
    transform[:, columns[:, None], columns] = share @ inner @ (average / scale)
    return transform


def _copies(correlation: Float) -> tuple[NDArray[np.intp], Float]:
    """Group of each feature, perfectly correlated ones together, and its sign within the group."""
    n = len(correlation)
    group, sign = np.full(n, -1), np.ones(n)
    for i in range(n):
        if group[i] < 0:
            copies = np.flatnonzero((group < 0) & (1 - np.abs(correlation[i]) < DUPLICATE))
            copies = np.union1d(copies, [i])
            group[copies], sign[copies] = group.max() + 1, np.sign(correlation[i, copies])
    return group.astype(np.intp), sign


def _enumerated_transform(slopes: Float, correlation: Float) -> Float:
    """Every coalition: v(S) = r_S . x with r_S = slopes_S + C_SS^+ C_SR slopes_R, R the features that are not in S."""
    n_outputs, n = slopes.shape
    reaction = np.zeros((2**n, n_outputs, n))
    for size in range(1, n + 1):
        inside = np.array(list(itertools.combinations(range(n), size)))
        outside = np.array([[i for i in range(n) if i not in set(each)] for each in inside.tolist()], dtype=np.intp)
        code = (1 << inside).sum(axis=1)
        inner = np.linalg.pinv(correlation[inside[:, :, None], inside[:, None, :]], rcond=SINGULAR, hermitian=True)
        across = correlation[inside[:, :, None], outside.reshape(len(inside), 1, n - size)]
        known = slopes.T[inside] + inner @ (across @ slopes.T[outside.reshape(len(inside), n - size)])
        reaction[code[:, None, None], np.arange(n_outputs)[:, None], inside[:, None, :]] = np.swapaxes(known, 1, 2)
    codes = np.arange(2**n)
    sizes = np.array([code.bit_count() for code in codes.tolist()])
    weight = np.array([1 / (n * math.comb(n - 1, size)) if size < n else 0.0 for size in range(n + 1)])[sizes]
    transform = np.empty((n_outputs, n, n))
    for i in range(n):
        without = codes[(codes >> i) & 1 == 0]
        gain = reaction[without | 1 << i] - reaction[without]
        transform[:, i] = np.tensordot(weight[without], gain, axes=1)
    return transform


def _sampled_transform(slopes: Float, correlation: Float, n_samples: int, seed: int, n_threads: int) -> Float:
    """The mean over permutations, each with its reverse, of exact conditional expectations."""
    if n_samples < 2:
        raise ValueError(f"n_samples must be at least 2; got {n_samples}.")
    n = len(correlation)
    random = np.random.Generator(np.random.Philox(seed))
    forward = random.permuted(np.tile(np.arange(n), (n_samples // 2, 1)), axis=1)
    orders = np.concatenate([forward, forward[:, ::-1]])
    parts = [orders[begin : begin + STEP_PERMUTATIONS] for begin in range(0, len(orders), STEP_PERMUTATIONS)]
    with ThreadPoolExecutor(n_threads) as pool:
        sums = list(pool.map(lambda part: _walk(slopes, correlation, part), parts))
    total: Float = np.zeros_like(sums[0])
    for each in sums:  # in one order, whichever thread made them
        total += each
    return np.asarray(total / len(orders))


def _walk(slopes: Float, correlation: Float, orders: NDArray[np.int64]) -> Float:
    """Adds features in each order, by the sweep operator (Goodnight 1979), and sums what each changes."""
    n_orders, n = orders.shape
    matrix = np.tile(correlation, (n_orders, 1, 1))
    here = np.arange(n_orders)
    inside, swept = np.zeros((n_orders, n), dtype=bool), np.zeros((n_orders, n), dtype=bool)
    before = np.zeros((n_orders, len(slopes), n))
    transform = np.zeros((len(slopes), n, n))
    for step in range(n):
        pivot = orders[:, step]
        inside[here, pivot] = True
        column = matrix[here, :, pivot]
        left = column[here, pivot]
        new = left > SINGULAR  # else it is known already, and tells nothing of the others
        swept[here, pivot] = new
        column = np.where(new[:, None], column, 0.0)
        left = np.where(new, left, 1.0)
        matrix -= column[:, :, None] * (column / left[:, None])[:, None, :]
        rows = np.flatnonzero(new)
        replaced = column[rows] / left[rows, None]
        matrix[rows, pivot[rows], :] = replaced
        matrix[rows, :, pivot[rows]] = replaced
        matrix[rows, pivot[rows], pivot[rows]] = -1.0 / left[rows]
        hidden = np.where(inside[:, None, :], 0.0, slopes)  # (n_orders, n_outputs, n)
        known = np.where(inside[:, None, :], slopes, 0.0) + np.where(swept[:, None, :], hidden @ matrix, 0.0)
        for each, gain in zip(pivot.tolist(), known - before, strict=True):
            transform[:, each] += gain
        before = known
    return transform
