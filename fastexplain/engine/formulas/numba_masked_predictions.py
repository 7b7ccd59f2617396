"""Predictions of masked rows compiled by Numba: the twins of ``expansion.cpp`` and ``neighbors.cpp``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.numba.tools import compiled, for_each_part

__all__ = ["average_neighbors", "couple_probabilities", "expand"]

Float = NDArray[np.float64]
Masks = NDArray[np.uint8]

CHUNK_PLAYERS = 6  # whose subsets are tabulated; the C++ kernels choose by the number of coalitions
TILE = 64
# Terms of masked rows that one call of compiled code computes: Ctrl-C is answered between calls.
CALL_CELLS = 2**23


def expand(
    kind: int, degree: int, row: Float, background: Float, coefficients: Float, masks: Masks, out: Float, n_threads: int
) -> None:
    """See ``cpp/include/fastexplain/formulas/expansion.h``."""
    subsets = _subsets(masks)

    def work(part: slice) -> None:
        out[part] = 0.0
        for first, last in _calls(row.shape[1], len(masks)):
            _expand(kind, degree, row, background[part], coefficients, subsets, first, last, out[part])

    for_each_part(work, len(background), n_threads)


def couple_probabilities(decisions: Float, slope: Float, shift: Float, out: Float, n_threads: int) -> None:
    """See ``cpp/include/fastexplain/formulas/expansion.h``."""
    for_each_part(lambda part: _couple(decisions[part], slope, shift, out[part]), len(out), n_threads)


def average_neighbors(
    row: Float,
    background: Float,
    targets: Float,
    masks: Masks,
    n_neighbors: int,
    power: float,
    by_distance: bool,
    out: Float,
    n_threads: int,
) -> None:
    """See ``cpp/include/fastexplain/formulas/neighbors.h``."""
    subsets = _subsets(masks)

    def work(part: slice) -> None:
        nearest, index = np.empty((len(masks), n_neighbors)), np.zeros((len(masks), n_neighbors), dtype=np.int64)
        for b in range(part.start, part.stop):
            nearest[:] = np.inf
            for first, last in _calls(row.shape[1], len(masks)):
                _search(row, background[b], subsets, first, last, nearest, index)
            _average(nearest, index, targets, power, by_distance, out[b])

    for_each_part(work, len(background), n_threads)


def _calls(n_terms: int, n_masks: int) -> Iterator[tuple[int, int]]:
    """Terms of each call, whole tiles."""
    step = max(1, CALL_CELLS // (TILE * max(1, n_masks))) * TILE
    for first in range(0, n_terms, step):
        yield first, min(first + step, n_terms)


def _subsets(masks: Masks) -> Masks:
    """Number of the subset that each mask takes of each chunk of players: (n_masks, n_chunks)."""
    n_masks, n_players = masks.shape
    padded = np.zeros((n_masks, -(-n_players // CHUNK_PLAYERS) * CHUNK_PLAYERS), dtype=np.uint8)
    padded[:, :n_players] = masks
    by_chunk = padded.reshape(n_masks, -1, CHUNK_PLAYERS)
    return np.asarray((by_chunk << np.arange(CHUNK_PLAYERS, dtype=np.uint8)).sum(axis=2, dtype=np.uint8))


@compiled
def _build_tables(
    row: Float, background: Float, first: int, last: int, product: bool, tables: NDArray[np.float64]
) -> None:
    """What each chunk's players contribute to terms first .. last under every subset: (n_chunks, 2**w, TILE)."""
    for c in range(len(tables)):
        table = tables[c]
        table[0] = 1.0 if product else 0.0
        size = 1
        for i in range(c * CHUNK_PLAYERS, min(len(row), (c + 1) * CHUNK_PLAYERS)):
            for s in range(size):
                for t in range(last - first):
                    if product:
                        table[size + s, t] = table[s, t] * row[i, first + t]
                        table[s, t] *= background[i, first + t]
                    else:
                        table[size + s, t] = table[s, t] + row[i, first + t]
                        table[s, t] += background[i, first + t]
            size *= 2


@compiled
def _terms(tables: NDArray[np.float64], subsets: Masks, product: bool, terms: Float) -> None:
    terms[:] = tables[0, subsets[0]]
    for c in range(1, len(tables)):
        part = tables[c, subsets[c]]
        for t in range(len(terms)):
            if product:
                terms[t] *= part[t]
            else:
                terms[t] += part[t]


