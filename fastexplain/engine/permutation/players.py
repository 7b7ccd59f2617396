"""What is permuted: columns and groups of columns, their distinct values, strata and permutations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.rows.containers import Rows

__all__ = ["Player", "conditional_strata", "draw_permutations", "find_players"]

# Strata of conditional permutation: deep enough to follow a dependence, large enough to permute within.
TREE_DEPTH, MIN_STRATUM = 5, 20


@dataclass
class Player:
    """Columns that are permuted together.

    Attributes
    ----------
    name : str
    index : int
        Position in the result.
    columns : int array
    codes : int32 array (n_rows,)
        Which of the distinct values (of all columns together) a row has; of a single column in the order of the values.
    n_values : int
    strata : int32 array (n_rows,) or None
        Rows are permuted within these; None is one stratum.
    stream : int
        Of random numbers; default: `index`.
    """

    name: str
    index: int
    columns: NDArray[np.int64]
    codes: NDArray[np.int32]
    n_values: int
    strata: NDArray[np.int32] | None = None
    stream: int = -1

    def __post_init__(self) -> None:
        self.stream = self.index if self.stream < 0 else self.stream

    def representatives(self) -> NDArray[np.int32]:
        """A row that holds each distinct value."""
        rows = np.empty(self.n_values, dtype=np.int32)
        rows[self.codes[::-1]] = np.arange(len(self.codes), dtype=np.int32)[::-1]
        return rows

    def value_shares(self) -> NDArray[np.float64]:
        """Share of each distinct value among the rows that a row may be given it by: (n_values,), or per row."""
        n = len(self.codes)
        if self.strata is None:
            return np.bincount(self.codes, minlength=self.n_values) / n
        n_strata = int(self.strata.max()) + 1
        table = np.zeros((n_strata, self.n_values))
        np.add.at(table, (self.strata, self.codes), 1.0)
        table /= table.sum(axis=1, keepdims=True)
        return np.asarray(table[self.strata])


def find_players(rows: Rows, groups: Any, columns: Any = None) -> list[Player]:
    """One player per column, or per group and per column outside the groups; or only some columns.

    Raises
    ------
    ValueError
        A group is empty, names an unknown column, or shares a column with another; a name or column is used twice;
        both groups and columns are given.
    """
    names = rows.names or [f"x{j}" for j in range(rows.n_features)]
    chosen, streams = _chosen(names, rows.n_features, groups, columns)
    players = []
    for index, (name, columns) in enumerate(chosen):
        codes, n_values = rows.codes(columns[0])
        for j in columns[1:]:
            more, n_more = rows.codes(j)
            pairs = codes.astype(np.int64) * n_more + more
            distinct, inverse = np.unique(pairs, return_inverse=True)
            codes, n_values = inverse.reshape(-1).astype(np.int32), len(distinct)
        at = np.asarray(columns, dtype=np.int64)
        players.append(Player(name, index, at, codes, n_values, stream=streams[index]))
    return players


def _chosen(
    names: list[str], n_features: int, groups: Any, columns: Any
) -> tuple[list[tuple[str, list[int]]], list[int]]:
    """Names and columns of the players, and their streams: a column has the same one alone and among others."""
    if columns is None:
        grouped = _grouped(names, n_features, groups)
        return grouped, list(range(len(grouped)))
    if groups is not None:
        raise ValueError("Give groups or columns, not both.")
    streams = [_column(member, names, n_features, "columns") for member in columns]
    if not streams or len(set(streams)) < len(streams):
        raise ValueError(f"columns must name at least one column, and none twice; got {list(columns)!r}.")
    return [(names[j], [j]) for j in streams], streams


def _grouped(names: list[str], n_features: int, groups: Any) -> list[tuple[str, list[int]]]:
    if groups is None:
        return [(names[j], [j]) for j in range(n_features)]
    items = groups.items() if isinstance(groups, Mapping) else [(None, members) for members in groups]
    found: list[tuple[str, list[int]]] = []
    owner: dict[int, str] = {}
    for name, members in items:
        listed = [members] if isinstance(members, str | int | np.integer) else list(members)
        columns = [_column(member, names, n_features) for member in listed]
        label = str(name) if name is not None else ", ".join(names[j] for j in columns)
        if not columns:
            raise ValueError(f"groups: group {label!r} has no columns.")
        for j in columns:
            if j in owner:
                raise ValueError(
                    f"groups: column {names[j]!r} is in {owner[j]!r} and in {label!r}; groups may not overlap."
                )
            owner[j] = label
        found.append((label, columns))
    labels = [label for label, _ in found]
    if len(set(labels)) < len(labels):
        raise ValueError(f"groups: a name is used twice: {labels}.")
    first = {columns[0]: (label, columns) for label, columns in found}
    return [first.get(j, (names[j], [j])) for j in range(n_features) if j in first or j not in owner]


def _column(member: Any, names: Sequence[str], n_features: int, argument: str = "groups") -> int:
    if isinstance(member, str):
        if member not in names:
            raise ValueError(f"{argument}: no column is named {member!r}; columns: {', '.join(names[:20])}.")
        return names.index(member)
    try:
        j = int(member)
    except (TypeError, ValueError):
        raise ValueError(f"{argument}: {member!r} is neither a column's name nor its number.") from None
    if not 0 <= j < n_features:
        raise ValueError(f"{argument}: column {j} does not exist; X has {n_features} columns.")
    return j


def conditional_strata(players: Sequence[Player], rows: Rows, seed: int) -> None:
    """Give each player strata in which it depends little on the other columns: leaves of a shallow tree (cs-PFI).

    Molnar et al. 2023, "Model-agnostic feature importance and effects with dependent features". Columns of labels enter
    by the codes of their values; missing values as a number beyond the largest.
    """
    from sklearn.tree import DecisionTreeRegressor

    encoded = np.empty((rows.n_rows, rows.n_features))
    for j in range(rows.n_features):
        column = rows.column(j)
        encoded[:, j] = column if column.dtype.kind in "fiub" else rows.codes(j)[0]
        missing = np.isnan(encoded[:, j])
        if missing.any():
            encoded[missing, j] = np.nanmax(encoded[:, j]) + 1 if not missing.all() else 0.0
    for player in players:
        others = np.setdiff1d(np.arange(rows.n_features), player.columns)
        if player.n_values == 1 or len(others) == 0:
            continue
        target = encoded[:, player.columns]
        spread = target.std(axis=0)
        target = target / np.where(spread > 0, spread, 1.0)
        tree = DecisionTreeRegressor(max_depth=TREE_DEPTH, min_samples_leaf=MIN_STRATUM, random_state=seed % 2**32)
        leaves = tree.fit(encoded[:, others], target).apply(encoded[:, others])
        player.strata = np.unique(leaves, return_inverse=True)[1].reshape(-1).astype(np.int32)


def draw_permutations(
    players: Sequence[Player],
    n_repeats: int,
    order: NDArray[np.float64],
    *,
    seed: int,
    kernels: Any,
    n_threads: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Stratified permutations of each player: donors and their bands, (n_players, n_repeats, n_rows).

    Parameters
    ----------
    order : (n_rows,)
        What donors of a group of columns are sorted by, which has no order of its own.
    """
    n = len(order)
    donors = np.empty((len(players), n_repeats, n), dtype=np.int32)
    bands = np.empty_like(donors)
    group_rank = np.argsort(np.argsort(order, kind="stable"), kind="stable").astype(np.int32)
    rank = np.empty((len(players), n), dtype=np.int32)
    rows = np.empty((len(players), n), dtype=np.int32)
    offsets, n_strata = [np.zeros(1, dtype=np.int64)], []
    for p, player in enumerate(players):
        rank[p] = player.codes if len(player.columns) == 1 else group_rank
        strata = player.strata
        rows[p] = np.arange(n) if strata is None else np.argsort(strata, kind="stable")
        sizes = np.array([n]) if strata is None else np.bincount(strata)
        offsets.append(p * n + np.cumsum(sizes))
        n_strata.append(len(sizes))
    kernels.latin_permutations(
        np.array([player.stream for player in players], dtype=np.int32),
        rank,
        rows,
        np.concatenate(offsets).astype(np.int64),
        np.concatenate([[0], np.cumsum(n_strata)]).astype(np.int64),
        seed,
        donors,
        bands,
        n_threads,
    )
    return donors, bands
