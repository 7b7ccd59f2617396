"""Data and predictions of an explanation are those of the rows and the model that were explained, or an error."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, SVR

import fastexplain
from fastexplain import PredictionError, TabularExplainer
from fastexplain.explanation import save_explanation
from fastexplain.rows import kept

# forests of arrays explain tables here
pytestmark = pytest.mark.filterwarnings("ignore:X has feature names")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
OTHER = (X[:, 2] > 0).astype(int)
NAMES = ["a", "b", "c"]
ROWS = X[:20]
CHANGED_ROWS = "rows have changed since they were explained"
CHANGED_MODEL = "refitted or changed since"
CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "local": lambda explainer, rows: explainer.explain_local(rows),
    "global": lambda explainer, rows: explainer.explain_global(rows),
    "means": lambda explainer, rows: explainer.explain_global(rows, include_local=False),
}


@pytest.fixture(params=list(CALLS))
def call(request: pytest.FixtureRequest) -> Callable[[Any, Any], Any]:
    return CALLS[request.param]


def forest() -> Any:
    return RandomForestClassifier(3, max_depth=3, random_state=0).fit(X, Y)


# Rows that are changed


def write(rows: Any, how: str) -> None:
    """Set the first column of rows to 0 in place."""
    if how == "column":
        rows["a"] = 0.0
    elif how == "loc":
        rows.loc[rows.index[0] :, "a"] = 0.0
    elif how == "iloc":
        rows.iloc[:, 0] = 0.0
    elif how == "data":
        rows.data[:] = 0.0
    elif how == "list":
        for row in rows:
            row[0] = 0.0
    elif how == "polars":
        rows.replace_column(0, rows["a"] * 0)
    else:
        rows[:, 0] = 0.0


def frame() -> Any:
    return pd.DataFrame(ROWS, columns=NAMES)


CONTAINERS: dict[str, tuple[Callable[[], Any], str]] = {
    "array": (ROWS.copy, "array"),
    "fortran": (lambda: np.asfortranarray(ROWS), "array"),
    "view": (lambda: np.hstack([ROWS, ROWS])[:, :3], "array"),
    "objects": (lambda: ROWS.astype(object), "array"),
    "column": (frame, "column"),
    "loc": (frame, "loc"),
    "iloc": (frame, "iloc"),
    "csr": (lambda: scipy.sparse.csr_matrix(ROWS), "data"),
    "list": (ROWS.tolist, "list"),
    "polars": (lambda: pytest.importorskip("polars").DataFrame(ROWS, schema=NAMES), "polars"),
    "wrapped_array": (lambda: fastexplain.DatasetWrapper(ROWS.copy()), "array"),
    "wrapped_frame": (lambda: fastexplain.DatasetWrapper(frame()), "column"),
}


@pytest.mark.parametrize("container", [name for name in CONTAINERS if not name.startswith("wrapped")])
def test_rows_that_change_later_leave_the_explanation_as_it_is(container: str, call: Any) -> None:
    make, how = CONTAINERS[container]
    rows, model = make(), forest()
    explainer = fastexplain.TreeExplainer(model)
    expected = call(explainer, make())
    _ = expected.eval_y_predicted
    explanation = call(explainer, rows)
    write(rows, how)
    assert explanation.eval_y_predicted == expected.eval_y_predicted
    assert explanation.eval_y_predicted_proba == expected.eval_y_predicted_proba
    if container != "csr":
        assert explanation.eval_data == expected.eval_data
    else:
        assert (explanation.eval_data != expected.eval_data).nnz == 0
    if container not in ("list", "polars", "objects"):  # pandas' frames of these have other types
        pd.testing.assert_frame_equal(
            explanation.to_pandas(include_eval_data=True), expected.to_pandas(include_eval_data=True)
        )


@pytest.mark.parametrize("container", list(CONTAINERS))
def test_rows_that_are_not_copied_are_compared_by_their_checksum(
    container: str, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "COPIED_BYTES", 1)
    make, how = CONTAINERS[container]
    rows = make()
    explanation = call(fastexplain.TreeExplainer(forest()), rows)
    assert explanation._eval_data is not None  # nothing has changed so far
    write(getattr(rows, "original_dataset_with_type", rows), how)
    if explanation._check_rows is None:  # tables with copies on write, lists, objects
        assert np.shape(explanation.eval_data) == (20, 3)
        return
    uses = [
        lambda: explanation.eval_data,
        lambda: explanation.eval_y_predicted,
        lambda: explanation.eval_y_predicted_proba,
        lambda: explanation.to_pandas(),
        lambda: pickle.dumps(explanation),
    ]
    if hasattr(explanation, "values"):
        uses.append(lambda: explanation.plot.beeswarm())
    for use in uses:
        with pytest.raises(ValueError, match=CHANGED_ROWS):
            use()
    assert explanation.id  # what does not depend on the rows stays at hand


def test_torch_tensors_are_compared() -> None:
    torch = pytest.importorskip("torch")
    rows = torch.tensor(ROWS)
    explanation = fastexplain.LinearExplainer(LinearRegression().fit(X, Y), X).explain_local(rows)
    assert explanation.eval_y_predicted is not None
    rows[:, 0] = 0.0
    with pytest.raises(ValueError, match=CHANGED_ROWS):
        _ = explanation.eval_data


def test_a_single_row_is_kept() -> None:
    row = X[3].copy()
    explanation = fastexplain.LinearExplainer(LinearRegression().fit(X, Y), X).explain_local(row)
    series = pd.Series(X[3], index=NAMES)
    by_series = fastexplain.LinearExplainer(LinearRegression().fit(frame(), Y[:20]), frame()).explain_local(series)
    row[:] = 0.0
    series["a"] = 0.0
    assert explanation.eval_data == X[3].tolist()
    assert by_series.eval_data == X[3].tolist()
    assert explanation.eval_y_predicted == pytest.approx(explanation.base_values + explanation.values.sum(axis=1)[0])


def test_raw_rows_and_transformers_that_hand_them_through_are_kept(call: Any) -> None:
    for transformation in (
        ColumnTransformer([("s", StandardScaler(), ["a", "b", "c"])]).fit(pd.DataFrame(X, columns=NAMES)),
        [(["a"], FunctionTransformer()), (["b", "c"], None)],
    ):
        table = pd.DataFrame(X, columns=NAMES)
        engineered = table.to_numpy() if isinstance(transformation, list) else transformation.transform(table)
        model = LinearRegression().fit(engineered, Y)
        explainer = fastexplain.LinearExplainer(model, table, transformations=transformation)
        rows = frame()
        explanation = call(explainer, rows)
        rows["a"] = 0.0
        assert explanation.eval_data == ROWS.tolist()
        np.testing.assert_allclose(explanation.eval_y_predicted, model.predict(engineered[:20]))


def test_raw_rows_of_an_explanation_made_by_hand_are_kept() -> None:
    explanation = fastexplain.TreeExplainer(forest()).explain_local(ROWS)
    rows = ROWS.copy()
    raw = explanation.get_raw_explanation([np.eye(3)], eval_data=rows)
    rows[:] = 0.0
    assert raw.eval_data == ROWS.tolist()
    assert raw.eval_y_predicted == explanation.eval_y_predicted


# Models that are changed


def lightgbm_classifier() -> Any:
    return pytest.importorskip("lightgbm").LGBMClassifier(n_estimators=4, verbose=-1, min_child_samples=5)


def xgboost_classifier() -> Any:
    return pytest.importorskip("xgboost").XGBClassifier(n_estimators=4)


def xgboost_regressor() -> Any:
    return pytest.importorskip("xgboost").XGBRegressor(n_estimators=4)


MODELS: dict[str, Callable[[], Any]] = {
    "lightgbm": lightgbm_classifier,
    "xgboost": xgboost_classifier,
    "xgboost_regressor": xgboost_regressor,
    "forest": lambda: RandomForestClassifier(3, max_depth=3, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=3, random_state=0),
    "hist": lambda: HistGradientBoostingRegressor(max_iter=3, random_state=0),
    "logistic": LogisticRegression,
    "linear": LinearRegression,
    "svr": SVR,
    "svc": SVC,
}


@pytest.mark.parametrize("name", list(MODELS))
def test_a_model_that_is_fitted_again_is_an_error(name: str, call: Any, tmp_path: Path) -> None:
    model = MODELS[name]().fit(X, Y)
    explainer = fastexplain.TabularExplainer(model, X[:30], show_progress=False)
    read_before, read_after, saved = (call(explainer, ROWS) for _ in range(3))
    expected = model.predict(ROWS).tolist()
    assert read_before.eval_y_predicted == expected
    model.fit(X, OTHER)
    assert read_before.eval_y_predicted == expected
    for use in (
        lambda: read_after.eval_y_predicted,
        lambda: read_after.eval_y_predicted,  # not known after an error
        lambda: read_after.eval_y_predicted_proba,
        lambda: pickle.dumps(read_after),
        lambda: save_explanation(saved, tmp_path / "e"),
        lambda: read_after.to_pandas(),
    ):
        with pytest.raises(PredictionError, match=CHANGED_MODEL):
            use()
    assert read_after.eval_data == ROWS.tolist()
    assert not (tmp_path / "e").exists()


def test_trees_added_to_a_booster_are_noticed(call: Any) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1}, lightgbm.Dataset(X, Y), num_boost_round=3, keep_training_booster=True
    )
    explanation = call(fastexplain.TreeExplainer(booster), ROWS)
    booster.update()
    with pytest.raises(PredictionError, match=CHANGED_MODEL):
        _ = explanation.eval_y_predicted


def test_trees_added_to_a_classifier_of_xgboost_are_noticed(call: Any) -> None:
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=3).fit(X, Y)
    explanation = call(fastexplain.TreeExplainer(model), ROWS)
    model.get_booster().update(xgboost.DMatrix(X, Y), 3)
    with pytest.raises(PredictionError, match=CHANGED_MODEL):
        _ = explanation.eval_y_predicted


def test_parameters_without_a_fit_change_no_prediction(call: Any) -> None:
    model = lightgbm_classifier().fit(X, Y)
    explanation = call(fastexplain.TreeExplainer(model), ROWS)
    model.set_params(n_jobs=1, learning_rate=0.5)
    assert explanation.eval_y_predicted == model.predict(ROWS).tolist()


@pytest.mark.filterwarnings("ignore::fastexplain.exceptions.RescaledValuesWarning")
def test_labels_that_contradict_probabilities_are_an_error(call: Any) -> None:
    model = GradientBoostingClassifier(n_estimators=3, random_state=0).fit(X, Y)
    explanation, unread = (call(fastexplain.TreeExplainer(model, shap_values_output="probability"), ROWS) for _ in "ab")
    assert explanation.eval_y_predicted == model.predict(ROWS).tolist()
    model.fit(X, OTHER)
    with pytest.raises(PredictionError, match=CHANGED_MODEL):
        _ = unread.eval_y_predicted


@pytest.mark.parametrize("kind", ["tree", "linear"])
def test_a_subset_of_features_shows_the_change_too(kind: str, call: Any) -> None:
    model = (RandomForestClassifier(3, random_state=0) if kind == "tree" else LogisticRegression()).fit(X, Y)
    explainer = fastexplain.TabularExplainer(model, X, explain_subset=[1])
    explanation, unread = call(explainer, ROWS), call(explainer, ROWS)
    assert explanation.eval_y_predicted == model.predict(ROWS).tolist()
    model.fit(X, OTHER)
    with pytest.raises(PredictionError, match=CHANGED_MODEL):
        _ = unread.eval_y_predicted


def test_coefficients_that_are_written_to_are_noticed(call: Any) -> None:
    coef = np.array([1.0, 2.0, 3.0])
    explanation = call(fastexplain.LinearExplainer((coef, np.array(0.5)), X), ROWS)
    coef *= 2
    with pytest.raises(PredictionError, match=CHANGED_MODEL):
        _ = explanation.eval_y_predicted


def at_once(kind: str) -> tuple[Any, Any]:
    if kind == "deep":
        model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=50, random_state=0).fit(X, Y)
        return model, fastexplain.DeepExplainer(model, X[:10])
    if kind == "lime":
        pytest.importorskip("lime")
        model = LinearRegression().fit(X, Y)
        return model, fastexplain.LIMEExplainer(model, X, num_samples=50, show_progress=False)
    model = SVR().fit(X, Y)
    return model, fastexplain.KernelExplainer(model, X[:10], explain_subset=[0, 2], show_progress=False)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", ["deep", "lime", "kernel subset"])
def test_predictions_come_with_values_that_do_not_tell_of_the_model(kind: str, call: Any) -> None:
    model, explainer = at_once(kind)
    explanation, expected = call(explainer, ROWS), model.predict(ROWS)
    model.fit(X, OTHER)
    np.testing.assert_array_equal(explanation.eval_y_predicted, expected)


@pytest.mark.parametrize("how", ["local", "global"])
def test_predictions_come_with_sampled_values(how: str) -> None:
    wide = RNG.normal(size=(40, 14))
    factor = [1.0]

    def product(rows: Any) -> Any:
        return factor[0] * np.tanh(rows).sum(axis=1) ** 3

    explainer = fastexplain.KernelExplainer(product, wide[:5], nsamples=100, show_progress=False)
    explanation, expected = CALLS[how](explainer, wide[:2]), product(wide[:2])
    assert explanation.standard_errors.any()
    factor[0] = 2.0
    np.testing.assert_array_equal(explanation.eval_y_predicted, expected)


def test_predictions_come_with_permutation_importances() -> None:
    model = LinearRegression().fit(X, Y)
    rows = ROWS.copy()
    explanation = fastexplain.PFIExplainer(model, show_progress=False).explain_global(rows, Y[:20])
    expected = model.predict(ROWS)
    model.fit(X, OTHER)
    rows[:] = 0.0
    np.testing.assert_array_equal(explanation.eval_y_predicted, expected)
    assert explanation.eval_data == ROWS.tolist()


@pytest.mark.parametrize("teacher", ["model", "function", "table"])
def test_a_teacher_that_changes_is_noticed(teacher: str, call: Any) -> None:
    model = LogisticRegression().fit(X, Y)
    examples: Any = X
    given: Any = model
    if teacher == "function":
        given = lambda rows: model.predict_proba(rows)  # noqa: E731 - a function of the user's
    if teacher == "table":
        examples = pd.DataFrame(X, columns=NAMES)
        given = model.fit(examples, Y)
    explainer = fastexplain.MimicExplainer(given, examples, fastexplain.LinearExplainableModel, fidelity=False)
    rows = examples[:20]
    read_before, read_after = call(explainer, rows), call(explainer, rows)
    loaded = pickle.loads(pickle.dumps(explainer)) if teacher == "model" else None
    expected = model.predict_proba(rows).tolist()
    assert read_before.eval_y_predicted_proba == expected
    at_once = None if loaded is None else call(loaded, rows)
    model.fit(examples, OTHER)
    with pytest.raises(PredictionError, match=CHANGED_MODEL):
        _ = read_after.eval_y_predicted
    if at_once is not None:
        assert at_once.eval_y_predicted_proba == expected


def test_functions_are_compared_with_the_values(call: Any) -> None:
    factor = [1.0]
    explainer = fastexplain.KernelExplainer(lambda rows: factor[0] * rows[:, 0], X[:5], show_progress=False)
    explanation, unread = call(explainer, ROWS), call(explainer, ROWS)
    np.testing.assert_allclose(explanation.eval_y_predicted, ROWS[:, 0])
    factor[0] = 2.0
    with pytest.raises(PredictionError, match=CHANGED_MODEL):
        _ = unread.eval_y_predicted


@pytest.mark.parametrize("link", ["identity", "logit"])
def test_links_and_single_probabilities_agree_with_the_values(link: str, call: Any) -> None:
    model = LogisticRegression().fit(X, Y)
    for given in (model, lambda rows: model.predict_proba(rows)[:, 1]):
        explainer = fastexplain.KernelExplainer(
            given, X[:5], link=link, model_task="classification", show_progress=False
        )
        explanation = call(explainer, ROWS)
        np.testing.assert_allclose(explanation.eval_y_predicted_proba, model.predict_proba(ROWS))


@pytest.mark.parametrize(
    ("library", "parameters"),
    [
        ("lightgbm.LGBMRegressor", {"n_estimators": 3}),
        ("xgboost.XGBRegressor", {"n_estimators": 3}),
        ("sklearn.tree.DecisionTreeRegressor", {"max_depth": 3}),
        ("sklearn.ensemble.ExtraTreesRegressor", {"n_estimators": 3}),
        ("sklearn.ensemble.GradientBoostingRegressor", {"n_estimators": 3}),
        ("sklearn.ensemble.HistGradientBoostingRegressor", {"max_iter": 3}),
    ],
)
def test_a_pipeline_that_was_fitted_again_is_not_explained_by_its_old_trees(
    library: str, parameters: dict[str, int]
) -> None:
    module, _, name = library.rpartition(".")
    tree = getattr(pytest.importorskip(module), name)(**parameters)
    rows = np.random.default_rng(0).normal(size=(60, 3))
    pipeline = Pipeline([("scale", StandardScaler()), ("trees", tree)]).fit(rows, rows[:, 0])
    explainer = TabularExplainer(pipeline, rows)
    for same in (explainer, pickle.loads(pickle.dumps(explainer)), copy.deepcopy(explainer)):
        same.explain_local(rows[:2])
    pipeline.fit(3 * rows, rows[:, 1])
    with pytest.raises(PredictionError, match="refitted or changed since"):
        explainer.explain_local(rows[:2])
