"""What all explainers share: arguments in, explanation out, and global explanations in batches of rows."""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.arguments import batch_rows
from fastexplain.engine.progress import progress
from fastexplain.explainers.options import SamplingPolicy
from fastexplain.explainers.raw.pipelines import ModelParts
from fastexplain.explainers.raw.raw_features import RawFeatures
from fastexplain.explainers.shared.checks import (
    check_classes,
    check_columns,
    check_examples,
    check_subset,
    distinct_names,
    list_of_names,
    refuse_rows_as_subset,
)
from fastexplain.explainers.shared.later import LaterPredictions, Outputs, first_sums, returned
from fastexplain.explainers.shared.sampling import checked_policy, sampled_rows
from fastexplain.explanation import GlobalExplanation, GlobalLocalExplanation, LocalExplanation
from fastexplain.explanation.explanation import Context, Predictions
from fastexplain.explanation.numbers.aggregation import BLOCK_ROWS, MeanAbs
from fastexplain.explanation.numbers.feature_maps import map_values
from fastexplain.explanation.plots.html import shortened
from fastexplain.rows.kept import kept_rows
from fastexplain.rows.kinds import refuse_complex
from fastexplain.rows.tables import (
    as_table,
    column_labels,
    column_names,
    count_rows,
    slice_rows,
    take_rows,
    unwrapped_rows,
    without_rows,
)

__all__ = ["Attribution", "BaseExplainer", "ExplainedModel", "RowExplainer", "explainer_repr"]

_logger = logging.getLogger("fastexplain")

# Values of one batch when a global explanation is streamed: enough rows to keep every core busy.
_BATCH_BYTES = 32 * 2**20
# Engineered rows explained at a time, at least, before their values are added up to those of the raw features.
_LEAST_MAPPED = 1024


@dataclass(frozen=True)
class ExplainedModel:
    """What the facade knows of a model, whichever explainer it gets.

    Attributes
    ----------
    name : str
        As messages give it, e.g. ``"LightGBM"``.
    n_features, n_outputs : int
    task : {"classification", "regression"}
    n_classes : int or None
        None for regression.
    units : {"margin", "probability", "model output"}
        What values and base values add up to.
    predict : callable
        The user's rows -> the model's own (predictions, class probabilities or None).
    classes, feature_names : list or None
        Those that the model was fitted on, where it knows them.
    outputs : callable, optional
        Rows and their predictions -> what values and base values add up to, by the model as it is now.
    """

    name: str
    n_features: int
    n_outputs: int
    task: str
    n_classes: int | None
    units: str
    predict: Callable[[Any], Predictions]
    classes: list[Any] | None = None
    feature_names: list[str] | None = None
    outputs: Outputs | None = None


