"""`DatasetWrapper`: rows of any kind with the operations of ml-wrappers' class, and `CustomTimestampFeaturizer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from fastexplain.engine.background import summarize_background
from fastexplain.explainers.mimic.augmentation import augmented
from fastexplain.explainers.mimic.categories import (
    column_indices,
    fitted_indexer,
    fitted_one_hot,
    indexed_columns,
    numbers_or_none,
)
from fastexplain.explainers.mimic.rows import reset_rows
from fastexplain.explainers.mimic.timestamps import PARTS, is_timestamp, seconds, time_parts
from fastexplain.rows.kinds import is_pandas, is_sparse, is_table
from fastexplain.rows.tables import column_of

__all__ = ["CustomTimestampFeaturizer", "DatasetWrapper"]

# More than so many rows per cluster are summarised.
_ROWS_PER_CLUSTER = 10


class CustomTimestampFeaturizer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns columns of time stamps into seconds since the earliest one, and adds their parts at the end.

    The parts are ``<column>_year``, ``_month``, ``_day``, ``_hour``, ``_minute`` and ``_second``.

    Parameters
    ----------
    features : list of str, optional
        Names of the columns of arrays.
    return_pandas : bool, default False
        Return a table in place of an array.
    modify_in_place : bool, default False
        Add the columns to the given pandas table itself.
    """

    def __init__(
        self, features: Sequence[Any] | None = None, return_pandas: bool = False, modify_in_place: bool = False
    ) -> None:
        self.features = features
        self.return_pandas = return_pandas
        self.modify_in_place = modify_in_place
        self._time_col_names: list[Any] = []
        self._min: list[float] = []

    def fit(self, X: Any, y: Any = None) -> CustomTimestampFeaturizer:
        """Find the columns of time stamps, and the earliest stamp of each.

        Parameters
        ----------
        X : array, csr or table of shape (n_rows, n_columns)
        """
        self._time_col_names, self._min = [], []
        if is_sparse(X) or _is_dense_data(X):
            return self
        frame = self._frame(X)
        for name in frame.columns:
            if is_timestamp(frame[name]):
                self._time_col_names.append(name)
                self._min.append(float(np.nanmin(seconds(frame[name]))))
        return self

    def transform(self, X: Any) -> Any:
        """Replace and add columns.

        Parameters
        ----------
        X : array, csr or table of shape (n_rows, n_columns)

        Returns
        -------
        X itself where it has no time stamps, else an array, or a table with `return_pandas`
        """
        if not self._time_col_names:
            return X
        import pandas as pd

        frame = self._frame(X)
        if isinstance(X, pd.DataFrame) and not self.modify_in_place:
            frame = X.copy()
        for name, earliest in zip(self._time_col_names, self._min, strict=True):
            stamps = frame[name] if is_timestamp(frame[name]) else pd.to_datetime(frame[name])
            for part, numbers in zip(PARTS, time_parts(stamps), strict=True):
                frame[f"{name}_{part}"] = numbers if np.isnan(numbers).any() else numbers.astype(np.int64)
            frame[name] = seconds(stamps) - earliest
        return frame if self.return_pandas else frame.to_numpy()

    def _frame(self, X: Any) -> Any:
        import pandas as pd

        return X if isinstance(X, pd.DataFrame) else pd.DataFrame(X, columns=self.features)


