"""Tree SHAP and prediction straight from their definitions: slow, short, and the judge of every kernel.

Nothing here is shared with the package but the `Forest` arrays themselves: routing is written out again, one value
at a time, so that a mistake in the package's routing cannot hide.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastexplain.models.trees.forest import Forest

__all__ = ["MAX_FEATURES_PER_TREE", "naive_interactions", "naive_interventional", "naive_predict", "naive_tree_shap"]

MAX_FEATURES_PER_TREE = 12  # 4,096 coalitions per tree and row
LIGHTGBM_ZERO = float(np.float32(1e-35))  # a float32 literal in its source: a little more than 1e-35


def naive_predict(forest: Forest, X: NDArray[np.floating]) -> NDArray[np.float64]:
    """Raw outputs (n_rows, n_outputs), one row and one tree at a time."""
    out = np.empty((len(X), forest.n_outputs))
    for i, row in enumerate(X):
        out[i] = forest.base_offset
        for tree in range(forest.n_trees):
            node = int(forest.tree_offsets[tree])
            while not _is_leaf(forest, node):
                left, right = _children(forest, tree, node)
                node = left if goes_left(forest, node, row) else right
            out[i] += _leaf_outputs(forest, tree, node)
    return out


def naive_tree_shap(forest: Forest, X: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Path-dependent Shapley values by enumerating every coalition of every tree's features.

    Returns
    -------
    values : array of shape (n_rows, n_features, n_outputs)
    base_values : array of shape (n_outputs,)
        Value of the empty coalition, `Forest.base_offset` included.

    Raises
    ------
    ValueError
        A tree splits on more than `MAX_FEATURES_PER_TREE` features.

    Notes
    -----
    Shapley values of a sum of games are the sum of the games' Shapley values, and a player who changes nothing gets
    0; so each tree is a game of its own, played by the features that it splits on.
    """
    values = np.zeros((len(X), forest.n_features, forest.n_outputs))
    base_values = forest.base_offset.copy()
    for tree in range(forest.n_trees):
        features = _tree_features(forest, tree)
        coalitions = _all_coalitions(features)
        # With no feature present no row is asked, so that any row (here: of NaN) serves.
        blank = np.full(forest.n_features, np.nan)
        base_values += _coalition_values(forest, tree, blank, coalitions)[0]
        for i, row in enumerate(X):
            game = _coalition_values(forest, tree, row, coalitions)
            for player, feature in enumerate(features):
                values[i, feature] += _shapley_value(game, player, len(features))
    return values, base_values


def goes_left(forest: Forest, node: int, row: NDArray[np.floating]) -> bool:
    """Routing rule of `Forest`, one value at a time."""
    x = float(row[forest.feature[node]])
    if forest.float32_input:
        x = _as_float32(x)
    missing = math.isnan(x) or x == forest.missing_value
    if forest.zero_is_missing is not None and forest.zero_is_missing[node] and abs(x) <= LIGHTGBM_ZERO:
        missing = True
    if missing:
        return bool(forest.default_left[node])
    if forest.category_set is not None and forest.category_set[node] >= 0:
        assert forest.category_set_offsets is not None
        assert forest.category_set_members is not None
        begin = int(forest.category_set_offsets[forest.category_set[node]])
        end = int(forest.category_set_offsets[forest.category_set[node] + 1])
        members = {int(member) for member in forest.category_set_members[begin:end]}
        return not math.isinf(x) and math.trunc(x) in members
    return x <= float(forest.threshold[node])


def _as_float32(x: float) -> float:
    with np.errstate(over="ignore"):  # beyond float32's range it becomes infinite, as in the libraries
        return float(np.float32(x))


def _is_leaf(forest: Forest, node: int) -> bool:
    return bool(forest.children_left[node] < 0)


def _children(forest: Forest, tree: int, node: int) -> tuple[int, int]:
    root = int(forest.tree_offsets[tree])
    return root + int(forest.children_left[node]), root + int(forest.children_right[node])


def _leaf_outputs(forest: Forest, tree: int, leaf: int) -> NDArray[np.float64]:
    if forest.n_leaf_outputs == forest.n_outputs:
        return forest.values[leaf]
    outputs = np.zeros(forest.n_outputs)
    outputs[forest.tree_output[tree]] = forest.values[leaf, 0]
    return outputs


def _tree_features(forest: Forest, tree: int) -> list[int]:
    begin, end = int(forest.tree_offsets[tree]), int(forest.tree_offsets[tree + 1])
    features = sorted({int(forest.feature[node]) for node in range(begin, end) if not _is_leaf(forest, node)})
    if len(features) > MAX_FEATURES_PER_TREE:
        raise ValueError(
            f"tree {tree} splits on {len(features)} features; enumerating coalitions is for at most "
            f"{MAX_FEATURES_PER_TREE}. Draw smaller trees."
        )
    return features


def _all_coalitions(features: list[int]) -> dict[int, NDArray[np.bool_]]:
    """For each feature, in which of the 2^d coalitions it is present; coalition s holds player p if s has bit p."""
    s = np.arange(2 ** len(features))
    return {feature: (s >> player & 1).astype(bool) for player, feature in enumerate(features)}


