"""The judge is judged here: by sums worked out by hand, and by the axioms that define Shapley values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import MAX_FEATURES_PER_TREE, naive_predict, naive_tree_shap
from strategies import forests, random_forest, random_rows, rows_for

from fastexplain.models.trees.forest import Forest

# Sums of at most 2^8 terms per value, magnitudes near 1: rounding stays below 1e-13.
ROUNDING = 1e-12


def two_feature_tree(**changes: Any) -> Forest:
    """x0 <= 0 -> 1 (cover 6); else x1 <= 0 -> 2 (cover 2); else 4 (cover 2). A third column is not used."""
    arrays: dict[str, Any] = {
        "n_features": 3,
        "n_outputs": 1,
        "tree_offsets": [0, 5],
        "children_left": [1, -1, 3, -1, -1],
        "children_right": [2, -1, 4, -1, -1],
        "feature": [0, -1, 1, -1, -1],
        "threshold": [0.0] * 5,
        "default_left": [False, False, True, False, False],
        "cover": [10, 6, 4, 2, 2],
        "values": [0, 1, 0, 2, 4],
        "tree_output": [0],
        "base_offset": [10.0],
    }
    return Forest(**{**arrays, **changes})


def test_values_worked_by_hand() -> None:
    # v() = 0.6 * 1 + 0.4 * (0.5 * 2 + 0.5 * 4) = 1.8; the row goes right, then right:
    # v(0) = 0.5 * 2 + 0.5 * 4 = 3; v(1) = 0.6 * 1 + 0.4 * 4 = 2.2; v(0, 1) = 4.
    # phi_0 = ((3 - 1.8) + (4 - 2.2)) / 2 = 1.5; phi_1 = ((2.2 - 1.8) + (4 - 3)) / 2 = 0.7.
    values, base_values = naive_tree_shap(two_feature_tree(), np.array([[1.0, 1.0, 0.0]]))
    np.testing.assert_allclose(values[0, :, 0], [1.5, 0.7, 0.0], atol=ROUNDING)
    np.testing.assert_allclose(base_values, [11.8], atol=ROUNDING)


def test_repeated_feature_worked_by_hand() -> None:
    # Both splits on x0: a single player, phi_0 = v(0) - v() = 4 - 1.8.
    forest = two_feature_tree(feature=[0, -1, 0, -1, -1], threshold=[0.0, 0, 5, 0, 0])
    values, _ = naive_tree_shap(forest, np.array([[6.0, 0.0, 0.0]]))
    np.testing.assert_allclose(values[0, :, 0], [2.2, 0.0, 0.0], atol=ROUNDING)


def test_zero_cover_on_both_children_counts_half_each() -> None:
    # v() = 0.5 * 1 + 0.5 * (0.5 * 2 + 0.5 * 4) = 2.
    _, base_values = naive_tree_shap(two_feature_tree(cover=[0] * 5), np.zeros((0, 3)))
    np.testing.assert_allclose(base_values, [12.0], atol=ROUNDING)


def test_shares_come_from_the_children_not_from_the_parents_cover() -> None:
    # The root's children have 6 and 2: v() = 0.75 * 1 + 0.25 * (0.5 * 2 + 0.5 * 4) = 1.5.
    _, base_values = naive_tree_shap(two_feature_tree(cover=[10, 6, 2, 3, 3]), np.zeros((0, 3)))
    np.testing.assert_allclose(base_values, [11.5], atol=ROUNDING)


def test_missing_value_takes_default_branch() -> None:
    # right at the root (x0 missing), left below it (x1 missing)
    assert naive_predict(two_feature_tree(), np.array([[math.nan, math.nan, 0.0]]))[0, 0] == 12.0


def test_zero_as_missing_ends_at_its_threshold() -> None:
    forest = two_feature_tree(zero_is_missing=[True] * 5, default_left=[True] * 5, threshold=[-1.0] * 5)
    edge = float(np.float32(1e-35))
    X = np.array([[x, 1.0, 0.0] for x in (0.0, -0.0, edge, -edge, np.nextafter(edge, 1))])
    goes_left = naive_predict(forest, X)[:, 0] == 11.0
    np.testing.assert_array_equal(goes_left, [True, True, True, True, False])


def test_categories_outside_the_set_go_right() -> None:
    sets = {"category_set": [0, -1, -1, -1, -1], "category_set_offsets": [0, 2], "category_set_members": [0, 7]}
    X = np.array([[x, 1.0, 0.0] for x in (0.0, -0.5, 7.9, 1.0, -1.0, 1e19, math.inf)])
    goes_left = naive_predict(two_feature_tree(**sets), X)[:, 0] == 11.0
    np.testing.assert_array_equal(goes_left, [True, True, True, False, False, False, False])


@settings(max_examples=60, deadline=None)
@given(st.data(), forests())
def test_naive_predict_equals_forest_predict(data: st.DataObject, forest: Forest) -> None:
    X = data.draw(rows_for(forest))
    np.testing.assert_allclose(naive_predict(forest, X), forest.predict(X), rtol=ROUNDING, atol=ROUNDING)


@settings(max_examples=40, deadline=None)
@given(st.data(), forests())
def test_values_sum_to_prediction_minus_base(data: st.DataObject, forest: Forest) -> None:
    X = data.draw(rows_for(forest, max_rows=3))
    values, base_values = naive_tree_shap(forest, X)
    np.testing.assert_allclose(values.sum(axis=1) + base_values, naive_predict(forest, X), atol=ROUNDING)


def test_feature_that_changes_nothing_gets_zero() -> None:
    # x1's split leads to equal leaves, x2 is not used at all
    values, _ = naive_tree_shap(two_feature_tree(values=[0, 1, 0, 3, 3]), np.array([[1.0, 1.0, 5.0]]))
    np.testing.assert_array_equal(values[0, 1:, 0], [0.0, 0.0])


def test_exchangeable_features_get_equal_values() -> None:
    # 8 if x0 > 0 and x1 > 0, else 0, half the cover on each side of each split
    forest = two_feature_tree(values=[0, 0, 0, 0, 8], cover=[8, 4, 4, 2, 2])
    values, _ = naive_tree_shap(forest, np.array([[1.0, 1.0, 0.0]]))
    assert values[0, 0, 0] == pytest.approx(values[0, 1, 0], abs=ROUNDING)
    assert values[0, 0, 0] == pytest.approx(3.0, abs=ROUNDING)


def test_trees_add_to_the_output_they_name() -> None:
    rng = np.random.default_rng(3)
    forest = random_forest(rng, n_trees=6, n_outputs=3)
    forest.tree_output[:] = [0, 0, 1, 1, 0, 1]
    values, base_values = naive_tree_shap(forest, random_rows(rng, forest, 5))
    assert np.abs(values[:, :, :2]).sum(axis=(0, 1)).min() > 0
    assert not values[:, :, 2].any()
    assert base_values[2] == forest.base_offset[2]


def test_too_many_features_are_refused() -> None:
    forest = random_forest(
        np.random.default_rng(0), n_features=500, shapes=("chain",), max_depth=3 * MAX_FEATURES_PER_TREE
    )
    with pytest.raises(ValueError, match=f"at most {MAX_FEATURES_PER_TREE}"):
        naive_tree_shap(forest, np.zeros((1, 500)))
