"""Models with a known formula: prediction functions that can be computed without a call of ``predict``.

One file per kind of model holds a `FormulaModel`, its `Game` and a loader; `register` names the loader by the
dotted name of the classes that it understands, and `known_formula` finds it, importing no library until one is needed.
Nothing is trusted: what a loader returns is compared with the real prediction on probe rows before it is used.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.models.agreement import agrees
from fastexplain.models.class_registry import ClassRegistry, imported
from fastexplain.rows.containers import mixed_rows
from fastexplain.rows.kinds import is_arrow, is_sparse
from fastexplain.rows.tables import take_rows

__all__ = ["FormulaModel", "Game", "KnownFormula", "Peeled", "find_model", "known_formula", "register"]

Columns = Sequence[NDArray[np.intp]]
Predict = Callable[[Any], Any]

# Probe rows: whole rows of X and of the background, and mixtures of the two.
N_WHOLE = 8
N_MIXED = 32
# Methods that a subclass of a known class must not override, unless it is of the library itself.
_PREDICTS = frozenset({"predict", "predict_proba", "decision_function", "__call__", "_decision_function"})
_TRUSTED = ("sklearn.", "torch.", "numba.", "keras.", "tensorflow.", "tf_keras.")
# A single-precision input may be computed on in single precision by the library; we always use double.
FLOAT32_RTOL = 2e-5


class Game(abc.ABC):
    """The coalition game of a `FormulaModel` on one background; immutable, and safe from several threads.

    Attributes
    ----------
    closed_form : bool
        `shap_values` gives exact Shapley values of ``v(S) = sum_b w_b f(S, b)``, where f(S, b) predicts the row that
        takes the players of S from the explained row and the others from background row b.
    """

    closed_form: bool = False

    def shap_values(
        self, X: NDArray[np.float64], *, n_threads: int | None = None, backend: str | None = None
    ) -> NDArray[np.float64]:
        """Exact Shapley values (n_rows, n_players, n_outputs) of encoded rows; only where `closed_form`."""
        raise TypeError(f"{type(self).__name__} has no closed form; use coalition_values.")

    def closed_form_rows(self, X: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Encoded rows that `shap_values` takes: all where `closed_form`, but for rows where it would be too long."""
        return np.full(len(X), self.closed_form)

    @abc.abstractmethod
    def coalition_values(
        self,
        x: NDArray[np.float64],
        masks: NDArray[np.bool_],
        *,
        n_threads: int | None = None,
        backend: str | None = None,
    ) -> NDArray[np.float64]:
        """v(S) of one encoded row.

        Parameters
        ----------
        x : float64 array of shape (n_encoded,)
        masks : bool array of shape (n_masks, n_players)
            True: the player's columns come from x.

        Returns
        -------
        float64 array of shape (n_masks, n_outputs)
        """


