"""Which columns a fitted transformer makes of which: its feature map, from what it learnt in fit.

Nothing is read from prefixes of names, or from the values of a row. A few rows are transformed along the way, which
tells how many columns a transformer of unknown kind makes, and checks the map's width for all others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.explanation.numbers.feature_maps import normalised_columns
from fastexplain.rows.tables import column_names

__all__ = ["MANY_TO_MANY", "ColumnsMixError", "Traced", "map_of_parents", "trace_leaf", "width"]

Parents = NDArray[np.intp]

MANY_TO_MANY = (
    "Many to many or many to one transformers not supported in raw explanations when explainer instantiated with "
    "allow_all_transformations is set to False. Change this parameter to True in order to get explanations."
)


class ColumnsMixError(ValueError):
    """A transformer makes columns of several others, which was not allowed.

    Attributes
    ----------
    kind : str
        The transformer's class, with its function if it has one.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class Traced(NamedTuple):
    """What a transformer does to some rows.

    Attributes
    ----------
    map : csr matrix of shape (n_in, n_out)
        Columns sum to 1, or to 0 for a constant.
    rows : array, sparse matrix or table
        The transformed rows.
    by_column : bool
        Each column's values are known to be a function of one input column alone.
    """

    map: Any
    rows: Any
    by_column: bool


def width(rows: Any) -> int:
    """Columns of what a transformer returned; 1-D output is one column."""
    shape = tuple(rows.shape) if hasattr(rows, "shape") else np.shape(rows)
    return 1 if len(shape) == 1 else int(shape[1])


def map_of_parents(parents: Parents, n_in: int) -> Any:
    """Csr map (n_in, n_out) of each output column's only parent; -1 for none."""
    import scipy.sparse

    columns = np.flatnonzero(parents >= 0)
    entries = (np.ones(len(columns)), (parents[columns], columns))
    return scipy.sparse.csr_matrix(entries, shape=(n_in, len(parents)))


def trace_leaf(transformer: Any, rows: Any, columns: Sequence[Any], allow_all: bool) -> Traced:
    """Map of a transformer that is no composition of others.

    Parameters
    ----------
    transformer : object with transform
    rows : array, sparse matrix, table or 1-D column
    columns : sequence
        Names or positions of the raw columns that the rows come of, for messages.
    allow_all : bool
        Whether a column may have several parents.

    Raises
    ------
    ColumnsMixError
        A column has several parents and `allow_all` is False.
    ValueError
        The transformer's fitted state contradicts the number of columns that it returns.
    """
    import scipy.sparse

    n_in, out = width(rows), transformer.transform(rows)
    n_out = width(out)
    if n_in == 1:
        return Traced(map_of_parents(np.zeros(n_out, dtype=np.intp), 1), out, by_column=True)
    found, by_column = _structure(transformer, rows, n_in, n_out)
    if found is None:
        found = scipy.sparse.csr_matrix(np.full((n_in, n_out), 1.0 / n_in))
    elif isinstance(found, np.ndarray):
        found = map_of_parents(found, n_in)
    if found.shape != (n_in, n_out):
        raise ValueError(
            f"{_kind(transformer)} made {n_out} columns of {_listed(columns)}, but its fitted attributes describe "
            f"{found.shape[1]}."
        )
    if not allow_all and (found.getnnz(axis=0) > 1).any():
        kind = _kind(transformer)
        raise ColumnsMixError(f"{MANY_TO_MANY} The transformer is {kind}, on {_listed(columns)}.", kind)
    return Traced(found, out, by_column)


def _kind(transformer: Any) -> str:
    function = getattr(transformer, "func", None)
    name = type(transformer).__name__
    return f"{name}({getattr(function, '__name__', function)})" if function is not None else name


def _listed(columns: Sequence[Any]) -> str:
    shown = ", ".join(repr(column) for column in columns[:10])
    return f"columns {shown}" + (f" and {len(columns) - 10} more" if len(columns) > 10 else "")


def _structure(transformer: Any, rows: Any, n_in: int, n_out: int) -> tuple[Any, bool]:
    """Parents (n_out,) or a csr map, None if each column may come of all; and whether that is by column for certain."""
    names = [cls.__name__ for cls in type(transformer).__mro__ if cls.__module__.split(".")[0] == "sklearn"]
    for name in names:
        if name in _BY_COLUMN:
            return _BY_COLUMN[name](transformer, n_in, n_out), True
        if name in _BY_NAME_ONLY:
            return _BY_NAME_ONLY[name](transformer, n_in, n_out), False
    if "PolynomialFeatures" in names:
        powers = normalised_columns((transformer.powers_ > 0).T.astype(np.float64))
        return powers, bool((powers.getnnz(axis=0) <= 1).all())
    if "FunctionTransformer" in names:
        return _function(transformer, n_in, n_out)
    if "OneToOneFeatureMixin" in names and n_out == n_in:
        return _one_to_one(transformer, n_in, n_out), False
    return _declared(transformer, rows, n_in, n_out), False


