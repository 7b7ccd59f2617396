"""Do two ways to the same numbers agree? Asked on probe rows, before a formula stands in for a model's own answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["agrees", "disagreement"]


def agrees(ours: NDArray[Any], theirs: NDArray[Any], rtol: float, *, floor: float = 0.0, apart: bool = False) -> bool:
    """Whether predictions of the same rows are equal up to rounding; NaN and infinity agree with nothing.

    Parameters
    ----------
    ours, theirs : arrays of shape (n_rows, n_outputs)
    rtol : float
        Relative to the largest of `theirs`.
    floor : float, default 0
        What the largest counts as at least: 1 for predictions of which smaller differences do not matter.
    apart : bool, default False
        Each output by its own largest value, in place of that of all.
    """
    return disagreement(ours, theirs, rtol, floor=floor, apart=apart) is None


def disagreement(
    ours: NDArray[Any], theirs: NDArray[Any], rtol: float, *, floor: float = 0.0, apart: bool = False
) -> str | None:
    """Where predictions of the same rows differ most, for a message; None where they agree. Parameters of `agrees`."""
    if ours.shape != theirs.shape:
        return f"its outputs have shape {ours.shape}, and the library's {theirs.shape}"
    largest = np.abs(theirs).max(axis=0 if apart else None, initial=floor)
    tolerance = np.broadcast_to(rtol * largest + np.finfo(np.float64).tiny, theirs.shape)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        gap = np.abs(ours - theirs)
        wrong = ~((gap <= tolerance) & np.isfinite(gap))
    if not wrong.any():
        return None
    at = np.unravel_index(int(np.argmax(np.where(wrong, np.nan_to_num(gap, nan=np.inf), -1.0))), gap.shape)
    row, output = (*(int(i) for i in at), 0)[:2]
    return (
        f"on probe row {row}, output {output}, it gives {ours[at].item()!r} and the library {theirs[at].item()!r} "
        f"(tolerance {tolerance[at]:.1e})"
    )
