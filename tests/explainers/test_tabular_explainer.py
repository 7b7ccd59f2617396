"""TabularExplainer: a fitted model in, explanations with interpret-community's shapes out."""

from __future__ import annotations

import enum
import logging
import pickle
import sys

import numpy as np
import pytest
from conftest import run_python
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression

import fastexplain
from fastexplain import TabularExplainer, UnsupportedModelError
from fastexplain.explainers import tree
from fastexplain.explainers.shared import base as _base
from fastexplain.explanation import GlobalExplanation, GlobalLocalExplanation, LocalExplanation

lightgbm = pytest.importorskip("lightgbm")
pandas = pytest.importorskip("pandas")
xgboost = pytest.importorskip("xgboost")

# float64 values of up to 20 small trees add up to the library's float64 output.
EXACT = 1e-10
# XGBoost itself adds leaves in float32.
FLOAT32 = 1e-5

N_FEATURES = 6
NAMES = [f"col {i}" for i in range(N_FEATURES)]


def data(n_classes: int, n_rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    if n_classes == 0:
        X, y = make_regression(n_rows, N_FEATURES, noise=1.0, random_state=0)
        return X, y / 100
    return make_classification(n_rows, N_FEATURES, n_informative=5, n_redundant=0, n_classes=n_classes, random_state=0)


MAKERS = {
    "lightgbm": lambda n: (lightgbm.LGBMClassifier if n else lightgbm.LGBMRegressor)(
        n_estimators=10, num_leaves=7, verbose=-1, n_jobs=1
    ),
    "xgboost": lambda n: (xgboost.XGBClassifier if n else xgboost.XGBRegressor)(n_estimators=10, max_depth=3, n_jobs=1),
    "forest": lambda n: (RandomForestClassifier if n else RandomForestRegressor)(
        n_estimators=10, max_depth=4, random_state=0
    ),
}


@pytest.fixture(scope="module")
def fitted():
    """Model by library and number of classes (0: regression), each fitted once."""
    models = {}

    def get(library: str, n_classes: int):
        key = (library, n_classes)
        if key not in models:
            models[key] = MAKERS[library](n_classes).fit(*data(n_classes))
        return models[key], data(n_classes)[0]

    return get


@pytest.fixture(params=list(MAKERS))
def library(request):
    return request.param


def raw_output(model, X):
    """What the values add up to, by the library's own prediction, of shape (n_rows, n_outputs)."""
    if isinstance(model, lightgbm.LGBMModel):
        raw = model.predict(X, raw_score=True)
    elif isinstance(model, xgboost.XGBModel):
        raw = model.predict(X, output_margin=True)
    else:
        raw = model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
    return np.asarray(raw).reshape(len(X), -1)


# Numbers and shapes


@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_values_add_up_to_the_librarys_own_output(fitted, library, n_classes):
    model, X = fitted(library, n_classes)
    explanation = TabularExplainer(model, X).explain_local(X)
    total = explanation.values.sum(axis=1) + explanation.base_values
    tolerance = FLOAT32 if library == "xgboost" else EXACT
    np.testing.assert_allclose(total, raw_output(model, X), atol=tolerance)


def test_regression_shapes(fitted, library):
    model, X = fitted(library, 0)
    explanation = TabularExplainer(model, X).explain_global(X)
    assert np.shape(explanation.local_importance_values) == (300, N_FEATURES)
    assert np.shape(explanation.global_importance_values) == (N_FEATURES,)
    assert len(explanation.expected_values) == 1
    assert explanation.model_task == "regression"
    assert not hasattr(explanation, "per_class_values")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classification_shapes(fitted, library, n_classes):
    model, X = fitted(library, n_classes)
    explanation = TabularExplainer(model, X).explain_global(X)
    assert np.shape(explanation.local_importance_values) == (n_classes, 300, N_FEATURES)
    assert np.shape(explanation.per_class_values) == (n_classes, N_FEATURES)
    assert len(explanation.expected_values) == n_classes
    assert explanation.num_classes == n_classes
    assert explanation.model_task == "classification"


@pytest.mark.parametrize(
    "model",
    [
        MAKERS["lightgbm"](2),
        MAKERS["xgboost"](2),
        GradientBoostingClassifier(n_estimators=5),
        HistGradientBoostingClassifier(max_iter=5),
    ],
    ids=lambda model: type(model).__name__,
)
def test_binary_boosters_give_minus_v_and_v(model):
    X, y = data(2)
    explanation = TabularExplainer(model.fit(X, y), X).explain_local(X[:5])
    negative, positive = np.array(explanation.local_importance_values)
    np.testing.assert_array_equal(negative, -positive)
    np.testing.assert_array_equal(positive, explanation.values[..., 0])
    assert explanation.expected_values[0] == -explanation.expected_values[1]
    assert explanation.units == "margin"


def test_binary_forest_gives_each_class_its_own_probability(fitted):
    model, X = fitted("forest", 2)
    explanation = TabularExplainer(model, X).explain_local(X[:5])
    assert explanation.values.shape == (5, N_FEATURES, 2)
    assert explanation.units == "probability"
    assert sum(explanation.expected_values) == pytest.approx(1.0, abs=EXACT)


def test_single_1d_row_has_no_row_axis(fitted):
    model, X = fitted("lightgbm", 3)
    explainer = TabularExplainer(model, X)
    one, table = explainer.explain_local(X[7]), explainer.explain_local(X[7:8])
    assert np.shape(one.local_importance_values) == (3, N_FEATURES)
    assert np.shape(table.local_importance_values) == (3, 1, N_FEATURES)
    np.testing.assert_array_equal(one.values, table.values)
    assert one.num_examples == 1


@pytest.mark.parametrize("convert", [list, tuple, pandas.Series, np.asarray], ids=lambda f: f.__name__)
def test_single_row_of_any_kind(fitted, convert):
    model, X = fitted("forest", 0)
    explainer = TabularExplainer(model, X)
    row = explainer.explain_local(convert(X[7]))
    assert np.shape(row.local_importance_values) == (N_FEATURES,)
    np.testing.assert_array_equal(row.values, explainer.explain_local(X[7:8]).values)


def test_series_of_mixed_types_gets_its_categories_back():
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"x": rng.normal(size=200), "kind": pandas.Categorical(rng.integers(0, 3, 200))})
    model = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1, n_jobs=1).fit(frame, frame.kind.cat.codes + frame.x)
    explainer = TabularExplainer(model, frame)
    row = explainer.explain_local(frame.iloc[3])
    np.testing.assert_array_equal(row.values, explainer.explain_local(frame.iloc[[3]]).values)


