"""Checks of arguments that many functions share. Each error names the argument, what was expected and what came."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

__all__ = ["batch_rows", "seed_number", "whole_number"]

_LARGEST_SEED = 2**64 - 1


def whole_number(value: Any, name: str, low: int = 1, high: int | None = None, *, or_else: str = "") -> int:
    """`value` as an int.

    Parameters
    ----------
    value : object
        An int, or a NumPy integer; no bool, and no float even if it is whole.
    name : str
        Of the argument.
    low, high : int
        Bounds, both included; None for no upper one.
    or_else : str
        What else the argument may be, for the message: ``"'auto'"``.

    Raises
    ------
    ValueError
        It is something else.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if isinstance(value, bool | np.bool_) or number < low or (high is not None and number > high):
        expected = f"{or_else} or " if or_else else ""
        raise ValueError(f"{name} must be {expected}{_wanted(low, high)}; got {value!r}.")
    return number


def seed_number(seed: Any) -> int:
    """A seed of our generators as an int; ValueError unless it is a whole number of at most 64 bits."""
    return whole_number(seed, "seed", 0, _LARGEST_SEED)


def _wanted(low: int, high: int | None) -> str:
    if high is None:
        return "a positive whole number" if low == 1 else f"a whole number of at least {low}"
    return f"a whole number from {low} to {'2**64 - 1' if high == _LARGEST_SEED else high}"


def batch_rows(batch_size: Any) -> int:
    """Rows per batch as an int; ValueError, in interpret-community's words, unless it is a positive whole number."""
    try:
        return whole_number(batch_size, "batch_size")
    except ValueError:
        raise ValueError(f"Specified argument batch_size must be greater than 0; got {batch_size!r}.") from None
