"""Pipelines as models: the last step explained by its own explainer, in the columns that the pipeline takes."""

from __future__ import annotations

import logging
import pickle
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from naive import naive_tree_shap
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from fastexplain import (
    KernelExplainer,
    LinearExplainer,
    PredictionError,
    TabularExplainer,
    TreeExplainer,
    summarize_background,
)
from fastexplain.explainers.shared import base
from fastexplain.models import load_model

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")

# Sums of a few float64 leaves, or of a few products.
EXACT = 1e-10
# XGBoost adds leaves in float32.
FLOAT32 = 1e-5

N = 120


def make_rows() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    age = rng.uniform(1, 70, N)
    age[::9] = np.nan
    return pd.DataFrame(
        {
            "sex": rng.choice(["male", "female"], N),
            "age": age,
            "ticket": [f"t{i}" for i in range(N)],  # used by nothing
            "port": rng.choice(list("CQS"), N, p=[0.2, 0.1, 0.7]),
            "fare": rng.gamma(2.0, 10.0, N),
        }
    )


ROWS = make_rows()
NAMES = list(ROWS.columns)
NUMBERS = ROWS[["age", "fare"]].fillna(3.0)
LABELS = np.where((ROWS["sex"] == "female") ^ (ROWS["fare"] > 25), "lived", "died")
TARGET = np.log1p(ROWS["fare"].to_numpy()) + (ROWS["sex"] == "male")
# by hand, for `columns()`: fare, age, age missing, female, male, C, Q, S
PARENTS = [4, 1, 1, 0, 0, 3, 3, 3]


def columns(**encoder: Any) -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["fare", "age"]),
            ("labels", OneHotEncoder(handle_unknown="ignore", **encoder), ["sex", "port"]),
        ],
        sparse_threshold=1.0 if encoder.get("sparse_output", True) else 0.0,
    )


def pipeline_of(last: Any, *between: Any, **encoder: Any) -> Pipeline:
    return make_pipeline(columns(**encoder), *between, last)


def tree() -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=4, random_state=0)


def margins(model: Any, rows: Any) -> NDArray[np.float64]:
    """What values add up to, by the last step's own library, (n_rows, n_outputs)."""
    if isinstance(model, lightgbm.LGBMModel):
        raw = model.predict(rows, raw_score=True)
    elif isinstance(model, xgboost.XGBModel):
        raw = model.predict(rows, output_margin=True)
    else:
        methods = ("predict",) if not hasattr(model, "classes_") else ("decision_function", "predict_proba")
        raw = getattr(model, next(name for name in methods if hasattr(model, name)))(rows)
    return np.asarray(raw, dtype=np.float64).reshape(len(ROWS), -1)


LASTS: dict[str, Any] = {
    "forest": RandomForestClassifier(8, max_depth=5, random_state=0),
    "hist": HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5),
    "lightgbm": lightgbm.LGBMClassifier(n_estimators=8, min_child_samples=3, verbose=-1, n_jobs=1),
    "xgboost": xgboost.XGBClassifier(n_estimators=8, n_jobs=1),
    "logistic": LogisticRegression(),
}
METHODS = {name: "shap.linear" if name == "logistic" else "shap.tree" for name in LASTS}


def labels_of(name: str) -> NDArray[Any]:
    return (LABELS == "lived").astype(int) if name == "xgboost" else LABELS


# Numbers


FORMS_OF_ROWS = ("sparse", "array", "pandas", "polars")
# HistGradientBoosting takes no sparse rows
CASES = [(name, form) for name in LASTS for form in FORMS_OF_ROWS if (name, form) != ("hist", "sparse")]


