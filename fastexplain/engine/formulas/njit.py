"""Users' functions compiled by Numba (``@njit``): called inside the loop over coalitions, without the GIL."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.formulas.known import (
    Columns,
    FormulaModel,
    Game,
    as_float64,
    equal_weights,
    is_numeric,
    player_of_columns,
)

__all__ = ["NjitModel", "is_njit", "njit_formula", "njit_predict"]

Float = NDArray[np.float64]


class _Form(NamedTuple):
    """How a compiled function is called: on a matrix or on one row; and what it returns for each row."""

    by_matrix: bool
    n_outputs: int


class NjitModel(FormulaModel):
    """A compiled function of one row, or of a matrix.

    Attributes
    ----------
    function : Numba dispatcher
    by_matrix : bool
    """

    path = "njit"
    rtol = 1e-12

    def __init__(self, function: Any, n_features: int, form: _Form) -> None:
        self.function, self.by_matrix, self.n_outputs = function, form.by_matrix, form.n_outputs
        self.n_features = n_features

    def predict(self, X: Float) -> Float:
        if self.by_matrix:
            return np.asarray(self.function(X), dtype=np.float64).reshape(len(X), -1)
        from fastexplain.engine.formulas.numba_fused import predict_rows

        return predict_rows(self.function, X, self.n_outputs)

    def bind(self, background: Float, weights: Float | None = None, groups: Columns | None = None) -> Game:
        return _Game(self, background, equal_weights(len(background), weights), groups)


class _Game(Game):
    def __init__(self, model: NjitModel, background: Float, weights: Float, groups: Columns | None) -> None:
        self._model, self._background, self._weights = model, background, weights
        self._player = player_of_columns(groups, model.n_features)

    def coalition_values(
        self, x: Float, masks: NDArray[np.bool_], *, n_threads: int | None = None, backend: str | None = None
    ) -> Float:
        from fastexplain.engine.formulas.numba_fused import coalition_means

        model = self._model
        # Numba's own threads abort when entered from several of ours.
        n_threads = 1 if model.function.targetoptions.get("parallel") else resolve_num_threads(n_threads)
        return coalition_means(
            model.function,
            model.by_matrix,
            np.ascontiguousarray(x),
            self._background,
            self._weights,
            np.ascontiguousarray(masks[:, self._player]),
            model.n_outputs,
            n_threads,
        )


def is_njit(function: Any) -> bool:
    """Whether Numba compiled it; asked without importing Numba."""
    return any(
        f"{cls.__module__}.{cls.__name__}" == "numba.core.registry.CPUDispatcher" for cls in type(function).__mro__
    )


def njit_predict(function: Any, rows: Any) -> Any:
    """Call a compiled function on rows, be it written for a matrix or for one row.

    Raises
    ------
    TypeError
        The function can be compiled for neither.
    """
    if not is_numeric(rows):
        return function(rows)
    X = as_float64(rows)
    form = _form(function, X)
    if form is None:
        raise TypeError(
            "This @njit function can be compiled neither for a row (1-D float64 array) that gives a number, an array "
            "or a tuple, nor for a matrix (2-D float64 array) that gives a number or row of numbers per row."
        )
    return NjitModel(function, X.shape[1], form).predict(X)


def njit_formula(owner: Any, method: str | None, background: Any) -> FormulaModel | None:
    """Loader: functions compiled by Numba."""
    if not is_njit(owner) or not is_numeric(background):
        return None
    X = as_float64(background)
    form = _form(owner, X)
    return None if form is None else NjitModel(owner, X.shape[1], form)


def _form(function: Any, X: Float) -> _Form | None:
    """Decided by what can be compiled: a row that gives a number, a matrix with a result of its length, other rows.

    (A function of matrices that gives a number for a row, such as ``X @ w``, means the same both ways.)
    """
    from numba import types

    of_row = _return_type(function, 1)
    if isinstance(of_row, types.Number | types.Boolean):
        return _Form(False, 1)
    if isinstance(of_row, types.UniTuple):
        return _Form(False, of_row.count)
    of_matrix = _return_type(function, 2)
    if isinstance(of_matrix, types.Array) and of_matrix.ndim in (1, 2) and len(X):
        # More rows than columns: a function of one row, called on a matrix, stays inside it, and is told by its length.
        rows = np.resize(X, (max(len(X), X.shape[1]) + 1, X.shape[1]))
        result = np.asarray(function(rows))
        if len(result) == len(rows):
            return _Form(True, 1 if result.ndim == 1 else result.shape[1])
    if isinstance(of_row, types.Array) and of_row.ndim == 1 and len(X):
        return _Form(False, len(function(X[0].copy())))
    return None


def _return_type(function: Any, ndim: int) -> Any:
    """What the function returns for a float64 array; None where it cannot be compiled for one."""
    from numba import types
    from numba.core.errors import NumbaError

    for layout in ("C", "A"):
        argument = (types.Array(types.float64, ndim, layout),)
        if argument not in function.overloads:
            try:
                function.compile(argument)
            except (
                NumbaError,
                RuntimeError,
                TypeError,
            ):  # not typed for it, of other arguments, or declared for other signatures only
                continue
        return function.overloads[argument].signature.return_type
    return None
