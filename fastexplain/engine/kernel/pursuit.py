"""Games of few high-order terms, such as a parity: which products of three or five players they are made of.

A Gaussian process spreads what it knows over all products of an order, so that it hardly learns one large product of
five players before all coalitions are played. Matching pursuit looks for it: the product that goes best with what the
linear part leaves is taken out, then the next. Half of the pairs choose the terms, the others tell whether they are
there.
"""

from __future__ import annotations

import functools
import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Terms", "pursue"]

# Products of three and of five among so many players: 16,644. Those with the largest values, where there are more.
_MOST_PLAYERS = 20
_ORDERS = (3, 5)
# Pairs that choose, and terms, at most.
_MOST_PAIRS = 128
_MOST_TERMS = 8
# Pairs per player from which on it pays to look: more than a first look has.
_FEWEST_PAIRS = 5
# A first term must explain this part of what is left, in squares, at the pairs that choose it: the best of 16,644
# products explains a fifth of noise at 100 pairs. And all of them together, at those that do not.
_FIRST_SHARE = 0.3
_HELD_OUT_SHARE = 0.5


class Terms(NamedTuple):
    """Products of players' signs, and their coefficients in one game.

    Attributes
    ----------
    members : list of int arrays
        Players of each product.
    coefficients : float64 array of shape (n_terms,)
    """

    members: list[NDArray[np.intp]]
    coefficients: NDArray[np.float64]

    def at(self, signs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Their sum at coalitions (n_pairs, n_players): (n_pairs,)."""
        found: NDArray[np.float64] = _columns(signs, self.members) @ self.coefficients
        return found

    def values(self, n_players: int) -> NDArray[np.float64]:
        """Shapley values: a product's coefficient, doubled, is shared by its players."""
        values = np.zeros(n_players)
        for members, coefficient in zip(self.members, self.coefficients, strict=True):
            values[members] += 2 * coefficient / len(members)
        return values


def pursue(signs: NDArray[np.float64], y: NDArray[np.float64], linear: NDArray[np.float64]) -> dict[int, Terms]:
    """Terms of those games that consist of a linear part and few products.

    Parameters
    ----------
    signs : float64 array of shape (n_pairs, n_players)
    y : float64 array of shape (n_pairs, n_games)
        (v(S) - v(complement)) / 2.
    linear : float64 array of shape (n_players, n_games)
        Values by least squares.

    Returns
    -------
    dict of int to Terms
        By the game's number; games that products do not explain are not in it.
    """
    n_pairs, n = signs.shape
    if n < max(_ORDERS) or n_pairs < _FEWEST_PAIRS * n:
        return {}
    left = y - signs / 2 @ linear
    players = np.sort(np.argsort(-(linear**2).sum(axis=1), kind="stable")[:_MOST_PLAYERS])
    choosing = np.arange(0, min(n_pairs, 2 * _MOST_PAIRS), 2)
    dictionary = _dictionary(signs[choosing] < 0, players)
    size = np.sqrt((left[choosing] ** 2).sum(axis=0))
    live = np.flatnonzero(size > 0)
    match = np.abs(dictionary @ (left[np.ix_(choosing, live)] / size[live]).astype(np.float32))
    likely = match.max(axis=0, initial=0.0) ** 2 > _FIRST_SHARE * len(choosing)
    found = {}
    for game in live[likely].tolist():
        terms = _terms_of(signs, y[:, game], dictionary, players, choosing)
        if terms is not None:
            found[game] = terms
    return found


def _terms_of(
    signs: NDArray[np.float64],
    y: NDArray[np.float64],
    dictionary: NDArray[np.float32],
    players: NDArray[np.intp],
    choosing: NDArray[np.intp],
) -> Terms | None:
    """Terms chosen by some pairs, as many as serve the others best; None where they do not serve them."""
    half = signs / 2
    held_out = np.setdiff1d(np.arange(len(signs)), choosing)
    members: list[NDArray[np.intp]] = []
    errors = []
    most = min(_MOST_TERMS, (len(choosing) - half.shape[1]) // 4)
    for _ in range(max(0, most) + 1):
        columns = np.hstack([half, _columns(signs, members)])
        solution = np.linalg.lstsq(columns[choosing], y[choosing], rcond=None)[0]
        rest = y - columns @ solution
        errors.append(float((rest[held_out] ** 2).sum()))
        if errors[-1] <= 1e-24 * float((y**2).sum()):
            break
        match = np.abs(dictionary @ rest[choosing].astype(np.float32))
        chosen = _subsets(len(players))[int(match.argmax())]
        members.append(players[chosen[chosen >= 0]])
    n_terms = int(np.argmin(errors))
    if not n_terms or errors[n_terms] > (1 - _HELD_OUT_SHARE) * errors[0]:
        return None
    members = members[:n_terms]
    solution = np.linalg.lstsq(np.hstack([half, _columns(signs, members)]), y, rcond=None)[0]
    return Terms(members, np.asarray(solution[half.shape[1] :], dtype=np.float64))


def _columns(signs: NDArray[np.float64], members: list[NDArray[np.intp]]) -> NDArray[np.float64]:
    return np.stack([signs[:, some].prod(axis=1) for some in members], axis=1) if members else np.empty((len(signs), 0))


@functools.lru_cache(maxsize=4)
def _subsets(n_players: int) -> NDArray[np.intp]:
    """All sets of three and of five: (n_sets, 5), filled up with -1."""
    parts = []
    for order in _ORDERS:
        sets = np.array(list(itertools.combinations(range(n_players), order)), dtype=np.intp).reshape(-1, order)
        parts.append(np.pad(sets, ((0, 0), (0, max(_ORDERS) - order)), constant_values=-1))
    return np.concatenate(parts)


def _dictionary(negative: NDArray[np.bool_], players: NDArray[np.intp]) -> NDArray[np.float32]:
    """Products of signs at each pair (n_sets, n_pairs); `negative` says which players are absent there."""
    absent = np.vstack([negative.T[players], np.zeros((1, len(negative)), dtype=bool)])  # -1 is nobody
    odd = absent[_subsets(len(players)).T[0]]
    for column in _subsets(len(players)).T[1:]:
        odd ^= absent[column]
    signs: NDArray[np.float32] = np.float32(1) - 2 * odd.astype(np.float32)
    return signs
