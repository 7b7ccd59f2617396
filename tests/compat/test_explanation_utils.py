"""Helpers under interpret-community's ``common.explanation_utils``: what code that imports them relies on."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from fastexplain.compat.interpret_community.common import explanation_utils as utils
from fastexplain.compat.interpret_community.mimic.mimic_explainer import SMALL_DATA_THRESHOLD
from fastexplain.compat.interpret_community.tabular_explainer import _get_uninitialized_explainers

RNG = np.random.default_rng(0)


def test_classes_come_first() -> None:
    values = RNG.normal(size=(5, 4, 3))  # as shap 0.45 and later: rows, features, classes
    np.testing.assert_array_equal(utils.reformat_importance_values(values), np.moveaxis(values, 2, 0))
    listed = utils.reformat_importance_values(values, convert_to_list=True)
    assert isinstance(listed, list)
    np.testing.assert_array_equal(listed[2], values[:, :, 2])
    one = values[:, :, 0]
    assert utils.reformat_importance_values(one, convert_to_list=True) is one
    np.testing.assert_array_equal(utils.reformat_importance_values(one.tolist()), one)


def test_summaries() -> None:
    rows = RNG.normal(size=(101, 3))
    found = utils._summarize_data(rows)
    assert found.data.shape == (10, 3)
    assert found.weights.sum() == pytest.approx(1)
    assert set(found.data[:, 0]) <= set(rows[:, 0])  # rounded to values that occur
    assert not set(utils._summarize_data(rows, 5, to_round_values=False).data[:, 0]) <= set(rows[:, 0])
    assert utils._summarize_data(rows[:100]) is not None
    np.testing.assert_array_equal(utils._summarize_data(rows[:100]), rows[:100])
    assert utils._summarize_data(found) is found
    sparse = scipy.sparse.csr_matrix([[1.0, 0.0], [3.0, 0.0], [5.0, 9.0]])
    np.testing.assert_array_equal(utils._summarize_data(sparse).toarray(), [[3.0, 0.0]])


def test_raw_importances_are_sums() -> None:
    feature_map = utils._get_feature_map_from_list_of_indexes([[0, 2], [1, 2]])
    np.testing.assert_array_equal(feature_map, [[1, 0, 0.5], [0, 1, 0.5]])
    values = RNG.normal(size=(2, 4, 3))
    expected = values @ feature_map.T
    for maps in ([feature_map], [scipy.sparse.csr_matrix(feature_map)], [np.eye(2), feature_map]):
        np.testing.assert_allclose(utils._get_raw_feature_importances(values, maps), expected)
        np.testing.assert_allclose(utils._get_raw_feature_importances(values[0, 0], maps), expected[0, 0])
    stored = [scipy.sparse.csr_matrix(each) for each in values]
    np.testing.assert_allclose(utils._get_raw_feature_importances(stored, [feature_map])[1].toarray(), expected[1])
    with pytest.raises(ValueError, match="should be a list of feature maps"):
        utils._get_raw_feature_importances(values, feature_map)
    assert not utils._is_one_to_many(feature_map)
    assert utils._is_one_to_many(scipy.sparse.csr_matrix([[1, 1, 0], [0, 0, 1]]))
    assert utils._is_identity(scipy.sparse.eye(3))
    assert not utils._is_identity(scipy.sparse.csr_matrix((3, 3)))


def test_rankings() -> None:
    values = np.array([0.5, -1.0, 2.0])
    order = utils._order_imp(values)
    assert order.tolist() == [2, 0, 1]
    assert utils._sort_values(values, order).tolist() == [2.0, 0.5, -1.0]
    assert utils._unsort_1d(utils._sort_values(values, order), order).tolist() == values.tolist()
    assert utils._sort_feature_list_single(["a", "b", "c"], order) == ["c", "a", "b"]
    assert utils._sort_feature_list_multiclass(np.array(["a", "b"]), [[1, 0], [0, 1]]) == [["b", "a"], ["a", "b"]]
    assert utils._two_dimensional_slice([[1, 2, 3], [4, 5, 6]], 2) == [[1, 2], [4, 5]]
    stored = scipy.sparse.csr_matrix([[0.0, 1.0, 3.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    assert utils._sparse_order_imp(stored) == [[2, 1], [], [0]]
    assert utils._sparse_order_imp(stored, utils._VALUES, top_k=1) == [[3.0], [], [-1.0]]
    assert utils._sparse_order_imp([stored], utils._FEATURES, ["a", "b", "c"]) == [[["c", "b"], [], ["a"]]]
    with pytest.raises(ValueError, match="Unknown values_type specified: 'what'"):
        utils._sparse_order_imp(stored, "what")


def test_scaled_values_add_up_to_probabilities() -> None:
    values, prediction = RNG.normal(size=(6, 4)), RNG.random(6)
    scaled = utils._scale_tree_shap(values, 0.3, prediction)
    np.testing.assert_allclose(scaled.sum(axis=1) + 0.3, prediction)
    both = np.column_stack([1 - prediction, prediction])
    of_class = utils._scale_tree_shap([-values, values], [0.7, 0.3], both)
    np.testing.assert_allclose(of_class[1], scaled)
    np.testing.assert_allclose(utils._scale_tree_shap(values, np.array([0.3]), both), scaled)


def test_small_helpers() -> None:
    assert utils._convert_to_list([np.ones(2), np.zeros(1)]) == [[1.0, 1.0], [0.0]]
    assert utils._convert_to_list(np.eye(2)) == [[1.0, 0.0], [0.0, 1.0]]
    assert utils._generate_augmented_data(np.ones((3, 9))).shape == (9, 9)
    assert utils._generate_augmented_data(scipy.sparse.csr_matrix(np.ones((3, 9))), 1).shape == (6, 9)
    assert utils._should_compress_sparse_matrix([scipy.sparse.eye(2), scipy.sparse.eye(2)])
    assert not utils._should_compress_sparse_matrix(scipy.sparse.eye(3, format="csr"))
    assert utils._get_dense_examples(scipy.sparse.eye(2)).tolist() == np.eye(2).tolist()
    assert SMALL_DATA_THRESHOLD == 50
    assert [each.__name__ for each in _get_uninitialized_explainers(use_gpu=False)] == [
        *("TreeExplainer", "DeepExplainer", "LinearExplainer", "KernelExplainer")
    ]
    assert [each.__name__ for each in _get_uninitialized_explainers(use_gpu=True)] == ["GPUKernelExplainer"]
