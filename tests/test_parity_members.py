"""ExplanationAdapter's explanations have the members, types and shapes of interpret-community 0.32's."""

from __future__ import annotations

import pytest
from parity import Difference, check, theirs, unused

FILE = "members"

DIFFERENCES: tuple[Difference, ...] = ()


@pytest.mark.parametrize("name", theirs(FILE))
def test_answers_are_those_of_interpret_community(name: str) -> None:
    check(FILE, name, DIFFERENCES)


def test_every_listed_difference_occurs() -> None:
    assert not unused(FILE, DIFFERENCES)
