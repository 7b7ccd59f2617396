"""How well one ranking of features agrees with another: discounted cumulative gain."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

__all__ = ["dcg", "ndcg"]

# Relevance of the first item of the true order; the others fall linearly to 0. Gains are 2**relevance - 1.
_TOP_RELEVANCE = 10.0


def dcg(
    validate_order: Sequence[Hashable], ground_truth_order_relevance: Mapping[Hashable, float], top_values: int = 10
) -> float:
    """Discounted cumulative gain of an order: sum of ``(2**relevance - 1) / log2(position + 1)``.

    Parameters
    ----------
    validate_order : sequence
        Items, best first.
    ground_truth_order_relevance : mapping
        Item -> relevance; items that are not in it have 0.
    top_values : int, default 10
        Positions that count.

    Returns
    -------
    float

    Notes
    -----
    Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", with exponential gains.
    """
    top = list(validate_order)[:top_values]
    relevance = np.array([ground_truth_order_relevance.get(item, 0) for item in top], dtype=np.float64)
    return float(((2.0**relevance - 1) / np.log2(np.arange(2, len(top) + 2))).sum())


def ndcg(validate_order: Sequence[Hashable], ground_truth_order: Sequence[Hashable], top_values: int = 10) -> float:
    """`dcg` of an order as a share of the true order's own: 1 for the true order, at least 0.

    Parameters
    ----------
    validate_order : sequence
        Items, best first, each once.
    ground_truth_order : sequence
        The true order, each item once. Relevances fall linearly with the position.
    top_values : int, default 10
        Positions that count.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        `ground_truth_order` is empty, or `top_values` is not positive.
    """
    n_items = len(ground_truth_order)
    if not n_items or top_values < 1:
        raise ValueError(
            f"ndcg needs a true order and at least one position; got {n_items} items and top_values={top_values!r}."
        )
    relevance = {item: (n_items - i) / n_items * _TOP_RELEVANCE for i, item in enumerate(ground_truth_order)}
    return dcg(validate_order, relevance, top_values) / dcg(ground_truth_order, relevance, top_values)
