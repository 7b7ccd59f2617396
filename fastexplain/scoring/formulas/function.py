"""A formula as a function that the engine sees through, as it does with a model of a library."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.known import FormulaModel, register

__all__ = ["StoredFunction", "stored_formula"]


class StoredFunction:
    """What predicts by a formula alone.

    Parameters
    ----------
    model : FormulaModel
    """

    def __init__(self, model: FormulaModel) -> None:
        self.model = model

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Outputs (n_rows, n_outputs) of rows as the formula takes them."""
        return self.model.predict(rows)


def stored_formula(owner: Any, method: str | None, background: Any) -> FormulaModel | None:
    """Loader: the formula of a `StoredFunction`."""
    found: FormulaModel | None = owner.model if method == "predict" else None
    return found


register(f"{__name__}.StoredFunction", f"{__name__}:stored_formula")
