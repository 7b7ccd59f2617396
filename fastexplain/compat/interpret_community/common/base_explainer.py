"""Base classes of explainers, for user classes and ``isinstance`` checks written against interpret-community.

Our explainers do not derive from them; they count as such because they have the methods.
"""

from __future__ import annotations

import abc
from typing import Any

from fastexplain.compat.interpret_community.common.chained_identity import ChainedIdentity

__all__ = ["BaseExplainer", "GlobalExplainer", "LocalExplainer"]


class GlobalExplainer(ChainedIdentity, abc.ABC):
    """Has ``explain_global``."""

    @abc.abstractmethod
    def explain_global(self, *args: Any, **kwargs: Any) -> Any:
        """Explain the model as a whole."""

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        return _has(other, "explain_global") if cls is GlobalExplainer else NotImplemented

    def __str__(self) -> str:
        return type(self).__name__


class LocalExplainer(ChainedIdentity, abc.ABC):
    """Has ``explain_local``."""

    @abc.abstractmethod
    def explain_local(self, evaluation_examples: Any, **kwargs: Any) -> Any:
        """Explain rows."""

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        return _has(other, "explain_local") if cls is LocalExplainer else NotImplemented

    def __str__(self) -> str:
        return type(self).__name__


class BaseExplainer(GlobalExplainer, LocalExplainer):
    """Has both."""

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        has_both = _has(other, "explain_global") and _has(other, "explain_local")
        return has_both if cls is BaseExplainer else NotImplemented


def _has(other: type, method: str) -> bool:
    return callable(getattr(other, method, None))
