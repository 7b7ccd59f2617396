"""Words and numbers of pictures: short, unambiguous, safe for matplotlib."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.plots._scale import base_suffix, is_rescaled
from fastexplain.explanation.plots._values import is_missing

__all__ = [
    "NAME_LENGTH",
    "importance_words",
    "left_out",
    "number",
    "others",
    "plain",
    "shorten",
    "tick_names",
    "upright",
    "value",
    "value_words",
]

NAME_LENGTH = 34
_UPRIGHT_LENGTH = 45


def plain(text: Any) -> str:
    """One line that matplotlib draws as it is: without a dollar sign that would begin a formula."""
    return " ".join(str(text).split()).replace("$", r"\$")


def shorten(text: Any, length: int) -> str:
    """Cut the middle out: long names often differ at their ends."""
    text = " ".join(str(text).split())
    if len(text) > length:
        head = (length - 1) * 2 // 3
        text = f"{text[:head]}…{text[head + 1 - length :]}"
    return plain(text)


def tick_names(explanation: Explanation, shown: Iterable[Any], length: int = NAME_LENGTH) -> list[str]:
    """Names of some features; "feature 3" where they have none."""
    names = [explanation.features[i] for i in shown]
    return [shorten(name if isinstance(name, str) else f"feature {name}", length) for name in names]


def others(n: int) -> str:
    """What a bar is called that stands for n features."""
    return f"{n:,} other features" if n > 1 else "1 other feature"


def left_out(n_shown: int, n_features: int) -> str:
    """Say how many features are not shown."""
    return f"{n_shown:,} of {n_features:,} features" if n_shown < n_features else ""


def number(x: float, *, signed: bool = False, digits: int = 3) -> str:
    """So many significant digits, with a true minus sign."""
    if 10**digits - 0.5 <= abs(x) < 1e15:  # what rounds to 1,000 is written so too
        text = f"{x:+,.0f}" if signed else f"{x:,.0f}"
    else:
        text = f"{x:+#.{digits}g}" if signed else f"{x:#.{digits}g}"
    return ("0" if x == 0 else text.rstrip(".")).replace("-", "\N{MINUS SIGN}")


def value(x: Any, length: int = 20) -> str:
    """A feature's value beside its name."""
    if is_missing(x):
        return "missing"
    if isinstance(x, float | np.floating):
        short = float(x)
        text = f"{short:,.0f}" if 1e4 <= abs(short) < 1e15 else f"{short:.4g}"
        return text.replace("-", "\N{MINUS SIGN}")
    text = str(x)
    if hasattr(x, "isoformat") or isinstance(x, np.datetime64):  # a day without its midnight, seconds whole
        text = text[:19].replace("T", " ").removesuffix(" 00:00:00")
    return shorten(text, length)


def value_words(explanation: Explanation, units: str) -> str:
    """What an axis of local values says, e.g. "SHAP value (impact on log-odds of class 1)"."""
    return f"{_noun(explanation)} ({_relation(explanation, units)})"


def upright(words: str) -> str:
    """An axis's words along its height, where there is less room: long ones on two lines."""
    return words.replace(" (", "\n(", 1) if len(words) > _UPRIGHT_LENGTH else words


def importance_words(explanation: Explanation, units: str, *, whole: bool, of_rows: bool) -> str:
    """What an axis of importances says.

    Parameters
    ----------
    explanation : Explanation
    units : str
        The explained output.
    whole : bool
        The importances are of the model as a whole, not means of each output's values.
    of_rows : bool
        The explanation has rows with values that the importances may be means of.
    """
    if explanation.method.startswith("pfi"):
        metric = getattr(explanation, "metric", None)
        what = "drop in score" if metric is None else f"how much {plain(metric)} gets worse"
        return f"importance ({what})"
    if whole and not of_rows:
        return "importance"
    return f"mean |{_noun(explanation)}| ({_relation(explanation, units)})"


def _relation(explanation: Explanation, units: str) -> str:
    return f"from the margin to the {units}" if base_suffix(explanation) else f"impact on {units}"


def _noun(explanation: Explanation) -> str:
    method = explanation.method.lower()
    if method.startswith("lime"):
        return "LIME weight"
    if method.startswith("shap"):
        return "rescaled SHAP value" if is_rescaled(explanation) else "SHAP value"
    if method.startswith("mimic"):
        return f"{'rescaled ' if is_rescaled(explanation) else ''}SHAP value of the surrogate"
    return "value"
