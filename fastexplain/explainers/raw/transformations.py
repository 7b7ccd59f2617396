"""Compositions of transformers: ColumnTransformer, Pipeline, FeatureUnion, and lists of (columns, transformer) tuples.

Each is followed into its parts, with a few rows as a probe, down to transformers whose map is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.explainers.raw.transformer_maps import Traced, map_of_parents, trace_leaf, width
from fastexplain.explanation.numbers.feature_maps import normalised_columns
from fastexplain.models.class_registry import class_names
from fastexplain.rows.arrays import plain_array
from fastexplain.rows.fitted import rows_as_fitted
from fastexplain.rows.kinds import is_pandas, is_sparse, is_table
from fastexplain.rows.tables import column_names, count_columns

__all__ = ["Chain", "ColumnTuples", "as_transformer", "trace"]

Columns = NDArray[np.intp]

_COLUMN_TRANSFORMER = "sklearn.compose._column_transformer.ColumnTransformer"
_PIPELINE = "sklearn.pipeline.Pipeline"
_UNION = "sklearn.pipeline.FeatureUnion"
_MAPPER = "sklearn_pandas.dataframe_mapper.DataFrameMapper"


class Block(NamedTuple):
    """A transformer of some columns.

    Attributes
    ----------
    transformer : object with transform, or None
        None returns the columns as they are.
    columns : int array
    one_dimensional : bool
        It takes its only column as a 1-D array.
    as_frame : bool
        It takes columns of a frame as a frame, else as an array.
    """

    transformer: Any
    columns: Columns
    one_dimensional: bool = False
    as_frame: bool = True


def as_transformer(transformations: Any) -> Any:
    """The argument `transformations` as something with ``transform``.

    Raises
    ------
    ValueError
        It is of no supported kind, or an entry of the list is not a tuple of columns and a fitted transformer.
    sklearn.exceptions.NotFittedError
        It is not fitted.
    """
    if isinstance(transformations, list) and transformations:
        return ColumnTuples(transformations)
    names = class_names(transformations)
    if _MAPPER in names:
        if not hasattr(transformations, "built_features"):
            raise ValueError("The DataFrameMapper is not fitted; call fit before.")
        return transformations
    if not {_COLUMN_TRANSFORMER, _PIPELINE, _UNION}.isdisjoint(names):
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(transformations)
        return transformations
    given = "an empty list" if isinstance(transformations, list) else f"of type {type(transformations).__name__}"
    raise ValueError(
        f"Non-supported transformations argument passed. It is {given}; expected a fitted ColumnTransformer, Pipeline "
        "or FeatureUnion, a fitted DataFrameMapper, or a list of (columns, fitted transformer or None) tuples. A "
        "transformer of all columns goes into a pipeline: make_pipeline(transformer)."
    )


def trace(transformer: Any, rows: Any, columns: Sequence[Any], allow_all: bool) -> Traced:
    """Map of a fitted transformer, found by following it with some rows.

    Parameters
    ----------
    transformer : object with transform, or None or "passthrough" for what changes nothing
    rows : array, sparse matrix, table or 1-D column
    columns : sequence
        Names or positions of the raw columns that the rows come of, for messages.
    allow_all : bool
        Whether a column may have several parents.

    Raises
    ------
    ValueError
        As in `trace_leaf`; or a column does not exist.
    """
    if transformer is None or (isinstance(transformer, str) and transformer == "passthrough"):
        return Traced(map_of_parents(np.arange(width(rows)), width(rows)), rows, by_column=True)
    if width(rows) == 1:  # all that is made of a single column is its own, however it is made
        return trace_leaf(transformer, rows, columns, allow_all)
    names = class_names(transformer)
    if _PIPELINE in names or isinstance(transformer, Chain):
        return _trace_steps([step for _, step in transformer.steps], rows, columns, allow_all)
    blocks: Iterator[tuple[Block, int | None]] | None = None
    if _COLUMN_TRANSFORMER in names:
        blocks = _column_transformer_blocks(transformer, rows)
    elif _UNION in names:
        everything = np.arange(width(rows))
        parts = [part for _, part in transformer.transformer_list if not (isinstance(part, str) and part == "drop")]
        blocks = ((Block(part, everything), None) for part in parts)
    elif _MAPPER in names:
        blocks = ((block, None) for block in _mapper_blocks(transformer, rows))
    elif isinstance(transformer, ColumnTuples):
        blocks = ((block, None) for block in transformer.blocks(rows))
    if blocks is None:
        return trace_leaf(transformer, rows, columns, allow_all)
    return _trace_blocks(blocks, transformer.transform(rows_as_fitted(transformer, rows)), rows, columns, allow_all)


def _trace_steps(steps: Sequence[Any], rows: Any, columns: Sequence[Any], allow_all: bool) -> Traced:
    """One transformer after the other: the product of their maps."""
    whole = trace(None, rows, columns, allow_all)
    for step in steps:
        traced = trace(step, whole.rows, columns, allow_all)
        whole = Traced(normalised_columns(whole.map @ traced.map), traced.rows, whole.by_column and traced.by_column)
    return whole


def _trace_blocks(
    blocks: Iterator[tuple[Block, int | None]], out: Any, rows: Any, columns: Sequence[Any], allow_all: bool
) -> Traced:
    """Transformers side by side, in the order of their columns; beside each, how many it made in fit, if known."""
    import scipy.sparse

    n_in, n_out, made = width(rows), width(out), 0
    raw, engineered, weights, by_column = [], [], [], True
    for block, n_fitted in blocks:
        names = columns if len(columns) != n_in else [columns[i] for i in block.columns]
        traced = trace(block.transformer, select(rows, block), names, allow_all)
        entries = traced.map.tocoo()
        if n_fitted is not None and n_fitted != entries.shape[1]:
            name = type(block.transformer).__name__
            raise ValueError(
                f"{name} made {entries.shape[1]} columns of some rows, but {n_fitted} in fit. Each transformer must "
                "make the same columns of any rows."
            )
        raw.append(block.columns[entries.row])
        engineered.append(made + entries.col)
        weights.append(entries.data)
        made += entries.shape[1]
        by_column &= traced.by_column
    if made != n_out:
        raise ValueError(f"The transformation made {n_out} columns, but its parts make {made}.")
    joined = (np.concatenate([[], *weights]), (np.concatenate([[], *raw]), np.concatenate([[], *engineered])))
    return Traced(scipy.sparse.csr_matrix(joined, shape=(n_in, n_out)), out, by_column)


def select(rows: Any, block: Block) -> Any:
    """The columns of a block, in the form that its transformer takes."""
    if is_pandas(rows):
        chosen = rows.iloc[:, block.columns[0]] if block.one_dimensional else rows.iloc[:, block.columns]
        return chosen if block.as_frame else chosen.to_numpy()
    if is_table(rows):  # polars
        chosen = rows[:, int(block.columns[0])] if block.one_dimensional else rows[:, block.columns.tolist()]
        return chosen if block.as_frame else chosen.to_numpy()
    if len(np.shape(rows)) == 1:
        return rows
    array = rows if hasattr(rows, "shape") else np.asarray(rows)
    return array[:, block.columns[0]] if block.one_dimensional else array[:, block.columns]


# ColumnTransformer


def _column_transformer_blocks(transformer: Any, rows: Any) -> Iterator[tuple[Block, int | None]]:
    """Its fitted parts, and how many columns each made in fit."""
    own_names = getattr(transformer, "feature_names_in_", None)
    names = None if own_names is None else list(own_names)
    given = column_names(rows)
    # frames are read by name; scikit-learn itself refuses rows that lack a column
    positions = None if names is None or given is None else [_position(name, given) for name in names]
    for name, part, spec in transformer.transformers_:
        if isinstance(part, str) and part == "drop":
            continue
        columns, one_dimensional = _resolved(spec, int(transformer.n_features_in_), names)
        if not len(columns):
            continue
        if positions is not None:
            columns = np.array([positions[i] for i in columns], dtype=np.intp)
        place = transformer.output_indices_[name]
        yield Block(part, columns, one_dimensional), place.stop - place.start


def _position(name: Any, names: list[Any]) -> int:
    return names.index(name) if name in names else -1


def _resolved(spec: Any, n_columns: int, names: list[Any] | None) -> tuple[Columns, bool]:
    """Positions of a fitted ColumnTransformer's columns, and whether it is one column that is passed as 1-D."""
    if isinstance(spec, str | int | np.integer) and not isinstance(spec, bool):
        return np.array([_one_position(spec, n_columns, names)], dtype=np.intp), True
    if isinstance(spec, slice):
        start = _one_position(spec.start, n_columns, names) if isinstance(spec.start, str) else spec.start
        stop = _one_position(spec.stop, n_columns, names) + 1 if isinstance(spec.stop, str) else spec.stop
        return np.arange(n_columns)[slice(start, stop, spec.step)], False
    # scikit-learn 1.5 and 1.6 warn where single items of its list of remaining columns are read; not so its data
    inner = getattr(spec, "data", None)
    items = list(inner if isinstance(inner, list) else spec)
    if items and all(isinstance(item, bool | np.bool_) for item in items):
        return np.flatnonzero(items), False
    return np.array([_one_position(item, n_columns, names) for item in items], dtype=np.intp), False


