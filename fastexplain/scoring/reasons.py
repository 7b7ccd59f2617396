"""Reason codes: what moved a score the wrong way, in order, as lenders have to say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.scoring.fields import Fields

__all__ = ["Reason", "ReasonTable", "reasons_of"]

Floats = NDArray[np.float64]

# Part of a row's largest value up to which another one may be rounding.
_ROUNDING = 1e-12
_EXAMPLES = {
    "groups": "{'home': ['town', 'street']}",
    "texts": "{'income': ('R1', 'Income of {value} is low')}",
}


class Reason(NamedTuple):
    """One reason of a row.

    Attributes
    ----------
    feature : str or int
        Name of the feature or the group; the index where there are no names.
    value : object
        As in the row; of a group, a dict of its features' values.
    contribution : float
        How far it moved the score the wrong way: always above 0.
    share : float
        Its part of all that moved the score the wrong way.
    code, text : str or None
        From the table of reasons.
    """

    feature: Any
    value: Any
    contribution: float
    share: float
    code: str | None
    text: str | None


@dataclass(frozen=True)
class ReasonTable:
    """Groups, codes and texts of reasons.

    Parameters
    ----------
    groups : mapping of str to sequence
        Name of a group -> its features, by name or index. A group is one reason: its contribution is the sum of its
        features'.
    texts : mapping
        Feature or group -> its text, or a pair of code and text. ``{value}`` in a text is replaced by the row's value.
    """

    groups: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    texts: Mapping[Any, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As an artifact holds it."""
        return {
            "groups": [{"name": name, "features": _members(features)} for name, features in self.groups.items()],
            "texts": [
                {"of": of, "code": code, "text": text}
                for of, (code, text) in ((of, _words(given, of)) for of, given in self.texts.items())
            ],
        }

    @classmethod
    def from_json(cls, fields: Fields) -> ReasonTable:
        """The table again, after a check of every field."""
        groups = {each.text("name"): each.labels("features") for each in fields.objects("groups")}
        texts = {}
        for each in fields.objects("texts"):
            of = each.label("of")
            code, text = (each.text(name) if each.present(name) else None for name in ("code", "text"))
            texts[of] = (code, text)
        return cls(groups, texts)

    def resolved(self, names: Sequence[Any]) -> _Resolved:
        """The table by the positions of features.

        Raises
        ------
        ValueError
            It speaks of a feature that there is not, a feature is in two groups, or a group has the name of another
            feature.
        TypeError
            Groups or texts are no mapping.
        """
        for what, given in (("groups", self.groups), ("texts", self.texts)):
            if not isinstance(given, Mapping):
                raise TypeError(f"{what} is {given!r}; expected a dict, such as {_EXAMPLES[what]}.")
        positions = {name: i for i, name in enumerate(names)}
        owner: dict[int, str] = {}
        for group, features in self.groups.items():
            for feature in _members(features):
                position = _position(feature, positions, f"group {group!r}")
                if position in owner:
                    raise ValueError(f"Feature {feature!r} is in two groups, {owner[position]!r} and {group!r}.")
                owner[position] = group
            if group in positions and owner.get(positions[group]) != group:
                raise ValueError(f"Group {group!r} has the name of a feature that is not in it; give it another one.")
        for feature in self.texts:
            if feature not in self.groups:
                _position(feature, positions, "texts")
        players: list[tuple[Any, list[int]]] = []
        placed: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            if i not in owner:
                players.append((name, [i]))
            elif owner[i] in placed:
                placed[owner[i]].append(i)
            else:
                placed[owner[i]] = [i]
                players.append((owner[i], placed[owner[i]]))
        words = [
            _words(self.texts.get(name, self.texts.get(columns[0] if len(columns) == 1 else name)), name)
            for name, columns in players
        ]
        return _Resolved(players, words, list(names))


def _members(features: Any) -> list[Any]:
    """The features of a group; a single one stands for itself."""
    return [features] if isinstance(features, str) or not hasattr(features, "__iter__") else list(features)


class _Resolved(NamedTuple):
    players: list[tuple[Any, list[int]]]
    words: list[tuple[str | None, str | None]]
    names: list[Any]

    def contributions(self, values: Floats) -> Floats:
        """Values (n_rows, n_features) of each feature or group, (n_rows, n_players)."""
        if all(len(columns) == 1 for _, columns in self.players):
            return values
        return np.stack([values[:, columns].sum(axis=1) for _, columns in self.players], axis=1)


def _position(feature: Any, positions: Mapping[Any, int], where: str) -> int:
    if feature in positions:
        return positions[feature]
    if isinstance(feature, int) and not isinstance(feature, bool) and 0 <= feature < len(positions):
        return feature
    known = ", ".join(map(repr, list(positions)[:10]))
    raise ValueError(
        f"There is no feature {feature!r}, which {where} names; the features are {known}"
        f"{', ...' if len(positions) > 10 else ''}."
    )


def _words(given: Any, name: Any) -> tuple[str | None, str | None]:
    if given is None or isinstance(given, str):
        return None, given
    if (
        isinstance(given, (tuple, list))
        and len(given) == 2
        and all(each is None or isinstance(each, str) for each in given)
    ):
        return given[0], given[1]
    raise ValueError(f"texts[{name!r}] is {given!r}; expected a text, or a pair of code and text.")


def reasons_of(
    table: ReasonTable, names: Sequence[Any], against: Floats, columns: Sequence[Any], k: int
) -> list[list[Reason]]:
    """Reasons of rows, the strongest first; of equal ones, in the order of the features.

    Parameters
    ----------
    table : ReasonTable
    names : sequence
        Of the features.
    against : array of shape (n_rows, n_features)
        How far each feature moved the score the wrong way; below 0 where it helped.
    columns : sequence of sequences
        The rows' values, by column; empty where they are not known.
    k : int
        At most so many of each row: those that helped are none, nor is what rounding leaves of features without a say.
    """
    resolved = table.resolved(names)
    contributions = resolved.contributions(against)
    rounding = _ROUNDING * np.abs(against).max(axis=1, initial=0.0)
    contributions = np.where(contributions > rounding[:, None], contributions, 0.0)
    order = np.argsort(-contributions, axis=1, kind="stable")[:, :k]
    total = contributions.sum(axis=1)
    found = []
    for row in range(len(contributions)):
        reasons = []
        for player in order[row].tolist():
            contribution = float(contributions[row, player])
            if not contribution > 0:
                break
            name, members = resolved.players[player]
            value = _value(columns, members, row, resolved.names)
            code, text = resolved.words[player]
            text = text if text is None else text.replace("{value}", str(value))
            reasons.append(Reason(name, value, contribution, contribution / float(total[row]), code, text))
        found.append(reasons)
    return found


def _value(columns: Sequence[Any], members: list[int], row: int, names: list[Any]) -> Any:
    if not len(columns):
        return None
    values = [_plain(columns[i][row]) for i in members]
    return values[0] if len(members) == 1 else dict(zip([names[i] for i in members], values, strict=True))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
