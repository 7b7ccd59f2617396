"""Our explanations against the stored answers of interpret-community 0.32: see `fixtures.interpret_community`."""

from __future__ import annotations

import inspect
import json
import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fixtures.interpret_community import record
from fixtures.interpret_community.cases import CASES, DATA_KEYS
from fixtures.interpret_community.models import World

__all__ = [
    "EXACT",
    "RANKED",
    "Difference",
    "Ours",
    "answers",
    "check",
    "difference",
    "disagreements",
    "only_ties",
    "ours",
    "stored",
    "theirs",
    "unused",
    "world",
]

FOLDER = Path(__file__).parent / "fixtures" / "interpret_community"
# The same sums of float64 numbers in another order; the largest values are about 10.
EXACT = 1e-9


# A ranking -> all of it by the same labels, and the values in its order.
RANKED = {
    "get_local_importance_rank()": ("get_local_importance_rank()", "get_ranked_local_values()"),
    "global_importance_rank": ("global_importance_rank", "get_ranked_global_values()"),
    "per_class_rank": ("per_class_rank", "get_ranked_per_class_values()"),
    **{
        f"get_ranked_{which}_names({k})": (f"get_ranked_{which}_names()", f"get_ranked_{which}_values()")
        for which in ("local", "global", "per_class")
        for k in ("", 2)
    },
    **{
        f"get_feature_importance_dict({k})": ("get_ranked_global_names()", "get_ranked_global_values()")
        for k in ("", 2)
    },
}


class Ours:
    """Our classes by the names that the cases use; each is imported when a case needs it.

    Explainers keep their training rows, as interpret-community's always do.
    """

    def __getattr__(self, name: str) -> Any:
        import fastexplain

        found = getattr(fastexplain, name)
        if name.endswith("Explainer") and "include_init_data" in inspect.signature(found).parameters:
            return partial(found, include_init_data=True)
        return found

    @cached_property
    def quacks(self) -> Any:
        """The classes whose ``_does_quack`` the stored answers name."""
        import fastexplain.explanation
        from fastexplain.explanation.interpret import quacks

        homes = {name: quacks if hasattr(quacks, name) else fastexplain.explanation for name in record.QUACKS}
        return SimpleNamespace(**{name: getattr(home, name) for name, home in homes.items()})


@dataclass(frozen=True)
class Difference:
    """Where we answer otherwise on purpose.

    Attributes
    ----------
    where : str
        Pattern of ``case.explanation``.
    members : str
        Pattern of the members that differ.
    why : str
    ours : callable
        Our recorded answers and theirs -> whether ours are what we want.
    """

    where: str
    members: str
    why: str
    ours: Callable[[dict[str, Any], dict[str, Any]], bool]

    def covers(self, name: str, member: str) -> bool:
        return re.fullmatch(self.where, name) is not None and re.fullmatch(self.members, member) is not None


# --- both sides ------------------------------------------------------------------------------------------------------


@cache
def world() -> World:
    """Stored data and models."""
    return World.read(FOLDER / "inputs.json")


@cache
def stored(file: str) -> dict[str, Any]:
    """``case.explanation`` -> member -> what interpret-community answered."""
    found = json.loads((FOLDER / f"outputs_{file}.json").read_text())
    return {f"{case}.{name}": answers for case, made in found.items() for name, answers in made.items()}


def theirs(file: str) -> list[str]:
    """``case.explanation`` of every explanation that interpret-community made of a file's cases."""
    return [name for name, found in stored(file).items() if "raises" not in found]