@pytest.mark.parametrize(("name", "form"), CASES)
def test_values_are_those_of_the_last_step_summed_by_column(name: str, form: str) -> None:
    model = pipeline_of(LASTS[name], sparse_output=form == "sparse")
    if form in ("pandas", "polars"):
        pytest.importorskip(form)
        model.set_output(transform=form)
    model.fit(ROWS, labels_of(name))
    explainer = TabularExplainer(model, ROWS)
    explanation = explainer.explain_local(ROWS)
    assert explainer.method == METHODS[name]

    rows, last = model[:-1].transform(ROWS), model[-1]
    dense = load_model(last).dense(rows) if METHODS[name] == "shap.tree" else rows
    expected = TabularExplainer(last, dense).explain_local(dense)
    summed = np.zeros((N, len(NAMES), expected.values.shape[2]))
    for column, parent in enumerate(PARENTS):
        summed[:, parent] += expected.values[:, column]
    np.testing.assert_allclose(explanation.values, summed, rtol=0, atol=EXACT)
    np.testing.assert_array_equal(explanation.base_values, expected.base_values)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, margins(last, rows), atol=FLOAT32 if name == "xgboost" else EXACT)


def test_values_equal_enumeration() -> None:
    rows = ROWS[["age", "fare", "sex"]].fillna(30.0)
    encoder = ColumnTransformer([("o", OrdinalEncoder(), ["sex"])], remainder=MinMaxScaler())
    model = make_pipeline(
        encoder, SelectKBest(f_regression, k=2), GradientBoostingRegressor(n_estimators=3, max_depth=2)
    )
    model.fit(rows, TARGET)
    values, base_values = naive_tree_shap(load_model(model[-1]).forest, model[:-1].transform(rows.head(5)))
    explanation = TabularExplainer(model, rows).explain_local(rows.head(5))
    # the encoder gives sex, age, fare, of which two are selected
    kept = [["sex", "age", "fare"][i] for i in model[1].get_support(indices=True)]
    expected = pd.DataFrame(values[..., 0], columns=kept).reindex(columns=rows.columns, fill_value=0.0)
    np.testing.assert_allclose(explanation.values[..., 0], expected, atol=EXACT)
    np.testing.assert_allclose(explanation.base_values, base_values)


@pytest.mark.parametrize("last", [LogisticRegression(), tree(), PoissonRegressor()], ids=["logit", "tree", "log"])
def test_a_scaler_changes_neither_units_nor_tree_values(last: Any) -> None:
    rows = ROWS[["age", "fare"]].fillna(30.0)
    targets = TARGET if isinstance(last, PoissonRegressor) else LABELS
    scaled = make_pipeline(MinMaxScaler(), last).fit(rows, targets)
    explanation = TabularExplainer(scaled, rows).explain_local(rows)
    plain = TabularExplainer(scaled[-1], scaled[:-1].transform(rows)).explain_local(scaled[:-1].transform(rows))
    assert explanation.units == plain.units
    np.testing.assert_allclose(explanation.values, plain.values, atol=EXACT)


# What is said of it


def test_what_the_explainer_says(caplog: pytest.LogCaptureFixture) -> None:
    model = pipeline_of(LASTS["forest"]).fit(ROWS, LABELS)
    with caplog.at_level(logging.INFO, logger="fastexplain"):
        explainer = TabularExplainer(model, ROWS)
    sentence = (
        "last step of the Pipeline, RandomForestClassifier, is explained, the steps before it are transformations"
    )
    assert explainer.choice == f"The {sentence}: columntransformer."
    assert caplog.text.count(sentence) == 1
    assert sentence in repr(explainer)
    assert repr(explainer).startswith("<TreeExplainer of Pipeline: shap.tree")
    assert explainer.path == "pipeline"
    assert explainer.model is model
    assert explainer.features == explainer.raw_features == NAMES
    assert len(explainer.engineered_features or []) == len(PARENTS)
    assert explainer.classes == ["died", "lived"]
    assert explainer.transformations is None


def test_what_an_explanation_says() -> None:
    model = pipeline_of(LASTS["forest"]).fit(ROWS, LABELS)
    explanation = TabularExplainer(model, ROWS).explain_global(ROWS)
    assert explanation.features == NAMES
    assert explanation.model_type == str(type(model))
    assert explanation.eval_y_predicted == model.predict(ROWS).tolist()
    np.testing.assert_array_equal(explanation.eval_y_predicted_proba, model.predict_proba(ROWS))
    assert explanation.method == "shap_tree"
    assert explanation.path == "pipeline"
    assert explanation.units == "probability"


