"""What the tests of the XGBoost loader share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

xgboost = pytest.importorskip("xgboost")
from fastexplain.models.trees.xgboost import XGBoostModel  # noqa: E402

# XGBoost adds float32 leaves in float32; a model here has at most 60 trees with leaves of about the margin's size.
FLOAT32_SUM = 4e-6
# pred_contribs works in float32 throughout; XGBoost 3.3 and newer by a quadrature with float32 weights.
FLOAT32_SHAP = 2e-5
VERSION = tuple(int(part) for part in xgboost.__version__.split(".")[:2])
since_3_1 = pytest.mark.skipif(VERSION < (3, 1), reason="base scores per output and category labels came with 3.1")
since_3_2 = pytest.mark.skipif(VERSION < (3, 2), reason="vector leaves have covers from 3.2 on")
since_3_4 = pytest.mark.skipif(VERSION < (3, 4), reason="reg:expectileerror came with 3.4")
N_ROWS = 160


@pytest.fixture(autouse=True)
def _quiet_library() -> Iterator[None]:
    """XGBoost's own deprecation notes in training; the loader's silence is tested apart."""
    with xgboost.config_context(verbosity=0):
        yield


def rows(seed: int = 0, n: int = N_ROWS, n_features: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, n_features)).astype(np.float32).astype(np.float64)


def target(X: np.ndarray, seed: int = 1) -> np.ndarray:
    return X[:, 0] + np.sin(2 * X[:, 1]) * X[:, 2] + 0.1 * np.random.default_rng(seed).normal(size=len(X))


def train(y: np.ndarray | None = None, n_rounds: int = 8, X: np.ndarray | None = None, **params: Any) -> Any:
    X = rows() if X is None else X
    y = target(X) if y is None else y
    return xgboost.train({"max_depth": 4, "nthread": 1, **params}, xgboost.DMatrix(X, y), n_rounds)


def margin(booster: Any, X: Any, **kwargs: Any) -> np.ndarray:
    raw = booster.predict(xgboost.DMatrix(X, enable_categorical=True, **kwargs), output_margin=True)
    return raw.reshape(len(X), -1)


def assert_same_margins(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=FLOAT32_SUM * max(1.0, np.abs(theirs).max(initial=0.0)))


def assert_forest_predicts(model: XGBoostModel, X: Any, theirs: np.ndarray) -> None:
    assert_same_margins(model.forest.predict(model.prepare(X)), theirs)
    assert_same_margins(model.raw_predict(X), theirs)
    assert_same_margins(model.raw_predict_prepared(model.prepare(X)), theirs)


def assert_same_leaves(model: XGBoostModel, booster: Any, X: Any, **kwargs: Any) -> None:
    data = xgboost.DMatrix(X, enable_categorical=True, **kwargs)
    theirs = booster.predict(data, pred_leaf=True).reshape(len(X), -1).astype(int)
    ours = model.forest.leaf_indices(model.prepare(X)) - model.forest.tree_offsets[:-1, None]
    np.testing.assert_array_equal(ours.T, theirs)


def numeric_thresholds(model: XGBoostModel, feature: int) -> np.ndarray:
    """XGBoost's own split conditions of a feature (the forest keeps the float32 below each)."""
    nodes = model.forest.feature == feature
    return np.nextafter(model.forest.threshold[nodes].astype(np.float32), np.float32(np.inf))


def labels_for(objective: str, X: np.ndarray) -> np.ndarray:
    y = target(X)
    if objective.startswith(("binary:", "reg:logistic", "rank:map")):
        return (y > 0.5).astype(float)
    if objective.startswith(("multi:", "rank:")):
        return np.digitize(y, [-0.5, 0.8]).astype(float)
    if objective == "survival:cox":
        return np.exp(y) * np.where(X[:, 3] > 0, 1, -1)
    return np.exp(0.5 * y)


def train_objective(objective: str, **params: Any) -> Any:
    X = rows()
    y = labels_for(objective, X)
    if objective == "survival:aft":
        data = xgboost.DMatrix(X, label_lower_bound=y, label_upper_bound=y * 2)
    else:
        data = xgboost.DMatrix(X, y)
    if objective.startswith("rank:"):
        data.set_group([40] * (N_ROWS // 40))
    if objective.startswith("multi:"):
        params["num_class"] = 3
    if objective == "reg:quantileerror":
        params.setdefault("quantile_alpha", 0.7)
    if objective == "reg:expectileerror":
        params.setdefault("expectile_alpha", 0.7)
    return xgboost.train({"objective": objective, "max_depth": 3, "nthread": 1, **params}, data, 4)


@pytest.fixture(scope="module")
def plain() -> Any:
    return train(n_rounds=12)


COLOURS = ["red", "green", "blue", "ultraviolet"]
SIZES = [30, -5, 1000]


def coloured(seed: int = 0) -> tuple[Any, np.ndarray]:
    """A table with a numeric, a string-categorical and an integer-categorical column, some missing, and its target."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(seed)
    colour, size = rng.integers(-1, 4, N_ROWS), rng.integers(-1, 3, N_ROWS)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=N_ROWS),
            "colour": pd.Categorical.from_codes(colour, COLOURS),
            "size": pd.Categorical.from_codes(size, SIZES),
        }
    )
    y = np.array([3.0, -7.0, 5.0, 0.0, 11.0])[colour] * frame["x"].to_numpy() + np.array([1.0, 20.0, -9.0, 4.0])[size]
    return frame, y


@pytest.fixture(scope="module", params=[1, 100], ids=["partitions", "one-hot"])
def categorical(request: pytest.FixtureRequest) -> Any:
    frame, y = coloured()
    params = {"max_depth": 5, "max_cat_to_onehot": request.param, "nthread": 1, "min_child_weight": 0}
    return xgboost.train(params, xgboost.DMatrix(frame, y, enable_categorical=True), 10)
