"""`fastexplain.compat.shap.TreeExplainer`: shap's values, shapes, warnings and errors."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

import fastexplain
import fastexplain.compat.shap as ours

pandas = pytest.importorskip("pandas")
shap = pytest.importorskip("shap")

# shap's tree kernels compute in float32 where the library does.
FLOAT32 = 1e-5
# Sums of a few hundred numbers in another order.
EXACT = 1e-9

# float32 numbers off the thresholds: shap does not round background rows as scikit-learn does
X, Y = (array.astype(np.float32).astype(np.float64) for array in load_iris(return_X_y=True))
BINARY = (Y == 1).astype(int)
BACKGROUND, ROWS = (rows.astype(np.float32).astype(np.float64) for rows in (X[::10] + 1e-3, X[3:60:14] + 0.03))
PRODUCT = X[:, 0] * Y

FOREST = RandomForestRegressor(n_estimators=5, max_depth=4, random_state=0).fit(X, PRODUCT)
CLASSES = RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0).fit(X, Y)
BOOSTING = GradientBoostingClassifier(n_estimators=8, random_state=0).fit(X, BINARY)
TREE = DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, PRODUCT)
TARGETS = DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, np.c_[PRODUCT, X[:, 1]])
MODELS = {"forest": FOREST, "classes": CLASSES, "boosting": BOOSTING, "tree": TREE, "targets": TARGETS}


def booster(library: str, task: str, rows: Any = X) -> Any:
    module = pytest.importorskip(library)
    quiet = {"verbose": -1} if library == "lightgbm" else {"enable_categorical": True}
    kind = ("LGBM" if library == "lightgbm" else "XGB") + ("Regressor" if task == "regression" else "Classifier")
    labels = {"regression": PRODUCT, "binary": BINARY, "classes": Y}[task]
    return getattr(module, kind)(n_estimators=5, n_jobs=1, **quiet).fit(rows, labels)


def both(model: Any, *arguments: Any, **options: Any) -> tuple[Any, Any]:
    return tuple(package.TreeExplainer(model, *arguments, **options) for package in (ours, shap))


def assert_same(mine: Any, theirs: Any) -> None:
    """Values and base values, of rows and of a call."""
    expected = theirs.shap_values(ROWS)
    np.testing.assert_allclose(mine.shap_values(ROWS), expected, atol=FLOAT32)
    assert np.shape(mine.expected_value) == np.shape(theirs.expected_value)
    np.testing.assert_allclose(mine.expected_value, theirs.expected_value, atol=FLOAT32)
    called = theirs(ROWS)
    for name in ("values", "base_values", "data"):
        assert getattr(mine(ROWS), name).shape == getattr(called, name).shape


# Without background rows


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_path_dependent(model: Any) -> None:
    mine, theirs = both(model)
    assert_same(mine, theirs)
    assert mine.feature_perturbation == theirs.feature_perturbation == "tree_path_dependent"
    assert mine.data is None
    frame = pandas.DataFrame(ROWS, columns=list("abcd"))
    assert mine(frame).feature_names == list("abcd")


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("task", ["regression", "binary", "classes"])
def test_boosting_libraries(library: str, task: str) -> None:
    assert_same(*both(booster(library, task)))


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_tables_with_categories(library: str) -> None:
    table = pandas.DataFrame(X, columns=list("abcd"))
    table["kind"] = pandas.Categorical(np.where(X[:, 3] > 1, "wide", "narrow"))
    mine, theirs = both(booster(library, "classes", table))
    few = table[3:60:14]
    np.testing.assert_allclose(mine.shap_values(few), theirs.shap_values(few), atol=FLOAT32)
    explanation = mine(few)
    assert explanation.feature_names == [*"abcd", "kind"]
    assert explanation.data[0, 4] == "narrow"
    assert explanation.shape == theirs(few).shape


@pytest.mark.parametrize("rows", ["dmatrix", "stored in part"])
def test_dmatrix(rows: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    model = booster("xgboost", "classes")
    cells = ROWS.copy()
    if rows == "stored in part":
        cells[::2, 1] = np.nan
    mine, theirs = both(model.get_booster())
    given = xgboost.DMatrix(cells)
    np.testing.assert_allclose(mine.shap_values(given), theirs.shap_values(given), atol=FLOAT32)
    np.testing.assert_array_equal(mine(given).data, cells)


def test_columns_of_other_names_are_read_by_position() -> None:
    model = RandomForestRegressor(n_estimators=3, random_state=0).fit(pandas.DataFrame(X, columns=list("abcd")), Y)
    mine = ours.TreeExplainer(model)
    with pytest.warns(UserWarning, match=r"'B' is read as 'b'"):
        values = mine.shap_values(pandas.DataFrame(ROWS, columns=list("aBcd")))
    np.testing.assert_array_equal(values, mine.shap_values(ROWS))
    with pytest.raises(ValueError, match="order"):  # the names are known, so position would be wrong
        mine.shap_values(pandas.DataFrame(ROWS, columns=list("bacd")))


# Arguments


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_approximate_is_saabas(model: Any) -> None:
    mine, theirs = both(model)
    values = mine.shap_values(ROWS, approximate=True)
    np.testing.assert_allclose(values, theirs.shap_values(ROWS, approximate=True), atol=FLOAT32)
    np.testing.assert_array_equal(mine(ROWS, approximate=True).values, values)
    np.testing.assert_allclose(mine.shap_values(ROWS).sum(axis=1), values.sum(axis=1), atol=FLOAT32)


@pytest.mark.parametrize("task", ["binary", "classes"])
def test_approximate_of_xgboost(task: str) -> None:
    mine, theirs = both(booster("xgboost", task))
    expected = theirs.shap_values(ROWS, approximate=True)
    np.testing.assert_allclose(mine.shap_values(ROWS, approximate=True), expected, atol=FLOAT32)


def test_approximate_with_background_rows_takes_their_means() -> None:
    mine, theirs = both(TREE, BACKGROUND)
    expected = theirs.shap_values(ROWS, approximate=True)
    np.testing.assert_allclose(mine.shap_values(ROWS, approximate=True), expected, atol=FLOAT32)


def test_approximate_in_the_constructor_is_deprecated() -> None:
    with pytest.warns(DeprecationWarning, match="an argument of shap_values and of calls"):
        mine = ours.TreeExplainer(FOREST, approximate=True)
    np.testing.assert_array_equal(mine.shap_values(ROWS), ours.TreeExplainer(FOREST).shap_values(ROWS))


def test_tree_limit() -> None:
    mine, theirs = both(BOOSTING)
    few = mine.shap_values(ROWS, tree_limit=3)
    np.testing.assert_allclose(few, theirs.shap_values(ROWS, tree_limit=3, check_additivity=False), atol=FLOAT32)
    assert np.abs(few - mine.shap_values(ROWS)).max() > 0.01
    for limit in (None, -1, 0, 8, 100):
        np.testing.assert_array_equal(mine.shap_values(ROWS, tree_limit=limit), mine.shap_values(ROWS))


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_tree_limit_of_boosting_libraries(library: str) -> None:
    mine, theirs = both(booster(library, "classes"))
    expected = theirs.shap_values(ROWS, tree_limit=3, check_additivity=False)
    np.testing.assert_allclose(mine.shap_values(ROWS, tree_limit=3), expected, atol=FLOAT32)


@pytest.mark.parametrize("model", [TREE, BOOSTING], ids=["tree", "boosting"])
def test_covers_from_background_rows(model: Any) -> None:
    background = X[::2]  # rows in every leaf: else shap's shares of a node's children add up to more than it
    mine, theirs = both(model, background, feature_perturbation="tree_path_dependent")
    assert_same(mine, theirs)
    assert np.abs(mine.shap_values(ROWS) - ours.TreeExplainer(model).shap_values(ROWS)).max() > 1e-3


def test_covers_from_few_background_rows_add_up() -> None:
    mine = ours.TreeExplainer(CLASSES, X[:20], feature_perturbation="tree_path_dependent")
    total = mine.shap_values(X).sum(axis=1) + mine.expected_value
    np.testing.assert_allclose(total, CLASSES.predict_proba(X), atol=1e-12)
    np.testing.assert_allclose(mine.expected_value, CLASSES.predict_proba(X[:20]).mean(axis=0), atol=1e-12)


def test_assert_additivity() -> None:
    mine = ours.TreeExplainer(CLASSES)
    values, outputs = mine.shap_values(ROWS), CLASSES.predict_proba(ROWS)
    mine.assert_additivity(values, outputs)
    mine.assert_additivity([values[..., k] for k in range(3)], outputs)
    ours.TreeExplainer(TREE).assert_additivity(ours.TreeExplainer(TREE).shap_values(ROWS), TREE.predict(ROWS))
    with pytest.raises(shap.utils._exceptions.ExplainerError, match="Values add up to"):
        mine.assert_additivity(values, outputs[::-1])


# With background rows


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_background_rows(model: Any) -> None:
    mine, theirs = both(model, BACKGROUND)
    assert mine.feature_perturbation == theirs.feature_perturbation == "interventional"
    assert_same(mine, theirs)
    for rows in (ROWS, ROWS[0], ROWS[:1]):
        assert mine(rows).shape == theirs(rows).shape == mine.shap_values(rows).shape


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("task", ["regression", "binary", "classes"])
def test_background_rows_of_boosting_libraries(library: str, task: str) -> None:
    assert_same(*both(booster(library, task), BACKGROUND))


def test_values_against_background_rows_are_of_double_precision() -> None:
    """Whatever the model's own, as with shap."""
    mine = ours.TreeExplainer(booster("xgboost", "regression"), BACKGROUND)
    exact = fastexplain.tree_shap(mine.model.original_model, ROWS, background=BACKGROUND, dtype="float64")
    np.testing.assert_allclose(mine.shap_values(ROWS), exact.values[..., 0], rtol=0, atol=1e-12)


