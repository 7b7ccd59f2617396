"""Columns of categories as numbers, with scikit-learn's encoders."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Categories",
    "OneHot",
    "column_indices",
    "fitted_indexer",
    "fitted_one_hot",
    "indexed_columns",
    "numbers_or_none",
]

Float = NDArray[np.float64]

# LightGBM keeps categories as int32.
_LARGEST_CODE = 2**31 - 1


class Categories:
    """The categories of one column, and their codes.

    Whole numbers from 0 are codes already, and stay as they are. Anything else gets the position in the sorted list of
    the values that were seen; one that was not seen gets a code of its own, the same for all. Missing values stay NaN.

    Parameters
    ----------
    values : array or series of shape (n_rows,)
    name : str or int
        Of the column, for messages.

    Attributes
    ----------
    labels : list or None
        Sorted, in the order of their codes; None where values are codes already.
    """

    def __init__(self, values: Any, name: Any) -> None:
        self.name = name
        numbers = numbers_or_none(values)
        self.labels: list[Any] | None = None
        if numbers is None or not _are_codes(numbers):
            self.labels = self._distinct(_objects(values) if numbers is None else numbers)
        self._encoder: Any = None

    @classmethod
    def of_labels(cls, labels: list[Any] | None, name: Any) -> Categories:
        """Categories that are known already: `labels` as the attribute has them."""
        known = cls.__new__(cls)
        known.name, known.labels, known._encoder = name, labels, None
        return known

    def codes(self, values: Any) -> Float:
        """Codes of values, NaN where they are missing."""
        numbers = numbers_or_none(values)
        if self.labels is None:
            if numbers is None:
                raise ValueError(f"Column {self.name!r} holds text; it held numbers where the explainer was built.")
            return numbers
        strings = any(isinstance(label, str) for label in self.labels)
        given = _objects(values) if strings or numbers is None else numbers
        missing = _missing(given)
        codes = np.full(len(given), np.nan)
        if not missing.all():
            codes[~missing] = self._fitted().transform(given[~missing, None])[:, 0]
        return codes

    def _fitted(self) -> Any:
        if self._encoder is None:
            from sklearn.preprocessing import OrdinalEncoder

            known = self.labels or []
            labels = np.array(known, dtype=object if any(isinstance(label, str) for label in known) else np.float64)
            encoder = OrdinalEncoder(categories=[labels], handle_unknown="use_encoded_value", unknown_value=len(labels))
            self._encoder = encoder.fit(labels[:1, None] if len(labels) else np.zeros((1, 1)))
        return self._encoder

    def _distinct(self, values: NDArray[Any]) -> list[Any]:
        try:
            return list(np.unique(values[~_missing(values)]).tolist())
        except TypeError:
            kinds = sorted({type(value).__name__ for value in values.tolist()})
            raise ValueError(
                f"Column {self.name!r} mixes {', '.join(kinds)}; all its categories must be text, or all numbers. Make "
                "them text, also in the rows that you explain: astype(str)."
            ) from None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_encoder": None}


class OneHot:
    """One column of zeros and ones per category of several columns of codes.

    Parameters
    ----------
    codes : float64 array of shape (n_rows, n_columns)

    Attributes
    ----------
    source : int array of shape (n_indicators,)
        Column of `codes` that each indicator is of.
    """

    def __init__(self, codes: Float) -> None:
        from sklearn.preprocessing import OneHotEncoder

        self._encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(codes)
        self.source = np.repeat(np.arange(codes.shape[1]), [len(each) for each in self._encoder.categories_])

    def indicators(self, codes: Float) -> Float:
        """Zeros and ones, (n_rows, n_indicators); a category that was not seen has none."""
        return np.asarray(self._encoder.transform(codes), dtype=np.float64)


def column_indices(columns: Any, names: list[Any] | None, n_columns: int) -> list[int]:
    """Positions of columns given by name or position, each once.

    Raises
    ------
    ValueError
        Some do not exist; the message names them and those that do.
    """
    given = [columns] if isinstance(columns, str) else list(columns)
    positions = {name: i for i, name in reversed(list(enumerate(names or [])))}
    found, absent = [], []
    for column in given:
        is_index = isinstance(column, int | np.integer) and not isinstance(column, bool)
        position = int(column) if is_index else positions.get(column, -1)
        if 0 <= position < n_columns:
            found.append(position)
        else:
            absent.append(column)
    if absent:
        shown = f"the columns are {names!r}" if names else f"there are {n_columns} columns without names"
        raise ValueError(f"categorical_features names columns that do not exist: {absent!r}; {shown}.")
    return list(dict.fromkeys(found))


def fitted_indexer(rows: NDArray[Any], columns: list[int]) -> Any:
    """A ColumnTransformer that turns columns of text into positions in the sorted list of their values."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OrdinalEncoder

    return ColumnTransformer([("ord", OrdinalEncoder(), columns)], remainder="drop").fit(rows)