def _coalition_values(
    forest: Forest, tree: int, row: NDArray[np.floating], present: dict[int, NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """Expected output (n_coalitions, n_outputs) of one tree when only a coalition's features are known."""

    def expected(node: int) -> NDArray[np.float64]:
        if _is_leaf(forest, node):
            return np.tile(_leaf_outputs(forest, tree, node), (2 ** len(present), 1))
        left, right = _children(forest, tree, node)
        v_left, v_right = expected(left), expected(right)
        known = v_left if goes_left(forest, node, row) else v_right
        c = _left_share(float(forest.cover[left]), float(forest.cover[right]))
        unknown = c * v_left + (1 - c) * v_right
        return np.where(present[int(forest.feature[node])][:, None], known, unknown)

    return expected(int(forest.tree_offsets[tree]))


def _left_share(cover_left: float, cover_right: float) -> float:
    """Share of the training weight that went left, by the children's covers: the parent's own may not be their sum."""
    if cover_left + cover_right == 0:
        return 0.5
    return cover_left / (cover_left + cover_right)


def _shapley_value(game: NDArray[np.float64], player: int, n_players: int) -> NDArray[np.float64]:
    """Shapley 1953: sum over coalitions S without the player of |S|! (n - |S| - 1)! / n! (v(S + player) - v(S))."""
    s = np.arange(len(game))
    without = s[s >> player & 1 == 0]
    size = np.array([int(coalition).bit_count() for coalition in without])
    factorial = np.array([math.factorial(k) for k in range(n_players)], dtype=float)
    weight = factorial[size] * factorial[n_players - 1 - size] / math.factorial(n_players)
    return weight @ (game[without | 1 << player] - game[without])


def naive_interventional(
    forest: Forest,
    X: NDArray[np.floating],
    background: NDArray[np.floating],
    weights: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interventional Shapley values by enumerating every coalition of every tree's features; see `naive_tree_shap`.

    A coalition's value is the weighted mean, over the background, of the trees' output for the row with the features
    outside the coalition taken from the background row.
    """
    shares = np.full(len(background), 1 / len(background)) if weights is None else weights / weights.sum()
    values = np.zeros((len(X), forest.n_features, forest.n_outputs))
    for tree in range(forest.n_trees):
        features = _tree_features(forest, tree)
        coalitions = _all_coalitions(features)
        for i, row in enumerate(X):
            games = (_mixed_values(forest, tree, row, other, coalitions) for other in background)
            game = sum(share * game for share, game in zip(shares, games, strict=True))
            for player, feature in enumerate(features):
                values[i, feature] += _shapley_value(game, player, len(features))
    return values, shares @ naive_predict(forest, background)


def _mixed_values(
    forest: Forest,
    tree: int,
    row: NDArray[np.floating],
    other: NDArray[np.floating],
    present: dict[int, NDArray[np.bool_]],
) -> NDArray[np.float64]:
    """Output (n_coalitions, n_outputs) of one tree for a row whose absent features are those of another."""
    outputs = np.zeros((2 ** len(present), forest.n_outputs))

    def spread(node: int, coalitions: NDArray[np.bool_]) -> None:
        if not coalitions.any():
            return
        if _is_leaf(forest, node):
            outputs[coalitions] = _leaf_outputs(forest, tree, node)
            return
        left, right = _children(forest, tree, node)
        of_row, of_other = goes_left(forest, node, row), goes_left(forest, node, other)
        goes = np.where(present[int(forest.feature[node])], of_row, of_other)
        spread(left, coalitions & goes)
        spread(right, coalitions & ~goes)

    spread(int(forest.tree_offsets[tree]), np.ones(len(outputs), dtype=bool))
    return outputs


def naive_interactions(
    forest: Forest, X: NDArray[np.floating], background: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Half the Shapley interaction index of every two features, by enumeration: (n_rows, features, features, outputs).

    Path-dependent without a background. What is left of each feature's value stands on the diagonal.
    """
    single = (naive_tree_shap(forest, X) if background is None else naive_interventional(forest, X, background))[0]
    values = np.zeros((len(X), forest.n_features, forest.n_features, forest.n_outputs))
    for tree in range(forest.n_trees):
        features = _tree_features(forest, tree)
        coalitions = _all_coalitions(features)
        for i, row in enumerate(X):
            if background is None:
                game = _coalition_values(forest, tree, row, coalitions)
            else:
                games = [_mixed_values(forest, tree, row, other, coalitions) for other in background]
                game = np.mean(games, axis=0)
            for p, feature in enumerate(features):
                for q, other in enumerate(features[:p]):
                    half = 0.5 * _interaction_index(game, p, q, len(features))
                    values[i, feature, other] += half
                    values[i, other, feature] += half
    diagonal = np.arange(forest.n_features)
    values[:, diagonal, diagonal] = single - values.sum(axis=2)
    return values


def _interaction_index(game: NDArray[np.float64], p: int, q: int, n_players: int) -> NDArray[np.float64]:
    """Sum over coalitions S without p and q of |S|! (n - |S| - 2)! / (n - 1)! times what p and q change together."""
    s = np.arange(len(game))
    without = s[(s >> p & 1 == 0) & (s >> q & 1 == 0)]
    size = np.array([int(coalition).bit_count() for coalition in without])
    factorial = np.array([math.factorial(k) for k in range(n_players)], dtype=float)
    weight = factorial[size] * factorial[n_players - 2 - size] / math.factorial(n_players - 1)
    with_p, with_q = without | 1 << p, without | 1 << q
    return weight @ (game[with_p | 1 << q] - game[with_p] - game[with_q] + game[without])