def test_background_rows_of_many_features() -> None:
    wide = np.random.default_rng(0).normal(size=(60, 30)).astype(np.float32)
    model = RandomForestRegressor(n_estimators=5, random_state=0).fit(wide, wide[:, 0] * wide[:, 1])
    mine, theirs = both(model, wide[:20] + np.float32(1e-3))
    np.testing.assert_allclose(mine.shap_values(wide[20:30]), theirs.shap_values(wide[20:30]), atol=FLOAT32)


def test_background_tables_with_categories_and_missing_values() -> None:
    """Where shap's own kernel gives up: against enumeration."""
    table = pandas.DataFrame(X, columns=list("abcd"))
    table["kind"] = pandas.Categorical(np.where(X[:, 3] > 1, "wide", "narrow"))
    table.loc[::7, "a"] = np.nan
    model = booster("lightgbm", "regression", table)
    few, background = table[3:60:14], table[::10]
    mine = ours.TreeExplainer(model, background)
    expected = fastexplain.kernel_shap(model.predict, few, background, method="exact", see_through=False).values
    np.testing.assert_allclose(mine.shap_values(few), expected[..., 0], atol=EXACT)
    np.testing.assert_allclose(mine.expected_value, model.predict(background).mean())


def test_background_tables_in_another_order_of_columns() -> None:
    background = pandas.DataFrame(BACKGROUND, columns=list("abcd"))
    rows = pandas.DataFrame(ROWS, columns=list("abcd"))
    mine = ours.TreeExplainer(FOREST, background)
    straight = mine.shap_values(rows)
    np.testing.assert_array_equal(mine.shap_values(rows[["c", "a", "d", "b"]]), straight[:, [2, 0, 3, 1]])


