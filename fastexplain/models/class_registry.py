"""Things by the dotted names of classes, so that a model is recognised before its library is imported.

The one rule of all matchers (tree libraries, networks, models with a known formula, explainers): the most derived class
of the model that is known at all counts, and of several names that fit it, the longest.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["ClassRegistry", "Match", "class_names", "imported"]

T = TypeVar("T")


def class_names(model: Any) -> list[str]:
    """Dotted names of the model's class and its bases, most derived first."""
    return [f"{cls.__module__}.{cls.__qualname__}" for cls in type(model).__mro__]


def imported(target: str) -> Callable[..., Any]:
    """The function that ``"module:function"`` names; its module is imported now."""
    module, function = target.split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


@dataclass(frozen=True)
class Match(Generic[T]):
    """A name that fits one of a model's classes.

    Attributes
    ----------
    cls : type
    depth : int
        Position of the class among those of the model, from 0, its own.
    name : str
        As registered.
    value : object
    """

    cls: type
    depth: int
    name: str
    value: T

    def goes_before(self, other: Match[Any] | None) -> bool:
        """Whether this is the more specific of two matches, which may be of two registries."""
        return other is None or (self.depth, -len(self.name)) < (other.depth, -len(other.name))


class ClassRegistry(Generic[T]):
    """Values by dotted class name, or by a prefix of such names that ends with a dot.

    Parameters
    ----------
    entries : mapping of str to object, optional
        What is registered from the start.
    """

    def __init__(self, entries: Mapping[str, T] | None = None) -> None:
        self._entries: dict[str, T] = dict(entries or {})

    def register(self, name: str, value: T) -> None:
        """Say what belongs to a class, ``"xgboost.core.Booster"``, or to all of a module, ``"xgboost.core."``."""
        self._entries[name] = value

    def get(self, name: str) -> T | None:
        """What was registered under exactly this name."""
        return self._entries.get(name)

    def values(self) -> list[T]:
        """Everything that was registered, in that order."""
        return list(self._entries.values())

    def matches(self, model: Any) -> Iterator[Match[T]]:
        """All names that fit a class of the model, most specific first."""
        for depth, cls in enumerate(type(model).__mro__):
            full = f"{cls.__module__}.{cls.__qualname__}"
            fitting = [name for name in self._entries if name == full or (name[-1] == "." and full.startswith(name))]
            for name in sorted(fitting, key=len, reverse=True):
                yield Match(cls, depth, name, self._entries[name])

    def match(self, model: Any) -> Match[T] | None:
        """The most specific name that fits, or None."""
        return next(self.matches(model), None)

    def find(self, model: Any) -> T | None:
        """What belongs to the most specific name that fits, or None."""
        found = self.match(model)
        return None if found is None else found.value