@compiled
def _expand(
    kind: int,
    degree: int,
    row: Float,
    background: Float,
    coefficients: Float,
    subsets: Masks,
    begin: int,
    end: int,
    out: Float,
) -> None:
    """Adds terms begin .. end."""
    product = kind == 0
    tables = np.zeros((subsets.shape[1], 2**CHUNK_PLAYERS, TILE))
    terms = np.empty(TILE)
    for b in range(len(background)):
        for first in range(begin, end, TILE):
            last = min(first + TILE, end)
            _build_tables(row, background[b], first, last, product, tables)
            for m in range(len(subsets)):
                _terms(tables, subsets[m], product, terms)
                if kind == 1:
                    for t in range(TILE):
                        terms[t] = max(terms[t], 0.0)
                elif kind == 2:
                    for t in range(TILE):
                        terms[t] = terms[t] ** degree
                elif kind == 3:
                    for t in range(TILE):
                        terms[t] = np.tanh(terms[t])
                for k in range(out.shape[2]):
                    total = 0.0
                    for t in range(last - first):
                        total += terms[t] * coefficients[k, first + t]
                    out[b, m, k] += total


@compiled
def _couple(decisions: Float, slope: Float, shift: Float, out: Float) -> None:
    n = out.shape[1]
    r, q, product = np.zeros((n, n)), np.zeros((n, n)), np.zeros(n)
    for row in range(len(out)):
        pair = 0
        for i in range(n):
            for j in range(i + 1, n):
                z = decisions[row, pair] * slope[pair] + shift[pair]
                p = np.exp(-z) / (1.0 + np.exp(-z)) if z >= 0 else 1.0 / (1.0 + np.exp(z))
                r[i, j] = min(max(p, 1e-7), 1 - 1e-7)  # libsvm's bounds
                r[j, i] = 1 - r[i, j]
                pair += 1
        for t in range(n):
            q[t, t] = 0.0
            for j in range(n):
                if j != t:
                    q[t, t] += r[j, t] * r[j, t]
                    q[t, j] = -r[j, t] * r[t, j]
        _solve_coupling(q, product, out[row])


@compiled
def _solve_coupling(q: Float, product: Float, p: Float) -> None:
    """Wu, Lin and Weng 2004, Algorithm 2, with libsvm's stopping rule."""
    n = len(p)
    p[:] = 1.0 / n
    for _ in range(max(100, n)):
        form = 0.0
        for t in range(n):
            product[t] = 0.0
            for j in range(n):
                product[t] += q[t, j] * p[j]
            form += p[t] * product[t]
        if np.abs(product - form).max() < 0.005 / n:
            return
        for t in range(n):
            change = (form - product[t]) / q[t, t]
            scale = 1 + change
            p[t] += change
            form = (form + change * (change * q[t, t] + 2 * product[t])) / scale / scale
            for j in range(n):
                product[j] = (product[j] + change * q[t, j]) / scale
                p[j] /= scale


@compiled
def _search(
    row: Float, background: Float, subsets: Masks, begin: int, end: int, nearest: Float, index: NDArray[np.int64]
) -> None:
    """Puts training rows begin .. end in their places among the nearest of each mask."""
    tables, terms = np.zeros((subsets.shape[1], 2**CHUNK_PLAYERS, TILE)), np.empty(TILE)
    for first in range(begin, end, TILE):
        last = min(first + TILE, end)
        _build_tables(row, background, first, last, False, tables)
        for m in range(len(subsets)):
            _terms(tables, subsets[m], False, terms)
            for t in range(last - first):
                if terms[t] < nearest[m, -1]:
                    _insert(nearest[m], index[m], terms[t], first + t)


@compiled
def _average(
    nearest: Float, index: NDArray[np.int64], targets: Float, power: float, by_distance: bool, out: Float
) -> None:
    weights = np.empty(nearest.shape[1])
    for m in range(len(nearest)):
        _weigh(nearest[m], power, by_distance, weights)
        for k in range(out.shape[1]):
            total = 0.0
            for i in range(len(weights)):
                total += weights[i] * targets[index[m, i], k]
            out[m, k] = total / weights.sum()


@compiled
def _insert(nearest: Float, index: NDArray[np.int64], distance: float, which: int) -> None:
    place = len(nearest) - 1
    while place > 0 and distance < nearest[place - 1]:
        nearest[place], index[place] = nearest[place - 1], index[place - 1]
        place -= 1
    nearest[place], index[place] = distance, which


@compiled
def _weigh(nearest: Float, power: float, by_distance: bool, weights: Float) -> None:
    exact = nearest[0] == 0
    for i in range(len(nearest)):
        if not by_distance:
            weights[i] = 1.0
        elif exact:
            weights[i] = 1.0 if nearest[i] == 0 else 0.0
        else:
            weights[i] = 1.0 / nearest[i] ** (1.0 / power)
