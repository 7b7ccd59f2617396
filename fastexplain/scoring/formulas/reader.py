"""What a formula is read from: checked fields of its object, and arrays whose names begin with its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import ArtifactError
from fastexplain.scoring.fields import Fields

__all__ = ["FormulaReader", "Parts"]

# Content that JSON can hold, and arrays by name.
Parts = tuple[dict[str, Any], dict[str, NDArray[Any]]]


class FormulaReader:
    """Fields and arrays of one formula.

    Parameters
    ----------
    fields : Fields
        Its object.
    prefix : str
        What the names of its arrays begin with, e.g. ``"formula"``.
    depth : int
        How many formulas hold this one.
    """

    def __init__(self, fields: Fields, prefix: str, depth: int = 0) -> None:
        self.fields, self.prefix, self.depth = fields, prefix, depth

    def floats(self, name: str, shape: tuple[int | None, ...], *, finite: bool = True) -> NDArray[np.float64]:
        """A float64 array that has entries; None stands for any length."""
        array = self.fields.array(f"{self.prefix}.{name}", "float64", shape, finite=finite)
        if not array.size:
            raise self.error(name, f"is empty, of shape {array.shape}.")
        return array

    def positive(self, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
        """A float64 array of positive numbers."""
        array = self.floats(name, shape)
        if not (array > 0).all():
            raise self.error(name, "holds numbers that are not positive.")
        return array

    def has_array(self, name: str) -> bool:
        """Whether there is an array of this name."""
        return self.fields.has_array(f"{self.prefix}.{name}")

    def error(self, name: str, problem: str) -> ArtifactError:
        """An error about an array."""
        return ArtifactError(f"The array '{self.prefix}.{name}' {problem}")
