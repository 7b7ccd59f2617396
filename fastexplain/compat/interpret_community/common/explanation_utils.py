"""Helpers that code written against interpret-community imports: summaries, rankings, feature maps, reshaping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.background import has_weights, summarize_background
from fastexplain.engine.probability import scaled_to_probability
from fastexplain.explainers.mimic.augmentation import augmented
from fastexplain.explanation.numbers.feature_maps import combined_map
from fastexplain.rows.arrays import dense
from fastexplain.rows.kinds import is_sparse

__all__ = [
    "_FEATURES",
    "_RANKING",
    "_VALUES",
    "_convert_to_list",
    "_generate_augmented_data",
    "_get_dense_examples",
    "_get_feature_map_from_list_of_indexes",
    "_get_raw_feature_importances",
    "_is_identity",
    "_is_one_to_many",
    "_order_imp",
    "_scale_single_shap_matrix",
    "_scale_tree_shap",
    "_should_compress_sparse_matrix",
    "_sort_feature_list_multiclass",
    "_sort_feature_list_single",
    "_sort_values",
    "_sparse_order_imp",
    "_summarize_data",
    "_two_dimensional_slice",
    "_unsort_1d",
    "reformat_importance_values",
]

_FEATURES, _RANKING, _VALUES = "features", "ranking", "values"
# Examples are summarised where there are more than so many for each cluster.
_ROWS_PER_CLUSTER = 10


def reformat_importance_values(local_importance_values: Any, convert_to_list: bool = False) -> Any:
    """Classes first, of values that shap 0.45 and later return with the classes last.

    Parameters
    ----------
    local_importance_values : array of shape (n_rows, n_features, n_classes), or anything else
    convert_to_list : bool, default False
        Return a list with an array for each class; what has no classes, as it is.
    """
    if isinstance(local_importance_values, np.ndarray) and local_importance_values.ndim == 3:
        classes_first = np.moveaxis(local_importance_values, 2, 0)
        return list(classes_first) if convert_to_list else classes_first
    return local_importance_values if convert_to_list else np.array(local_importance_values)


def _summarize_data(X: Any, k: int = 10, use_gpu: bool = False, to_round_values: bool = True) -> Any:
    """Weighted k-means centres of more than ``10 * k`` rows, the medians of sparse rows, else the rows as they are."""
    if is_sparse(X):
        return summarize_background(X, k).data
    if has_weights(X) or len(X) <= _ROWS_PER_CLUSTER * k:
        return X
    return summarize_background(X, k, round_values=to_round_values)


def _should_compress_sparse_matrix(matrix: Any) -> bool:
    """Whether more than a third of the cells of a sparse matrix, or of a list of them, are stored: better dense."""
    matrices = matrix if isinstance(matrix, list) else [matrix]
    return bool(sum(each.nnz for each in matrices) > sum(np.prod(each.shape) for each in matrices) / 3)


def _get_raw_feature_importances(importance_values: Any, raw_to_output_feature_maps: Any) -> Any:
    """Importances of engineered features, added up to those of the raw ones; the last axis is the features'.

    Lists of sparse matrices (one for each class) stay sparse.
    """
    feature_map = combined_map(raw_to_output_feature_maps)
    if isinstance(importance_values, list) and importance_values and is_sparse(importance_values[0]):
        return [each @ feature_map.T for each in importance_values]
    if is_sparse(importance_values):
        return importance_values @ feature_map.T
    values = np.asarray(importance_values)
    flat = feature_map @ values.reshape(-1, values.shape[-1]).T
    return flat.T.reshape(*values.shape[:-1], feature_map.shape[0])


def _is_identity(matrix: Any) -> bool:
    """Whether a feature map leaves everything as it is."""
    n_rows, n_columns = matrix.shape
    dense = matrix.toarray() if is_sparse(matrix) else np.asarray(matrix)
    return n_rows == n_columns and np.array_equal(dense, np.eye(n_rows))


def _is_one_to_many(feature_map: Any) -> bool:
    """Whether no engineered feature comes of two raw ones."""
    parents = np.asarray((feature_map > 0).sum(axis=0)).ravel()
    return bool((parents < 2).all())


def _get_feature_map_from_list_of_indexes(indices_list: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """The map of lists of engineered columns, one for each raw feature; a column of several parents is shared out."""
    feature_map = np.zeros((len(indices_list), 1 + max(max(columns) for columns in indices_list)))
    for raw, columns in enumerate(indices_list):
        feature_map[raw, list(columns)] = 1.0
    shared: NDArray[np.float64] = feature_map / np.maximum(feature_map.sum(axis=0), 1.0)
    return shared


def _get_dense_examples(examples: Any) -> Any:
    """Rows without sparseness."""
    return dense(examples)


def _convert_to_list(shap_values: Any) -> list[Any]:
    """Nested lists of an array, or of a list of arrays."""
    return [each.tolist() for each in shap_values] if isinstance(shap_values, list) else list(shap_values.tolist())


def _generate_augmented_data(x: Any, max_num_of_augmentations: float = np.inf) -> Any:
    """Rows and copies of them with shuffled columns, about as many as there are columns."""
    return augmented(x, max_num_of_augmentations)


def _scale_tree_shap(shap_values: Any, expected_values: Any, prediction: NDArray[Any]) -> Any:
    """Values of log-odds, scaled so that with the expected values, which are probabilities, they add up to these."""
    if isinstance(shap_values, list):
        return [
            _scale_single_shap_matrix(values, expected, prediction[:, k])
            for k, (values, expected) in enumerate(zip(shap_values, expected_values, strict=True))
        ]
    return _scale_single_shap_matrix(
        shap_values, expected_values, prediction if prediction.ndim == 1 else prediction[:, -1]
    )


def _scale_single_shap_matrix(shap_values: Any, expectation: Any, prediction: NDArray[Any]) -> NDArray[np.float64]:
    """The same of one class: (n_rows, n_features)."""
    base = np.array(expectation, dtype=np.float64, ndmin=1)
    values = np.asarray(shap_values, dtype=np.float64)[:, :, np.newaxis]
    return np.asarray(scaled_to_probability(values, base, prediction[:, np.newaxis])[0][:, :, 0])


def _order_imp(summary: NDArray[Any]) -> NDArray[np.intp]:
    """Ranks along the last axis, largest first."""
    return summary.argsort()[..., ::-1]


def _sort_values(values: Any, order: Any) -> NDArray[Any]:
    """Values in an order."""
    ordered: NDArray[Any] = np.asarray(values)[order]
    return ordered


def _unsort_1d(values: Any, order: Any) -> NDArray[Any]:
    """Values that `_sort_values` has put into an order, as they were."""
    restored: NDArray[Any] = np.asarray(values)[np.argsort(order)]
    return restored


def _sort_feature_list_single(features: Any, order: Any) -> list[Any]:
    """Names in an order."""
    return [features[i] for i in order]


def _sort_feature_list_multiclass(features: Any, order: Any) -> list[list[Any]]:
    """Names in an order for each class."""
    names = features.tolist() if hasattr(features, "tolist") else features
    return [_sort_feature_list_single(names, of_class) for of_class in order]


def _two_dimensional_slice(lst: Sequence[Any], end_index: int) -> list[Any]:
    """The first of each list."""
    return [each[:end_index] for each in lst]


def _sparse_order_imp(
    local_importance_values: Any, values_type: str = _RANKING, features: Any = None, top_k: int | None = None
) -> list[Any]:
    """Stored entries of each row, largest first: their columns, values, or names; a list for each class, if several."""
    if isinstance(local_importance_values, list):
        return [_sparse_order_imp(each, values_type, features, top_k) for each in local_importance_values]
    if values_type not in (_FEATURES, _RANKING, _VALUES):
        raise ValueError(f"Unknown values_type specified: {values_type!r}; expected 'ranking', 'values' or 'features'.")
    matrix, ranked = local_importance_values, []
    for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        order = matrix.data[start:stop].argsort()[::-1][:top_k]
        found = (matrix.data if values_type == _VALUES else matrix.indices)[start:stop][order].tolist()
        named = values_type == _FEATURES and features is not None
        ranked.append([features[i] for i in found] if named else found)
    return ranked
