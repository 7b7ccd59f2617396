"""Shapley values of any model's predictions: Kernel SHAP, exact wherever that is affordable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.arguments import seed_number, whole_number
from fastexplain.engine.backends import select_backend
from fastexplain.engine.background import as_background
from fastexplain.engine.kernel.coalition_games import BlackBoxGame, CoalitionGame
from fastexplain.engine.kernel.masking import MaskedRowBuilder, copied, make_builder
from fastexplain.engine.kernel.sampling import METHODS, Rules, play
from fastexplain.engine.kernel.selection import checked_l1_reg
from fastexplain.engine.links import identity, resolve_link
from fastexplain.engine.predict import PredictFunction
from fastexplain.engine.progress import Bar, progress
from fastexplain.engine.shown import result_repr
from fastexplain.rows.tables import slice_rows

if TYPE_CHECKING:
    from fastexplain.engine.background import Background
    from fastexplain.engine.formulas.find import Formula, FormulaMemory
    from fastexplain.engine.formulas.known import FormulaModel, Game

__all__ = ["KernelShapResult", "formula_kernel_shap", "kernel_shap", "remembering_kernel_shap", "subset_kernel_shap"]

_CHUNK_BYTES = 64 * 2**20
# Masked rows of one explained row that are predicted as fast as a formula is found for that row's own background.
_FEW_MASKED_ROWS = 4096


class KernelShapResult(NamedTuple):
    """What `kernel_shap` returns.

    Attributes
    ----------
    values : float64 array of shape (n_rows, n_features, n_outputs)
        Attributions in the units of the link; one per group where `groups` were given.
    base_values : float64 array of shape (n_outputs,)
        Link of the mean prediction over the background.
    standard_errors : float64 array of shape (n_rows, n_features, n_outputs)
        Of `values`; 0 where they are exact. ``values +- 1.96 * standard_errors`` are 95% intervals.
    n_evaluations : int array of shape (n_rows,)
        Coalitions evaluated for each row, each over the whole background; 0 where a closed form was used.
    converged : bool array of shape (n_rows,)
        Whether every standard error of the row is within the tolerance.
    method : str
        What ran: ``"exact"``, ``"odd_gp"``, ``"wls"`` or ``"permutation"``; for models with a known formula the
        formula, such as ``"product_form"``, or ``"svc_platt+odd_gp"`` where the formula replaced only the model's
        predict. ``"... of decision_function"`` where a model was given that has no probabilities.
    """

    values: NDArray[np.float64]
    base_values: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    n_evaluations: NDArray[np.int64]
    converged: NDArray[np.bool_]
    method: str

    def __repr__(self) -> str:
        return result_repr(self, self._fields)


def kernel_shap(
    model_or_predict: Any,
    X: Any,
    background: Any,
    *,
    weights: Any = None,
    groups: Sequence[Sequence[int | str]] | Mapping[Any, Sequence[int | str]] | None = None,
    link: Any = "identity",
    n_samples: int | str = "auto",
    tol: float = 0.01,
    l1_reg: Any = False,
    seed: int = 0,
    n_threads: int | None = None,
    method: str = "auto",
    see_through: bool = True,
    chunk_bytes: int = _CHUNK_BYTES,
    backend: str | None = None,
    show_progress: bool | None = None,
) -> KernelShapResult:
    """Shapley values of any model's predictions, hidden features being drawn from background rows.

    Each row is a game: v(S) is the mean, over the background, of the prediction with the features in S taken from the
    row and the others from the background row. Players whose values equal those of every background row get exactly 0.
    Games are solved exactly where that is affordable: by formula for models whose formula is known (linear, kernel
    machines, naive Bayes and others), by enumeration for up to 14 features, and for each background row that differs
    from the row in few features. Elsewhere coalitions are sampled until the standard errors are small.

    Parameters
    ----------
    model_or_predict : object
        A fitted classifier (explained by ``predict_proba``; one that has none, by the margins of its
        ``decision_function``, as an outlier detector), any other fitted model (by ``predict``), or a callable that
        takes rows as X has them and returns (n_rows,) or (n_rows, n_outputs). Pipelines and searches are what their
        last step is.
    X : array, table or CSR matrix of shape (n_rows, n_features)
        Rows to explain. NumPy, pandas (dtypes and categories are kept), polars, pyarrow or SciPy's sparse rows; the
        model is given masked rows of the same kind.
    background : array, table or CSR matrix of shape (n_background, n_features), or Background
        What hidden features are drawn from: 50 to 200 rows, or `summarize_background` of more, whose mean prediction
        may be another than that of the rows; `KernelExplainer` chooses rows for which it is not. The cost is
        proportional.
    weights : array of shape (n_background,), optional
        Weights of the background rows; default: those of the `Background`, else equal.
    groups : sequence of sequences of int or str, or mapping of them, optional
        Columns, by position or name, that are one player each: a partition of all columns.
    link : {"identity", "logit"}, default "identity"
        Applied to the mean prediction of each coalition, as `shap.KernelExplainer` does.
    n_samples : int or "auto", default "auto"
        Most coalitions evaluated per row, each over the whole background. ``"auto"``: ``2 * n_features + 2048``, and
        enumeration of games of up to 14 players. A row stops earlier when it meets `tol`.
    tol : float, default 0.01
        A row is done when its largest standard error is below `tol` times the range of its values. 0 uses all of
        `n_samples`.
    l1_reg : False, "num_features(k)", "aic", "bic", "auto" or float, default False
        Keep only the features that a lasso chooses, in the forms of shap; others get 0. Implies ``method="wls"``.
    seed : int, default 0
        The same seed gives the same values, for any number of threads and any chunk size (but for the rounding of a
        model whose own predict depends on how many rows it gets).
    n_threads : int, optional
        Threads that build masked rows and compute formulas. How many the model uses is its own affair.
    method : {"auto", "exact", "odd_gp", "wls", "permutation"}, default "auto"
        ``"auto"`` is exact where affordable and else ``"odd_gp"``: Gaussian-process regression on the odd part of the
        game, with a least-squares step on what it leaves. ``"wls"`` is Kernel SHAP's weighted least squares on the same
        paired coalitions, ``"permutation"`` antithetic permutation sampling, ``"exact"`` enumeration.
    see_through : bool, default True
        Use a formula in place of predict where the model's is known and, on probe rows, the same as its predict.
    chunk_bytes : int, default 64 MiB
        Memory for masked rows.
    backend : {"native", "numba"}, optional
        None: ``FASTEXPLAIN_BACKEND``, else the compiled core where there is one.
    show_progress : bool, optional
        A progress bar over the rows where standard error is a terminal, and in notebooks; None shows it once the call
        has taken a second.

    Returns
    -------
    KernelShapResult
        ``values`` (n_rows, n_features, n_outputs), ``base_values`` (n_outputs,), ``standard_errors``,
        ``n_evaluations``, ``converged`` and ``method``. For every row and output ``values.sum(axis=1) + base_values``
        is the link of the prediction, to rounding.

    Raises
    ------
    PredictionError
        The function raised (its exception is the cause), or returned the wrong number of rows, a changing number of
        columns, or something that is not finite; the message names the function and the shapes. Or it answers
        differently when it is asked for the same rows again.
    ValueError
        Shapes, names, weights or options do not fit; `n_samples` is less than two per player; ``link="logit"`` meets
        predictions outside [0, 1].
    TypeError
        The model can neither predict nor be called, or predicts labels alone.

    Notes
    -----
    Lundberg and Lee 2017 for the game; Musco and Witter 2025 for the sampling design (paired leverage scores, without
    replacement). The estimator is described in ``engine/kernel/odd_gp.py``; its standard errors are model-based and can
    be too small for games without smoothness, such as votes against a threshold. Memory: `chunk_bytes`, the result, and
    at most about 100 MB for the values of the coalitions under way. Rows that are explained together share their
    coalitions and hyper-parameters, so a row's sampled values may depend, within their errors, on the rows beside it.

    Examples
    --------
    >>> import fastexplain
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SVC().fit(X, y)
    >>> background = fastexplain.summarize_background(X, 10)
    >>> result = fastexplain.kernel_shap(model.decision_function, X[:5], background)
    >>> result.values.shape
    (5, 4, 3)
    """
    rules = _rules(link, n_samples, tol, l1_reg, seed, n_threads, method, backend)
    options = _checked(model_or_predict, X, background, weights, groups, rules, chunk_bytes, show_progress)
    formula = None
    if see_through:
        from fastexplain.engine.formulas.find import find_formula

        formula = find_formula(*options.game(), n_threads=rules.n_threads, backend=rules.backend)
    return _explained(model_or_predict, options, formula)


def remembering_kernel_shap(
    memory: FormulaMemory,
    model_or_predict: Any,
    X: Any,
    background: Any,
    *,
    groups: Any = None,
    weights: Any = None,
    link: Any = "identity",
    n_samples: int | str = "auto",
    tol: float = 0.01,
    seed: int = 0,
    n_threads: int | None = None,
    show_progress: bool | None = None,
) -> KernelShapResult:
    """`kernel_shap` for an explainer: the model's formula is kept in `memory`, for the same background and groups."""
    rules = _rules(link, n_samples, tol, False, seed, n_threads, "auto", None)
    options = _checked(model_or_predict, X, background, weights, groups, rules, _CHUNK_BYTES, show_progress)
    formula = memory.find(*options.game(), n_threads=rules.n_threads, backend=rules.backend)
    return _explained(model_or_predict, options, formula)


