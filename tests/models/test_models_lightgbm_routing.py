"""LightGBM's routing rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastexplain import load_model

lgb = pytest.importorskip("lightgbm")
pd = pytest.importorskip("pandas")
from lightgbm_cases import (  # noqa: E402
    EDGE,
    INFINITE,
    MISSING,
    QUICK,
    SPECIAL,
    assert_predicts_like_lightgbm,
    awkward_rows,
    missing_types,
    rows,
    stump_text,
    target,
    train,
)


@pytest.mark.parametrize(("name", "types"), [("nan", {2, 0}), ("zero", {1}), ("none", {0}), ("none-though-zero", {0})])
def test_missing_rule_follows_lightgbm(name: str, types: set[int]) -> None:
    booster = train(rows()[:, :3], target(rows()), **MISSING[name])
    assert missing_types(booster) == types  # the case exercises what it says
    assert_predicts_like_lightgbm(booster)


def test_zero_as_missing_sets_zero_is_missing() -> None:
    forest = load_model(train(rows()[:, :3], target(rows()), zero_as_missing=True)).forest
    assert forest.zero_is_missing is not None
    assert forest.zero_is_missing[forest.children_left >= 0].all()


def test_models_without_zero_as_missing_have_no_zero_rule() -> None:
    assert load_model(train(rows()[:, :3], target(rows()))).forest.zero_is_missing is None


@pytest.mark.parametrize("decision_type", [0, 2, 4, 6, 8, 10])
@pytest.mark.parametrize(
    "threshold", [np.inf, -np.inf, 0.0, 1e-36, -1e-36, EDGE, -EDGE, 2 * EDGE, -2 * EDGE, 0.25, -0.25]
)
def test_threshold_in_the_zero_band_follows_lightgbm(threshold: float, decision_type: int) -> None:
    # Training never puts a threshold inside the band; files written by other tools may.
    booster = lgb.Booster(model_str=stump_text(threshold, decision_type))
    assert_predicts_like_lightgbm(booster, np.array(SPECIAL)[:, None])


def test_float32_rows_are_compared_in_float64() -> None:
    booster = train(rows()[:, :3], target(rows()))
    X = np.clip(awkward_rows(load_model(booster).forest), -1e30, 1e30).astype(np.float32)
    assert load_model(booster).prepare(X) is X
    assert_predicts_like_lightgbm(booster, X)


def large_integers(seed: int) -> NDArray[np.int64]:
    """Next to each other, above the last integer that float32 tells from its neighbour."""
    return 2**24 + np.random.default_rng(seed).integers(0, 40, (300, 2))


@pytest.mark.parametrize("kind", ["array", "list", "objects", "table"])
def test_integers_are_rounded_where_lightgbm_rounds_them(kind: str) -> None:
    X = large_integers(0).astype(float)
    booster = train(X, np.sin(X[:, 0]) + np.cos(X[:, 1]), num_leaves=60, min_data_in_leaf=1, max_bin=60)
    new = large_integers(1)
    like = {"array": new, "list": new.tolist(), "objects": new.astype(object), "table": pd.DataFrame(new)}
    loaded = assert_predicts_like_lightgbm(booster, like[kind])
    assert np.array_equal(loaded.prepare(like[kind]), new) == (kind == "table")  # the rounding shows


def test_objects_are_not_rounded_by_the_sklearn_classes() -> None:
    X = large_integers(0).astype(float)
    model = lgb.LGBMRegressor(**{**QUICK, "num_leaves": 60, "min_child_samples": 1}).fit(X, np.sin(X[:, 0]))
    assert_predicts_like_lightgbm(model, large_integers(1).astype(object))


def test_strided_rows_predict_like_lightgbm() -> None:
    booster = train(rows()[:, :3], target(rows()))
    assert_predicts_like_lightgbm(booster, np.repeat(rows(), 2, axis=0)[::2, 2::-1])


@pytest.mark.parametrize(
    "params", [{}, {"max_cat_to_onehot": 400}, {"max_cat_threshold": 300}, MISSING["zero"], MISSING["none"]]
)
def test_categorical_splits_follow_lightgbm(params: dict[str, Any]) -> None:
    booster = train(rows(n_rows=1500), target(rows(n_rows=1500)), categorical_feature=[3], **params)
    loaded = assert_predicts_like_lightgbm(booster)
    members = loaded.forest.category_set_members
    assert members is not None
    assert members.max() > 255
    X = np.column_stack([np.zeros((310, 3)), np.arange(310.0)])  # every category, and some unseen
    assert_predicts_like_lightgbm(booster, X)


def test_infinite_categories_follow_lightgbm() -> None:
    booster = train(rows(n_rows=1500), target(rows(n_rows=1500)), categorical_feature=[3])
    assert_predicts_like_lightgbm(booster, np.column_stack([np.zeros((2, 3)), INFINITE]))


def test_few_categories_follow_lightgbm() -> None:
    X = rows()
    X[:, 3] %= 3
    assert_predicts_like_lightgbm(train(X, target(X), categorical_feature=[3]))


def test_categorical_nodes_send_nan_right() -> None:
    forest = load_model(train(rows(), target(rows()), categorical_feature=[3])).forest
    assert forest.category_set is not None
    assert not forest.default_left[forest.category_set >= 0].any()