def ours(file: str, name: str) -> Any:
    """Our explanation of a stored one's name."""
    case, explanation = name.split(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # poor surrogates of few rows and the like
        return CASES[file][case](Ours(), world())[explanation]()


@cache
def answers(file: str, name: str) -> dict[str, Any]:
    """Our answers, recorded as interpret-community's were."""
    made = ours(file, name)
    if not hasattr(made, "method"):
        found = {"value": record.encode(made)}
    else:
        found = record.members(made, Ours().quacks, (None, 1, -1) if name in DATA_KEYS else ())
    through_json: dict[str, Any] = json.loads(json.dumps(found))
    return through_json


def disagreements(file: str, name: str, tolerance: float) -> dict[str, str]:
    """Member -> how our answer differs from the stored one; empty where all members agree.

    Parameters
    ----------
    file, name : str
        As in `ours`.
    tolerance : float
        Numbers may differ by this, relative to the larger of 1 and their own size.
    """
    found, expected = answers(file, name), stored(file)[name]
    both = {member: difference(found.get(member), expected[member], tolerance) for member in expected}
    return {
        member: text
        for member, text in both.items()
        if text is not None and not only_ties(member, found, expected, tolerance)
    }


def only_ties(member: str, found: dict[str, Any], expected: dict[str, Any], tolerance: float) -> bool:
    """Whether a ranking differs only among features whose values are equal, up to the tolerance.

    Values that are all rounding, as 1.85e-17 is beside 0, come in another order on each kind of processor.
    """
    if member not in RANKED:
        return False
    ranking, values = (expected[name] for name in RANKED[member])
    ours_ranked, theirs_ranked = found.get(member), expected[member]
    if "dict" in theirs_ranked and isinstance(ours_ranked, dict) and "dict" in ours_ranked:
        pairs = ours_ranked["dict"], theirs_ranked["dict"]
        if difference(*([value for _, value in side] for side in pairs), tolerance) is not None:
            return False
        ours_ranked, theirs_ranked = ([name for name, _ in side] for side in pairs)
    if not all(isinstance(one, list) for one in (ours_ranked, ranking, values)):
        return False
    same_types = record.table_of_types(ours_ranked) == record.table_of_types(theirs_ranked)
    return same_types and _worth_as_much(ours_ranked, ranking, values, tolerance)


def _worth_as_much(ours_ranked: list[Any], ranking: list[Any], values: list[Any], tolerance: float) -> bool:
    """Whether each feature that we rank has, by their values, what the feature they have in its place is worth."""
    if ranking and isinstance(ranking[0], list):
        rows = zip(ours_ranked, ranking, values, strict=True)
        return all(_worth_as_much(*row, tolerance) for row in rows)
    worth = dict(zip(ranking, values, strict=True))
    if len(set(ours_ranked)) < len(ours_ranked) or not worth.keys() >= set(ours_ranked):
        return False
    found = [worth[label] for label in ours_ranked]
    return difference(found, values[: len(found)], tolerance) is None


def check(file: str, name: str, listed: Sequence[Difference], tolerance: float = EXACT) -> None:
    """Assert that we answer as interpret-community does, except where `listed` says otherwise.

    Raises
    ------
    AssertionError
        Some member differs that is not listed, or a listed one is not what we want.
    """
    found = disagreements(file, name, tolerance)
    unlisted = {m: text for m, text in found.items() if not any(one.covers(name, m) for one in listed)}
    assert not unlisted, "\n".join(f"{name} {member}: {text}" for member, text in unlisted.items())
    for one in listed:
        if any(one.covers(name, member) for member in found):
            assert one.ours(answers(file, name), stored(file)[name]), f"{name} {one.members}: not so: {one.why}"


def unused(file: str, listed: Sequence[Difference], tolerance: float = EXACT) -> list[Difference]:
    """Those of `listed` that no explanation of the file needs."""
    found = [(name, member) for name in theirs(file) for member in disagreements(file, name, tolerance)]
    return [one for one in listed if not any(one.covers(name, member) for name, member in found)]


# --- comparing -------------------------------------------------------------------------------------------------------


def difference(found: Any, expected: Any, tolerance: float, extended: bool = False) -> str | None:
    """How two encoded values differ, in values, types or shapes; None where they agree.

    With `extended`, dictionaries found may have more keys than those expected.
    """
    if isinstance(expected, dict) and "scalar" in expected and not isinstance(found, dict):
        expected = expected["scalar"]  # a plain number where theirs is NumPy's
    if type(found) is not type(expected):
        types = f"{record.table_of_types(found)}, not {record.table_of_types(expected)}"
        return f"{types}: {_short(found)}, not {_short(expected)}"
    if isinstance(expected, list):
        if len(found) != len(expected):
            return f"{record.table_of_types(found)}, not {record.table_of_types(expected)}: {_short(found)}"
        pairs = ((f"[{i}]", pair) for i, pair in enumerate(zip(found, expected, strict=True)))
        return _first(pairs, tolerance, extended)
    if isinstance(expected, dict):
        if "dict" in expected and "dict" in found:
            found, expected = ({json.dumps(key): value for key, value in side["dict"]} for side in (found, expected))
        if not (found.keys() >= expected.keys() if extended else found.keys() == expected.keys()):
            return f"{', '.join(found)}, not {', '.join(expected)}: {_short(found)}"
        return _first(((key, (found[key], expected[key])) for key in expected), tolerance, extended)
    if isinstance(expected, float):
        close = math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)
        return None if close or (math.isnan(found) and math.isnan(expected)) else f"{found!r}, not {expected!r}"
    return None if found == expected else f"{_short(found)}, not {_short(expected)}"


def _first(pairs: Any, tolerance: float, extended: bool) -> str | None:
    """The first of the named pairs that differs, in words."""
    for name, (found, expected) in pairs:
        text = difference(found, expected, tolerance, extended)
        if text is not None:
            return f"{name}: {text}"
    return None


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 200 else f"{text[:200]}..."