def _one_to_one(transformer: Any, n_in: int, n_out: int) -> Parents:
    return np.arange(n_in)


def _one_hot(encoder: Any, n_in: int, n_out: int) -> Parents:
    """A block for each column: its categories, less the dropped one, infrequent ones being one together."""
    sizes = np.array([len(categories) for categories in encoder.categories_])
    dropped = getattr(encoder, "drop_idx_", None)
    if dropped is not None:
        sizes -= np.array([index is not None for index in dropped])
    for i, infrequent in enumerate(getattr(encoder, "infrequent_categories_", None) or []):
        if infrequent is not None:
            sizes[i] -= len(infrequent) - 1
    return np.repeat(np.arange(n_in), sizes)


def _bins(discretizer: Any, n_in: int, n_out: int) -> Parents:
    if discretizer.encode == "ordinal":
        return np.arange(n_in)
    return np.repeat(np.arange(n_in), np.asarray(discretizer.n_bins_, dtype=np.intp))


def _equal_blocks(transformer: Any, n_in: int, n_out: int) -> Parents:
    """As many columns for each input column, those of the first one first: splines, targets of several classes."""
    return np.repeat(np.arange(n_in), n_out // n_in)


def _selected(selector: Any, n_in: int, n_out: int) -> Parents:
    return np.asarray(selector.get_support(indices=True), dtype=np.intp)


def _indicated(indicator: Any, n_in: int, n_out: int) -> Parents:
    return np.asarray(indicator.features_, dtype=np.intp)


def _imputed(imputer: Any, n_in: int, n_out: int) -> Parents | None:
    """Columns that are kept (those without any value may be dropped), then the indicators of what was missing."""
    indicated = np.empty(0, dtype=np.intp)
    if getattr(imputer, "indicator_", None) is not None:
        indicated = np.asarray(imputer.indicator_.features_, dtype=np.intp)
    n_kept = n_out - len(indicated)
    if n_kept == n_in:
        return np.concatenate([np.arange(n_in), indicated])
    own = getattr(imputer, "feature_names_in_", None)
    positions = {name: i for i, name in enumerate([f"x{i}" for i in range(n_in)] if own is None else own)}
    kept = [positions[name] for name in imputer.get_feature_names_out()[:n_kept]]
    return np.concatenate([np.array(kept, dtype=np.intp), indicated])


def _function(transformer: Any, n_in: int, n_out: int) -> tuple[Parents | None, bool]:
    """One to one for no function, a function of numbers, or one that is said to be so; else not known."""
    function = transformer.func
    elementwise = function is None or (isinstance(function, np.ufunc) and function.nin == 1)
    if elementwise or (transformer.feature_names_out == "one-to-one" and n_in == n_out):
        return np.arange(n_in), elementwise
    return None, False


def _declared(transformer: Any, rows: Any, n_in: int, n_out: int) -> Parents | None:
    """Parents of a transformer whose output names are all names of its input, each at most once; else None."""
    if not hasattr(transformer, "get_feature_names_out"):
        return None
    own = getattr(transformer, "feature_names_in_", None)
    names = column_names(rows) or ([f"x{i}" for i in range(n_in)] if own is None else list(own))
    try:
        made = list(transformer.get_feature_names_out(names))
    except (AttributeError, TypeError, ValueError):  # names of another number, or none at all: nothing is declared
        return None
    positions = {name: i for i, name in enumerate(names)}
    if len(positions) != n_in or len(made) != n_out or len(set(made)) != n_out or not set(made) <= set(positions):
        return None
    return np.array([positions[name] for name in made], dtype=np.intp)


_Rule = Callable[[Any, int, int], "Parents | None"]

# Classes of scikit-learn whose columns are functions of one column each.
_BY_COLUMN: dict[str, _Rule] = {
    "Binarizer": _one_to_one,
    "KBinsDiscretizer": _bins,
    "LabelEncoder": _one_to_one,
    "MaxAbsScaler": _one_to_one,
    "MinMaxScaler": _one_to_one,
    "MissingIndicator": _indicated,
    "OneHotEncoder": _one_hot,
    "OrdinalEncoder": _one_to_one,
    "PowerTransformer": _one_to_one,
    "QuantileTransformer": _one_to_one,
    "RobustScaler": _one_to_one,
    "SelectorMixin": _selected,
    "SimpleImputer": _imputed,
    "SplineTransformer": _equal_blocks,
    "StandardScaler": _one_to_one,
    "TargetEncoder": _equal_blocks,
}

# Classes whose columns stand for one column each, though other columns have a say in the values: what KNNImputer puts
# in place of a missing age stays the age's, whatever it was guessed from.
_BY_NAME_ONLY: dict[str, _Rule] = {
    "IterativeImputer": _imputed,
    "KNNImputer": _imputed,
    "KernelCenterer": _one_to_one,
    "Normalizer": _one_to_one,
}
