"""Margins as probabilities, and values of margins made to add up to them, as interpret-community does it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import RescaledValuesWarning

__all__ = ["expit", "scaled_to_probability", "warn_of_rescaled_values"]

Floats = NDArray[np.float64]

# Rows rescaled at a time: what is made of them stays in the cache.
BLOCK_ROWS = 512


def expit(margin: Floats) -> Floats:
    """1 / (1 + exp(-margin)), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * margin)))


def warn_of_rescaled_values(of_what: str, output: str, base: str, stacklevel: int) -> None:
    """Say what ``shap_values_output="probability"`` gives, to a user who takes it for probabilities.

    Parameters
    ----------
    of_what : str
        Whose margins they are.
    output : str
        ``shap_values_output``.
    base : str
        What the base value is.
    stacklevel : int
        Frames between the warning and the user's call, as `warnings.warn` counts them.
    """
    warnings.warn(
        f"shap_values_output={str(output)!r} stretches the values of {of_what}'s margins until they add up to the "
        f"probability, as interpret-community does; {base}. They are no Shapley values of the probability: they may "
        "exceed 1, and differ in sign and order from those of the margin. KernelExplainer(model, rows) explains the "
        "probability itself; leave shap_values_output out for the margin.",
        RescaledValuesWarning,
        stacklevel=stacklevel + 1,
    )


def scaled_to_probability(
    values: NDArray[np.floating[Any]], base_values: NDArray[np.floating[Any]], probabilities: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spread what is missing to each probability over the features, in proportion to |value|.

    For a row and a class, with v its values, e the base value and p the probability, the error ``p - sum(v) - e`` is
    shared out in proportion to ``|v|``, up to ``sum(|v|)`` in size; what is left of it goes to all features alike. No
    Shapley values of the probability: `KernelExplainer` has those.

    Parameters
    ----------
    values : array of shape (n_rows, n_features, n_outputs)
        In margin units. A single output with the probabilities of two classes is the margin of class 1: that of class
        0 is its negative.
    base_values : array of shape (n_outputs,)
        In whatever units they are to be shown: margins as `TreeExplainer` has them, or probabilities.
    probabilities : array of shape (n_rows, n_classes)
        What values and base value of each class are to add up to.

    Returns
    -------
    values : float64 array of shape (n_rows, n_features, n_classes)
        A new array: ``values.sum(axis=1) + base_values`` equals the probabilities up to rounding.
    base_values : float64 array of shape (n_classes,)
        As given, [-e, e] for a single margin.

    Raises
    ------
    ValueError
        The shapes contradict each other.
    """
    n_rows, n_features, n_outputs = values.shape
    single_margin = n_outputs == 1 and probabilities.shape[1:] == (2,)
    if np.shape(base_values) != (n_outputs,) or probabilities.shape != (n_rows, 2 if single_margin else n_outputs):
        raise ValueError(
            f"values have shape {values.shape}, base_values {np.shape(base_values)} and probabilities "
            f"{probabilities.shape}; expected (n_rows, n_features, n_outputs), (n_outputs,) and (n_rows, n_classes)."
        )
    signs = np.array([-1.0, 1.0]) if single_margin else np.ones(n_outputs)
    base = np.asarray(base_values, dtype=np.float64) * signs
    scaled = np.empty((n_rows, n_features, len(signs)))
    for start in range(0, n_rows, BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        for k in range(n_outputs):
            # one class's values side by side: sums over them are several times as fast
            block = np.array(values[rows, :, k], dtype=np.float64)
            sizes, total = np.abs(block), block.sum(axis=1)
            for target in (0, 1) if single_margin else (k,):
                error = probabilities[rows, target] - signs[target] * total - base[target]
                scaled[rows, :, target] = _corrected(signs[target] * block, sizes, error)
    return scaled, base


def _corrected(values: Floats, sizes: Floats, error: Floats) -> Floats:
    """Values (n_rows, n_features) with their error shared out, first by their `sizes`."""
    size = sizes.sum(axis=1)
    shared = np.clip(error, -size, size)
    corrected: Floats = sizes * (shared / np.where(size > 0, size, 1.0))[:, None]
    corrected += values
    corrected += ((error - shared) / values.shape[1])[:, None]
    return corrected