def test_no_choice_is_told_of_other_models() -> None:
    model = tree().fit(ROWS[["fare"]], LABELS)
    explainer = TabularExplainer(model, ROWS[["fare"]])
    assert explainer.choice is None
    assert explainer.path is None


# Forms of pipelines


class Sampler(BaseEstimator):
    """As imbalanced-learn's: acts in fit only, and has no transform."""

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        return X, y


def with_a_sampler() -> Any:
    fitted = pipeline_of(tree()).fit(ROWS, LABELS)
    of_imblearn = type("Pipeline", (Pipeline,), {"__module__": "imblearn.pipeline", "predict": Pipeline.predict})
    steps = [fitted.steps[0], ("sampler", Sampler()), fitted.steps[1]]
    return of_imblearn(steps)


def search(model: Any, name: str) -> Any:
    return GridSearchCV(model, {name: [3]}, cv=2)


FORMS: dict[str, Any] = {
    "nested": pipeline_of(make_pipeline("passthrough", MinMaxScaler(clip=True), tree()), sparse_output=False),
    "passthrough": make_pipeline(columns(), "passthrough", None, tree()),
    "search": search(pipeline_of(tree()), "decisiontreeclassifier__max_depth"),
    "search inside": pipeline_of(search(tree(), "max_depth")),
    "selection": pipeline_of(tree(), SelectKBest(k=4)),
    "union": pipeline_of(tree(), FeatureUnion([("a", MinMaxScaler()), ("b", "passthrough")]), sparse_output=False),
    "ufunc": make_pipeline(columns(sparse_output=False), FunctionTransformer(np.square), tree()),
}


@pytest.mark.parametrize("name", [*FORMS, "sampler"])
def test_forms_of_pipelines(name: str) -> None:
    model = with_a_sampler() if name == "sampler" else FORMS[name].fit(ROWS, LABELS)
    explainer = TabularExplainer(model, ROWS)
    assert explainer.method == "shap.tree", explainer.choice
    explanation = explainer.explain_local(ROWS)
    probabilities = with_a_sampler()[-1].predict_proba(columns().fit_transform(ROWS)) if name == "sampler" else None
    if probabilities is None:
        probabilities = model.predict_proba(ROWS)
    np.testing.assert_allclose(explanation.values.sum(axis=1) + explanation.base_values, probabilities, atol=EXACT)
    assert not explanation.values[:, NAMES.index("ticket")].any()


def test_a_pipeline_of_one_step() -> None:
    rows = ROWS[["age", "fare"]]
    model = make_pipeline(HistGradientBoostingClassifier(max_iter=3)).fit(rows, LABELS)
    explainer = TabularExplainer(model, rows)
    assert explainer.choice == "The only step of the Pipeline, HistGradientBoostingClassifier, is explained."
    expected = TabularExplainer(model[-1], rows).explain_local(rows)
    np.testing.assert_array_equal(explainer.explain_local(rows).values, expected.values)


def test_transformations_and_a_pipeline() -> None:
    before = columns(sparse_output=False).fit(ROWS)
    model = make_pipeline(MinMaxScaler(), tree()).fit(before.transform(ROWS), LABELS)
    explainer = TabularExplainer(model, ROWS, transformations=before)
    assert explainer.method == "shap.tree"
    assert explainer.transformations is before
    whole = TabularExplainer(make_pipeline(before, *[step for _, step in model.steps]), ROWS)
    np.testing.assert_allclose(
        explainer.explain_local(ROWS).values, whole.explain_local(ROWS).values, rtol=0, atol=EXACT
    )
    tuples = [(["fare", "age"], SimpleImputer().fit(ROWS[["fare", "age"]]))]
    model = make_pipeline(MinMaxScaler(), tree()).fit(tuples[0][1].transform(ROWS[["fare", "age"]]), LABELS)
    assert TabularExplainer(model, ROWS.to_numpy(), features=NAMES, transformations=tuples).method == "shap.tree"


