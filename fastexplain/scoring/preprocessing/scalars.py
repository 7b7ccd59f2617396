"""Single values of a table of operations in JSON: numbers that JSON has not, and the labels that a column may hold."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

__all__ = [
    "as_json",
    "from_json",
    "is_nan",
    "number_as_json",
    "number_from_json",
    "plain_scalar",
    "shown",
]

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def is_nan(value: Any) -> bool:
    """Whether this is the float NaN, of Python or NumPy; None and pandas' NA are not."""
    return isinstance(value, Real) and not isinstance(value, Integral) and math.isnan(value)


def plain_scalar(value: Any) -> Any:
    """The value as a str, bool, int, float or None of Python; TypeError for anything else."""
    if value is None:
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):  # NumPy's changed its name
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real) and hasattr(value, "__float__") and not hasattr(value, "as_tuple"):
        return float(value)
    raise TypeError(f"{value!r} is a {type(value).__name__}; expected text, a number, a bool or None")


def number_as_json(value: float) -> float | str:
    """The number, or its name if it is NaN or infinite."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


def number_from_json(value: Any) -> float:
    """The inverse of `number_as_json`; ValueError for anything that it does not write."""
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            pass
    raise ValueError(f"is {shown(value)}; expected a number, or 'NaN', 'Infinity' or '-Infinity'")


def as_json(value: Any) -> Any:
    """A plain scalar; numbers that JSON has not as ``{"number": name}``."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": number_as_json(value)}
    return value


def from_json(value: Any) -> Any:
    """The inverse of `as_json`; ValueError for anything that it does not write."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, dict) and list(value) == ["number"] and isinstance(value["number"], str):
        return number_from_json(value["number"])
    raise ValueError(f"is {shown(value)}; expected text, a number, true, false, null or an object with a 'number'")


def shown(value: Any) -> str:
    """The value for a message, cut where it is long."""
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 500:  # Python refuses to write thousands of digits
        return "an integer of more than 150 digits"
    text = repr(value[:100] if isinstance(value, str) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."
