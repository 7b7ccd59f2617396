"""How results of array functions show themselves at a prompt: a few lines, not their arrays."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["result_repr", "short"]

# Arrays of up to so many numbers are shown; of others the type and the shape.
SHOWN_NUMBERS = 4
WIDTH = 100


def result_repr(result: Any, names: Iterable[str]) -> str:
    """The result's class and some of its fields, in lines of at most 100 characters."""
    parts = [f"{name}={short(getattr(result, name))}" for name in names]
    # a field is not broken at its own spaces
    text = ", ".join(part.replace(" ", "\0") for part in parts)
    begin = f"{type(result).__name__}("
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=begin, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines).replace("\0", " ") + ")"


def short(value: Any) -> str:
    """A value of a field in a few words."""
    if not isinstance(value, np.ndarray):
        return repr(value)
    if value.size <= SHOWN_NUMBERS and value.ndim == 1:
        return np.array2string(value, precision=6, separator=", ")
    return f"{value.dtype} array of shape {value.shape}"
