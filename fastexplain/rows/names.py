"""Names of columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["check_distinct", "unique"]


def check_distinct(names: Iterable[Any], argument: str = "features") -> None:
    """Raise ValueError where a name occurs twice: importances by name would lose one of them.

    Parameters
    ----------
    names : iterable
        Names that cannot be hashed are compared as `repr` shows them.
    argument : str
        Named in the message.
    """
    names = names if isinstance(names, list) else list(names)
    try:
        if len(set(names)) == len(names):  # nearly always, and in one call: explanations of single rows come here
            return
    except TypeError:
        pass
    counts = Counter(name if _is_hashable(name) else repr(name) for name in names)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        shown = ", ".join(map(repr, twice[:5])) + (", ..." if len(twice) > 5 else "")
        raise ValueError(f"{argument} has names that occur more than once: {shown}. Give each feature its own name.")


def unique(names: Sequence[str]) -> list[str]:
    """The names, each different from all others: the second ``a`` becomes ``a_2``."""
    taken = set(names)
    seen: set[str] = set()
    result = []
    for name in names:
        unique_name, n = name, 1
        while unique_name in seen or (n > 1 and unique_name in taken):
            n += 1
            unique_name = f"{name}_{n}"
        seen.add(unique_name)
        result.append(unique_name)
    return result


def _is_hashable(name: Any) -> bool:
    try:
        hash(name)
    except TypeError:
        return False
    return True
