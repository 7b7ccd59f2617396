"""Rankings are compared where values differ by more than rounding, and there only."""

from __future__ import annotations

from typing import Any

import pytest
from fixtures.interpret_community.record import MEMBERS
from parity import RANKED, only_ties

TOLERANCE = 1e-9
# What interpret-community answered: two features of no importance, one of which is rounding.
THEIRS: dict[str, Any] = {
    "global_importance_rank": [1, 0, 2],
    "get_ranked_global_names()": ["b", "a", "c"],
    "get_ranked_global_names(2)": ["b", "a"],
    "get_ranked_global_values()": [2.0, 1.85e-17, 0.0],
    "get_feature_importance_dict()": {"dict": [["b", 2.0], ["a", 1.85e-17], ["c", 0.0]]},
    "get_feature_importance_dict(2)": {"dict": [["b", 2.0], ["a", 1.85e-17]]},
    "get_local_importance_rank()": [[0, 1, 2], [2, 1, 0]],
    "get_ranked_local_values()": [[1.0, 0.5, 0.5], [3.0, 2.0, 1.0]],
}


@pytest.mark.parametrize(
    ("member", "ours"),
    [
        ("global_importance_rank", [1, 2, 0]),
        ("get_ranked_global_names()", ["b", "c", "a"]),
        ("get_ranked_global_names(2)", ["b", "c"]),
        ("get_feature_importance_dict()", {"dict": [["b", 2.0], ["c", 0.0], ["a", 0.0]]}),
        ("get_feature_importance_dict(2)", {"dict": [["b", 2.0], ["c", 0.0]]}),
        ("get_local_importance_rank()", [[0, 2, 1], [2, 1, 0]]),
    ],
)
def test_order_of_equal_values_does_not_matter(member: str, ours: Any) -> None:
    assert only_ties(member, {member: ours}, THEIRS, TOLERANCE)


@pytest.mark.parametrize(
    ("member", "ours"),
    [
        ("global_importance_rank", [0, 1, 2]),
        ("global_importance_rank", [1, 0]),
        ("global_importance_rank", [1, 1, 2]),
        ("get_ranked_global_names()", ["a", "b", "c"]),
        ("get_ranked_global_names(2)", ["a", "c"]),
        ("get_ranked_global_names(2)", ["b", "d"]),
        ("get_feature_importance_dict(2)", {"dict": [["b", 2.0], ["c", 0.1]]}),
        ("get_feature_importance_dict(2)", {"dict": [["a", 2.0], ["c", 0.0]]}),
        ("get_local_importance_rank()", [[0, 2, 1], [1, 2, 0]]),
        ("get_local_importance_rank()", {"raises": "AttributeError"}),
        ("num_features", 4),
    ],
)
def test_any_other_order_does(member: str, ours: Any) -> None:
    assert not only_ties(member, {member: ours}, {**THEIRS, "num_features": 3}, TOLERANCE)


def test_every_ranking_is_compared_by_members_that_are_recorded() -> None:
    assert {*RANKED, *(name for pair in RANKED.values() for name in pair)} <= set(MEMBERS)
