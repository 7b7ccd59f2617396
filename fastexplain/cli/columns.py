"""Which columns of a table are the model's features, which are carried through, and which are left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Columns", "choose_columns", "listed"]

_LISTED = 8  # names written out in a message

# pandas writes an index without a name under this name; nobody means it as a feature
_PANDAS_INDEX = "__index_level_"


@dataclass(frozen=True)
class Columns:
    """The plan for a table's columns.

    Attributes
    ----------
    features : list of str
        Columns of the table, in the model's order.
    names : list of str
        The model's own names for them (the table's, where it has none).
    keep : list of str
        Carried through to the output.
    ignored : list of str
        Neither features, nor kept, nor named by the user.
    """

    features: list[str]
    names: list[str]
    keep: list[str]
    ignored: list[str]

    @property
    def to_read(self) -> list[str]:
        """Features and kept columns, each once."""
        return list(dict.fromkeys([*self.features, *self.keep]))


def choose_columns(
    table_columns: Sequence[str],
    *,
    feature_names: Sequence[str] | None,
    n_features: int,
    left_out: Sequence[str] = (),
    keep: Sequence[str] = (),
) -> Columns:
    """Match a table's columns with a model's features.

    Parameters
    ----------
    table_columns : sequence of str
    feature_names : sequence of str or None
        Names that the model was fitted on. Given, columns are picked by name in any order and others are ignored; None,
        the columns other than `left_out` and `keep` are the features, in the table's order.
    n_features : int
    left_out, keep : sequence of str
        The user's choice; every name must be in the table. With `feature_names` a kept column may be a feature too.

    Returns
    -------
    Columns

    Raises
    ------
    ValueError
        A name is not in the table, both left out and kept, or a feature is missing or left out; or the widths differ.
    """
    known = set(table_columns)
    for option, names in (("--target or --drop", left_out), ("--keep", keep)):
        absent = [name for name in names if name not in known]
        if absent:
            raise ValueError(
                f"{option} names {listed(absent)}, which the table does not have; it has {listed(table_columns)}."
            )
    both = [name for name in keep if name in left_out]
    if both:
        raise ValueError(f"{listed(both)} cannot be both kept and left out.")
    keep = list(dict.fromkeys(keep))
    candidates = [c for c in table_columns if c not in left_out and not c.startswith(_PANDAS_INDEX)]
    if feature_names is not None:
        return _by_name(candidates, feature_names, keep, table_columns)
    features = [name for name in candidates if name not in keep]
    if len(features) != n_features:
        raise ValueError(
            f"The model was fitted on {n_features} columns without names; the table has {len(features)} "
            f"({listed(features)}). Name the others with --target, --drop or --keep."
        )
    return Columns(features, features, keep, [])


def _by_name(
    candidates: list[str], feature_names: Sequence[str], keep: list[str], table_columns: Sequence[str]
) -> Columns:
    by_name = {name: name for name in candidates}
    # LightGBM stores a name with its blanks turned into underscores; an exact match goes first.
    for name in candidates:
        by_name.setdefault(name.replace(" ", "_"), name)
    missing = [name for name in feature_names if name not in by_name]
    if missing:
        left_out = [name for name in missing if name in table_columns]
        why = f" ({listed(left_out)} left out by --target or --drop)" if left_out else ""
        raise ValueError(
            f"The table lacks {len(missing)} of the model's {len(feature_names)} columns{why}: {listed(missing)}. "
            f"It has {listed(table_columns)}."
        )
    features = [by_name[name] for name in feature_names]
    used = {*features, *keep}
    return Columns(features, list(feature_names), keep, [name for name in candidates if name not in used])


def listed(names: Iterable[str]) -> str:
    """Names in quotes, the first few of them: ``'a', 'b' and 12 more``."""
    names = list(names)
    text = ", ".join(map(repr, names[:_LISTED]))
    return text if len(names) <= _LISTED else f"{text} and {len(names) - _LISTED} more"