def _checked(
    model_or_predict: Any,
    X: Any,
    background: Any,
    weights: Any,
    groups: Any,
    rules: Rules,
    chunk_bytes: Any,
    show_progress: bool | None,
) -> _Options:
    predict = PredictFunction(model_or_predict)
    rows, background_weights = as_background(background, weights)
    builder = make_builder(X, rows, n_threads=rules.n_threads, backend=rules.backend)
    players = _players(groups, builder)
    return _Options(
        rules, predict, builder, players, background_weights, whole_number(chunk_bytes, "chunk_bytes"), show_progress
    )


def _explained(model_or_predict: Any, options: _Options, formula: Formula | None) -> KernelShapResult:
    with progress(options.builder.n_rows, "kernel_shap", options.show_progress) as bar:
        result = _by_sampling(options, bar) if formula is None else _by_formula(options, formula, bar)
    if options.predict.method == "decision_function" and options.predict.owner is model_or_predict:
        return result._replace(method=f"{result.method} of decision_function")
    return result


def formula_kernel_shap(
    model: FormulaModel,
    game: Game,
    X: NDArray[np.float64],
    background: Background,
    without: NDArray[np.float64],
    players: list[NDArray[np.intp]],
    path: str,
    *,
    link: Any = "identity",
    n_samples: int | str = "auto",
    tol: float = 0.01,
    seed: int = 0,
    n_threads: int | None = None,
    show_progress: bool | None = False,
) -> tuple[KernelShapResult, NDArray[np.float64]]:
    """`kernel_shap` by a formula that was found before: for a model that is not there any more.

    Parameters
    ----------
    model : FormulaModel
    game : Game
        The model's, bound to `background` and `players`.
    X : float64 array of shape (n_rows, n_encoded)
        As the formula takes rows.
    background : Background
        Of such rows; weights sum to 1.
    without : float64 array of shape (n_background, n_outputs)
        What the model itself predicted for the background.
    players : list of int arrays
        Columns of each player; one that has none is worth 0.
    path : str
        As `kernel_shap` names the formula.
    link, n_samples, tol, seed, n_threads, show_progress
        As in `kernel_shap`.

    Returns
    -------
    result : KernelShapResult
        Bit for bit that of `kernel_shap` with the model itself.
    outputs : float64 array of shape (n_rows, n_outputs)
        The formula's predictions.
    """
    from fastexplain.engine.formulas.find import Formula

    rules = _rules(link, n_samples, tol, False, seed, n_threads, "auto", None)
    builder = make_builder(X, background.data, n_threads=rules.n_threads, backend=rules.backend)
    full = model.predict(builder.X)
    predict = PredictFunction.named(model.predict, path)
    formula = Formula(path, builder, predict, players, game, (without, full), model)
    options = _Options(rules, predict, builder, players, background.weights, _CHUNK_BYTES, show_progress)
    with progress(builder.n_rows, "kernel_shap", show_progress) as bar:
        return _by_formula(options, formula, bar), full


