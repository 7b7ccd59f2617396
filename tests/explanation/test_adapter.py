"""`ExplanationAdapter`: local values of other libraries in their shapes."""

from __future__ import annotations

import numpy as np
import pytest

from fastexplain import ExplanationAdapter
from fastexplain.explanation import (
    GlobalExplanation,
    GlobalLocalExplanation,
    LocalExplanation,
    SparseGlobalLocalExplanation,
    SparseLocalExplanation,
)

V = np.array([[0.5, -2.0, 0.1], [-1.5, 1.0, 0.3]])
NAMES = ["age", "bmi", "sex"]
THREE = np.random.default_rng(0).normal(size=(4, 5, 3))  # rows x features x classes, as shap has them
CLASS_FIRST = np.moveaxis(THREE, 2, 0)


def classifier() -> ExplanationAdapter:
    return ExplanationAdapter(classification=True)


def test_defaults_are_those_of_interpret_community():
    adapter = ExplanationAdapter()
    assert (adapter.features, adapter.classification, adapter.method) == (None, False, "Adapter")


def test_regression_keeps_rows_by_features():
    explanation = ExplanationAdapter(NAMES).create_local(V, np.ones((2, 3)), 7.0)
    assert type(explanation) is LocalExplanation
    assert explanation.local_importance_values == V.tolist()
    assert explanation.expected_values == [7.0]
    assert explanation.eval_data == [[1.0] * 3] * 2
    assert (explanation.features, explanation.method, explanation.model_task) == (NAMES, "Adapter", "regression")
    assert np.shares_memory(explanation.values, V)


def test_one_matrix_of_a_classifier_is_minus_v_and_v():
    explanation = classifier().create_local(V, expected_values=0.25)
    assert explanation.local_importance_values == [(-V).tolist(), V.tolist()]
    assert explanation.expected_values == [-0.25, 0.25]
    assert explanation.classes is None
    assert explanation.num_classes == 2
    assert np.shares_memory(explanation.values, V)


def test_one_matrix_with_expected_probabilities_keeps_them():
    explanation = classifier().create_local(V, expected_values=[0.4, 0.6])
    assert explanation.local_importance_values == [(-V).tolist(), V.tolist()]
    assert explanation.expected_values == [0.4, 0.6]


@pytest.mark.parametrize(
    ("values", "rows"),
    [(THREE, None), (list(CLASS_FIRST), None), (CLASS_FIRST, np.ones((4, 5))), (THREE, np.ones((4, 5)))],
    ids=["rows-first", "list", "class-first", "rows-first-with-rows"],
)
def test_three_axes_come_out_class_first(values, rows):
    adapter = classifier()
    local = adapter.create_local(values, rows, [0.1, 0.2, 0.3])
    assert local.local_importance_values == CLASS_FIRST.tolist()
    assert local.expected_values == [0.1, 0.2, 0.3]
    per_class = np.abs(THREE).mean(axis=0).T
    np.testing.assert_allclose(adapter.create_global(values, rows).per_class_values, per_class, rtol=1e-12)


def test_one_output_of_a_regression_loses_its_axis():
    assert ExplanationAdapter().create_local(V[:, :, None]).local_importance_values == V.tolist()


@pytest.mark.parametrize("include_local", [True, False])
@pytest.mark.parametrize("expected", [None, [0.1, 0.2, 0.3]])
def test_global_has_local_values_and_expected_values_if_asked(include_local, expected):
    explanation = classifier().create_global(THREE, np.ones((4, 5)), expected, include_local=include_local)
    assert isinstance(explanation, GlobalExplanation)
    assert isinstance(explanation, GlobalLocalExplanation) is include_local
    assert hasattr(explanation, "local_importance_values") is include_local
    assert hasattr(explanation, "expected_values") is (expected is not None)
    np.testing.assert_allclose(explanation.global_importance_values, np.abs(THREE).mean(axis=(0, 2)), rtol=1e-12)


def test_values_given_are_left_alone():
    values = V.copy()
    ExplanationAdapter().create_global(values, include_local=False)
    np.testing.assert_array_equal(values, V)


def test_sparse_values_stay_sparse():
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_matrix(V)
    assert type(ExplanationAdapter().create_local(matrix)) is SparseLocalExplanation
    one = classifier().create_local(matrix, expected_values=0.5)
    assert [m.toarray().tolist() for m in one.local_importance_values] == [(-V).tolist(), V.tolist()]
    both = classifier().create_global([-matrix, matrix])
    assert type(both) is SparseGlobalLocalExplanation
    assert both.num_classes == 2


def test_tensors_that_need_a_gradient_are_taken():
    torch = pytest.importorskip("torch")  # optional
    tensor = torch.tensor(V, requires_grad=True)
    assert ExplanationAdapter().create_local(tensor).local_importance_values == V.tolist()


def test_wrong_counts_are_found_at_construction():
    with pytest.raises(ValueError, match="Number of features: 3 feature names: 2"):
        ExplanationAdapter(["a", "b"]).create_local(V)
    with pytest.raises(ValueError, match="evaluation_examples has 5 rows; local_importance_values has 2"):
        ExplanationAdapter().create_local(V, np.ones((5, 3)))
    with pytest.raises(ValueError, match="expected_values has 2 entries"):
        ExplanationAdapter().create_local(V, expected_values=[1.0, 2.0])


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batch_size_must_be_positive(batch_size):
    with pytest.raises(ValueError, match="Specified argument batch_size must be greater than 0"):
        ExplanationAdapter().create_global(V, np.ones((2, 3)), include_local=False, batch_size=batch_size)


def test_no_rows_have_no_mean():
    with pytest.raises(ValueError, match="no rows"):
        ExplanationAdapter().create_global(np.empty((0, 3)))
