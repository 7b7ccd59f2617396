"""``l1_reg``: which players keep a value, chosen by the lasso as `shap.KernelExplainer` does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.kernel.wls import Estimate, WeightedLeastSquares

__all__ = ["checked_l1_reg", "selected_wls"]

_FORMS = "False, 'num_features(k)', 'aic', 'bic', 'auto' or a penalty such as 0.01"


def checked_l1_reg(l1_reg: Any) -> Any:
    """False, a positive float, ``"aic"``, ``"bic"``, ``"auto"`` or ``("num_features", k)``.

    Raises
    ------
    ValueError
        It has none of shap's forms.
    """
    if l1_reg is None or l1_reg is False or (isinstance(l1_reg, int | float) and l1_reg == 0):
        return False
    if isinstance(l1_reg, str):
        form = l1_reg.strip().lower()
        if form in ("aic", "bic", "auto"):
            return form
        if form.startswith("num_features(") and form.endswith(")") and form[13:-1].strip().isdigit():
            k = int(form[13:-1])
            if k > 0:
                return "num_features", k
    elif not isinstance(l1_reg, bool) and isinstance(l1_reg, int | float | np.number) and l1_reg > 0:
        return float(l1_reg)
    raise ValueError(f"l1_reg must be {_FORMS}; got {l1_reg!r}.")


def selected_wls(
    signs: NDArray[np.float64],
    weights: NDArray[np.float64],
    drawn_share: NDArray[np.float64],
    y: NDArray[np.float64],
    total: NDArray[np.float64],
    l1_reg: Any,
) -> Estimate:
    """Least squares on the players that the lasso keeps; all others get 0.

    Parameters
    ----------
    signs, weights, drawn_share, y, total
        As in `fastexplain.engine.kernel.odd_gp.odd_gp`.
    l1_reg
        As `checked_l1_reg` returns it; ``"auto"`` is ``"aic"``.
    """
    values, errors = np.zeros((2, signs.shape[1], y.shape[1]))
    root = np.sqrt(weights)[:, None]
    for game in range(y.shape[1]):
        kept = _kept(root * signs / 2, root[:, 0] * y[:, game], l1_reg)
        if not len(kept):  # a constant game, or a penalty that leaves nothing: zeros, as in shap
            continue
        solver = WeightedLeastSquares(signs[:, kept], weights, drawn_share)
        one, sum_ = y[:, [game]], total[[game]]
        values[kept, game] = solver.solve(one, sum_)[:, 0]
        errors[kept, game] = solver.standard_errors(one, values[kept][:, [game]])[:, 0]
    return Estimate(values, errors)


def _kept(A: NDArray[np.float64], b: NDArray[np.float64], l1_reg: Any) -> NDArray[np.intp]:
    from sklearn.linear_model import Lasso, LassoLarsIC, lars_path

    if not np.any(b):
        return np.empty(0, dtype=np.intp)
    if isinstance(l1_reg, tuple):
        path = lars_path(A, b, max_iter=l1_reg[1])[2]
        return np.flatnonzero(path[:, -1])
    if isinstance(l1_reg, str):
        criterion = "bic" if l1_reg == "bic" else "aic"
        return np.flatnonzero(LassoLarsIC(criterion=criterion, fit_intercept=False).fit(A, b).coef_)
    # In shap's terms: its rows are coalitions and their copies, with weights that sum to the number of players.
    alpha = l1_reg * 4 * len(A) / A.shape[1]
    return np.flatnonzero(Lasso(alpha=alpha, fit_intercept=False).fit(A, b).coef_)