def subset_kernel_shap(
    model_or_predict: Any,
    X: Any,
    background: Any,
    columns: NDArray[np.intp],
    *,
    weights: Any = None,
    link: Any = "identity",
    n_samples: int | str = "auto",
    tol: float = 0.01,
    seed: int = 0,
    n_threads: int | None = None,
    show_progress: bool | None = None,
) -> KernelShapResult:
    """Shapley values of some columns; all others are the explained row's own in every coalition.

    Rows share calls of the model, as in `kernel_shap`. A model of a known formula is played row by row instead, unless
    there are few coalitions: its background is another for each row.

    Parameters
    ----------
    columns : int array of shape (n_columns,)
        All different.
    others
        As in `kernel_shap`.

    Returns
    -------
    KernelShapResult
        Of the columns, in their order. ``base_values`` are NaN: they differ from row to row.
    """
    rules = _rules(link, n_samples, tol, False, seed, n_threads, "auto", None)
    predict = PredictFunction(model_or_predict)
    rows, background_weights = as_background(background, weights)
    builder = make_builder(X, rows, n_threads=rules.n_threads, backend=rules.backend)
    kept = ~np.isin(np.arange(builder.n_columns), columns)
    few = 2.0 ** len(columns) * builder.n_background <= _FEW_MASKED_ROWS
    if not few and _has_game(predict, builder, background_weights, rules):
        again: dict[str, Any] = {"link": link, "n_samples": n_samples, "tol": tol, "seed": seed, "n_threads": n_threads}
        with progress(builder.n_rows, "kernel_shap", show_progress) as bar:
            return _row_by_row(model_or_predict, builder, kept, columns, bar, weights=background_weights, **again)
    players = [np.array([column], dtype=np.intp) for column in columns]
    options = _Options(rules, predict, builder, players, background_weights, _CHUNK_BYTES, show_progress)
    with progress(builder.n_rows, "kernel_shap", show_progress) as bar:
        return _by_sampling(options, bar, kept)