class FormulaModel(abc.ABC):
    """A prediction function whose formula is known, on float64 rows as the model itself sees them ("encoded" rows).

    Attributes
    ----------
    path : str
        What runs, for the explainer's ``method``: "linear", "product_form", "sine_expansion", "softmax", ...
    n_features, n_outputs : int
        Columns of encoded rows; columns of the prediction.
    rtol : float
        Largest difference from the real prediction that is still rounding, relative to the largest prediction.
    """

    path: str
    n_features: int
    n_outputs: int
    rtol: float = 1e-8

    @abc.abstractmethod
    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Our own formula: encoded rows (n_rows, n_features) to (n_rows, n_outputs)."""

    @abc.abstractmethod
    def bind(
        self,
        background: NDArray[np.float64],
        weights: NDArray[np.float64] | None = None,
        groups: Columns | None = None,
    ) -> Game:
        """The game on encoded background rows.

        Parameters
        ----------
        background : float64 array of shape (n_background, n_features)
        weights : float64 array of shape (n_background,), optional
            Of the background rows, with sum 1; None: equal.
        groups : sequence of int arrays, optional
            Columns of each player: every column in exactly one. None: every column is a player.
        """


@dataclass(frozen=True)
class Peeled:
    """What a loader returns for a wrapper (a pipeline): how to encode rows for the model inside, and that model.

    Attributes
    ----------
    encode : callable
        Rows in the user's form to float64 (n_rows, n_encoded); column by column, so that masking commutes with it.
    columns_of : list of int arrays or None
        The encoded columns of each of the user's columns; None: the same columns.
    owner, method :
        The model inside, and the method that the wrapper calls on it.
    predict : callable
        That method on encoded rows.
    path : str
        e.g. "pipeline"
    """

    encode: Callable[[Any], NDArray[np.float64]]
    columns_of: list[NDArray[np.intp]] | None
    owner: Any
    method: str | None
    predict: Predict
    path: str


@dataclass(frozen=True)
class KnownFormula:
    """A prediction function taken apart, checked against the real one.

    Attributes
    ----------
    encode : callable
        Rows in the user's form to float64 (n_rows, n_encoded).
    columns_of : list of int arrays or None
        The encoded columns of each of the user's columns; None: the same columns.
    model : FormulaModel or None
        None: transformations were peeled off, and what is left is a black box.
    predict : callable
        What is left to predict with, on encoded rows.
    path : str
    """

    encode: Callable[[Any], NDArray[np.float64]]
    columns_of: list[NDArray[np.intp]] | None
    model: FormulaModel | None
    predict: Predict
    path: str


# "module:function": a loader (owner, method, background) -> FormulaModel | Peeled | None; a class may have several,
# asked in order.
_LOADERS: ClassRegistry[list[str]] = ClassRegistry()


def register(name: str, loader: str) -> None:
    """Say which function knows the formula of a class.

    Parameters
    ----------
    name : str
        Dotted name of the class, e.g. ``"sklearn.svm._classes.SVR"``, or a prefix of it that ends with a dot.
    loader : str
        ``"fastexplain.engine.formulas.linear:linear_formula"``, a function ``(owner, method, background)`` that returns
        a `FormulaModel`, a `Peeled`, or None where it does not know the model, its options, or the method.
        ``owner`` is the function itself where no model is known; ``background`` holds rows as the owner takes them.
    """
    _LOADERS.register(name, [*(_LOADERS.get(name) or ()), loader])


register("sklearn.linear_model.", "fastexplain.engine.formulas.linear:linear_formula")
register(
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis", "fastexplain.engine.formulas.linear:linear_formula"
)
register("sklearn.svm._classes.LinearSVC", "fastexplain.engine.formulas.linear:linear_formula")
register("sklearn.svm._classes.LinearSVR", "fastexplain.engine.formulas.linear:linear_formula")
register("sklearn.cross_decomposition._pls.", "fastexplain.engine.formulas.linear:linear_formula")
register("sklearn.naive_bayes.", "fastexplain.engine.formulas.naive_bayes:naive_bayes_formula")
register("sklearn.svm._classes.", "fastexplain.engine.formulas.kernel_machine:kernel_machine_formula")
register("sklearn.kernel_ridge.KernelRidge", "fastexplain.engine.formulas.kernel_machine:kernel_machine_formula")
register("sklearn.gaussian_process._gpr.", "fastexplain.engine.formulas.kernel_machine:kernel_machine_formula")
register("sklearn.svm._classes.", "fastexplain.engine.formulas.support_vectors:support_vectors_formula")
register(
    "sklearn.neighbors._classification.KNeighborsClassifier", "fastexplain.engine.formulas.neighbors:neighbors_formula"
)
register("sklearn.neighbors._regression.KNeighborsRegressor", "fastexplain.engine.formulas.neighbors:neighbors_formula")
register("sklearn.neural_network.", "fastexplain.engine.formulas.networks:network_formula")
register("torch.nn.modules.", "fastexplain.engine.formulas.networks:network_formula")
register("sklearn.pipeline.Pipeline", "fastexplain.engine.formulas.pipeline:pipeline_formula")
register("sklearn.ensemble._voting.", "fastexplain.engine.formulas.average:average_formula")
register("sklearn.calibration.CalibratedClassifierCV", "fastexplain.engine.formulas.average:calibrated_formula")
register("sklearn.model_selection._search.", "fastexplain.engine.formulas.average:inside_formula")
register("sklearn.model_selection._search_successive_halving.", "fastexplain.engine.formulas.average:inside_formula")
register("sklearn.model_selection._classification_threshold.", "fastexplain.engine.formulas.average:inside_formula")
register("numba.core.registry.CPUDispatcher", "fastexplain.engine.formulas.njit:njit_formula")
register("keras.", "fastexplain.engine.formulas.networks:network_formula")
for _trees in (
    "lightgbm.",
    "sklearn.ensemble._forest.",
    "sklearn.ensemble._gb.",
    "sklearn.ensemble._hist_gradient_boosting.",
    "sklearn.tree._classes.",
    "xgboost.",
):
    register(_trees, "fastexplain.engine.formulas.trees:trees_formula")


def known_formula(
    owner: Any, method: str | None, predict: Predict, background: Any, X: Any = None
) -> KnownFormula | None:
    """Take a prediction function apart, if its formula is known and proves itself on probe rows.

    Parameters
    ----------
    owner : fitted model or None
        None for a plain function.
    method : {"predict", "predict_proba", "decision_function"} or None
        The method of `owner` that is explained.
    predict : callable
        The real prediction: rows in the user's form to (n,) or (n, n_outputs).
    background, X : array-like, DataFrame or sparse matrix of shape (n, n_features)
        Rows in the user's form; probe rows are made of them. X may be None.

    Returns
    -------
    KnownFormula or None
        None where nothing is recognised, the rows are not numbers, or the probe differs.

    Notes
    -----
    Exceptions of `predict` on the probe rows are the caller's: they pass.
    """
    candidates = _peel(owner if owner is not None else predict, method, background)
    if not candidates:
        return None
    probe = _probe_rows(background, X)
    single = FLOAT32_RTOL if _has_float32(probe) else 0.0
    expected: NDArray[np.float64] | None = None
    for candidate in candidates:
        if X is not None and not candidate.accepts(X):
            continue
        encoded = candidate.seen.encode(probe)
        if candidate.seen.model is not None and not np.isfinite(encoded).all():
            continue  # what a library makes of missing values is its own affair
        if expected is None:
            expected = two_dimensional(predict(probe))
        got = two_dimensional(candidate.seen.predict(encoded))
        if agrees(got, expected, max(candidate.rtol, single), apart=True):
            return candidate.seen
    return None


def find_model(owner: Any, method: str | None, background: Any = None) -> FormulaModel | None:
    """The model that a loader makes of `owner`, not compared with anything; None for wrappers and what is not known."""
    found = find(owner, method, background)
    return found if isinstance(found, FormulaModel) else None


def as_float64(rows: Any) -> NDArray[np.float64]:
    """Rows of numbers in any form (array, DataFrame, sparse matrix) as a dense C-ordered float64 array."""
    if is_sparse(rows):
        rows = rows.toarray()
    elif hasattr(rows, "to_numpy"):
        rows = rows.to_numpy()
    return np.ascontiguousarray(rows, dtype=np.float64)


def is_numeric(rows: Any) -> bool:
    """Whether every column holds numbers (or bools), so that `as_float64` keeps their meaning."""
    return all(_is_number(dtype) for dtype in _dtypes(rows))


def two_dimensional(prediction: Any) -> NDArray[np.float64]:
    """A prediction as float64 (n_rows, n_outputs); labels become NaN, which agrees with nothing."""
    values = np.asarray(prediction)
    if values.dtype.kind not in "fiub" or values.ndim not in (1, 2):
        return np.full((len(values), 1), np.nan)
    return np.asarray(values[:, None] if values.ndim == 1 else values, dtype=np.float64)


def equal_weights(n: int, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """The weights of n background rows; 1 / n for each where none are given."""
    return np.full(n, 1.0 / n) if weights is None else np.ascontiguousarray(weights, dtype=np.float64)


def player_of_columns(groups: Columns | None, n_features: int) -> NDArray[np.intp]:
    """Player of each column, shape (n_features,).

    Raises
    ------
    ValueError
        A column is in no group or in several, or there is no such column.
    """
    if groups is None:
        return np.arange(n_features)
    columns = np.concatenate([np.asarray(group, dtype=np.intp).ravel() for group in groups])
    if not np.array_equal(np.sort(columns), np.arange(n_features)):
        raise ValueError(
            f"groups must hold each of the columns 0 to {n_features - 1} exactly once; got {sorted(columns.tolist())}."
        )
    player = np.empty(n_features, dtype=np.intp)
    player[columns] = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return player


def sums_by_player(cells: NDArray[np.float64], groups: Columns | None) -> NDArray[np.float64]:
    """Sums of (n_rows, n_columns, ...) over each player's columns: (n_rows, n_players, ...).

    Not by a matrix of columns and players: with a player per column it would be quadratic in their number.
    """
    if groups is None:
        return cells
    if len(groups) == cells.shape[1] and max(map(len, groups)) == 1:
        order = np.concatenate(groups)
        return cells if np.array_equal(order, np.arange(cells.shape[1])) else cells[:, order]
    sums = np.zeros((len(cells), len(groups), *cells.shape[2:]))
    for i, columns in enumerate(groups):
        if len(columns):  # a column that the model never sees is a player without columns
            sums[:, i] = cells[:, columns].sum(axis=1)
    return sums


@dataclass(frozen=True)
class _Candidate:
    """Taken apart, not yet checked."""

    seen: KnownFormula
    rtol: float
    accepts: Callable[[Any], bool]


def find(owner: Any, method: str | None, background: Any) -> FormulaModel | Peeled | None:
    """What the registered loaders make of a model: not checked yet."""
    if not _PREDICTS.isdisjoint(getattr(owner, "__dict__", ())):
        return None  # a predict of its own
    matches = list(_LOADERS.matches(owner))
    for depth, cls in enumerate(type(owner).__mro__):  # most derived first: a subclass is taken for what it extends
        for target in [target for match in matches if match.depth == depth for target in match.value]:
            found: FormulaModel | Peeled | None = imported(target)(owner, method, background)
            if found is not None:
                return found
        if _PREDICTS.intersection(vars(cls)) and not cls.__module__.startswith(_TRUSTED):
            return None  # a subclass that predicts otherwise, if only on rows that no probe may show
    return None


def _peel(owner: Any, method: str | None, background: Any) -> list[_Candidate]:
    """What a function may be taken for, the most that can be seen of it first."""
    found = find(owner, method, background)
    if isinstance(found, Peeled):
        encoded = found.encode(background)
        inner: list[_Candidate | None] = [*_peel(found.owner, found.method, encoded), None]
        return [
            _Candidate(_compose(found, each), 1e-12 if each is None else each.rtol, lambda rows: True) for each in inner
        ]
    if found is None or not is_numeric(background):
        return []
    return [_Candidate(KnownFormula(as_float64, None, found, found.predict, found.path), found.rtol, is_numeric)]


def _compose(outer: Peeled, inner: _Candidate | None) -> KnownFormula:
    """Encode for the wrapper, then for what it wraps."""
    if inner is None:
        return KnownFormula(outer.encode, outer.columns_of, None, outer.predict, outer.path)
    seen = inner.seen
    columns = outer.columns_of
    if seen.columns_of is not None:
        own = seen.columns_of
        columns = own if columns is None else [np.concatenate([own[c] for c in each]) for each in columns]
    return KnownFormula(
        lambda rows: seen.encode(outer.encode(rows)), columns, seen.model, seen.predict, f"{outer.path}:{seen.path}"
    )


def _probe_rows(background: Any, X: Any) -> Any:
    """Whole rows of both and mixtures of them, in the form of the background."""
    if type(X) is not type(background) or isinstance(X, list | tuple):
        X = background
    n_rows = 2 * N_WHOLE + N_MIXED
    n_columns = np.shape(background)[1]
    random = np.random.Generator(np.random.Philox(0))
    from_x = random.random((n_rows, n_columns)) < random.random((n_rows, 1))
    from_x[:N_WHOLE], from_x[N_WHOLE : 2 * N_WHOLE] = True, False
    rows = random.integers(np.shape(X)[0], size=n_rows)
    background_rows = random.integers(np.shape(background)[0], size=n_rows)
    return mixed_rows(take_rows(X, rows), take_rows(background, background_rows), from_x)


def _dtypes(rows: Any) -> list[Any]:
    dtypes = getattr(rows, "dtypes", None)  # of a pandas or polars table
    if dtypes is not None:
        return list(dtypes)
    if is_arrow(rows):
        return [object]  # pyarrow: black boxes only
    return [rows.dtype if hasattr(rows, "dtype") else np.asarray(rows).dtype]


def _is_number(dtype: Any) -> bool:
    if hasattr(dtype, "is_numeric"):  # polars
        return bool(dtype.is_numeric()) or str(dtype) == "Boolean"
    return getattr(dtype, "kind", "O") in "fiub"


def _has_float32(rows: Any) -> bool:
    return any(str(dtype).lower() in ("float32", "float16") for dtype in _dtypes(rows))
