"""shap's link functions, to be passed as ``link=``."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["identity", "logit"]


def identity(x: Any) -> Any:
    """Explain the output itself."""
    return x


def logit(x: Any) -> Any:
    """Explain the log-odds of a probability: log(p / (1 - p))."""
    return np.log(x / (1 - x))


def _logistic(x: Any) -> Any:
    from scipy.special import expit

    return expit(x)


identity.inverse = identity  # type: ignore[attr-defined]
logit.inverse = _logistic  # type: ignore[attr-defined]
