"""`KernelExplainer`: Shapley values of any model or function, from its predictions alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.arguments import whole_number
from fastexplain.engine.background import Background
from fastexplain.engine.formulas.find import FormulaMemory
from fastexplain.engine.kernel.kernel_shap import remembering_kernel_shap, subset_kernel_shap
from fastexplain.engine.links import resolve_link
from fastexplain.explainers.raw.raw_features import RawFeatures, raw_features
from fastexplain.explainers.raw.transformer_maps import map_of_parents
from fastexplain.explainers.shared.background import BackgroundChoice, rows_of
from fastexplain.explainers.shared.base import Attribution, BaseExplainer
from fastexplain.explainers.shared.black_box import black_box
from fastexplain.explainers.shared.later import returned
from fastexplain.explanation.explanation import Predictions
from fastexplain.rows.tables import count_columns, count_rows

__all__ = ["KernelExplainer", "partition"]


class KernelExplainer(BaseExplainer):
    """Explains any model or function by Kernel SHAP: exactly where its formula is known, else by sampling coalitions.

    Exact is meant for the background at hand: another background has another base value, and other values. Explainer
    and explanations name theirs (`LocalExplanation.background`).

    A classifier is explained by its ``predict_proba``, all classes at once; one that has none by its
    ``decision_function``; a regressor by ``predict``, an outlier detector by ``decision_function``, a function or a
    network by what it returns. Explanations have `standard_errors`, 0 where values are exact; see
    `fastexplain.kernel_shap` for the method.

    Parameters
    ----------
    model : object or callable
        The fitted model, or a function of rows that returns (n_rows,) or (n_rows, n_outputs).
    initialization_examples : array-like or table of shape (n_rows, n_features)
        Rows that hidden features are drawn from: the background. Up to 100 are used as they are. Of more, 100 are
        chosen so that in each column, together, and in what the model predicts, they are as all rows are: the base
        value is then the mean prediction, up to a fraction of its standard error. Up to 5,000 rows, drawn by `seed`,
        are predicted for it. What a row costs grows with the background: where a model is slow, fewer rows, say 30,
        save time at the price of a less certain base value. Something with ``.data`` and ``.weights``, such as
        `fastexplain.summarize_background` returns, is used as it is, however many rows it has.
    is_function : bool, default False
        Call the model itself although it has a predict. A plain function needs no such hint.
    explain_subset : sequence of int or str, optional
        Features, by index or name, that are explained; all others stay at the explained row's own values. A row's
        values then add up to its output minus the mean output with the subset's features hidden.
    nsamples : "auto" or int, default "auto"
        Most coalitions evaluated for a row; fewer where the standard errors are below `tol` before. "auto": ``2 *
        n_features + 2048``.
    features : sequence of str, optional
        Names; default: those of the examples' table, else those of the rows' table, else those that the model knows.
    classes : sequence, optional
        Labels of the classes, in the order of the model's outputs; default: those that the model knows.
    nclusters : int, optional
        interpret-community's background in place of the above, there always with 10: more than ``10 * nclusters``
        examples are summarised by the centres of so many clusters (k-means), weighted by the clusters' sizes; tables
        with columns that are not numbers are sampled, ``10 * nclusters`` rows. Such centres are no rows of the data: a
        `BackgroundWarning` says so where their mean prediction is not that of the examples.
    show_progress : bool, optional
        A progress bar where standard error is a terminal, and in notebooks; None shows it once the work has taken a
        second.
    transformations : ColumnTransformer, Pipeline, FeatureUnion, DataFrameMapper or list of tuple, optional
        Fitted, and applied to all rows before the model sees them: rows, `features` and explanations are then those of
        the raw features. Tuples are ``(columns, transformer or None)``; see `RawFeatures`. A Pipeline
        of transformations and model needs none: it is explained as it is, on the rows that it takes.
    allow_all_transformations : bool, default False
        Whether a transformer of several columns may mix them, as PCA does. Each column that it makes is then shared out
        equally among those that it is made of.
    model_task : {"unknown", "classification", "regression"}, default "unknown"
        Unknown: as the model says; a function with one output does regression, one with several classification.
    link : {"identity", "logit"}, default "identity"
        ``"logit"`` explains log-odds: values and base value add up to the logit of the output.
    tol : float, default 0.01
        See `nsamples`; a share of the range of the row's values. 0 uses all of `nsamples`.
    seed : int, default 0
    aggregate : {"sum", "group"}, default "sum"
        "sum" adds up the values of the columns that a raw feature became; "group" is the Shapley value of the raw
        feature as one player, which hides it as a whole: raw rows are mixed, and then transformed. The two differ where
        the model is not additive. With "group", the background are rows of the examples in any case: with `nclusters`,
        for each cluster the row nearest to its centre.
    n_threads : int, optional
        Threads of each call; default `fastexplain.get_num_threads`.
    include_init_data : bool, default False
        Whether explanations and pickles keep `initialization_examples`: see `RowExplainer`.

    Attributes
    ----------
    model : object
        As given.
    method : str
        ``"shap.kernel"``; after a call with the path that ran: ``"shap.kernel (product_form)"``.
    path : str or None
        The computation that ran in the latest call, e.g. ``"exact"``, ``"odd_gp"`` or the closed form of a model; None
        before the first. An explanation has its own `path`. "exact" is said of the values by this background.
    features, classes : list or None
        As resolved at construction.

    Raises
    ------
    UnsupportedModelError
        The model has nothing to call.
    ValueError
        Examples are missing or not 2-D, a number of names differs from the model's, `model_task` contradicts the model,
        an argument is out of range, or `transformations` are not supported or do not fit the model.

    Notes
    -----
    Lundberg and Lee 2017, "A unified approach to interpreting model predictions". Rows that are explained together
    share sampled coalitions, so a sampled value may depend, within its standard error, on the rows beside it.
    """

    _method = "shap.kernel"
    _title = "Kernel SHAP"
    _samples = True

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        is_function: bool = False,
        explain_subset: Sequence[int | str] | None = None,
        nsamples: int | str = "auto",
        features: Sequence[Any] | None = None,
        classes: Sequence[Any] | None = None,
        nclusters: int | None = None,
        show_progress: bool | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        model_task: str = "unknown",
        *,
        link: str = "identity",
        tol: float = 0.01,
        seed: int = 0,
        n_threads: int | None = None,
        aggregate: str = "sum",
        include_init_data: bool = False,
    ) -> None:
        if initialization_examples is None:
            raise ValueError("KernelExplainer needs initialization_examples: hidden features are drawn from them.")
        self.nsamples = nsamples if nsamples == "auto" else whole_number(nsamples, "nsamples")
        self.link, self.tol, self.seed = resolve_link(link).__name__, tol, seed
        raw = raw_features(
            transformations, initialization_examples, features, allow_all_transformations, explain_subset, aggregate
        )
        examples = initialization_examples if raw is None else raw.transform_examples(initialization_examples)
        choice = BackgroundChoice.of(examples, nclusters, seed)
        self.nclusters = choice.nclusters
        self._box, outputs = black_box(model, is_function, model_task, classes, choice.probe)
        self._players: list[NDArray[np.intp]] | None = None
        self._grouped = raw is not None and raw.aggregate == "group"
        self._background = self._chosen(choice, outputs, raw if self._grouped else None)
        self._background_words = choice.words(self._background)
        # with a subset, values do not add up to the model's output
        self._predicts_at_once = explain_subset is not None
        self._path: str | None = None
        self._memory = FormulaMemory()
        super().__init__(
            model,
            rows_of(examples),
            self._box.explained(count_columns(choice.probe), self.link),
            explain_subset=explain_subset,
            features=features,
            classes=classes,
            raw=raw,
            n_threads=n_threads,
            show_progress=show_progress,
            include_init_data=include_init_data,
        )

    def _chosen(
        self, choice: BackgroundChoice, outputs: NDArray[np.float64], grouped: RawFeatures | None
    ) -> Background:
        """The background, of the rows that are mixed: raw where raw features play and cannot be told apart later."""
        if grouped is None:
            background = choice.rows(outputs)
            choice.check(background, outputs, self._box.outputs, self._box.name, stacklevel=3)
            return background
        raw_rows = choice.occurring_rows(grouped.examples, outputs)
        engineered = raw_rows._replace(data=grouped.transform(raw_rows.data))
        choice.check(engineered, outputs, self._box.outputs, self._box.name, stacklevel=3)
        # mixing transformed rows is the same as transforming mixed rows, and faster, if each column has one parent
        if grouped.by_column:
            self._players = grouped.groups()
            return engineered
        self._box = self._box.after(grouped.transform_table)
        return raw_rows

    @property
    def method(self) -> str:
        """``"shap.kernel"``; after a call with what ran, e.g. ``"shap.kernel (product_form)"``."""
        if self._path is None:
            return self._method
        by_margin = getattr(self._box.target, "__name__", "") == "decision_function" and hasattr(self.model, "predict")
        return f"{self._method} ({self._path}{' of decision_function' if by_margin else ''})"

    @property
    def path(self) -> str | None:
        """The computation that ran in the latest call; None before the first."""
        return self._path

    def _size(self) -> str:
        return f"{count_rows(self._background.data)} background rows, "

    def _engineered(self, X: Any) -> Any:
        # players that are raw columns: what is called transforms the rows itself
        return X if self._grouped and self._players is None else super()._engineered(X)

    def _explained_values(self, rows: Any, show_progress: bool | None) -> Attribution:
        return self._attribute(rows, show_progress) if self._grouped else super()._explained_values(rows, show_progress)

    def _later(
        self,
        X: Any,
        check_rows: Callable[[], None] | None,
        result: Attribution,
        transform: Callable[[Any], Any] | None = None,
    ) -> Callable[[], Predictions]:
        sampled = result.standard_errors is not None and bool(result.standard_errors.any())
        if sampled and len(result.values) == count_rows(X):
            # at once: beside the coalitions that were evaluated it costs nothing, and saving such values later is safe
            return partial(returned, self._explained.predict(X))
        return super()._later(X, check_rows, result, transform)

    def _attribute_all(self, X: Any, show_progress: bool | None) -> Attribution:
        return self._finished(self._run(X, self._background.data, show_progress))

    def _attribute(self, X: Any, show_progress: bool | None) -> Attribution:
        if self._subset is None or not count_rows(X):
            return super()._attribute(X, show_progress)
        background = self._background
        result = subset_kernel_shap(self._box.target, X, background.data, self._subset, **self._options(show_progress))
        base_values = self._box.base_values(background, self.link)
        return self._finished(Attribution(result.values, base_values, result.standard_errors, result.method))

    def _options(self, show_progress: bool | None) -> dict[str, Any]:
        """What each call of the engine is given besides model, rows and background."""
        return {
            "weights": self._background.weights,
            "link": self.link,
            "n_samples": self.nsamples,
            "tol": self.tol,
            "seed": self.seed,
            "n_threads": self.n_threads,
            "show_progress": show_progress,
        }

    def _run(self, X: Any, background: Any, show_progress: bool | None) -> Attribution:
        groups = None if self._players is None else partition(self._players, count_columns(X))
        result = remembering_kernel_shap(
            self._memory, self._box.target, X, background, groups=groups, **self._options(show_progress)
        )
        whole = Attribution(result.values, result.base_values, result.standard_errors, result.method)
        return whole if self._players is None else _spread(whole, self._players)

    def _finished(self, result: Attribution) -> Attribution:
        """The numbers as the explanation has them: the probability of class 1 alone becomes that of both classes."""
        self._path = result.path
        return result.both_classes() if self._box.doubles and self.link == "identity" else result


def partition(players: list[NDArray[np.intp]], n_columns: int) -> list[list[int]]:
    """Players that have columns, and one of the columns that no player has: constants, which get 0."""
    rest = np.setdiff1d(np.arange(n_columns), np.concatenate(players))
    return [columns.tolist() for columns in [*players, rest] if len(columns)]


def _spread(result: Attribution, players: list[NDArray[np.intp]]) -> Attribution:
    """Numbers of all players, also of those that have no columns, whose values are 0."""
    present = np.flatnonzero([len(columns) > 0 for columns in players])
    feature_map = map_of_parents(present, len(players))
    values = result.values[:, : len(present)]
    errors = result.standard_errors
    kept = result._replace(values=values, standard_errors=None if errors is None else errors[:, : len(present)])
    return kept.of_raw_features(feature_map)