class DatasetWrapper:
    """Rows of any kind, with the operations that interpret-community's explainers do on them.

    Every explainer takes one in place of the rows. The operations change the wrapper, never the rows it was given.

    Parameters
    ----------
    dataset : rows
        NumPy array, pandas DataFrame or Series, sparse matrix, shap DenseData, torch Tensor, TensorFlow BatchDataset.
    clear_references : bool, default False
        Whether `_clear` lets go of the rows.

    Raises
    ------
    TypeError
        `dataset` is of another type.
    """

    def __init__(self, dataset: Any, clear_references: bool = False) -> None:
        if not _is_supported(dataset):
            raise TypeError(f"Got type {type(dataset)} which is not supported in DatasetWrapper")
        self._original_dataset_with_type = dataset
        self._clear_references = clear_references
        self._features: list[Any] | None = None
        self._index_names: list[Any] = []
        self._batch_size = 0
        self._is_frame = is_pandas(dataset) and is_table(dataset)
        if self._is_frame:
            self._features = dataset.columns.tolist()
        values: Any = dataset
        if is_pandas(dataset):
            values = dataset.to_numpy()
        elif _is_batches(dataset):
            values, self._features, self._batch_size = _from_batches(dataset)
        elif hasattr(dataset, "detach"):
            values = dataset.detach().cpu().numpy()
        self._dataset = self._original_dataset = values
        self._summary_dataset: Any = None
        self._done: dict[str, Any] = {}

    # What it holds

    @property
    def dataset(self) -> Any:
        """The rows as they are now: an array, a sparse matrix or a summary."""
        return self._dataset

    @property
    def typed_dataset(self) -> Any:
        """The rows as they are now, as the type they came in: a DataFrame has its columns, types and index."""
        return self.typed_wrapper_func(self._dataset)

    @property
    def original_dataset(self) -> Any:
        """The rows as they came, as an array or a sparse matrix."""
        return self._original_dataset

    @property
    def original_dataset_with_type(self) -> Any:
        """The rows as they came."""
        return self._original_dataset_with_type

    @property
    def num_features(self) -> int:
        """Number of columns; of a single 1-D row, of its values."""
        rows = self._dataset.data if _is_summary(self._dataset) else self._dataset
        return int(rows.shape[-1])

    @property
    def summary_dataset(self) -> Any:
        """What `compute_summary` has made; None before."""
        return self._summary_dataset

    def typed_wrapper_func(self, dataset: Any, keep_index_as_feature: bool = False) -> Any:
        """Rows as the type that this wrapper was given.

        Parameters
        ----------
        dataset : array of shape (n_rows, n_columns), or one row
        keep_index_as_feature : bool, default False
            After `reset_index`: leave the index among the columns.
        """
        import pandas as pd

        if self._batch_size:
            return _as_batches(np.atleast_2d(dataset), self._features or [], self._batch_size)
        if not self._is_frame:
            return pd.Series(dataset) if is_pandas(self._original_dataset_with_type) else dataset
        given = self._original_dataset_with_type
        frame = pd.DataFrame(np.atleast_2d(dataset), columns=self._features)
        types = {name: dtype for name, dtype in given.dtypes.items() if name in frame.columns}
        for level, name in enumerate(self._index_names):
            types[name] = given.index.get_level_values(level).dtype
        frame = frame.astype(types)
        return frame.set_index(self._index_names) if self._index_names and not keep_index_as_feature else frame

    def get_features(
        self, features: Sequence[Any] | None = None, explain_subset: Sequence[int] | None = None, **kwargs: Any
    ) -> list[Any]:
        """Names of the columns: those given, else the table's, else their indices; of a subset, if one is given."""
        names = self._features if features is None else features
        listed = list(range(self.num_features)) if names is None else list(names)
        return listed if explain_subset is None else [listed[i] for i in explain_subset]

    def get_column_indexes(self, features: Sequence[Any], categorical_features: Sequence[Any]) -> list[int]:
        """Positions of columns; ValueError naming those that are not among `features`."""
        return column_indices(categorical_features, list(features), len(features))

    # What it does

    def string_index(self, columns: Sequence[Any] | None = None) -> Any:
        """Replace text by its position in the sorted list of a column's values.

        Parameters
        ----------
        columns : sequence of int, optional
            Default: every column of text.

        Returns
        -------
        ColumnTransformer for `apply_indexer`, or None if no column holds text
        """
        if "indexer" not in self._done:
            self._done["indexer"] = None
            if not is_sparse(self._dataset) and not _is_summary(self._dataset):
                text = [j for j in range(self.num_features) if _is_text(column_of(self._dataset, j))]
                if text:
                    chosen = [j for j in text if columns is None or j in columns]
                    self._done["indexer"] = fitted_indexer(self._dataset, chosen)
                    self._dataset = indexed_columns(self._dataset, self._done["indexer"], bucket_unknown=True)
        return self._done["indexer"]

    def one_hot_encode(self, columns: Sequence[int]) -> Any:
        """Replace columns of numbers by one column of zeros and ones per value; these come first.

        Returns
        -------
        ColumnTransformer for `apply_one_hot_encoder`, or None without columns
        """
        if "one_hot" not in self._done:
            self._done["one_hot"] = None
            if len(columns) and not is_sparse(self._dataset) and not _is_summary(self._dataset):
                self._done["one_hot"], self._dataset = fitted_one_hot(self._dataset, columns)
        return self._done["one_hot"]

    def timestamp_featurizer(self) -> CustomTimestampFeaturizer | None:
        """Replace columns of time stamps by numbers; see `CustomTimestampFeaturizer`, which is returned fitted."""
        if "stamps" not in self._done:
            self._done["stamps"] = None
            if not is_sparse(self._dataset) and not _is_summary(self._dataset):
                typed = self.typed_wrapper_func(self._dataset, keep_index_as_feature=True)
                featurizer = CustomTimestampFeaturizer(self._features).fit(typed)
                self._done["stamps"] = featurizer
                self._dataset = featurizer.transform(self._dataset)
        featurized: CustomTimestampFeaturizer | None = self._done["stamps"]
        return featurized

    def apply_indexer(self, column_indexer: Any, bucket_unknown: bool = False) -> None:
        """Replace text as another wrapper's `string_index` did.

        Parameters
        ----------
        column_indexer : ColumnTransformer
        bucket_unknown : bool, default False
            Give all values that were not seen one number, in place of one each.
        """
        if "indexer" not in self._done and not is_sparse(self._dataset):
            self._done["indexer"] = column_indexer
            self._dataset = indexed_columns(self._dataset, column_indexer, bucket_unknown)

    def apply_one_hot_encoder(self, one_hot_encoder: Any) -> None:
        """Encode columns as another wrapper's `one_hot_encode` did."""
        if "one_hot" not in self._done and not is_sparse(self._dataset):
            self._done["one_hot"] = one_hot_encoder
            self._dataset = np.asarray(one_hot_encoder.transform(self._dataset), dtype=np.float64)

    def apply_timestamp_featurizer(self, timestamp_featurizer: CustomTimestampFeaturizer) -> None:
        """Replace columns of time stamps as another wrapper's `timestamp_featurizer` did."""
        if "stamps" not in self._done and not is_sparse(self._dataset):
            self._done["stamps"] = timestamp_featurizer
            self._dataset = timestamp_featurizer.transform(self._dataset)

    def compute_summary(self, nclusters: int = 10, use_gpu: bool = False, **kwargs: Any) -> None:
        """Replace the rows by a summary: weighted k-means centres, or the columns' medians of sparse rows.

        Parameters
        ----------
        nclusters : int, default 10
            Up to ten times as many dense rows stay as they are.
        use_gpu : bool, default False
            Must be False.

        Raises
        ------
        ValueError
            `use_gpu` is True.
        """
        if use_gpu:
            raise ValueError("use_gpu=True is not supported: pass use_gpu=False, k-means runs on the CPU.")
        if self._summary_dataset is not None:
            return
        rows = self._dataset
        if is_sparse(rows):
            rows = summarize_background(rows, nclusters).data
        elif not _is_summary(rows) and len(rows) > _ROWS_PER_CLUSTER * nclusters:
            rows = summarize_background(rows, nclusters)
        self._dataset = self._summary_dataset = rows

    def augment_data(self, max_num_of_augmentations: float = np.inf) -> None:
        """Append copies of the rows with columns shuffled, where there are at least twice as many columns as rows."""
        self._dataset = augmented(self._dataset, max_num_of_augmentations)

    def take_subset(self, explain_subset: Sequence[int]) -> None:
        """Keep some columns only; a second call has no effect."""
        if "subset" not in self._done:
            self._done["subset"] = True
            self._dataset = self._dataset[:, np.asarray(explain_subset)]

    def sample(self, max_dim_clustering: int = 50, sampling_method: str = "hdbscan") -> Any:
        """Draw as many rows as their clusters call for, and return them; see `SamplingPolicy`.

        Parameters
        ----------
        max_dim_clustering : int, default 50
        sampling_method : {"hdbscan", "kmeans"}, default "hdbscan"
        """
        from fastexplain.explainers.options import SamplingPolicy
        from fastexplain.explainers.shared.sampling import sampled_rows

        rows = sampled_rows(self._dataset, SamplingPolicy(True, max_dim_clustering, sampling_method))
        if rows is not None:
            self._dataset = self._dataset[rows]
        return self._dataset

    def reset_index(self) -> None:
        """Make the index of a DataFrame columns, after all others; a plain 0, 1, 2, ... is left alone."""
        if self._is_frame:
            frame, self._index_names = reset_rows(self._original_dataset_with_type)
            self._features = frame.columns.tolist()
            self._dataset = frame.to_numpy()

    def set_index(self) -> None:
        """Undo `reset_index`."""
        if self._is_frame and self._index_names:
            frame = self.typed_dataset
            self._features = frame.columns.tolist()
            self._dataset = frame.to_numpy()
        self._index_names = []

    def _clear(self) -> None:
        """Let go of the rows, if the wrapper was made with ``clear_references=True``."""
        if self._clear_references:
            self._features = self._original_dataset_with_type = self._dataset = self._original_dataset = None
            self._summary_dataset = None
            self._done = {}