# Rows


def test_rows_in_other_forms() -> None:
    model = pipeline_of(LASTS["forest"]).fit(ROWS, LABELS)
    explainer = TabularExplainer(model, ROWS)
    expected = explainer.explain_local(ROWS.head(4))
    for row in (ROWS.iloc[3], ROWS.iloc[3].to_numpy(), ROWS.iloc[3].tolist()):
        one = explainer.explain_local(row)
        np.testing.assert_array_equal(one.local_importance_values, np.array(expected.local_importance_values)[:, 3])
        assert one.features == NAMES
    np.testing.assert_array_equal(explainer.explain_local(ROWS.head(4).to_numpy()).values, expected.values)
    with pytest.raises(ValueError, match="Column 0 of the raw rows is 'age', but 'sex' in the rows before"):
        explainer.explain_local(ROWS[["age", "sex", *NAMES[2:]]])


def test_arrays_have_the_pipelines_names() -> None:
    rows = ROWS[["age", "fare"]].fillna(0.0)
    model = make_pipeline(StandardScaler(), tree()).fit(rows, LABELS)
    assert TabularExplainer(model, rows.to_numpy()).features == ["age", "fare"]
    assert TabularExplainer(model, rows.to_numpy(), features=["a", "b"]).features == ["a", "b"]
    numbered = rows.set_axis([10, 11], axis=1)
    model = make_pipeline(StandardScaler(), tree()).fit(numbered, LABELS)
    assert TabularExplainer(model, numbered).explain_local(numbered).features == [10, 11]


def test_a_subset_by_name() -> None:
    model = pipeline_of(LASTS["forest"]).fit(ROWS, LABELS)
    whole = TabularExplainer(model, ROWS).explain_global(ROWS)
    explainer = TabularExplainer(model, ROWS, explain_subset=["fare", "sex"])
    part = explainer.explain_global(ROWS)
    assert part.features == ["fare", "sex"]
    np.testing.assert_array_equal(part.values, whole.values[:, [4, 0]])
    streamed = explainer.explain_global(ROWS, include_local=False)
    np.testing.assert_array_equal(streamed.global_importance_values, part.global_importance_values)
    with pytest.raises(ValueError, match=r"explain_subset holds 'no'; expected feature names, or indices in 0\.\.4"):
        TabularExplainer(model, ROWS, explain_subset=["no"])
    with pytest.raises(ValueError, match="pass initialization_examples, rows like those that it was fitted on"):
        TreeExplainer(model, explain_subset=["fare"])


def test_pickles_and_threads() -> None:
    model = pipeline_of(LASTS["forest"]).fit(ROWS, LABELS)
    explainer = TabularExplainer(model, ROWS, n_threads=1)
    expected = explainer.explain_local(ROWS).values
    assert np.array_equal(pickle.loads(pickle.dumps(explainer)).explain_local(ROWS).values, expected)
    assert np.array_equal(TabularExplainer(model, ROWS, n_threads=3).explain_local(ROWS).values, expected)