def test_list_of_rows_is_a_table(fitted):
    model, X = fitted("forest", 0)
    explanation = TabularExplainer(model, X).explain_local(X[:4].tolist())
    assert np.shape(explanation.local_importance_values) == (4, N_FEATURES)


def test_no_rows_give_an_empty_local_explanation(fitted):
    model, X = fitted("forest", 0)
    assert TabularExplainer(model, X).explain_local(X[:0]).local_importance_values == []


# Global explanations


def test_global_is_mean_absolute_local(fitted, library):
    model, X = fitted(library, 3)
    explanation = TabularExplainer(model, X).explain_global(X)
    per_class = np.abs(np.array(explanation.local_importance_values)).mean(axis=1)
    np.testing.assert_allclose(explanation.per_class_values, per_class, rtol=EXACT)
    np.testing.assert_allclose(explanation.global_importance_values, per_class.mean(axis=0), rtol=EXACT)


@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_streamed_global_has_the_same_bits(fitted, library, n_classes, monkeypatch):
    model, X = fitted(library, n_classes)
    explainer = TabularExplainer(model, X)
    whole = explainer.explain_global(X)
    monkeypatch.setattr(_base, "_BATCH_BYTES", 0)
    streamed = explainer.explain_global(X, include_local=False, batch_size=100)
    assert streamed.get_feature_importance_dict() == whole.get_feature_importance_dict()
    assert streamed.expected_values == whole.expected_values
    assert streamed.features == whole.features
    if n_classes:
        assert streamed.per_class_values == whole.per_class_values


def test_streaming_never_asks_for_all_rows_at_once(fitted, monkeypatch):
    model, X = fitted("forest", 0)
    seen = []
    real = tree.tree_shap

    def watched(model, X, **options):
        seen.append(len(X))
        return real(model, X, **options)

    monkeypatch.setattr(tree, "tree_shap", watched)
    monkeypatch.setattr(_base, "_BATCH_BYTES", 0)
    TabularExplainer(model, X).explain_global(X, include_local=False, batch_size=1)
    assert seen == [128, 128, 44]


def test_streaming_accepts_tables(fitted, monkeypatch):
    polars = pytest.importorskip("polars")
    model, X = fitted("lightgbm", 2)
    monkeypatch.setattr(_base, "_BATCH_BYTES", 0)
    explainer = TabularExplainer(model, X)
    expected = explainer.explain_global(X, include_local=False).global_importance_values
    frame = pandas.DataFrame(X, columns=NAMES)
    for table in (frame, polars.from_pandas(frame), polars.from_pandas(frame).to_arrow()):
        explanation = explainer.explain_global(table, include_local=False)
        assert explanation.global_importance_values == expected
        assert explanation.features == NAMES


