"""Pipelines taken apart: what is encoded, which columns are whose, and what must be refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from fastexplain.engine.formulas.known import known_formula
from fastexplain.engine.kernel.kernel_shap import kernel_shap

N_ROWS = 80


def numbers(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    X = random.normal(size=(N_ROWS, 4))
    X[:, 3] = random.integers(0, 3, N_ROWS)
    return X, X[:, 0] + X[:, 1] * X[:, 3]


def table(missing: bool = True) -> tuple[pd.DataFrame, Any]:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": random.normal(size=N_ROWS),
            "city": random.choice(["x", "y", "z"], N_ROWS),
            "income": random.normal(size=N_ROWS),
            "kind": pd.Categorical(random.choice(["u", "v"], N_ROWS)),
            "count": random.integers(0, 5, N_ROWS),
        }
    )
    if missing:
        frame.loc[::7, "age"] = np.nan
    return frame, (frame["income"] + (frame["city"] == "x") > 0).astype(int)


def encoder(**one_hot: Any) -> ColumnTransformer:
    return make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["age", "income"]),
        (OneHotEncoder(**one_hot), ["city", "kind"]),
        remainder="passthrough",
    )


BY_COLUMN = {
    "standard": (StandardScaler(), [1, 1, 1, 1]),
    "min-max": (MinMaxScaler(), [1, 1, 1, 1]),
    "max-abs": (MaxAbsScaler(), [1, 1, 1, 1]),
    "robust": (RobustScaler(), [1, 1, 1, 1]),
    "power": (PowerTransformer(), [1, 1, 1, 1]),
    "quantile": (QuantileTransformer(n_quantiles=20), [1, 1, 1, 1]),
    "binarizer": (Binarizer(), [1, 1, 1, 1]),
    "ordinal": (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), [1, 1, 1, 1]),
    "bins": (KBinsDiscretizer(3, encode="ordinal", strategy="uniform"), [1, 1, 1, 1]),
    "bins one-hot": (KBinsDiscretizer([2, 3, 4, 2], strategy="uniform"), [2, 3, 4, 2]),
    "one-hot": (OneHotEncoder(min_frequency=5, handle_unknown="infrequent_if_exist"), [1, 1, 1, 3]),
    "spline": (SplineTransformer(n_knots=3), [5, 5, 5, 5]),
    "target": (TargetEncoder(target_type="continuous"), [1, 1, 1, 1]),
    "select": (SelectKBest(k=2), None),
    "function": (FunctionTransformer(np.exp), [1, 1, 1, 1]),
    "no function": (FunctionTransformer(), [1, 1, 1, 1]),
    "union": (FeatureUnion([("a", StandardScaler()), ("b", Binarizer()), ("c", "passthrough")]), [3, 3, 3, 3]),
    "nested": (make_pipeline(StandardScaler(), KBinsDiscretizer(2, strategy="uniform")), [2, 2, 2, 2]),
}


@pytest.mark.parametrize("name", list(BY_COLUMN))
@pytest.mark.filterwarnings("ignore::UserWarning:sklearn", "ignore::FutureWarning:sklearn", "ignore::RuntimeWarning")
def test_each_transformer_is_known_by_column(name: str) -> None:
    transformer, counts = BY_COLUMN[name]
    X, y = numbers()
    model = make_pipeline(transformer, LinearRegression()).fit(X, y)
    seen = known_formula(model, "predict", model.predict, X[:20], X[20:40])
    assert seen is not None
    assert seen.path.startswith("pipeline")
    assert seen.columns_of is not None
    if counts is not None:
        assert [len(columns) for columns in seen.columns_of] == counts
    encoded = seen.encode(X[:5])
    np.testing.assert_array_equal(np.sort(np.concatenate(seen.columns_of)), np.arange(encoded.shape[1]))
    np.testing.assert_allclose(np.ravel(seen.predict(encoded)), model.predict(X[:5]), rtol=1e-9)


REFUSED = {
    "pca": PCA(2),
    "polynomial": PolynomialFeatures(2),
    "normalizer": Normalizer(),
    "knn imputer": KNNImputer(),
    "row function": FunctionTransformer(lambda X: X - X.mean(axis=1, keepdims=True)),
    "batch function": FunctionTransformer(lambda X: X - X.mean(axis=0)),
    "own scaler": type("Odd", (StandardScaler,), {"transform": lambda self, X: np.cumsum(X, axis=1)})(),
    "pca in a union": FeatureUnion([("a", StandardScaler()), ("b", PCA(2))]),
    "pca in a pipeline": make_pipeline(StandardScaler(), PCA(2)),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_mixes_columns_is_refused(name: str) -> None:
    X, y = numbers()
    model = make_pipeline(REFUSED[name], LinearRegression()).fit(X, y)
    assert known_formula(model, "predict", model.predict, X[:20], X[20:40]) is None


def test_a_last_step_that_fails_the_probe_is_a_black_box() -> None:
    X, y = numbers()
    model = make_pipeline(Binarizer(), KNeighborsRegressor(3)).fit(X, y)  # ties without end
    seen = known_formula(model, "predict", model.predict, X[:20], X[20:40])
    assert seen is not None
    assert seen.model is None
    assert seen.path == "pipeline"


def test_function_needs_rows_that_differ() -> None:
    X, y = numbers()
    model = make_pipeline(FunctionTransformer(np.exp), LinearRegression()).fit(X, y)
    assert known_formula(model, "predict", model.predict, X[:3], X[20:40]) is None
    assert known_formula(model, "predict", model.predict, X[:20], X[20:40]) is not None


@pytest.mark.parametrize(
    "one_hot",
    [{}, {"drop": "first"}, {"drop": "if_binary", "sparse_output": False}, {"handle_unknown": "ignore"}],
    ids=str,
)
def test_table_of_mixed_columns(one_hot: dict[str, Any]) -> None:
    frame, y = table()
    model = make_pipeline(encoder(**one_hot), VarianceThreshold(), LogisticRegression()).fit(frame, y)
    seen = known_formula(model, "predict_proba", model.predict_proba, frame[:30], frame[30:50])
    assert seen is not None
    assert seen.path == "pipeline:sine_expansion"
    assert seen.columns_of is not None
    n_city = 2 if one_hot.get("drop") == "first" else 3
    n_kind = 1 if "drop" in one_hot else 2
    assert [len(columns) for columns in seen.columns_of] == [2, n_city, 1, n_kind, 1]  # age has an indicator


def test_tables_of_the_last_step_keep_their_names(recwarn: pytest.WarningsRecorder) -> None:
    frame, y = table()
    steps = encoder(sparse_output=False).set_output(transform="pandas")
    model = make_pipeline(steps, BaggingClassifier(n_estimators=3, random_state=0)).fit(frame, y)
    seen = known_formula(model, "predict_proba", model.predict_proba, frame[:30], frame[30:50])
    assert seen is not None
    assert seen.model is None
    np.testing.assert_array_equal(seen.predict(seen.encode(frame)), model.predict_proba(frame))
    assert not [w for w in recwarn if "feature names" in str(w.message)]


def test_strings_that_reach_the_model_are_left_alone() -> None:
    frame, y = table(missing=False)
    steps = make_column_transformer((StandardScaler(), ["age"]), remainder="passthrough")
    model = make_pipeline(steps, _Lengths()).fit(frame, y)
    assert known_formula(model, "predict", model.predict, frame[:30], frame[30:50]) is None


class _Lengths:
    """A model that reads strings."""

    def fit(self, X: Any, y: Any) -> _Lengths:
        return self

    def predict(self, X: Any) -> Any:
        return np.array([len(str(row)) for row in X], dtype=float)


@pytest.mark.parametrize(
    "last", [LogisticRegression(), RandomForestClassifier(4, random_state=0)], ids=["logistic", "forest"]
)
def test_kernel_shap_of_a_pipeline_is_that_of_its_raw_columns(last: Any) -> None:
    frame, y = table()
    steps = make_column_transformer(
        (SimpleImputer(), ["age"]), (OneHotEncoder(), ["city", "kind"]), (StandardScaler(), ["income"])
    )  # "count" is dropped
    model = make_pipeline(steps, last).fit(frame, y)
    through = kernel_shap(model, frame[:4], frame[40:52])
    asked = kernel_shap(model, frame[:4], frame[40:52], see_through=False)
    assert through.method.startswith("pipeline")
    assert through.values.shape == asked.values.shape == (4, 5, 2)
    np.testing.assert_allclose(through.values, asked.values, atol=1e-9)
    assert not through.values[:, 4].any()