def _one_position(item: Any, n_columns: int, names: list[Any] | None) -> int:
    if isinstance(item, str):
        return (names or []).index(item)
    return int(item) % n_columns


# Lists of tuples, as sklearn-pandas has them


class ColumnTuples:
    """Transformers of columns, given as (columns, fitted transformer or None) tuples: their results side by side.

    A list of columns is passed as a 2-D array; a single name or position as a 1-D one, as text vectorizers and label
    binarizers take it, or as a 2-D column to a transformer that was fitted on such. A list of transformers is a
    pipeline.

    Parameters
    ----------
    tuples : list of tuple
        ``(columns, transformer)`` or sklearn-pandas' ``(columns, transformer, options)``; of the options, ``input_df``
        counts.

    Raises
    ------
    ValueError
        An entry is no such tuple.
    """

    def __init__(self, tuples: list[Any]) -> None:
        self.tuples = [_checked_tuple(entry, i) for i, entry in enumerate(tuples)]
        # set by the owner: names of the columns of arrays, which have none
        self.names: list[Any] | None = None

    def blocks(self, rows: Any) -> list[Block]:
        """The transformers, and the positions of their columns."""
        return self.blocks_of(_labels(rows) or self.names, count_columns(rows))

    def blocks_of(self, labels: list[Any] | None, n_columns: int) -> list[Block]:
        """The same of rows whose columns have these names, None for positions alone."""
        return [
            _tuple_block(columns, transformer, options, labels, n_columns)
            for columns, transformer, options in self.tuples
        ]

    def transform(self, rows: Any) -> Any:
        """Results side by side: an array, or a csr matrix if one of them is sparse."""
        import scipy.sparse

        parts = []
        for block in self.blocks(rows):
            chosen = select(rows, block)
            out = chosen if block.transformer is None else block.transformer.transform(chosen)
            parts.append(out if is_sparse(out) else _two_dimensional(out))
        if any(is_sparse(part) for part in parts):
            numbers = [part if is_sparse(part) else part.astype(np.float64) for part in parts]
            return scipy.sparse.hstack(numbers, format="csr")
        return _numbers_if_possible(np.hstack(parts))


