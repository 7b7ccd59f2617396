"""A subclass of a library's class is refused where its own methods answer something else, and only there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from fastexplain import TabularExplainer, tree_shap
from fastexplain.exceptions import ModelConversionError
from fastexplain.models import load_model

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")

X = np.random.default_rng(0).normal(size=(120, 3))
Y = X[:, 0] + (X[:, 1] > 0)
LABELS = (Y > 0.5) * 1

REGRESSORS = [
    (lightgbm.LGBMRegressor, {"n_estimators": 3, "verbose": -1, "n_jobs": 1}),
    (xgboost.XGBRegressor, {"n_estimators": 3, "n_jobs": 1}),
    (RandomForestRegressor, {"n_estimators": 3}),
]
CLASSIFIERS = [
    (lightgbm.LGBMClassifier, {"n_estimators": 3, "verbose": -1, "n_jobs": 1}),
    (xgboost.XGBClassifier, {"n_estimators": 3, "n_jobs": 1}),
    (RandomForestClassifier, {"n_estimators": 3}),
]
LIBRARIES = ["lightgbm", "xgboost", "scikit-learn"]


@pytest.mark.parametrize(("base", "params"), REGRESSORS, ids=LIBRARIES)
def test_own_predict_is_refused(base: Any, params: dict[str, Any]) -> None:
    class Doubled(base):
        def predict(self, X: Any, **options: Any) -> Any:
            return 2.0 * super().predict(X, **options)

    model = Doubled(**params).fit(X, Y)
    for explain in (load_model, lambda m: tree_shap(m, X), lambda m: TabularExplainer(m, X)):
        with pytest.raises(ModelConversionError, match="does not reproduce"):
            explain(model)


@pytest.mark.parametrize(("base", "params"), CLASSIFIERS, ids=LIBRARIES)
def test_own_predict_proba_is_refused(base: Any, params: dict[str, Any]) -> None:
    class Calibrated(base):
        def predict_proba(self, X: Any, **options: Any) -> Any:
            return np.sqrt(super().predict_proba(X, **options))

    with pytest.raises(ModelConversionError, match="does not reproduce"):
        load_model(Calibrated(**params).fit(X, LABELS))


@pytest.mark.parametrize(("base", "params"), CLASSIFIERS[:2], ids=LIBRARIES[:2])
def test_own_predict_of_a_boosted_classifier_is_refused(base: Any, params: dict[str, Any]) -> None:
    class Flipped(base):
        def predict(self, X: Any, **options: Any) -> Any:
            return 1 - super().predict(X, **options)

    with pytest.raises(ModelConversionError, match="Flipped has a predict of its own"):
        load_model(Flipped(**params).fit(X, LABELS))


@pytest.mark.parametrize(("base", "params"), REGRESSORS, ids=LIBRARIES)
def test_own_predict_that_raises_on_plain_rows_is_refused(base: Any, params: dict[str, Any]) -> None:
    class Picky(base):
        def predict(self, X: Any, **options: Any) -> Any:
            return super().predict(X[["no", "such", "column"]], **options)

    with pytest.raises((ModelConversionError, IndexError)):
        load_model(Picky(**params).fit(X, Y))


@pytest.mark.parametrize(("base", "params"), [*REGRESSORS, *CLASSIFIERS], ids=[*LIBRARIES, *LIBRARIES])
def test_methods_that_answer_the_same_are_accepted(base: Any, params: dict[str, Any]) -> None:
    class Logged(base):
        def predict(self, X: Any, **options: Any) -> Any:
            return super().predict(X, **options)

    model = Logged(**params).fit(X, LABELS)
    loaded = load_model(model)
    values, base_values = tree_shap(loaded, X)
    np.testing.assert_allclose(values.sum(axis=1) + base_values, loaded.raw_predict(X), atol=1e-5)


def test_method_put_on_the_instance_is_refused() -> None:
    model = lightgbm.LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1).fit(X, Y)
    model.predict = lambda rows, **options: np.zeros(len(rows))
    with pytest.raises(ModelConversionError, match="LGBMRegressor has a predict of its own"):
        load_model(model)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_booster_with_its_own_predict_is_refused(library: str) -> None:
    if library == "lightgbm":
        booster = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(X, Y), 3)
    else:
        booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(X, Y), 3)

    class Doubled(type(booster)):  # type: ignore[misc]
        def predict(self, data: Any, **options: Any) -> Any:
            return 2.0 * super().predict(data, **options)

    booster.__class__ = Doubled
    with pytest.raises(ModelConversionError, match="Doubled has a predict of its own"):
        load_model(booster)
