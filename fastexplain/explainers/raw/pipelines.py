"""Pipelines as models: the last step, which is explained, and the steps before it, which become transformations.

Whether an explainer that chooses by itself does so is decided here as well: each column that the steps make must come
of one of the user's, which the fitted steps tell, and mixtures of rows confirm.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.explainers.raw.raw_features import RawFeatures
from fastexplain.explainers.raw.transformer_maps import ColumnsMixError
from fastexplain.explainers.shared.dispatch import class_names, unwrapped
from fastexplain.rows.arrays import dense
from fastexplain.rows.containers import as_rows, mixed_rows
from fastexplain.rows.tables import count_columns, count_rows, take_rows

__all__ = ["ModelParts", "taken_apart", "without_map"]

# Rows that are mixed to see whether transformed mixtures are mixtures of transformed rows.
N_PROBES = 64
# Rows that are looked through for those without missing cells.
N_SEARCHED = 1024

_PIPELINE = "sklearn.pipeline.Pipeline"
# Modules of pipelines that predict by their last step, on what the steps before it make of the rows.
_KNOWN_MODULES = ("sklearn.pipeline", "imblearn.pipeline")
# What a class of the user's would change of that.
_MEMBERS = frozenset(
    {"predict", "predict_proba", "decision_function", "transform", "_iter", "steps", "__getattribute__"}
)


class ModelParts(NamedTuple):
    """A model as explainers of one kind of model see it: what they explain, and what is done to rows before it.

    Attributes
    ----------
    last : object
        The last step of a pipeline, the best model of a search; else the model.
    steps : tuple of (str, object)
        Fitted transformers before the last step, without those that change nothing.
    pipeline : str or None
        Name of the pipeline's class; None for a model that is no pipeline.
    """

    last: Any
    steps: tuple[tuple[str, Any], ...] = ()
    pipeline: str | None = None

    @property
    def explained(self) -> str:
        """What is explained of a pipeline, as a clause of a sentence."""
        what = f"step of the {self.pipeline}, {type(self.last).__name__}, is explained"
        before = ", ".join(name for name, _ in self.steps)
        return f"the last {what}, the steps before it are transformations: {before}" if before else f"the only {what}"


def taken_apart(model: Any) -> ModelParts:
    """Take a fitted pipeline apart, or what a search has found.

    Parameters
    ----------
    model : object
        A Pipeline of scikit-learn or imbalanced-learn (whose samplers act in fit only), a search around one, or any
        other model, which stays whole. So does a pipeline whose class predicts in a way of its own.
    """
    found = unwrapped(model)
    if not _is_plain_pipeline(found):
        return ModelParts(found)
    pipeline, steps = type(found).__name__, []
    while _is_plain_pipeline(found):
        steps += [(name, step) for name, step in found.steps[:-1] if _acts(step)]
        found = unwrapped(found.steps[-1][1])
    return ModelParts(found, tuple(steps), pipeline)


def _is_plain_pipeline(model: Any) -> bool:
    if _PIPELINE not in class_names(model):
        return False
    for cls in type(model).__mro__:
        if cls.__module__ in _KNOWN_MODULES:
            return True
        if _MEMBERS & set(vars(cls)):
            return False
    return False


def _acts(step: Any) -> bool:
    """Whether a step changes rows that are predicted: samplers, as imbalanced-learn has them, act in fit only."""
    return not (step is None or isinstance(step, str) or hasattr(step, "fit_resample"))


def without_map(
    parts: ModelParts,
    examples: Any,
    transformations: Any = None,
    features: Any = None,
    allow_all_transformations: bool = False,
    by_column: bool = False,
) -> str | None:
    """Why the columns that a pipeline's steps make cannot be told to come of one column each; None if they can.

    Parameters
    ----------
    parts : ModelParts
    examples : array-like or table of shape (n_rows, n_columns)
        Before `transformations`, if there are any.
    transformations, features, allow_all_transformations
        As the explainer has them; they are the user's, and not looked at.
    by_column : bool, default False
        Ask for more: each column made must be known to be a function of one column alone.

    Returns
    -------
    str or None
        The reason, as a clause of a sentence.
    """
    if not parts.steps:
        return None
    try:
        if transformations is not None:
            before = RawFeatures(transformations, examples, features, allow_all_transformations)
            examples = before.transform_examples(examples)
        raw = RawFeatures(None, examples, None, steps=parts.steps)
        if by_column and not raw.by_column:
            return "its steps are not known to make each column of one column alone"
        return _contradiction(raw)
    except ColumnsMixError as error:
        return _mixing(error.kind)
    except Exception as error:  # whatever the user's transformers raise: the pipeline itself will tell
        return f"its steps cannot be followed ({type(error).__name__}: {error})"


def _mixing(kind: str) -> str:
    """Why a transformer of this kind stands in the way, and what may help."""
    if kind.startswith("FunctionTransformer("):
        return (
            f"{kind} may make columns of several columns (if each comes of the one in its place, say so with "
            "feature_names_out='one-to-one')"
        )
    return f"{kind} makes columns of several columns"


def _contradiction(raw: RawFeatures) -> str | None:
    """What speaks against the map of some steps, tried on mixtures of rows; None where nothing does.

    Where steps look at other columns to fill in missing cells, rows that have none of these are mixed.
    """
    random = np.random.Generator(np.random.Philox(0))
    n_rows = count_rows(raw.examples)
    searched = np.sort(random.choice(n_rows, min(n_rows, N_SEARCHED), replace=False))
    rows = take_rows(raw.examples, searched)
    if not raw.by_column:
        rows = take_rows(rows, np.flatnonzero(~_incomplete(rows)))
        if count_rows(rows) < 2:
            return "too few rows have no missing cell to see whether its steps work column by column"
    first, second = random.integers(count_rows(rows), size=(2, N_PROBES))
    from_first = random.random((N_PROBES, count_columns(rows))) < 0.5
    ones, twos = take_rows(rows, first), take_rows(rows, second)
    mixed = _matrix(raw.transform(mixed_rows(ones, twos, from_first)))
    made_ones, made_twos = _matrix(raw.transform(ones)), _matrix(raw.transform(twos))
    parents = np.full(mixed.shape[1], -1)
    entries = raw.feature_map.tocoo()
    parents[entries.col] = entries.row
    of_one = np.where(parents < 0, True, from_first[:, parents])
    wrong = np.flatnonzero(~_agree(mixed, np.where(of_one, made_ones, made_twos)).all(axis=0))
    if not len(wrong):
        return None
    parent = parents[wrong[0]]
    name = raw.raw_features[parent] if raw.raw_features is not None else parent
    return f"what its steps make of column {name!r} depends on other columns as well"


def _incomplete(rows: Any) -> NDArray[np.bool_]:
    """Which rows have a missing cell."""
    table = as_rows(rows)
    missing = np.zeros(table.n_rows, dtype=bool)
    for j in range(table.n_features):
        missing |= _is_missing(table.column(j))
    return missing


def _is_missing(column: NDArray[Any]) -> NDArray[np.bool_]:
    if column.dtype.kind == "O":
        return np.array([value is None or bool(value != value) for value in column], dtype=bool)
    return np.asarray(column != column)


def _matrix(rows: Any) -> NDArray[Any]:
    """Rows of any container as float64, or as objects where a column holds labels."""
    table = as_rows(dense(rows))
    columns = [table.column(j) for j in range(table.n_features)]
    numbers = all(column.dtype.kind in "fiub" for column in columns)
    return np.column_stack([column.astype(np.float64 if numbers else object) for column in columns])


def _agree(got: NDArray[Any], expected: NDArray[Any]) -> NDArray[np.bool_]:
    """Which cells are the same, but for the rounding of arithmetic in other rows' company."""
    if got.dtype.kind == expected.dtype.kind == "f":
        close: NDArray[np.bool_] = np.isclose(got, expected, rtol=1e-6, atol=1e-9, equal_nan=True)
        return close
    missing = [[_is_missing(column) for column in cells.T] for cells in (got, expected)]
    both = np.transpose(missing[0]) & np.transpose(missing[1])
    return np.asarray(both | (got == expected), dtype=bool)