class Chain:
    """Transformers one after the other, as a pipeline's ``predict`` calls them: none is asked whether it is fitted."""

    def __init__(self, steps: Sequence[tuple[str, Any]]) -> None:
        self.steps = list(steps)

    @property
    def feature_names_in_(self) -> Any:
        """Names of the columns that the first transformer was fitted on; AttributeError where it has none."""
        return self.steps[0][1].feature_names_in_

    def transform(self, rows: Any) -> Any:
        for _, step in self.steps:
            rows = rows if step is None else step.transform(rows)
        return rows

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """As scikit-learn's Pipeline has it; AttributeError where a step gives no names."""
        names = input_features
        for _, step in self.steps:
            names = names if step is None else step.get_feature_names_out(names)
        return names


def _checked_tuple(entry: Any, position: int) -> tuple[Any, Any, dict[str, Any]]:
    if not isinstance(entry, tuple) or len(entry) not in (2, 3):
        raise ValueError(
            f"Non-supported transformations argument passed. Entry {position} of the list is {entry!r}; expected a "
            "tuple (columns, fitted transformer or None)."
        )
    columns, transformer = entry[:2]
    options = entry[2] if len(entry) == 3 else {}
    chain: Any = transformer
    if isinstance(transformer, list | tuple):
        chain = Chain([(str(i), step) for i, step in enumerate(transformer)])
    if isinstance(chain, type) or not (chain is None or hasattr(chain, "transform")):
        raise ValueError(
            f"Entry {position} of transformations has the transformer {transformer!r}, without a transform; expected "
            "a fitted transformer or None."
        )
    return columns, chain, dict(options)