def test_weighted_background_rows() -> None:
    mine = ours.TreeExplainer(FOREST, ours.kmeans(X, 5))
    expected = ours.KernelExplainer(FOREST.predict, ours.kmeans(X, 5))
    np.testing.assert_allclose(mine.shap_values(ROWS), expected.shap_values(ROWS, silent=True), atol=EXACT)
    np.testing.assert_allclose(mine.expected_value, expected.expected_value)


@pytest.mark.parametrize("output", ["predict", "predict_proba", "probability"])
def test_outputs_that_are_the_sum_of_the_trees(output: str) -> None:
    model = FOREST if output == "predict" else CLASSES
    mine, raw = (ours.TreeExplainer(model, BACKGROUND, model_output=which) for which in (output, "raw"))
    np.testing.assert_array_equal(mine.shap_values(ROWS), raw.shap_values(ROWS))
    np.testing.assert_array_equal(mine.expected_value, raw.expected_value)


@pytest.mark.parametrize("name", ["boosting", "lightgbm", "xgboost", "booster"])
@pytest.mark.parametrize("output", ["probability", "predict_proba"])
def test_probabilities_of_margins(name: str, output: str) -> None:
    """As shap does, the margin's values are stretched, pair by pair."""
    model = BOOSTING if name == "boosting" else booster("xgboost" if name == "booster" else name, "binary")
    probability = model.predict_proba(ROWS)
    model = model.get_booster() if name == "booster" else model
    mine, theirs = ours.TreeExplainer(model, BACKGROUND, output), shap.TreeExplainer(model, BACKGROUND, "probability")
    values, expected = mine.shap_values(ROWS), theirs.shap_values(ROWS)
    if output == "predict_proba":  # of both classes
        expected, total = np.stack([-expected, expected], axis=-1), probability
        assert mine(ROWS).base_values.shape == (len(ROWS), 2)
    else:
        np.testing.assert_allclose(mine.expected_value, theirs.expected_value, atol=FLOAT32)
        total = probability[:, 1]
    np.testing.assert_allclose(values, expected, atol=FLOAT32)
    np.testing.assert_allclose(values.sum(axis=1) + mine.expected_value, total, atol=FLOAT32)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(mine)).shap_values(ROWS), values)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("task", ["regression", "binary"])