def indexed_columns(rows: NDArray[Any], indexer: Any, bucket_unknown: bool) -> NDArray[Any]:
    """A copy of the rows with the columns of a fitted indexer as numbers; float64 where all others are numbers.

    With k known values in a column, one that is not known becomes k + 1; so does each, or with `bucket_unknown` False
    the next of them k + 2, and so on.
    """
    _, encoder, columns = indexer.transformers_[0]
    indexed = np.array(rows, dtype=object)
    for j, labels in zip(columns, encoder.categories_ if len(columns) else [], strict=True):
        codes = {label: i for i, label in enumerate(labels.tolist())}
        for i, value in enumerate(indexed[:, j].tolist()):
            if value not in codes:
                codes[value] = len(labels) + 1 if bucket_unknown else max(len(labels), max(codes.values())) + 1
            indexed[i, j] = float(codes[value])
    try:
        return indexed.astype(np.float64)
    except (TypeError, ValueError):
        return indexed


def fitted_one_hot(rows: NDArray[Any], columns: Any) -> tuple[Any, Float]:
    """A ColumnTransformer that puts indicators of columns of numbers before all others, and its result."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder

    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encoder = ColumnTransformer([("ord", one_hot, list(columns))], remainder="passthrough")
    return encoder, np.asarray(encoder.fit_transform(rows.astype(np.float64)), dtype=np.float64)


def numbers_or_none(values: Any) -> Float | None:
    """Values of a column as float64, NaN where missing; None if some are no numbers."""
    if str(getattr(getattr(values, "dtype", None), "kind", "")) in ("m", "M"):
        return None
    try:
        if hasattr(values, "isna"):  # pandas: nullable types have no NaN of their own
            return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
        return np.asarray(values).astype(np.float64)
    except (TypeError, ValueError):
        return None


def _objects(values: Any) -> NDArray[Any]:
    """Values of a column as objects, missing ones as NaN."""
    if hasattr(values, "isna"):
        objects = np.array(values.to_numpy(dtype=object))
        objects[values.isna().to_numpy()] = np.nan
        return _plain_labels(objects)
    objects = np.array(values.to_pylist() if hasattr(values, "to_pylist") else values, dtype=object)
    objects[_missing(objects)] = np.nan
    return _plain_labels(objects)


def _plain_labels(objects: NDArray[Any]) -> NDArray[Any]:
    """Labels that are neither text nor numbers, such as intervals, as text: it is sorted, encoded and saved alike."""
    for i, value in enumerate(objects.tolist()):
        if not isinstance(value, str | float | int | np.generic):
            objects[i] = str(value)
    return objects


def _missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values))
    missing: NDArray[np.bool_] = np.array([value is None or value != value for value in values], dtype=np.bool_)
    return missing


def _are_codes(numbers: Float) -> bool:
    known = numbers[~np.isnan(numbers)]
    return bool(((known >= 0) & (known <= _LARGEST_CODE) & (known == np.floor(known))).all())