@pytest.mark.parametrize("output", ["default", "probability"])
def test_many_engineered_columns_are_added_up_in_blocks(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = pipeline_of(LASTS["lightgbm"]).fit(ROWS, LABELS)
    explainer = TreeExplainer(model, shap_values_output=output)
    whole = explainer.explain_local(ROWS)
    monkeypatch.setattr(base, "_BATCH_BYTES", 1)
    monkeypatch.setattr(base, "_LEAST_MAPPED", 50)
    blocks = explainer.explain_local(ROWS)
    np.testing.assert_array_equal(blocks.values, whole.values)
    np.testing.assert_array_equal(blocks.base_values, whole.base_values)
    assert blocks.eval_y_predicted_proba == whole.eval_y_predicted_proba


@pytest.mark.parametrize("last", [tree(), LogisticRegression()], ids=["tree", "linear"])
def test_examples_may_come_with_weights(last: Any) -> None:
    rows = NUMBERS.to_numpy()
    model = make_pipeline(StandardScaler(), last).fit(rows, LABELS)
    summary = summarize_background(rows, 4)
    explanation = TabularExplainer(model, summary).explain_local(rows)
    method = "decision_function" if isinstance(last, LogisticRegression) else "predict_proba"
    outputs = getattr(model, method)(rows).reshape(N, -1)
    np.testing.assert_allclose(explanation.values.sum(axis=1) + explanation.base_values, outputs, atol=EXACT)
    before = make_pipeline(MinMaxScaler()).fit(rows)
    whole = TabularExplainer(model, summary, transformations=before)
    assert whole.path == "pipeline", whole.choice
    if isinstance(last, LogisticRegression):  # a tree has its background from the training
        mean = summary.weights @ model.decision_function(summary.data)
        np.testing.assert_allclose(explanation.base_values, mean)


def test_trees_need_no_examples() -> None:
    model = pipeline_of(LASTS["forest"]).fit(ROWS, LABELS)
    explanation = TabularExplainer(model, None).explain_local(ROWS)
    assert explanation.features == NAMES
    np.testing.assert_array_equal(explanation.values, TabularExplainer(model, ROWS).explain_local(ROWS).values)


# Explainers of one kind


def test_explainers_of_one_kind_take_pipelines() -> None:
    model = pipeline_of(LASTS["forest"]).fit(ROWS, LABELS)
    expected = TabularExplainer(model, ROWS).explain_local(ROWS)
    explainer = TreeExplainer(model)
    np.testing.assert_array_equal(explainer.explain_local(ROWS).values, expected.values)
    model = pipeline_of(LogisticRegression()).fit(ROWS, LABELS)
    expected = TabularExplainer(model, ROWS).explain_local(ROWS)
    np.testing.assert_array_equal(LinearExplainer(model, ROWS).explain_local(ROWS).values, expected.values)


def test_kernel_shap_of_the_whole_stays_to_be_had() -> None:
    model = pipeline_of(tree()).fit(ROWS, LABELS)
    explanation = KernelExplainer(model, ROWS.head(20)).explain_local(ROWS.head(3))
    assert explanation.method == "shap_kernel"
    assert not explanation.is_raw
    grouped = TabularExplainer(model, ROWS.head(20), aggregate="group")
    assert grouped.choice == (
        "The Pipeline is explained as a whole: aggregate='group' asks for columns of the rows as players."
    )
    np.testing.assert_allclose(grouped.explain_local(ROWS.head(3)).values, explanation.values, atol=EXACT)


# Pipelines that stay whole


class Squares(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Says that its columns are one to one, and keeps to it."""

    def fit(self, X: Any, y: Any = None) -> Squares:
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        return np.asarray(X) ** 2


class Ranks(Squares):
    """Says the same, but the columns of a row depend on each other."""

    def transform(self, X: Any) -> Any:
        return np.asarray(X).argsort(axis=1).astype(float)


class Reversed(Pipeline):
    """Predicts in a way of its own."""

    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(X)[:, ::-1]


def mixing(step: Any, rows: pd.DataFrame = NUMBERS) -> Any:
    return make_pipeline(step, tree()).fit(rows, LABELS), rows


WHOLE: dict[str, tuple[Any, str]] = {
    "pca": (PCA(2), "PCA makes columns of several columns"),
    "polynomials": (PolynomialFeatures(2), "PolynomialFeatures makes columns of several columns"),
    "function": (FunctionTransformer(np.sort), r"FunctionTransformer\(sort\) may make columns of several columns"),
    "false one-to-one": (
        FunctionTransformer(np.sort, feature_names_out="one-to-one"),
        "what its steps make of column 'age' depends on other columns as well",
    ),
    "normalizer": (Normalizer(), "what its steps make of column 'age' depends on other columns as well"),
    "declared": (Ranks(), "what its steps make of column 'age' depends on other columns as well"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_steps_that_mix_columns_stay_with_kernel_shap(name: str, caplog: pytest.LogCaptureFixture) -> None:
    step, why = WHOLE[name]
    model, rows = mixing(step)
    with caplog.at_level(logging.INFO, logger="fastexplain"):
        explainer = TabularExplainer(model, rows.head(20))
    assert explainer.choice in caplog.messages
    assert explainer.method == "shap.kernel"
    assert re.match(f"The Pipeline is explained as a whole: {why}", explainer.choice or "")
    explanation = explainer.explain_local(rows.head(3))
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, model.predict_proba(rows.head(3)), atol=EXACT)


def logarithm(rows: Any) -> Any:
    return np.log1p(rows)


@pytest.mark.parametrize(
    "step",
    [Squares(), KNNImputer(), FunctionTransformer(logarithm, feature_names_out="one-to-one")],
    ids=["declared", "imputer", "function"],
)
def test_steps_that_are_believed(step: Any) -> None:
    rows = ROWS[["age", "fare"]]
    model, rows = mixing(step, rows if isinstance(step, KNNImputer) else rows.fillna(3.0))
    assert TabularExplainer(model, rows).method == "shap.tree"


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (SVC(), "its last step, SVC, is a model that Kernel SHAP explains"),
        (CalibratedClassifierCV(tree(), cv=2), "its last step, CalibratedClassifierCV, is a model that Kernel"),
        (xgboost.XGBClassifier(booster="gblinear", n_estimators=2), r"its last step cannot be explained alone \(This"),
    ],
    ids=["kernel machine", "calibrated", "gblinear"],
)
def test_last_steps_of_other_kinds(last: Any, why: str) -> None:
    model = pipeline_of(last).fit(ROWS, (LABELS == "lived").astype(int))
    explainer = TabularExplainer(model, ROWS.head(20))
    assert explainer.method == "shap.kernel"
    assert re.search(why, explainer.choice or "")


def test_steps_that_fail_leave_the_word_to_the_pipeline() -> None:
    model = pipeline_of(tree()).fit(ROWS, LABELS)
    with pytest.raises(PredictionError, match=r"Pipeline raised ValueError on rows .*columns are missing: \{'age'\}"):
        TabularExplainer(model, ROWS.drop(columns="age"))
    texts = make_pipeline(CountVectorizer(), tree()).fit(ROWS["port"] + "ort", LABELS)
    with pytest.raises((PredictionError, ValueError, TypeError)):  # rows of one column are text, and no table
        TabularExplainer(texts, ROWS["port"] + "ort")


def test_targets_that_are_transformed_keep_their_units() -> None:
    rows = ROWS[["age", "fare"]].fillna(30.0)
    regressor = TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=np.expm1)
    inside = make_pipeline(StandardScaler(), regressor).fit(rows, TARGET)
    steps = make_pipeline(StandardScaler(), LinearRegression())
    around = TransformedTargetRegressor(steps, func=np.log1p, inverse_func=np.expm1).fit(rows, TARGET)
    for model in (inside, around):
        explainer = TabularExplainer(model, rows.head(20))
        assert explainer.method == "shap.kernel"
        explanation = explainer.explain_local(rows.head(3))
        total = explanation.values.sum(axis=1)[:, 0] + explanation.base_values
        np.testing.assert_allclose(total, model.predict(rows.head(3)))


def test_a_class_that_predicts_in_its_own_way_stays_whole() -> None:
    model = Reversed(pipeline_of(tree()).steps).fit(ROWS, LABELS)
    explainer = TabularExplainer(model, ROWS.head(20))
    assert explainer.method == "shap.kernel"
    explanation = explainer.explain_local(ROWS.head(3))
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, model.predict_proba(ROWS.head(3)), atol=EXACT)