def _has_game(predict: PredictFunction, builder: MaskedRowBuilder, weights: NDArray[np.float64], rules: Rules) -> bool:
    """Whether the values of coalitions follow from a known formula."""
    from fastexplain.engine.formulas.find import find_formula

    settings: dict[str, Any] = {"n_threads": rules.n_threads, "backend": rules.backend}
    formula = find_formula(predict, builder, _players(None, builder), weights, **settings)
    return formula is not None and formula.game is not None


def _row_by_row(
    model_or_predict: Any,
    builder: MaskedRowBuilder,
    kept: NDArray[np.bool_],
    columns: NDArray[np.intp],
    bar: Bar,
    **options: Any,
) -> KernelShapResult:
    """Each row by itself, with background rows that have its own values in the kept columns."""
    nobody = np.zeros(builder.n_background, dtype=np.int32)
    every_background = np.arange(builder.n_background, dtype=np.int32)
    results = []
    for i in range(builder.n_rows):
        background = builder.build(kept[np.newaxis], nobody + np.int32(i), nobody, every_background)
        with bar.part(1):
            results.append(kernel_shap(model_or_predict, slice_rows(builder.X, i, i + 1), background, **options))
    values = np.concatenate([result.values[:, columns] for result in results])
    return KernelShapResult(
        values,
        np.full(values.shape[2], np.nan),
        np.concatenate([result.standard_errors[:, columns] for result in results]),
        np.concatenate([result.n_evaluations for result in results]),
        np.concatenate([result.converged for result in results]),
        results[0].method,
    )


class _Options(NamedTuple):
    """One call's arguments, checked."""

    rules: Rules
    predict: PredictFunction
    builder: MaskedRowBuilder
    players: list[NDArray[np.intp]]
    weights: NDArray[np.float64]
    chunk_bytes: int
    show_progress: bool | None

    def game(self) -> tuple[PredictFunction, MaskedRowBuilder, list[NDArray[np.intp]], NDArray[np.float64]]:
        """What a formula is found for."""
        return self.predict, self.builder, self.players, self.weights


def _by_sampling(options: _Options, bar: Bar, kept: NDArray[np.bool_] | None = None) -> KernelShapResult:
    """Ask the model for every coalition; `kept` columns are the row's own in each."""
    game = BlackBoxGame(
        options.builder,
        options.predict,
        options.players,
        options.weights,
        chunk_bytes=options.chunk_bytes,
        backend=options.rules.backend,
        kept=kept,
    )
    played = _played(game, options, bar)
    return played if kept is None else played._replace(base_values=np.full_like(played.base_values, np.nan))


