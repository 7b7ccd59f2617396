"""Pipelines taken apart: transformations that work column by column are applied once, not to every masked row.

Masking commutes with such steps: transforming a mixture of two rows is mixing the two transformed rows. So the rows to
explain and the background are transformed once, and the last step is explained, each of the user's columns being the
player of the columns that were made of it. Which transformers work column by column, and what they make of each column,
is written down here by class; that it is so is checked on mixtures of background rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.known import Peeled, as_float64, is_numeric
from fastexplain.rows.containers import mixed_rows
from fastexplain.rows.fitted import rows_as_fitted
from fastexplain.rows.kinds import is_pandas, is_sparse, is_table
from fastexplain.rows.tables import take_rows

__all__ = ["pipeline_formula"]

Spans = list[NDArray[np.intp]]  # for each input column, the output columns that are made of it

N_PROBES = 64
# A function of the user's is believed to work column by column after so many different background rows.
LEAST_DISTINCT = 8
METHODS = ("predict", "predict_proba", "decision_function")


def pipeline_formula(owner: Any, method: str | None, background: Any) -> Peeled | None:
    """Loader: scikit-learn's Pipeline, where all steps but the last work column by column."""
    if method not in METHODS or not hasattr(owner, "steps") or background is None:
        return None
    last = owner.steps[-1][1]
    if last is None or isinstance(last, str) or not hasattr(last, method):
        return None
    steps = [step for _, step in owner.steps[:-1] if step is not None and step != "passthrough"]
    n_columns = np.shape(background)[1]
    spans = _of_steps(steps, n_columns)
    if not steps or spans is None:
        return None
    needs_variety = any(_holds_function(step) for step in steps)

    def transform(rows: Any) -> Any:
        for step in steps:
            rows = step.transform(rows_as_fitted(step, rows))
        return rows

    output = transform(background)
    if not is_numeric(output) or not _works_by_column(transform, background, spans, needs_variety):
        return None
    return Peeled(
        encode=lambda rows: as_float64(transform(rows)),
        columns_of=spans,
        owner=last,
        method=method,
        predict=_predict_encoded(getattr(last, method), output),
        path="pipeline",
    )


def _predict_encoded(predict: Callable[[Any], Any], like: Any) -> Callable[[Any], Any]:
    """Predict on float64 rows in the form that the step before gives: an array, a table, or a sparse matrix."""
    if is_sparse(like):
        kind = type(like)
        return lambda rows: predict(kind(rows))
    if is_pandas(like):
        import pandas

        columns, dtypes = like.columns, dict(enumerate(like.dtypes))
        if len(set(dtypes.values())) == 1:
            return lambda rows: predict(pandas.DataFrame(rows, columns=columns).astype(dtypes[0], copy=False))

        def as_table(rows: NDArray[np.float64]) -> Any:
            cells = {i: pandas.Series(rows[:, i]).astype(dtype) for i, dtype in dtypes.items()}
            table = pandas.DataFrame(cells)
            table.columns = columns
            return table

        return lambda rows: predict(as_table(rows))
    if is_table(like):  # polars
        import polars

        schema = like.schema
        return lambda rows: predict(polars.DataFrame(rows, schema=list(schema)).cast(dict(schema)))
    return predict


def _works_by_column(transform: Callable[[Any], Any], background: Any, spans: Spans, needs_variety: bool) -> bool:
    """Whether transformed mixtures are mixtures of transformed rows, and do not depend on the rows beside them."""
    random = np.random.Generator(np.random.Philox(0))
    n_rows, n_columns = np.shape(background)
    first, second = random.integers(n_rows, size=(2, N_PROBES))
    from_first = random.random((N_PROBES, n_columns)) < 0.5
    rows, others = take_rows(background, first), take_rows(background, second)
    ones, twos = as_float64(transform(rows)), as_float64(transform(others))
    if needs_variety and len(np.unique(as_float64(transform(background)), axis=0)) < LEAST_DISTINCT:
        return False
    got = as_float64(transform(mixed_rows(rows, others, from_first)))
    expected = ones.copy()
    for column, made in enumerate(spans):
        expected[:, made] = np.where(from_first[:, column, None], ones[:, made], twos[:, made])
    alone = as_float64(transform(take_rows(background, first[:1])))
    return _same(got, expected) and _same(alone, ones[:1])


def _same(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-12, atol=0, equal_nan=True))


def _of_steps(steps: list[Any], n_columns: int) -> Spans | None:
    """What becomes of each column in several steps, one after the other."""
    spans: Spans = [np.array([i]) for i in range(n_columns)]
    width = n_columns
    for step in steps:
        found = _of_step(step, width)
        if found is None:
            return None
        made, width = found
        spans = [_joined([made[column] for column in each]) for each in spans]
    return spans


def _of_step(step: Any, n_columns: int) -> tuple[Spans, int] | None:
    """What a fitted transformer makes of each of its columns, and how many columns it gives; None: not by column."""
    for cls in type(step).__mro__:
        rule = _RULES.get(cls.__name__) if cls.__module__.startswith("sklearn.") else None
        if rule is not None:
            return rule(step, n_columns)
    return None