def test_losses(library: str, task: str) -> None:
    mine, theirs = both(booster(library, task), BACKGROUND, model_output="log_loss")
    labels = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    values = mine.shap_values(ROWS, labels)
    scale = np.abs(values).max()
    np.testing.assert_allclose(values, theirs.shap_values(ROWS, labels), atol=FLOAT32 * scale)
    for label in (0, 1):
        np.testing.assert_allclose(mine.expected_value(label), theirs.expected_value(label), rtol=FLOAT32)
    explanation = mine(ROWS, labels)
    np.testing.assert_allclose(explanation.base_values, [mine.expected_value(label) for label in labels])
    assert mine(ROWS[0], labels[0]).base_values == mine.expected_value(0)
    raw = ours.TreeExplainer(booster(library, task)).model.predict(ROWS)
    loss = (raw - labels) ** 2 if task == "regression" else np.logaddexp(0, raw) - labels * raw
    np.testing.assert_allclose(values.sum(axis=1) + explanation.base_values, loss, atol=FLOAT32 * scale)


def test_labels_of_losses() -> None:
    model = GradientBoostingClassifier(n_estimators=3, random_state=0).fit(X, np.where(BINARY, "yes", "no"))
    mine = ours.TreeExplainer(model, BACKGROUND, "log_loss")
    values = mine.shap_values(ROWS, ["no", "yes", "yes", "no", "no"])
    np.testing.assert_array_equal(values, mine.shap_values(ROWS, [0, 1, 1, 0, 0]))
    errors = shap.utils._exceptions
    with pytest.raises(errors.ExplainerError, match="needs the labels of the rows"):
        mine.shap_values(ROWS)
    with pytest.raises(errors.DimensionError, match="There are 2 labels for 5 rows"):
        mine.shap_values(ROWS, [0, 1])
    with pytest.raises(ValueError, match="y holds labels other than 0 and 1"):
        mine.shap_values(ROWS, [0, 1, 2, 0, 1])
    with pytest.raises(ValueError, match="this model's trees vote with probabilities"):
        ours.TreeExplainer(CLASSES, BACKGROUND, "log_loss")


