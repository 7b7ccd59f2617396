"""The kinds of explanation by interpret-community's names, told apart by what an object has and not by its class.

``X._does_quack(obj)`` says whether `obj`, of any library, has the members of an X; for the mixins and the two base
classes ``isinstance(obj, X)`` says the same. They hold no state, so a class may name any of them among its bases, and
the constructors of `LocalExplanation` and `GlobalExplanation` hand unknown keywords on to whatever bases follow them.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BaseExplanation",
    "ClassesMixin",
    "ExpectedValuesMixin",
    "FeatureImportanceExplanation",
    "PerClassMixin",
    "Quacking",
    "_DatasetsMixin",
    "_ModelIdMixin",
]


class Quacking(type):
    """Metaclass: `isinstance` asks a class that declares itself a kind what its instances must have."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        # only where a class says so itself: a LocalExplanation holds arrays that a mere look-alike does not
        kind: Any = cls
        return "_is_kind" in cls.__dict__ and bool(kind._does_quack(instance))


class BaseExplanation(metaclass=Quacking):
    """What every explanation has: `method`, `id` and `model_task`, all strings, and `model_type`.

    Raises
    ------
    TypeError
        A constructor was given keywords that no base of its class knows; the message names them.
    """

    _is_kind = True

    def __init__(self, **unknown: Any) -> None:
        if unknown:
            raise TypeError(f"{type(self).__name__} got unknown keywords: {', '.join(sorted(unknown))}.")

    @classmethod
    def _does_quack(cls, explanation: Any) -> bool:
        """Whether an object of any library has the members of this kind."""
        named = all(isinstance(getattr(explanation, name, None), str) for name in ("method", "id", "model_task"))
        return named and hasattr(explanation, "model_type")


class FeatureImportanceExplanation(BaseExplanation):
    """A `BaseExplanation` with `features`, `num_features`, and the flags `is_raw` and `is_engineered`."""

    _is_kind = True

    @classmethod
    def _does_quack(cls, explanation: Any) -> bool:
        """Whether an object of any library has the members of this kind."""
        flags = all(isinstance(getattr(explanation, name, None), bool) for name in ("is_raw", "is_engineered"))
        return super()._does_quack(explanation) and flags and _has(explanation, "features", "num_features")


class ExpectedValuesMixin(BaseExplanation):
    """Anything with `expected_values` that are not None."""

    _is_kind = True

    @classmethod
    def _does_quack(cls, explanation: Any) -> bool:
        """Whether an object of any library has the members of this kind."""
        return getattr(explanation, "expected_values", None) is not None


class ClassesMixin(BaseExplanation):
    """Anything with `classes` and `num_classes`: explanations of classifiers."""

    _is_kind = True

    @classmethod
    def _does_quack(cls, explanation: Any) -> bool:
        """Whether an object of any library has the members of this kind."""
        return _has(explanation, "num_classes", "classes")


class PerClassMixin(ClassesMixin):
    """A `ClassesMixin` with `per_class_values` and `per_class_rank` that are not None."""

    _is_kind = True

    @classmethod
    def _does_quack(cls, explanation: Any) -> bool:
        """Whether an object of any library has the members of this kind."""
        names = ("per_class_values", "per_class_rank")
        return super()._does_quack(explanation) and all(getattr(explanation, name, None) is not None for name in names)


class _DatasetsMixin(BaseExplanation):
    """Anything with `init_data`, `eval_data`, `eval_y_predicted` and `eval_y_predicted_proba`, whatever they hold."""

    _is_kind = True

    @classmethod
    def _does_quack(cls, explanation: Any) -> bool:
        """Whether an object of any library has the members of this kind."""
        known = getattr(explanation, "_has_datasets", None)
        if isinstance(known, bool):
            return known  # ours: the properties themselves would make lists of all data
        return _has(explanation, "init_data", "eval_data", "eval_y_predicted", "eval_y_predicted_proba")

    @staticmethod
    def _is_reference(explanation: Any) -> bool:
        """Whether any of the data sets of an explanation is the id of a stored one in place of rows."""
        names = ("_eval_y_predicted", "_eval_y_predicted_proba", "_eval_data", "_init_data")
        return any(isinstance(getattr(explanation, name, None), str) for name in names)


class _ModelIdMixin(BaseExplanation):
    """Anything with a `model_id`."""

    _is_kind = True

    @classmethod
    def _does_quack(cls, explanation: Any) -> bool:
        """Whether an object of any library has the members of this kind."""
        return hasattr(explanation, "model_id")


def _has(explanation: Any, *names: str) -> bool:
    return all(hasattr(explanation, name) for name in names)