def test_include_local_decides_the_kind(fitted):
    model, X = fitted("forest", 0)
    explainer = TabularExplainer(model, X)
    assert type(explainer.explain_global(X)) is GlobalLocalExplanation
    assert type(explainer.explain_global(X, include_local=False)) is GlobalExplanation
    assert type(explainer.explain_local(X)) is LocalExplanation


@pytest.mark.parametrize("batch_size", [0, -5, 2.5, "all"])
def test_batch_size_must_be_positive(fitted, batch_size):
    model, X = fitted("forest", 0)
    with pytest.raises(ValueError, match=f"Specified argument batch_size must be greater than 0; got {batch_size!r}"):
        TabularExplainer(model, X).explain_global(X, include_local=False, batch_size=batch_size)


@pytest.mark.parametrize("include_local", [True, False])
def test_global_of_no_rows_is_refused(fitted, include_local):
    model, X = fitted("forest", 0)
    with pytest.raises(ValueError, match="no rows"):
        TabularExplainer(model, X).explain_global(X[:0], include_local=include_local)


# Names


def test_feature_names_come_from_the_examples(fitted):
    model, X = fitted("forest", 0)
    explanation = TabularExplainer(model, pandas.DataFrame(X, columns=NAMES)).explain_local(X)
    assert explanation.features == NAMES
    assert explanation.get_ranked_local_names(1)[0][0] in NAMES


def test_feature_names_come_from_the_rows_where_the_examples_have_none(fitted):
    model, X = fitted("lightgbm", 0)
    explanation = TabularExplainer(model, X).explain_global(pandas.DataFrame(X, columns=NAMES))
    assert explanation.features == NAMES


def test_feature_names_come_from_the_model_last():
    X, y = data(0)
    names = [f"c{i}" for i in range(N_FEATURES)]
    model = MAKERS["xgboost"](0).fit(pandas.DataFrame(X, columns=names), y)
    assert TabularExplainer(model, None).explain_local(X).features == names


def test_given_feature_names_win(fitted):
    model, X = fitted("forest", 0)
    given = list("abcdef")
    explainer = TabularExplainer(model, pandas.DataFrame(X, columns=NAMES), features=np.array(given))
    assert explainer.explain_local(pandas.DataFrame(X, columns=NAMES)).features == given


def test_indices_stand_in_for_names(fitted):
    model, X = fitted("forest", 0)
    explanation = TabularExplainer(model, X).explain_global(X, include_local=False)
    assert explanation.features == list(range(N_FEATURES))


def test_classes_are_the_models_own_unless_given(fitted):
    model, X = fitted("forest", 3)
    assert TabularExplainer(model, X).explain_local(X).classes == [0, 1, 2]
    assert TabularExplainer(model, X, classes=["u", "v", "w"]).explain_local(X).classes == ["u", "v", "w"]


@pytest.mark.parametrize("subset", [[4, 1], np.array([4, 1]), ["col 4", "col 1"]], ids=["list", "array", "names"])
def test_explain_subset_cuts_values_and_names(fitted, subset):
    model, X = fitted("forest", 3)
    frame = pandas.DataFrame(X, columns=NAMES)
    full = TabularExplainer(model, frame).explain_global(X)
    cut = TabularExplainer(model, frame, explain_subset=subset).explain_global(X)
    np.testing.assert_array_equal(cut.values, full.values[:, [4, 1]])
    assert cut.features == ["col 4", "col 1"]
    assert cut.num_features == 2
    np.testing.assert_array_equal(cut.global_importance_values, np.array(full.global_importance_values)[[4, 1]])


def test_streamed_explain_subset(fitted):
    model, X = fitted("lightgbm", 0)
    explainer = TabularExplainer(model, X, explain_subset=[5, 0])
    streamed = explainer.explain_global(X, include_local=False)
    assert streamed.features == [5, 0]
    assert streamed.global_importance_values == explainer.explain_global(X).global_importance_values


# Data and predictions


def test_explanation_keeps_data_and_model_type(fitted):
    model, X = fitted("forest", 0)
    explanation = TabularExplainer(model, X[:10], include_init_data=True).explain_global(X[:4])
    assert explanation.init_data == X[:10].tolist()
    assert explanation.eval_data == X[:4].tolist()
    assert explanation.model_type == str(type(model))
    assert explanation.method == "shap_tree"
    assert (explanation.is_raw, explanation.is_engineered) == (False, False)


