"""`LIMEExplainer`: lime's own numbers, classes in their order, labels, subsets, seeds, and its errors."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

lime_tabular = pytest.importorskip("lime.lime_tabular")  # an extra: the core installs without it

from fastexplain import LIMEExplainer, MissingDependencyError, SamplingPolicy, UnsupportedModelError  # noqa: E402

# the same sums in the same order
EXACT = 1e-12
SAMPLES = 300

X, Y = load_iris(return_X_y=True)
NAMES = ["setosa", "versicolor", "virginica"]
CLASSIFIER = LogisticRegression(max_iter=1000).fit(X, Y)
REGRESSION = LinearRegression().fit(X, Y)


def by_lime(rows: Any, training: Any, predict: Any, n_classes: int, **options: Any) -> NDArray[np.float64]:
    """Values (n_rows, n_features, n_outputs) of lime itself, a fresh explainer for each row."""
    values = np.zeros((len(rows), rows.shape[1], max(1, n_classes)))
    mode = "classification" if n_classes else "regression"
    for i, row in enumerate(rows):
        explainer = lime_tabular.LimeTabularExplainer(
            training, mode=mode, discretize_continuous=False, random_state=0, **options
        )
        found = explainer.explain_instance(row, predict, labels=range(n_classes), num_samples=SAMPLES).as_map()
        for k in range(values.shape[2]):
            for j, weight in found[k if n_classes else 1]:
                values[i, j, k] = weight
    return values


def lime(model: Any = CLASSIFIER, examples: Any = X, **options: Any) -> LIMEExplainer:
    options = {"num_samples": SAMPLES, "show_progress": False, **options}
    return LIMEExplainer(model, examples, **options)


def test_the_constructor_is_interpret_communitys() -> None:
    parameters = inspect.signature(LIMEExplainer).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == [
        "model", "initialization_examples", "is_function", "explain_subset", "nclusters", "features", "classes",
        "verbose", "categorical_features", "show_progress", "transformations", "allow_all_transformations",
        "model_task",
    ]  # fmt: skip
    assert LIMEExplainer.explainer_type == "blackbox"
    assert LIMEExplainer.available_explanations == ["global", "local"]


# Numbers


def test_classes_have_limes_own_numbers_in_their_order() -> None:
    explanation = lime(classes=NAMES).explain_local(X[:5])
    expected = by_lime(X[:5], X, CLASSIFIER.predict_proba, 3)
    assert_allclose(np.array(explanation.local_importance_values), np.moveaxis(expected, 2, 0), atol=EXACT)
    # the first class, setosa, has short petals: the longer, the less likely; interpret-community shows it last
    assert explanation.local_importance_values[0][0][2] < 0 < explanation.local_importance_values[2][0][2]


def test_a_regression_has_limes_own_numbers() -> None:
    explanation = lime(REGRESSION, X[:50]).explain_local(X[:5])
    expected = by_lime(X[:5], X[:50], REGRESSION.predict, 0)
    assert_allclose(explanation.local_importance_values, expected[..., 0], atol=EXACT)
    assert explanation.model_task == "regression"
    assert not hasattr(explanation, "classes")


def test_values_are_slopes_in_standard_deviations() -> None:
    values = lime(REGRESSION, X[:50], num_samples=5000).explain_local(X[:3]).values[..., 0]
    assert_allclose(values, np.tile(REGRESSION.coef_ * X[:50].std(axis=0), (3, 1)), rtol=0.02, atol=1e-3)


def test_what_an_explanation_has() -> None:
    explanation = lime(classes=NAMES).explain_global(X[:20])
    assert explanation.method == "lime"
    assert explanation.classes == NAMES
    assert np.shape(explanation.local_importance_values) == (3, 20, 4)
    assert_allclose(explanation.per_class_values, np.abs(explanation.local_importance_values).mean(axis=1))
    assert_allclose(explanation.eval_y_predicted_proba, CLASSIFIER.predict_proba(X[:20]))
    assert not hasattr(explanation, "expected_values")
    assert np.shape(lime(classes=NAMES).explain_local(X[0]).local_importance_values) == (3, 4)


def test_streaming_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastexplain.explainers.shared.base._BATCH_BYTES", 1)
    explainer = lime(REGRESSION, num_samples=20)
    whole = explainer.explain_global(X)
    batches = explainer.explain_global(X, include_local=False, batch_size=7)
    assert whole.global_importance_values == batches.global_importance_values
    assert not hasattr(batches, "local_importance_values")


def test_the_seed_decides_and_neighbours_do_not() -> None:
    first = lime(classes=NAMES).explain_local(X[:6]).values
    assert np.array_equal(first, lime(classes=NAMES).explain_local(X[:6]).values)
    assert np.array_equal(first[3:], lime(classes=NAMES).explain_local(X[3:6]).values)
    assert not np.array_equal(first, lime(classes=NAMES, seed=1).explain_local(X[:6]).values)
    np.random.seed(1)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    lime(classes=NAMES).explain_local(X[0])
    assert np.random.random() == expected  # noqa: NPY002


def test_only_so_many_features_have_a_coefficient() -> None:
    values = lime(classes=NAMES, num_features=2).explain_local(X[:4]).values
    assert (np.count_nonzero(values, axis=1) == 2).all()


# Kinds of models


def test_the_probability_of_class_1_becomes_that_of_both() -> None:
    def probability(rows: Any) -> Any:
        return 1 / (1 + np.exp(-np.asarray(rows) @ [1.0, -1.0, 0.0, 0.0]))

    explanation = lime(probability, X[:50], classes=["no", "yes"], model_task="classification").explain_local(X[:3])
    negative, positive = np.array(explanation.local_importance_values)
    assert_allclose(negative, -positive)
    assert (positive[:, 0] > 0).all()


def test_margins_are_explained_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    model = LinearSVC().fit(X, Y)
    explanation = lime(model, classes=NAMES).explain_local(X[:2])
    assert explanation.units == "margin"
    assert not [w for w in recwarn if "do not sum to 1" in str(w.message)]
    binary = LinearSVC().fit(X[:100], Y[:100])
    explanation = lime(binary, X[:100], classes=NAMES[:2]).explain_local(X[:2])
    assert np.shape(explanation.local_importance_values) == (2, 2, 4)
    assert_allclose(explanation.local_importance_values[0], -np.array(explanation.local_importance_values[1]))


# Rows


def test_a_subset_leaves_the_other_columns_at_the_rows_own_values() -> None:
    def product(rows: Any) -> Any:
        return rows[:, 0] * rows[:, 1]

    rows = np.array([[1.0, 10.0, 0.0], [1.0, -10.0, 0.0]])
    examples = np.random.Generator(np.random.Philox(2)).normal(size=(50, 3))
    explanation = lime(product, examples, explain_subset=[2, 0], num_samples=2000).explain_local(rows)
    assert explanation.features == [2, 0]
    scale = examples[:, 0].std()
    assert_allclose(explanation.values[:, 1, 0], [10 * scale, -10 * scale], rtol=0.01)
    assert_allclose(explanation.values[:, 0, 0], 0, atol=1e-2)


def test_labels_are_varied_by_their_frequency_and_the_model_sees_them() -> None:
    table = pd.DataFrame(
        {"size": np.arange(60.0) % 7, "colour": pd.Categorical(np.where(np.arange(60) % 3, "red", "blue"))}
    )

    def model(rows: Any) -> Any:
        assert list(rows.columns) == ["size", "colour"]
        assert rows["colour"].dtype == table["colour"].dtype
        return rows["size"].to_numpy() + 3.0 * (rows["colour"] == "red").to_numpy()

    for given in (["colour"], [1]):
        explanation = lime(model, table, categorical_features=given, num_samples=2000).explain_local(table[:3])
        # a label's value is the effect of having it: blue is worth 3 less than red
        assert_allclose(explanation.values[:, 1, 0], [-3.0, 3.0, 3.0], rtol=0.05)
    numeric = pd.DataFrame({"size": np.arange(60.0) % 7, "code": np.arange(60) % 3})
    explainer = lime(
        lambda rows: rows["code"].to_numpy() == 1, numeric, categorical_features=["code"], num_samples=2000
    )
    explanation = explainer.explain_local(numeric[:3])
    assert (np.sign(explanation.values[:, 1, 0]) == [-1, 1, -1]).all()


def test_polars_tables_and_object_arrays() -> None:
    polars = pytest.importorskip("polars")  # a test requirement only
    table = polars.DataFrame(
        {"size": np.arange(60.0) % 7, "colour": np.where(np.arange(60) % 3, "red", "blue").tolist()}
    )

    def of_table(rows: Any) -> Any:
        return rows["size"].to_numpy() + 3.0 * (rows["colour"] == "red").to_numpy()

    def of_array(rows: Any) -> Any:
        return rows[:, 0].astype(float) + 3.0 * (rows[:, 1] == "red")

    array = table.to_numpy().astype(object)
    a = lime(of_table, table, categorical_features=["colour"]).explain_local(table[:3])
    b = lime(of_array, array, categorical_features=[1]).explain_local(array[:3])
    assert_allclose(a.values, b.values)


def test_sparse_rows() -> None:
    rows = scipy.sparse.csr_matrix(X * (X > 1))
    model = LinearRegression().fit(rows, Y)
    explanation = lime(model, rows).explain_local(rows[:3])
    assert explanation.values.shape == (3, 4, 1)
    assert_allclose(explanation.values[:, 3], 0)  # lime leaves what is zero in a sparse row as it is
    assert lime(model, rows, explain_subset=[2]).explain_local(rows[:3]).values.shape == (3, 1, 1)


def test_values_are_slopes_in_standard_deviations_of_all_rows_however_many() -> None:
    # interpret-community works from ten k-means centres of more than 100 rows: slopes of 3 came out near 0
    random = np.random.default_rng(0)
    rows = np.hstack([random.normal(size=(400, 4)), random.normal(size=(400, 1)) * 100])
    model = LinearRegression().fit(rows, rows @ [3.0, -3.0, 3.0, 0.0, 1.0])
    values = lime(model, rows, num_samples=5000).explain_local(rows[:3]).values[..., 0]
    assert_allclose(values, np.tile([3.0, -3.0, 3.0, 0.0, 1.0] * rows.std(axis=0), (3, 1)), rtol=0.02, atol=0.05)


def test_sparse_rows_have_the_units_of_dense_rows() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(loc=5.0, size=(300, 4)) * [1.0, 10.0, 0.1, 1.0]
    model = LinearRegression().fit(rows, rows @ [3.0, 0.3, 30.0, 1.0])
    dense = lime(model, rows).explain_local(rows[:3]).values
    for options in ({}, {"explain_subset": [1, 3]}):
        sparse = lime(model, scipy.sparse.csr_matrix(rows), **options).explain_local(scipy.sparse.csr_matrix(rows[:3]))
        columns = options.get("explain_subset", slice(None))
        assert_allclose(sparse.values[..., 0], dense[:, columns, 0], rtol=0.02)


def test_what_a_sparse_row_does_not_store_stays_zero_and_a_subset_moves_nothing_else() -> None:
    rows = scipy.sparse.csr_matrix(np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]] * 30))
    seen = []

    def model(made_up: Any) -> Any:
        seen.append(made_up.toarray())
        return made_up @ np.array([1.0, 2.0, 3.0])

    values = lime(model, rows, num_samples=2000).explain_local(rows[:2]).values
    assert all((each[:, 1] == 0).all() for each in seen)
    assert_allclose(values[0, :, 0], [0.5, 0.0, 3.0], rtol=0.02)
    assert (values[1] == 0).all()
    seen.clear()
    lime(model, rows, explain_subset=[1]).explain_local(rows[:1])
    assert all((each[:, [0, 2]] == [1.0, 2.0]).all() for each in seen if len(each) == SAMPLES)


def test_object_columns_that_hold_numbers_are_numbers() -> None:
    table = pd.DataFrame({"a": np.arange(60.0) % 7, "b": np.arange(60) % 5})
    objects = table.astype(object)

    def model(rows: Any) -> Any:
        return rows["a"].to_numpy() + 3.0 * rows["b"].to_numpy()

    plain = lime(model, table).explain_local(table[:3]).values
    assert_allclose(lime(model, objects).explain_local(objects[:3]).values, plain, rtol=EXACT)
    text = objects.assign(b=objects["b"].astype(str).astype(object))
    with pytest.raises(ValueError, match="Column 'b' holds no numbers; name it in categorical_features"):
        lime(model, text)


def test_categories_that_are_numbers_stay_categories() -> None:
    table = pd.DataFrame({"size": np.arange(60.0) % 7, "code": pd.Categorical(np.arange(60) % 3)})

    def model(rows: Any) -> Any:
        assert rows["code"].dtype == table["code"].dtype
        return rows["size"].to_numpy() + 3.0 * (rows["code"] == 1).to_numpy()

    explanation = lime(model, table, categorical_features=["code"], num_samples=2000).explain_local(table[:3])
    assert_allclose(explanation.values[:, 1, 0], [-1.5, 3.0, -1.5], rtol=0.2)


def test_raw_features_get_the_sum_of_their_columns() -> None:
    table = pd.DataFrame({"size": X[:, 0], "kind": np.array(NAMES)[Y]})
    steps = ColumnTransformer([("s", StandardScaler(), ["size"]), ("k", OneHotEncoder(), ["kind"])], sparse_threshold=0)
    engineered = steps.fit_transform(table)
    model = LinearRegression().fit(engineered, X[:, 2])
    found = lime(model, table, transformations=steps).explain_local(table[:3])
    values = lime(model, engineered).explain_local(engineered[:3]).values
    assert found.features == ["size", "kind"]
    assert found.is_raw
    assert_allclose(found.values, np.stack([values[:, 0], values[:, 1:].sum(axis=1)], axis=1), atol=EXACT)
    assert_allclose(found.eval_y_predicted, model.predict(engineered[:3]))
    with pytest.raises(ValueError, match="explain_subset not supported with"):
        lime(model, table, transformations=steps, explain_subset=["size"])


def test_a_sampling_policy_acts() -> None:
    rng = np.random.Generator(np.random.Philox(2))
    rows = rng.normal(size=(256, 4))
    policy = SamplingPolicy(True, sampling_method="kmeans")
    explanation = lime(REGRESSION, X[:50], num_samples=20).explain_global(rows, policy)
    assert explanation.num_examples == 128
    assert len(explanation.eval_data) == 128


def test_explanations_can_be_pickled() -> None:
    explanation = pickle.loads(pickle.dumps(lime(classes=NAMES).explain_global(X[:3])))
    assert explanation.num_examples == 3


@pytest.mark.parametrize("sparse", [False, True])
def test_a_pickle_and_a_copy_explain_the_same(sparse: bool) -> None:
    rows = scipy.sparse.csr_matrix(X) if sparse else X
    explainer = lime(REGRESSION, rows)
    before = explainer.explain_local(rows[:2]).local_importance_values
    for again in (pickle.loads(pickle.dumps(explainer)), copy.deepcopy(explainer)):
        assert np.array_equal(again.explain_local(rows[:2]).local_importance_values, before)


def test_threads_may_share_an_explainer() -> None:
    explainer = lime(REGRESSION, num_samples=2000)
    before = explainer.explain_local(X[:10]).local_importance_values
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(explainer.explain_local, X[:10]) for _ in range(12)]
    assert all(np.array_equal(call.result().local_importance_values, before) for call in calls)


# Bad input


def test_a_classifier_needs_classes() -> None:
    message = "LIME Explainer requires classes to be specified if using a classification model"
    with pytest.raises(ValueError, match=message):
        lime()
    with pytest.raises(ValueError, match="Classes is specified but model does not define predict_proba, only predict"):
        lime(REGRESSION, classes=NAMES)
    with pytest.raises(ValueError, match="Classes is specified but function was predict, not predict_proba"):
        lime(REGRESSION.predict, is_function=True, classes=NAMES)
    with pytest.raises(ValueError, match="classes has 2 labels; the model has 3 classes"):
        lime(classes=["a", "b"])


def test_what_cannot_be_is_named() -> None:
    table = pd.DataFrame({"size": np.arange(9.0), "colour": ["red", "blue", "red"] * 3})
    with pytest.raises(ValueError, match="Column 'colour' holds no numbers; name it in categorical_features"):
        lime(lambda rows: np.arange(len(rows)), table)
    with pytest.raises(ValueError, match="categorical_features holds 'shade'; expected feature names, or indices"):
        lime(lambda rows: np.arange(len(rows)), table, categorical_features=["shade"])
    explainer = lime(lambda rows: rows["size"].to_numpy(), table, categorical_features=["colour"])
    with pytest.raises(ValueError, match="Column 'colour' holds 'green', which is not among the labels"):
        explainer.explain_local(pd.DataFrame({"size": [1.0], "colour": ["green"]}))
    for rows in (X[:2, :3], np.hstack([X, X])[:2], scipy.sparse.csr_matrix(X[:2, :3])):
        with pytest.raises(ValueError, match=rf"evaluation_examples has {rows.shape[1]} columns; .* 4 features"):
            lime(REGRESSION).explain_local(rows)
    with pytest.raises(ValueError, match="LIMEExplainer needs initialization_examples"):
        lime(REGRESSION, None)
    with pytest.raises(ValueError, match="num_samples must be a positive whole number"):
        lime(REGRESSION, num_samples=0)
    with pytest.raises(UnsupportedModelError, match="is a class"):
        lime(LinearRegression)
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        lime(REGRESSION, colour="red")


def test_without_lime_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lime", None)
    monkeypatch.setitem(sys.modules, "lime.lime_tabular", None)
    with pytest.raises(MissingDependencyError, match=r"LIMEExplainer needs lime: pip install 'fastexplain\[lime\]'"):
        lime(REGRESSION)


def test_a_row_with_a_missing_value_says_what_takes_it() -> None:
    rows = X[:2].copy()
    rows[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"missing \(NaN\) in row 1, column 2; .* KernelExplainer"):
        lime(classes=NAMES).explain_local(rows)
