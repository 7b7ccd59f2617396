"""Raw features: importances of engineered columns, added up to those of the columns that they were made of.

A feature map is a matrix (n_raw, n_engineered) of weights >= 0: which engineered column came of which raw feature. Its
columns are made to sum to 1 before use, so that a column's importance is shared out among its parents, and nothing of
it is lost or counted twice; a column without parents, such as a constant, counts for none.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.feature_map import FeatureMap
from fastexplain.rows.kept import kept_rows
from fastexplain.rows.kinds import is_sparse

if TYPE_CHECKING:
    from fastexplain.explanation.explanation import Context, Explanation

__all__ = [
    "combined_map",
    "get_raw_explanation",
    "get_raw_feature_importances",
    "is_identity",
    "map_values",
    "normalised_columns",
]

_logger = logging.getLogger("fastexplain")


def combined_map(feature_maps: Any) -> Any:
    """One normalised map of a sequence of them.

    Parameters
    ----------
    feature_maps : list of array or sparse matrix
        The maps of the steps from raw features to the explained ones, in order: (n_raw, n_1), (n_1, n_2), ...

    Returns
    -------
    scipy.sparse.csr_matrix of shape (n_raw, n_engineered)
        The product of the maps, its columns divided by their sums.

    Raises
    ------
    ValueError
        No list, or an empty one; a map that is not 2-D, has a negative weight or one that is not finite; maps whose
        shapes do not follow each other.
    """
    if not isinstance(feature_maps, list):
        raise ValueError("raw_to_output_feature_maps should be a list of feature maps")
    if not feature_maps:
        raise ValueError("The list of feature maps is empty; expected at least one map (n_raw, n_engineered).")
    product: Any = None
    for i, given in enumerate(feature_maps):
        step = _checked_map(given, i)
        if product is not None and product.shape[1] != step.shape[0]:
            raise ValueError(
                f"Feature map {i} has shape {step.shape}, but the maps before it end with {product.shape[1]} columns."
            )
        if product is None or is_identity(product):
            product = step
        elif not is_identity(step):
            product = product @ step
    if (product.getnnz(axis=0) > 1).any():
        _logger.info("Many to one/many maps found in input: such columns are shared out among their raw features.")
    return normalised_columns(product)


def _checked_map(given: Any, position: int) -> Any:
    import scipy.sparse

    if not is_sparse(given):
        given = np.asarray(given, dtype=np.float64)
        if given.ndim != 2:
            raise ValueError(f"Feature map {position} has shape {given.shape}; expected (n_raw, n_engineered).")
    matrix = scipy.sparse.csr_matrix(given, dtype=np.float64)
    if (matrix.data < 0).any():
        raise ValueError("Feature maps should only contain non-negative values")
    if not np.isfinite(matrix.data).all():
        raise ValueError(f"Feature map {position} holds NaN or infinite weights.")
    if not matrix.has_canonical_format or (matrix.data == 0).any():
        matrix = matrix.copy()
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
    return matrix


def normalised_columns(feature_map: Any) -> Any:
    """A csr map with each column divided by its sum; columns of zeros stay."""
    import scipy.sparse

    matrix = scipy.sparse.csr_matrix(feature_map, dtype=np.float64)
    sums = np.asarray(matrix.sum(axis=0)).ravel()
    if ((sums == 1.0) | (sums == 0.0)).all():
        return matrix
    shares = 1.0 / np.where(sums > 0, sums, 1.0)
    return scipy.sparse.csr_matrix((matrix.data * shares[matrix.indices], matrix.indices, matrix.indptr), matrix.shape)


def is_identity(feature_map: Any) -> bool:
    """Whether a csr map is the identity."""
    n_raw, n_engineered = feature_map.shape
    if n_raw != n_engineered or feature_map.nnz != n_raw:
        return False
    positions = np.arange(n_raw)
    return bool(
        (feature_map.indices == positions).all()
        and (feature_map.indptr[:-1] == positions).all()
        and (feature_map.data == 1.0).all()
    )


def map_values(values: NDArray[np.floating[Any]], feature_map: Any) -> NDArray[np.floating[Any]]:
    """Engineered values added up to those of raw features.

    Parameters
    ----------
    values : array of shape (n_rows, n_engineered, n_outputs)
    feature_map : csr matrix of shape (n_raw, n_engineered)
        Normalised; the identity returns `values` themselves.

    Returns
    -------
    array of shape (n_rows, n_raw, n_outputs)

    Raises
    ------
    ValueError
        The map has another number of columns than the values have features.
    """
    _check_width(feature_map, values.shape[1])
    if is_identity(feature_map):
        return values
    mapped = FeatureMap.of(feature_map).mapped(values)
    return mapped.astype(np.result_type(values.dtype, np.float32), copy=False)


def _check_width(feature_map: Any, n_features: int) -> None:
    if feature_map.shape[1] != n_features:
        raise ValueError(
            f"The feature map has {feature_map.shape[1]} columns; the explanation has {n_features} features."
        )


def get_raw_feature_importances(explanation: Explanation, feature_maps: Any) -> list[Any]:
    """Importances of the raw features.

    Parameters
    ----------
    explanation : LocalExplanation or GlobalExplanation
        Of engineered features. A global one has its `global_importance_values` added up; one that is only local, its
        local values.
    feature_maps : list of array or sparse matrix
        As in `combined_map`.

    Returns
    -------
    list
        Nested as `global_importance_values`, or as `local_importance_values` of a dense explanation.

    Raises
    ------
    ValueError
        As in `combined_map`; or the map's width is not that of the explanation.
    """
    from fastexplain.explanation.global_explanation import GlobalExplanation

    feature_map = combined_map(feature_maps)
    if isinstance(explanation, GlobalExplanation):
        values = explanation._global_importance_values
        _check_width(feature_map, len(values))
        return list((feature_map @ values).tolist())
    raw: Any = _made_raw(explanation, feature_map, raw_context(explanation, None, None))
    return list((raw.to_dense() if raw.is_local_sparse else raw).local_importance_values)


def get_raw_explanation(
    explanation: Explanation,
    feature_maps: Any,
    raw_feature_names: Sequence[Any] | None = None,
    eval_data: Any = None,
) -> Explanation:
    """Explanation of the raw features, from one of engineered features.

    Local values are the sums of the engineered ones; global importances the means of their absolute values (not sums of
    the engineered importances, which would count features that cancel out). A global explanation without local values
    has the sums of its importances. Base values, path, method and predictions are those of the explanation; its
    `is_engineered` becomes True.

    Parameters
    ----------
    explanation : LocalExplanation or GlobalExplanation
    feature_maps : list of array or sparse matrix
        As in `combined_map`. A column with several parents is shared out among them, by its weights.
    raw_feature_names : sequence, optional
        Default: indices.
    eval_data : array-like, optional
        The explained rows before the transformation.

    Returns
    -------
    Explanation
        Of the same kind, with `is_raw` True and an id of its own. Sparse local values stay sparse, unless a map is a
        dense array, or more than a third of the cells are filled.

    Raises
    ------
    ValueError
        As in `combined_map`; or the numbers of features contradict each other.

    Notes
    -----
    Standard errors of sums are bounds, ``sum of weight * standard error``: they hold whatever the correlation of the
    engineered features' errors, which is not known, and equal the error where a raw feature has one column.
    """
    feature_map = combined_map(feature_maps)
    context = raw_context(explanation, raw_feature_names, eval_data)
    raw: Any = _made_raw(explanation, feature_map, context)
    if getattr(raw, "is_local_sparse", False) and not all(is_sparse(each) for each in feature_maps):
        raw = raw.to_dense()
    explanation._is_eng = True
    return raw  # type: ignore[no-any-return]


def raw_context(explanation: Explanation, names: Sequence[Any] | None, eval_data: Any) -> Context:
    """Context of a raw explanation: all but what belongs to the engineered columns, or to the object."""
    context = explanation._context()
    context["features"] = names
    context["eval_data"], context["check_rows"] = kept_rows(eval_data)
    context["init_data"] = context["feature_columns"] = context["id"] = None
    context["is_raw"], context["is_engineered"] = True, False
    return context


def _made_raw(explanation: Any, feature_map: Any, context: Context) -> Explanation:
    from fastexplain.explanation.global_explanation import GlobalExplanation, GlobalLocalExplanation
    from fastexplain.explanation.local_explanation import LocalExplanation

    base_values = explanation._base_values
    is_global = isinstance(explanation, GlobalExplanation)
    if not isinstance(explanation, LocalExplanation):
        if not is_global:
            raise TypeError(
                f"A {type(explanation).__name__} has no importances; expected a local or global explanation."
            )
        importances, errors = explanation._importances, explanation.importance_errors
        _check_width(feature_map, importances.shape[-1])
        return GlobalExplanation(
            (feature_map @ importances.T).T,
            base_values,
            importance_errors=None if errors is None else feature_map @ errors,
            **context,
        )
    if explanation.is_local_sparse:
        return _made_raw_sparse(explanation, feature_map, context)
    raw = map_values(explanation.values, feature_map)
    errors = explanation.standard_errors
    errors = None if errors is None else np.asarray(map_values(errors, feature_map), dtype=np.float64)
    if is_global:
        return GlobalLocalExplanation(raw, base_values, standard_errors=errors, **context)
    single_row = explanation._single_row
    return LocalExplanation(raw, base_values, single_row=single_row, standard_errors=errors, **context)


def _made_raw_sparse(explanation: Any, feature_map: Any, context: Context) -> Explanation:
    """Sparse local values stay sparse, while at most a third of the cells are filled."""
    from fastexplain.explanation.global_explanation import GlobalExplanation
    from fastexplain.explanation.sparse_explanation import SparseGlobalLocalExplanation, SparseLocalExplanation

    _check_width(feature_map, explanation.num_features)
    values = [matrix @ feature_map.T for matrix in explanation.values]
    made = SparseGlobalLocalExplanation if isinstance(explanation, GlobalExplanation) else SparseLocalExplanation
    raw = made(values, explanation._base_values, **context)
    n_cells = sum(matrix.shape[0] * matrix.shape[1] for matrix in values)
    return raw if sum(matrix.nnz for matrix in values) <= n_cells / 3 else raw.to_dense()
