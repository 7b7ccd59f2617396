"""What the tests of the LightGBM loader share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastexplain import load_model
from fastexplain.models.trees.base import TreeModel
from fastexplain.models.trees.forest import ZERO_THRESHOLD, Forest

lgb = pytest.importorskip("lightgbm")
pd = pytest.importorskip("pandas")

# Both sum the same float64 leaves, in another order at most; a row in a wrong leaf shows at 1e-3 or more.
ROUNDING = 1e-12
# LightGBM divides by covers along each path; its own sums of contributions miss the prediction by this much.
PRED_CONTRIB_ROUNDING = 1e-9
# Around every rule of the routing: missing, LightGBM's zero band and its edges, infinite.
EDGE = ZERO_THRESHOLD
SPECIAL = (
    *(np.nan, 0.0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, EDGE, -EDGE, np.nextafter(EDGE, 1), -np.nextafter(EDGE, 1)),
    *(1e-34, -1e-34, np.inf, -np.inf, 1e300, -1e300, np.nextafter(1e300, np.inf)),
)
ODD_CATEGORIES = (np.nan, -1.0, -0.5, 0.5, 2.9, 31.0, 32.0, 255.0, 256.0, 299.0, 1e5, 2.0**31, 2.0**32 + 3, 1e300)
INFINITE = (np.inf, -np.inf)
MISSING = {
    "nan": {},
    "zero": {"zero_as_missing": True},
    "none": {"use_missing": False},
    "none-though-zero": {"use_missing": False, "zero_as_missing": True},
}


def rows(seed: int = 0, n_rows: int = 400) -> NDArray[np.float64]:
    """Two columns of numbers with zeros and gaps, one without, and one of 300 categories."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 4))
    X[:, :2][rng.random((n_rows, 2)) < 0.3] = 0.0
    X[:, :2][rng.random((n_rows, 2)) < 0.15] = np.nan
    X[:, 3] = rng.integers(0, 300, n_rows)
    return X


def target(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Depends on every column, on gaps and on exact zeros, without a direction."""
    first = np.where(np.isnan(X[:, 0]), 2.0, np.where(X[:, 0] == 0, -3.0, X[:, 0]))
    second = np.where(np.isnan(X[:, 1]), -1.0, np.where(X[:, 1] == 0, 1.5, X[:, 1]))
    return first + second * np.sign(X[:, 2]) + 2 * np.sin(7.0 * X[:, 3])


def train(X: Any, y: NDArray[Any], n_rounds: int = 5, *, weight: Any = None, group: Any = None, **params: Any) -> Any:
    columns, keep = params.pop("categorical_feature", "auto"), params.pop("keep_booster", False)
    defaults = {"objective": "regression", "num_leaves": 12, "min_data_in_leaf": 5, "learning_rate": 0.3}
    always = {"verbose": -1, "num_threads": 1, "seed": 3, "min_data_per_group": 2, "cat_smooth": 1.0}
    data = lgb.Dataset(X, y, weight=weight, group=group, categorical_feature=columns)
    return lgb.train({**defaults, **always, **params}, data, n_rounds, keep_training_booster=keep)


def awkward_rows(forest: Forest, seed: int = 1) -> NDArray[np.float64]:
    """For each column: every threshold, its neighbours and every special value, all else random."""
    rng = np.random.default_rng(seed)
    blocks = [rows(seed)[:50, : forest.n_features]]
    for feature in range(forest.n_features):
        at = forest.threshold[forest.feature == feature]
        tries = np.concatenate([at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf), SPECIAL, ODD_CATEGORIES])
        block = rows(seed, 400)[rng.integers(0, 400, len(tries)), : forest.n_features]
        block[:, feature] = tries
        blocks.append(block)
    return np.concatenate(blocks)


def assert_predicts_like_lightgbm(model: Any, X: Any = None) -> TreeModel:
    """Our forest on prepared rows against LightGBM's own predict of the rows as they are."""
    loaded = load_model(model)
    X = awkward_rows(loaded.forest) if X is None else X
    ours = loaded.forest.predict(loaded.prepare(X))
    theirs = model.predict(X, raw_score=True).reshape(ours.shape)
    if "[boosting: rf]" in booster_text(model):
        theirs = theirs / (loaded.forest.n_trees / loaded.forest.n_outputs)  # raw_score=True is their sum
    np.testing.assert_allclose(ours, theirs, rtol=ROUNDING, atol=ROUNDING * max(1.0, np.abs(theirs).max()))
    np.testing.assert_array_equal(loaded.raw_predict(X), theirs)
    return loaded


def booster_text(model: Any) -> str:
    return str(getattr(model, "booster_", model).model_to_string())


def missing_types(booster: Any) -> set[int]:
    lines = [line for line in booster.model_to_string().split("\n") if line.startswith("decision_type=")]
    return {int(number) >> 2 for line in lines for number in line.removeprefix("decision_type=").split()}


def stump_text(threshold: float, decision_type: int) -> str:
    x = np.linspace(-1, 1, 100)[:, None]
    text = train(x, (x[:, 0] > 0) * 1.0, 1, num_leaves=2).model_to_string()
    lines = [line for line in text.split("\n") if not line.startswith("tree_sizes=")]
    new = {"threshold": threshold, "decision_type": decision_type, "leaf_value": "1 2"}
    return "\n".join(next((f"{k}={v}" for k, v in new.items() if line.startswith(f"{k}=")), line) for line in lines)


CLASS_BOUNDS = (-1.5, 1.0)
KINDS: dict[str, dict[str, Any]] = {
    "dart": {"boosting": "dart", "drop_rate": 0.9, "n_rounds": 8},
    "rf": {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1},
    "goss": {"data_sample_strategy": "goss"},
    "extra-trees": {"extra_trees": True},
    "monotone": {"monotone_constraints": [1, 0, -1, 0]},
    "quantized": {"use_quantized_grad": True},
    "no-average": {"boost_from_average": False},
    "one-leaf-trees": {"min_data_in_leaf": 400},
    "l1": {"objective": "regression_l1"},
    "sqrt": {"objective": "regression", "reg_sqrt": True},
    "quantile": {"objective": "quantile"},
}
QUICK = {"n_estimators": 4, "num_leaves": 8, "verbose": -1, "n_jobs": 1}


def table(seed: int = 0, n_rows: int = 400) -> Any:
    X = rows(seed, n_rows)
    frame = pd.DataFrame(X[:, :3], columns=["some number", "gap", "x"])
    frame.insert(1, "city", pd.Categorical(np.array(["Oslo", "Bergen", "Tromsø", "Ås"])[X[:, 3].astype(int) % 4]))
    frame["size"] = pd.Categorical(X[:, 3].astype(int) % 7, categories=[6, 5, 4, 3, 2, 1, 0], ordered=True)
    return frame
