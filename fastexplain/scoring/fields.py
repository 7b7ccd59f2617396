"""Content that was read from a file, taken apart with a check of every field: type, range, length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import ArtifactError, UnsupportedModelError

__all__ = ["Fields", "labels_as_json"]

_NAN = {"nan": True}


def labels_as_json(labels: Sequence[Any] | None, of: str) -> list[Any] | None:
    """Labels of classes or categories as JSON holds them, each with its type.

    Raises
    ------
    UnsupportedModelError
        A label is neither text, number, boolean nor missing.
    """
    return None if labels is None else [_label_as_json(label, of) for label in labels]


def _label_as_json(label: Any, of: str) -> Any:
    if isinstance(label, np.generic):
        label = label.item()
    if label is None or isinstance(label, (bool, int, str)):
        return label
    if isinstance(label, float):
        if math.isnan(label):
            return _NAN
        if math.isfinite(label):
            return label
    raise UnsupportedModelError(
        f"The label {label!r} of {of} is a {type(label).__name__}; labels in an artifact are text, finite numbers, "
        "booleans or missing. Encode the column as text before the model is fitted."
    )


class Fields:
    """A JSON object whose fields are checked as they are taken.

    Parameters
    ----------
    given : object
        What should be a JSON object.
    where : str
        Its name in messages, e.g. ``"content.model"``.
    arrays : mapping of str to array
        Arrays that belong to it.
    """

    def __init__(self, given: Any, where: str, arrays: Mapping[str, NDArray[Any]] | None = None) -> None:
        if not isinstance(given, dict):
            raise ArtifactError(f"{where} is {_shown(given)}; expected an object.")
        self.given, self.where, self._arrays = given, where, arrays or {}

    def error(self, name: str, problem: str) -> ArtifactError:
        """An error about a field."""
        return ArtifactError(f"{self.where}.{name} {problem}")

    def take(self, name: str) -> Any:
        """Any value of a field that must be there."""
        if name not in self.given:
            raise ArtifactError(f"{self.where} has no field {name!r}.")
        return self.given[name]

    def object(self, name: str) -> Fields:
        """A field that is an object of its own."""
        return Fields(self.take(name), f"{self.where}.{name}", self._arrays)

    def objects(self, name: str) -> Iterator[Fields]:
        """The entries of a field that is a list of objects."""
        for i, each in enumerate(self.items(name)):
            yield Fields(each, f"{self.where}.{name}[{i}]", self._arrays)

    def items(self, name: str) -> list[Any]:
        """A field that is a list."""
        value = self.take(name)
        if not isinstance(value, list):
            raise self.error(name, f"is {_shown(value)}; expected a list.")
        return value

    def present(self, name: str) -> bool:
        """Whether a field is there and not null."""
        return self.given.get(name) is not None

    def flag(self, name: str) -> bool:
        """A boolean."""
        value = self.take(name)
        if not isinstance(value, bool):
            raise self.error(name, f"is {_shown(value)}; expected true or false.")
        return value

    def integer(self, name: str, lowest: int = 0, highest: int = 2**31 - 1) -> int:
        """A whole number within limits."""
        value = self.take(name)
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise self.error(name, f"is {_shown(value)}; expected a whole number from {lowest} to {highest}.")
        return value

    def number(self, name: str) -> float:
        """A finite number."""
        value = self.take(name)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
            raise self.error(name, f"is {_shown(value)}; expected a finite number.")
        return float(value)

    def text(self, name: str, choices: Sequence[str] | None = None) -> str:
        """A text, one of some choices."""
        value = self.take(name)
        if not isinstance(value, str) or (choices is not None and value not in choices):
            expected = "text" if choices is None else f"one of {', '.join(map(repr, choices))}"
            raise self.error(name, f"is {_shown(value)}; expected {expected}.")
        return value

    def texts(self, name: str, length: int | None = None) -> tuple[str, ...]:
        """A list of texts, of some length, without repetitions."""
        values = self.items(name)
        if not all(isinstance(value, str) for value in values):
            raise self.error(name, f"is {_shown(values)}; expected a list of texts.")
        if length is not None and len(values) != length:
            raise self.error(name, f"has {len(values)} entries; expected {length}.")
        if len(set(values)) != len(values):
            raise self.error(name, "names something twice.")
        return tuple(values)

    def integers(self, name: str, lowest: int, highest: int) -> tuple[int, ...]:
        """A list of whole numbers within limits."""
        values = self.items(name)
        if not all(isinstance(v, int) and not isinstance(v, bool) and lowest <= v <= highest for v in values):
            raise self.error(name, f"is {_shown(values)}; expected whole numbers from {lowest} to {highest}.")
        return tuple(values)

    def label(self, name: str) -> Any:
        """A label, as `labels_as_json` wrote it."""
        return self._label(name, self.take(name))

    def labels(self, name: str, length: int | None = None) -> list[Any]:
        """A list of labels, as `labels_as_json` wrote them."""
        values = self.items(name)
        if length is not None and len(values) != length:
            raise self.error(name, f"has {len(values)} entries; expected {length}.")
        return [self._label(name, value) for value in values]

    def labels_or_none(self, name: str, length: int | None = None) -> list[Any] | None:
        """A list of labels, or None where the field is null or not there."""
        return self.labels(name, length) if self.present(name) else None

    def _label(self, name: str, value: Any) -> Any:
        if value == _NAN:
            return float("nan")
        if value is None or isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value)):
            return value
        raise self.error(name, f"holds {_shown(value)}; expected text, finite numbers, true, false or null.")

    def array(self, name: str, dtype: str, shape: tuple[int | None, ...], *, finite: bool = True) -> NDArray[Any]:
        """An array of a type and shape; None stands for any length.

        Parameters
        ----------
        name : str
            Of the array, not of a field.
        dtype : str
            As NumPy writes it, e.g. ``"float64"``.
        shape : tuple of int or None
        finite : bool
            Whether NaN and infinite numbers are refused.
        """
        if name not in self._arrays:
            raise ArtifactError(f"There is no array {name!r}, which {self.where} needs.")
        array = self._arrays[name]
        if array.dtype != dtype:
            raise ArtifactError(f"The array {name!r} is of type {array.dtype}; expected {dtype}.")
        fits = array.ndim == len(shape) and all(
            n is None or n == size for n, size in zip(shape, array.shape, strict=True)
        )
        if not fits:
            raise ArtifactError(
                f"The array {name!r} has shape {array.shape}; expected "
                f"({', '.join('any' if n is None else str(n) for n in shape)})."
            )
        if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ArtifactError(f"The array {name!r} holds NaN or infinite numbers.")
        return array

    def arrays_of(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Arrays whose names start with a prefix and a dot, by the rest of their names."""
        start = f"{prefix}."
        return {name[len(start) :]: array for name, array in self._arrays.items() if name.startswith(start)}

    def has_array(self, name: str) -> bool:
        """Whether there is an array of this name."""
        return name in self._arrays


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