def test_other_outputs_are_enumerated() -> None:
    model = booster("lightgbm", "classes")
    mine = ours.TreeExplainer(model, BACKGROUND, model_output="predict_proba")
    expected = ours.ExactExplainer(model.predict_proba, BACKGROUND)(ROWS)
    np.testing.assert_allclose(mine.shap_values(ROWS), expected.values, atol=EXACT)
    np.testing.assert_allclose(mine.expected_value, expected.base_values[0])


def test_tree_limit_with_background_rows() -> None:
    mine, theirs = both(BOOSTING, BACKGROUND)
    expected = theirs.shap_values(ROWS, tree_limit=3, check_additivity=False)
    np.testing.assert_allclose(mine.shap_values(ROWS, tree_limit=3), expected, atol=FLOAT32)


# Interactions


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_interactions(model: Any) -> None:
    mine, theirs = both(model)
    values = mine.shap_interaction_values(ROWS)
    np.testing.assert_allclose(values, theirs.shap_interaction_values(ROWS), atol=FLOAT32)
    called, expected = mine(ROWS, interactions=True), theirs(ROWS, interactions=True)
    np.testing.assert_array_equal(called.values, values)
    assert called.base_values.shape == expected.base_values.shape
    np.testing.assert_allclose(mine.shap_interaction_values(ROWS[0]), values[0], atol=EXACT)
    np.testing.assert_allclose(values.sum(axis=2), mine.shap_values(ROWS), atol=EXACT)


@pytest.mark.parametrize("task", ["binary", "classes"])
def test_interactions_of_xgboost(task: str) -> None:
    mine, theirs = both(booster("xgboost", task))
    expected = theirs.shap_interaction_values(ROWS)
    np.testing.assert_allclose(mine.shap_interaction_values(ROWS), expected, atol=FLOAT32)


def test_interactions_against_background_rows() -> None:
    """Shap's are zero there."""
    mine = ours.TreeExplainer(FOREST, BACKGROUND)
    values = mine.shap_interaction_values(ROWS)
    np.testing.assert_allclose(values.sum(axis=2), mine.shap_values(ROWS), atol=EXACT)
    assert np.abs(values[:, 0, 2]).max() > 0.01


def test_interactions_of_the_first_trees() -> None:
    mine, theirs = both(BOOSTING)
    few = mine.shap_interaction_values(ROWS, tree_limit=3)
    np.testing.assert_allclose(few, theirs.shap_interaction_values(ROWS, tree_limit=3), atol=FLOAT32)


# All of the background


def test_all_background_rows_are_used() -> None:
    with pytest.warns(fastexplain.BackgroundWarning, match=r"All 150 background rows are used, where shap keeps a"):
        mine = ours.TreeExplainer(TREE, X)
    np.testing.assert_allclose(mine.expected_value, TREE.predict(X).mean())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs = shap.TreeExplainer(TREE, X + 1e-3)
        for few in (ours.sample, ours.maskers.Independent, shap.maskers.Independent):
            assert_same(ours.TreeExplainer(TREE, few(X + 1e-3)), theirs)


def test_interventional_without_background_rows_warns() -> None:
    for package in (ours, shap):
        with pytest.warns(FutureWarning, match="In the future, passing feature_perturbation='interventional'"):
            explainer = package.TreeExplainer(FOREST, feature_perturbation="interventional")
        assert explainer.feature_perturbation == "tree_path_dependent"


# The model


