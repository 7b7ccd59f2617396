"""Links: from the mean prediction of a coalition to the units that are explained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["identity", "logit", "resolve_link"]

# Probabilities are kept so far from 0 and 1, as in shap.
_CLIP = 1e-15

Link = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def identity(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The prediction itself."""
    return values


def logit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(p / (1 - p)), p clipped to [1e-15, 1 - 1e-15].

    Raises
    ------
    ValueError
        A value is outside [0, 1].
    """
    outside = ~((values >= -1e-9) & (values <= 1 + 1e-9))
    if outside.any():
        raise ValueError(
            f"link='logit' needs probabilities, but the prediction {float(values[outside][0])!r} is outside [0, 1]. "
            "Explain predict_proba, or use link='identity'."
        )
    p = np.clip(values, _CLIP, 1 - _CLIP)
    scores: NDArray[np.float64] = np.log(p) - np.log1p(-p)
    return scores


def resolve_link(link: Any) -> Link:
    """The link of a name, ``"identity"`` or ``"logit"``, or of shap's link functions.

    Raises
    ------
    ValueError
        The link is unknown.
    """
    name = link if isinstance(link, str) else getattr(link, "__name__", None) or type(link).__name__
    known = {"identity": identity, "identitylink": identity, "logit": logit, "logitlink": logit}
    if str(name).lower() not in known:
        raise ValueError(f"link must be 'identity' or 'logit'; got {link!r}.")
    return known[str(name).lower()]