class Attribution(NamedTuple):
    """Numbers of some rows.

    Attributes
    ----------
    values : array of shape (n_rows, n_features, n_outputs)
    base_values : float64 array of shape (n_outputs,), or None
        None where values add up to no output.
    standard_errors : float64 array of the values' shape, or None
        0 where values are exact; None where the method tells no error.
    path : str or None
        The computation that ran, where a method has several.
    probabilities : float64 array of shape (n_rows, n_classes), or None
        The model's own, where the values were made from them.
    sums : tuple or None
        `first_sums` of the values of all features, where the values are those of some.
    """

    values: NDArray[np.floating[Any]]
    base_values: NDArray[np.float64] | None
    standard_errors: NDArray[np.float64] | None = None
    path: str | None = None
    probabilities: NDArray[np.float64] | None = None
    sums: tuple[NDArray[Any], NDArray[np.float64]] | None = None

    def features(self, columns: NDArray[np.intp]) -> Attribution:
        """The same rows, cut down to some features."""
        errors = None if self.standard_errors is None else self.standard_errors[:, columns]
        sums = first_sums(self.values, self.base_values)
        return self._replace(values=self.values[:, columns], standard_errors=errors, sums=sums)

    def of_raw_features(self, feature_map: Any) -> Attribution:
        """Of engineered features, those of the raw ones; errors of sums are bounds, as in `get_raw_explanation`."""
        values, errors = map_values(self.values, feature_map), self.standard_errors
        mapped = None if errors is None else np.asarray(map_values(errors, feature_map), dtype=np.float64)
        return self._replace(values=values, standard_errors=mapped)

    @staticmethod
    def joined(parts: Sequence[Attribution]) -> Attribution:
        """Of rows in several parts, the numbers of all, one after the other."""
        values, errors, probabilities = zip(
            *((part.values, part.standard_errors, part.probabilities) for part in parts), strict=True
        )
        return parts[0]._replace(
            values=np.concatenate(values), standard_errors=_stacked(errors), probabilities=_stacked(probabilities)
        )

    def both_classes(self) -> Attribution:
        """Of the probability of class 1, those of both classes."""
        errors, base = self.standard_errors, self.base_values
        return self._replace(
            values=np.concatenate([-self.values, self.values], axis=2),
            base_values=None if base is None else np.concatenate([1.0 - base, base]),
            standard_errors=None if errors is None else np.concatenate([errors, errors], axis=2),
        )


