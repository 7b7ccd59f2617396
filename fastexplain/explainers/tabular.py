"""`TabularExplainer`: chooses the exact method for a fitted model, and explains rows with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine import tree_shap
from fastexplain.explainers._predictions import model_predictions
from fastexplain.explainers._rows import as_table, column_names, count_rows, slice_rows
from fastexplain.explanation import GlobalExplanation, GlobalLocalExplanation, LocalExplanation
from fastexplain.explanation.aggregation import BLOCK_ROWS, MeanAbs
from fastexplain.explanation.explanation import Context
from fastexplain.models import TreeModel, load_model

__all__ = ["TabularExplainer", "explained_units"]

_logger = logging.getLogger("fastexplain")

# Values of one batch when a global explanation is streamed: enough rows to keep every core busy.
_BATCH_BYTES = 32 * 2**20
# Classes whose raw output is a probability; all other classifiers add up margins.
_PROBABILITY_MODULES = ("sklearn.ensemble._forest", "sklearn.tree._classes")


class TabularExplainer:
    """Explains a fitted model of tabular data by exact SHAP values.

    The method follows from the model's type, and is in `method` and in the log (logger ``fastexplain``, level INFO).
    Tree models of scikit-learn, LightGBM and XGBoost get path-dependent Tree SHAP in raw-output units: margins for
    boosters, probabilities for forests of classification trees. No method is ever a silent stand-in for another.

    Parameters
    ----------
    model : object
        The fitted model.
    initialization_examples : array-like or table of shape (n_rows, n_features), or None
        Rows like those that the model was fitted on. Tree SHAP takes its background from the trees themselves, so
        these only give names, column types of single rows, and the explanation's ``init_data``. Not copied.
    explain_subset : sequence of int or str, optional
        Features, by index or name, that explanations are cut down to. The values are those of the full explanation.
    features : sequence of str, optional
        Names; default: those of the examples' table, else those of the rows' table, else those that the model knows.
    classes : sequence, optional
        Labels to show for a classifier's classes, in the model's order; default: those that the model knows.
    transformations : optional
        Must be None: mapping back to the columns before a transformation is not there yet.
    allow_all_transformations : bool, default False
        Has no effect without `transformations`.
    model_task : {"unknown", "classification", "regression"}, default "unknown"
        Checked against the model, which knows its task.
    n_threads : int, optional
        Threads of each call; default `fastexplain.get_num_threads`.
    show_progress : bool, default False
        Show a progress bar on long work; it stays away where stderr is not a terminal.

    Attributes
    ----------
    model : object
        As given.
    method : str
        ``"shap.tree"``.
    features, classes : list or None
        As resolved at construction.

    Raises
    ------
    UnsupportedModelError
        The model, or an option of it, is not supported; the message names the planned method.
    ModelConversionError
        The converted model does not reproduce the library's own predictions.
    ValueError
        A number of names or columns differs from the model's (the message gives both), `model_task` contradicts the
        model, or `transformations` are given.

    Notes
    -----
    Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for trees".
    """

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        explain_subset: Sequence[int | str] | None = None,
        features: Sequence[Any] | None = None,
        classes: Sequence[Any] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        model_task: str = "unknown",
        *,
        n_threads: int | None = None,
        show_progress: bool = False,
    ) -> None:
        _refuse_transformations(transformations, explain_subset)
        self.model = model
        self.initialization_examples = initialization_examples
        self.transformations = transformations
        self.allow_all_transformations = allow_all_transformations
        self.n_threads = n_threads
        self.show_progress = show_progress
        self._method = "shap.tree"
        self._tree_model = load_model(model)
        _check_task(model_task, self._tree_model)
        n_features = self._tree_model.forest.n_features
        _check_examples(initialization_examples, n_features)
        self._given_features = _names(features, "features") or column_names(initialization_examples)
        self.features = self._given_features or (
            None if self._tree_model.feature_names is None else list(self._tree_model.feature_names)
        )
        if self.features is not None and len(self.features) != n_features:
            raise ValueError(f"features has {len(self.features)} names; the model has {n_features} features.")
        self.classes = _checked_classes(_names(classes, "classes"), self._tree_model)
        self._subset = _checked_subset(explain_subset, self.features, n_features)
        self.explain_subset = explain_subset
        _logger.info(
            "TabularExplainer explains %s with exact path-dependent Tree SHAP (%s): %d trees, %d features, %d outputs.",
            type(model).__qualname__,
            self._method,
            self._tree_model.forest.n_trees,
            n_features,
            self._tree_model.forest.n_outputs,
        )

    @property
    def method(self) -> str:
        """The chosen method, e.g. ``"shap.tree"``."""
        return self._method

    def explain_local(self, evaluation_examples: Any) -> LocalExplanation:
        """Attribute each row's raw output to the features.

        Memory: the result's ``8 * n_rows * n_features * n_outputs`` bytes, and little else.

        Parameters
        ----------
        evaluation_examples : array-like or table of shape (n_rows, n_features), or one row of shape (n_features,)
            Columns in the order that the model was fitted on. What is missing follows the model's own rule. Kept by
            the explanation, without a copy.

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
        X, single_row = as_table(evaluation_examples, self.initialization_examples)
        values, base_values = self._values(X, self.show_progress)
        context = self._context(evaluation_examples, X)
        return LocalExplanation(values, base_values, single_row=single_row, **context)

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
        sampling_policy : optional
            Has no effect: every row is explained.
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
        if not isinstance(batch_size, int | np.integer) or batch_size <= 0:
            raise ValueError(f"Specified argument batch_size must be greater than 0; got {batch_size!r}.")
        X, _ = as_table(evaluation_examples, self.initialization_examples)
        if count_rows(X) == 0:
            raise ValueError("evaluation_examples has no rows; a global explanation needs at least one.")
        context = self._context(evaluation_examples, X)
        if include_local:
            values, base_values = self._values(X, self.show_progress)
            return GlobalLocalExplanation(values, base_values, **context)
        importances, base_values = self._streamed(X, batch_size)
        return GlobalExplanation(importances, base_values, **context)

    def _values(self, X: Any, show_progress: bool) -> tuple[NDArray[np.floating[Any]], NDArray[np.float64]]:
        """Values of the explained features (n_rows, n_explained, n_outputs), and base values."""
        result = tree_shap(self._tree_model, X, n_threads=self.n_threads, show_progress=show_progress)
        values = result.values if self._subset is None else result.values[:, self._subset]
        return values, result.base_values

    def _streamed(self, X: Any, batch_size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean |value| (n_outputs, n_explained) over batches of rows, and base values."""
        from tqdm.auto import tqdm

        forest = self._tree_model.forest
        n_rows = count_rows(X)
        n_explained = forest.n_features if self._subset is None else len(self._subset)
        running = MeanAbs(n_explained, forest.n_outputs)
        step = max(batch_size, _BATCH_BYTES // (8 * max(1, forest.n_features * forest.n_outputs)))
        step = -(-step // BLOCK_ROWS) * BLOCK_ROWS  # whole blocks: the means have the same bits as in one piece
        # disable=None: no bar where stderr is not a terminal
        with tqdm(total=n_rows, unit="row", unit_scale=True, disable=None if self.show_progress else True) as bar:
            for start in range(0, n_rows, step):
                stop = min(start + step, n_rows)
                values, base_values = self._values(slice_rows(X, start, stop), show_progress=False)
                running.add(values)
                bar.update(stop - start)
        return running.result(), base_values

    def _context(self, evaluation_examples: Any, X: Any) -> Context:
        names = self._given_features or column_names(X) or self.features
        columns = None if self._subset is None else self._subset.tolist()
        if names is not None and columns is not None:
            names = [names[i] for i in columns]
        elif columns is not None:
            names = columns
        return Context(
            features=names,
            classes=self.classes,
            model_task=self._tree_model.task,
            model_type=str(type(self.model)),
            method=self._method.replace(".", "_"),
            units=explained_units(self._tree_model),
            init_data=self.initialization_examples,
            eval_data=evaluation_examples,
            feature_columns=columns,
            predict=partial(model_predictions, self._tree_model, X),
        )


def _refuse_transformations(transformations: Any, explain_subset: Any) -> None:
    if transformations is None:
        return
    if explain_subset is not None:
        raise ValueError("explain_subset not supported with non-None transformations")
    raise ValueError(
        "transformations are not supported yet. Pass rows as the model itself sees them (transformed), and "
        "transformations=None."
    )


def _check_task(model_task: str, model: TreeModel) -> None:
    task = str(getattr(model_task, "value", model_task))  # str enums too
    if task not in ("unknown", "classification", "regression"):
        raise ValueError(f"model_task must be 'unknown', 'classification' or 'regression'; got {model_task!r}.")
    if task not in ("unknown", model.task):
        raise ValueError(f"model_task is {task!r}, but the {model.library} model does {model.task}.")


def _check_examples(examples: Any, n_features: int) -> None:
    if examples is None:
        return
    shape = examples.shape if hasattr(examples, "shape") else np.shape(examples)
    if len(shape) != 2:
        raise ValueError(f"initialization_examples must be 2-D; got shape {tuple(shape)}.")
    if shape[1] != n_features:
        raise ValueError(f"initialization_examples has {shape[1]} columns; the model has {n_features} features.")


def _names(given: Any, argument: str) -> list[Any] | None:
    if given is None:
        return None
    if isinstance(given, str):
        raise TypeError(f"{argument} must be a list of names; got the string {given!r}.")
    return given.tolist() if isinstance(given, np.ndarray) else list(given)


def _checked_classes(classes: list[Any] | None, model: TreeModel) -> list[Any] | None:
    if classes is None:
        return None if model.classes is None else list(model.classes)
    if model.task != "classification":
        raise ValueError(f"classes has {len(classes)} labels, but the {model.library} model does regression.")
    if len(classes) != model.n_classes:
        raise ValueError(f"classes has {len(classes)} labels; the model has {model.n_classes} classes.")
    return classes


def _checked_subset(
    subset: Sequence[int | str] | None, features: list[Any] | None, n_features: int
) -> NDArray[np.intp] | None:
    """Column indices of the explained features."""
    names = _names(subset, "explain_subset")
    if names is None:
        return None
    if not names:
        raise ValueError("explain_subset is empty; pass None to explain all features.")
    positions = {name: i for i, name in enumerate(features or []) if isinstance(name, str)}
    indices = []
    for item in names:
        index = positions.get(item) if isinstance(item, str) else item
        if isinstance(index, bool) or not isinstance(index, int | np.integer) or not 0 <= index < n_features:
            raise ValueError(
                f"explain_subset holds {item!r}; expected feature names, or indices in 0..{n_features - 1}."
            )
        indices.append(int(index))
    if len(set(indices)) != len(indices):
        raise ValueError(f"explain_subset names a feature twice: {names!r}.")
    return np.array(indices, dtype=np.intp)


def explained_units(model: TreeModel) -> str:
    """What Tree SHAP values of a model add up to: ``"margin"``, ``"probability"`` or ``"model output"``."""
    if model.task == "regression":
        return "model output"
    modules = {cls.__module__ for cls in type(model.model).__mro__}
    return "margin" if modules.isdisjoint(_PROBABILITY_MODULES) else "probability"
