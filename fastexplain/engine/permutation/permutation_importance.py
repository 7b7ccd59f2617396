"""Permutation importance: how much worse a model predicts when a feature is taken from other rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.arguments import seed_number, whole_number
from fastexplain.engine.backends import core, select_backend
from fastexplain.engine.metrics.table import Evaluation, Metric
from fastexplain.engine.permutation.players import Player, conditional_strata, draw_permutations, find_players
from fastexplain.engine.permutation.replacement import Jobs
from fastexplain.engine.permutation.scored_metrics import ScoredMetric, score_metrics
from fastexplain.engine.permutation.statistics import Effects, block_effects, exact_effects, permuted_effects
from fastexplain.engine.predict import predicting_model
from fastexplain.engine.progress import progress
from fastexplain.engine.weights import summable
from fastexplain.rows.arrays import plain_array
from fastexplain.rows.containers import Rows, as_rows

__all__ = ["PermutationImportanceResult", "permutation_importance"]

Floats = NDArray[np.float64]
# Predictions scored together: what is made of them stays in the cache.
SCORED_VALUES = 2**18
# Features in the repr of a result.
SHOWN_FEATURES = 5


@dataclass(frozen=True, eq=False)
class PermutationImportanceResult:
    """Importances of one metric; a superset of scikit-learn's, whose keys also work: ``result["importances_mean"]``.

    Positive always means that the model needs the feature.

    Attributes
    ----------
    importances : float64 array of shape (n_features, n_repeats)
        Drop in score of each repeat (rise, for an error). Where `exact`, all repeats are the expectation.
    importances_mean, importances_std : (n_features,)
        Mean, and standard deviation over the repeats (ddof=0), as in scikit-learn.
    permutation_errors : (n_features,)
        Standard error of the mean due to the permutations drawn; 0 where `exact`, NaN with one repeat.
    sampling_errors : (n_features,)
        Standard error due to the rows in the sample.
    standard_errors : (n_features,)
        Both together.
    confidence_intervals : (n_features, 2)
        ``importances_mean`` -/+ the normal quantile times `standard_errors`.
    ratios : (n_features, n_repeats)
        Permuted score over baseline for an error, baseline over permuted for a score: above 1, the model needs the
        feature.
    contributions : (n_features, n_rows) or None
        Each row's part of ``importances_mean``, which is their weighted mean; only with ``row_contributions=True``.
    baseline_score : float
        The metric on the rows as they are.
    exact : bool array of shape (n_features,)
        The expectation over all permutations, without drawing any.
    feature_names : list of str
        Columns, or groups.
    columns : list of int arrays
        Columns of each.
    metric : str
    greater_is_better : bool
    method : str
        What ran: "tree", "linear", "mlp" or "black_box".
    n_predicted : int
        Rows that the model's own predict was asked for.
    rows : int array
        Rows of X that were used (all, without ``max_samples``).
    """

    importances: Floats
    importances_mean: Floats
    importances_std: Floats
    permutation_errors: Floats
    sampling_errors: Floats
    standard_errors: Floats
    confidence_intervals: Floats
    ratios: Floats
    contributions: Floats | None
    baseline_score: float
    exact: NDArray[np.bool_]
    feature_names: list[str]
    columns: list[NDArray[np.int64]]
    metric: str
    greater_is_better: bool
    method: str
    n_predicted: int
    rows: NDArray[np.int64]

    def __repr__(self) -> str:
        """The score, and the features that the model needs most."""
        order = np.argsort(-np.nan_to_num(self.importances_mean, nan=-np.inf), kind="stable")
        lines = [
            f"{type(self).__name__}: {self.metric} of {self.baseline_score:.6g}, {len(order)} features, "
            f"{len(self.rows)} rows, {self.importances.shape[1]} repeats, method {self.method!r}"
        ]
        width = max((len(str(self.feature_names[i])) for i in order[:SHOWN_FEATURES]), default=0)
        for i in order[:SHOWN_FEATURES]:
            mean, error = self.importances_mean[i], self.standard_errors[i]
            lines.append(f"    {self.feature_names[i]!s:{width}}  {mean:.6g} +- {error:.2g}")
        if len(order) > SHOWN_FEATURES:
            lines.append(f"    and {len(order) - SHOWN_FEATURES} more")
        return "\n".join(lines)

    def __getitem__(self, key: str) -> Any:
        if key not in self.keys():
            raise KeyError(key)
        return getattr(self, key)

    def keys(self) -> list[str]:
        """Names of the attributes."""
        return [f.name for f in fields(self)]


def permutation_importance(
    model_or_predict: Any,
    X: Any,
    y: Any,
    *,
    metrics: Any = None,
    n_repeats: int = 5,
    groups: Any = None,
    columns: Any = None,
    sample_weight: Any = None,
    conditional: bool = False,
    seed: int = 0,
    n_threads: int | None = None,
    max_samples: int | float | None = None,
    confidence_level: float = 0.95,
    greater_is_better: bool | Mapping[str, bool] | None = None,
    row_contributions: bool = False,
    chunk_bytes: int = 64 * 2**20,
    backend: str | None = None,
    show_progress: bool | None = None,
) -> PermutationImportanceResult | dict[str, PermutationImportanceResult]:
    """How much each metric suffers when a feature's values are permuted among the rows.

    Parameters
    ----------
    model_or_predict : fitted model or callable
        Anything with ``predict`` (and ``predict_proba`` or ``decision_function`` where the metric needs them), or a
        function of rows that returns (n_rows,) or (n_rows, n_outputs). Tree ensembles, linear models and scikit-learn's
        multilayer perceptrons are re-evaluated by their formula, which is checked against ``predict`` first.
    X : array, pandas or polars DataFrame, or CSR matrix, of shape (n_rows, n_features)
        Handed to predict in the same form, with dtypes and categories kept.
    y : array-like of shape (n_rows,) or (n_rows, n_targets)
    metrics : str, callable, scorer, or a list or dict of them, optional
        scikit-learn's scorer names (``"neg_mean_squared_error"``), names of its metric functions, the functions
        themselves, scorers of ``make_scorer``, any ``metric(y_true, y_pred[, sample_weight])``, plain or compiled by
        Numba; or ``scorer(estimator, X, y[, sample_weight])``, told by its parameters, which is called on whole tables
        and returns a score or a dict of them. None: accuracy for a classifier, R2 else.
    n_repeats : int, default 5
        Permutations per feature. A feature with up to ``n_repeats + 1`` distinct values is done exactly instead.
    groups : dict of name to columns, or list of lists of columns, optional
        Columns (names or numbers) that are permuted together. Columns outside stay single.
    columns : list of columns, optional
        The only ones to permute (names or numbers), in the order of the result; their importances are those of a call
        without `columns`. Not together with `groups`.
    sample_weight : array-like of shape (n_rows,), optional
    conditional : bool, default False
        Permute within strata (leaves of a shallow tree that predicts the feature from the others), so that the rows
        stay plausible: the importance of what the feature adds to the others.
    seed : int, default 0
    n_threads : int, optional
        Threads of the kernels; None for the default. The result does not depend on it.
    max_samples : int or float, optional
        Rows, at most all of them, or share of the rows, to use; the baseline is that of the same rows.
    confidence_level : float, default 0.95
    greater_is_better : bool or dict of metric name to bool, optional
        Direction of a callable that does not say so itself.
    row_contributions : bool, default False
        Keep each row's part of the importances.
    chunk_bytes : int, default 64 MiB
        Memory for stacked rows and for their predictions.
    backend : {"native", "numba"}, optional
    show_progress : bool, optional
        A bar where standard error is a terminal, and in notebooks; None shows it once the call has taken a second.

    Returns
    -------
    PermutationImportanceResult, or a dict of metric name to it where `metrics` is a list, a dict or a scorer of several

    Raises
    ------
    ValueError
        Lengths or values that do not fit, an unknown metric, a metric that needs what the model does not give,
        overlapping groups, predictions of another shape than before or with NaN.
    PredictionError
        predict raised; its exception is the cause.

    Notes
    -----
    Breiman 2001; Fisher, Rudin and Dominici 2019. Repeats are stratified: over the repeats a row meets each band of the
    feature once, which leaves a fraction of the variance of independent permutations. With few distinct values v, of
    share p_v, and a metric that is a mean of losses, the expectation over all permutations is ``sum_v p_v score(feature
    = v for all)``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> import fastexplain
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = LinearRegression().fit(X, y)
    >>> result = fastexplain.permutation_importance(model, X, y, metrics="r2")
    >>> result.method, result.feature_names[int(result.importances_mean.argmax())]
    ('linear', 's1')
    >>> bool(result.exact[X.columns.get_loc("sex")])
    True
    """
    _check_arguments(n_repeats, seed, confidence_level, chunk_bytes)
    threads, kernels = resolve_num_threads(n_threads), _kernels(select_backend(backend))
    rows = as_rows(X)
    target, weights = _target(y, rows.n_rows), _weights(sample_weight, rows.n_rows)
    chosen = _sample(rows.n_rows, max_samples, seed)
    if chosen is not None:
        rows, target = rows.take(chosen), target[chosen]
        weights = None if weights is None else weights[chosen]
    is_text = target.ndim == 1 and target.dtype.kind in "OUS"
    model = predicting_model(model_or_predict, np.unique(target) if is_text else None)
    scored, several = score_metrics(
        model,
        rows,
        target,
        weights,
        metrics,
        greater_is_better,
        kernels=kernels,
        n_threads=threads,
        chunk_bytes=chunk_bytes,
    )
    players = find_players(rows, groups, columns)
    if conditional:
        conditional_strata(players, rows, seed)
    tables = {
        metric.metric.name: _Table(metric, len(players), n_repeats, rows.n_rows, row_contributions) for metric in scored
    }
    run = _Run(rows, players, n_repeats, seed, kernels, threads, chunk_bytes)
    run.fill(list(tables.values()), show_progress)
    used = np.arange(rows.n_rows) if chosen is None else chosen
    results = {name: table.result(players, used, confidence_level) for name, table in tables.items()}
    return results if several else next(iter(results.values()))


# ------------------------------------------------------------------------------------------------------------ arguments


def _check_arguments(n_repeats: int, seed: int, confidence_level: float, chunk_bytes: int) -> None:
    whole_number(n_repeats, "n_repeats")
    seed_number(seed)
    whole_number(chunk_bytes, "chunk_bytes")
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must lie between 0 and 1; got {confidence_level!r}.")


def _kernels(backend: str) -> Any:
    if backend == "native":
        return core()
    from fastexplain.engine.permutation import numba_importance

    return numba_importance


def _target(y: Any, n_rows: int) -> NDArray[Any]:
    target = plain_array(y)
    if target.ndim not in (1, 2) or len(target) != n_rows:
        raise ValueError(f"y has shape {target.shape}; X has {n_rows} rows.")
    if target.ndim == 2 and target.shape[1] == 1:
        target = target[:, 0]
    if target.dtype.kind == "f":
        missing = np.isnan(target)
    elif target.dtype == object:
        missing = np.array([v is None or v != v for v in target.ravel()]).reshape(target.shape)
    else:
        return target
    if missing.any():
        raise ValueError(
            f"y is missing in {int(missing.sum())} places, first in row {int(np.argwhere(missing)[0][0])}."
        )
    return target


def _weights(sample_weight: Any, n_rows: int) -> Floats | None:
    if sample_weight is None:
        return None
    weights = np.ascontiguousarray(sample_weight, dtype=np.float64)
    if weights.shape != (n_rows,):
        raise ValueError(f"sample_weight has shape {weights.shape}; expected ({n_rows},).")
    if not np.isfinite(weights).all() or weights.min() < 0 or not weights.any():
        raise ValueError("sample_weight must be finite, not negative, and not all zero.")
    return summable(weights)


def _sample(n_rows: int, max_samples: int | float | None, seed: int) -> NDArray[np.int64] | None:
    if max_samples is None:
        return None
    if isinstance(max_samples, float):
        if not 0 < max_samples <= 1:
            raise ValueError(f"max_samples as a share must lie in (0, 1]; got {max_samples}.")
        size = int(max_samples * n_rows)
    else:
        size = int(max_samples)
    if size > n_rows:
        raise ValueError(f"max_samples={max_samples} is more than the {n_rows} rows of X; pass None to use all.")
    if size < 2:
        raise ValueError(f"max_samples={max_samples} leaves {size} of {n_rows} rows; at least 2 are needed.")
    if size == n_rows:
        return None
    generator = np.random.Generator(np.random.Philox(key=seed))
    return np.sort(generator.choice(n_rows, size, replace=False))


# ----------------------------------------------------------------------------------------------------------------- run


@dataclass
class _Draws:
    """How some players are permuted: by drawn permutations; one alone also by giving every row each value in turn."""

    players: list[Player]
    donors: NDArray[np.int32]  # (n_players, n_repeats, n_rows), as are the bands
    bands: NDArray[np.int32]
    by_value: bool

    def some(self, players: slice) -> _Draws:
        return _Draws(self.players[players], self.donors[players], self.bands[players], self.by_value)

    def jobs(self) -> NDArray[np.int32]:
        """Donors of the replacements to predict."""
        n = self.donors.shape[2]
        if not self.by_value:
            return self.donors.reshape(-1, n)
        (player,) = self.players
        return np.broadcast_to(player.representatives()[:, None], (player.n_values, n))


@dataclass
class _Run:
    rows: Rows
    players: list[Player]
    n_repeats: int
    seed: int
    kernels: Any
    n_threads: int
    chunk_bytes: int

    def fill(self, tables: list[_Table], show_progress: bool | None) -> None:
        """Evaluate all players, some at a time, for all metrics."""
        replacers = {id(table.scored.replacer): table.scored.replacer for table in tables}
        width = max(replacer.n_raw_outputs for replacer in replacers.values())
        varying = [p for p in self.players if p.n_values > 1]
        with progress(len(varying), "permutation_importance", show_progress, unit=" features") as bar:
            for part in self._parts(varying, width):
                drawn = self._draw(part, tables[0].scored.replacer.base[:, 0])
                jobs = self._jobs(drawn)
                for key, replacer in replacers.items():
                    with bar.part(len(part) / len(replacers)):
                        outputs = replacer.replace(jobs)
                        asking = [table for table in tables if id(table.scored.replacer) == key]
                        _fill(asking, drawn, outputs)

    def _by_value(self, player: Player) -> bool:
        return player.n_values - 1 <= self.n_repeats

    def _parts(self, players: Sequence[Player], width: int) -> Iterator[list[Player]]:
        """Players whose predictions fit into chunk_bytes together; at least one."""
        room = max(1, self.chunk_bytes // (8 * width * self.rows.n_rows))
        part: list[Player] = []
        taken = 0
        for player in players:
            n_jobs = player.n_values if self._by_value(player) else self.n_repeats
            if part and taken + n_jobs > room:
                yield part
                part, taken = [], 0
            part.append(player)
            taken += n_jobs
        if part:
            yield part

    def _draw(self, players: list[Player], order: Floats) -> list[_Draws]:
        donors, bands = draw_permutations(
            players, self.n_repeats, order, seed=self.seed, kernels=self.kernels, n_threads=self.n_threads
        )
        drawn, first = [], 0
        while first < len(players):
            last, by_value = first + 1, self._by_value(players[first])
            while not by_value and last < len(players) and not self._by_value(players[last]):
                last += 1
            drawn.append(_Draws(players[first:last], donors[first:last], bands[first:last], by_value))
            first = last
        return drawn

    def _jobs(self, drawn: list[_Draws]) -> Jobs:
        donors = [draws.jobs() for draws in drawn]
        sizes = [
            len(jobs) // len(draws.players) for draws, jobs in zip(drawn, donors, strict=True) for _ in draws.players
        ]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        players = [player for draws in drawn for player in draws.players]
        together = donors[0] if len(donors) == 1 else np.concatenate(donors)
        return Jobs([p.columns for p in players], [p.codes for p in players], offsets, np.ascontiguousarray(together))


# --------------------------------------------------------------------------------------------------------------- tables


def _fill(tables: list[_Table], drawn: list[_Draws], outputs: Floats) -> None:
    """Score the predictions of some players' jobs by all metrics, a few megabytes at a time."""
    limit = max(1, SCORED_VALUES // (outputs[0].size * max(1, tables[0].n_repeats)))
    at = 0
    for draws in drawn:
        n_jobs = len(draws.jobs()) // len(draws.players)
        for first in range(0, len(draws.players), limit):
            some = draws.some(slice(first, first + limit))
            end = at + n_jobs * len(some.players)
            part = tables[0].scored.replacer.finish(outputs[at:end])
            at = end
            for table in tables:
                if draws.by_value:
                    table.by_value(some, part)
                else:
                    table.by_permutation(some, part)


class _Table:
    """Importances of one metric as they come in."""

    def __init__(self, scored: ScoredMetric, n_players: int, n_repeats: int, n_rows: int, keep_rows: bool) -> None:
        self.scored = scored
        self.metric: Metric = scored.metric
        self.n_repeats = n_repeats
        self.sign = -1.0 if scored.metric.greater_is_better else 1.0
        self.importances = np.zeros((n_players, n_repeats))
        self.permuted = np.full((n_players, n_repeats), scored.baseline.scores[0])
        self.permutation_errors = np.zeros(n_players)
        self.sampling_errors = np.zeros(n_players)
        self.exact = np.ones(n_players, dtype=bool)  # a constant column is
        self.contributions = np.zeros((n_players, n_rows)) if keep_rows else None

    def by_permutation(self, draws: _Draws, outputs: Floats) -> None:
        """Players with as many predictions as repeats."""
        found = self.metric.evaluate(self.scored.truth, self.scored.present(outputs))
        self._enter(draws, found)

    def by_value(self, draws: _Draws, outputs: Floats) -> None:
        if self.metric.losses is not None:
            self._expectation(draws, self.scored.present(outputs))
            return
        # a permutation of few values is a mixture of the predictions at hand
        codes = draws.players[0].codes[draws.donors[0]]
        self.by_permutation(draws, outputs[codes, np.arange(codes.shape[1])])

    def _expectation(self, draws: _Draws, by_value: Any) -> None:
        """Losses of every value, weighted by how often a row is given it."""
        assert self.metric.losses is not None
        truth, baseline = self.scored.truth, self.scored.baseline
        losses = self.metric.losses(truth, by_value)  # (n_values, n, c)
        (player,) = draws.players
        shares = player.value_shares()
        mixed = np.einsum("v,vic->ic" if shares.ndim == 1 else "iv,vic->ic", shares, losses)
        found = self.metric.finish(truth, mixed[None])
        assert found.terms is not None
        assert baseline.terms is not None
        of_value = self.sign * self.metric.finish(truth, losses).scores
        donated = (of_value - of_value @ np.bincount(player.codes) / len(mixed))[player.codes]
        effects = exact_effects(self.sign * (found.terms[0] - baseline.terms[0]), donated, truth.weights)
        self._store(draws, np.repeat(found.scores[None], self.n_repeats, axis=1), effects, exact=True)

    def _enter(self, draws: _Draws, found: Evaluation) -> None:
        """Scores of permutations, and what rows do to them."""
        truth, baseline, n_players = self.scored.truth, self.scored.baseline, len(draws.players)
        if found.terms is None or baseline.terms is None:
            unknown = np.full(n_players, np.nan)
            effects = Effects(np.full((n_players, len(truth.weights)), np.nan), unknown, unknown)
        elif found.blocks is not None:
            effects = block_effects(found, baseline.terms[0], n_players, found.blocks, sign=self.sign, exact=False)
        else:
            effects = permuted_effects(
                found, baseline.terms[0], truth.weights, draws.donors, draws.bands,
                sign=self.sign, kernels=truth.kernels, n_threads=truth.n_threads,
            )  # fmt: skip
        self._store(draws, found.scores.reshape(n_players, -1), effects, exact=False)

    def _store(self, draws: _Draws, scores: Floats, effects: Effects, *, exact: bool) -> None:
        at = [player.index for player in draws.players]
        self.exact[at] = exact
        self.permuted[at] = scores
        self.importances[at] = self.metric.drop(self.scored.baseline.scores, scores)
        self.permutation_errors[at] = effects.permutation_errors
        self.sampling_errors[at] = effects.sampling_errors
        if self.contributions is not None:
            self.contributions[at] = effects.drops

    def result(
        self, players: list[Player], rows: NDArray[np.int64], confidence_level: float
    ) -> PermutationImportanceResult:
        """The finished result."""
        from statistics import NormalDist

        means = self.importances.mean(axis=1)
        # with one repeat the permutations' own error is unknown; the rows' part already holds it
        known = np.nan_to_num(self.permutation_errors)
        errors = np.sqrt(known**2 + self.sampling_errors**2)
        half = NormalDist().inv_cdf(0.5 + confidence_level / 2) * errors
        baseline = float(self.scored.baseline.scores[0])
        is_error = self.metric.greater_is_better == (self.metric.sign == -1)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = self.permuted / baseline if is_error else baseline / self.permuted
        constant = np.array([player.n_values == 1 for player in players])
        ratios[constant] = 1.0
        return PermutationImportanceResult(
            importances=self.importances,
            importances_mean=means,
            importances_std=np.where(self.exact, 0.0, self.importances.std(axis=1)),
            permutation_errors=self.permutation_errors,
            sampling_errors=self.sampling_errors,
            standard_errors=errors,
            confidence_intervals=np.stack([means - half, means + half], axis=1),
            ratios=ratios,
            contributions=self.contributions,
            baseline_score=baseline,
            exact=self.exact,
            feature_names=[player.name for player in players],
            columns=[player.columns for player in players],
            metric=self.metric.name,
            greater_is_better=self.metric.greater_is_better,
            method=self.scored.replacer.method,
            n_predicted=self.scored.replacer.n_predicted,
            rows=rows,
        )