def test_predictions_are_the_models_own(fitted, library):
    model, X = fitted(library, 3)
    explanation = TabularExplainer(model, X).explain_local(X[:20])
    assert explanation.eval_y_predicted == model.predict(X[:20]).tolist()
    assert explanation.eval_y_predicted_proba == np.asarray(model.predict_proba(X[:20]), dtype=float).tolist()


def test_regression_has_predictions_and_no_probabilities(fitted, library):
    model, X = fitted(library, 0)
    explanation = TabularExplainer(model, X).explain_local(X[:20])
    assert explanation.eval_y_predicted == model.predict(X[:20]).tolist()
    assert explanation.eval_y_predicted_proba is None


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_bare_booster_predicts_the_class_of_the_largest_output(fitted, name, n_classes):
    model, X = fitted(name, n_classes)
    booster = model.booster_ if name == "lightgbm" else model.get_booster()
    explanation = TabularExplainer(booster, None).explain_local(X[:20])
    assert explanation.eval_y_predicted == model.predict(X[:20]).tolist()
    assert explanation.eval_y_predicted_proba is None
    assert explanation.classes is None
    assert explanation.num_classes == n_classes


def test_a_second_call_describes_its_own_rows(fitted):
    model, X = fitted("forest", 0)
    explainer = TabularExplainer(model, X)
    explainer.explain_global(X[:5])
    second = explainer.explain_global(X[5:12])
    assert second.eval_data == X[5:12].tolist()
    assert len(second.eval_y_predicted) == second.num_examples == 7


def test_explainer_and_explanation_can_be_pickled(fitted):
    model, X = fitted("lightgbm", 2)
    explainer = pickle.loads(pickle.dumps(TabularExplainer(model, X)))
    explanation = explainer.explain_global(X)
    back = pickle.loads(pickle.dumps(explanation))
    np.testing.assert_array_equal(back.values, TabularExplainer(model, X).explain_global(X).values)
    assert back.eval_y_predicted == model.predict(X).tolist()


# What it chose, and what it refuses


def test_method_is_named_and_logged(fitted, caplog):
    model, X = fitted("forest", 0)
    with caplog.at_level(logging.INFO, logger="fastexplain"):
        explainer = TabularExplainer(model, X)
    assert explainer.method == explainer._method == "shap.tree"
    assert "RandomForestRegressor with exact path-dependent Tree SHAP" in caplog.text
    assert "10 trees, 6 features, 1 output." in caplog.text


def test_what_predicts_nothing_is_refused_with_what_is_expected():
    with pytest.raises(UnsupportedModelError, match=r"dict cannot be explained; expected a fitted model with predict"):
        TabularExplainer({}, np.zeros((3, 2)))
    with pytest.raises(UnsupportedModelError, match="LinearRegression is a class; expected a fitted instance"):
        TabularExplainer(LinearRegression, np.zeros((3, 2)))


def test_tree_explainer_refuses_other_models_and_names_theirs():
    X, y = data(0)
    with pytest.raises(UnsupportedModelError, match=r"LinearRegression is not a supported tree.*LinearExplainer"):
        fastexplain.TreeExplainer(LinearRegression().fit(X, y))


class Task(str, enum.Enum):  # noqa: UP042 - written as interpret-community's ModelTask is
    Classification = "classification"
    Unknown = "unknown"


@pytest.mark.parametrize("task", ["unknown", "classification", Task.Classification, Task.Unknown])
def test_model_task_that_fits_is_accepted(fitted, task):
    model, X = fitted("forest", 2)
    assert TabularExplainer(model, X, model_task=task).explain_local(X[:1]).model_task == "classification"


def test_model_task_that_contradicts_the_model_is_refused(fitted):
    model, X = fitted("forest", 2)
    with pytest.raises(ValueError, match=r"model_task is 'regression', but the \S+ model does classification"):
        TabularExplainer(model, X, model_task="regression")


