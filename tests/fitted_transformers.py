"""Tables of operations beside the transformers that they were read from: every bit, or the kind of error."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fastexplain.scoring.preprocessing.read import preprocessing_of
from fastexplain.scoring.preprocessing.table import Preprocessing

__all__ = ["assert_same", "columns_of", "outcome", "same_bits", "table_of", "through_json"]


def through_json(table: Preprocessing) -> Preprocessing:
    """The table after a journey as parts; the JSON is strict."""
    document, arrays = table.to_parts()
    return Preprocessing.from_parts(json.loads(json.dumps(document, allow_nan=False)), arrays)


def table_of(transformer: Any, frame: pd.DataFrame) -> Preprocessing:
    """The table of a transformer that was fitted on such a frame, after a journey as parts."""
    return through_json(preprocessing_of(transformer, list(frame.columns), [str(dtype) for dtype in frame.dtypes]))


def columns_of(frame: pd.DataFrame) -> list[NDArray[Any]]:
    return [frame.iloc[:, i].to_numpy() for i in range(frame.shape[1])]


def outcome(function: Callable[[], Any]) -> NDArray[Any] | type[Exception]:
    """What the function returns, as numbers, or the kind of error that it raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _numbers(function())
    except Exception as error:
        return ValueError if isinstance(error, ValueError) else type(error)


def _numbers(made: Any) -> NDArray[Any]:
    if isinstance(made, pd.DataFrame) and made.shape[1] and all(isinstance(dtype, np.dtype) for dtype in made.dtypes):
        return np.asarray(made, dtype=np.float32 if np.result_type(*made.dtypes) == np.float32 else np.float64)
    array = np.asarray(made.toarray() if hasattr(made, "toarray") else made)
    return array if array.dtype == np.float32 else array.astype(np.float64)


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether shapes, types and bits agree; one NaN is as good as another."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    both_nan = np.isnan(one) & np.isnan(other)
    return np.where(both_nan, 0, one).tobytes() == np.where(both_nan, 0, other).tobytes()


def assert_same(transformer: Any, fitted_on: pd.DataFrame, rows: pd.DataFrame, as_given: Any = None) -> None:
    """The table does to rows what the fitted transformer does, together and one by one.

    `as_given` makes of frames what the transformer takes.
    """
    taken = as_given or (lambda frame: frame)
    table = table_of(transformer, fitted_on)
    rows = rows.copy()
    for i in set(range(table.n_raw)) - set(table.parents.tolist()):  # not looked at by the table
        rows.isetitem(i, fitted_on.iloc[np.zeros(len(rows), dtype=int), i].array)
    _assert_equal(lambda: table.transform(columns_of(rows)), lambda: transformer.transform(taken(rows)))
    for i in range(len(rows)):
        row, alone = [column.tolist()[i] for column in columns_of(rows)], taken(rows.iloc[[i]])
        _assert_equal(lambda row=row: table.transform_row(row)[None], lambda alone=alone: transformer.transform(alone))


def _assert_equal(ours: Callable[[], Any], theirs: Callable[[], Any]) -> None:
    got, expected = outcome(ours), outcome(theirs)
    if isinstance(expected, type) or isinstance(got, type):
        assert got is expected, f"{got} where scikit-learn has {expected}"
    else:
        assert same_bits(got, expected), f"{got}\nwhere scikit-learn has\n{expected}"
