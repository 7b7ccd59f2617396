"""Raw explanations from engineered ones, against sums by hand."""

from __future__ import annotations

import pickle
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from numpy.typing import NDArray

from fastexplain.explanation import (
    GlobalExplanation,
    GlobalLocalExplanation,
    LocalExplanation,
    SparseGlobalLocalExplanation,
    SparseLocalExplanation,
    get_raw_explanation,
)
from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.numbers.feature_maps import combined_map, is_identity, map_values

# raw 0 <- columns 0, 1; raw 1 <- column 2 and half of 3; raw 2 <- half of column 3; raw 3 <- nothing
MAP = np.array([[1.0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 2], [0, 0, 0, 0]])
SHARES = np.array([[1.0, 1, 0, 0], [0, 0, 1, 0.5], [0, 0, 0, 0.5], [0, 0, 0, 0]])
VALUES = np.random.default_rng(0).normal(size=(6, 4, 3))
RAW = np.einsum("rf,nfo->nro", SHARES, VALUES)


def classification(**context: Any) -> LocalExplanation:
    return LocalExplanation(VALUES, [0.1, 0.2, 0.3], model_task="classification", classes=list("abc"), **context)


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csc_array, list])
def test_local_values_are_sums_of_shares(kind: Any) -> None:
    raw = classification().get_raw_explanation([kind(MAP)], ["p", "q", "r", "s"])
    assert isinstance(raw, LocalExplanation)
    assert np.allclose(raw.values, RAW, rtol=1e-14)
    assert np.allclose(raw.local_importance_values, np.moveaxis(RAW, 2, 0), rtol=1e-14)
    assert raw.features == ["p", "q", "r", "s"]
    assert raw.base_values.tolist() == [0.1, 0.2, 0.3]
    assert raw.classes == ["a", "b", "c"]


def test_global_importances_are_means_of_raw_values() -> None:
    engineered = classification().to_global()
    raw = engineered.get_raw_explanation([MAP])
    assert isinstance(raw, GlobalLocalExplanation)
    assert np.allclose(raw.per_class_values, np.abs(RAW).mean(axis=0).T)
    assert np.allclose(raw.global_importance_values, np.abs(RAW).mean(axis=(0, 2)))
    summed = SHARES @ np.array(engineered.global_importance_values)
    assert np.allclose(engineered.get_raw_feature_importances([MAP]), summed)
    assert not np.allclose(raw.global_importance_values, summed)


def test_without_local_values_importances_are_summed() -> None:
    importances = np.abs(VALUES).mean(axis=0).T
    engineered = GlobalExplanation(importances, [0.0, 0, 0], model_task="classification")
    raw: Any = engineered.get_raw_explanation([MAP], eval_data="rows")
    assert type(raw) is GlobalExplanation
    assert np.allclose(raw.global_importance_values, SHARES @ importances.mean(axis=0))
    assert np.allclose(raw.per_class_values, importances @ SHARES.T)
    assert raw.features == [0, 1, 2, 3]
    assert raw.eval_data == "rows"


def test_importances_of_the_model_as_a_whole() -> None:
    engineered = GlobalExplanation([1.0, -2, 3, 4], importance_errors=[0.1, 0.2, 0.3, 0.4])
    raw: Any = engineered.get_raw_explanation([MAP])
    assert raw.global_importance_values == [-1.0, 5.0, 2.0, 0.0]
    assert np.allclose(raw.importance_errors, [0.3, 0.5, 0.2, 0.0])


def test_binary_margin_and_regression_and_single_row() -> None:
    binary = LocalExplanation(VALUES[:, :, :1], [0.5], classes=["no", "yes"])
    raw: Any = binary.get_raw_explanation([MAP])
    assert np.allclose(raw.local_importance_values, [-RAW[:, :, 0], RAW[:, :, 0]])
    assert raw.expected_values == [-0.5, 0.5]
    row: Any = LocalExplanation(VALUES[:1, :, :1], [0.5], single_row=True).get_raw_explanation([MAP])
    assert np.allclose(row.local_importance_values, RAW[0, :, 0])
    assert np.allclose(
        LocalExplanation(VALUES[:, :, :1], [0.5]).get_raw_feature_importances([MAP]), RAW[:, :, 0], rtol=1e-14
    )


def test_what_the_raw_explanation_keeps() -> None:
    calls = []

    def predict() -> Any:
        calls.append(1)
        return np.arange(6), None

    engineered = classification(
        method="shap_kernel", path="exact", units="probability", predict=predict, init_data="init", eval_data="rows"
    )
    raw = engineered.get_raw_explanation([MAP], eval_data="raw rows")
    assert (raw.method, raw.path, raw.units, raw.model_task) == (
        "shap_kernel",
        "exact",
        "probability",
        "classification",
    )
    assert (raw.is_raw, raw.is_engineered) == (True, False)
    assert (engineered.is_raw, engineered.is_engineered) == (False, True)
    assert raw.id != engineered.id
    assert (raw.eval_data, raw.init_data) == ("raw rows", None)
    assert raw.eval_y_predicted == engineered.eval_y_predicted == [0, 1, 2, 3, 4, 5]
    assert calls == [1]
    assert pickle.loads(pickle.dumps(raw)).is_raw