def _tuple_block(
    columns: Any, transformer: Any, options: dict[str, Any], labels: list[Any] | None, n_columns: int
) -> Block:
    single = isinstance(columns, str | int | np.integer)
    items = [columns] if single else list(columns)
    found = [_labelled(item, labels, n_columns) for item in items]
    first = transformer.steps[0][1] if isinstance(transformer, Chain) else transformer
    as_frame = bool(options.get("input_df", hasattr(first, "feature_names_in_")))
    # fitted on a 2-D column: only those remember a number of features
    takes_2d = first is None or hasattr(first, "n_features_in_")
    return Block(transformer, np.array(found, dtype=np.intp), single and not takes_2d, as_frame)


def _labelled(item: Any, labels: list[Any] | None, n_columns: int) -> int:
    if labels is not None and item in labels:
        return labels.index(item)
    if labels is None or not isinstance(labels, _FrameLabels):
        position = item if isinstance(item, int | np.integer) and not isinstance(item, bool) else None
        if position is not None and -n_columns <= position < n_columns:
            return int(position) % n_columns
    known = f"columns {labels[:20]}" if labels else f"positions 0..{n_columns - 1}"
    raise ValueError(f"transformations name the column {item!r}; the rows have {known}.")


class _FrameLabels(list[Any]):
    """Labels of a frame, whose columns are known by them alone."""


def _labels(rows: Any) -> list[Any] | None:
    columns = getattr(rows, "columns", None)
    return None if columns is None else _FrameLabels(columns)


def _mapper_blocks(mapper: Any, rows: Any) -> list[Block]:
    """Blocks of a fitted DataFrameMapper."""
    labels = _labels(rows)
    n_columns = count_columns(rows)
    blocks = []
    for columns, transformer, options in mapper.built_features:
        names = [columns] if isinstance(columns, str | int) else list(columns)
        found = np.array([_labelled(name, labels, n_columns) for name in names], dtype=np.intp)
        as_frame = bool(options.get("input_df", mapper.input_df))
        blocks.append(Block(transformer, found, isinstance(columns, str), as_frame))
    if mapper.built_default is not False:
        rest = [_labelled(name, labels, n_columns) for name in mapper._unselected_columns(rows)]
        blocks.append(Block(mapper.built_default, np.array(rest, dtype=np.intp), as_frame=bool(mapper.input_df)))
    return blocks


def _two_dimensional(out: Any) -> NDArray[Any]:
    array = plain_array(out)
    return array.reshape(-1, 1) if array.ndim == 1 else array


def _numbers_if_possible(array: NDArray[Any]) -> NDArray[Any]:
    """Columns of mixed types as float64 where they all hold numbers."""
    if array.dtype != object:
        return array
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        return array
