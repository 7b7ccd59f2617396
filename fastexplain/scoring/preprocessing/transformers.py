"""What each fitted transformer of scikit-learn does to the columns of a block, in the order of its own arithmetic.

Read from what they learnt in fit. `read.py` follows their compositions.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.scoring.preprocessing import operations as ops
from fastexplain.scoring.preprocessing.categories import Category
from fastexplain.scoring.preprocessing.columns import BOOL, FLOAT32, FLOAT64, OBJECT, Block, Column, Split, common_dtype
from fastexplain.scoring.preprocessing.scalars import is_nan, plain_scalar

__all__ = ["RULES", "gives_frame", "scaled"]

_INT64 = np.iinfo(np.int64)


def gives_frame(transformer: Any) -> bool:
    """Whether a transformer was set to return frames, by `set_output` or the global configuration."""
    from sklearn import get_config

    config = getattr(transformer, "_sklearn_output_config", {}).get("transform", get_config()["transform_output"])
    return bool(config != "default")


@functools.lru_cache
def _pandas_makes_text_of_objects() -> bool:
    """Whether a frame made of an object array has a type of text, in which None becomes NaN, as of pandas 3."""
    import pandas as pd

    return bool(pd.DataFrame(np.array([["a"], [None]], dtype=object)).dtypes.iloc[0] != OBJECT)


def _as_returned(made: Block) -> Block:
    """What a transformer made of labels, in the frame that it was set to return."""
    if made.container != "frame" or not _pandas_makes_text_of_objects():
        return made
    nan_for_none = ops.Impute(ops.Missing("null"), math.nan)
    return made.made((c.then(nan_for_none) if c.kind == "label" else c for c in made.columns), frame=True)


# Scalers


def scaled(column: Column, operation: Callable[[float], ops.Operation], value: Any) -> Column:
    """A column after arithmetic with a parameter."""
    return column.computed(operation(float(value)))


def _scaled_sparse(block: Block, scale: NDArray[Any]) -> Block:
    """Sparse matrices are multiplied by the reciprocal, so that what is not stored stays 0."""
    factors = 1 / scale
    lost = np.flatnonzero(~np.isfinite(factors))
    if len(lost):
        raise UnsupportedModelError(
            f"The scale of its column {lost[0]} is NaN: the column held no value in fit. Such columns of sparse "
            "matrices are not stored; fit it without."
        )
    columns = (scaled(column, ops.Multiply, factor) for column, factor in zip(block.columns, factors, strict=True))
    return block.made(columns)


def _divided(columns: Sequence[Column], scale: NDArray[Any]) -> list[Column]:
    if (np.asarray(scale) == 0).any():
        raise UnsupportedModelError("A scale is 0: no transformer of scikit-learn fits one. Fit it again.")
    return [scaled(column, ops.Divide, value) for column, value in zip(columns, scale, strict=True)]


def _subtracted(columns: Sequence[Column], center: NDArray[Any]) -> list[Column]:
    return [scaled(column, ops.Subtract, value) for column, value in zip(columns, center, strict=True)]


def _checked_floats(block: Block, accepted: Sequence[Any] = (FLOAT64, FLOAT32), missing: bool = True) -> Block:
    block = block.floats(accepted)
    return block.made(column.checked(missing=missing) for column in block.columns)


@functools.lru_cache
def _standard_scaler_rounds() -> bool:
    """Whether StandardScaler rounds its mean to float32 before it subtracts it; scikit-learn 1.4 does not."""
    from sklearn.preprocessing import StandardScaler

    x = np.array([[0.1]], dtype=np.float32)
    scaler = StandardScaler(with_std=False).fit(np.array([[0.1], [0.1]]))
    return bool(scaler.transform(x)[0, 0] == 0)


def _standard_scaler(scaler: Any, block: Block) -> Block:
    block = _checked_floats(block)
    if block.container == "sparse":
        return block if scaler.scale_ is None else _scaled_sparse(block, scaler.scale_)
    columns: Sequence[Column] = block.columns
    rounded = block.dtypes[0] == FLOAT32 and _standard_scaler_rounds()
    dtype = FLOAT32 if rounded else FLOAT64
    if scaler.with_mean:
        columns = _subtracted(columns, scaler.mean_.astype(dtype))
    if scaler.with_std:
        columns = _divided(columns, scaler.scale_.astype(dtype))
    return block.made(columns, gives_frame(scaler))


def _min_max_scaler(scaler: Any, block: Block) -> Block:
    block = _checked_floats(block)
    columns = []
    for column, scale, smallest in zip(block.columns, scaler.scale_, scaler.min_, strict=True):
        column = scaled(scaled(column, ops.Multiply, scale), ops.Add, smallest)
        columns.append(_clipped(column, *scaler.feature_range) if scaler.clip else column)
    return block.made(columns, gives_frame(scaler))


def _clipped(column: Column, low: float, high: float) -> Column:
    low, high = (float(np.asarray(bound, dtype=column.dtype)) for bound in (low, high))
    return column.then(ops.Clip(low, high))


def _max_abs_scaler(scaler: Any, block: Block) -> Block:
    block = _checked_floats(block)
    if block.container == "sparse":
        block = _scaled_sparse(block, scaler.scale_)
    else:
        block = block.made(_divided(block.columns, scaler.scale_), gives_frame(scaler))
    if not getattr(scaler, "clip", False):
        return block
    return block.made((_clipped(column, -1.0, 1.0) for column in block.columns), block.container == "frame")


def _robust_scaler(scaler: Any, block: Block) -> Block:
    block = _checked_floats(block)
    if block.container == "sparse":
        return _scaled_sparse(block, scaler.scale_) if scaler.with_scaling else block
    columns: Sequence[Column] = block.columns
    if scaler.with_centering:
        columns = _subtracted(columns, scaler.center_)
    if scaler.with_scaling:
        columns = _divided(columns, scaler.scale_)
    return block.made(columns, gives_frame(scaler))


# Imputation


def _simple_imputer(imputer: Any, block: Block) -> Block:
    block = _imputer_input(imputer, block)
    nan_is_missing = is_nan(imputer.missing_values) or _is_na(imputer.missing_values)
    columns = [column.checked(missing=nan_is_missing) for column in block.columns]
    missing = [_missing(imputer.missing_values, column) for column in columns]
    statistics = np.asarray(imputer.statistics_)
    kept = [i for i, value in enumerate(statistics) if imputer.keep_empty_features or not is_nan(value)]
    filled = [columns[i].then(ops.Impute(missing[i], _fill_value(imputer, statistics[i], columns[i]))) for i in kept]
    indicator = getattr(imputer, "indicator_", None)
    if indicator is None:
        return _as_returned(block.made(filled, gives_frame(imputer)))
    filled += [
        columns[i].then(ops.IsMissing(missing[i]), kind="number", dtype=BOOL) for i in map(int, indicator.features_)
    ]
    made = block.made(filled, gives_frame(imputer))
    return _as_returned(made.cast(common_dtype(made.dtypes)))


def _imputer_input(imputer: Any, block: Block) -> Block:
    if imputer._fit_dtype.kind == "O":
        return block.cast(OBJECT)
    if imputer.strategy in ("most_frequent", "constant"):
        return block.cast(common_dtype(block.dtypes))
    return block.floats((FLOAT64, FLOAT32))


def _is_na(value: Any) -> bool:
    return type(value).__name__ == "NAType"


def _missing(missing_values: Any, column: Column) -> ops.Missing:
    if _is_na(missing_values):
        return ops.Missing("null")
    if is_nan(missing_values):
        return ops.Missing("nan")
    value = plain_scalar(missing_values)
    if column.kind == "number":
        same_in_column = np.array([value], dtype=column.dtype)
        # float32 values are compared with a number of Python as float32, with one of NumPy as its own type
        return ops.Missing("equal", float(same_in_column[0] if (same_in_column == missing_values)[0] else value))
    return ops.Missing("equal", value)


def _fill_value(imputer: Any, statistic: Any, column: Column) -> Any:
    """The statistic in the type of the column, by the way of the type that was seen in fit."""
    fit_dtype = getattr(imputer, "_fill_dtype", imputer._fit_dtype)
    if column.kind == "label" and fit_dtype == OBJECT:
        return plain_scalar(statistic)
    value = np.array([statistic], dtype=object).astype(fit_dtype).astype(column.dtype)[0]
    return plain_scalar(value) if column.kind != "number" else float(value)


# Categories


def _category(column: Column, categories: NDArray[Any], others: bool) -> tuple[Column, Category]:
    """The column, and the operation that finds its values among the categories as NumPy or Python compares them."""
    nan = bool(len(categories)) and is_nan(categories[-1])
    known = categories[:-1] if nan else categories
    column = column.joined()
    numeric = column.kind != "label" and known.dtype.kind in "biuf"
    if numeric and column.kind == "integer" and known.dtype.kind in "biu":
        if not len(known) or int(known.max()) <= _INT64.max:
            return column, Category(known.astype(np.int64), nan, others)
    elif numeric:
        common = np.result_type(column.dtype, known.dtype)
        dtype = FLOAT32 if common == FLOAT32 else FLOAT64
        return column.number(column.dtype if column.dtype.kind == "f" else dtype), Category(
            known.astype(dtype).astype(np.float64), nan, others
        )
    return column.label(), Category(tuple(_scalar(value) for value in known.tolist()), nan, others)


def _scalar(value: Any) -> Any:
    try:
        return plain_scalar(value)
    except TypeError as error:
        raise UnsupportedModelError(f"The category {error}.") from None


def _infrequent(encoder: Any, i: int) -> NDArray[np.intp] | None:
    found = getattr(encoder, "_infrequent_indices", None)
    return None if found is None else found[i]


def _grouped(n: int, infrequent: NDArray[np.intp] | None) -> NDArray[np.intp]:
    """Indices of n categories after the infrequent ones have become one, the last."""
    indices = np.arange(n)
    if infrequent is None:
        return indices
    frequent = np.setdiff1d(indices, infrequent)
    grouped = np.full(n, len(frequent))
    grouped[frequent] = np.arange(len(frequent))
    return grouped


def _one_hot_encoder(encoder: Any, block: Block) -> Block:
    dtype, columns = np.dtype(encoder.dtype), []
    if dtype.kind not in "biuf":
        raise UnsupportedModelError(f"It encodes as {dtype}; numbers are supported. Set its dtype to float.")
    dropped = getattr(encoder, "_drop_idx_after_grouping", None)
    for i, column in enumerate(block.columns):
        drop = None if dropped is None else dropped[i]
        of_index = _one_hot_columns(encoder, len(encoder.categories_[i]), _infrequent(encoder, i), drop)
        column, category = _category(column.checked(), encoder.categories_[i], encoder.handle_unknown != "error")
        columns += _split(column.then(category), of_index[: category.n_indices], dtype)
    container: Any = "sparse" if encoder.sparse_output else "frame" if gives_frame(encoder) else "array"
    return Block(tuple(columns), container)


def _one_hot_columns(encoder: Any, n: int, infrequent: NDArray[np.intp] | None, drop: int | None) -> NDArray[np.intp]:
    """The column of each category, and of others; -1 for none."""
    grouped = _grouped(n, infrequent)
    others = -1
    if infrequent is not None and encoder.handle_unknown in ("infrequent_if_exist", "warn"):
        others = int(grouped[infrequent[0]])
    columns = np.append(grouped, others)
    if drop is None:
        return columns
    return np.where(columns == drop, -1, columns - (columns > drop))


def _split(column: Column, of_index: NDArray[np.intp], dtype: np.dtype[Any]) -> list[Column]:
    """One column for each that an index is on in."""
    split = Split(column.raw, column.steps, of_index)
    return [Column(column.raw, "number", dtype, split=split, place=k) for k in range(int(of_index.max(initial=-1)) + 1)]


def _ordinal_encoder(encoder: Any, block: Block) -> Block:
    dtype, columns = np.dtype(encoder.dtype), []
    for i, column in enumerate(block.columns):
        categories = encoder.categories_[i]
        others = encoder.handle_unknown == "use_encoded_value"
        nan = bool(len(categories)) and is_nan(categories[-1])
        codes = _grouped(len(categories) - nan, _infrequent(encoder, i)).astype(dtype)
        special = [encoder.encoded_missing_value] * nan + [encoder.unknown_value] * others
        values = np.concatenate([codes, np.array(special, dtype=dtype)]).astype(np.float64)
        column, category = _category(column.checked(), categories, others)
        columns.append(column.then(category, ops.Codes(values), kind="number", dtype=dtype))
    return block.made(columns, gives_frame(encoder))


def _k_bins_discretizer(discretizer: Any, block: Block) -> Block:
    accepted = (FLOAT64, FLOAT32) if discretizer.dtype is None else (np.dtype(discretizer.dtype),)
    block, columns = _checked_floats(block, accepted, missing=False), []
    one_hot = discretizer.encode != "ordinal"
    for column, edges in zip(block.columns, discretizer.bin_edges_, strict=True):
        binned = column.joined()
        binned = binned.then(ops.Bins(np.asarray(edges[1:-1], dtype=np.float64)))
        if one_hot:
            columns += _split(binned, np.arange(len(edges) - 1), column.dtype)
        else:
            codes = np.arange(len(edges) - 1, dtype=np.float64)
            columns.append(binned.then(ops.Codes(codes)))
    frame = gives_frame(discretizer)
    return Block(tuple(columns), "sparse" if discretizer.encode == "onehot" else "frame" if frame else "array")


# What changes nothing


def _function_transformer(transformer: Any, block: Block) -> Block:
    if transformer.func is not None:
        name = getattr(transformer.func, "__name__", repr(transformer.func))
        raise UnsupportedModelError(f"It calls the function {name}; only func=None can be stored without code.")
    if not transformer.validate:
        if block.container == "array" and gives_frame(transformer):
            return _as_returned(replace(block, container="frame"))
        return block
    block = block.cast(common_dtype(block.dtypes))
    if block.columns and block.dtypes[0] == OBJECT:
        block = block.floats((FLOAT64,))
    return block.made((column.checked(missing=False) for column in block.columns), gives_frame(transformer))


RULES: dict[str, Callable[[Any, Block], Block]] = {
    "FunctionTransformer": _function_transformer,
    "KBinsDiscretizer": _k_bins_discretizer,
    "MaxAbsScaler": _max_abs_scaler,
    "MinMaxScaler": _min_max_scaler,
    "OneHotEncoder": _one_hot_encoder,
    "OrdinalEncoder": _ordinal_encoder,
    "RobustScaler": _robust_scaler,
    "SimpleImputer": _simple_imputer,
    "StandardScaler": _standard_scaler,
}
