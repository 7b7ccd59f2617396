"""Fitted models of every kind that a scoring explainer keeps as arrays, small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import ensemble, linear_model, tree

RANDOM = np.random.default_rng(11)
X = RANDOM.normal(size=(160, 5))
MARGIN = X[:, 0] - X[:, 1] * X[:, 2] + 0.3 * RANDOM.normal(size=160)
BINARY = np.where(MARGIN > 0, "yes", "no")
THREE = np.digitize(MARGIN, [-0.6, 0.6]) * 10  # labels that are not their own indices
COUNTS = np.floor(np.exp(np.clip(MARGIN, -2, 2)))

Make = Callable[[], Any]


def lightgbm(kind: str, y: Any, **options: Any) -> Make:
    def make() -> Any:
        library = pytest.importorskip("lightgbm")
        return getattr(library, kind)(n_estimators=12, num_leaves=8, verbose=-1, **options).fit(X, y)

    return make


def xgboost(kind: str, y: Any, **options: Any) -> Make:
    def make() -> Any:
        library = pytest.importorskip("xgboost")
        labels = np.unique(y, return_inverse=True)[1] if kind == "XGBClassifier" else y
        return getattr(library, kind)(n_estimators=12, max_depth=3, **options).fit(X, labels)

    return make


def fitted(estimator: Any, y: Any) -> Make:
    return lambda: estimator.fit(X, y)


TREES: dict[str, Make] = {
    "lightgbm binary": lightgbm("LGBMClassifier", BINARY),
    "lightgbm three": lightgbm("LGBMClassifier", THREE),
    "lightgbm one against all": lightgbm("LGBMClassifier", THREE, objective="multiclassova"),
    "lightgbm random forest": lightgbm(
        "LGBMClassifier", BINARY, boosting_type="rf", bagging_freq=1, bagging_fraction=0.6
    ),
    "lightgbm regression": lightgbm("LGBMRegressor", MARGIN),
    "lightgbm poisson": lightgbm("LGBMRegressor", COUNTS, objective="poisson"),
    "lightgbm square root": lightgbm("LGBMRegressor", COUNTS, reg_sqrt=True),
    "lightgbm cross entropy": lightgbm("LGBMRegressor", MARGIN > 0, objective="cross_entropy"),
    "xgboost binary": xgboost("XGBClassifier", BINARY),
    "xgboost three": xgboost("XGBClassifier", THREE),
    "xgboost hinge": xgboost("XGBClassifier", BINARY, objective="binary:hinge"),
    "xgboost raw logit": xgboost("XGBClassifier", BINARY, objective="binary:logitraw"),
    "xgboost regression": xgboost("XGBRegressor", MARGIN),
    "xgboost poisson": xgboost("XGBRegressor", COUNTS, objective="count:poisson"),
    "xgboost quantiles": xgboost(
        "XGBRegressor", MARGIN, objective="reg:quantileerror", quantile_alpha=np.array([0.1, 0.9])
    ),
    "forest binary": fitted(ensemble.RandomForestClassifier(6, max_depth=4, random_state=0), BINARY),
    "forest three": fitted(ensemble.ExtraTreesClassifier(5, max_depth=4, random_state=0), THREE),
    "forest regression": fitted(ensemble.RandomForestRegressor(5, max_depth=4, random_state=0), MARGIN),
    "boosting binary": fitted(ensemble.GradientBoostingClassifier(n_estimators=8, random_state=0), BINARY),
    "boosting exponential": fitted(
        ensemble.GradientBoostingClassifier(n_estimators=8, loss="exponential", random_state=0), BINARY
    ),
    "boosting three": fitted(ensemble.GradientBoostingClassifier(n_estimators=5, random_state=0), THREE),
    "boosting regression": fitted(ensemble.GradientBoostingRegressor(n_estimators=8, random_state=0), MARGIN),
    "histogram binary": fitted(ensemble.HistGradientBoostingClassifier(max_iter=8), BINARY),
    "histogram three": fitted(ensemble.HistGradientBoostingClassifier(max_iter=5), THREE),
    "histogram poisson": fitted(ensemble.HistGradientBoostingRegressor(max_iter=8, loss="poisson"), COUNTS),
    "tree": fitted(tree.DecisionTreeClassifier(max_depth=3, random_state=0), THREE),
}
LINEAR: dict[str, Make] = {
    "logistic binary": fitted(linear_model.LogisticRegression(), BINARY),
    "logistic three": fitted(linear_model.LogisticRegression(max_iter=2000), THREE),
    "ridge": fitted(linear_model.Ridge(), MARGIN),
    "poisson": fitted(linear_model.PoissonRegressor(), COUNTS),
    "ridge classifier": fitted(linear_model.RidgeClassifier(), THREE),
    "modified huber": fitted(linear_model.SGDClassifier(loss="modified_huber", random_state=0), BINARY),
}
MODELS = {**TREES, **LINEAR}
