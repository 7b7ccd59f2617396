"""``l1_reg``: which players keep a value, chosen by the lasso as `shap.KernelExplainer` does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.kernel.wls import Estimate, WeightedLeastSquares

__all__ = ["checked_l1_reg", "selected_wls"]

# Choices that are made again to see how sure one is.
_REDRAWS = 4
# Part of the largest value that counts as none.
_NOTHING = 1e-9

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

    Notes
    -----
    Standard errors allow for the choice itself: it is made again for values that differ by their errors, and what the
    players are worth there and here adds to the errors.
    """
    choice = _Choice(signs, weights, y, l1_reg)
    full = WeightedLeastSquares(signs, weights, drawn_share)
    everyone = full.solve(y, total)
    doubt = full.standard_errors(y, everyone)
    shifts = np.random.Generator(np.random.Philox(0)).normal(size=(_REDRAWS, len(doubt)))
    values, errors = np.zeros((2, signs.shape[1], y.shape[1]))
    for game in range(y.shape[1]):
        one, sum_ = y[:, [game]], total[[game]]
        kept = choice.of(game, everyone[:, game])
        if len(kept):  # none for a constant game, or a penalty that leaves nothing: zeros, as in shap
            solver = WeightedLeastSquares(signs[:, kept], weights, drawn_share)
            values[kept, game] = solver.solve(one, sum_)[:, 0]
            errors[kept, game] = solver.standard_errors(one, values[kept][:, [game]])[:, 0]
        spread = np.zeros(len(values))
        for shift in shifts * doubt[:, game]:
            again = choice.of(game, everyone[:, game] + shift, shift)
            if np.array_equal(again, kept):
                continue
            other = np.zeros(len(values))
            if len(again):
                other[again] = WeightedLeastSquares(signs[:, again], weights).solve(one, sum_)[:, 0]
            spread += (other - values[:, game]) ** 2 / len(shifts)
        errors[:, game] = np.sqrt(errors[:, game] ** 2 + spread)
    return Estimate(values, errors)


class _Choice:
    """Which players the lasso keeps."""

    def __init__(
        self,
        signs: NDArray[np.float64],
        weights: NDArray[np.float64],
        y: NDArray[np.float64],
        l1_reg: Any,
    ) -> None:
        self._root = np.sqrt(weights)
        self._half, self._y, self._l1_reg = signs / 2, y, l1_reg

    def of(self, game: int, values: NDArray[np.float64], shift: NDArray[np.float64] | None = None) -> Any:
        """Kept players of a game whose players are worth `values` by least squares on all of them.

        `shift` is what these differ by from the game's own.
        """
        y = self._y[:, game] if shift is None else self._y[:, game] + self._half @ shift
        if not y.any():
            return np.empty(0, dtype=np.intp)
        if isinstance(self._l1_reg, tuple):
            return _most_angular(values, self._l1_reg[1])
        return _penalised(self._root[:, None] * self._half, self._root * y, self._l1_reg)


def _most_angular(values: NDArray[np.float64], k: int) -> NDArray[np.intp]:
    """The first k players that least-angle regression adds, given all coalitions of a game with these values.

    shap's regression has a row z_S of weight w(S) (n - |S|) and a row z_S - 1 of weight w(S) |S| for each coalition S,
    w being the Shapley kernel: its Gram matrix over all coalitions is n I + (n - 2) 1 1^T, times a constant, and its
    minimum is where the values are those of the constrained regression. A player of value 0 is not needed.
    """
    from sklearn.linear_model import lars_path_gram

    players = np.flatnonzero(np.abs(values) > _NOTHING * np.abs(values).max())
    if len(players) <= k:
        return players
    n = len(values)
    gram = n * np.eye(len(players)) + (n - 2)
    size = np.abs(values).max()
    active = lars_path_gram(gram @ (values[players] / size), gram, n_samples=n, max_iter=k, return_path=False)[1]
    return np.sort(players[np.asarray(active, dtype=np.intp)])


def _penalised(A: NDArray[np.float64], b: NDArray[np.float64], l1_reg: Any) -> NDArray[np.intp]:
    from sklearn.linear_model import Lasso, LassoLarsIC

    if isinstance(l1_reg, str):
        criterion = "bic" if l1_reg == "bic" else "aic"
        return np.flatnonzero(LassoLarsIC(criterion=criterion, fit_intercept=False).fit(A, b).coef_)
    # In shap's terms: its rows are coalitions and their copies, with weights that sum to the number of players.
    alpha = l1_reg * 4 * len(A) / A.shape[1]
    return np.flatnonzero(Lasso(alpha=alpha, fit_intercept=False).fit(A, b).coef_)
