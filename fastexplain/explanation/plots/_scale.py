"""The scale of a picture's values in words, found by what they add up to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import FastExplainError
from fastexplain.explanation.explanation import RESCALED, RESCALED_MARGINS, Explanation
from fastexplain.explanation.plots._values import Values, has_rows, n_outputs

__all__ = ["base_suffix", "is_rescaled", "scale_words"]

# Rows whose sums are compared with the model's predictions.
_ROWS = 100
# float32 libraries predict so exactly.
_RTOL, _ATOL = 1e-4, 1e-5
# What is called, where a function was explained.
_FUNCTIONS = ("'function'", "'method'", "'builtin_function_or_method'", "'functools.partial'")


def scale_words(explanation: Explanation, label: str | None = None) -> str:
    """What base value and values add up to, e.g. "log-odds of class yes" or "prediction, in the target's units".

    A margin is called log-odds, and a regression's output its prediction, where the explained rows' sums agree with
    the model's predictions of them.

    Parameters
    ----------
    explanation : Explanation
    label : str, optional
        The class or output, where there are several.
    """
    noun, suffix = _noun_and_suffix(explanation)
    if label is None:
        return noun + suffix
    if noun == "model output" and explanation.model_task == "regression":
        return label + suffix
    return f"{noun} of {label}{suffix}"


def is_rescaled(explanation: Explanation) -> bool:
    """Whether values of a margin were rescaled to add up to a probability."""
    return explanation.units in (RESCALED, RESCALED_MARGINS)


def base_suffix(explanation: Explanation) -> str:
    """What is said of a base value that is on another scale than the output."""
    return " (margin)" if explanation.units == RESCALED_MARGINS else ""


def _noun_and_suffix(explanation: Explanation) -> tuple[str, str]:
    if is_rescaled(explanation):
        return "probability", ""
    if explanation.units == "margin" and explanation.model_task == "regression":  # the link's scale
        words = _regression_words(explanation)
        return ("margin", "") if words[0] == "model output" else words
    if explanation.units == "margin":
        return ("log-odds" if _is_log_odds(explanation) else "margin"), ""
    if explanation.units == "model output":
        return _regression_words(explanation)
    return explanation.units, ""


def _is_log_odds(explanation: Explanation) -> bool:
    if _is_of_surrogate(explanation):  # two classes: a regression of the teacher's log-odds
        return n_outputs(explanation) == 1
    sums, probabilities = _sums(explanation), _predictions(explanation)[1]
    if sums is None or probabilities is None or probabilities.ndim != 2:
        return False
    expected = probabilities[:, 1:] if sums.shape[1] == 1 and probabilities.shape[1] == 2 else probabilities
    return _agree(0.5 + 0.5 * np.tanh(0.5 * sums), expected)


def _regression_words(explanation: Explanation) -> tuple[str, str]:
    kind = explanation.model_type or ""
    if explanation.method == "shap_deep":
        return "network output", ""
    if any(name in kind for name in _FUNCTIONS) or "rank" in kind.lower():  # whatever it returns; a score
        return "model output", ""
    if _is_of_surrogate(explanation):
        return "prediction", ", in the target's units"
    sums, predictions = _sums(explanation), _predictions(explanation)[0]
    if sums is None or predictions is None:
        return "model output", ""
    expected = predictions.reshape(len(predictions), -1)
    if _agree(sums, expected):
        return "prediction", ", in the target's units"
    with np.errstate(over="ignore"):
        return ("log of the prediction" if _agree(np.exp(sums), expected) else "model output"), ""


def _is_of_surrogate(explanation: Explanation) -> bool:
    return explanation.method.startswith("mimic")


def _sums(explanation: Explanation) -> NDArray[np.float64] | None:
    """Base value and values of the first rows added up, (n_rows, n_outputs); None where they are no outputs."""
    base = explanation._base_values
    if base is None or explanation._feature_columns is not None or not has_rows(explanation):
        return None
    outputs = [Values(explanation, k) for k in range(n_outputs(explanation))]
    rows = np.arange(min(_ROWS, outputs[0].n_rows))
    return np.stack([values.totals(rows) for values in outputs], axis=1) + base


def _predictions(explanation: Explanation) -> tuple[NDArray[Any] | None, NDArray[np.float64] | None]:
    """The model's predictions of the first rows, and probabilities; None where they cannot be had."""
    try:
        known = explanation._resolved()
        predictions, probabilities = (None if each is None else np.asarray(each)[:_ROWS] for each in known)
    except (FastExplainError, ValueError, TypeError):  # the model or the rows are not what they were
        return None, None
    return predictions, probabilities


def _agree(outputs: NDArray[np.float64], expected: NDArray[Any]) -> bool:
    if outputs.shape != expected.shape or expected.dtype.kind not in "fiub":
        return False
    return bool(np.allclose(outputs, expected, rtol=_RTOL, atol=_ATOL * float(np.abs(expected).max(initial=0.0))))
