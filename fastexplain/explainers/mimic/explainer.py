"""`MimicExplainer`: a model or function explained by a surrogate that has learnt its answers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.probability import warn_of_rescaled_values
from fastexplain.engine.progress import progress
from fastexplain.exceptions import PoorFidelityWarning, ScenarioNotSupportedException
from fastexplain.explainers.mimic.arguments import (
    check_probabilities,
    check_surrogate_class,
    feature_names,
    is_lightgbm,
    plain_reset,
)
from fastexplain.explainers.mimic.augmentation import augmented
from fastexplain.explainers.mimic.categories import column_indices
from fastexplain.explainers.mimic.distillation import distill, held_out_fidelity
from fastexplain.explainers.mimic.rows import SurrogateRows, reset_rows
from fastexplain.explainers.mimic.saving import MimicState, from_properties, to_properties
from fastexplain.explainers.mimic.surrogates._base import BaseExplainableModel, SurrogateValues
from fastexplain.explainers.mimic.teacher import find_teacher, known_teacher
from fastexplain.explainers.mimic.values import (
    SurrogateMeans,
    both_classes,
    filled,
    of_raw_features,
    raw_importances,
    surrogate_values,
    takes_output,
)
from fastexplain.explainers.options import ResetIndex, ShapValuesOutput
from fastexplain.explainers.raw.raw_features import raw_features
from fastexplain.explainers.shared.base import RowExplainer
from fastexplain.explainers.shared.checks import (
    check_columns,
    check_subset,
    distinct_names,
    list_of_names,
    plain_output,
)
from fastexplain.explainers.shared.later import agree, model_has_changed, returned
from fastexplain.explanation import GlobalExplanation, GlobalLocalExplanation, LocalExplanation
from fastexplain.explanation.explanation import RESCALED, Context, Predictions
from fastexplain.explanation.sparse_explanation import SparseGlobalLocalExplanation, SparseLocalExplanation
from fastexplain.models.wrapped import with_predict
from fastexplain.rows.kept import kept_rows
from fastexplain.rows.kinds import refuse_complex
from fastexplain.rows.matrix import categorical_columns
from fastexplain.rows.tables import (
    as_table,
    column_labels,
    column_names,
    count_columns,
    count_rows,
    listed_rows,
    slice_rows,
    take_rows,
)

__all__ = ["SMALL_DATA", "MimicExplainer"]

_Check = Callable[[], None] | None

# With fewer rows, LightGBM may put single rows in a leaf: otherwise it would learn a constant.
SMALL_DATA = 50
# Examples whose answers tell whether the teacher is still the one that was learnt from.
_ASKED_AGAIN = 32


class MimicExplainer(RowExplainer):
    """Explains any model or function by a surrogate: a model that explains itself, trained on the answers of the first.

    The first is the teacher. It is called once on the initialization examples, and once on each set of rows that is
    explained, and only for the explanation's predictions; with these, once more on a few of the examples, whose answers
    tell whether it is still the same. Values are those of the surrogate, so they say as much of
    the teacher as the surrogate has learnt of it: see `fidelity`.

    A classifier of two classes is learnt as a regression on its log-odds, clipped to -5..5; one of more by the class
    that it chooses; a classifier without probabilities as if it was certain. Columns of time stamps become seconds
    since the earliest, and year, month, day, hour, minute, second. Categories become codes that LightGBM splits by
    category, or zeros and ones for the other surrogates. Their values are added up to those of the user's columns.

    Parameters
    ----------
    model : object or callable
        The fitted teacher, or a function of rows that returns predictions (n_rows,) or probabilities (n_rows,
        n_classes).
    initialization_examples : array, csr, table or DatasetWrapper of shape (n_rows, n_features)
        Rows that the surrogate is trained on.
    explainable_model : class
        `LGBMExplainableModel`, `LinearExplainableModel`, `SGDExplainableModel`, `DecisionTreeExplainableModel` or
        another subclass of `BaseExplainableModel`.
    explainable_model_args : dict, optional
        Its keyword arguments.
    is_function : bool, default False
        Call the model itself although it has a predict. A plain function needs no such hint.
    augment_data : bool, default True
        With at least twice as many features as rows, add copies of the rows with shuffled columns.
    max_num_of_augmentations : int, default 10
        Most such copies.
    explain_subset : sequence of int or str, optional
        Features, by index or name, that explanations are cut down to. The values are those of the full explanation.
    features : sequence of str, optional
        Names; default: those of the examples' table.
    classes : sequence, optional
        Labels to show for a classifier's classes, in the model's order; default: those that the model knows.
    transformations : ColumnTransformer, Pipeline or list of tuple, optional
        Fitted. Rows are then those before the transformations, and so are the explained features: values of the columns
        that a feature becomes are added up. `categorical_features` are columns that the transformations make.
    allow_all_transformations : bool, default False
        Whether a column may come of several features; its values are then shared out among them.
    shap_values_output : {"default", "probability", "teacher_probability"}
        What values and base value of a classifier add up to: the surrogate's log-odds; or, scaled approximately, the
        surrogate's own probability or the teacher's (of a regression, the teacher's output). Scaled values of log-odds
        are no Shapley values of the probability: a `RescaledValuesWarning` says so, as `units` and pictures do.
    categorical_features : sequence of str or int, optional
        Columns of categories, by name or index, besides those whose type says so (``category`` of pandas, Categorical
        and Enum of polars). A category that was not seen counts as one of its own.
    model_task : {"unknown", "classification", "regression"}, default "unknown"
        Unknown: as the model says; a function with one output does regression, one with several classification.
    reset_index : {"ignore", "reset", "reset_teacher"} or bool, default "ignore"
        ``"reset"`` (or True): the index of a pandas table becomes columns of the surrogate, after all others. The
        teacher always gets the table with its index, so that ``"reset_teacher"`` is the same as ``"ignore"``.
    fidelity : bool, default True
        Find out how well such a surrogate predicts the teacher on rows that it has not seen. That trains one more
        surrogate on 80 % of the rows, so that construction takes less than twice as long; of few rows and columns,
        which are trained on in no time, five. It calls no teacher.
    n_threads : int, optional
        Threads of each explanation; default `fastexplain.get_num_threads`. Training has threads of its own, which
        `explainable_model_args` may set (``n_jobs``).
    show_progress : bool, optional
        A progress bar where standard error is a terminal, and in notebooks; None shows it once the work has taken a
        second.
    include_init_data : bool, default False
        Whether explanations and pickles keep `initialization_examples`: see `RowExplainer`.

    Attributes
    ----------
    model : object
        As given.
    surrogate_model : BaseExplainableModel
        Trained on all initialization examples.
    fidelity : FidelityReport or None
        None if it was not asked for, or there are fewer than 10 rows.
    method : str
        E.g. ``"mimic.lightgbm"``.
    features, classes : list or None
        As resolved at construction.

    Raises
    ------
    UnsupportedModelError
        The model has nothing to call.
    TypeError
        `explainable_model` is no class of a surrogate.
    ValueError
        Columns hold text but are not in `categorical_features`, or that names columns that do not exist; a number of
        names differs from the model's; or `model_task` contradicts the model.

    Warns
    -----
    PoorFidelityWarning
        The surrogate predicts its teacher badly.

    Notes
    -----
    Memory beyond the rows: the surrogate's float64 matrix of them, (n_rows, n_inputs).
    """

    # a few examples as the teacher takes them, and its answers; a loaded explainer has none
    _answered: tuple[Any, NDArray[np.float64]] | None = None
    _labels: list[str] | None = None  # of the table that it was built from; files and transformations have none

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        explainable_model: type[BaseExplainableModel],
        explainable_model_args: Mapping[str, Any] | None = None,
        is_function: bool = False,
        augment_data: bool = True,
        max_num_of_augmentations: int = 10,
        explain_subset: Sequence[int | str] | None = None,
        features: Sequence[Any] | None = None,
        classes: Sequence[Any] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        shap_values_output: Any = ShapValuesOutput.DEFAULT,
        categorical_features: Sequence[Any] | None = None,
        model_task: Any = "unknown",
        reset_index: Any = ResetIndex.Ignore,
        *,
        fidelity: bool = True,
        n_threads: int | None = None,
        show_progress: bool | None = None,
        include_init_data: bool = False,
    ) -> None:
        check_surrogate_class(explainable_model)
        if transformations is not None and explain_subset is not None:
            raise ValueError("explain_subset not supported with transformations")
        self.is_function, self.include_init_data = is_function, include_init_data
        self.show_progress = show_progress
        self.transformations = transformations
        self.allow_all_transformations = allow_all_transformations
        self.explain_subset = explain_subset
        self.reset_index = plain_reset(reset_index)
        self._shap_values_output = plain_output(shap_values_output)
        rows = listed_rows(as_table(initialization_examples)[0])
        refuse_complex(rows, "initialization_examples")
        self.initialization_examples = rows
        self._raw = raw_features(transformations, rows, features, allow_all_transformations, None)
        self._index_names: list[Any] = []
        if self._raw is not None:
            if self.reset_index == ResetIndex.Reset:
                raise ValueError("reset_index='reset' is not supported with transformations: they make no index.")
            rows = self._raw.transform(rows)
            self.features = self._raw.raw_features
            self._columns = self._raw.engineered_features
        else:
            if self.reset_index == ResetIndex.Reset:
                self._index_names = reset_rows(rows)[1]
            names = distinct_names(features, "features")
            self.features = feature_names(names, column_labels(rows), count_columns(rows), self._index_names)
            self._columns = self.features
            self._labels = column_names(rows)
        n_rows = count_rows(rows)
        if augment_data:
            rows = augmented(rows, max_num_of_augmentations)
        steps = 3 if fidelity else 2
        with progress(steps, "MimicExplainer", show_progress, unit=" steps") as bar:
            labels = list_of_names(classes, "classes")
            with bar.part(1, "asking the teacher"):
                self._teacher, outputs = find_teacher(model, is_function, model_task, labels, rows)
            self.classes = self._teacher.classes
            self._take_model(model)
            some = np.linspace(0, n_rows - 1, min(n_rows, _ASKED_AGAIN)).astype(np.intp)
            self._answered = take_rows(listed_rows(rows), some), outputs[some]
            with bar.part(1, "training"):
                args = self._fit(rows, outputs, explainable_model, explainable_model_args, categorical_features)
            with bar.part(steps - 2, "measuring fidelity"):
                self.fidelity = held_out_fidelity(explainable_model, *args, outputs, n_rows) if fidelity else None
        self._warn_of_poor_fidelity()
        if self._units == RESCALED:
            base = "the base value is the probability at the mean margin"
            warn_of_rescaled_values("the surrogate", self._shap_values_output, base, stacklevel=2)
        if n_threads is not None:
            self.surrogate_model.n_threads = resolve_num_threads(n_threads)

    def _take_model(self, model: Any) -> None:
        """Keep the teacher as it was given, with a ``predict`` if it is a torch network."""
        self.model = model if self.is_function else with_predict(model, self._teacher.task, self._teacher.outputs)
        is_function = self._teacher.target.owner is None and self.model is model
        self._model_type = "function" if is_function else str(type(model))

    def _fit(
        self,
        rows: Any,
        outputs: NDArray[np.float64],
        explainable_model: type[BaseExplainableModel],
        explainable_model_args: Mapping[str, Any] | None,
        categorical_features: Sequence[Any] | None,
    ) -> tuple[dict[str, Any], Any]:
        """Train the surrogate on rows: the user's, then copies with columns shuffled; its arguments and matrix."""
        rows = self._surrogate_columns(rows)
        n_columns = count_columns(rows)
        self._subset = check_subset(self.explain_subset, self.features, n_columns)
        named = [] if categorical_features is None else categorical_features
        categorical = [*column_indices(named, self._columns, n_columns), *categorical_columns(rows)]
        splits_categories = is_lightgbm(explainable_model)
        self._rows = SurrogateRows(rows, categorical, not splits_categories, self._columns)
        args = dict(explainable_model_args or {})
        if splits_categories and self._rows.categories:
            args.setdefault("categorical_feature", list(self._rows.categories))
        if splits_categories and count_rows(rows) < SMALL_DATA:
            args["min_data_in_leaf"] = 1
        args["classification"] = self._teacher.task == "classification"
        if takes_output(explainable_model):
            args["shap_values_output"] = self._shap_values_output
        matrix = self._rows.matrix(rows)
        self.surrogate_model = distill(explainable_model, args, matrix, outputs)
        check_probabilities(self.surrogate_model, self._shap_values_output)
        self._method = self.surrogate_model._method
        return args, matrix

    def _warn_of_poor_fidelity(self) -> None:
        """Tell a user who never looks at `fidelity`."""
        if self.fidelity is not None and self.fidelity.poor:
            warnings.warn(
                f"The surrogate {type(self.surrogate_model).__name__} predicts its teacher {self._teacher.name} badly "
                f"({self.fidelity.summary()}), so its explanations say little of the teacher. Give more "
                "initialization_examples, or another surrogate or explainable_model_args.",
                PoorFidelityWarning,
                stacklevel=3,
            )

    @property
    def method(self) -> str:
        """``"mimic."`` and the surrogate's name, e.g. ``"mimic.lightgbm"``."""
        return f"mimic.{self._method}"

    def explain_local(self, evaluation_examples: Any) -> LocalExplanation:
        """Attribute the surrogate's output for each row to the features.

        Parameters
        ----------
        evaluation_examples : array, csr, table or DatasetWrapper (n_rows, n_features), or one row (n_features,)
            Columns as in the initialization examples. The explanation keeps them as they are now; see
            `TabularExplainer`.

        Returns
        -------
        LocalExplanation
            Its lists have no row axis if the row was 1-D.

        Raises
        ------
        ValueError
            Rows have another width, or text where the initialization examples had numbers.
        TypeError
            `evaluation_examples` is nothing that holds rows.
        """
        evaluation_examples, check_rows = kept_rows(evaluation_examples)
        X, single_row = self._table(evaluation_examples)
        values, predict = self._explained(X, check_rows)
        context = self._context(evaluation_examples, check_rows, predict)
        if isinstance(values.values, list):
            return SparseLocalExplanation(values.values, values.base_values, **context)
        return LocalExplanation(values.values, values.base_values, single_row=single_row, **context)

    def explain_global(
        self, evaluation_examples: Any = None, include_local: bool = True, batch_size: int = 100
    ) -> GlobalExplanation:
        """Average |local value| over rows, for each class and over all; without rows, the surrogate's own importances.

        Parameters
        ----------
        evaluation_examples : array, csr, table or DatasetWrapper of shape (n_rows, n_features), optional
            None: what the surrogate itself says, as the number of splits of LightGBM or the coefficients of a linear
            model, which may be negative; there are no values per class then, and no expected values.
        include_local : bool, default True
            Keep the local values in the result. False explains the rows in batches and keeps only their means.
        batch_size : int, default 100
            With ``include_local=False``, rows of a batch; never fewer than what fits 32 MiB of values.

        Returns
        -------
        GlobalExplanation
            A `GlobalLocalExplanation` with rows and `include_local`.

        Raises
        ------
        ValueError
            As in `explain_local`; or there are no rows, or `batch_size` is not a positive whole number.
        """
        if evaluation_examples is None:
            return self._own_importances()
        evaluation_examples, check_rows = kept_rows(evaluation_examples)
        X = self._table_of_many(evaluation_examples, batch_size)
        if include_local:
            values, predict = self._explained(X, check_rows)
            context = self._context(evaluation_examples, check_rows, predict)
            if isinstance(values.values, list):
                return SparseGlobalLocalExplanation(values.values, values.base_values, **context)
            return GlobalLocalExplanation(values.values, values.base_values, **context)
        importances, base_values, predict = self._streamed(X, check_rows, batch_size)
        return GlobalExplanation(importances, base_values, **self._context(evaluation_examples, check_rows, predict))

    def get_surrogate_model_replication_measure(self, training_data: Any) -> float:
        """How well the surrogate predicts the teacher on given rows: accuracy of a classifier, R2 of a regression.

        Rows that the surrogate was trained on flatter it; `fidelity` is on others.

        Parameters
        ----------
        training_data : array, csr, table or DatasetWrapper of shape (n_rows, n_features)

        Raises
        ------
        ScenarioNotSupportedException
            One row of a regression: it has no variance.
        """
        X, _ = self._table(training_data)
        if self._teacher.task == "regression" and count_rows(X) < 2:
            raise ScenarioNotSupportedException(
                "Replication measure for regression surrogate not supported because of single instance in training data"
            )
        rows = self._engineered(X)
        outputs = self._teacher.outputs(rows)
        predicted = np.asarray(self.surrogate_model.predict(self._rows.matrix(self._surrogate_columns(rows)))).ravel()
        if self._teacher.task == "regression":
            from sklearn.metrics import r2_score

            return float(r2_score(outputs, predicted))
        chosen = predicted if outputs.shape[1] > 2 else predicted > 0
        return float((outputs.argmax(axis=1) == chosen).mean())

    def _save(self) -> dict[str, Any]:
        """The explainer without teacher and rows, as a dictionary of JSON strings by interpret-community's keys.

        Raises
        ------
        ValueError
            The surrogate is not LightGBM, or there are transformations.
        """
        if self.transformations is not None:
            raise ValueError("_save cannot write transformations. Pickle the explainer.")
        return to_properties(
            MimicState(
                surrogate=self.surrogate_model,
                rows=self._rows,
                task=self._teacher.task,
                n_classes=self._teacher.n_classes,
                classes=self.classes,
                features=self.features,
                is_function=self.is_function,
                index_names=self._index_names,
                explain_subset=None if self.explain_subset is None else list(self.explain_subset),
                allow_all_transformations=bool(self.allow_all_transformations),
                reset_index=self.reset_index,
                output=self._shap_values_output,
                fidelity=self.fidelity,
            )
        )

    @staticmethod
    def _load(model: Any, properties: dict[str, Any]) -> MimicExplainer:
        """The explainer that `_save`, or interpret-community's, has written, around its teacher.

        Parameters
        ----------
        model : object or callable
            The teacher, with the same methods as before.
        properties : dict
        """
        loaded = MimicExplainer.__new__(MimicExplainer)
        loaded._restore(model, from_properties(properties))
        return loaded

    def _restore(self, model: Any, state: MimicState) -> None:
        """Become the explainer of a saved state, around its teacher."""
        self.is_function, self.reset_index = state.is_function, state.reset_index
        self.transformations = self.initialization_examples = self._raw = None
        self.allow_all_transformations = state.allow_all_transformations
        self.features = self._columns = state.features
        self.classes, self.explain_subset = state.classes, state.explain_subset
        self._shap_values_output, self.fidelity = state.output, state.fidelity
        self._index_names, self._rows = state.index_names, state.rows
        self.surrogate_model, self._method = state.surrogate, state.surrogate._method
        self.show_progress = None
        self._subset = check_subset(state.explain_subset, state.features, state.rows.n_columns)
        self._teacher = known_teacher(model, state.is_function, state.task, state.n_classes, state.classes)
        self._take_model(model)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if not self.include_init_data:
            state["_answered"] = None
        return state

    def _predicted(self, X: Any) -> Predictions:
        return self._teacher.predictions(self._engineered(X))

    def _surrogate_columns(self, rows: Any) -> Any:
        """Rows with the columns that the surrogate is trained on: also those of the index, where it is reset."""
        check_columns(column_names(rows), self._labels)
        return reset_rows(rows, self._index_names)[0] if self._index_names else rows

    def _explained(self, X: Any, check_rows: _Check) -> tuple[SurrogateValues, Callable[[], Predictions]]:
        """Local values of the explained features, and what predicts the rows; the teacher is called once at most."""
        predict, outputs = self._answers(X, check_rows)
        values = self._values(X, outputs)
        return (values if self._raw is None else filled(values)), predict

    def _answers(self, X: Any, check_rows: _Check) -> tuple[Callable[[], Predictions], NDArray[np.float64] | None]:
        """What gives the teacher's predictions, and its outputs where values are scaled to them.

        Values are the surrogate's, and do not tell whether the teacher is still the same.
        """
        scales = self._shap_values_output == ShapValuesOutput.TEACHER_PROBABILITY
        if not scales and self._answered is not None:
            return partial(self._predicted_later, X, check_rows, self._answered), None
        predictions = self._predicted(X)
        return partial(returned, predictions), self._teacher.outputs_from(predictions) if scales else None

    def _predicted_later(self, X: Any, check_rows: _Check, answered: tuple[Any, NDArray[np.float64]]) -> Predictions:
        if check_rows is not None:
            check_rows()
        rows, outputs = answered
        if not agree(self._teacher.outputs(rows), outputs):
            raise model_has_changed()
        return self._predicted(X)

    def _values(self, X: Any, outputs: NDArray[np.float64] | None) -> SurrogateValues:
        classification = self._teacher.task == "classification"
        values = surrogate_values(
            self.surrogate_model,
            self._rows.matrix(self._surrogate_columns(self._engineered(X))),
            outputs,
            self._shap_values_output,
            classification,
        )
        values = SurrogateValues(self._rows.fold(values.values), values.base_values)
        if self._raw is not None:
            values = of_raw_features(values, self._raw.feature_map)
        if classification and len(values.base_values) == 1 and self._shap_values_output != ShapValuesOutput.DEFAULT:
            values = both_classes(values)
        if self._subset is None:
            return values
        if isinstance(values.values, list):
            return SurrogateValues([each[:, self._subset] for each in values.values], values.base_values)
        return SurrogateValues(values.values[:, self._subset], values.base_values)

    def _streamed(
        self, X: Any, check_rows: _Check, batch_size: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], Callable[[], Predictions]]:
        """Mean |value| (n_outputs, n_explained) over batches of rows, base values, and what predicts the rows."""
        predict, outputs = self._answers(X, check_rows)
        row_bytes = 8 * len(self._rows.source) * (self._teacher.n_classes or 1)
        means: SurrogateMeans | None = None
        base_values = np.empty(0)
        with progress(count_rows(X), "explain_global", self.show_progress) as bar:
            for part in self._batches(count_rows(X), batch_size, row_bytes):
                with bar.part(part.stop - part.start):
                    answers = None if outputs is None else outputs[part]
                    values = self._values(slice_rows(X, part.start, part.stop), answers)
                base_values = values.base_values
                means = means or SurrogateMeans(self._n_explained, len(base_values))
                means.add(values.values)
        assert means is not None  # there are rows
        return means.result(), base_values, predict

    def _own_importances(self) -> GlobalExplanation:
        importances = self._rows.fold_importances(self.surrogate_model.explain_global())
        if self._raw is not None:
            importances = raw_importances(importances, self._raw.feature_map)
        if self._subset is not None:
            importances = importances[self._subset]
        return GlobalExplanation(importances, **self._context(None, None, None))

    @property
    def _n_explained(self) -> int:
        if self._raw is not None:
            return self._raw.n_raw
        return self._rows.n_columns if self._subset is None else len(self._subset)

    def _context(
        self, evaluation_examples: Any, check_rows: _Check, predict: Callable[[], Predictions] | None
    ) -> Context:
        context = self._whose(self.features, evaluation_examples, check_rows)
        context |= {
            "model_task": self._teacher.task,
            "model_type": self._model_type,
            "method": self.method,
            "units": self._units,
            "predict": predict,
            "n_classes": self._teacher.n_classes if predict is None else None,
            "fidelity": self.fidelity,
        }
        return context

    @property
    def _units(self) -> str:
        if self._teacher.task == "regression":
            return "model output"
        if getattr(self.surrogate_model, "_gives_probabilities", False):
            return "probability"
        return "margin" if self._shap_values_output == ShapValuesOutput.DEFAULT else RESCALED