def _by_formula(options: _Options, formula: Formula, bar: Bar) -> KernelShapResult:
    """Closed form, else the formula's coalition values, else what is left of the model."""
    rules, builder, predict = options.rules, options.builder, options.predict
    if formula.game is None:
        left = options._replace(builder=formula.builder, predict=formula.predict, players=formula.players)
        return _prefixed(_by_sampling(left, bar), formula.path)
    settings: dict[str, Any] = {"n_threads": rules.n_threads, "backend": rules.backend}
    if formula.predictions is None:
        without = predict(copied(builder.background), builder.n_background)
        full = predict(copied(builder.X), builder.n_rows, without.shape[1])
    else:
        without, full = formula.predictions
    base_values = options.weights @ without
    if rules.linear_link and rules.method in ("auto", "exact") and not rules.l1_reg:
        values = formula.shap_values(full, base_values, bar, **settings)
        if values is not None:
            return KernelShapResult(
                values,
                base_values,
                np.zeros_like(values),
                np.zeros(len(values), dtype=np.int64),
                np.ones(len(values), dtype=bool),
                formula.path,
            )
    game = formula.formula_game(options.weights, without, **settings)
    assert game is not None
    return _prefixed(_played(game, options, bar), formula.path)


def _prefixed(result: KernelShapResult, path: str) -> KernelShapResult:
    return result._replace(method=f"{path}+{result.method}")


def _played(game: CoalitionGame, options: _Options, bar: Bar) -> KernelShapResult:
    base_values = options.rules.link(options.weights @ game.without_of(0))
    played = play(game, options.rules, bar)
    return KernelShapResult(
        played.values,
        base_values,
        played.standard_errors,
        played.n_evaluations,
        played.converged,
        played.estimator,
    )


def _rules(
    link: Any,
    n_samples: Any,
    tol: Any,
    l1_reg: Any,
    seed: Any,
    n_threads: int | None,
    method: str,
    backend: str | None,
) -> Rules:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
    resolved = resolve_link(link)
    return Rules(
        method=method,
        n_samples=_budget(n_samples),
        tol=_tolerance(tol),
        l1_reg=_l1_reg(l1_reg, method),
        link=resolved,
        linear_link=resolved is identity,
        seed=seed_number(seed),
        n_threads=resolve_num_threads(n_threads),
        backend=select_backend(backend),
    )


def _budget(n_samples: Any) -> int | None:
    is_auto = isinstance(n_samples, str) and n_samples == "auto"
    return None if is_auto else whole_number(n_samples, "n_samples", 2, or_else="'auto'")


def _tolerance(tol: Any) -> float:
    if isinstance(tol, bool) or not isinstance(tol, int | float | np.number) or not 0 <= tol < np.inf:
        raise ValueError(f"tol must be a number of at least 0; got {tol!r}.")
    return float(tol)


def _l1_reg(l1_reg: Any, method: str) -> Any:
    checked = checked_l1_reg(l1_reg)
    if checked and method not in ("auto", "wls"):
        raise ValueError(f"l1_reg works on least squares; it cannot be combined with method={method!r}.")
    return checked


def _players(groups: Any, builder: MaskedRowBuilder) -> list[NDArray[np.intp]]:
    """Columns of each player."""
    if groups is None:
        return [np.array([j], dtype=np.intp) for j in range(builder.n_columns)]
    if not isinstance(groups, Mapping | Sequence | np.ndarray) or isinstance(groups, str):
        raise ValueError(f"groups must be a list of lists of columns, or a mapping of names to them; got {groups!r}.")
    listed = list(groups.values()) if isinstance(groups, Mapping) else list(groups)
    positions = {name: j for j, name in enumerate(builder.column_names or [])}
    players: list[NDArray[np.intp]] = []
    owner: dict[int, int] = {}
    for i, group in enumerate(listed):
        if isinstance(group, str) or not isinstance(group, Sequence | np.ndarray) or not len(group):
            raise ValueError(f"groups holds {group!r} at position {i}; expected a list of columns, not empty.")
        columns = [_column(item, positions, builder) for item in group]
        for column in columns:
            if column in owner:
                raise ValueError(f"Column {column} is in groups {owner[column]} and {i}; it can be in one only.")
            owner[column] = i
        players.append(np.array(columns, dtype=np.intp))
    missing = [j for j in range(builder.n_columns) if j not in owner]
    if missing:
        raise ValueError(
            f"groups must hold every column; {len(missing)} are in none, the first is column {missing[0]}. "
            "Give it a group of its own."
        )
    return players


def _column(item: Any, positions: Mapping[Any, int], builder: MaskedRowBuilder) -> int:
    if item in positions:
        return positions[item]
    if isinstance(item, bool) or not isinstance(item, int | np.integer) or not 0 <= item < builder.n_columns:
        raise ValueError(
            f"groups names column {item!r}; expected column names, or positions in 0..{builder.n_columns - 1}."
        )
    return int(item)