@pytest.mark.parametrize("name", [*MODELS, "xgboost", "lightgbm"])
def test_the_model_tells_what_shaps_tells(name: str) -> None:
    model = MODELS[name] if name in MODELS else booster(name, "classes")
    mine, theirs = (explainer.model for explainer in both(model))
    assert mine.original_model is model
    assert mine.num_outputs == theirs.num_outputs
    assert mine.tree_limit == theirs.tree_limit
    assert mine.model_output == theirs.model_output == "raw"
    np.testing.assert_allclose(mine.predict(ROWS), theirs.predict(ROWS), atol=FLOAT32)
    for member in ("children_left", "children_right", "node_sample_weight", "num_nodes", "base_offset"):
        np.testing.assert_allclose(getattr(mine, member), getattr(theirs, member), rtol=1e-4, atol=FLOAT32)
    inner = mine.children_left >= 0
    for member in ("features", "thresholds", "children_default"):
        ours_, theirs_ = getattr(mine, member), getattr(theirs, member)
        if member != "children_default" or name in ("xgboost", "lightgbm"):  # of rows without missing values
            np.testing.assert_allclose(ours_[inner], theirs_[inner], rtol=1e-6, err_msg=member)
    np.testing.assert_allclose(mine.values[~inner], theirs.values[~inner], atol=FLOAT32)
    assert mine.n_features_in_ == 4  # the model's own
    assert not hasattr(mine, "no_such_member")
    again = ours.TreeExplainer(mine)
    np.testing.assert_array_equal(again.shap_values(ROWS), ours.TreeExplainer(model).shap_values(ROWS))


# Refused


def test_what_is_not_there() -> None:
    wide = np.random.default_rng(0).normal(size=(60, 20))
    model = GradientBoostingClassifier(n_estimators=2, random_state=0).fit(wide, np.arange(60) % 3)
    errors = shap.utils._exceptions
    with pytest.raises(errors.InvalidModelError, match="at most 14 of them; this model has 20"):
        ours.TreeExplainer(model, wide, model_output="probability")
    with pytest.raises(
        errors.InvalidModelError, match=r"not yet supported by TreeExplainer: sklearn\.linear"
    ) as caught:
        ours.TreeExplainer(LinearRegression().fit(X, Y))
    assert isinstance(caught.value, fastexplain.UnsupportedModelError)
    with pytest.raises(errors.InvalidFeaturePerturbationError, match="got 'x'"):
        ours.TreeExplainer(FOREST, feature_perturbation="x")
    refused: dict[str, Any] = {
        "model_output='probability' needs background rows": lambda: ours.TreeExplainer(
            BOOSTING, model_output="probability"
        ),
        "model_output must be one of .*; got 'logloss'": lambda: ours.TreeExplainer(
            FOREST, BACKGROUND, model_output="logloss"
        ),
        "is of classifiers": lambda: ours.TreeExplainer(FOREST, BACKGROUND, model_output="probability"),
        "y is of model_output='log_loss'": lambda: ours.TreeExplainer(FOREST).shap_values(X, Y),
        "Interaction values are of model_output='raw'": lambda: ours.TreeExplainer(
            BOOSTING, BACKGROUND, model_output="probability"
        ).shap_interaction_values(X),
        "tree_limit is for model_output='raw'": lambda: ours.TreeExplainer(
            BOOSTING, BACKGROUND, model_output="probability"
        ).shap_values(X, tree_limit=2),
        "takes the identity link only": lambda: ours.TreeExplainer(FOREST, link=ours.links.logit),
    }
    for message, call in refused.items():
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(NotImplementedError, match="Interactions are exact only"):
        ours.TreeExplainer(FOREST)(X, interactions=True, approximate=True)
    with pytest.raises(RuntimeError, match="no GPU path"):
        ours.GPUTreeExplainer(FOREST)


def test_maskers_that_trees_do_not_take() -> None:
    assert ours.TreeExplainer.supports_model_with_masker(FOREST, ours.maskers.Independent(BACKGROUND))
    assert not ours.TreeExplainer.supports_model_with_masker(FOREST, ours.maskers.Partition(BACKGROUND))
    with pytest.raises(shap.utils._exceptions.InvalidMaskerError):
        ours.TreeExplainer(FOREST, ours.maskers.Partition(BACKGROUND))
