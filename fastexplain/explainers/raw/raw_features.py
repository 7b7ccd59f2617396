"""The user's `transformations` at work: raw rows in, engineered rows out, and the map between their columns."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.background import Background, as_background, has_weights
from fastexplain.explainers.raw.transformations import Chain, ColumnTuples, as_transformer, trace
from fastexplain.explainers.raw.transformer_maps import width
from fastexplain.explainers.shared.checks import distinct_names
from fastexplain.rows.fitted import rows_as_fitted
from fastexplain.rows.kinds import is_arrow, is_pandas, is_sparse
from fastexplain.rows.tables import (
    as_table,
    column_labels,
    column_names,
    count_columns,
    count_rows,
    listed_rows,
    slice_rows,
    without_rows,
)

__all__ = ["RawFeatures", "checked_aggregate", "raw_features"]

# Rows that the transformers are followed with.
PROBE_ROWS = 8


class _Schema(NamedTuple):
    """What the first rows tell.

    Attributes
    ----------
    n_raw : int
    names : list or None
        Names of the raw features.
    labels : list of str or None
        Columns of the raw rows' table; None for arrays.
    feature_map : csr matrix of shape (n_raw, n_engineered)
    by_column : bool
        Each engineered column is known to be a function of one raw column alone.
    engineered : list or None
        Names of the engineered columns.
    """

    n_raw: int
    names: list[Any] | None
    labels: list[str] | None
    feature_map: Any
    by_column: bool
    engineered: list[Any] | None


class RawFeatures:
    """Fitted transformations of raw features, and which engineered column comes of which.

    The map is read from what the transformers learnt in fit. `PROBE_ROWS` rows are transformed on the way, to find how
    many columns a transformer of unknown kind makes, and to check the map; without `examples`, this is done with the
    first rows to be explained.

    Parameters
    ----------
    transformations : ColumnTransformer, Pipeline, FeatureUnion, DataFrameMapper or list of tuple, or None
        Fitted. Tuples are (columns, transformer or None). None with `steps` only.
    examples : array-like or table of shape (n_rows, n_raw), or None
        Raw rows; with weights, as a `Background` has them, if need be.
    features : sequence, optional
        Names of the raw features; default: those of the rows' table, else those that the transformations know.
    allow_all_transformations : bool, default False
        Whether an engineered column may come of several raw features. Its values are then shared out among them
        equally.
    aggregate : {"sum", "group"}, default "sum"
        Whether a raw feature gets the sum of its columns' values, or plays as one player.
    steps : sequence of (str, transformer)
        Fitted transformers that come after: those of a pipeline whose last step is explained.

    Raises
    ------
    ValueError
        The transformations are of no supported kind; a column comes of several raw features and that is not allowed;
        names and columns contradict each other; or `aggregate` is neither.
    """

    def __init__(
        self,
        transformations: Any,
        examples: Any,
        features: Sequence[Any] | None,
        allow_all_transformations: bool = False,
        aggregate: str = "sum",
        steps: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self.transformations = transformations
        self.allow_all_transformations = bool(allow_all_transformations)
        self.aggregate = checked_aggregate(aggregate)
        before = [] if transformations is None else [("transformations", as_transformer(transformations))]
        self._transformer: Any = Chain([*before, *steps]) if steps else before[0][1]
        self._given_names = distinct_names(features, "features")
        self._schema: _Schema | None = None
        # the rows alone, where they came with weights
        self.examples = as_background(examples).data if has_weights(examples) else examples
        if self.examples is not None:
            self.examples = _plain_table(as_table(self.examples)[0])
            self._learn(self.examples)

    def without_rows(self) -> RawFeatures:
        """A copy that keeps of the examples the columns and their types alone, once it has followed them."""
        bare = copy.copy(self)
        if self.examples is not None:
            bare.examples = without_rows(self.examples)
        return bare

    @property
    def n_raw(self) -> int:
        """Number of raw features."""
        return self._known().n_raw

    @property
    def raw_features(self) -> list[Any] | None:
        """Names of the raw features; None if they have none, or no rows were seen yet."""
        return self._given_names if self._schema is None else self._schema.names

    @property
    def engineered_features(self) -> list[Any] | None:
        """Names that the transformations give their columns; None if they give none, or no rows were seen yet."""
        return None if self._schema is None else self._schema.engineered

    @property
    def feature_map(self) -> Any:
        """Csr matrix (n_raw, n_engineered) of weights >= 0, the columns of which sum to 1 (to 0 for constants)."""
        return self._known().feature_map

    @property
    def by_column(self) -> bool:
        """Whether each engineered column is known to be a function of one raw column alone.

        Then hiding a raw feature and transforming is the same as hiding its engineered columns.
        """
        return self._known().by_column

    def table(self, rows: Any) -> tuple[Any, bool]:
        """Raw rows as something 2-D that the transformations take, and whether they came as a single 1-D row.

        Arrays become frames where the examples are one, by position.

        Raises
        ------
        ValueError
            Their number of columns, or their names, differ from those of the examples.
        TypeError
            They are nothing that holds rows.
        """
        X, single_row = as_table(rows, self.examples)
        X = _plain_table(X)
        if self._schema is None:
            self._learn(X)
        self._check(X)
        if self._known().labels is not None and column_names(X) is None and is_pandas(self.examples):
            X = _as_frame(X, self.examples, single_row)
        return X, single_row

    def transform(self, rows: Any) -> Any:
        """Engineered rows: an array, csr matrix or table, as the transformers give them.

        Raises
        ------
        ValueError
            As in `table`; or the transformers return another number of columns than before.
        """
        return self.transform_table(self.table(rows)[0])

    def transform_table(self, X: Any) -> Any:
        """Engineered rows of what `table` returned, or of a slice of it."""
        out = self._transformer.transform(rows_as_fitted(self._transformer, X))
        expected = self.feature_map.shape[1]
        if width(out) != expected:
            raise ValueError(
                f"The transformations made {width(out)} columns of these rows; they made {expected} of the first ones. "
                "Each transformer must make the same columns of any rows."
            )
        return out

    def transform_examples(self, examples: Any) -> Any:
        """Engineered examples, with the weights that they came with; None for None."""
        if examples is None:
            return None
        if has_weights(examples):
            background = as_background(examples)
            return Background(self.transform(background.data), background.weights)
        return self.transform(examples)

    def groups(self) -> list[NDArray[np.intp]]:
        """Engineered columns of each raw feature, as int arrays; empty for a feature that nothing is made of.

        Columns that come of no raw feature (constants) are in none.

        Raises
        ------
        ValueError
            A column comes of several raw features.
        """
        feature_map = self.feature_map
        shared = np.flatnonzero(feature_map.getnnz(axis=0) > 1)
        if len(shared):
            parents = feature_map[:, shared[0]].nonzero()[0].tolist()
            names = parents if self.raw_features is None else [self.raw_features[i] for i in parents]
            raise ValueError(
                f"Engineered column {shared[0]} comes of several raw features ({', '.join(map(repr, names))}), so that "
                "it belongs to no group of columns."
            )
        return [np.sort(feature_map[i].indices).astype(np.intp) for i in range(feature_map.shape[0])]

    def _known(self) -> _Schema:
        if self._schema is None:
            raise ValueError(
                "The map of the transformations is not known before the first rows; pass initialization_examples."
            )
        return self._schema

    def _learn(self, X: Any) -> None:
        """Follow the transformations with some rows."""
        n_raw, labels = count_columns(X), column_names(X)
        own = getattr(self._transformer, "feature_names_in_", None)
        names = self._given_names or column_labels(X) or (None if own is None or len(own) != n_raw else list(own))
        if names is not None and len(names) != n_raw:
            raise ValueError(f"features has {len(names)} names; the raw rows have {n_raw} columns.")
        first = self._transformer.steps[0][1] if isinstance(self._transformer, Chain) else self._transformer
        if isinstance(first, ColumnTuples):
            first.names = names
        columns = list(range(n_raw)) if names is None else names
        if not count_rows(X):
            raise ValueError("There are no rows to follow the transformations with; at least one is needed.")
        traced = trace(self._transformer, slice_rows(X, 0, PROBE_ROWS), columns, self.allow_all_transformations)
        engineered = _engineered_names(self._transformer, traced.rows, traced.map.shape[1])
        self._schema = _Schema(n_raw, names, labels, traced.map, traced.by_column, engineered)

    def _check(self, X: Any) -> None:
        known = self._known()
        labels = column_names(X)
        if count_columns(X) != known.n_raw:
            detail = _differences(labels, known.labels)
            raise ValueError(
                f"The rows have {count_columns(X)} columns; there are {known.n_raw} raw features.{detail} Pass rows as "
                "they are before the transformations."
            )
        if labels is None or known.labels is None or labels == known.labels:
            return
        i = next(i for i, label in enumerate(labels) if label != known.labels[i])
        raise ValueError(
            f"Column {i} of the raw rows is {labels[i]!r}, but {known.labels[i]!r} in the rows before; give the same "
            "columns in the same order."
        )


def _differences(labels: list[str] | None, known: list[str] | None) -> str:
    """The first column that is missing, and the first that is not known, as sentences; empty where none has names."""
    if labels is None or known is None:
        return ""
    missing = [label for label in known if label not in labels]
    unknown = [label for label in labels if label not in known]
    detail = f" First column that is missing: {missing[0]!r}." if missing else ""
    return detail + (f" First column that is not known: {unknown[0]!r}." if unknown else "")


def raw_features(
    transformations: Any,
    examples: Any,
    features: Sequence[Any] | None,
    allow_all_transformations: bool,
    explain_subset: Any,
    aggregate: str = "sum",
    steps: Sequence[tuple[str, Any]] = (),
) -> RawFeatures | None:
    """The `RawFeatures` of an explainer's arguments; None without transformations, and steps of a pipeline.

    Raises
    ------
    ValueError
        As `RawFeatures`; or `explain_subset` is given as well.
    """
    checked_aggregate(aggregate)
    if transformations is None and not steps:
        return None
    if transformations is not None and explain_subset is not None:
        raise ValueError("explain_subset not supported with non-None transformations")
    return RawFeatures(transformations, examples, features, allow_all_transformations, aggregate, steps)


def checked_aggregate(aggregate: Any) -> str:
    """``"sum"`` or ``"group"``, or ValueError."""
    if aggregate not in ("sum", "group"):
        raise ValueError(f"aggregate must be 'sum' or 'group'; got {aggregate!r}.")
    return str(aggregate)


def _plain_table(X: Any) -> Any:
    """Rows in a container that scikit-learn's transformers read: pyarrow tables become frames, lists arrays."""
    if is_arrow(X) and hasattr(X, "to_pandas"):
        return X.to_pandas()
    return listed_rows(X)


def _as_frame(X: Any, template: Any, single_row: bool) -> Any:
    """An array as a frame with the columns of the examples, and their types where they hold the values."""
    import pandas as pd

    array = X.toarray() if is_sparse(X) else np.asarray(X)
    if single_row:
        return as_table(pd.Series(array[0], index=template.columns, dtype=object), template)[0]
    frame = pd.DataFrame(array, columns=template.columns)
    return frame.infer_objects() if array.dtype == object else frame


def _engineered_names(transformer: Any, rows: Any, n_engineered: int) -> list[Any] | None:
    """Names of the engineered columns: those of their table, else those that the transformer gives."""
    named = column_names(rows)
    if named is not None:
        return named
    names: Callable[[], Any] | None = getattr(transformer, "get_feature_names_out", None)
    if names is None:
        return None
    try:
        given = [str(name) for name in names()]
    except (AttributeError, TypeError, ValueError):  # a part of it gives no names
        return None
    return given if len(given) == n_engineered else None
