"""Quadrature rules and sums of sines that the product and sigmoid games and their twins share."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fastexplain._core import PairRules as NativeRules
    from fastexplain._core import SineRules

__all__ = [
    "FIRST_SERIES",
    "LANES",
    "SERIES_STEP",
    "Fit",
    "PairRules",
    "Series",
    "native_rules",
    "native_sines",
    "pair_rules",
    "sine_rules",
]

Float = NDArray[np.float64]

LANES = 8  # terms per block, as kTermLanes in C++
EVERY_PAIR = 16  # rules of 1, 2 .. 16 pairs of nodes, then a quarter more each time
# The last rule: exact up to 1,024 players, and within rounding where D <= 1,400, whatever their number. Larger products
# than that are flat but for the ends of [0, 1], where the nodes are dense.
MOST_PAIRS = 256
ROUNDING = 2.0**-53
# (number of sines, largest |s|, half period / largest |s|): worst error of the odd part 1e-14, whatever the centre.
FITS = ((16, 3.2, 2.0), (24, 5.5, 1.5), (32, 7.6, 1.4), (48, 12.5, 1.2), (64, 17.0, 1.15), (96, 25.5, 1.15))
CUT_OFF = 35.0  # exp(-35) = 6e-16: of the integral's tail, and of its periodic images
SMALLEST_SINGULAR_VALUE = 1e-14
FIRST_SERIES, SERIES_STEP = 40.0, 1.25


class PairRules(NamedTuple):
    """Gauss-Legendre rules on [0, 1] with nodes (1 +- offset) / 2, by rising number of pairs of nodes.

    Attributes
    ----------
    n_pairs : int64 array of shape (n_rules,)
    starts : int64 array of shape (n_rules,)
        Where a rule begins in `offsets` and `weights`.
    offsets, weights : float64 arrays
        Weights are those of one node of a pair.
    reach : float64 array of shape (n_rules,)
        With q = 2 n_pairs nodes and every factor scaled to at most 1, the error is at most
        (q!)^4 / ((2q + 1) (2q)!^3) max |f^(2q)|, and |f^(2q)| <= D^(2q) with D = sum |a - c|: below rounding where
        D <= reach.
    """

    n_pairs: NDArray[np.int64]
    starts: NDArray[np.int64]
    offsets: Float
    weights: Float
    reach: Float


@functools.lru_cache(maxsize=64)
def pair_rules(n_players: int) -> PairRules:
    """Rules for products over `n_players`: the last is exact whatever the factors (see `MOST_PAIRS`)."""
    exact = min(MOST_PAIRS, max(1, -(-n_players // 4)))  # 2 * 2 * pairs - 1 >= n_players - 1
    counts = [1]
    while counts[-1] < exact:
        counts.append(min(exact, counts[-1] + 1 if counts[-1] < EVERY_PAIR else -(-counts[-1] * 5 // 4)))
    offsets, weights, reach = [], [], []
    for pairs in counts:
        q = 2 * pairs
        points, point_weights = np.polynomial.legendre.leggauss(q)
        offsets.append(points[pairs:])
        weights.append(point_weights[pairs:] / 2)
        log_constant = 4 * math.lgamma(q + 1) - math.log(2 * q + 1) - 3 * math.lgamma(2 * q + 1)
        reach.append(math.exp((math.log(ROUNDING) - log_constant) / (2 * q)))
    n_pairs = np.array(counts, dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(n_pairs)[:-1]])
    return PairRules(n_pairs, starts, np.concatenate(offsets), np.concatenate(weights), np.array(reach))


@functools.lru_cache(maxsize=64)
def native_rules(n_players: int) -> NativeRules:
    """`pair_rules` for the compiled core."""
    from fastexplain._core import PairRules

    rules = pair_rules(n_players)
    native = PairRules()
    for n, start, reach in zip(rules.n_pairs, rules.starts, rules.reach, strict=True):
        native.add(rules.offsets[start : start + n], rules.weights[start : start + n], float(reach))
    return native


class Fit(NamedTuple):
    """Sines of frequencies (2k - 1) base, and how values at the points become their coefficients."""

    reach: float
    base: float
    sinh: Float  # (n_points,)
    cosh: Float
    first: Float  # (n_points, n_terms)
    second: Float  # (n_terms, n_terms)


class Series(NamedTuple):
    """Sines of frequencies (2k - 1) base, for |c| + |s| <= reach; coefficients for c = 0."""

    reach: float
    base: float
    coefficients: Float


@functools.lru_cache(maxsize=32)
def sine_rules(n_series: int) -> tuple[list[Fit], list[Series]]:
    """The fits, and the first `n_series` series."""
    return [_fit(*each) for each in FITS], [_series(FIRST_SERIES * SERIES_STEP**i) for i in range(n_series)]


@functools.lru_cache(maxsize=32)
def native_sines(n_series: int) -> SineRules:
    """`sine_rules` for the compiled core."""
    fits, series = sine_rules(n_series)
    from fastexplain._core import SineRules

    native = SineRules()
    for fit in fits:
        native.add_fit(*fit)
    for each in series:
        native.add_series(*each)
    return native


@functools.lru_cache(maxsize=8)
def _fit(n_terms: int, reach: float, periods: float) -> Fit:
    """Least squares on 2 n_terms Chebyshev points, by a truncated singular value decomposition A = U S V.T.

    Applied as V (S^-1 U.T f): the product of the two matrices would lose all digits.
    """
    base = math.pi / (2 * periods * reach)
    points = reach * np.sin((np.arange(2 * n_terms) + 0.5) * (math.pi / (4 * n_terms)))
    matrix = np.sin(np.outer(points, base * (2 * np.arange(n_terms) + 1)))
    left, singular, right = np.linalg.svd(matrix, full_matrices=False)
    inverse = np.where(singular > SMALLEST_SINGULAR_VALUE * singular[0], 1 / singular, 0.0)
    return Fit(reach, base, np.sinh(points), np.cosh(points), np.ascontiguousarray(left * inverse), right.copy())


@functools.lru_cache(maxsize=64)
def _series(reach: float) -> Series:
    half_period = reach + CUT_OFF  # of the smooth square wave that the midpoint rule stands for
    base = math.pi / half_period
    n_terms = math.ceil(CUT_OFF / (2 * math.pi * base))
    n_terms += -n_terms % 8
    frequencies = base * (2 * np.arange(n_terms) + 1)
    # 2 base / sinh(pi w)
    return Series(reach, base, 4 * base * np.exp(-math.pi * frequencies) / -np.expm1(-2 * math.pi * frequencies))
