"""One row as pictures show it: its largest values by name, the rest in one, where they start and end."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.plots._choice import ClassIndex, Output, choose_features, choose_output, choose_row
from fastexplain.explanation.plots._scale import base_suffix, is_rescaled
from fastexplain.explanation.plots._values import Columns, Values, base_value, columns
from fastexplain.explanation.plots._words import NAME_LENGTH, number, others, tick_names, value

__all__ = ["HALF_95", "OneRow", "base_words", "end_word", "named_values", "one_row", "standard_errors"]

# Half a 95% interval, in standard errors.
HALF_95 = NormalDist().inv_cdf(0.975)


class OneRow(NamedTuple):
    """What is drawn of one row.

    Attributes
    ----------
    names : list of str
        Of the shown features, the largest value first, with the feature's value; last what stands for all others.
    steps : array
        Their values; they add up to ``end - base``.
    errors : array
        Standard errors of the steps; 0 where they are exact or not known.
    n_others : int
        Features that the last step stands for.
    base, end : float
        Base value, or 0 where the method has none, and output.
    base_text, end_text : str
        The same in words.
    output : Output
    title : str
    """

    names: list[str]
    steps: NDArray[np.float64]
    errors: NDArray[np.float64]
    n_others: int
    base: float
    end: float
    base_text: str
    end_text: str
    output: Output
    title: str


def one_row(
    explanation: Explanation,
    row: int,
    X: Any,
    max_display: int,
    class_index: ClassIndex,
    name_length: int = NAME_LENGTH,
) -> OneRow:
    """The row's `max_display` largest values; features beyond are added up in the last one.

    Raises
    ------
    ValueError
        There are no local values, `row`, `max_display` or `class_index` is out of range, or X does not fit.
    """
    n_rows = Values(explanation).n_rows
    row = choose_row(n_rows, row)
    output = choose_output(explanation, class_index, row)
    values = Values(explanation, output.column, output.sign).row(row)
    errors = standard_errors(explanation, row, output.column)
    shown = choose_features(np.abs(values), max_display)
    if len(values) > len(shown):
        shown = shown[: max(1, max_display - 1)]
    n_others = len(values) - len(shown)
    names = named_values(explanation, shown, columns(explanation, X, n_rows), row, name_length)
    steps, spread = values[shown], errors[shown]
    if n_others:
        rest = np.setdiff1d(np.arange(len(values)), shown)
        names.append(others(n_others))
        steps = np.append(steps, values[rest].sum())
        # errors of one regression are not independent, and how they hang together is not kept: none for their sum
        spread = np.append(spread, 0.0)
    known = base_value(explanation, output.column, output.sign)
    base = 0.0 if known is None else known
    end = float(base + values.sum())
    title = ", ".join(part for part in (f"row {row:,}" if n_rows > 1 else "", output.label) if part)
    end_text = f"{end_word(explanation)} = {number(end, digits=4)}"
    return OneRow(names, steps, spread, n_others, base, end, base_words(explanation, known), end_text, output, title)


def named_values(
    explanation: Explanation, shown: NDArray[np.intp], column: Columns | None, row: int, length: int = NAME_LENGTH
) -> list[str]:
    """Names of features, and their values in a row if they are known."""
    names = tick_names(explanation, shown, length)
    if column is None:
        return names
    return [f"{name} = {value(column(int(feature))[row])}" for name, feature in zip(names, shown, strict=True)]


def standard_errors(explanation: Explanation, row: int, output: int) -> NDArray[np.float64]:
    """Of one row's values; 0 where they are exact or not known."""
    errors: Any = getattr(explanation, "standard_errors", None)
    if errors is None:
        return np.zeros(explanation.num_features)
    return np.nan_to_num(np.asarray(errors[row, :, output], dtype=np.float64))


def base_words(explanation: Explanation, base: float | None) -> str:
    """What a picture says where it starts from."""
    if base is None:
        return "0 (no base value)"
    return f"base value = {number(base, digits=4)}{base_suffix(explanation)}"


def end_word(explanation: Explanation) -> str:
    """What base value and values add up to: the output, if all features are explained and the method adds up.

    A surrogate's output is not the model's; rescaled to the probability, it may be that of either.
    """
    whole = explanation._feature_columns is None and explanation._base_values is not None
    if not whole or explanation.method.startswith("lime"):
        return "sum"
    if explanation.method.startswith("mimic"):
        return "sum" if is_rescaled(explanation) else "surrogate"
    return "f(x)"