def _joined(arrays: Spans) -> NDArray[np.intp]:
    return np.concatenate([np.empty(0, dtype=np.intp), *arrays])


def _counted(counts: Any) -> tuple[Spans, int]:
    """Columns that give `counts` columns each, in order."""
    ends = np.cumsum(np.asarray(counts, dtype=np.intp))
    return [np.arange(end - n, end) for n, end in zip(counts, ends, strict=True)], int(ends[-1]) if len(ends) else 0


def _one_each(step: Any, n_columns: int) -> tuple[Spans, int]:
    return _counted([1] * n_columns)


def _selected(step: Any, n_columns: int) -> tuple[Spans, int]:
    return _counted(np.asarray(step.get_support(), dtype=np.intp))


def _imputed(step: Any, n_columns: int) -> tuple[Spans, int] | None:
    kept = np.ones(n_columns, dtype=np.intp)
    statistics = np.asarray(step.statistics_)
    if statistics.dtype.kind in "fiu" and not getattr(step, "keep_empty_features", False):
        kept = (~np.isnan(statistics.astype(np.float64))).astype(np.intp)  # columns without a value are dropped
    spans, width = _counted(kept)
    if step.add_indicator:
        for column in step.indicator_.features_:
            spans[column] = np.append(spans[column], width)
            width += 1
    return spans, width


def _one_hot(step: Any, n_columns: int) -> tuple[Spans, int] | None:
    counts = getattr(step, "_n_features_outs", None)
    return None if counts is None else _counted(counts)


def _binned(step: Any, n_columns: int) -> tuple[Spans, int]:
    return _counted([1] * n_columns if step.encode == "ordinal" else step.n_bins_)


def _splines(step: Any, n_columns: int) -> tuple[Spans, int]:
    return _counted([step.n_features_out_ // n_columns] * n_columns)


def _target_encoded(step: Any, n_columns: int) -> tuple[Spans, int]:
    n_each = len(step.classes_) if step.target_type_ == "multiclass" else 1
    return _counted([n_each] * n_columns)


def _column_transformed(step: Any, n_columns: int) -> tuple[Spans, int] | None:
    inputs = getattr(step, "_transformer_to_input_indices", None)
    if inputs is None:
        return None
    spans: list[Spans] = [[] for _ in range(n_columns)]
    for name, transformer, _ in step.transformers_:
        given, outputs = np.asarray(inputs.get(name, ()), dtype=np.intp), step.output_indices_.get(name, slice(0, 0))
        if (isinstance(transformer, str) and transformer == "drop") or not len(given):
            continue
        found = _one_each(None, len(given)) if isinstance(transformer, str) else _of_step(transformer, len(given))
        if found is None or found[1] != outputs.stop - outputs.start:
            return None
        for column, made in zip(given, found[0], strict=True):
            spans[column].append(made + outputs.start)
    width = max((indices.stop for indices in step.output_indices_.values()), default=0)
    return [_joined(each) for each in spans], width


def _pipelined(step: Any, n_columns: int) -> tuple[Spans, int] | None:
    steps = [inner for _, inner in step.steps if inner is not None and inner != "passthrough"]
    width = n_columns
    for inner in steps:
        found = _of_step(inner, width)
        if found is None:
            return None
        width = found[1]
    spans = _of_steps(steps, n_columns)
    return None if spans is None else (spans, width)


def _united(step: Any, n_columns: int) -> tuple[Spans, int] | None:
    if step.transformer_weights is not None:
        return None
    spans: list[Spans] = [[] for _ in range(n_columns)]
    width = 0
    for _, transformer in step.transformer_list:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        found = _one_each(None, n_columns) if isinstance(transformer, str) else _of_step(transformer, n_columns)
        if found is None:
            return None
        for column, made in enumerate(found[0]):
            spans[column].append(made + width)
        width += found[1]
    return [_joined(each) for each in spans], width


def _holds_function(step: Any) -> bool:
    """Whether a function of the user's is somewhere in a transformer."""
    inner = [*getattr(step, "steps", ()), *getattr(step, "transformers_", ()), *getattr(step, "transformer_list", ())]
    function = type(step).__name__ == "FunctionTransformer" and step.func is not None
    return function or any(_holds_function(entry[1]) for entry in inner)


# class name in scikit-learn -> (fitted transformer, n_columns) to (spans, n_columns of the output), or None
_RULES: dict[str, Callable[[Any, int], tuple[Spans, int] | None]] = {
    "Binarizer": _one_each,
    "ColumnTransformer": _column_transformed,
    "FeatureUnion": _united,
    "FunctionTransformer": _one_each,
    "KBinsDiscretizer": _binned,
    "MaxAbsScaler": _one_each,
    "MinMaxScaler": _one_each,
    "OneHotEncoder": _one_hot,
    "OrdinalEncoder": _one_each,
    "Pipeline": _pipelined,
    "PowerTransformer": _one_each,
    "QuantileTransformer": _one_each,
    "RobustScaler": _one_each,
    "SelectorMixin": _selected,
    "SimpleImputer": _imputed,
    "SplineTransformer": _splines,
    "StandardScaler": _one_each,
    "TargetEncoder": _target_encoded,
}
