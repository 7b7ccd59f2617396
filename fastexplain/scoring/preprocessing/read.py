"""Fitted transformers of scikit-learn, read as a table of operations. Imported when a scoring explainer is built."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.explainers.raw.transformations import Chain, ColumnTuples, as_transformer
from fastexplain.scoring.preprocessing import operations as ops
from fastexplain.scoring.preprocessing.columns import (
    FLOAT32,
    FLOAT64,
    OBJECT,
    Block,
    common_dtype,
    entries_of,
    raw_block,
    raw_columns,
)
from fastexplain.scoring.preprocessing.entries import Program
from fastexplain.scoring.preprocessing.table import Preprocessing
from fastexplain.scoring.preprocessing.transformers import RULES, gives_frame

__all__ = ["preprocessing_of"]

_COMPOSITIONS = ("ColumnTransformer", "FeatureUnion", "Pipeline")


def preprocessing_of(transformer: Any, columns: Sequence[Any], dtypes: Sequence[Any]) -> Preprocessing:
    """The table of operations that does what a fitted transformer does, to the same bits.

    Parameters
    ----------
    transformer : ColumnTransformer, Pipeline, FeatureUnion, one of their parts, or list of (columns, transformer)
        Fitted.
    columns : sequence
        Names, or positions, of the raw columns.
    dtypes : sequence
        Their types in the rows that it was fitted on, as NumPy or pandas has them, or by name.

    Raises
    ------
    UnsupportedModelError
        A part is of another kind, or has an option that is not supported; the message names the step, and what is
        supported.
    """
    names = list(columns)
    types, block = raw_block(dtypes)
    if len(names) != len(types):
        raise ValueError(f"There are {len(names)} names of columns and {len(types)} types; expected one type for each.")
    transformer = as_transformer(transformer) if isinstance(transformer, list) else transformer
    own_names = getattr(transformer, "feature_names_in_", None)
    if own_names is not None:
        block = block.chosen(_positions(own_names, names))
    n_fitted = getattr(transformer, "n_features_in_", len(block.columns))
    if n_fitted != len(block.columns):
        raise ValueError(f"The transformer was fitted on {n_fitted} columns; given are {len(block.columns)}.")
    made = _followed(transformer, block, [], names)
    floats = made.dtypes and common_dtype(made.dtypes) == FLOAT32
    entries = entries_of(made)
    engineered = _engineered_names(transformer, [names[column.raw] for column in made.columns], names)
    dtype = np.dtype(np.float32 if floats else np.float64)
    return Preprocessing(Program(raw_columns(names, types), tuple(entries), tuple(engineered), dtype))


def _positions(fitted: Iterable[Any], given: list[Any]) -> list[int]:
    missing = [name for name in fitted if name not in given]
    if missing:
        raise ValueError(
            f"The transformer was fitted on columns that are missing: {missing[:10]}. Given are {given[:10]}."
        )
    return [given.index(name) for name in fitted]


def _engineered_names(transformer: Any, parents: list[Any], names: list[Any]) -> list[str]:
    """Names that the transformer gives its columns; those of their raw columns, numbered, where it gives none."""
    try:
        known = None if hasattr(transformer, "feature_names_in_") else [str(name) for name in names]
        given = [str(name) for name in transformer.get_feature_names_out(known)]
    except (AttributeError, ValueError, TypeError):
        given = []
    if len(given) == len(parents):
        return given
    numbers = dict.fromkeys(parents, 0)
    made = []
    for parent in parents:
        made.append(f"{parent}_{numbers[parent]}" if parents.count(parent) > 1 else str(parent))
        numbers[parent] += 1
    return made


def _followed(transformer: Any, block: Block, path: list[str], names: list[Any]) -> Block:
    """What a transformer makes of a block."""
    if transformer is None or (isinstance(transformer, str) and transformer == "passthrough"):
        return block
    if isinstance(transformer, Chain):
        return _steps(transformer.steps, block, path, names)
    if isinstance(transformer, ColumnTuples):
        return _column_tuples(transformer, block, path, names)
    kind = type(transformer)
    package = kind.__module__.partition(".")[0]
    if package in ("sklearn", "imblearn") and kind.__name__ == "Pipeline":
        return _steps(transformer.steps, block, path, names)
    if package == "sklearn" and kind.__name__ in (*RULES, "ColumnTransformer"):
        check_is_fitted(transformer)
    if package == "sklearn" and kind.__name__ == "ColumnTransformer":
        return _column_transformer(transformer, block, path, names)
    if package == "sklearn" and kind.__name__ == "FeatureUnion":
        return _feature_union(transformer, block, path, names)
    if package != "sklearn" or kind.__name__ not in RULES:
        raise _unsupported(transformer, path)
    if not block.columns:
        return block
    try:
        return RULES[kind.__name__](transformer, block)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"{_step(transformer, path)}: {error}") from None


def _step(transformer: Any, path: list[str]) -> str:
    return f"Step {' > '.join(path)!r} ({type(transformer).__name__})" if path else f"The {type(transformer).__name__}"


def _unsupported(transformer: Any, path: list[str]) -> UnsupportedModelError:
    base = [cls.__name__ for cls in type(transformer).__mro__[1:] if cls.__name__ in (*RULES, *_COMPOSITIONS)]
    note = f" It is a class of its own, derived from {base[0]}, which may compute otherwise." if base else ""
    return UnsupportedModelError(
        f"{_step(transformer, path)} cannot be stored as a table of operations.{note} Supported are scikit-learn's "
        f"{', '.join(sorted((*RULES, *_COMPOSITIONS)))}."
    )


def _steps(steps: Iterable[tuple[str, Any]], block: Block, path: list[str], names: list[Any]) -> Block:
    for name, step in steps:
        if not hasattr(step, "fit_resample"):  # imbalanced-learn's samplers act in fit only
            block = _followed(step, block, [*path, name], names)
    return block


def _column_transformer(transformer: Any, block: Block, path: list[str], names: list[Any]) -> Block:
    weights = transformer.transformer_weights or {}
    parts = []
    for name, part, _ in transformer.transformers_:
        chosen = transformer._transformer_to_input_indices[name]
        if (isinstance(part, str) and part == "drop") or not len(chosen):
            continue
        made = _followed(part, block.chosen(chosen), [*path, name], names)
        parts.append(_weighted(made, weights.get(name)))
    return _side_by_side(parts, transformer, getattr(transformer, "sparse_output_", False))


def _feature_union(union: Any, block: Block, path: list[str], names: list[Any]) -> Block:
    weights = union.transformer_weights or {}
    parts = [
        _weighted(_followed(part, block, [*path, name], names), weights.get(name))
        for name, part in union.transformer_list
        if not (isinstance(part, str) and part == "drop")
    ]
    return _side_by_side(parts, union, any(part.container == "sparse" for part in parts))


def _weighted(block: Block, weight: float | None) -> Block:
    if weight is None:
        return block
    columns = []
    for column in block.columns:
        dtype = column.dtype if column.dtype.kind == "f" else FLOAT64
        value = float(np.asarray(weight, dtype=dtype))
        columns.append(column.number(dtype).computed(ops.Multiply(value)))
    return replace(block, columns=tuple(columns))


def _side_by_side(parts: list[Block], transformer: Any, sparse: bool) -> Block:
    # what makes no column is an array of float64 to NumPy all the same
    nothing = [FLOAT64 for part in parts if not part.columns]
    if sparse:
        columns = [column for part in parts for column in _sparse(part).columns]
        return Block(tuple(columns), "sparse").cast(common_dtype([column.dtype for column in columns] + nothing))
    frames = bool(parts) and gives_frame(transformer) and all(part.container == "frame" for part in parts)
    if not frames:
        parts = [part.as_array() for part in parts]
    joined = Block(tuple(column for part in parts for column in part.columns), "frame" if frames else "array")
    return joined if frames else joined.cast(common_dtype(joined.dtypes + nothing))


def _sparse(block: Block) -> Block:
    """The block as a sparse matrix, in which no -0 is stored."""
    if block.container == "sparse":
        return block
    block = block.cast(common_dtype(block.dtypes))
    if block.columns and block.dtypes[0] == OBJECT:
        block = block.floats((FLOAT64,))
    columns = [
        column.number(column.dtype).then(ops.Add(0.0)) if column.dtype.kind == "f" else column
        for column in block.columns
    ]
    return Block(tuple(columns), "sparse")


def _column_tuples(tuples: ColumnTuples, block: Block, path: list[str], names: list[Any]) -> Block:
    parts = []
    for i, part in enumerate(tuples.blocks_of(names, len(names))):
        chosen = block.chosen(part.columns)
        made = _followed(part.transformer, chosen if part.as_frame else chosen.as_array(), [*path, str(i)], names)
        parts.append(made)
    if any(part.container == "sparse" for part in parts):
        numbers = [part if part.container == "sparse" else part.as_array().cast(FLOAT64) for part in parts]
        return _side_by_side(numbers, tuples, sparse=True)
    arrays = [part.as_array() for part in parts]
    columns = [column for part in arrays for column in part.columns]
    joined = Block(tuple(columns), "array").cast(common_dtype([column.dtype for column in columns]))
    return joined.cast(FLOAT64) if joined.columns and joined.dtypes[0] == OBJECT else joined