def test_unknown_model_task_is_refused(fitted):
    model, X = fitted("forest", 2)
    with pytest.raises(ValueError, match="got 'clustering'"):
        TabularExplainer(model, X, model_task="clustering")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": ["a", "b"]}, "features has 2 names; the model has 6 features"),
        ({"classes": ["a", "b"]}, "classes has 2 labels; the model has 3 classes"),
        ({"explain_subset": []}, "explain_subset is empty"),
        ({"explain_subset": [1, 6]}, r"holds 6; .* 0\.\.5"),
        ({"explain_subset": [-1]}, "holds -1"),
        ({"explain_subset": ["nope"]}, "holds 'nope'"),
        ({"explain_subset": [2, 2]}, "a feature twice"),
        ({"transformations": [("a", None)]}, "transformations name the column 'a'"),
        (
            {"transformations": [("a", None)], "explain_subset": [0]},
            "explain_subset not supported with non-None transformations",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_wrong_arguments_are_refused_at_construction(fitted, arguments, message):
    model, X = fitted("forest", 3)
    with pytest.raises(ValueError, match=message):
        TabularExplainer(model, X, **arguments)


def test_classes_for_a_regression_are_refused(fitted):
    model, X = fitted("forest", 0)
    with pytest.raises(ValueError, match=r"classes has 2 labels, but .* does regression"):
        TabularExplainer(model, X, classes=["a", "b"])


def test_a_string_is_no_list_of_names(fitted):
    model, X = fitted("forest", 0)
    with pytest.raises(TypeError, match="features must be a list of names; got the string 'abcdef'"):
        TabularExplainer(model, X, features="abcdef")


def test_examples_of_another_width_give_both_numbers(fitted):
    model, X = fitted("forest", 0)
    with pytest.raises(ValueError, match="has 4 columns; the model has 6 features"):
        TabularExplainer(model, X[:, :4])


def test_examples_that_are_not_2d_are_refused(fitted):
    model, X = fitted("forest", 0)
    with pytest.raises(ValueError, match=r"must be 2-D; got shape \(6,\)"):
        TabularExplainer(model, X[0])


@pytest.mark.parametrize("rows", [np.zeros((2, 4)), np.zeros(4)], ids=["table", "row"])
def test_rows_of_another_width_give_both_numbers(fitted, rows):
    model, X = fitted("forest", 0)
    with pytest.raises(ValueError, match=r"4.*6|6.*4"):
        TabularExplainer(model, X).explain_local(rows)


def test_rows_of_three_dimensions_are_refused(fitted):
    model, X = fitted("forest", 0)
    with pytest.raises(ValueError, match=r"Rows must be 2-D, or 1-D.*got shape \(2, 2, 6\)"):
        TabularExplainer(model, X).explain_local(np.zeros((2, 2, 6)))


@pytest.mark.parametrize("rows", [3.0, None, "rows", {"a": [1.0]}], ids=["scalar", "None", "text", "dict"])
def test_what_holds_no_rows_is_a_type_error(fitted, rows):
    model, X = fitted("forest", 0)
    with pytest.raises(TypeError, match=rf"Rows came as builtins\.{type(rows).__name__}; expected"):
        TabularExplainer(model, X).explain_local(rows)


def test_unknown_keyword_is_a_type_error(fitted):
    model, X = fitted("forest", 0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        TabularExplainer(model, X, colour="red")


_STREAMED = """
import numpy as np
from conftest import peak_bytes
from sklearn.tree import DecisionTreeRegressor
from fastexplain import TabularExplainer

X = np.random.default_rng(1).random((3_000_000, 6), dtype=np.float32)
explainer = TabularExplainer(DecisionTreeRegressor(max_depth=3).fit(X[:1000], X[:1000, 0]), X[:100])
explainer.explain_global(X[:1000], include_local=False)
before = peak_bytes()
explainer.explain_global(X, include_local=False)
print(peak_bytes() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_streamed_global_does_not_hold_every_rows_values():
    # All values together take 144 MB; two batches of 32 MiB may be alive at once.
    assert int(run_python(_STREAMED)) < 90e6


def test_progress_bar_is_quiet_without_a_terminal(fitted, capfd):
    model, X = fitted("forest", 0)
    explainer = TabularExplainer(model, X, show_progress=True)
    explainer.explain_global(X, include_local=False)
    explainer.explain_local(X)
    captured = capfd.readouterr()
    assert captured.err == captured.out == ""


def test_root_exports_the_same_class():
    assert fastexplain.TabularExplainer is TabularExplainer
    assert fastexplain.Explanation is fastexplain.explanation.Explanation


def test_an_explainer_says_what_it_is() -> None:
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(np.eye(4), list("abab"))
    said = repr(TabularExplainer(model, np.eye(4)))
    assert said.startswith("<TreeExplainer of DecisionTreeClassifier: shap.tree, ")
    assert "classes [a, b]" in said
    assert said.endswith("chosen by TabularExplainer>")
    assert TabularExplainer.explain_global.__doc__ == fastexplain.TreeExplainer.explain_global.__doc__