def test_errors_of_sums_bound_whatever_the_correlation() -> None:
    errors = np.abs(VALUES)
    raw: Any = classification(standard_errors=errors).get_raw_explanation([MAP])
    assert np.allclose(raw.standard_errors, np.einsum("rf,nfo->nro", SHARES, errors))
    draws = np.random.default_rng(1).normal(size=100_000)  # of perfectly correlated errors
    assert np.std(draws * errors[0, 0, 0] + draws * errors[0, 1, 0]) <= 1.01 * raw.standard_errors[0, 0, 0]


@pytest.mark.parametrize("cells", [0.05, 0.9])
def test_sparse_values_stay_sparse_up_to_a_third(cells: float) -> None:
    values = [scipy.sparse.random(40, 4, cells, format="csr", random_state=i) for i in range(2)]
    expected = np.stack([matrix.toarray() @ SHARES.T for matrix in values], axis=2)
    local = SparseLocalExplanation(values, [0.0, 1.0], model_task="classification")
    for engineered in (local, local.to_global()):
        raw: Any = engineered.get_raw_explanation([scipy.sparse.csr_matrix(MAP)])
        assert raw.is_local_sparse == (cells < 0.1)
        if raw.is_local_sparse:
            assert isinstance(raw, SparseLocalExplanation)
            assert isinstance(raw, SparseGlobalLocalExplanation) == (engineered is not local)
            found = np.stack([matrix.toarray() for matrix in raw.local_importance_values], axis=2)
        else:
            found = raw.values
        assert np.allclose(found, expected, rtol=1e-14)
        # a dense map makes dense lists, as in interpret-community
        for maps in ([MAP], [scipy.sparse.csr_matrix(MAP), np.eye(len(MAP))]):
            dense: Any = engineered.get_raw_explanation(maps if len(maps) == 1 else [np.eye(len(MAP)), maps[0]])
            assert not dense.is_local_sparse
            assert type(dense.local_importance_values) is list
            assert np.allclose(dense.values, expected, rtol=1e-14)
    assert np.allclose(local.to_global().get_raw_explanation([MAP]).per_class_values, np.abs(expected).mean(axis=0).T)  # type: ignore[attr-defined]
    assert np.allclose(local.get_raw_feature_importances([MAP]), np.moveaxis(expected, 2, 0))


def test_maps_are_multiplied_left_to_right() -> None:
    first, second = np.array([[1.0, 1, 0], [0, 0, 1]]), MAP[:3]
    raw: Any = classification().get_raw_explanation([first, second])
    product = first @ second
    shares = product / product.sum(axis=0)
    assert np.allclose(raw.values, np.einsum("rf,nfo->nro", shares, VALUES))
    with_identities = classification().get_raw_explanation([np.eye(2), first, np.eye(3), second, np.eye(4)])
    assert np.array_equal(with_identities.values, raw.values)  # type: ignore[attr-defined]


def test_identity_costs_no_copy() -> None:
    engineered = classification()
    raw: Any = engineered.get_raw_explanation([np.eye(4), scipy.sparse.eye(4)])
    assert raw.values is engineered.values
    assert is_identity(combined_map([3 * np.eye(4)]))
    assert not is_identity(combined_map([np.eye(4)[::-1]]))


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (MAP, "raw_to_output_feature_maps should be a list of feature maps"),
        ((MAP,), "raw_to_output_feature_maps should be a list of feature maps"),
        ([], "list of feature maps is empty"),
        ([-MAP], "Feature maps should only contain non-negative values"),
        ([scipy.sparse.csr_matrix(-MAP)], "Feature maps should only contain non-negative values"),
        ([MAP[0]], r"Feature map 0 has shape \(4,\)"),
        ([np.eye(4), np.full((4, 4), np.nan)], "Feature map 1 holds NaN"),
        ([MAP, np.eye(3)], r"Feature map 1 has shape \(3, 3\), but the maps before it end with 4 columns"),
        ([np.eye(3)], "The feature map has 3 columns; the explanation has 4 features"),
    ],
)
def test_bad_maps(maps: Any, message: str) -> None:
    for explanation in (classification(), classification().to_global(), GlobalExplanation(np.ones(4))):
        with pytest.raises(ValueError, match=message):
            explanation.get_raw_explanation(maps)
        with pytest.raises(ValueError, match=message):
            explanation.get_raw_feature_importances(maps)
        assert not explanation.is_engineered


def test_an_explanation_without_numbers() -> None:
    class Bare(Explanation):
        _n_features = 4

    with pytest.raises(TypeError, match="A Bare has no importances"):
        get_raw_explanation(Bare(), [MAP])


def test_names_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="feature names: 1"):
        classification().get_raw_explanation([MAP], ["p"])


@given(data=st.data())
def test_nothing_is_lost_or_counted_twice(data: st.DataObject) -> None:
    n_raw, n_engineered = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 7))
    weights = st.lists(st.sampled_from([0.0, 0.0, 1.0, 0.25, 7.0]), min_size=n_engineered, max_size=n_engineered)
    matrix: NDArray[np.float64] = np.array([data.draw(weights) for _ in range(n_raw)])
    values = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(3, n_engineered, 2))
    mapped = map_values(values, combined_map([matrix]))
    has_parent = matrix.sum(axis=0) > 0
    assert np.allclose(mapped.sum(axis=1), values[:, has_parent].sum(axis=1))
    for i in range(n_raw):
        shares = np.divide(matrix[i], matrix.sum(axis=0), out=np.zeros(n_engineered), where=has_parent)
        assert np.allclose(mapped[:, i], np.einsum("f,nfo->no", shares, values))


def test_float32_values_keep_their_type() -> None:
    assert map_values(VALUES.astype(np.float32), combined_map([MAP])).dtype == np.float32
