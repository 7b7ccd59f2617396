"""Explanations over sparse matrices: interpret-community's members over the stored entries of each row."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from fastexplain.explanation import (
    GlobalExplanation,
    GlobalLocalExplanation,
    LocalExplanation,
    SparseGlobalLocalExplanation,
    SparseLocalExplanation,
    create_global_explanation,
    create_local_explanation,
)
from fastexplain.explanation.numbers.aggregation import MeanAbs, sparse_mean_abs

# Two orders of adding the same float64 numbers: a few roundings apart.
SUM_TOLERANCE = 1e-12

# row 0 stores features 0, 2, 3; row 1 none; row 2 feature 1, and an explicit zero at 3
DENSE = np.array([[0.5, 0.0, -2.0, 0.1], [0.0, 0.0, 0.0, 0.0], [0.0, 1.5, 0.0, 0.0]])
NAMES = ["a", "b", "c", "d"]


def matrix() -> Any:
    return scipy.sparse.csr_matrix(([0.5, -2.0, 0.1, 1.5, 0.0], [0, 2, 3, 1, 3], [0, 3, 3, 5]), shape=(3, 4))


def regression(**context: Any) -> SparseLocalExplanation:
    return SparseLocalExplanation([matrix()], [7.0], features=NAMES, **context)


def random_classes(n_rows: int = 50, n_features: int = 20) -> list[Any]:
    return [scipy.sparse.random(n_rows, n_features, 0.2, format="csr", random_state=seed) for seed in range(3)]


@pytest.fixture
def no_dense(monkeypatch):
    """Makes every way of turning a sparse matrix into a dense array fail."""

    def refuse(self, *args, **kwargs):
        raise AssertionError("a dense array was made")

    for name in ("toarray", "todense"):
        monkeypatch.setattr(scipy.sparse.csr_matrix, name, refuse)


def test_regression_values_are_one_csr_matrix():
    explanation = regression()
    values = explanation.local_importance_values
    assert scipy.sparse.issparse(values)
    assert values.format == "csr"
    assert (explanation.num_examples, explanation.num_features) == (3, 4)
    assert explanation.is_local_sparse is True
    np.testing.assert_array_equal(values.toarray(), DENSE)


def test_canonical_csr_is_kept_without_a_copy():
    given = matrix()
    assert np.shares_memory(SparseLocalExplanation([given]).values[0].data, given.data)


def test_duplicate_entries_are_summed_and_the_given_matrix_is_left_alone():
    given = scipy.sparse.csr_matrix(([1.0, -1.5], [0, 0], [0, 2]), shape=(1, 2))
    explanation = SparseLocalExplanation([given])
    assert given.nnz == 2
    assert explanation.get_ranked_local_values() == [[-0.5]]
    assert explanation.to_global().global_importance_values == [0.5, 0.0]


def test_rankings_run_over_stored_entries():
    explanation = regression()
    assert explanation.get_local_importance_rank() == [[0, 3, 2], [], [1, 3]]
    assert explanation.get_ranked_local_names() == [["a", "d", "c"], [], ["b", "d"]]
    assert explanation.get_ranked_local_values() == [[0.5, 0.1, -2.0], [], [1.5, 0.0]]
    assert explanation.get_ranked_local_names(top_k=1) == [["a"], [], ["b"]]
    assert explanation.get_ranked_local_values(top_k=2) == [[0.5, 0.1], [], [1.5, 0.0]]
    with pytest.raises(ValueError, match="top_k"):
        explanation.get_ranked_local_names(top_k=0)


def test_binary_margin_is_minus_v_and_v_over_the_same_entries():
    explanation = SparseLocalExplanation([matrix()], [0.25], classes=["no", "yes"], features=NAMES)
    first, second = explanation.local_importance_values
    np.testing.assert_array_equal(first.toarray(), -DENSE)
    np.testing.assert_array_equal(second.toarray(), DENSE)
    assert np.shares_memory(first.indices, second.indices)
    assert explanation.expected_values == [-0.25, 0.25]
    assert explanation.get_ranked_local_names(1) == [[["c"], [], ["d"]], [["a"], [], ["b"]]]


def test_several_classes_are_a_list_of_matrices():
    matrices = random_classes()
    explanation = SparseLocalExplanation(matrices, [0.1, 0.2, 0.3], classes=["a", "b", "c"])
    assert [scipy.sparse.issparse(m) for m in explanation.local_importance_values] == [True] * 3
    assert explanation.num_classes == 3
    assert len(explanation.get_local_importance_rank()) == 3


def test_importances_equal_those_of_the_dense_explanation(no_dense):
    matrices = random_classes()
    dense = np.zeros((50, 20, 3))
    for i, m in enumerate(matrices):
        rows, columns = m.nonzero()
        dense[rows, columns, i] = m.data
    ours = SparseLocalExplanation(matrices, [0.1, 0.2, 0.3], classes=["a", "b", "c"]).to_global()
    theirs = LocalExplanation(dense, [0.1, 0.2, 0.3], classes=["a", "b", "c"]).to_global()
    assert type(ours) is SparseGlobalLocalExplanation
    assert isinstance(ours, GlobalLocalExplanation)
    np.testing.assert_allclose(ours.per_class_values, theirs.per_class_values, rtol=SUM_TOLERANCE)
    np.testing.assert_allclose(ours.global_importance_values, theirs.global_importance_values, rtol=SUM_TOLERANCE)
    assert isinstance(ours.global_importance_values, list)
    ours.get_ranked_local_names(2)
    repr(ours)
    ours._repr_html_()
    regression(eval_data=matrix()).data(0)


def test_streamed_means_equal_those_of_one_piece():
    matrices = random_classes()
    running = MeanAbs(20, 3)
    for start in (0, 20, 40):
        running.add_sparse([m[start : start + 20] for m in matrices])
    np.testing.assert_allclose(running.result(), sparse_mean_abs(matrices), rtol=SUM_TOLERANCE)
    with pytest.raises(ValueError, match="2 matrices of 20 columns"):
        running.add_sparse(matrices[:2])


def test_means_need_a_row():
    with pytest.raises(ValueError, match="no rows"):
        SparseLocalExplanation([scipy.sparse.csr_matrix((0, 4))]).to_global()


def test_dense_copy_on_demand_has_the_same_numbers():
    explanation = regression()
    dense = explanation.to_dense()
    assert type(dense) is LocalExplanation
    assert dense.local_importance_values == DENSE.tolist()
    assert dense.id == explanation.id
    assert type(explanation.to_global().to_dense()) is GlobalLocalExplanation
    assert type(explanation.to_global().without_local()) is GlobalExplanation


def test_factories_take_sparse_values():
    local = create_local_explanation(classification=False, local_importance_values=matrix(), features=NAMES)
    assert type(local) is SparseLocalExplanation
    assert (
        type(create_global_explanation(local_explanation=local, classification=False)) is SparseGlobalLocalExplanation
    )
    classes = create_local_explanation([-1, 1], local_importance_values=[-matrix(), matrix()], classes=[0, 1])
    assert classes.expected_values == [-1.0, 1.0]
    one_value = create_local_explanation(1.0, local_importance_values=[-matrix(), matrix()])
    assert one_value.expected_values == [-1.0, 1.0]
    with pytest.raises(TypeError, match="create_local_explanation"):
        LocalExplanation(local_importance_values=matrix(), classification=False)


def test_dashboard_data_list_dense_scores():
    data = regression(eval_data=matrix()).data(-1)
    assert data["mli"][0]["value"]["scores"] == DENSE.tolist()
    assert scipy.sparse.issparse(data["specific"][0]["scores"])
    assert data["specific"][2]["values"].toarray().tolist() == [DENSE[2].tolist()]


@pytest.mark.parametrize(
    ("values", "base_values", "error", "message"),
    [
        ([], None, ValueError, "values is empty"),
        ([np.eye(3)], None, TypeError, r"values\[0\] is a ndarray; expected a sparse matrix"),
        ([scipy.sparse.eye(3), scipy.sparse.eye(4)], None, ValueError, "expected one shape"),
        ([scipy.sparse.eye(3)], [1.0, 2.0], ValueError, r"\(2,\); values have 1 outputs"),
    ],
)
def test_contradictory_values_are_refused(values, base_values, error, message):
    with pytest.raises(error, match=message):
        SparseLocalExplanation(values, base_values)


def test_wrong_names_and_keywords_are_refused():
    with pytest.raises(ValueError, match="Number of features: 4 feature names: 2"):
        SparseLocalExplanation([matrix()], features=["a", "b"])
    with pytest.raises(TypeError, match="unknown keywords: colour"):
        SparseLocalExplanation([matrix()], colour=1)


def test_pickle_keeps_class_and_entries():
    back = pickle.loads(pickle.dumps(regression().to_global()))
    assert type(back) is SparseGlobalLocalExplanation
    assert back.get_ranked_local_values() == regression().get_ranked_local_values()
    assert back.global_importance_values == regression().to_global().global_importance_values


def test_other_formats_and_sparse_arrays_are_accepted():
    for given in (matrix().tocsc(), matrix().tocoo(), scipy.sparse.csr_array(matrix())):
        assert SparseLocalExplanation([given]).get_ranked_local_values(1) == [[0.5], [], [1.5]]