def _is_supported(dataset: Any) -> bool:
    if isinstance(dataset, np.ndarray) or is_sparse(dataset) or hasattr(dataset, "detach"):
        return True
    pandas = type(dataset).__module__.partition(".")[0] == "pandas" or is_pandas(dataset)
    return (pandas and hasattr(dataset, "to_numpy")) or _is_dense_data(dataset) or _is_batches(dataset)


def _is_dense_data(dataset: Any) -> bool:
    return type(dataset).__name__ == "DenseData"


def _is_summary(dataset: Any) -> bool:
    """Whether the rows are a summary, with weights."""
    return hasattr(dataset, "weights") and hasattr(dataset, "data")


def _is_text(column: NDArray[Any]) -> bool:
    if numbers_or_none(column) is not None and column.dtype.kind != "U" and not isinstance(column[0], str):
        return False
    return all(isinstance(value, str) for value in column.tolist())


def _is_batches(dataset: Any) -> bool:
    return type(dataset).__name__.endswith("BatchDataset")


def _from_batches(dataset: Any) -> tuple[NDArray[Any], list[Any], int]:
    """Rows, names and batch size of a TensorFlow dataset of (columns by name, labels)."""
    batches, names = [], []
    for columns, _ in dataset:
        names = list(columns)
        batches.append(np.stack([np.asarray(column) for column in columns.values()], axis=1))
    return np.vstack(batches), names, len(batches[0])


def _as_batches(rows: NDArray[Any], names: list[Any], batch_size: int) -> Any:
    from fastexplain._optional import optional

    data = optional("tensorflow", None, "A TensorFlow dataset").data.Dataset
    return data.from_tensor_slices(({name: rows[:, j] for j, name in enumerate(names)}, None)).batch(batch_size)
