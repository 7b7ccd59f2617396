"""ExplanationAdapter's explanations have the members, types and shapes of interpret-community 0.32's."""

from __future__ import annotations

import pytest
from parity import EXACT, Difference, check, difference, theirs, unused

FILE = "members"

DIFFERENCES = (
    Difference(
        r".*",
        "num_features",
        "as many as there are; theirs is None",
        lambda ours, theirs: ours["num_features"] == 5 and theirs["num_features"] is None,
    ),
    Difference(
        r"adapter\.bare",
        "features",
        "indices stand in where there are no names; theirs is None, but not so in its explainers' explanations",
        lambda ours, theirs: ours["features"] == [0, 1, 2, 3, 4] and theirs["features"] is None,
    ),
    Difference(
        r"adapter\.(global|streamed|regression|method)",
        r"(init|eval)_data|eval_y_predicted(_proba)?|_DatasetsMixin\._does_quack",
        "the rows that were passed are kept, as in a local explanation; theirs are lost",
        lambda ours, theirs: len(ours["eval_data"]) == 4,
    ),
    Difference(
        r"adapter\.streamed",
        r".*local.*|num_examples|LocalExplanation\._does_quack",
        "no local values, as asked with include_local=False; theirs has absolute values of them",
        lambda ours, theirs: ours["local_importance_values"] == {"raises": "AttributeError"},
    ),
    Difference(
        r".*",
        r"data\(-1\)",
        "every row has its base value, as data(i) has it",
        lambda ours, theirs: difference(ours["data(-1)"], theirs["data(-1)"], EXACT, extended=True) is None,
    ),
)


@pytest.mark.parametrize("name", theirs(FILE))
def test_answers_are_those_of_interpret_community(name: str) -> None:
    check(FILE, name, DIFFERENCES)


def test_every_listed_difference_occurs() -> None:
    assert not unused(FILE, DIFFERENCES)
