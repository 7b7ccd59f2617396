"""Product and sigmoid games compiled by Numba.

The twin of ``cpp/src/formulas/product_game.cpp``; see there for the algebra. Lanes of eight terms, or frequencies,
are the innermost loops, which LLVM turns into vectors. Work is cut into the same pieces as in C++ and their sums are
added in the same order, so that the number of threads changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.rules import LANES, Fit, PairRules, Series
from fastexplain.engine.numba.tools import compiled, for_each_part

__all__ = ["product_game", "sigmoid_game"]

Float = NDArray[np.float64]

PIECE_BLOCKS = 8
PIECE_BACKGROUND = 16
PARTIAL_VALUES = 2**22
# Factors of a piece's terms that one call of compiled code goes through: Ctrl-C is answered between calls.
CALL_CELLS = 2**18
FLAT = 37.0  # beyond this distance from 0 the logistic function is flat to 1e-16


def product_game(
    row_factors: Float,
    background_factors: Float,
    coefficients: Float,
    weights: Float,
    rules: PairRules,
    values: Float,
    n_threads: int,
) -> None:
    """Adds Shapley values to `values`; shapes as of ``shap_values_of_blocks`` in `product_game`."""
    n_blocks = row_factors.shape[1]
    shared = coefficients.ndim == 3
    by_row = coefficients[None] if shared else coefficients

    step = max(1, min(PIECE_BLOCKS, CALL_CELLS // max(1, len(weights) * row_factors.shape[2])))

    def piece(begin: int, end: int, first: int, n_pieces: int, partial: Float) -> None:
        for block in range(0, PIECE_BLOCKS, step):
            _product_pieces(
                begin, end, first, n_pieces, block, min(block + step, PIECE_BLOCKS), row_factors, background_factors,
                by_row, weights, rules, partial,
            )  # fmt: skip

    _in_pieces(values, -(-n_blocks // PIECE_BLOCKS), n_threads, piece)


def sigmoid_game(
    row_terms: Float,
    background_terms: Float,
    margins: Float,
    weights: Float,
    sines: tuple[list[Fit], list[Series]],
    rules: PairRules,
    values: Float,
    n_threads: int,
) -> None:
    """Writes Shapley values to `values`; arguments as of ``sigmoid_shap_values`` in `sine_expansion`."""
    fits, series = numba.typed.List(sines[0]), numba.typed.List(sines[1])
    values[:] = 0.0

    def piece(begin: int, end: int, first: int, n_pieces: int, partial: Float) -> None:
        _sigmoid_pieces(
            begin, end, first, n_pieces, row_terms, background_terms, margins, weights, fits, series, rules, partial
        )

    _in_pieces(values[:, :, None], -(-len(background_terms) // PIECE_BACKGROUND), n_threads, piece)


def _in_pieces(
    values: Float, n_pieces: int, n_threads: int, piece: Callable[[int, int, int, int, Float], None]
) -> None:
    """Works on all pieces of tiles of rows, then adds each row's partial sums in order."""
    n_rows, n_players, n_outputs = values.shape
    tile = max(1, min(n_rows, PARTIAL_VALUES // max(1, n_pieces * n_players * n_outputs)))
    for first in range(0, n_rows, tile):
        n_tile = min(tile, n_rows - first)
        partial = np.zeros((n_tile * n_pieces, n_players, n_outputs))

        def work(part: slice, first: int = first, partial: Float = partial) -> None:
            piece(part.start, part.stop, first, n_pieces, partial)

        for_each_part(work, len(partial), n_threads)
        for number in range(n_pieces):
            values[first : first + n_tile] += partial[number::n_pieces]


@compiled
def _product_pieces(
    begin: int,
    end: int,
    first_row: int,
    n_pieces: int,
    first_block: int,
    last_block: int,
    row_factors: Float,
    background_factors: Float,
    coefficients: Float,
    weights: Float,
    rules: PairRules,
    partial: Float,
) -> None:
    _, n_blocks, n_players, _ = row_factors.shape
    n_outputs = coefficients.shape[2]
    middle, half, above, below, integral, sums = np.empty((6, n_players, LANES))
    active = np.empty(n_players, dtype=np.int64)
    for index in range(begin, end):
        row = first_row + index // n_pieces
        number = index % n_pieces
        own = row if len(coefficients) > 1 else 0
        start = number * PIECE_BLOCKS
        for block in range(start + first_block, min(n_blocks, start + last_block)):
            sums[:] = 0.0
            present = row_factors[row, block]
            for b in range(len(weights)):
                absent = background_factors[block, b]
                _add_product(present, absent, weights[b], rules, middle, half, above, below, integral, active, sums)
            for player in range(n_players):
                for output in range(n_outputs):
                    partial[index, player, output] += _sum_lanes(sums[player] * coefficients[own, block, output])


@compiled
def _add_product(
    present: Float,
    absent: Float,
    weight: float,
    rules: PairRules,
    middle: Float,
    half: Float,
    above: Float,
    below: Float,
    integral: Float,
    active: NDArray[np.int64],
    sums: Float,
) -> None:
    """One block of terms, one background row."""
    base = np.ones(LANES)
    variation = np.zeros(LANES)
    n = 0
    for player in range(len(present)):
        changed = False
        for lane in range(LANES):
            a, c = present[player, lane], absent[player, lane]
            size = max(abs(a), abs(c))
            middle[n, lane] = 0.5 * (a + c)
            half[n, lane] = 0.5 * (a - c)
            variation[lane] += abs(a - c) / (size if size > 0.0 else 1.0)
            changed |= a != c
        if changed:
            active[n] = player
            n += 1
        else:
            for lane in range(LANES):
                base[lane] *= present[player, lane]
    if n == 0:
        return
    rule = 0
    most = variation.max()
    while most > rules.reach[rule] and 4 * rules.n_pairs[rule] < n and rule < len(rules.reach) - 1:
        rule += 1
    integral[:n] = 0.0
    for p in range(rules.starts[rule], rules.starts[rule] + rules.n_pairs[rule]):
        _add_product_pair(n, rules.offsets[p], rules.weights[p], base, middle, half, above, below, integral)
    for i in range(n):
        for lane in range(LANES):
            sums[active[i], lane] += half[i, lane] * integral[i, lane] * (2.0 * weight)


@compiled
def _add_product_pair(
    n: int,
    offset: float,
    weight: float,
    base: Float,
    middle: Float,
    half: Float,
    above: Float,
    below: Float,
    integral: Float,
) -> None:
    up, down = base * weight, base * weight
    for i in range(n):
        for lane in range(LANES):
            above[i, lane], below[i, lane] = up[lane], down[lane]
            change = half[i, lane] * offset
            up[lane] *= middle[i, lane] + change
            down[lane] *= middle[i, lane] - change
    up[:] = 1.0
    down[:] = 1.0
    for i in range(n - 1, -1, -1):
        for lane in range(LANES):
            integral[i, lane] += above[i, lane] * up[lane] + below[i, lane] * down[lane]
            change = half[i, lane] * offset
            up[lane] *= middle[i, lane] + change
            down[lane] *= middle[i, lane] - change


@compiled
def _sum_lanes(lanes: Float) -> float:
    total: float = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
    return total


@compiled
def _sigmoid_pieces(
    begin: int,
    end: int,
    first_row: int,
    n_pieces: int,
    row_terms: Float,
    background_terms: Float,
    margins: Float,
    weights: Float,
    fits: list[Fit],
    series: list[Series],
    rules: PairRules,
    partial: Float,
) -> None:
    n_background, n_players = background_terms.shape
    scratch = np.empty((8, n_players, LANES))
    changes = np.empty(n_players)
    active = np.empty(n_players, dtype=np.int64)
    sums = np.empty((n_players, LANES))
    log_reach = np.log(rules.reach)
    for index in range(begin, end):
        row = first_row + index // n_pieces
        number = index % n_pieces
        sums[:] = 0.0
        for b in range(number * PIECE_BACKGROUND, min(n_background, (number + 1) * PIECE_BACKGROUND)):
            n = 0
            radius, centre = 0.0, margins[b]
            for player in range(n_players):
                change = row_terms[row, player] - background_terms[b, player]
                if change != 0.0:
                    radius += 0.5 * abs(change)
                    centre += 0.5 * change
                    changes[n] = change
                    active[n] = player
                    n += 1
            if n == 0 or abs(centre) - radius > FLAT:
                continue
            base, coefficients = _coefficients(fits, series, radius, centre, weights[b])
            _add_sines(base, coefficients, changes[:n], active, scratch, rules, log_reach, sums)
        for player in range(n_players):
            partial[index, player, 0] = _sum_lanes(sums[player])


@compiled
def _coefficients(
    fits: list[Fit], series: list[Series], radius: float, centre: float, weight: float
) -> tuple[float, Float]:
    """Lowest frequency, and the coefficients of its odd multiples, for the odd part about `centre`."""
    for i in range(len(fits)):
        fit = fits[i]
        if radius <= fit.reach:
            points = 0.5 * weight * fit.sinh / (fit.cosh + np.cosh(centre))
            n_terms = len(fit.second)
            between, coefficients = np.zeros(n_terms), np.zeros(n_terms)
            for g in range(len(points)):
                for k in range(n_terms):
                    between[k] += points[g] * fit.first[g, k]
            for j in range(n_terms):
                for k in range(n_terms):
                    coefficients[k] += between[j] * fit.second[j, k]
            return fit.base, coefficients
    number = 0
    while number < len(series) - 1 and series[number].reach < radius + abs(centre):
        number += 1
    chosen = series[number]
    angles = chosen.base * centre * (2.0 * np.arange(len(chosen.coefficients)) + 1.0)
    return chosen.base, weight * chosen.coefficients * np.cos(angles)


@compiled
def _add_sines(
    base: float,
    coefficients: Float,
    changes: Float,
    active: NDArray[np.int64],
    scratch: Float,
    rules: PairRules,
    log_reach: Float,
    sums: Float,
) -> None:
    """One background row: all frequencies, eight at a time."""
    n = len(changes)
    cosine, sine, integral, step = scratch[0], scratch[1], scratch[2], scratch[5]
    for i in range(n):
        _first_frequencies(0.5 * base * changes[i], cosine[i], sine[i], step[i])
    for block in range(0, len(coefficients), LANES):
        if block > 0:
            for i in range(n):
                for lane in range(LANES):
                    c, s = cosine[i, lane], sine[i, lane]
                    cosine[i, lane] = c * step[i, 0] - s * step[i, 1]
                    sine[i, lane] = s * step[i, 0] + c * step[i, 1]
        variation = np.zeros(LANES)
        most = 0.0
        for i in range(n):
            for lane in range(LANES):
                variation[lane] += 2.0 * abs(sine[i, lane])
        for lane in range(LANES):
            most = max(most, abs(coefficients[block + lane]))
        if most == 0.0 or variation.max() == 0.0:
            continue
        log_variation, slack = np.log(variation.max()), -np.log(most)
        rule = 0
        while (
            log_variation > log_reach[rule] + slack / (4 * rules.n_pairs[rule])
            and 4 * rules.n_pairs[rule] < n
            and rule < len(log_reach) - 1
        ):
            rule += 1
        integral[:n] = 0.0
        for p in range(rules.starts[rule], rules.starts[rule] + rules.n_pairs[rule]):
            _add_sine_node(n, rules.offsets[p], 2.0 * rules.weights[p], scratch)
        for i in range(n):
            for lane in range(LANES):
                sums[active[i], lane] += 2.0 * integral[i, lane] * sine[i, lane] * coefficients[block + lane]


@compiled
def _first_frequencies(angle: float, cosine: Float, sine: Float, step: Float) -> None:
    """Powers 1, 3 .. 15 of exp(i angle), and in `step` its power 16."""
    re, im = np.cos(angle), np.sin(angle)
    re2, im2 = re * re - im * im, 2.0 * re * im
    for lane in range(LANES):
        cosine[lane], sine[lane] = re, im
        re, im = re * re2 - im * im2, re * im2 + im * re2
    re, im = re2, im2
    for _ in range(3):
        re, im = re * re - im * im, 2.0 * re * im
    step[0], step[1] = re, im


@compiled
def _add_sine_node(n: int, offset: float, weight: float, scratch: Float) -> None:
    """A node and its mirror image; see product_body.inc."""
    cosine, sine, integral, real, imaginary = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    re, im = scratch[6, 0], scratch[7, 0]
    re[:] = weight
    im[:] = 0.0
    for i in range(n):
        for lane in range(LANES):
            real[i, lane], imaginary[i, lane] = re[lane], im[lane]
            c, s = cosine[i, lane], sine[i, lane] * offset
            re[lane], im[lane] = re[lane] * c - im[lane] * s, re[lane] * s + im[lane] * c
    re[:] = 1.0
    im[:] = 0.0
    for i in range(n - 1, -1, -1):
        for lane in range(LANES):
            integral[i, lane] += real[i, lane] * re[lane] - imaginary[i, lane] * im[lane]
            c, s = cosine[i, lane], sine[i, lane] * offset
            re[lane], im[lane] = re[lane] * c - im[lane] * s, re[lane] * s + im[lane] * c
