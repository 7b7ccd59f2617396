"""What the tests of scikit-learn's trees share."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.ensemble
import sklearn.tree
from numpy.typing import NDArray
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
)
from threadpoolctl import threadpool_limits

from fastexplain.models.trees.base import TreeModel

# Both sum the same float64 leaves, in another order at most; a row in a wrong leaf shows at 1e-3 or more.
ROUNDING = 1e-12
# The kernel sums over quadrature points, naive.py over coalitions.
SHAP_ROUNDING = 1e-9
KINDS = ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees", "GradientBoosting", "HistGradientBoosting")
TASKS = ("regression", "binary", "multiclass")
VARIANTS = {"plain": {}, "stump": {"max_depth": 1}, "few-leaves": {"max_leaf_nodes": 5}, "weighted": {}, "leaf": {}}
ACCEPTS_MISSING = tuple(kind for kind in KINDS if kind != "GradientBoosting")


@pytest.fixture(autouse=True, scope="module")
def _one_openmp_thread() -> Iterator[None]:
    # histogram boosting starts a thread per core for its 240 rows, and waits for them when the machine is busy
    with threadpool_limits(1, user_api="openmp"):
        yield


def rows(missing: bool, seed: int = 0) -> NDArray[np.float64]:
    """240 rows of 4 columns: continuous, a few levels, continuous, constant."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(240, 4))
    X[:, 1] = np.round(X[:, 1])
    X[:, 3] = 1.0
    if missing:
        X[:, :3][rng.random((240, 3)) < 0.2] = np.nan
    return X


def target(X: NDArray[np.float64], task: str) -> NDArray[Any]:
    filled = np.where(np.isnan(X), [2.0, -1.5, 1.0, 0.0], X)
    score = filled[:, 0] + filled[:, 1] ** 2 - filled[:, 0] * filled[:, 2]
    if task == "regression":
        return score
    return np.array(["lo", "up"])[(score > 1) * 1] if task == "binary" else np.digitize(score, [0.0, 1.5]) * 2 + 3


def estimator(kind: str, task: str, **options: Any) -> Any:
    name = kind + ("Regressor" if task == "regression" else "Classifier")
    module = sklearn.tree if kind in ("DecisionTree", "ExtraTree") else sklearn.ensemble
    if kind == "HistGradientBoosting":
        options = {"max_iter": 6, "min_samples_leaf": 5, **options}
    elif module is sklearn.ensemble:
        options = {"n_estimators": 6, **options}
    return getattr(module, name)(random_state=0, **options)


@functools.cache
def fitted(kind: str, task: str, variant: str = "plain", missing: bool = False) -> Any:
    X = rows(missing)
    options: dict[str, Any] = dict(VARIANTS[variant])
    if variant == "leaf":
        options = {"min_samples_leaf": 200}  # of 240 rows: no split leaves so many on both sides
    weights = None
    if variant == "weighted":
        weights = np.random.default_rng(1).exponential(size=len(X))
        if task != "regression" and kind != "GradientBoosting":
            options["class_weight"] = "balanced"
    return estimator(kind, task, **options).fit(X, target(X, task), sample_weight=weights)


def library_thresholds(model: Any) -> list[tuple[int, float]]:
    """(feature, threshold) of every finite numerical split, read from scikit-learn's own objects."""
    if hasattr(model, "_predictors"):
        nodes = np.concatenate([p.nodes for iteration in model._predictors for p in iteration])
        nodes = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
        pairs = zip(nodes["feature_idx"].tolist(), nodes["num_threshold"].tolist(), strict=True)
    else:
        trees = [e.tree_ for e in np.ravel(getattr(model, "estimators_", [model]))]
        feature = np.concatenate([tree.feature for tree in trees])
        threshold = np.concatenate([tree.threshold for tree in trees])
        pairs = zip(feature[feature >= 0].tolist(), threshold[feature >= 0].tolist(), strict=True)
    return sorted({(f, t) for f, t in pairs if np.isfinite(t)})


def rows_on_thresholds(model: Any) -> NDArray[np.float64]:
    """Rows on the model's thresholds, and next to them in float32 and in float64."""
    rng = np.random.default_rng(2)
    splits = library_thresholds(model)[:150]
    X = rows(False, seed=3)[rng.integers(0, 240, 7 * len(splits))]
    for i, (feature, t) in enumerate(splits):
        single = np.float32(t)
        up, down = np.nextafter(single, np.float32(np.inf)), np.nextafter(single, np.float32(-np.inf))
        # The last rounds to `single` or to a neighbour, as float64 it is none of them.
        near = (t, np.nextafter(t, np.inf), np.nextafter(t, -np.inf), single, up, down, t + 0.4 * (up - single))
        X[7 * i : 7 * i + 7, feature] = near
    return X


def assert_same_prediction(model: TreeModel, X: Any) -> None:
    prepared = model.prepare(X)
    expected = model.raw_predict(X)
    assert expected.shape == (len(X), model.forest.n_outputs)
    np.testing.assert_allclose(model.forest.predict(prepared), expected, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(model.raw_predict_prepared(prepared), expected, rtol=ROUNDING, atol=ROUNDING)


def table(n_rows: int = 400, seed: int = 0) -> Any:
    """Numbers and categories in turn, so that scikit-learn has columns to move."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "speed": np.where(rng.random(n_rows) < 0.1, np.nan, rng.normal(size=n_rows)),
            "city": pd.Categorical(rng.choice(list("hgfedcba"), n_rows), categories=list("hgfedcba")),
            "size": rng.normal(size=n_rows),
            "code": rng.choice([3, 7, 11, 40], n_rows),
        }
    )


def table_target(frame: Any) -> NDArray[np.float64]:
    city = frame["city"].astype(object)
    return (
        2.0 * frame["speed"].fillna(3.0)
        + city.map(lambda c: {"a": 5.0, "e": -4.0, "h": 3.0}.get(c, 1.0)).astype(float)
        + frame["size"] * (frame["code"] == 7)
        + frame["code"].isin([3, 40])
    ).to_numpy(dtype=np.float64)


def hist(categorical: Any, frame: Any) -> Any:
    model = HistGradientBoostingRegressor(max_iter=15, min_samples_leaf=5, categorical_features=categorical)
    return model.fit(frame, table_target(frame))
