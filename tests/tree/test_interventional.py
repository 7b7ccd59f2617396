"""Tree SHAP against a background: equal to the definition, and to itself however it is called."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import naive_interventional, naive_predict
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from strategies import forests, random_forest, random_rows, rows_for

import fastexplain
from fastexplain import InterventionalTreeShap, tree_shap
from fastexplain.engine.backends import core
from fastexplain.models import Forest

pytestmark = pytest.mark.skipif(core() is None, reason="this install has no compiled core")

# Leaf values of the drawn forests are about 1: errors are of roundings.
TOLERANCE = 1e-12


@pytest.fixture(scope="module", autouse=True, params=["tables", "walks"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """By tables what fits them, as users have it; and everything by walks."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "walks":
            patch.setenv("FASTEXPLAIN_TABLE_MB", "0")
        yield request.param


def forest_and_rows(seed: int, n_rows: int, n_background: int, **of_forest: Any) -> tuple[Forest, Any, Any]:
    rng = np.random.default_rng(seed)
    forest = random_forest(rng, **{"n_trees": 8, "n_features": 6, "n_leaves": 24, "max_depth": 8, **of_forest})
    return forest, random_rows(rng, forest, n_rows), random_rows(rng, forest, n_background)


@settings(max_examples=150)
@given(st.data(), forests())
def test_values_equal_the_definition(data: st.DataObject, forest: Forest) -> None:
    X, background = data.draw(rows_for(forest)), data.draw(rows_for(forest))
    weights = data.draw(
        st.none() | st.lists(st.sampled_from((0.0, 0.5, 1.0, 3.0)), min_size=len(background), max_size=len(background))
    )
    if not len(background) or (weights is not None and not any(weights)):
        return
    values, base_values = tree_shap(forest, X, background=background, weights=weights)
    shares = None if weights is None else np.array(weights)
    expected, expected_base = naive_interventional(forest, X, background, shares)
    assert_allclose(values, expected, rtol=0, atol=TOLERANCE)
    assert_allclose(base_values, expected_base, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("n_background", [1, 63, 64, 65, 128, 129, 255, 257, 700])
def test_values_sum_to_the_output_less_its_mean(n_background: int) -> None:
    forest, X, background = forest_and_rows(
        0, 20, n_background, n_outputs=3, p_categorical=0.3, p_zero_is_missing=0.2, max_depth=20, n_leaves=60
    )
    values, base_values = tree_shap(forest, X, background=background)
    assert_allclose(values.sum(axis=1) + base_values, naive_predict(forest, X), rtol=0, atol=1e-11)
    assert_allclose(base_values, naive_predict(forest, background).mean(axis=0), rtol=0, atol=1e-12)


def test_weights_count_as_repeated_rows() -> None:
    forest, X, background = forest_and_rows(1, 10, 7)
    times = np.array([1, 3, 0, 2, 100, 1, 1])
    weighted = tree_shap(forest, X, background=background, weights=times)
    repeated = tree_shap(forest, X, background=np.repeat(background, times, axis=0))
    assert_allclose(weighted.values, repeated.values, rtol=0, atol=TOLERANCE)
    assert_allclose(weighted.base_values, repeated.base_values, rtol=0, atol=TOLERANCE)
    huge = tree_shap(forest, X, background=background, weights=times * 1e306)
    assert_allclose(huge.values, repeated.values, rtol=0, atol=TOLERANCE)


def test_a_background_of_the_row_itself_leaves_nothing_to_explain() -> None:
    forest, X, _ = forest_and_rows(2, 5, 1)
    for row in X:
        values, base_values = tree_shap(forest, row[None], background=row[None])
        assert not values.any()
        assert_allclose(base_values, naive_predict(forest, row[None])[0], rtol=0, atol=TOLERANCE)


def test_a_large_background_is_the_mean_of_its_parts() -> None:
    forest, X, background = forest_and_rows(3, 3, 100_000, n_trees=3, n_leaves=12)
    whole = tree_shap(forest, X, background=background)
    parts = [tree_shap(forest, X, background=part) for part in np.split(background, 10)]
    assert_allclose(whole.values, np.mean([part.values for part in parts], axis=0), rtol=0, atol=TOLERANCE)
    assert_allclose(whole.base_values, np.mean([part.base_values for part in parts], axis=0), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("n_features", [1, 7, 8, 9, 17, 70, 400])
def test_paths_of_any_number_of_features(n_features: int) -> None:
    """Beyond 255 the shares of a leaf are no longer tabulated."""
    forest, X, background = forest_and_rows(
        4, 6, 90, n_trees=2, n_features=n_features, shapes=("chain",), max_depth=2 * n_features, thresholds=None
    )
    values, base_values = tree_shap(forest, X, background=background)
    assert_allclose(values.sum(axis=1) + base_values, naive_predict(forest, X), rtol=0, atol=1e-11)
    one_by_one = [tree_shap(forest, X, background=row[None]).values for row in background]
    assert_allclose(values, np.mean(one_by_one, axis=0), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("side", ["left", "right", "both"])
def test_a_tree_of_a_hundred_thousand_nodes(side: str) -> None:
    """A chain: what waits on the way must be taken back, whichever way it goes on."""
    n_leaves = 50_001
    chain = np.arange(n_leaves - 1)
    leaf, further = chain + n_leaves - 1, chain + 1
    further[-1] = 2 * n_leaves - 2
    goes_left = {"left": chain >= 0, "right": chain < 0, "both": chain % 3 == 0}[side]
    left, right = np.full(2 * n_leaves - 1, -1), np.full(2 * n_leaves - 1, -1)
    left[: n_leaves - 1], right[: n_leaves - 1] = np.where(goes_left, [further, leaf], [leaf, further])
    inner = left >= 0
    # The way that goes on is the wider one, from both ends towards the middle.
    threshold = np.zeros(2 * n_leaves - 1)
    threshold[: n_leaves - 1] = np.where(goes_left, 1 - chain / (2 * n_leaves), chain / (2 * n_leaves))
    forest = Forest(
        n_features=2,
        n_outputs=1,
        tree_offsets=[0, 2 * n_leaves - 1],
        children_left=left,
        children_right=right,
        feature=np.where(inner, np.arange(2 * n_leaves - 1) % 2, -1),
        threshold=threshold,
        default_left=np.zeros(2 * n_leaves - 1, dtype=bool),
        cover=np.ones(2 * n_leaves - 1),
        values=np.sin(np.arange(2.0 * n_leaves - 1)),
        tree_output=[0],
        base_offset=[0.0],
    )
    rng = np.random.default_rng(0)
    X, background = rng.random((2, 2)), rng.random((70, 2))
    values, base_values = tree_shap(forest, X, background=background)
    assert_allclose(values.sum(axis=1) + base_values, forest.predict(X), rtol=0, atol=1e-12)


# ----------------------------------------------------------------------------------------------------- the same bits


def test_threads_and_other_rows_do_not_change_bits() -> None:
    forest, X, background = forest_and_rows(5, 150, 300, n_outputs=2, p_categorical=0.3)
    values = tree_shap(forest, X, background=background, n_threads=1).values
    for n_threads in (2, 3, 8):
        assert_array_equal(tree_shap(forest, X, background=background, n_threads=n_threads).values, values)
        for n_rows in (1, 2, 65):
            part = tree_shap(forest, X[3 : 3 + n_rows], background=background, n_threads=n_threads).values
            assert_array_equal(part, values[3 : 3 + n_rows])


def test_ways_that_are_not_kept_are_found_again_with_the_same_bits() -> None:
    forest, X, background = forest_and_rows(6, 40, 300, p_categorical=0.3)
    weights = np.full(300, 1 / 300)
    values = []
    for kept_bytes in (0, 10_000, 1 << 26):
        kernel = core().InterventionalShap(
            forest, background, weights=weights, n_threads=2, kept_bytes=kept_bytes, max_states=0
        )
        values.append(np.full((40, 6, 1), np.nan))
        kernel.explain(X, values[-1], n_threads=2)
    assert_array_equal(values[1], values[0])
    assert_array_equal(values[2], values[0])


def test_rows_and_backgrounds_of_any_strides_and_of_float32() -> None:
    forest, X, background = forest_and_rows(7, 30, 50)
    X, background = X.astype(np.float32), background.astype(np.float32)
    expected = tree_shap(forest, X.astype(np.float64), background=background.astype(np.float64)).values
    for rows, others in ((X, background), (X[::-1][::-1], np.asfortranarray(background))):
        assert_array_equal(tree_shap(forest, rows, background=others).values, expected)
    packed = np.zeros(30, dtype=[("flag", "i1"), ("row", "f4", 6)])
    packed["row"] = X
    assert_array_equal(tree_shap(forest, packed["row"], background=background).values, expected)


# -------------------------------------------------------------------------------------------------- models, and state


def regression() -> tuple[Any, NDArray[Any]]:
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    return RandomForestRegressor(10, random_state=0).fit(X, X[:, 0] * X[:, 1] + X[:, 2]), X


def test_the_background_is_remembered_only_while_it_is_the_same() -> None:
    model, X = regression()
    loaded = fastexplain.load_model(model)
    background = X[:50].copy()
    first = tree_shap(loaded, X[:5], background=background)
    kernel = loaded.forest._compiled["native", "interventional", "d"][1]
    tree_shap(loaded, X[:5], background=list(background))
    assert loaded.forest._compiled["native", "interventional", "d"][1] is kernel
    background[0] += 1
    changed = tree_shap(loaded, X[:5], background=background)
    assert_array_equal(changed.values, tree_shap(model, X[:5], background=background).values)
    assert not np.array_equal(changed.values, first.values)
    weighted = tree_shap(loaded, X[:5], background=background, weights=np.arange(50.0))
    assert not np.array_equal(weighted.values, changed.values)


def test_a_prepared_background_explains_as_the_function_does() -> None:
    model, X = regression()
    background = X[:50].copy()
    explainer = InterventionalTreeShap(model, background)
    values, base_values = tree_shap(model, X[:20], background=background)
    background[:] = 0  # the explainer has its own copy
    for prepared in (explainer, pickle.loads(pickle.dumps(explainer))):
        assert_array_equal(prepared.explain(X[:20]).values, values)
        assert_array_equal(prepared.explain(X[:1]).values, values[:1])
        assert_array_equal(prepared.base_values, base_values)
    assert_allclose(base_values, model.predict(X[:50]).mean(), rtol=1e-12)


def test_models_that_remember_a_background_are_pickled_without_it() -> None:
    model, X = regression()
    loaded = fastexplain.load_model(model)
    values = tree_shap(loaded, X[:5], background=X[:50]).values
    copy = pickle.loads(pickle.dumps(loaded))
    assert not copy.forest._compiled
    assert_array_equal(tree_shap(copy, X[:5], background=X[:50]).values, values)


def test_a_summary_brings_its_weights() -> None:
    model, X = regression()
    summary = fastexplain.summarize_background(X, 5)
    expected = tree_shap(model, X[:5], background=summary.data, weights=summary.weights).values
    assert_array_equal(tree_shap(model, X[:5], background=summary).values, expected)


# ------------------------------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"background": np.zeros((3, 4))}, r"The background does not fit the model: .*4.*5"),
        ({"background": np.zeros((0, 5))}, "background has no rows; it needs at least one"),
        ({"background": np.zeros((3, 5)), "weights": [1, 2]}, r"weights has shape \(2,\); background has 3 rows"),
        ({"background": np.zeros((2, 5)), "weights": [1, -2]}, "weights holds -2.0 at position 1"),
        ({"background": np.zeros((2, 5)), "weights": [1, np.nan]}, "weights holds nan at position 1"),
        ({"background": np.zeros((2, 5)), "weights": [0, 0]}, "weights of background are all zero"),
        ({"background": np.full((2, 5), np.inf)}, "The background does not fit the model: .*inf"),
        ({"weights": [1, 2]}, "weights are those of background rows, and there is no background"),
    ],
)
def test_what_does_not_fit_is_named(arguments: dict[str, Any], message: str) -> None:
    model, X = regression()
    with pytest.raises(ValueError, match=message):
        tree_shap(model, X[:2], **arguments)


def test_a_background_for_a_forest_is_its_encoding() -> None:
    forest, X, _ = forest_and_rows(8, 2, 1)
    with pytest.raises(
        TypeError, match="With a Forest, background must be a float32 or float64 array; got dtype int64"
    ):
        tree_shap(forest, X, background=np.zeros((2, 6), dtype=np.int64))
    with pytest.raises(ValueError, match=r"background has shape \(2, 5\); expected \(n_rows, 6\)"):
        tree_shap(forest, X, background=np.zeros((2, 5)))


# ------------------------------------------------------------------------------------------------ tables beside walks


def test_tables_of_any_size_and_of_float32_agree_with_walks() -> None:
    forest, X, background = forest_and_rows(7, 70, 300, n_outputs=2, p_categorical=0.3, p_zero_is_missing=0.2)
    weights = np.arange(300.0)

    def explained(**how: Any) -> NDArray[np.float64]:
        values = np.full((70, 6, 2), np.nan)
        core().InterventionalShap(forest, background, weights=weights, n_threads=2, **how).explain(
            X, values, n_threads=2
        )
        return values

    expected = explained(max_states=0)
    for max_states in (2, 8, 64, 255, 256):
        assert_allclose(explained(max_states=max_states), expected, rtol=0, atol=TOLERANCE)
        float32 = explained(max_states=max_states, float32_lanes=True)
        assert_allclose(float32, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    assert_allclose(explained(table_bytes=20_000), expected, rtol=0, atol=TOLERANCE)


def test_dtype_chooses_the_lanes_of_tables(way: str) -> None:
    forest, X, background = forest_and_rows(8, 20, 30)
    double = tree_shap(forest, X, background=background, dtype="float64").values
    single = tree_shap(forest, X, background=background, dtype="float32").values
    assert_allclose(single, double, rtol=0, atol=1e-6 * np.abs(double).max())
    assert (single != double).any() == (way == "tables")
    assert_array_equal(InterventionalTreeShap(forest, background, dtype="float32").explain(X).values, single)
    with pytest.raises(ValueError, match="dtype must be float32 or float64; got 'int8'"):
        InterventionalTreeShap(forest, background, dtype="int8")