def _stacked(parts: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    """Parts of an array that either all rows have, or none."""
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else None


def explainer_repr(explainer: Any) -> str:
    """An explainer in a line: its class and model, method, features and classes."""
    facts = [explainer.method]
    if getattr(explainer, "_background_words", None) is not None:
        facts.append(f"background: {explainer._background_words}")
    if explainer.features is not None:
        facts.append(f"{len(explainer.features)} features {shortened(explainer.features)}")
    if explainer.classes is not None:
        facts.append(f"classes {shortened(explainer.classes)}")
    return f"<{type(explainer).__name__} of {type(explainer.model).__qualname__}: {', '.join(facts)}>"


class RowExplainer(abc.ABC):
    """Takes rows as the user has them, before or after `transformations`, and says whose an explanation is.

    An explanation is handed on, and one of a single row must not carry the rows that the explainer was made with. So
    explanations have no `init_data`, neither in memory nor in files or pickles, unless the explainer was made with
    ``include_init_data=True``. A pickled explainer is handed on too: it keeps of `initialization_examples` the columns
    alone, and of the rows what its method computes with (the background of `KernelExplainer`, `DeepExplainer` and
    interventional `TreeExplainer`, the training rows of `LIMEExplainer`), again unless ``include_init_data=True``.
    Models are pickled as they are: LightGBM's, surrogates too, name the smallest and largest value of each column, and
    those of nearest neighbours hold all rows.

    Attributes
    ----------
    model : object
    features, classes : list or None
        As resolved at construction.
    initialization_examples : Any
        As the user has them.
    include_init_data : bool
        Whether explanations and pickles keep them.
    """

    available_explanations: ClassVar[list[str]] = ["global", "local"]
    explainer_type: ClassVar[str] = "blackbox"
    model: Any
    features: list[Any] | None
    classes: list[Any] | None
    initialization_examples: Any
    include_init_data: bool = False
    # transformations, and the columns that are explained; None: all
    _raw: RawFeatures | None
    _subset: NDArray[np.intp] | None

    def __repr__(self) -> str:
        return explainer_repr(self)

    def __getstate__(self) -> dict[str, Any]:
        """All but rows of others; what stays of them has their columns, and their types."""
        state = self.__dict__.copy()
        if not self.include_init_data:
            for name in ("initialization_examples", "_model_examples"):
                if state.get(name) is not None:
                    state[name] = without_rows(state[name])
            if self._raw is not None:
                state["_raw"] = self._raw.without_rows()
        return state

    @property
    @abc.abstractmethod
    def method(self) -> str:
        """The method, e.g. ``"shap.tree"``."""

    @property
    def raw_features(self) -> list[Any] | None:
        """Names of the features before `transformations`; None without these, or where there are no names."""
        return None if self._raw is None else self._raw.raw_features

    @property
    def engineered_features(self) -> list[Any] | None:
        """Names of the features after `transformations`; None without these, or where there are no names."""
        return None if self._raw is None else self._raw.engineered_features

    def _table(self, rows: Any) -> tuple[Any, bool]:
        """Rows as something 2-D, and whether they came as a single 1-D row."""
        # of tables, whoever takes their columns looks
        if isinstance(rows, np.ndarray) and rows.dtype.kind == "c":
            refuse_complex(rows, "evaluation_examples")
        return as_table(rows, self.initialization_examples) if self._raw is None else self._raw.table(rows)

    def _table_of_many(self, rows: Any, batch_size: Any) -> Any:
        """Rows of a global explanation as something 2-D; ValueError where there are none, or the batch has no size."""
        batch_rows(batch_size)
        X, _ = self._table(rows)
        if not count_rows(X):
            raise ValueError("evaluation_examples has no rows; a global explanation needs at least one.")
        return X

    def _engineered(self, X: Any) -> Any:
        """Rows that `_table` returned, or a slice of them, as the model takes them."""
        return X if self._raw is None else self._raw.transform_table(X)

    def _batches(self, n_rows: int, batch_size: int, row_bytes: int) -> Iterator[slice]:
        """Rows of each batch of a streamed explanation: `batch_size`, or as many as 32 MiB hold, if that is more."""
        step = max(batch_size, _BATCH_BYTES // max(1, row_bytes))
        step = -(-step // BLOCK_ROWS) * BLOCK_ROWS  # whole blocks: the means have the same bits as in one piece
        return (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))

    def _whose(
        self, names: list[Any] | None, evaluation_examples: Any, check_rows: Callable[[], None] | None = None
    ) -> Context:
        """What an explanation keeps of the explainer and the rows; `names` are those of all columns."""
        columns = None if self._subset is None else self._subset.tolist()
        if columns is not None:
            names = columns if names is None else [names[i] for i in columns]
        return Context(
            features=names,
            classes=self.classes,
            init_data=self.initialization_examples if self.include_init_data else None,
            eval_data=evaluation_examples,
            check_rows=check_rows,
            feature_columns=columns,
            is_raw=self._raw is not None,
        )


class BaseExplainer(RowExplainer):
    """Explains rows of a fitted model; a subclass knows how values are computed.

    Attributes
    ----------
    model : object
        As given.
    method : str
        E.g. ``"shap.tree"``.
    features, classes : list or None
        As resolved at construction.
    """

    _method: str
    # what the log calls the method
    _title: str
    # what hidden features are drawn from, for whoever reads a repr
    _background_words: str | None = None
    # whether a sampling policy acts: where a row costs much
    _samples: ClassVar[bool] = False
    # whether predictions come with the explanation: where they cost little beside it, or the values add up to none
    _predicts_at_once: bool = False

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        explained: ExplainedModel,
        *,
        explain_subset: Sequence[int | str] | None,
        features: Sequence[Any] | None,
        classes: Sequence[Any] | None,
        raw: RawFeatures | None,
        n_threads: int | None,
        show_progress: bool | None,
        include_init_data: bool,
        parts: ModelParts | None = None,
    ) -> None:
        initialization_examples = unwrapped_rows(initialization_examples)
        refuse_complex(initialization_examples, "initialization_examples")
        self.model = model
        self.include_init_data = include_init_data
        # as the user has them, and as the model takes them
        self.initialization_examples = initialization_examples if raw is None else raw.examples
        self._model_examples = initialization_examples
        self._raw = raw
        self.transformations = None if raw is None else raw.transformations
        self.allow_all_transformations = raw is not None and raw.allow_all_transformations
        self.aggregate = "sum" if raw is None else raw.aggregate
        self.n_threads = n_threads
        self.show_progress = show_progress
        self._explained = explained
        self._parts = parts
        check_examples(initialization_examples, explained.n_features, transformed=raw is not None)
        # names that win over those of the rows' own table
        self._given_features: list[Any] | None = None
        if raw is None:
            self._given_features = distinct_names(features, "features") or column_labels(initialization_examples)
        self.features = raw.raw_features if raw is not None else self._given_features or explained.feature_names
        if raw is None and self.features is not None and len(self.features) != explained.n_features:
            raise ValueError(f"features has {len(self.features)} names; the model has {explained.n_features} features.")
        labels = list_of_names(classes, "classes")
        self.classes = check_classes(labels, explained.classes, explained.task, explained.n_classes, explained.name)
        self.explain_subset = explain_subset
        self._subset = check_subset(explain_subset, self.features, self._n_columns(explain_subset))
        _logger.info(
            "%s explains %s with %s (%s): %s%d features, %d %s%s.",
            type(self).__name__,
            type(model).__qualname__,
            self._title,
            self._method,
            self._size(),
            explained.n_features,
            explained.n_outputs,
            "output" if explained.n_outputs == 1 else "outputs",
            "" if parts is None or parts.pipeline is None else f"; {parts.explained}",
        )

    def _n_columns(self, explain_subset: Any) -> int:
        """Columns of the user's rows, among which `explain_subset` chooses."""
        refuse_rows_as_subset(explain_subset)
        if self._raw is None:
            return self._explained.n_features
        if explain_subset is not None and self._raw.examples is None:
            raise ValueError(
                "explain_subset chooses among the columns that the pipeline takes, which are not known yet; pass "
                "initialization_examples, rows like those that it was fitted on."
            )
        return 0 if explain_subset is None else self._raw.n_raw

    def _size(self) -> str:
        """The model's size for the log, before its features and outputs."""
        return ""

    @property
    def method(self) -> str:
        """The method, e.g. ``"shap.tree"``."""
        return self._method

    @property
    def path(self) -> str | None:
        """``"pipeline"`` where a pipeline's last step is explained, on what the steps before it make; else None."""
        return "pipeline" if self._parts is not None and self._parts.steps else None

    @abc.abstractmethod
    def _attribute_all(self, X: Any, show_progress: bool | None) -> Attribution:
        """Numbers of all features of rows X, which are 2-D."""

    def _attribute(self, X: Any, show_progress: bool | None) -> Attribution:
        """Numbers of the explained features of rows X, which are 2-D."""
        whole = self._attribute_all(X, show_progress)
        return whole if self._subset is None else whole.features(self._subset)

    def explain_local(self, evaluation_examples: Any) -> LocalExplanation:
        """Attribute each row's output to the features.

        Memory: the result's ``8 * n_rows * n_features * n_outputs`` bytes, and little else.

        Parameters
        ----------
        evaluation_examples : array-like or table of shape (n_rows, n_features), or one row of shape (n_features,)
            Columns in the order that the model was fitted on. What is missing follows the model's own rule. The
            explanation keeps them as they are now: a copy of arrays up to 8 MiB. Beyond, it keeps the array itself,
            and an error says so if it is used after the array was changed.

        Returns
        -------
        LocalExplanation
            Its lists have no row axis if the row was 1-D.

        Raises
        ------
        ValueError
            Width, names or values are not what the model predicts on; the message says what differs.
        TypeError
            `evaluation_examples` is nothing that holds rows.
        """
        evaluation_examples, check_rows = kept_rows(evaluation_examples)
        X, single_row = self._table(evaluation_examples)
        rows = self._engineered(X)
        result = self._explained_values(rows, self.show_progress)
        return LocalExplanation(
            result.values,
            result.base_values,
            single_row=single_row,
            standard_errors=result.standard_errors,
            **self._context(evaluation_examples, check_rows, X, result, self._later(rows, check_rows, result)),
        )

    def explain_global(
        self,
        evaluation_examples: Any,
        sampling_policy: Any = None,
        include_local: bool = True,
        batch_size: int = 100,
    ) -> GlobalExplanation:
        """Average |local value| over rows, for each class and over all.

        Parameters
        ----------
        evaluation_examples : array-like or table of shape (n_rows, n_features)
            As in `explain_local`.
        sampling_policy : SamplingPolicy, optional
            Whether only some rows are explained, which the explanation's ``eval_data`` then holds. It acts with
            `KernelExplainer`, `DeepExplainer` and `LIMEExplainer`; where rows are cheap, every row is explained.
        include_local : bool, default True
            Keep the local values in the result. False explains the rows in batches and keeps only their means, which
            are the same: memory does not grow with the number of rows.
        batch_size : int, default 100
            With ``include_local=False``, rows of a batch. Since small batches would leave cores idle, a batch is
            never smaller than what fits 32 MiB of values; ask for more rows than that if memory allows.

        Returns
        -------
        GlobalExplanation
            A `GlobalLocalExplanation` with `include_local`.

        Raises
        ------
        ValueError
            As in `explain_local`; or there are no rows, or `batch_size` is not a positive whole number.
        """
        evaluation_examples, check_rows = kept_rows(evaluation_examples)
        X = self._table_of_many(evaluation_examples, batch_size)
        sampled = self._sampled(X, evaluation_examples, checked_policy(sampling_policy))
        if sampled is not None:
            (X, evaluation_examples), check_rows = sampled, None
        if include_local:
            rows = self._engineered(X)
            result = self._explained_values(rows, self.show_progress)
            return GlobalLocalExplanation(
                result.values,
                result.base_values,
                standard_errors=result.standard_errors,
                **self._context(evaluation_examples, check_rows, X, result, self._later(rows, check_rows, result)),
            )
        importances, result, predictions = self._streamed(X, batch_size)
        if predictions is None:
            # engineered rows of the whole are made when their predictions are asked for
            transform = None if self._raw is None else self._engineered
            predict: Callable[[], Predictions] = self._later(X, check_rows, result, transform)
        else:
            predict = partial(returned, predictions)
        context = self._context(evaluation_examples, check_rows, X, result, predict)
        return GlobalExplanation(importances, result.base_values, **context)

    def _sampled(self, X: Any, evaluation_examples: Any, policy: SamplingPolicy) -> tuple[Any, Any] | None:
        """The rows that a sampling policy leaves, of both forms of them; None where it leaves all."""
        rows = sampled_rows(X, policy) if self._samples else None
        if rows is None:
            return None
        taken, given = take_rows(X, rows), unwrapped_rows(evaluation_examples)
        return taken, taken if X is given else take_rows(given, rows)

    def _engineered(self, X: Any) -> Any:
        rows = super()._engineered(X)
        if self._raw is not None:
            check_examples(rows, self._explained.n_features, transformed=True)
        return rows

    def _explained_values(self, rows: Any, show_progress: bool | None) -> Attribution:
        """Numbers of the explanation's features, for rows as the model takes them."""
        if self._raw is None:
            return self._attribute(rows, show_progress)
        whole = self._of_raw_features(rows, self._raw.feature_map, show_progress)
        whole = whole._replace(path=whole.path or self.path)
        return whole if self._subset is None else whole.features(self._subset)

    def _of_raw_features(self, rows: Any, feature_map: Any, show_progress: bool | None) -> Attribution:
        """Numbers of the raw features, for engineered rows, which may have thousands of columns: so, in blocks."""
        explained, n_rows = self._explained, count_rows(rows)
        step = max(_LEAST_MAPPED, _BATCH_BYTES // max(1, 8 * explained.n_features * explained.n_outputs))
        if self._samples or n_rows <= step:  # rows that are sampled together share their coalitions
            return self._attribute_all(rows, show_progress).of_raw_features(feature_map)
        parts = []
        with progress(n_rows, self._title, show_progress) as advance:
            for start in range(0, n_rows, step):
                block = slice_rows(rows, start, min(start + step, n_rows))
                parts.append(self._attribute_all(block, False).of_raw_features(feature_map))
                advance(count_rows(block))
        return Attribution.joined(parts)

    def _check_columns(self, X: Any) -> None:
        """Raise ValueError if X is a table with other columns than the model's, or than those of the examples."""
        names, expected = column_names(X), self._explained.feature_names or column_names(self._model_examples)
        if names is None or expected is None or names == expected:
            return
        if len(names) != len(expected):
            raise ValueError(f"evaluation_examples has {len(names)} columns; the model has {len(expected)} features.")
        check_columns(names, expected)

    def _streamed(self, X: Any, batch_size: int) -> tuple[NDArray[np.float64], Attribution, Predictions | None]:
        """Mean |value| (n_outputs, n_explained) over batches of rows.

        Also what is known of all of the rows: an `Attribution` of the last batch with the sums of the first and the
        probabilities of all, and predictions where they are made at once.
        """
        explained = self._explained
        n_explained = explained.n_features if self._raw is None else self._raw.n_raw
        if self._subset is not None:
            n_explained = len(self._subset)
        running = MeanAbs(n_explained, explained.n_outputs)
        row_bytes = 8 * explained.n_features * explained.n_outputs
        probabilities, predictions, sums = [], [], None
        with progress(count_rows(X), "explain_global", self.show_progress) as bar:
            for rows in self._batches(count_rows(X), batch_size, row_bytes):
                batch = self._engineered(slice_rows(X, rows.start, rows.stop))
                with bar.part(rows.stop - rows.start):
                    result = self._explained_values(batch, show_progress=None)
                running.add(result.values)
                if rows.start == 0:
                    sums = result.sums or first_sums(result.values, result.base_values)
                if result.probabilities is not None:
                    probabilities.append(result.probabilities)
                if self._predicts_at_once:
                    predictions.append(explained.predict(batch))
        whole = np.concatenate(probabilities) if probabilities else None
        return running.result(), result._replace(sums=sums, probabilities=whole), _joined(predictions)

    def _predicting(self, result: Attribution) -> Callable[[Any], Predictions]:
        """What predicts rows of which some things are known already."""
        return self._explained.predict

    def _later(
        self,
        X: Any,
        check_rows: Callable[[], None] | None,
        result: Attribution,
        transform: Callable[[Any], Any] | None = None,
    ) -> Callable[[], Predictions]:
        """What gives the predictions of rows X: `LaterPredictions`, or those that are made at once."""
        if self._predicts_at_once:
            return partial(returned, self._predicting(result)(X))
        sums = result.sums or first_sums(result.values, result.base_values)
        return LaterPredictions(self._predicting(result), X, check_rows, self._explained.outputs, sums, transform)

    def _context(
        self,
        evaluation_examples: Any,
        check_rows: Callable[[], None] | None,
        X: Any,
        result: Attribution,
        predict: Callable[[], Predictions],
    ) -> Context:
        if self._raw is None:
            names = self._given_features or column_labels(X) or self.features
        else:
            names = self._raw.raw_features
        context = self._whose(names, evaluation_examples, check_rows)
        context |= {
            "model_task": self._explained.task,
            "model_type": str(type(self.model)),
            "method": self._method.replace(".", "_"),
            "path": result.path,
            "units": self._explained.units,
            "background": self._background_words,
            "predict": predict,
        }
        return context


def _joined(predictions: list[Predictions]) -> Predictions | None:
    """Predictions of batches as those of all rows; None for none."""
    if not predictions:
        return None
    labels, probabilities = zip(*predictions, strict=True)
    return np.concatenate(labels), None if probabilities[0] is None else np.concatenate(probabilities)
